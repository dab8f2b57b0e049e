// SPDX-License-Identifier: Apache-2.0
/*
 * `tailrace check`: what a start would find, asked for one by one, through the same functions that
 * a start uses. Nothing is written anywhere, and no lock is kept.
 *
 *   configuration -> source -> tables -> sink and streams -> state -> the snapshot's cut, if there would be one
 *
 * Each part reports its findings and goes on; what an earlier part did not get is not asked again.
 * @thread main
 */
#ifndef TR_ENGINE_APP_CHECK_H
#define TR_ENGINE_APP_CHECK_H

#include "engine/app/check_report.h"
#include "engine/app/start.h"

#define TR_CHECK_NAMES_MAX 20   /* findings of one kind that are printed one by one */
#define TR_CHECK_CLOCK_SKEW_S 5 /* more is worth a look */

struct tr_check {
    const struct tr_config *config;
    struct tr_signals signals;
    struct tr_start start; /* read-only */
    struct tr_check_report report;
    bool has_facts;    /* the source answered */
    bool has_tables;   /* the captured tables were listed: their streams are in start.streams */
    bool may_read_log; /* SHOW BINARY LOGS is answered */
};

/* The server: reachable, login, TLS, version, clock, settings, grants, our id. */
void tr_check_source(struct tr_check *check);
/* The captured tables: how many, readable, types. Needs the source. */
void tr_check_tables(struct tr_check *check);
/* The cut that a start's snapshot would be made by. Needs the tables. */
void tr_check_snapshot(struct tr_check *check);
/* Kinesis: credentials, clock, and the streams of the tables. */
void tr_check_sink(struct tr_check *check);
/* The store, its lock, and what a start would do with what it holds; retention. */
void tr_check_state(struct tr_check *check);

/* "1.5 GiB"; room 32. */
const char *tr_check_write_bytes(uint64_t bytes, char *out);
/* "3 days", "5 h", "12 min", "7 s"; room 32. */
const char *tr_check_write_seconds(uint64_t seconds, char *out);

#endif
