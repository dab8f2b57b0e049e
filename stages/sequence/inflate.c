// SPDX-License-Identifier: Apache-2.0
#include "stages/sequence/inflate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* a decompressor in memory of our own */
#include <zstd.h>

#include "engine/assert.h"
#include "engine/bytes.h"
#include "stages/sequence/inflate_output.h"

#define EVENT_HEADER_BYTES 19
#define EVENT_BYTES_MAX (UINT32_C(1) << 30)
#define EVENT_LENGTH_AT 9
#define EVENT_TYPE_AT 4
#define QUERY_POST_HEADER_BYTES 13

enum {
    TYPE_QUERY = 2,
    TYPE_WRITE_ROWS_V1 = 23,
    TYPE_WRITE_ROWS_V2 = 30,
    TYPE_TRANSACTION_PAYLOAD = 40,
    TYPE_QUERY_COMPRESSED = 165,
    TYPE_WRITE_COMPRESSED_V1 = 166,
    TYPE_WRITE_COMPRESSED_V2 = 169,
    TYPE_DELETE_COMPRESSED_V2 = 171,
};

/* TRANSACTION_PAYLOAD's fields and compression kinds: libs/mysql/binlog/event,
 * "transaction_payload" (documentation). */
enum { FIELD_END = 0, FIELD_PAYLOAD_SIZE = 1, FIELD_COMPRESSION = 2, FIELD_UNCOMPRESSED_SIZE = 3 };
enum { COMPRESSION_ZSTD = 0, COMPRESSION_NONE = 255 };

struct tr_inflate_streams {
    ZSTD_DStream *zstd; /* inside workspace */
    void *workspace;    /* owns */
    size_t workspace_bytes;
    z_stream zlib;
    bool zlib_open;
};

static uint32_t begin_event(struct tr_inflate *inflate, const struct tr_inflate_job *job);
static uint32_t inflate_some(struct tr_inflate *inflate);

enum tr_code tr_inflate_init(struct tr_inflate *inflate, const struct tr_inflate_options *options,
                             struct tr_memory_sum *sum, struct tr_error *err)
{
    *inflate = (struct tr_inflate){.options = *options};
    if (tr_pool_init(&inflate->pool, "inflate chunks", options->chunk_count,
                     sizeof(struct tr_chunk), err) != TR_OK) {
        return err->code;
    }
    for (uint32_t i = 0; i < options->chunk_count; i++) {
        struct tr_chunk *chunk = tr_pool_object(&inflate->pool, i);
        chunk->magic = TR_CHUNK_MAGIC;
    }
    struct tr_inflate_streams *streams = calloc(1, sizeof(*streams));
    inflate->streams = streams;
    if (streams == NULL) {
        tr_inflate_deinit(inflate);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "inflate: no memory for the decompressors: add memory");
    }
    streams->workspace_bytes =
        ZSTD_estimateDStreamSize((size_t)1 << TR_INFLATE_ZSTD_WINDOW_LOG_MAX);
    streams->workspace = tr_memory_map(streams->workspace_bytes, err);
    if (streams->workspace == NULL) {
        tr_inflate_deinit(inflate);
        return err->code;
    }
    streams->zstd = ZSTD_initStaticDStream(streams->workspace, streams->workspace_bytes);
    TR_ASSERT(streams->zstd != NULL);
    const size_t limited =
        ZSTD_DCtx_setParameter(streams->zstd, ZSTD_d_windowLogMax, TR_INFLATE_ZSTD_WINDOW_LOG_MAX);
    TR_ASSERT(!ZSTD_isError(limited));
    streams->zlib_open = inflateInit(&streams->zlib) == Z_OK;
    if (!streams->zlib_open) {
        tr_inflate_deinit(inflate);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "inflate: zlib cannot start: add memory");
    }
    if (sum != NULL) {
        tr_memory_sum_add(sum, "inflate chunks",
                          (uint64_t)options->chunk_count * inflate->pool.object_bytes);
        tr_memory_sum_add(sum, "inflate windows", streams->workspace_bytes);
    }
    return TR_OK;
}

