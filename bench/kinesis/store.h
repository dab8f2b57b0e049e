// SPDX-License-Identifier: Apache-2.0
/*
 * The stand-in's streams, shards and records: what a Kinesis account holds, in memory.
 *
 * Hash keys are 128-bit; a record goes to the open shard whose range holds the MD5 of its partition
 * key. Sequence numbers grow within a shard. Records are kept for GetRecords until
 * `keep_bytes_max`, then the oldest of that shard go.
 * @thread one
 */
#ifndef TR_BENCH_KINESIS_STORE_H
#define TR_BENCH_KINESIS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

__extension__ typedef unsigned __int128 tr_hash_key;

struct tr_kept_record {
    struct tr_kept_record *next;
    uint64_t sequence; /* printed with 56 digits */
    int64_t arrival_unix_ms;
    uint32_t key_bytes;
    uint32_t data_bytes;
    uint8_t bytes[]; /* key, data */
};

struct tr_shard {
    uint32_t number;         /* shardId-%012u */
    int64_t parent;          /* -1 = none */
    int64_t adjacent_parent; /* -1 = none */
    tr_hash_key first_hash;
    tr_hash_key last_hash;
    bool closed;
    uint64_t next_sequence;
    uint64_t record_count; /* ever accepted */
    struct tr_kept_record *oldest;
    struct tr_kept_record *newest;
    /* Token buckets of the write limits, in judge mode with limits on. */
    double record_tokens;
    double byte_tokens;
    int64_t refilled_ns;
};

struct tr_kinesis_stream {
    char name[129];
    struct tr_shard *shards; /* owns */
    uint32_t shard_count;
    uint32_t shards_room;
    uint32_t record_kib_max; /* MaxRecordSizeInKiB */
    uint32_t retention_hours;
    bool is_on_demand;
    char *tags; /* owns; the JSON object as it was sent; NULL: none */
};

struct tr_kinesis_store {
    struct tr_kinesis_stream *streams; /* owns */
    uint32_t stream_count;
    uint32_t streams_room;
    uint64_t next_sequence;
    uint64_t kept_bytes;
    uint64_t keep_bytes_max;
};

/* The stream of that name, or NULL. Pointers are valid until the next add. */
struct tr_kinesis_stream *tr_kinesis_store_find(struct tr_kinesis_store *store,
                                                struct tr_span name);

/* Adds a stream with `shard_count` equal ranges. NULL with err when the name is bad or taken, or
 * memory is out. */
struct tr_kinesis_stream *tr_kinesis_store_add(struct tr_kinesis_store *store, struct tr_span name,
                                               uint32_t shard_count, struct tr_error *err);

void tr_kinesis_store_deinit(struct tr_kinesis_store *store);

/* MD5 of a partition key as the hash that picks its shard. */
tr_hash_key tr_kinesis_hash(struct tr_span partition_key);

/* The open shard that takes `hash`. */
struct tr_shard *tr_kinesis_shard_of(struct tr_kinesis_stream *stream, tr_hash_key hash);

/* Keeps a record and gives it the shard's next sequence number. */
uint64_t tr_kinesis_store_put(struct tr_kinesis_store *store, struct tr_shard *shard,
                              struct tr_span key, struct tr_span data, int64_t now_unix_ms);

/* Splits an open shard in the middle of its range into two children; false when it cannot be split
 * or memory is out. */
bool tr_kinesis_store_split(struct tr_kinesis_stream *stream, uint32_t shard_index);

#endif
