// SPDX-License-Identifier: Apache-2.0
/* The refusals of decode.c: where the open item is, and why it cannot be decoded. */
#ifndef TR_STAGES_DECODE_DECODE_FAIL_H
#define TR_STAGES_DECODE_DECODE_FAIL_H

#include <inttypes.h>

#include "stages/decode/decode.h"

/* Name and place of the open item, for messages; FORMAT_PLACE takes PLACE(decode). */
#define FORMAT_PLACE "table %.*s.%.*s, rows event at %s:%" PRIu64
#define PLACE(decode)                                                                              \
    (int)tr_decode_item(decode)->schema->table->database.bytes,                                    \
        (const char *)tr_decode_item(decode)->schema->table->database.data,                        \
        (int)tr_decode_item(decode)->schema->table->name.bytes,                                    \
        (const char *)tr_decode_item(decode)->schema->table->name.data, (decode)->unit->file,      \
        tr_decode_item(decode)->pos

static inline const struct tr_unit_item *tr_decode_item(const struct tr_decode *decode)
{
    return &decode->unit->items[decode->item_index];
}

/* Fills err for the row at hand, by how writing it ended: BAD, LACKING, else as too large. */
enum tr_code tr_decode_fail_row(const struct tr_decode *decode, enum tr_write_outcome outcome,
                                struct tr_error *err);

/* Fills err for a prepared record that no fragment can take. */
enum tr_code tr_decode_fail_prepared(const struct tr_decode *decode, struct tr_error *err);

#endif
