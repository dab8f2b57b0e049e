// SPDX-License-Identifier: Apache-2.0
/*
 * A tape for rows of a snapshot: tables from statements, events cell by cell, records as text.
 * Everything is checked with cmocka assertions; only text_rig_play gives errors back.
 */
#ifndef TR_TESTS_SUPPORT_TEXT_RIG_H
#define TR_TESTS_SUPPORT_TEXT_RIG_H

#include "stages/ddl/model.h"
#include "tests/support/tape.h"

#define TEXT_RIG_EVENT_BYTES_MAX (8u << 20)
#define TEXT_RIG_COLLECTED_BYTES_MAX (2u << 20)

struct text_rig {
    struct tr_tape *tape;
    struct tr_ddl_model *model;
    struct tr_error err;
    /* Records as they came, one line each: STREAM|KEY|VALUE. */
    char collected[TEXT_RIG_COLLECTED_BYTES_MAX];
    size_t collected_bytes;
    uint32_t collected_count;
    struct tr_record last_record;
    /* The event being made. */
    uint8_t event[TEXT_RIG_EVENT_BYTES_MAX];
    size_t event_bytes;
};

extern struct text_rig text_rig;

/* Prefix `p`, records of up to 8 MiB unless the options say otherwise; room_bytes of a fragment, 0:
 * as ever. */
void text_rig_open(enum tr_flavor flavor, struct tr_encode_options options, uint32_t room_bytes);
void text_rig_close(void);
/* Forgets the records so far. */
void text_rig_forget(void);
/* A share of the table that a CREATE TABLE makes. */
struct tr_table *text_rig_table(const char *database, struct tr_span sql);
/* A schema of such a statement: the tape's next items are of it. */
struct tr_schema *text_rig_use(const char *sql);
/* An event's header; its cells are added row by row. */
void text_rig_begin(uint8_t first_mark, uint8_t last_mark, uint32_t row_count);
void text_rig_add_bytes(const void *bytes, size_t count);
/* NULL: the cell is NULL. */
void text_rig_add_cell(const void *cell, size_t bytes);
void text_rig_add_text(const char *cell);
enum tr_code text_rig_play(void);

#endif
