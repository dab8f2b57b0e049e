// SPDX-License-Identifier: Apache-2.0
/*
 * The reading half of ingest (ingest.h): from the port into chunks. ingest.c holds its life:
 * connect, link loss, end. Internal to the two; @thread ingest throughout.
 */
#ifndef TR_STAGES_SOURCE_INGEST_READ_H
#define TR_STAGES_SOURCE_INGEST_READ_H

#include <stdint.h>

#include "stages/source/ingest.h"

/* One cycle in state TR_INGEST_EVENTS, or TR_INGEST_PIECES: at most one read. Returns work done. */
uint32_t tr_ingest_read_events(struct tr_ingest *ingest, int64_t now_ns);
uint32_t tr_ingest_read_pieces(struct tr_ingest *ingest, int64_t now_ns);

/* The link ended with `ingest->error`: closes it; reconnect at the sequenced position, or stop the
 * engine. */
void tr_ingest_link_failed(struct tr_ingest *ingest, int64_t now_ns);

/* A part of the source was read to its end: whole events, LINK_DOWN without an error, the next open
 * at once. */
void tr_ingest_part_ended(struct tr_ingest *ingest, int64_t now_ns);

/* No more reading: closes the connection; the last messages follow. */
void tr_ingest_source_ended(struct tr_ingest *ingest);

/* An empty chunk with its header set, or NULL when all are out. */
struct tr_chunk *tr_ingest_acquire_chunk(struct tr_ingest *ingest, enum tr_chunk_kind kind);

/* Hands a chunk to the sequencer. It travels: the caller forgets it. */
void tr_ingest_publish_chunk(struct tr_ingest *ingest, struct tr_chunk *chunk, int64_t now_ns);

/* Adds to one of ingest's counters, if anybody counts. */
void tr_ingest_count(struct tr_ingest *ingest, enum tr_metric metric, uint64_t n);

#endif
