// SPDX-License-Identifier: Apache-2.0
/*
 * Statements and their rows over a raw link, never waiting longer than asked and never holding more
 * than a buffer of a result: what the client library cannot do. A row is handed out in pieces, as
 * its bytes come, in the protocol's own form (which is that of a row in snapshot_event.h).
 *
 *   send -> COLUMN* -> ROW (piece)* ... -> END      | OK statements: END at once | FAILED at any time
 *
 * One statement at a time. Source: MySQL internals, "ProtocolText::Resultset", with and without
 * CLIENT_DEPRECATE_EOF (either library).
 * @thread one
 */
#ifndef TR_STAGES_SOURCE_TEXT_RESULT_H
#define TR_STAGES_SOURCE_TEXT_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/source/raw_link.h"

#define TR_TEXT_RESULT_IN_BYTES ((size_t)256 * 1024)

enum tr_result {
    TR_RESULT_WAIT = 0, /* nothing came in that time */
    TR_RESULT_COLUMN,   /* `bytes`: the name of the next column */
    TR_RESULT_ROW,      /* `bytes`: the next piece of a row */
    TR_RESULT_END,
    TR_RESULT_FAILED, /* err is set; last_error: the server's number, 0 = the link's */
};

struct tr_text_result {
    struct tr_raw_link link; /* borrows the socket */
    uint8_t *in;             /* owns; TR_TEXT_RESULT_IN_BYTES */
    size_t in_at;
    size_t in_used;
    enum { TR_TEXT_IDLE = 0, TR_TEXT_FIRST, TR_TEXT_COLUMNS, TR_TEXT_ROWS, TR_TEXT_INSIDE } state;
    uint8_t sequence;      /* the next packet's */
    uint32_t column_count; /* of the result under way */
    uint32_t columns_left;
    bool has_columns_end; /* an EOF packet lies between columns and rows: older clients' protocol */
    uint32_t packet_left; /* INSIDE: bytes of the row's packet still to come */
    bool continues;       /* INSIDE: that packet was full, another follows */
    uint32_t last_error;
};

/* One piece of a row, or a name. `bytes` is valid until the next call. */
struct tr_text_piece {
    struct tr_span bytes;
    bool is_first; /* of its row */
    bool is_last;
    uint32_t packet_bytes; /* is_first: of the row's first packet; all of it below 16 MiB - 1 */
};

/* Takes the buffer. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_text_result_init(struct tr_text_result *result,
                                              const struct tr_raw_link *link, struct tr_error *err);
/* Accepts a zeroed object; the link is the caller's to close. */
void tr_text_result_deinit(struct tr_text_result *result);

/* Sends a statement; nothing may be under way. Errors: TR_ERR_SOURCE_LINK, TR_ERR_UNSUPPORTED (16 MiB). */
TR_NODISCARD enum tr_code tr_text_result_send(struct tr_text_result *result, struct tr_span sql,
                                              struct tr_error *err);

/* What comes next, waiting for it up to `wait_ns`. */
enum tr_result tr_text_result_next(struct tr_text_result *result, int64_t wait_ns,
                                   struct tr_text_piece *piece, struct tr_error *err);

#endif
