// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot's port whose server is a script: its answers are written into one end of a socket pair beforehand, the port reads
 * them from the other, and its packets are taken apart as ingest does.
 */
#ifndef TR_TESTS_SUPPORT_SNAPSHOT_RIG_H
#define TR_TESTS_SUPPORT_SNAPSHOT_RIG_H

#include "stages/source/snapshot_source.h"

#define SNAPSHOT_RIG_TABLES_MAX 4
#define SNAPSHOT_RIG_EVENTS_MAX 4096
#define SNAPSHOT_RIG_ANSWERS_MAX 32

/* What the server has to say to one statement. */
struct snapshot_rig_script {
    uint8_t *bytes; /* owns */
    size_t used_bytes;
    size_t sent_bytes;
    uint8_t sequence;
    size_t answers[SNAPSHOT_RIG_ANSWERS_MAX]; /* where each begins */
    uint32_t answer_count;
    uint32_t statement_count; /* that came */
};

struct snapshot_rig_event {
    size_t at; /* in `stream`, where packets are joined */
    size_t bytes;
};

struct snapshot_rig {
    struct snapshot_rig_script script;
    struct tr_snapshot_schema schema;
    struct tr_snapshot_table tables[SNAPSHOT_RIG_TABLES_MAX];
    struct tr_snapshot_statement statements[3];
    uint32_t row_tables[SNAPSHOT_RIG_TABLES_MAX];
    struct tr_span columns[3];
    struct tr_snapshot_progress progress;
    struct tr_snapshot_source source;
    struct tr_source_port log;
    const struct tr_source_port *port;
    struct tr_clock clock;
    int64_t now_ns;
    int fds[2]; /* ours, the server's */
    int wake_fd;
    bool hangs_up; /* the server does, after its last word */
    uint32_t log_opens;
    uint32_t ended;
    uint32_t kept;
    size_t read_room; /* of one read */
    uint8_t *stream;  /* owns: payloads of events */
    struct snapshot_rig_event events[SNAPSHOT_RIG_EVENTS_MAX];
    uint32_t event_count;
    struct tr_error err;
};

/* Of every table: id, a, b. */
extern const char *const snapshot_rig_columns[3];

/* Tables t0, t1, …, read by statements of ours or (overridden) of the user's. */
struct snapshot_rig *snapshot_rig_open_for(uint32_t table_count, uint64_t row_bytes_max,
                                           bool is_overridden);
struct snapshot_rig *snapshot_rig_open(uint32_t table_count, uint64_t row_bytes_max);
void snapshot_rig_close(struct snapshot_rig *rig);

/* What the server says, in order: a packet of the open answer; an answer's beginning, for those who say it by packets; whole
 * ones, which end it. */
void snapshot_rig_say(struct snapshot_rig *rig, const void *payload, size_t bytes);
void snapshot_rig_begin_answer(struct snapshot_rig *rig);
void snapshot_rig_say_ok(struct snapshot_rig *rig);
void snapshot_rig_say_eof(struct snapshot_rig *rig);
void snapshot_rig_say_columns(struct snapshot_rig *rig, const char *const *names, uint8_t count);
void snapshot_rig_say_time(struct snapshot_rig *rig, const char *digits);
/* All that a table takes; rows of 3 cells: the number, NULL, "x". */
void snapshot_rig_say_table(struct snapshot_rig *rig, uint32_t row_count);
void snapshot_rig_say_error(struct snapshot_rig *rig, uint16_t number, const char *text);

/* Reads to the end, or to an error. */
enum tr_read snapshot_rig_run(struct snapshot_rig *rig);
/* "S0" statement and flags, "R t0 3 4 2" rows with marks and count, "E" end; joined by ';'. */
void snapshot_rig_describe(const struct snapshot_rig *rig, char *out, size_t room_bytes);

#endif
