// SPDX-License-Identifier: Apache-2.0
/*
 * The oracle: what the engine sends, saves and makes visible, held against what the source
 * committed.
 *
 * Sending. Per stream and key the engine's queue is known exactly: it begins, in each life, with
 * the first record behind the saved position, and its head moves with each acknowledgement. So a
 * request's entries of a key must be just the next ones, in order, byte for byte what the log says,
 * and no other request may hold that key meanwhile. A restart or a lost link that loses or repeats
 * one record, a failed one that is passed over, an unknown outcome taken for a good one: all of
 * them show here, whether or not luck hides them later.
 *
 * Visible (promises 1..3). In the order in which records are stored each first appearance is the
 * next one expected, repeats are contiguous replays, in the end everything was seen. A key of which
 * one request held several entries is hot: it is exempt from the order of first appearances (design
 * §7, `relax`), but when all that was sent of it is
 * settled, nothing older than the last record acknowledged may be the last one visible. A key with
 * no more than 64 records waiting is not hot.
 *
 * Schema changes are records of one more stream; a row of the log stands for each statement, so that
 * no position passes it before they are acknowledged, and none is left out or comes twice within a life.
 *
 * Saving. A saved position is a place where reading can begin, never passes a record that was not
 * acknowledged, and never moves back.
 *
 * Snapshots. With each cut everything begins anew: first of a key comes what the snapshot shows of
 * it, then the changes behind the cut. Until all of the snapshot was acknowledged only the cut may be
 * saved, marked as unfinished. In the end the tables can be rebuilt from what was seen.
 */
#ifndef TR_TESTS_SIM_ORACLE_H
#define TR_TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "tests/sim/model_log.h"

struct tr_model_cut;

struct tr_oracle_item {
    uint32_t change;   /* of the log, or of the cut */
    bool is_read;      /* of the cut */
    bool is_tombstone; /* of that change, a delete */
    bool seen;
};

/* What stands in one partition key of one stream. */
struct tr_oracle_key {
    struct tr_oracle_key *next;   /* of its bucket */
    struct tr_oracle_key *older;  /* of all */
    struct tr_oracle_item *items; /* owns */
    uint32_t stream;
    uint32_t text_bytes;
    uint32_t hash;
    uint32_t item_count;
    uint32_t items_room;
    uint32_t seen_count; /* first appearances in order */
    int64_t last;        /* index of the last visible record; -1 = none */
    uint32_t head;       /* of the engine's queue: the first item not acknowledged in this life */
    uint32_t flight;     /* entries in the request that is out; 0 = none */
    uint32_t late_count; /* requests given up that may still be applied */
    bool is_hot;
    char text[];
};

#define TR_ORACLE_BUCKETS 4096

struct tr_oracle {
    const struct tr_model_log *log; /* borrowed */
    uint32_t
        tables; /* the streams looked at, a bit each; all, but where each shipper has an oracle of
                        its own */
    uint32_t change_count; /* changes taken over so far */
    struct tr_oracle_key *buckets[TR_ORACLE_BUCKETS];
    struct tr_oracle_key *newest;       /* of all keys; owns them */
    struct tr_oracle_key **change_keys; /* owns; the key of each change */
    uint32_t change_keys_room;
    const struct tr_model_cut *cut; /* borrowed; NULL = no snapshot */
    bool in_snapshot;               /* no position without its mark was saved since the cut */
    int64_t saved_row;              /* rows before the saved position */
    uint32_t saved_change;          /* changes before it */
    struct tr_buffer text;          /* scratch */
    uint64_t record_count;
    uint64_t duplicate_count;
    char failure[900]; /* the first one; empty = none */
};

void tr_oracle_init(struct tr_oracle *oracle, const struct tr_model_log *log);
void tr_oracle_deinit(struct tr_oracle *oracle);

/* The engine starts at this position (NULL: at the beginning). */
void tr_oracle_begin_life(struct tr_oracle *oracle, const struct tr_saved_position *position);

/* The engine starts with a snapshot of this cut. */
void tr_oracle_begin_snapshot(struct tr_oracle *oracle, const struct tr_model_cut *cut);

/* The position was saved. */
void tr_oracle_saved(struct tr_oracle *oracle, const struct tr_saved_position *position);

/* The key that these bytes mean, with the failure set when there is none. */
struct tr_oracle_key *tr_oracle_find(struct tr_oracle *oracle, struct tr_span stream,
                                     struct tr_span key);

#define TR_ORACLE_NO_ITEM UINT32_MAX

/* Whether `data` is the item's record, byte for byte but for times. */
bool tr_oracle_is_record(struct tr_oracle *oracle, const struct tr_oracle_item *item,
                         struct tr_span data);

/* An entry of a request that is submitted, in its order: which item of its key it is, with the failure
 * set and NO_ITEM when it is not the next one. */
uint32_t tr_oracle_sent(struct tr_oracle *oracle, struct tr_oracle_key *key, struct tr_span stream,
                        struct tr_span key_text, struct tr_span data);

/* The request is over: the first `good_count` entries of the key were acknowledged. */
void tr_oracle_settled(struct tr_oracle *oracle, struct tr_oracle_key *key, uint32_t good_count);

/* One record became visible: the item that it was when it was sent. */
void tr_oracle_see(struct tr_oracle *oracle, struct tr_oracle_key *key, uint32_t item,
                   struct tr_span stream, struct tr_span key_text);

/* Whether everything committed in those streams (a bit each) was seen and acknowledged; with `say`,
 * a miss becomes the failure. */
bool tr_oracle_is_complete(struct tr_oracle *oracle, uint32_t tables, bool say);

/* When all is complete: whether the snapshot's rows and all changes behind its cut make the tables
 * that there are; else with the failure. */
bool tr_oracle_is_rebuilt(struct tr_oracle *oracle);

#endif