void tr_inflate_deinit(struct tr_inflate *inflate)
{
    if (inflate->streams != NULL) {
        if (inflate->streams->zlib_open) {
            (void)inflateEnd(&inflate->streams->zlib);
        }
        if (inflate->streams->workspace != NULL) {
            tr_memory_unmap(inflate->streams->workspace, inflate->streams->workspace_bytes);
        }
        free(inflate->streams);
    }
    tr_pool_deinit(&inflate->pool);
    *inflate = (struct tr_inflate){0};
}

static void take_chunks_home(struct tr_inflate *inflate)
{
    void *slots;
    for (uint32_t i = 0; i < inflate->options.return_count; i++) {
        struct tr_ring *ring = inflate->options.returns[i];
        while (tr_ring_peek(ring, 1, &slots) == 1) { /* bounded by the pool */
            struct tr_chunk *chunk = *(struct tr_chunk **)slots;
            TR_CHECK_MAGIC(chunk, TR_CHUNK_MAGIC);
            tr_ring_release(ring, 1);
            tr_pool_release(&inflate->pool, chunk);
        }
    }
}

/* A job without bytes that neither begins nor ends an event: the event under way will not be
 * completed. */
static void give_up(struct tr_inflate *inflate)
{
    if (inflate->open != NULL) {
        tr_pool_release(&inflate->pool, inflate->open);
        inflate->open = NULL;
    }
    inflate->mode = TR_INFLATE_IDLE;
    inflate->in_bytes = 0;
    inflate->piece_left = 0;
    tr_inflate_tell(inflate, &(struct tr_inflate_done){.finished = true});
}

uint32_t tr_inflate_step(void *self, int64_t now_ns)
{
    struct tr_inflate *inflate = self;
    void *slots;
    (void)now_ns;

    take_chunks_home(inflate);
    if (inflate->mode == TR_INFLATE_FAILED) {
        return 0;
    }
    if (inflate->in_bytes > 0 || (inflate->mode != TR_INFLATE_IDLE && inflate->payload_left == 0)) {
        return inflate_some(inflate);
    }
    if (tr_ring_peek(inflate->options.jobs, 1, &slots) == 0) {
        return 0;
    }
    const struct tr_inflate_job *job = slots;
    if (job->bytes == 0 && !job->first && !job->last) {
        tr_ring_release(inflate->options.jobs, 1);
        give_up(inflate);
        return 1;
    }
    if (job->first) {
        TR_ASSERT(inflate->mode == TR_INFLATE_IDLE);
        return begin_event(inflate, job);
    }
    TR_ASSERT(inflate->mode != TR_INFLATE_IDLE);
    inflate->in = job->chunk->bytes + job->at;
    inflate->in_bytes = job->bytes;
    return inflate_some(inflate);
}

bool tr_inflate_has_work(void *self)
{
    struct tr_inflate *inflate = self;
    if (inflate->mode == TR_INFLATE_FAILED) {
        return false;
    }
    bool chunks_came = false;
    for (uint32_t i = 0; i < inflate->options.return_count; i++) {
        chunks_came = chunks_came || !tr_ring_is_empty(inflate->options.returns[i]);
    }
    const bool can_go_on = inflate->mode != TR_INFLATE_IDLE &&
                           (inflate->in_bytes > 0 || inflate->payload_left == 0) &&
                           inflate->pool.free_count > 0;
    return chunks_came || can_go_on ||
           (inflate->in_bytes == 0 && !tr_ring_is_empty(inflate->options.jobs));
}

static void consume_job(struct tr_inflate *inflate)
{
    void *slots;
    const uint64_t count = tr_ring_peek(inflate->options.jobs, 1, &slots);
    TR_ASSERT(count == 1);
    const struct tr_chunk *consumed = ((const struct tr_inflate_job *)slots)->chunk;
    tr_ring_release(inflate->options.jobs, 1);
    inflate->in_bytes = 0;
    tr_inflate_tell(inflate, &(struct tr_inflate_done){.consumed = consumed});
}

