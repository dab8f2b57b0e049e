// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot_pack.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"

#define FIRST_SEQUENCE 1 /* the dump command had 0 */
#define BODY_BYTES_MAX                                                                             \
    (2 * (2 + TR_NAME_BYTES_MAX) + 2 +                                                             \
     4) /* of a ROWS event, before the rows                      \
                                           */
#define CELL_NULL 0xFB

static void begin_event(struct tr_snapshot_pack *pack, uint8_t type);
static void put(struct tr_snapshot_pack *pack, struct tr_span bytes);
static void put_name(struct tr_snapshot_pack *pack, struct tr_span name);
static void serve(struct tr_snapshot_pack *pack);
static void begin_packet(struct tr_snapshot_pack *pack);

enum tr_code tr_snapshot_pack_init(struct tr_snapshot_pack *pack, size_t row_bytes_max,
                                   bool arranges, struct tr_error *err)
{
    /* A row is arranged behind itself. */
    const size_t room_bytes = TR_EVENT_HEADER_BYTES + BODY_BYTES_MAX +
                              TR_SNAPSHOT_EVENT_BYTES_TARGET + row_bytes_max +
                              (arranges ? row_bytes_max + TR_COLUMNS_MAX : 0);

    *pack = (struct tr_snapshot_pack){
        .bytes = calloc(1, room_bytes), .room_bytes = room_bytes, .sequence = FIRST_SEQUENCE};
    if (pack->bytes == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "no memory for a snapshot's rows of %zu bytes: lower "
                       "tailrace.row.max.bytes, or add memory",
                       row_bytes_max);
    }
    return TR_OK;
}

void tr_snapshot_pack_deinit(struct tr_snapshot_pack *pack)
{
    free(pack->bytes);
    *pack = (struct tr_snapshot_pack){0};
}

void tr_snapshot_pack_statement(struct tr_snapshot_pack *pack, struct tr_span database,
                                struct tr_span sql, bool is_last)
{
    const uint8_t flags = is_last ? TR_SNAPSHOT_STATEMENT_LAST : 0;

    begin_event(pack, TR_EVENT_SNAPSHOT_STATEMENT);
    put(pack, tr_span_of(&flags, 1));
    put_name(pack, database);
    put(pack, sql);
    serve(pack);
}

void tr_snapshot_pack_end(struct tr_snapshot_pack *pack)
{
    begin_event(pack, TR_EVENT_SNAPSHOT_END);
    serve(pack);
}

void tr_snapshot_pack_begin_rows(struct tr_snapshot_pack *pack, struct tr_span database,
                                 struct tr_span table, enum tr_snapshot_mark first_mark)
{
    static const uint8_t zeros[5] = {0}; /* last_mark, row_count */
    const uint8_t mark = (uint8_t)first_mark;

    begin_event(pack, TR_EVENT_SNAPSHOT_ROWS);
    put_name(pack, database);
    put_name(pack, table);
    pack->marks_at = pack->used_bytes;
    put(pack, tr_span_of(&mark, 1));
    put(pack, tr_span_of(zeros, sizeof(zeros)));
    pack->row_count = 0;
    pack->row_at = pack->used_bytes;
}

bool tr_snapshot_pack_append(struct tr_snapshot_pack *pack, struct tr_span bytes)
{
    if (bytes.bytes > pack->room_bytes - pack->used_bytes) {
        return false;
    }
    put(pack, bytes);
    return true;
}

void tr_snapshot_pack_row_ended(struct tr_snapshot_pack *pack)
{
    TR_ASSERT(pack->used_bytes > pack->row_at);
    pack->row_count++;
    pack->row_at = pack->used_bytes;
}

bool tr_snapshot_pack_arrange(struct tr_snapshot_pack *pack, const uint16_t *sources,
                              uint32_t column_count, uint32_t cell_count)
{
    const uint8_t *row = pack->bytes + pack->row_at;
    const size_t arranged_at = pack->used_bytes;
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(row, pack->used_bytes - pack->row_at));

    TR_ASSERT(cell_count <= TR_COLUMNS_MAX);
    for (uint32_t i = 0; i < cell_count; i++) {
        pack->cell_at[i] = (uint32_t)(cursor.at - row);
        if (tr_cursor_remaining(&cursor) > 0 && *cursor.at == CELL_NULL) {
            (void)tr_cursor_u8(&cursor);
        } else {
            (void)tr_cursor_lenenc_span(&cursor);
        }
    }
    pack->cell_at[cell_count] = (uint32_t)(cursor.at - row);
    if (cursor.failed || tr_cursor_remaining(&cursor) > 0) {
        return false;
    }
    for (uint32_t i = 0; i < column_count; i++) {
        const uint16_t source = sources[i];
        TR_ASSERT(source < cell_count);
        const struct tr_span cell = tr_span_of(row + pack->cell_at[source],
                                               pack->cell_at[source + 1] - pack->cell_at[source]);
        if (!tr_snapshot_pack_append(pack, cell)) {
            return false;
        }
    }
    const size_t arranged_bytes = pack->used_bytes - arranged_at;
    memmove(pack->bytes + pack->row_at, pack->bytes + arranged_at, arranged_bytes);
    pack->used_bytes = pack->row_at + arranged_bytes;
    return true;
}

