// SPDX-License-Identifier: Apache-2.0
#include "stages/source/packet.h"

#include <inttypes.h>
#include <string.h>

#include "engine/assert.h"

#define STATUS_OK 0x00
#define STATUS_EOF 0xFE
#define STATUS_ERROR 0xFF
#define EOF_PAYLOAD_BYTES_MAX                                                                      \
    8 /* an EOF packet is shorter than 9 bytes (MySQL internals, "EOF_Packet") */
#define SEMI_SYNC_MARK 0xEF
#define EVENT_LENGTH_AT                                                                            \
    9 /* binlog event header: timestamp 4, type 1, server id 4, then the length */

static enum tr_frame frame_of_event(const struct tr_packet_framer *framer, struct tr_span bytes,
                                    struct tr_frame_found *found, struct tr_error *err);
static enum tr_frame frame_of_packet(struct tr_packet_framer *framer, struct tr_span bytes,
                                     struct tr_frame_found *found, struct tr_error *err);
static enum tr_frame frame_of_status(struct tr_packet_framer *framer, struct tr_span payload,
                                     uint32_t payload_bytes, struct tr_frame_found *found,
                                     struct tr_error *err);
static enum tr_frame frame_of_error(struct tr_packet_framer *framer, struct tr_span payload,
                                    uint32_t payload_bytes, struct tr_frame_found *found,
                                    struct tr_error *err);
static enum tr_frame check_event_bytes(uint64_t event_bytes, struct tr_error *err);

struct tr_packet_framer tr_packet_framer_of(enum tr_framing framing, bool semi_sync,
                                            uint32_t bytes_max)
{
    const uint8_t packet_frame_bytes = (uint8_t)(TR_PACKET_HEADER_BYTES + 1 + (semi_sync ? 2 : 0));

    return (struct tr_packet_framer){
        .framing = framing,
        .frame_bytes = framing == TR_FRAMING_PACKETS ? packet_frame_bytes : 0,
        .sequence = 1,
        .bytes_max = bytes_max,
    };
}

enum tr_frame tr_packet_next(struct tr_packet_framer *framer, struct tr_span bytes,
                             struct tr_frame_found *found, struct tr_error *err)
{
    *found = (struct tr_frame_found){0};
    switch (framer->framing) {
    case TR_FRAMING_PACKETS:
        return frame_of_packet(framer, bytes, found, err);
    case TR_FRAMING_EVENTS:
        return frame_of_event(framer, bytes, found, err);
    }
    TR_ASSERT(false);
}

static enum tr_frame frame_of_event(const struct tr_packet_framer *framer, struct tr_span bytes,
                                    struct tr_frame_found *found, struct tr_error *err)
{
    if (bytes.bytes < TR_EVENT_HEADER_BYTES) {
        return TR_FRAME_PARTIAL;
    }
    found->event_bytes = tr_load_u32(bytes.data + EVENT_LENGTH_AT);
    if (check_event_bytes(found->event_bytes, err) == TR_FRAME_BAD) {
        return TR_FRAME_BAD;
    }
    if (found->event_bytes > framer->bytes_max) {
        return TR_FRAME_LARGE;
    }
    if (found->event_bytes > bytes.bytes) {
        return TR_FRAME_PARTIAL;
    }
    found->total_bytes = (uint32_t)found->event_bytes;
    return TR_FRAME_EVENT;
}

