// SPDX-License-Identifier: Apache-2.0
#include "stages/source/text_result.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "stages/source/packet.h"
#include "stages/source/server_error.h"

#define SEND_TIMEOUT_MS 30000
#define COMMAND_QUERY 0x03
#define FIRST_BYTE_OK 0x00
#define FIRST_BYTE_FILE 0xFB /* LOCAL INFILE: the server asks for a file of ours */
#define FIRST_BYTE_EOF 0xFE
#define FIRST_BYTE_ERROR 0xFF
#define EOF_PACKET_BYTES 5 /* an OK packet that ends rows has at least 7 */

/* What lies at `in_at`: a packet's header and the first byte of its payload. */
struct head {
    uint32_t packet_bytes;
    uint8_t first; /* 0 when the payload is empty */
};

static bool peek_head(const struct tr_text_result *result, struct head *head);
static bool has_packet(const struct tr_text_result *result, const struct head *head);
static enum tr_result fill(struct tr_text_result *result, int64_t wait_ns, struct tr_error *err);
static enum tr_result on_head(struct tr_text_result *result, const struct head *head,
                              struct tr_text_piece *piece, struct tr_error *err, bool *is_partial);
static enum tr_result take_column(struct tr_text_result *result, struct tr_span packet,
                                  struct tr_text_piece *piece, struct tr_error *err);
static enum tr_result take_row_bytes(struct tr_text_result *result, struct tr_text_piece *piece);
static struct tr_span take_packet(struct tr_text_result *result, const struct head *head);
static enum tr_result server_failed(struct tr_text_result *result, struct tr_span packet,
                                    struct tr_error *err);
static enum tr_result broken(struct tr_text_result *result, struct tr_error *err);

enum tr_code tr_text_result_init(struct tr_text_result *result, const struct tr_raw_link *link,
                                 struct tr_error *err)
{
    *result = (struct tr_text_result){.link = *link, .in = calloc(1, TR_TEXT_RESULT_IN_BYTES)};
    if (result->in == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the snapshot's rows");
    }
    return TR_OK;
}

void tr_text_result_deinit(struct tr_text_result *result)
{
    free(result->in);
    *result = (struct tr_text_result){0};
}

enum tr_code tr_text_result_send(struct tr_text_result *result, struct tr_span sql,
                                 struct tr_error *err)
{
    const size_t payload_bytes = sql.bytes + 1;

    TR_ASSERT(result->state == TR_TEXT_IDLE);
    if (result->in_at != result->in_used) {
        (void)broken(result, err); /* more than the last answer came */
        return err->code;
    }
    if (payload_bytes >= TR_PACKET_PAYLOAD_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                       "a statement of %zu bytes: want less than 16 MiB", sql.bytes);
    }
    /* Header and as much of the text as there is room for in one packet of the network: `in` is
     * empty. */
    const size_t room_bytes = TR_TEXT_RESULT_IN_BYTES - TR_PACKET_HEADER_BYTES - 1;
    const size_t first_bytes = sql.bytes < room_bytes ? sql.bytes : room_bytes;
    result->in[0] = (uint8_t)payload_bytes;
    result->in[1] = (uint8_t)(payload_bytes >> 8);
    result->in[2] = (uint8_t)(payload_bytes >> 16);
    result->in[3] = 0;
    result->in[4] = COMMAND_QUERY;
    memcpy(result->in + TR_PACKET_HEADER_BYTES + 1, sql.data, first_bytes);
    result->in_at = 0;
    result->in_used = 0;
    result->sequence = 1;
    result->column_count = 0;
    result->has_columns_end = false;
    result->last_error = 0;
    result->state = TR_TEXT_FIRST;
    enum tr_code code = tr_raw_link_send(
        &result->link, result->in, TR_PACKET_HEADER_BYTES + 1 + first_bytes, SEND_TIMEOUT_MS, err);
    if (code == TR_OK && first_bytes < sql.bytes) {
        code = tr_raw_link_send(&result->link, sql.data + first_bytes, sql.bytes - first_bytes,
                                SEND_TIMEOUT_MS, err);
    }
    return code;
}

