// SPDX-License-Identifier: Apache-2.0
/* The schema history's part of the start: open the configured store, hand every document on.
 * @thread main */
#ifndef TR_ENGINE_APP_START_HISTORY_H
#define TR_ENGINE_APP_START_HISTORY_H

#include "engine/app/start.h"

/*
 * Opens the configured store into start->history, on the service reactor; connects to nothing yet.
 * None configured: TR_OK, and start->history.self stays NULL. With start->read_only nothing is created.
 * Errors: TR_ERR_CONFIG, TR_ERR_STATE, TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_start_open_history(struct tr_start *start, struct tr_error *err);

/*
 * Gives all documents, oldest first, and says how many there were: 0 = there is no history yet. Waits
 * for a Redis within tailrace.startup.wait.ms; a document is never given twice. Must be called before
 * the first append, also where nobody wants to know (on_document == NULL). Sets start->history_seal.
 * Errors: the store's, on_document's with the place of the document, TR_ERR_STATE when the history is
 * not the one that start->history_wanted seals (truncated, edited, another one), TR_ERR_INTERRUPTED.
 */
TR_NODISCARD enum tr_code tr_start_load_history(struct tr_start *start,
                                                tr_history_on_document *on_document, void *self,
                                                uint64_t *count, struct tr_error *err);

/* Accepts none, and one that was closed. Nobody steps a historian on it any more. */
void tr_start_close_history(struct tr_start *start);

#endif