bool tr_snapshot_pack_takes(const struct tr_snapshot_pack *pack, size_t row_bytes)
{
    return pack->used_bytes > 0 && !pack->is_served &&
           pack->used_bytes < TR_SNAPSHOT_EVENT_BYTES_TARGET &&
           row_bytes <= TR_SNAPSHOT_EVENT_BYTES_TARGET - pack->used_bytes;
}

void tr_snapshot_pack_close(struct tr_snapshot_pack *pack, enum tr_snapshot_mark last_mark)
{
    TR_ASSERT(pack->row_count > 0);
    pack->bytes[pack->marks_at + 1] = (uint8_t)last_mark;
    memcpy(pack->bytes + pack->marks_at + 2, &pack->row_count, sizeof(pack->row_count));
    serve(pack);
}

size_t tr_snapshot_pack_read(struct tr_snapshot_pack *pack, uint8_t *out, size_t room_bytes)
{
    size_t done = 0;

    while (pack->is_served && done < room_bytes) {
        const uint8_t *from;
        size_t bytes;
        if (pack->head_at < pack->head_bytes) {
            from = pack->head + pack->head_at;
            bytes = pack->head_bytes - pack->head_at;
        } else {
            from = pack->bytes + (pack->payload_done - 1 - pack->packet_left);
            bytes = pack->packet_left;
        }
        bytes = bytes < room_bytes - done ? bytes : room_bytes - done;
        memcpy(out + done, from, bytes);
        done += bytes;
        if (pack->head_at < pack->head_bytes) {
            pack->head_at += (uint32_t)bytes;
        } else {
            pack->packet_left -= (uint32_t)bytes;
        }
        if (pack->head_at < pack->head_bytes || pack->packet_left > 0) {
            continue;
        }
        if (pack->continues) {
            begin_packet(pack);
        } else {
            pack->is_served = false;
            pack->used_bytes = 0;
        }
    }
    return done;
}

/* The log's header: time:4 type:1 server id:4 length:4 log position:4 flags:2; the length follows
 * when it is known. */
static void begin_event(struct tr_snapshot_pack *pack, uint8_t type)
{
    TR_ASSERT(!pack->is_served);
    TR_ASSERT(pack->used_bytes == 0);
    memset(pack->bytes, 0, TR_EVENT_HEADER_BYTES);
    memcpy(pack->bytes, &pack->ts_sec, sizeof(pack->ts_sec));
    pack->bytes[4] = type;
    pack->used_bytes = TR_EVENT_HEADER_BYTES;
}

static void put(struct tr_snapshot_pack *pack, struct tr_span bytes)
{
    TR_ASSERT(bytes.bytes <= pack->room_bytes - pack->used_bytes);
    if (bytes.bytes > 0) {
        memcpy(pack->bytes + pack->used_bytes, bytes.data, bytes.bytes);
    }
    pack->used_bytes += bytes.bytes;
}

static void put_name(struct tr_snapshot_pack *pack, struct tr_span name)
{
    const uint16_t name_bytes = (uint16_t)name.bytes;

    TR_ASSERT(name.bytes <= TR_NAME_BYTES_MAX);
    put(pack, tr_span_of(&name_bytes, sizeof(name_bytes)));
    put(pack, name);
}

static void serve(struct tr_snapshot_pack *pack)
{
    const uint32_t event_bytes = (uint32_t)pack->used_bytes;

    memcpy(pack->bytes + 9, &event_bytes, sizeof(event_bytes));
    pack->is_served = true;
    pack->payload_done = 0;
    begin_packet(pack);
}

static void begin_packet(struct tr_snapshot_pack *pack)
{
    const uint64_t left_bytes = 1 + (uint64_t)pack->used_bytes - pack->payload_done;
    const uint32_t payload_bytes = left_bytes < TR_PACKET_PAYLOAD_BYTES_MAX
                                       ? (uint32_t)left_bytes
                                       : TR_PACKET_PAYLOAD_BYTES_MAX;
    const uint32_t status_bytes = pack->payload_done == 0 ? 1 : 0;

    pack->head[0] = (uint8_t)payload_bytes;
    pack->head[1] = (uint8_t)(payload_bytes >> 8);
    pack->head[2] = (uint8_t)(payload_bytes >> 16);
    pack->head[3] = pack->sequence++;
    pack->head[4] = 0;
    pack->head_at = 0;
    pack->head_bytes = TR_PACKET_HEADER_BYTES + status_bytes;
    pack->packet_left = payload_bytes - status_bytes;
    pack->payload_done += payload_bytes;
    pack->continues = payload_bytes == TR_PACKET_PAYLOAD_BYTES_MAX;
}
