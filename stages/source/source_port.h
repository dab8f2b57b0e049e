// SPDX-License-Identifier: Apache-2.0
/*
 * The port to a source of log bytes, after login: real server, binlog file, simulated server.
 * @thread ingest
 */
#ifndef TR_STAGES_SOURCE_PORT_H
#define TR_STAGES_SOURCE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "offsets/gtid.h"
#include "offsets/position.h"

/* Where to begin. Written by the sequencer (or the application at start), travels to ingest. */
struct tr_resume {
    struct tr_log_point
        point; /* file and pos; event_count and row_count are the sequencer's business */
    struct tr_gtid_set *gtids; /* owned by the sequencer, unchanged until the next LINK_DOWN; NULL =
                                  by file and pos */
    enum tr_flavor flavor;
};

enum tr_framing {
    TR_FRAMING_PACKETS = 0, /* MySQL packets: length:3 sequence:1, status byte, event */
    TR_FRAMING_EVENTS,      /* a binlog file: events back to back after the 4-byte magic (already
                               consumed) */
};

enum tr_read {
    TR_READ_BYTES = 0,
    TR_READ_WOULD_BLOCK,
    TR_READ_END,
    TR_READ_ERROR,
    TR_READ_BUSY,     /* as WOULD_BLOCK, but the source is at work: silence means nothing */
    TR_READ_PART_END, /* a part of the source is complete (the snapshot): open again, at once, where
                         the sequencer says */
};

struct tr_source_port {
    void *self;
    enum tr_framing framing;
    /* Connects, logs in, prepares the session, sends the dump command. May block up to its connect
     * timeout. */
    enum tr_code (*open)(void *self, const struct tr_resume *resume, struct tr_error *err);
    /* Reads up to `room_bytes` (at least 1). May wait up to `wait_ns` for the first byte; then
     * WOULD_BLOCK (or BUSY). END: a file's end, or the peer closed. ERROR sets err (remedy TR_RECONNECT or
     * TR_STOP). */
    enum tr_read (*read)(void *self, void *out, size_t room_bytes, int64_t wait_ns, size_t *bytes,
                         struct tr_error *err);
    void (*close)(void *self); /* of the connection; open may be called again */
    void (*wake)(void *self);  /* ends a waiting read early; @thread any */
};

#endif
