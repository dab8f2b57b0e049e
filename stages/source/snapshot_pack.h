// SPDX-License-Identifier: Apache-2.0
/*
 * Builds the events of snapshot_event.h, one at a time, and serves them as packets of a dump.
 *
 *   begin_rows -> (append)* row_ended ... -> close   |   statement, end   -> read until it is empty
 *
 * While an event is being served (tr_snapshot_pack_is_served) nothing may be built. A ROWS event is
 * kept open until its caller knows what follows it: that decides its last row's mark.
 * @thread one
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_PACK_H
#define TR_STAGES_SOURCE_SNAPSHOT_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/schema/table.h"
#include "stages/source/packet.h"
#include "stages/source/snapshot_event.h"

/* A ROWS event takes no further row beyond that; several fit a chunk. */
#define TR_SNAPSHOT_EVENT_BYTES_TARGET ((size_t)60 * 1024)

struct tr_snapshot_pack {
    uint8_t *bytes; /* owns: the event */
    size_t room_bytes;
    size_t used_bytes; /* 0 = no event */
    size_t marks_at;   /* ROWS: first_mark */
    size_t row_at;     /* where the newest row begins */
    uint32_t row_count;
    uint32_t ts_sec; /* of the events being built */
    /* Serving. */
    bool is_served;
    uint8_t sequence;      /* the next packet's */
    uint64_t payload_done; /* of status byte and event, given to packets */
    uint32_t packet_left;  /* event bytes of the current packet */
    bool continues;        /* the current packet is full: another follows, perhaps empty */
    uint8_t head[TR_PACKET_HEADER_BYTES + 1];
    uint32_t head_at;
    uint32_t head_bytes;
    uint32_t cell_at[TR_COLUMNS_MAX + 1]; /* arrange: where the row's cells begin, and its end */
};

/* Takes the memory; `row_bytes_max`: the largest row or statement; `arranges`: rows will be arranged.
 * Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_snapshot_pack_init(struct tr_snapshot_pack *pack, size_t row_bytes_max,
                                                bool arranges, struct tr_error *err);
/* Accepts a zeroed pack. */
void tr_snapshot_pack_deinit(struct tr_snapshot_pack *pack);

/* A STATEMENT event, served at once. It must fit `row_bytes_max`. */
void tr_snapshot_pack_statement(struct tr_snapshot_pack *pack, struct tr_span database,
                                struct tr_span sql, bool is_last);

/* The END event, served at once. */
void tr_snapshot_pack_end(struct tr_snapshot_pack *pack);

/* Begins a ROWS event: TR_SNAPSHOT_TRUE, FIRST_IN_TABLE or FIRST for its first row. */
void tr_snapshot_pack_begin_rows(struct tr_snapshot_pack *pack, struct tr_span database,
                                 struct tr_span table, enum tr_snapshot_mark first_mark);

/* Appends bytes of the newest row. False: it does not fit. */
bool tr_snapshot_pack_append(struct tr_snapshot_pack *pack, struct tr_span bytes);

/* The newest row is complete. */
void tr_snapshot_pack_row_ended(struct tr_snapshot_pack *pack);

/*
 * Gives the cells of the newest row, complete but not ended, the places of its table's columns:
 * `sources[i]` is the cell of column i. False: it does not fit, or is no row of `cell_count` cells.
 */
bool tr_snapshot_pack_arrange(struct tr_snapshot_pack *pack, const uint16_t *sources,
                              uint32_t column_count, uint32_t cell_count);

/* Whether a row of at least `row_bytes` still belongs into the open event. */
bool tr_snapshot_pack_takes(const struct tr_snapshot_pack *pack, size_t row_bytes);

/* Ends the open ROWS event: TR_SNAPSHOT_TRUE, LAST_IN_TABLE or LAST for its last row. Served from
 * then on. */
void tr_snapshot_pack_close(struct tr_snapshot_pack *pack, enum tr_snapshot_mark last_mark);

/* Takes bytes of the event that is served; 0 = none is, or no more. */
size_t tr_snapshot_pack_read(struct tr_snapshot_pack *pack, uint8_t *out, size_t room_bytes);

#endif
