// SPDX-License-Identifier: Apache-2.0
/*
 * The port to a store of the schema history: documents (contract §5.1, one line of JSON each), only
 * ever appended. One command at a time, never blocking.
 *
 * Implementations: file (one document per line), Redis (a stream, XADD <key> * schema <document>),
 * memory (lost on exit), and the simulation's model. The format is Debezium's: either may take over
 * from the other.
 * @thread the historian (before the threads start: the main thread)
 */
#ifndef TR_OFFSETS_HISTORY_STORE_H
#define TR_OFFSETS_HISTORY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/store.h"

#define TR_HISTORY_BATCH_MAX 256                          /* documents of one append */
#define TR_HISTORY_DOCUMENT_BYTES_MAX (256 * 1024 * 1024) /* a longer one stops the load */

/* Takes one stored document (without line end; borrowed). An error ends the load with it. */
typedef enum tr_code tr_history_on_document(void *self, struct tr_span document,
                                            struct tr_error *err);

struct tr_history_store {
    void *self;
    const char *name; /* "file", "redis", "memory", "model" */
    bool is_kept;     /* what is stored is there at the next start */
    /* Starts reading all documents, oldest first. Begun again after FAILED with TR_RETRY it goes on
     * behind the last document that was given. */
    void (*start_load)(void *self, tr_history_on_document *on_document, void *document_self,
                       int64_t now_ns);
    /*
     * Only after a load that was done: it tells where the history ends.
     * Starts appending 1..TR_HISTORY_BATCH_MAX documents, in order (borrowed until the command is
     * done). DONE: all are durable. FAILED with TR_RETRY: any number of the first ones may be
     * stored; giving the same documents again completes them without repeating one. TR_STOP: the
     * history is not what we left, or an operator must act.
     */
    void (*start_append)(void *self, const struct tr_span *documents, uint32_t count,
                         int64_t now_ns);
    /* Advances the command, as struct tr_store's poll: DONE and FAILED are reported once. */
    enum tr_store_state (*poll)(void *self, int64_t now_ns, struct tr_error *err);
    int64_t (*next_deadline_ns)(void *self);
    void (*close)(void *self);
};

#endif
