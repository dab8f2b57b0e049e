// SPDX-License-Identifier: Apache-2.0
/*
 * Inflate's output side: cuts a stream of plain event bytes into chunks of whole events and pieces
 * of large ones. Internal to inflate. @thread inflate's
 */
#ifndef TR_STAGES_SEQUENCE_INFLATE_OUTPUT_H
#define TR_STAGES_SEQUENCE_INFLATE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "stages/sequence/inflate.h"

/* Sends one message to the sequencer. */
void tr_inflate_tell(struct tr_inflate *inflate, const struct tr_inflate_done *done);

/* Reports inflate->error; nothing follows. */
void tr_inflate_fail(struct tr_inflate *inflate);

/* Makes sure a chunk is open; false when the pool is dry. */
bool tr_inflate_open_chunk(struct tr_inflate *inflate);

/* Room in the open chunk (behind used_bytes) for the next bytes; 0 when the pool is dry. */
size_t tr_inflate_room(struct tr_inflate *inflate);

/* Takes `bytes` written into that room into account; false (inflate->error set) when they are not
 * events. */
bool tr_inflate_note(struct tr_inflate *inflate, size_t bytes);

/* The event is complete: sends the last chunk, or fails if an inner event is cut. False when the
 * pool is dry. */
bool tr_inflate_finish(struct tr_inflate *inflate);

#endif