enum tr_result tr_text_result_next(struct tr_text_result *result, int64_t wait_ns,
                                   struct tr_text_piece *piece, struct tr_error *err)
{
    TR_ASSERT(result->state != TR_TEXT_IDLE);
    *piece = (struct tr_text_piece){0};
    /* Bounded: every round takes bytes off the link, or ends. */
    for (;;) {
        if (result->state == TR_TEXT_INSIDE && result->packet_left > 0 &&
            result->in_at < result->in_used) {
            return take_row_bytes(result, piece);
        }
        struct head head;
        if ((result->state != TR_TEXT_INSIDE || result->packet_left == 0) &&
            peek_head(result, &head)) {
            bool is_partial = false;
            const enum tr_result outcome = on_head(result, &head, piece, err, &is_partial);
            if (!is_partial && outcome != TR_RESULT_WAIT) {
                return outcome;
            }
            if (!is_partial) {
                continue; /* a packet that says nothing to the caller */
            }
        }
        const enum tr_result filled = fill(result, wait_ns, err);
        if (filled != TR_RESULT_ROW) {
            return filled;
        }
    }
}

/* A packet begins at `in_at`. WAIT: it was consumed, or (is_partial) more of it is needed. */
static enum tr_result on_head(struct tr_text_result *result, const struct head *head,
                              struct tr_text_piece *piece, struct tr_error *err, bool *is_partial)
{
    const uint8_t sequence = result->in[result->in_at + 3];
    const bool is_end = head->first == FIRST_BYTE_EOF && head->packet_bytes > 0 &&
                        head->packet_bytes < TR_PACKET_PAYLOAD_BYTES_MAX;

    if (result->state == TR_TEXT_COLUMNS && result->columns_left == 0) {
        result->state = TR_TEXT_ROWS;
        result->has_columns_end = is_end && head->packet_bytes == EOF_PACKET_BYTES;
    }
    const bool is_row = result->state == TR_TEXT_ROWS && !is_end && head->packet_bytes > 0 &&
                        head->first != FIRST_BYTE_ERROR;

    if (sequence != result->sequence) {
        return broken(result, err);
    }
    if (is_row || result->state == TR_TEXT_INSIDE) {
        piece->is_first = is_row;
        piece->packet_bytes = head->packet_bytes;
        result->packet_left = head->packet_bytes;
        result->continues = head->packet_bytes == TR_PACKET_PAYLOAD_BYTES_MAX;
        result->state = TR_TEXT_INSIDE;
        result->in_at += TR_PACKET_HEADER_BYTES;
        result->sequence++;
        return take_row_bytes(result, piece);
    }
    if (head->packet_bytes > TR_TEXT_RESULT_IN_BYTES - TR_PACKET_HEADER_BYTES) {
        return broken(result, err);
    }
    if (!has_packet(result, head)) {
        *is_partial = true;
        return TR_RESULT_WAIT;
    }
    const struct tr_span packet = take_packet(result, head);
    if (head->first == FIRST_BYTE_ERROR && packet.bytes > 0) {
        return server_failed(result, packet, err);
    }
    switch (result->state) {
    case TR_TEXT_FIRST: {
        if (packet.bytes > 0 && head->first == FIRST_BYTE_OK) {
            result->state = TR_TEXT_IDLE;
            return TR_RESULT_END;
        }
        struct tr_cursor cursor = tr_cursor_of(packet);
        const uint64_t count = tr_cursor_lenenc(&cursor);
        if (head->first == FIRST_BYTE_FILE || cursor.failed || count == 0 || count > UINT16_MAX) {
            return broken(result, err);
        }
        result->column_count = (uint32_t)count;
        result->columns_left = (uint32_t)count;
        result->state = TR_TEXT_COLUMNS;
        return TR_RESULT_WAIT;
    }
    case TR_TEXT_COLUMNS:
        return take_column(result, packet, piece, err);
    case TR_TEXT_ROWS:
        if (!is_end) {
            return broken(result, err); /* an empty packet is no row */
        }
        if (result->has_columns_end) {
            result->has_columns_end = false;
            return TR_RESULT_WAIT;
        }
        result->state = TR_TEXT_IDLE;
        return TR_RESULT_END;
    case TR_TEXT_IDLE:
    case TR_TEXT_INSIDE:
        break;
    }
    return broken(result, err);
}

static enum tr_result take_column(struct tr_text_result *result, struct tr_span packet,
                                  struct tr_text_piece *piece, struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(packet);

    (void)tr_cursor_lenenc_span(&cursor); /* catalog */
    (void)tr_cursor_lenenc_span(&cursor); /* database */
    (void)tr_cursor_lenenc_span(&cursor); /* table, its alias */
    (void)tr_cursor_lenenc_span(&cursor); /* table */
    const struct tr_span alias = tr_cursor_lenenc_span(&cursor);
    const struct tr_span name = tr_cursor_lenenc_span(&cursor);
    if (cursor.failed) {
        return broken(result, err);
    }
    result->columns_left--;
    piece->bytes = name.bytes > 0 ? name : alias;
    return TR_RESULT_COLUMN;
}

