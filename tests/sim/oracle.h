// SPDX-License-Identifier: Apache-2.0
/*
 * The oracle: what a consumer sees, held against what the source committed.
 *
 * Per stream and key, in the order in which records become visible: each first appearance is the
 * next one expected (promise 3), repeats are contiguous replays (promise 2), in the end everything
 * was seen (promise 1). A key of which one request held several entries was hot: it is exempt from
 * the order of first appearances (design §7, `relax`), but its last record must be the last one
 * visible.
 */
#ifndef TR_TESTS_SIM_ORACLE_H
#define TR_TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "tests/sim/model_source.h"

enum tr_oracle_op { TR_ORACLE_INSERT = 0, TR_ORACLE_UPDATE, TR_ORACLE_DELETE, TR_ORACLE_TOMBSTONE };

struct tr_oracle_item {
    uint8_t op;
    bool seen;
    uint32_t n;
};

struct tr_oracle_key {
    struct tr_oracle_item *items; /* owns */
    uint32_t item_count;
    uint32_t items_room;
    uint32_t seen_count; /* first appearances in order */
    int64_t last;        /* index of the last record; -1 = none */
    bool is_hot;
};

struct tr_oracle {
    const struct tr_model_source *source; /* borrowed */
    uint32_t change_count;                /* changes taken over so far */
    struct tr_oracle_key keys[TR_MODEL_TABLES_MAX][TR_MODEL_KEYS_MAX];
    uint64_t record_count;
    uint64_t duplicate_count;
    char failure[512]; /* the first one; empty = none */
};

void tr_oracle_init(struct tr_oracle *oracle, const struct tr_model_source *source);
void tr_oracle_deinit(struct tr_oracle *oracle);

/* One record became visible. @thread one */
void tr_oracle_see(struct tr_oracle *oracle, struct tr_span stream, struct tr_span key,
                   struct tr_span data);

/* One request holds several entries of this key. */
void tr_oracle_note_hot(struct tr_oracle *oracle, struct tr_span stream, struct tr_span key);

/* Whether everything committed was seen; with `say`, a miss becomes the failure. */
bool tr_oracle_is_complete(struct tr_oracle *oracle, bool say);

#endif
