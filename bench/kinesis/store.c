// SPDX-License-Identifier: Apache-2.0
#include "bench/kinesis/store.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "engine/assert.h"

#define RETENTION_HOURS_DEFAULT 24
#define RECORD_KIB_MAX_DEFAULT 1024 /* MaxRecordSizeInKiB of a stream that was not changed */

static void free_records(struct tr_kinesis_store *store, struct tr_shard *shard)
{
    while (shard->oldest != NULL) {
        struct tr_kept_record *next = shard->oldest->next;
        store->kept_bytes -= sizeof(*next) + shard->oldest->key_bytes + shard->oldest->data_bytes;
        free(shard->oldest);
        shard->oldest = next;
    }
    shard->newest = NULL;
}

struct tr_kinesis_stream *tr_kinesis_store_find(struct tr_kinesis_store *store, struct tr_span name)
{
    for (uint32_t i = 0; i < store->stream_count; i++) {
        if (tr_span_equals(tr_span_of_text(store->streams[i].name), name)) {
            return &store->streams[i];
        }
    }
    return NULL;
}

static bool is_stream_name(struct tr_span name)
{
    if (name.bytes < 1 || name.bytes > 128) {
        return false;
    }
    for (size_t i = 0; i < name.bytes; i++) {
        const char c = (char)name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-')) {
            return false;
        }
    }
    return true;
}

static bool reserve_shards(struct tr_kinesis_stream *stream, uint32_t shard_count)
{
    if (shard_count <= stream->shards_room) {
        return true;
    }
    struct tr_shard *grown = realloc(stream->shards, shard_count * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    stream->shards = grown;
    stream->shards_room = shard_count;
    return true;
}

static struct tr_shard *add_shard(struct tr_kinesis_stream *stream, tr_hash_key first_hash,
                                  tr_hash_key last_hash, int64_t parent)
{
    struct tr_shard *shard = &stream->shards[stream->shard_count];
    *shard = (struct tr_shard){.number = stream->shard_count,
                               .parent = parent,
                               .adjacent_parent = -1,
                               .first_hash = first_hash,
                               .last_hash = last_hash};
    stream->shard_count++;
    return shard;
}

struct tr_kinesis_stream *tr_kinesis_store_add(struct tr_kinesis_store *store, struct tr_span name,
                                               uint32_t shard_count, struct tr_error *err)
{
    if (!is_stream_name(name) || shard_count < 1 || shard_count > 10000) {
        (void)TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                      "stream \"%.*s\" with %u shards: want 1..128 of [a-zA-Z0-9_.-], 1..10000",
                      (int)name.bytes, (const char *)name.data, shard_count);
        return NULL;
    }
    if (store->stream_count == store->streams_room) {
        const uint32_t room = store->streams_room == 0 ? 16 : store->streams_room * 2;
        struct tr_kinesis_stream *grown = realloc(store->streams, room * sizeof(*grown));
        if (grown == NULL) {
            (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for %u streams", room);
            return NULL;
        }
        store->streams = grown;
        store->streams_room = room;
    }
    struct tr_kinesis_stream *stream = &store->streams[store->stream_count];
    *stream = (struct tr_kinesis_stream){.record_kib_max = RECORD_KIB_MAX_DEFAULT,
                                         .retention_hours = RETENTION_HOURS_DEFAULT};
    memcpy(stream->name, name.data, name.bytes);
    if (!reserve_shards(stream, shard_count)) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for %u shards", shard_count);
        return NULL;
    }
    const tr_hash_key all = ~(tr_hash_key)0;
    const tr_hash_key width = all / shard_count;
    for (uint32_t i = 0; i < shard_count; i++) {
        const tr_hash_key first = i == 0 ? 0 : width * i + 1;
        (void)add_shard(stream, first, i + 1 == shard_count ? all : width * (i + 1), -1);
    }
    store->stream_count++;
    return stream;
}

void tr_kinesis_store_deinit(struct tr_kinesis_store *store)
{
    for (uint32_t i = 0; i < store->stream_count; i++) {
        for (uint32_t j = 0; j < store->streams[i].shard_count; j++) {
            free_records(store, &store->streams[i].shards[j]);
        }
        free(store->streams[i].shards);
        free(store->streams[i].tags);
    }
    free(store->streams);
    *store = (struct tr_kinesis_store){0};
}

tr_hash_key tr_kinesis_hash(struct tr_span partition_key)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    const int digested =
        EVP_Digest(partition_key.data, partition_key.bytes, digest, NULL, EVP_md5(), NULL);
    TR_ASSERT(digested == 1);
    return (tr_hash_key)tr_load_uint_be(digest, 8) << 64 | tr_load_uint_be(digest + 8, 8);
}

struct tr_shard *tr_kinesis_shard_of(struct tr_kinesis_stream *stream, tr_hash_key hash)
{
    for (uint32_t i = 0; i < stream->shard_count; i++) {
        struct tr_shard *shard = &stream->shards[i];
        if (!shard->closed && hash >= shard->first_hash && hash <= shard->last_hash) {
            return shard;
        }
    }
    TR_ASSERT(false); /* open ranges always cover everything */
    return NULL;
}

uint64_t tr_kinesis_store_put(struct tr_kinesis_store *store, struct tr_shard *shard,
                              struct tr_span key, struct tr_span data, int64_t now_unix_ms)
{
    const uint64_t sequence = ++store->next_sequence;
    shard->record_count++;
    const size_t bytes = sizeof(struct tr_kept_record) + key.bytes + data.bytes;
    while (store->kept_bytes + bytes > store->keep_bytes_max && shard->oldest != NULL) {
        struct tr_kept_record *oldest = shard->oldest;
        shard->oldest = oldest->next;
        store->kept_bytes -= sizeof(*oldest) + oldest->key_bytes + oldest->data_bytes;
        free(oldest);
    }
    if (shard->oldest == NULL) {
        shard->newest = NULL;
    }
    struct tr_kept_record *record =
        store->kept_bytes + bytes > store->keep_bytes_max ? NULL : malloc(bytes);
    if (record == NULL) {
        return sequence; /* accepted, but no longer readable: like retention that ended */
    }
    *record = (struct tr_kept_record){.sequence = sequence,
                                      .arrival_unix_ms = now_unix_ms,
                                      .key_bytes = (uint32_t)key.bytes,
                                      .data_bytes = (uint32_t)data.bytes};
    memcpy(record->bytes, key.data, key.bytes);
    if (data.bytes > 0) {
        memcpy(record->bytes + key.bytes, data.data, data.bytes);
    }
    if (shard->newest == NULL) {
        shard->oldest = record;
    } else {
        shard->newest->next = record;
    }
    shard->newest = record;
    store->kept_bytes += bytes;
    return sequence;
}

bool tr_kinesis_store_split(struct tr_kinesis_stream *stream, uint32_t shard_index)
{
    if (shard_index >= stream->shard_count || stream->shards[shard_index].closed ||
        stream->shards[shard_index].first_hash >= stream->shards[shard_index].last_hash ||
        !reserve_shards(stream, stream->shard_count + 2)) {
        return false;
    }
    struct tr_shard *parent = &stream->shards[shard_index];
    const tr_hash_key first = parent->first_hash;
    const tr_hash_key last = parent->last_hash;
    const tr_hash_key middle = first + (last - first) / 2;
    parent->closed = true;
    (void)add_shard(stream, first, middle, parent->number);
    (void)add_shard(stream, middle + 1, last, parent->number);
    return true;
}
