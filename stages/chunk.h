// SPDX-License-Identifier: Apache-2.0
/*
 * A chunk: a fixed buffer of whole raw events, or one piece of an event larger than a chunk.
 *
 *   TR_CHUNK_EVENTS:  [frame][event][frame][event]...   frame = frame_bytes of packet header and status, skipped
 *   TR_CHUNK_PIECE:   [event bytes, contiguous]           piece = first | middle | last, no frames inside;
 *                     the first holds the whole event header, the last at least TR_PIECE_LAST_BYTES_MIN bytes, so that a
 *                     checksum trailer is never split; an event in pieces has at least two
 *   TR_CHUNK_LINK_DOWN / TR_CHUNK_END: no bytes
 *
 * ingest -> sequencer -> (inside a unit) decoder -> home again: ingest's chunks to ingest, inflate's to inflate.
 */
#ifndef TR_STAGES_CHUNK_H
#define TR_STAGES_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

#define TR_CHUNK_BYTES (256 * 1024) /* room for events; also the most raw bytes of a unit */
#define TR_PIECE_LAST_BYTES_MIN 64
#define TR_CHUNK_MAGIC 0x43484e4bu

enum tr_chunk_kind {
    TR_CHUNK_EVENTS = 0,
    TR_CHUNK_PIECE,
    TR_CHUNK_LINK_DOWN, /* the connection ended: `error`; sequencer answers with a resume point */
    TR_CHUNK_END,       /* the source has no more (files): drain and stop */
};

enum tr_piece { TR_PIECE_FIRST = 0, TR_PIECE_MIDDLE, TR_PIECE_LAST };
enum tr_chunk_home { TR_HOME_INGEST = 0, TR_HOME_INFLATE };

struct tr_chunk {
    uint32_t magic;
    enum tr_chunk_kind kind;
    enum tr_piece piece;
    enum tr_chunk_home home;
    uint8_t
        frame_bytes; /* before each event: 5 on the wire, 7 with semi-sync, 0 from a file or inflate */
    bool inner;      /* from inflate: no checksum trailers, positions are the outer event's */
    bool inner_last; /* from inflate: the payload's last chunk */
    uint32_t used_bytes;
    uint64_t link_epoch;  /* counts connections; bytes of different epochs never join */
    uint64_t event_bytes; /* PIECE: length of the whole event */
    int64_t received_ns;  /* monotonic, when its last byte came */
    struct tr_error
        error; /* LINK_DOWN: why, code TR_OK: a part of the source is complete; END: the source's fatal error, code
                  TR_OK when there is none */
    /* The bytes, last: followed by slack so that 8-byte loads never leave the object. */
    uint8_t bytes[TR_CHUNK_BYTES];
    uint8_t slack[64];
};

#endif