static enum tr_frame frame_of_packet(struct tr_packet_framer *framer, struct tr_span bytes,
                                     struct tr_frame_found *found, struct tr_error *err)
{
    if (bytes.bytes < TR_PACKET_HEADER_BYTES) {
        return TR_FRAME_PARTIAL;
    }
    const uint32_t payload_bytes = tr_load_u24(bytes.data);
    if (bytes.data[3] != framer->sequence) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "packet sequence number = %u: want %u; bytes of the dump stream were lost or "
                      "mixed up: check "
                      "proxies between Tailrace and the server, then start again",
                      bytes.data[3], framer->sequence);
        return TR_FRAME_BAD;
    }
    if (payload_bytes == 0) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "dump stream holds an empty packet where an event should begin");
        return TR_FRAME_BAD;
    }
    if (bytes.bytes == TR_PACKET_HEADER_BYTES) {
        return TR_FRAME_PARTIAL;
    }
    const struct tr_span payload =
        tr_span_of(bytes.data + TR_PACKET_HEADER_BYTES, bytes.bytes - TR_PACKET_HEADER_BYTES);
    if (payload.data[0] == STATUS_ERROR) {
        return frame_of_error(framer, payload, payload_bytes, found, err);
    }
    if (payload.data[0] == STATUS_EOF && payload_bytes <= EOF_PAYLOAD_BYTES_MAX) {
        framer->sequence++;
        return TR_FRAME_EOF;
    }
    if (payload.data[0] != STATUS_OK) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "dump packet status = 0x%02x: want 0x00, 0xfe or 0xff", payload.data[0]);
        return TR_FRAME_BAD;
    }
    return frame_of_status(framer, payload, payload_bytes, found, err);
}

/* A packet that begins with OK: the event behind it. */
static enum tr_frame frame_of_status(struct tr_packet_framer *framer, struct tr_span payload,
                                     uint32_t payload_bytes, struct tr_frame_found *found,
                                     struct tr_error *err)
{
    const uint32_t status_bytes = (uint32_t)framer->frame_bytes - TR_PACKET_HEADER_BYTES;

    if (payload.bytes < status_bytes + TR_EVENT_HEADER_BYTES) {
        if (payload_bytes < status_bytes + TR_EVENT_HEADER_BYTES) {
            (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                          "dump packet of %" PRIu32 " bytes: an event has at least %u",
                          payload_bytes, TR_EVENT_HEADER_BYTES);
            return TR_FRAME_BAD;
        }
        return TR_FRAME_PARTIAL;
    }
    if (status_bytes == 3 && payload.data[1] != SEMI_SYNC_MARK) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "semi-sync mark = 0x%02x: want 0xef",
                      payload.data[1]);
        return TR_FRAME_BAD;
    }
    found->event_bytes = tr_load_u32(payload.data + status_bytes + EVENT_LENGTH_AT);
    found->payload_bytes = payload_bytes;
    const bool is_split = payload_bytes == TR_PACKET_PAYLOAD_BYTES_MAX;
    const uint64_t packet_event_bytes = payload_bytes - status_bytes;
    if (is_split ? found->event_bytes < packet_event_bytes
                 : found->event_bytes != packet_event_bytes) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "event length = %" PRIu64 " in a packet that holds %" PRIu64
                      " bytes of it: the dump may have "
                      "begun in the middle of an event; check the saved position",
                      found->event_bytes, packet_event_bytes);
        return TR_FRAME_BAD;
    }
    if (check_event_bytes(found->event_bytes, err) == TR_FRAME_BAD) {
        return TR_FRAME_BAD;
    }
    if (TR_PACKET_HEADER_BYTES + payload_bytes > framer->bytes_max) {
        return TR_FRAME_LARGE;
    }
    if (payload_bytes > payload.bytes) {
        return TR_FRAME_PARTIAL;
    }
    /* An event that asks for an acknowledgement is a command's end: the server begins to count anew
     * (seen on both). */
    const bool asks_reply = status_bytes == 3 && (payload.data[2] & 1) != 0;
    framer->sequence = asks_reply ? 1 : (uint8_t)(framer->sequence + 1);
    found->total_bytes = TR_PACKET_HEADER_BYTES + payload_bytes;
    return TR_FRAME_EVENT;
}

/* FF code:2 '#' state:5 text; servers leave '#' and the state out before login only (MySQL
 * internals, "ERR_Packet"). */