/* TRANSACTION_PAYLOAD's fields, up to the payload itself. */
static bool begin_payload(struct tr_inflate *inflate, struct tr_cursor *cursor,
                          uint64_t total_bytes)
{
    uint64_t compression = COMPRESSION_NONE;
    uint64_t payload_bytes = 0;
    const uint8_t *start = cursor->at;
    for (;;) { /* ends: each field takes at least a byte */
        const uint64_t field = tr_cursor_lenenc(cursor);
        if (cursor->failed || field == FIELD_END) {
            break;
        }
        struct tr_cursor value = tr_cursor_of(tr_cursor_lenenc_span(cursor));
        const uint64_t number = field <= FIELD_UNCOMPRESSED_SIZE ? tr_cursor_lenenc(&value) : 0;
        cursor->failed = cursor->failed || value.failed;
        compression = field == FIELD_COMPRESSION ? number : compression;
        payload_bytes = field == FIELD_PAYLOAD_SIZE ? number : payload_bytes;
    }
    const uint64_t head_bytes = EVENT_HEADER_BYTES + (uint64_t)(cursor->at - start);
    if (cursor->failed || head_bytes > total_bytes || payload_bytes != total_bytes - head_bytes) {
        (void)TR_FAIL(&inflate->error, TR_ERR_PROTOCOL, TR_STOP,
                      "TRANSACTION_PAYLOAD of %" PRIu64
                      " bytes: its fields do not fit; the log is damaged: check it with "
                      "mysqlbinlog",
                      total_bytes);
        return false;
    }
    if (compression != COMPRESSION_ZSTD && compression != COMPRESSION_NONE) {
        (void)TR_FAIL(&inflate->error, TR_ERR_UNSUPPORTED, TR_STOP,
                      "TRANSACTION_PAYLOAD with compression %" PRIu64
                      ": want 0 (zstd) or 255 (none): "
                      "SET GLOBAL binlog_transaction_compression=OFF",
                      compression);
        return false;
    }
    inflate->payload_left = payload_bytes;
    inflate->mode = compression == COMPRESSION_ZSTD ? TR_INFLATE_ZSTD : TR_INFLATE_STORED;
    inflate->frame_open = false;
    (void)ZSTD_DCtx_reset(inflate->streams->zstd, ZSTD_reset_session_only);
    return true;
}

/* Moves the cursor over what stays as it is in front of MariaDB's compressed block. */
static void skip_plain_prefix(struct tr_cursor *cursor, uint8_t type)
{
    if (type == TYPE_QUERY_COMPRESSED) {
        const uint8_t *post_header = tr_cursor_take(cursor, QUERY_POST_HEADER_BYTES);
        if (post_header != NULL) {
            (void)tr_cursor_take(cursor,
                                 (size_t)tr_load_u16(post_header + 11) + post_header[8] + 1);
        }
        return;
    }
    (void)tr_cursor_take(cursor, 8); /* table id, flags */
    if (type >= TYPE_WRITE_COMPRESSED_V2) {
        const uint16_t extra_bytes = tr_cursor_u16(cursor); /* includes itself */
        cursor->failed = cursor->failed || extra_bytes < 2;
        (void)tr_cursor_take(cursor, extra_bytes < 2 ? 0 : extra_bytes - 2u);
    }
    const bool is_update =
        type == TYPE_WRITE_COMPRESSED_V1 + 1 || type == TYPE_WRITE_COMPRESSED_V2 + 1;
    const uint64_t column_count = tr_cursor_lenenc(cursor);
    (void)tr_cursor_take(cursor, (size_t)(column_count / 8 + (column_count % 8 != 0)) *
                                     (is_update ? 2 : 1));
}

static uint8_t plain_type(uint8_t type)
{
    return (uint8_t)(type == TYPE_QUERY_COMPRESSED ? TYPE_QUERY
                     : type < TYPE_WRITE_COMPRESSED_V2
                         ? type - TYPE_WRITE_COMPRESSED_V1 + TYPE_WRITE_ROWS_V1
                         : type - TYPE_WRITE_COMPRESSED_V2 + TYPE_WRITE_ROWS_V2);
}

