// SPDX-License-Identifier: Apache-2.0
/*
 * Framing of the dump stream: where does the next event begin and end?
 *
 *   packet:  [length:3][sequence:1][status:1]([EF flag] with semi-sync)[event]     a file: [event]
 *
 * A payload of 0xFFFFFF bytes continues in the next packet; sequence numbers run through the whole
 * stream. Both parsers are total: any bytes give an answer or an error, and never a read outside
 * the span. Source: mysql-binlog.md §1.1, §1.11; MySQL internals, "MySQL Packets", "Binlog Network
 * Stream".
 */
#ifndef TR_STAGES_SOURCE_PACKET_H
#define TR_STAGES_SOURCE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/source/source_port.h"

#define TR_EVENT_HEADER_BYTES 19
#define TR_EVENT_BYTES_MAX                                                                         \
    (UINT32_C(1) << 30) /* what a dump thread can send; servers cannot log a larger event */
#define TR_PACKET_HEADER_BYTES 4
#define TR_PACKET_PAYLOAD_BYTES_MAX 0xFFFFFFu
#define TR_PACKET_ERROR_BYTES_MAX 4096 /* an ERR packet's text is at most 512 bytes */

enum tr_frame {
    TR_FRAME_PARTIAL = 0, /* more bytes are needed to tell */
    TR_FRAME_EVENT,       /* a whole event */
    TR_FRAME_LARGE,       /* the header of an event that does not fit `bytes_max` */
    TR_FRAME_EOF,         /* the server ended the stream */
    TR_FRAME_ERROR,       /* a whole ERR packet */
    TR_FRAME_BAD,         /* not a dump stream: err is set */
};

/* Reads packets one after the other; `sequence` moves past what was returned as EVENT, EOF or
 * ERROR, and with tr_packet_pieces_begin past the first packet of a LARGE event. */
struct tr_packet_framer {
    enum tr_framing framing;
    uint8_t frame_bytes; /* before each event: 0, 5, or 7 with semi-sync */
    uint8_t sequence;    /* the next packet's */
    uint32_t bytes_max;  /* most bytes of frame and event that count as EVENT */
};

struct tr_frame_found {
    uint32_t total_bytes;   /* EVENT: frame and event */
    uint64_t event_bytes;   /* EVENT, LARGE: from the event's own header */
    uint32_t payload_bytes; /* LARGE: of the first packet, status included; files: 0 */
    uint16_t server_error;  /* ERROR */
    struct tr_span text;    /* ERROR: the message, borrowed from the input */
};

/* A framer at the start of a stream: the command had sequence 0. */
struct tr_packet_framer tr_packet_framer_of(enum tr_framing framing, bool semi_sync,
                                            uint32_t bytes_max);

/* What lies at the start of `bytes`. BAD: TR_ERR_PROTOCOL, TR_STOP. */
enum tr_frame tr_packet_next(struct tr_packet_framer *framer, struct tr_span bytes,
                             struct tr_frame_found *found, struct tr_error *err);

/* Progress through the packets of one large event. */
struct tr_packet_pieces {
    uint64_t event_bytes;  /* of the whole event */
    uint64_t done_bytes;   /* of the event, taken out of packets */
    uint32_t packet_bytes; /* left of the current packet */
    bool continues;        /* the current packet was full: another follows, perhaps empty */
    uint8_t header[TR_PACKET_HEADER_BYTES]; /* of the following packet, as far as read */
    uint32_t header_bytes;
    uint8_t stash[64]; /* bytes held back from the first piece for the last one */
    uint32_t stash_bytes;
};

/* Begins after TR_FRAME_LARGE, of whose event `taken_bytes` (>= TR_EVENT_HEADER_BYTES) are already
 * in hand. */
void tr_packet_pieces_begin(struct tr_packet_pieces *pieces, struct tr_packet_framer *framer,
                            const struct tr_frame_found *found, uint32_t taken_bytes);

/* Once `header` is complete: checks it and makes it the current packet. Errors: TR_ERR_PROTOCOL,
 * TR_STOP. */
TR_NODISCARD enum tr_code tr_packet_pieces_next(struct tr_packet_pieces *pieces,
                                                struct tr_packet_framer *framer,
                                                struct tr_error *err);

/* Whether every byte of the event and of its packets was taken. */
bool tr_packet_pieces_is_done(const struct tr_packet_pieces *pieces);

#endif
