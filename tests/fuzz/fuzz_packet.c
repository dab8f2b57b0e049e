// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a dump stream: frames never reach outside the input, every answer moves on, pieces
 * add up. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "stages/source/packet.h"
#include "stages/source/server_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes the rest of a large event out of its packets. Returns bytes used, or SIZE_MAX when the
 * stream is bad or short. */
static size_t take_pieces(struct tr_packet_framer *framer, const struct tr_frame_found *found,
                          struct tr_span rest)
{
    struct tr_packet_pieces pieces;
    struct tr_error err;
    size_t at = (size_t)framer->frame_bytes + TR_EVENT_HEADER_BYTES;

    tr_packet_pieces_begin(&pieces, framer, found, TR_EVENT_HEADER_BYTES);
    while (!tr_packet_pieces_is_done(&pieces)) {
        if (at == rest.bytes) {
            return SIZE_MAX;
        }
        if (pieces.packet_bytes == 0) {
            TR_ASSERT(pieces.continues);
            pieces.header[pieces.header_bytes++] = rest.data[at++];
            if (pieces.header_bytes == TR_PACKET_HEADER_BYTES &&
                tr_packet_pieces_next(&pieces, framer, &err) != TR_OK) {
                return SIZE_MAX;
            }
            continue;
        }
        const size_t have = rest.bytes - at;
        const uint32_t n = have < pieces.packet_bytes ? (uint32_t)have : pieces.packet_bytes;
        at += n;
        pieces.packet_bytes -= n;
        pieces.done_bytes += n;
        TR_ASSERT(pieces.done_bytes <= pieces.event_bytes);
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const enum tr_framing framing = data[0] % 2 == 0 ? TR_FRAMING_PACKETS : TR_FRAMING_EVENTS;
    struct tr_packet_framer framer = tr_packet_framer_of(framing, data[0] % 4 >= 2, 64 + data[1]);
    framer.sequence = size > 5 && framing == TR_FRAMING_PACKETS ? data[5] : 1;
    size_t at = 2;

    for (;;) {
        struct tr_frame_found found;
        struct tr_error err;
        const struct tr_span rest = tr_span_of(data + at, size - at);
        switch (tr_packet_next(&framer, rest, &found, &err)) {
        case TR_FRAME_EVENT:
            TR_ASSERT(found.total_bytes >= framer.frame_bytes + TR_EVENT_HEADER_BYTES);
            TR_ASSERT(found.total_bytes <= rest.bytes);
            TR_ASSERT(found.total_bytes - framer.frame_bytes == found.event_bytes);
            at += found.total_bytes;
            break;
        case TR_FRAME_LARGE: {
            const size_t used = take_pieces(&framer, &found, rest);
            if (used == SIZE_MAX) {
                return 0;
            }
            at += used;
            break;
        }
        case TR_FRAME_ERROR:
            TR_ASSERT(tr_server_error_of_dump(found.server_error, found.text, &err) != TR_OK);
            return 0;
        case TR_FRAME_BAD:
            TR_ASSERT(err.code == TR_ERR_PROTOCOL);
            return 0;
        case TR_FRAME_PARTIAL:
        case TR_FRAME_EOF:
            return 0;
        }
    }
}