/* MariaDB: writes the rewritten header and the plain prefix; the block follows. */
static bool begin_block(struct tr_inflate *inflate, struct tr_cursor *cursor,
                        const struct tr_inflate_job *job)
{
    const uint8_t *event = job->chunk->bytes + job->at;
    skip_plain_prefix(cursor, event[EVENT_TYPE_AT]);
    const size_t prefix_bytes = (size_t)(cursor->at - event);
    const uint8_t head = tr_cursor_u8(cursor);
    const size_t length_bytes = head & 7;
    const uint8_t *length = tr_cursor_take(cursor, length_bytes);
    if (cursor->failed || (head & 0xF8) != 0x80 || length_bytes < 1 || length_bytes > 4) {
        (void)TR_FAIL(&inflate->error, TR_ERR_PROTOCOL, TR_STOP,
                      "compressed event of type %u: its block has no valid head (0x%02x); the log "
                      "is damaged: check it with "
                      "mariadb-binlog",
                      event[EVENT_TYPE_AT], head);
        return false;
    }
    inflate->plain_left = tr_load_uint_be(length, length_bytes);
    const uint64_t plain_bytes = prefix_bytes + inflate->plain_left;
    if (plain_bytes > EVENT_BYTES_MAX) {
        (void)TR_FAIL(&inflate->error, TR_ERR_PROTOCOL, TR_STOP,
                      "compressed event of type %u: %" PRIu64 " bytes inflated: at most %" PRIu32
                      "; the log is damaged",
                      event[EVENT_TYPE_AT], plain_bytes, EVENT_BYTES_MAX);
        return false;
    }
    uint8_t *out =
        inflate->open
            ->bytes; /* fresh: begin_event opened it; prefixes are far smaller than a chunk */
    TR_ASSERT(inflate->open->used_bytes == 0 && prefix_bytes < TR_CHUNK_BYTES);
    const uint32_t event_bytes = (uint32_t)plain_bytes;
    memcpy(out, event, prefix_bytes);
    out[EVENT_TYPE_AT] = plain_type(event[EVENT_TYPE_AT]);
    memcpy(out + EVENT_LENGTH_AT, &event_bytes, sizeof(event_bytes));
    inflate->payload_left = job->total_bytes - (uint64_t)(cursor->at - event);
    inflate->mode = TR_INFLATE_ZLIB;
    (void)inflateReset(&inflate->streams->zlib);
    return tr_inflate_note(inflate, prefix_bytes);
}

static uint32_t begin_event(struct tr_inflate *inflate, const struct tr_inflate_job *job)
{
    if (!tr_inflate_open_chunk(inflate)) {
        return 0;
    }
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(job->chunk->bytes + job->at, job->bytes));
    const uint8_t *header = tr_cursor_take(&cursor, EVENT_HEADER_BYTES);
    TR_ASSERT(header != NULL); /* the sequencer framed it */
    const uint8_t type = header[EVENT_TYPE_AT];
    TR_ASSERT(type == TYPE_TRANSACTION_PAYLOAD ||
              (type >= TYPE_QUERY_COMPRESSED && type <= TYPE_DELETE_COMPRESSED_V2));
    const bool begun = type == TYPE_TRANSACTION_PAYLOAD
                           ? begin_payload(inflate, &cursor, job->total_bytes)
                           : begin_block(inflate, &cursor, job);
    if (!begun) {
        tr_inflate_fail(inflate);
        return 1;
    }
    inflate->in = cursor.at;
    inflate->in_bytes = tr_cursor_remaining(&cursor);
    if (inflate->in_bytes == 0) {
        consume_job(inflate);
        return 1;
    }
    return 1 + inflate_some(inflate);
}

/* One call of the decompressor: reads from `in`, writes to the open chunk's room. False on damage.
 */