static enum tr_result take_row_bytes(struct tr_text_result *result, struct tr_text_piece *piece)
{
    const size_t have_bytes = result->in_used - result->in_at;
    const size_t bytes = have_bytes < result->packet_left ? have_bytes : result->packet_left;

    piece->bytes = tr_span_of(result->in + result->in_at, bytes);
    result->in_at += bytes;
    result->packet_left -= (uint32_t)bytes;
    piece->is_last = result->packet_left == 0 && !result->continues;
    if (piece->is_last) {
        result->state = TR_TEXT_ROWS;
    }
    return TR_RESULT_ROW;
}

static bool peek_head(const struct tr_text_result *result, struct head *head)
{
    const size_t have_bytes = result->in_used - result->in_at;
    const uint8_t *at = result->in + result->in_at;

    if (have_bytes < TR_PACKET_HEADER_BYTES) {
        return false;
    }
    *head = (struct head){.packet_bytes = tr_load_u24(at)};
    if (head->packet_bytes == 0) {
        return true;
    }
    if (have_bytes < TR_PACKET_HEADER_BYTES + 1) {
        return false;
    }
    head->first = at[TR_PACKET_HEADER_BYTES];
    return true;
}

static bool has_packet(const struct tr_text_result *result, const struct head *head)
{
    return result->in_used - result->in_at >= TR_PACKET_HEADER_BYTES + (size_t)head->packet_bytes;
}

static struct tr_span take_packet(struct tr_text_result *result, const struct head *head)
{
    const struct tr_span packet =
        tr_span_of(result->in + result->in_at + TR_PACKET_HEADER_BYTES, head->packet_bytes);

    result->in_at += TR_PACKET_HEADER_BYTES + (size_t)head->packet_bytes;
    result->sequence++;
    return packet;
}

/* Reads what there is behind the rest. ROW: bytes came. */
static enum tr_result fill(struct tr_text_result *result, int64_t wait_ns, struct tr_error *err)
{
    size_t bytes = 0;

    if (result->in_at > 0) {
        memmove(result->in, result->in + result->in_at, result->in_used - result->in_at);
        result->in_used -= result->in_at;
        result->in_at = 0;
    }
    switch (tr_raw_link_read(&result->link, result->in + result->in_used,
                             TR_TEXT_RESULT_IN_BYTES - result->in_used, wait_ns, &bytes, err)) {
    case TR_READ_BYTES:
        result->in_used += bytes;
        return TR_RESULT_ROW;
    case TR_READ_WOULD_BLOCK:
    case TR_READ_BUSY:
        return TR_RESULT_WAIT;
    case TR_READ_END:
    case TR_READ_PART_END:
        (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT, "the server closed the connection");
        return TR_RESULT_FAILED;
    case TR_READ_ERROR:
        break;
    }
    return TR_RESULT_FAILED;
}

/* [FF][number:2]['#'][state:5][text] */
static enum tr_result server_failed(struct tr_text_result *result, struct tr_span packet,
                                    struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(packet);
    char text[512];

    (void)tr_cursor_u8(&cursor);
    const uint16_t number = tr_cursor_u16(&cursor);
    if (tr_cursor_remaining(&cursor) >= 6 && *cursor.at == '#') {
        (void)tr_cursor_take(&cursor, 6);
    }
    const size_t remaining = tr_cursor_remaining(&cursor);
    const size_t bytes = remaining < sizeof(text) - 1 ? remaining : sizeof(text) - 1;
    if (bytes > 0) {
        memcpy(text, cursor.at, bytes);
    }
    text[bytes] = '\0';
    result->state = TR_TEXT_IDLE;
    result->last_error = number;
    (void)tr_server_error_of_query(number, text, "the statement", err);
    return TR_RESULT_FAILED;
}

static enum tr_result broken(struct tr_text_result *result, struct tr_error *err)
{
    result->state = TR_TEXT_IDLE;
    (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                  "the server's answer is not a result of the protocol: check what lies between us "
                  "and the server");
    return TR_RESULT_FAILED;
}
