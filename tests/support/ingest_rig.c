// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ingest_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/clock.h"
#include "tests/check.h"

static enum tr_code script_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct script *script = self;
    const uint32_t i = script->link_next;

    assert_true(i < script->link_count);
    script->link_next++;
    script->at = 0;
    (void)snprintf(script->resume_files[i], sizeof(script->resume_files[i]), "%.15s",
                   resume->point.file);
    if (script->links[i].open_code != TR_OK) {
        return TR_FAIL(err, script->links[i].open_code, script->links[i].remedy,
                       "connect refused by the script");
    }
    return TR_OK;
}

static enum tr_read script_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                                size_t *bytes, struct tr_error *err)
{
    struct script *script = self;
    const struct script_link *link = &script->links[script->link_next - 1];

    script->wait_ns = wait_ns;
    assert_true(wait_ns == 0 || script->may_wait);
    assert_true(room_bytes > 0);
    script->read_count++;
    if (script->dry_every > 0 && script->read_count % script->dry_every == 0) {
        return TR_READ_WOULD_BLOCK;
    }
    if (script->at == link->byte_count) {
        if (link->at_end == TR_READ_ERROR) {
            (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT, "reset by the script");
        }
        return link->at_end;
    }
    size_t n = link->byte_count - script->at;
    n = n < room_bytes ? n : room_bytes;
    n = n < script->read_bytes_max ? n : script->read_bytes_max;
    memcpy(out, link->bytes + script->at, n);
    script->at += n;
    *bytes = n;
    return TR_READ_BYTES;
}

static void script_close(void *self)
{
    ((struct script *)self)->close_count++;
}

static void script_wake(void *self)
{
    ((struct script *)self)->wake_count++;
}

#define FILE_BYTES_MAX ((size_t)96 * 1024 * 1024)

void ingest_rig_open(struct ingest_rig *b, enum tr_framing framing,
                     struct tr_ingest_options options)
{
    struct tr_error err;
    const struct tr_ingest_rings rings = {
        .to_sequencer = &b->to_sequencer,
        .resume = &b->resume_ring,
        .returns = b->returns,
        .return_count = 1,
    };

    b->port = (struct tr_source_port){
        .self = &b->script,
        .framing = framing,
        .open = script_open,
        .read = script_read,
        .close = script_close,
        .wake = script_wake,
    };
    options.port = &b->port;
    options.chunk_count = options.chunk_count == 0 ? tr_ingest_chunk_count(1) : options.chunk_count;
    options.non_blocking = !b->script.may_wait;
    options.paused = &b->paused;
    options.fault = &b->fault;
    b->returns[0] = &b->returned;
    assert_int_equal(tr_ring_init(&b->to_sequencer, options.chunk_count, sizeof(void *), &err),
                     TR_OK);
    assert_int_equal(tr_ring_init(&b->returned, options.chunk_count, sizeof(void *), &err), TR_OK);
    assert_int_equal(tr_ring_init(&b->resume_ring, 2, sizeof(void *), &err), TR_OK);
    assert_int_equal(tr_ingest_init(&b->ingest, &options, &rings, NULL, &err), TR_OK);
    b->now_ns = 1000 * TR_NS_PER_S;
    b->script.read_bytes_max = b->script.read_bytes_max == 0 ? SIZE_MAX : b->script.read_bytes_max;
    b->out_bytes_max = 1;
    for (uint32_t i = 0; i < b->script.link_count; i++) {
        b->out_bytes_max += b->script.links[i].byte_count;
    }
    b->out = malloc(b->out_bytes_max);
    assert_non_null(b->out);
}

void ingest_rig_close(struct ingest_rig *b)
{
    tr_ingest_deinit(&b->ingest);
    tr_ring_deinit(&b->to_sequencer);
    tr_ring_deinit(&b->returned);
    tr_ring_deinit(&b->resume_ring);
    free(b->out);
}

void ingest_rig_resume(struct ingest_rig *b, const char *file)
{
    (void)snprintf(b->resume.point.file, sizeof(b->resume.point.file), "%s", file);
    *(struct tr_resume **)tr_ring_claim_one(&b->resume_ring) = &b->resume;
    tr_ring_publish(&b->resume_ring, 1);
}

static void keep(struct ingest_rig *b, const uint8_t *bytes, size_t byte_count)
{
    assert_true(b->out_bytes + byte_count <= b->out_bytes_max);
    memcpy(b->out + b->out_bytes, bytes, byte_count);
    b->out_bytes += byte_count;
}