static bool inflate_once(struct tr_inflate *stage, uint8_t *out, size_t room, size_t *read_bytes,
                         size_t *written_bytes)
{
    struct tr_inflate_streams *streams = stage->streams;
    if (stage->mode == TR_INFLATE_STORED) {
        *written_bytes = *read_bytes = stage->in_bytes < room ? stage->in_bytes : room;
        memcpy(out, stage->in, *read_bytes);
        return true;
    }
    if (stage->mode == TR_INFLATE_ZSTD) {
        ZSTD_inBuffer source = {.src = stage->in, .size = stage->in_bytes};
        ZSTD_outBuffer target = {.dst = out, .size = room};
        const size_t hint = ZSTD_decompressStream(streams->zstd, &target, &source);
        *read_bytes = source.pos;
        *written_bytes = target.pos;
        if (ZSTD_isError(hint)) {
            (void)TR_FAIL(
                &stage->error, TR_ERR_PROTOCOL, TR_STOP,
                "TRANSACTION_PAYLOAD: zstd says \"%s\"; if it is the window: lower "
                "binlog_transaction_compression_level_zstd below 20; else the log is damaged",
                ZSTD_getErrorName(hint));
            return false;
        }
        stage->frame_open = hint != 0;
        return true;
    }
    const size_t most = stage->plain_left < room ? (size_t)stage->plain_left : room;
    streams->zlib.next_in = (Bytef *)(uintptr_t)stage->in; /* zlib does not write to it */
    streams->zlib.avail_in = (uInt)stage->in_bytes;
    streams->zlib.next_out = out;
    streams->zlib.avail_out = (uInt)most;
    const int result = inflate(&streams->zlib, Z_NO_FLUSH);
    *read_bytes = stage->in_bytes - streams->zlib.avail_in;
    *written_bytes = most - streams->zlib.avail_out;
    stage->plain_left -= *written_bytes;
    if ((result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) ||
        (result == Z_STREAM_END && stage->plain_left > 0) ||
        (*read_bytes == 0 && *written_bytes == 0 && stage->in_bytes > 0)) {
        (void)TR_FAIL(&stage->error, TR_ERR_PROTOCOL, TR_STOP,
                      "compressed event: zlib says %d with %" PRIu64
                      " bytes missing; the log is damaged: check it with "
                      "mariadb-binlog",
                      result, stage->plain_left);
        return false;
    }
    return true;
}

/* Whether everything has come out of the decompressor once its input is used up. */
static bool is_whole(const struct tr_inflate *inflate)
{
    return inflate->mode == TR_INFLATE_ZLIB ? inflate->plain_left == 0 : !inflate->frame_open;
}

static uint32_t inflate_some(struct tr_inflate *inflate)
{
    uint32_t work = 0;
    while (inflate->in_bytes > 0 || (inflate->payload_left == 0 && !is_whole(inflate))) {
        const size_t room = tr_inflate_room(inflate);
        size_t read_bytes;
        size_t written_bytes;
        if (room == 0) {
            return work;
        }
        const size_t in_bytes = inflate->in_bytes;
        if (!inflate_once(inflate, inflate->open->bytes + inflate->open->used_bytes, room,
                          &read_bytes, &written_bytes) ||
            !tr_inflate_note(inflate, written_bytes)) {
            tr_inflate_fail(inflate);
            return work + 1;
        }
        inflate->in += read_bytes;
        inflate->in_bytes -= read_bytes;
        inflate->payload_left -= read_bytes;
        work++;
        if (inflate->in_bytes == 0 && in_bytes > 0) {
            consume_job(inflate);
            break; /* one job a step */
        }
        if (read_bytes == 0 && written_bytes == 0) {
            (void)TR_FAIL(&inflate->error, TR_ERR_PROTOCOL, TR_STOP,
                          "compressed payload: ends too early; the log is damaged: check it with "
                          "mysqlbinlog");
            tr_inflate_fail(inflate);
            return work;
        }
    }
    if (inflate->payload_left == 0 && is_whole(inflate) && tr_inflate_finish(inflate)) {
        work++;
    }
    return work;
}
