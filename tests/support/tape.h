// SPDX-License-Identifier: Apache-2.0
/*
 * A tape: binary log events put through the decoder's core as one unit each, for tests of
 * stages/decode.
 *
 * Schemas come from a text file (see tape.c) or from TABLE_MAPs with FULL metadata. The records
 * come to `on_record` in order. Everything is checked with cmocka assertions; only tr_tape_rows
 * gives errors back.
 */
#ifndef TR_TESTS_SUPPORT_TAPE_H
#define TR_TESTS_SUPPORT_TAPE_H

#include "stages/decode/decode.h"
#include "stages/decode/plan.h"
#include "stages/stream.h"

#define TR_TAPE_SCHEMAS_MAX 64

struct tr_tape;
typedef void tr_tape_on_record(struct tr_tape *tape, const struct tr_stream *stream,
                               const struct tr_record *record);

struct tr_tape {
    struct tr_encode_options options;
    uint32_t fragment_room_bytes; /* 0: TR_FRAGMENT_BYTES; set before the first rows */
    tr_tape_on_record *on_record;
    void *self;
    /* The unit's facts, used for the next rows. */
    struct tr_unit_item item;
    int64_t wall_unix_ns;
    bool item_is_fixed; /* play: position, time and server id stay as they are set */
    /* Below: the tape's own. */
    struct tr_streams *streams;
    struct tr_schema schemas[TR_TAPE_SCHEMAS_MAX];
    uint32_t schema_count;
    struct {
        uint64_t table_id;
        struct tr_schema *schema;
    } maps[TR_TAPE_SCHEMAS_MAX];
    uint32_t map_count;
    struct tr_decode decode;
    struct tr_unit *unit;
    struct tr_chunk *chunk;
    struct tr_fragment *fragment;
    struct tr_fragment *jumbo;
    uint64_t unit_seq;
    bool build_from_maps; /* schemas from FULL metadata where the file had none */
};

void tr_tape_open(struct tr_tape *tape, const struct tr_encode_options *options);
void tr_tape_close(struct tr_tape *tape);
/* Adds a schema whose wire columns and plan come with its first TABLE_MAP; takes the table. */
struct tr_schema *tr_tape_add_table(struct tr_tape *tape, struct tr_table *table);
/* Reads a schema file. */
void tr_tape_load_schemas(struct tr_tape *tape, const char *path);
/* A TABLE_MAP's body (without header and trailer): builds the plan. */
enum tr_code tr_tape_map(struct tr_tape *tape, const uint8_t *body, size_t bytes,
                         struct tr_error *err);
/* A whole rows event without trailer, as one unit, in pieces when it is larger than a chunk. */
enum tr_code tr_tape_rows(struct tr_tape *tape, const uint8_t *event, size_t bytes,
                          struct tr_error *err);
/* One item as one unit: schema, kind (if it has no bytes), op and event type are the caller's. */
enum tr_code tr_tape_item(struct tr_tape *tape, struct tr_unit_item item, const uint8_t *event,
                          size_t bytes, struct tr_error *err);
/* A schema for rows of the snapshot, with its plan; takes the table. NULL with err from the plan. */
struct tr_schema *tr_tape_add_text(struct tr_tape *tape, struct tr_table *table,
                                   struct tr_error *err);
/* All TABLE_MAP and rows events of a binary log file. */
void tr_tape_play(struct tr_tape *tape, const char *path);

#endif
