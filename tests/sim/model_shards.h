// SPDX-License-Identifier: Apache-2.0
/*
 * The shards of one simulated stream: split and merged while it is in use, each with a token bucket
 * of its own.
 */
#ifndef TR_TESTS_SIM_MODEL_SHARDS_H
#define TR_TESTS_SIM_MODEL_SHARDS_H

#include "stages/ship/control.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/random.h"

#define TR_MODEL_SHARDS_MAX 24 /* ever, of one stream */

struct tr_model_shard {
    tr_hash_key first_key;
    tr_hash_key last_key;
    bool is_closed;
    double tokens; /* records that it takes now */
    int64_t filled_ns;
};

struct tr_model_shards {
    struct tr_model_shard shards[TR_MODEL_SHARDS_MAX];
    uint32_t count;
    uint32_t rate; /* records a second each; 0 = no limit */
};

/* `count` open shards of equal ranges. */
void tr_model_shards_init(struct tr_model_shards *shards, uint32_t count, uint32_t rate);

/* Splits one shard, or merges two neighbours. */
void tr_model_shards_change(struct tr_model_shards *shards, struct tr_random *random);

/* The open shard of a key; whether it takes a record more. */
bool tr_model_shards_take(struct tr_model_shards *shards, tr_hash_key key, int64_t now_ns,
                          uint32_t *shard);

/* Answers ListShards with shards from `from` on, at most `count_max`, closed ones too; when there
 * are more, with a token that names place and table. */
void tr_model_shards_list(const struct tr_model_shards *shards, uint32_t from, uint32_t count_max,
                          uint32_t table, struct tr_buffer *out);

uint32_t tr_model_shards_open_count(const struct tr_model_shards *shards);

#endif
