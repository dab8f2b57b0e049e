// SPDX-License-Identifier: Apache-2.0
#include "stages/stream.h"

#include <stdlib.h>

#include "engine/assert.h"

/* Entries are allocated in blocks that never move, so that readers need no lock; names are found by an open hash. */
#define STREAM_BLOCK_ENTRIES 256
#define STREAM_BLOCKS (TR_STREAMS_MAX / STREAM_BLOCK_ENTRIES)
#define STREAM_HASH_SLOTS (TR_STREAMS_MAX * 2)

struct tr_streams {
    uint32_t shipper_count;
    uint32_t count;
    struct tr_stream *blocks[STREAM_BLOCKS]; /* owns */
    uint32_t slots[STREAM_HASH_SLOTS];       /* id + 1; 0 = free */
};

static uint32_t hash_name(struct tr_span name)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
    for (size_t i = 0; i < name.bytes; i++) {
        hash = (hash ^ name.data[i]) * UINT32_C(16777619);
    }
    return hash;
}

enum tr_code tr_streams_open(struct tr_streams **streams, uint32_t shipper_count,
                             struct tr_error *err)
{
    TR_ASSERT(shipper_count > 0);
    *streams = calloc(1, sizeof(**streams));
    if (*streams == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "stream table: no memory for %zu bytes: add memory", sizeof(**streams));
    }
    (*streams)->shipper_count = shipper_count;
    return TR_OK;
}

void tr_streams_close(struct tr_streams *streams)
{
    if (streams == NULL) {
        return;
    }
    for (uint32_t i = 0; i < STREAM_BLOCKS; i++) {
        free(streams->blocks[i]);
    }
    free(streams);
}

const struct tr_stream *tr_streams_intern(struct tr_streams *streams, struct tr_span name,
                                          struct tr_error *err)
{
    TR_ASSERT(name.bytes <= TR_STREAM_NAME_BYTES_MAX);
    uint32_t slot = hash_name(name) & (STREAM_HASH_SLOTS - 1);
    while (streams->slots[slot] != 0) { /* bounded: at most half of the slots are ever taken */
        const struct tr_stream *known = tr_streams_get(streams, streams->slots[slot] - 1);
        if (tr_span_equals(tr_span_of_text(known->name), name)) {
            return known;
        }
        slot = (slot + 1) & (STREAM_HASH_SLOTS - 1);
    }
    if (streams->count == TR_STREAMS_MAX) {
        (void)TR_FAIL(
            err, TR_ERR_MEMORY_LIMIT, TR_STOP,
            "stream \"%.*s\" would be number %d: at most %d streams: capture fewer tables",
            (int)name.bytes, (const char *)name.data, TR_STREAMS_MAX + 1, TR_STREAMS_MAX);
        return NULL;
    }
    const uint32_t id = streams->count;
    struct tr_stream **block = &streams->blocks[id / STREAM_BLOCK_ENTRIES];
    if (*block == NULL) {
        *block = calloc(STREAM_BLOCK_ENTRIES, sizeof(**block));
        if (*block == NULL) {
            (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "stream table: no memory: add memory");
            return NULL;
        }
    }
    struct tr_stream *stream = &(*block)[id % STREAM_BLOCK_ENTRIES];
    stream->id = id;
    stream->shipper = id % streams->shipper_count;
    memcpy(stream->name, name.data, name.bytes);
    stream->name[name.bytes] = '\0';
    streams->slots[slot] = id + 1;
    streams->count = id + 1;
    return stream;
}

const struct tr_stream *tr_streams_get(const struct tr_streams *streams, uint32_t id)
{
    TR_ASSERT_HOT(id < TR_STREAMS_MAX);
    return &streams->blocks[id / STREAM_BLOCK_ENTRIES][id % STREAM_BLOCK_ENTRIES];
}

size_t tr_streams_memory_bytes(void)
{
    return sizeof(struct tr_streams) + TR_STREAMS_MAX * sizeof(struct tr_stream);
}

uint32_t tr_streams_count(const struct tr_streams *streams)
{
    return streams->count;
}