/* What the sequencer would do with a chunk of events: walk the frames. */
static void take_events(struct ingest_rig *b, const struct tr_chunk *chunk)
{
    uint32_t at = 0;

    assert_true(chunk->used_bytes > 0);
    assert_false(b->in_event);
    while (at < chunk->used_bytes) {
        const uint32_t event_bytes = tr_load_u32(chunk->bytes + at + chunk->frame_bytes + 9);
        keep(b, chunk->bytes + at + chunk->frame_bytes, event_bytes);
        at += chunk->frame_bytes + event_bytes;
        b->event_count++;
    }
    assert_int_equal(at, chunk->used_bytes);
}

static void take_piece(struct ingest_rig *b, const struct tr_chunk *chunk)
{
    b->piece_count++;
    assert_int_equal(chunk->frame_bytes, 0);
    assert_int_equal(b->in_event, chunk->piece != TR_PIECE_FIRST);
    b->in_event = chunk->piece != TR_PIECE_LAST;
    if (chunk->piece == TR_PIECE_FIRST) {
        assert_true(chunk->used_bytes >= TR_EVENT_HEADER_BYTES);
        assert_int_equal(tr_load_u32(chunk->bytes + 9), chunk->event_bytes);
    }
    if (chunk->piece == TR_PIECE_LAST) {
        assert_true(chunk->used_bytes >= TR_PIECE_LAST_BYTES_MIN);
        b->event_count++;
    }
    keep(b, chunk->bytes, chunk->used_bytes);
}

void ingest_rig_take_chunks(struct ingest_rig *b)
{
    void *slots;

    while (!b->hold && tr_ring_peek(&b->to_sequencer, 1, &slots) > 0) {
        struct tr_chunk *chunk = *(struct tr_chunk **)slots;
        tr_ring_release(&b->to_sequencer, 1);
        b->chunk_count++;
        assert_int_equal(b->end_count, 0);
        assert_true(chunk->link_epoch >= b->last_epoch);
        b->last_epoch = chunk->link_epoch;
        switch (chunk->kind) {
        case TR_CHUNK_EVENTS:
            take_events(b, chunk);
            break;
        case TR_CHUNK_PIECE:
            take_piece(b, chunk);
            break;
        case TR_CHUNK_LINK_DOWN:
            b->down_count++;
            b->down_error = chunk->error;
            b->in_event = false;
            break;
        case TR_CHUNK_END:
            b->end_count++;
            b->in_event = false;
            break;
        }
        *(struct tr_chunk **)tr_ring_claim_one(&b->returned) = chunk;
        tr_ring_publish(&b->returned, 1);
    }
}

void ingest_rig_run_dry(struct ingest_rig *b)
{
    uint32_t idle = 0;

    while (idle < 3) {
        idle = tr_ingest_step(&b->ingest, b->now_ns) == 0 ? idle + 1 : 0;
        ingest_rig_take_chunks(b);
    }
}

uint8_t *ingest_rig_load(const char *name, size_t *byte_count)
{
    char path[512];
    (void)snprintf(path, sizeof(path), TR_TEST_DATA "/binlogs/%s", name);
    gzFile file = gzopen(path, "rb"); /* reads plain files as they are */
    assert_non_null(file);
    uint8_t *bytes = malloc(FILE_BYTES_MAX);
    assert_non_null(bytes);
    const int n = gzread(file, bytes, (unsigned)FILE_BYTES_MAX);
    assert_true(n > 0);
    assert_int_equal(gzclose(file), Z_OK);
    *byte_count = (size_t)n;
    bytes = realloc(bytes, *byte_count);
    assert_non_null(bytes);
    return bytes;
}

size_t ingest_rig_strip_frames(const uint8_t *stream, size_t byte_count, size_t status_bytes,
                               uint8_t *out)
{
    size_t out_bytes = 0;
    bool continued = false;

    for (size_t at = 0; at + 4 <= byte_count;) {
        const size_t payload_bytes = tr_load_u24(stream + at);
        const size_t skip = continued ? 0 : status_bytes;
        if (!continued && payload_bytes < 9) {
            break; /* EOF packet */
        }
        memcpy(out + out_bytes, stream + at + 4 + skip, payload_bytes - skip);
        out_bytes += payload_bytes - skip;
        continued = payload_bytes == 0xFFFFFF;
        at += 4 + payload_bytes;
    }
    return out_bytes;
}

size_t ingest_rig_write_event_packet(uint8_t *out, uint8_t sequence, uint32_t event_bytes)
{
    const uint32_t payload_bytes = event_bytes + 1;

    out[0] = (uint8_t)payload_bytes;
    out[1] = (uint8_t)(payload_bytes >> 8);
    out[2] = (uint8_t)(payload_bytes >> 16);
    out[3] = sequence;
    out[4] = 0;
    for (uint32_t i = 0; i < event_bytes; i++) {
        out[5 + i] = (uint8_t)(i * 131 + sequence);
    }
    memcpy(out + 5 + 9, &event_bytes, 4);
    return 5 + event_bytes;
}