static enum tr_frame frame_of_error(struct tr_packet_framer *framer, struct tr_span payload,
                                    uint32_t payload_bytes, struct tr_frame_found *found,
                                    struct tr_error *err)
{
    if (payload_bytes < 3 || payload_bytes > TR_PACKET_ERROR_BYTES_MAX) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "ERR packet of %" PRIu32 " bytes: want 3..%u",
                      payload_bytes, TR_PACKET_ERROR_BYTES_MAX);
        return TR_FRAME_BAD;
    }
    if (payload.bytes < payload_bytes) {
        return TR_FRAME_PARTIAL;
    }
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(payload.data + 1, payload_bytes - 1));
    found->server_error = tr_cursor_u16(&cursor);
    if (tr_cursor_remaining(&cursor) >= 6 && cursor.at[0] == '#') {
        (void)tr_cursor_take(&cursor, 6);
    }
    const size_t text_bytes = tr_cursor_remaining(&cursor);
    found->text = tr_cursor_span(&cursor, text_bytes);
    framer->sequence++;
    return TR_FRAME_ERROR;
}

static enum tr_frame check_event_bytes(uint64_t event_bytes, struct tr_error *err)
{
    if (event_bytes < TR_EVENT_HEADER_BYTES || event_bytes > TR_EVENT_BYTES_MAX) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "event length = %" PRIu64
                      ": want %u..%u; the log is damaged here, or reading began in the middle "
                      "of an event",
                      event_bytes, TR_EVENT_HEADER_BYTES, TR_EVENT_BYTES_MAX);
        return TR_FRAME_BAD;
    }
    return TR_FRAME_EVENT;
}

void tr_packet_pieces_begin(struct tr_packet_pieces *pieces, struct tr_packet_framer *framer,
                            const struct tr_frame_found *found, uint32_t taken_bytes)
{
    *pieces =
        (struct tr_packet_pieces){.event_bytes = found->event_bytes, .done_bytes = taken_bytes};
    if (framer->framing == TR_FRAMING_EVENTS) {
        pieces->packet_bytes = (uint32_t)(found->event_bytes - taken_bytes);
        return;
    }
    const uint32_t status_bytes = (uint32_t)framer->frame_bytes - TR_PACKET_HEADER_BYTES;
    framer->sequence++;
    TR_ASSERT(taken_bytes <= found->payload_bytes - status_bytes);
    pieces->packet_bytes = found->payload_bytes - status_bytes - taken_bytes;
    pieces->continues = found->payload_bytes == TR_PACKET_PAYLOAD_BYTES_MAX;
}

enum tr_code tr_packet_pieces_next(struct tr_packet_pieces *pieces, struct tr_packet_framer *framer,
                                   struct tr_error *err)
{
    TR_ASSERT(pieces->packet_bytes == 0);
    TR_ASSERT(pieces->continues);
    TR_ASSERT(pieces->header_bytes == TR_PACKET_HEADER_BYTES);
    const uint32_t payload_bytes = tr_load_u24(pieces->header);
    if (pieces->header[3] != framer->sequence) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "packet sequence number = %u inside a split event: want %u",
                       pieces->header[3], framer->sequence);
    }
    framer->sequence++;
    pieces->continues = payload_bytes == TR_PACKET_PAYLOAD_BYTES_MAX;
    const uint64_t left_bytes = pieces->event_bytes - pieces->done_bytes;
    if (payload_bytes > left_bytes || (!pieces->continues && payload_bytes < left_bytes)) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "split event of %" PRIu64 " bytes: %" PRIu64
                       " are left, the next packet holds %" PRIu32,
                       pieces->event_bytes, left_bytes, payload_bytes);
    }
    pieces->packet_bytes = payload_bytes;
    pieces->header_bytes = 0;
    return TR_OK;
}

bool tr_packet_pieces_is_done(const struct tr_packet_pieces *pieces)
{
    return pieces->done_bytes == pieces->event_bytes && pieces->packet_bytes == 0 &&
           !pieces->continues;
}
