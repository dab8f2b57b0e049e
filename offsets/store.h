// SPDX-License-Identifier: Apache-2.0
/*
 * The port to an offset store: commands and replies, one command at a time, never blocking.
 *
 * A store keeps named texts: Debezium's offset entry (key and value JSON of contract §6.1) and our own record beside it
 * (source identity, format version). Implementations: file (Java-serialised map, atomic rename, a lock file), Redis
 * (hash, on the coordinator's reactor), memory, and the simulation's model.
 * @thread the coordinator (before the threads start: the main thread)
 */
#ifndef TR_OFFSETS_STORE_H
#define TR_OFFSETS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

enum tr_store_state { TR_STORE_IDLE = 0, TR_STORE_PENDING, TR_STORE_DONE, TR_STORE_FAILED };

#define TR_STORE_TEXT_BYTES_MAX (256 * 1024) /* an offset with a very fragmented GTID set */

/* What a load or a look brings; texts are borrowed from the store until its next command. bytes == 0: absent. */
struct tr_store_content {
    struct tr_span offset_value; /* load: of our offset key */
    struct tr_span identity;     /* load: our own record */
    struct tr_span
        other_key; /* load, without an entry of ours: a key that is there instead, where the store can tell */
    struct tr_span holder; /* look: who holds the lock, in words for people */
};

struct tr_store {
    void *self;
    const char *name; /* "file", "redis", "memory", "model" */
    /* Starts reading both texts. */
    void (*start_load)(void *self, int64_t now_ns);
    /* Starts writing both texts (borrowed until the command is done) as one step: all or nothing. */
    void (*start_save)(void *self, struct tr_span offset_value, struct tr_span identity,
                       int64_t now_ns);
    /* Starts finding out who holds the lock, and whether a save would be allowed. Changes nothing and keeps no lock: for
     * `tailrace check`, on a store that was opened read-only. FAILED tells why nothing could be saved. NULL: it cannot tell. */
    void (*start_look)(void *self, int64_t now_ns);
    /* Advances the command; DONE and FAILED are reported once and leave the store IDLE. FAILED sets err: TR_ERR_STATE with
     * TR_RETRY (unreachable; the command may be given again) or TR_STOP (corrupt, foreign, refused). */
    enum tr_store_state (*poll)(void *self, int64_t now_ns, struct tr_store_content *content,
                                struct tr_error *err);
    /* The next moment poll has something to do by itself (timeout, retry); INT64_MAX = only on its descriptors. */
    int64_t (*next_deadline_ns)(void *self);
    void (*close)(void *self); /* releases the lock; accepts a half-open store */
};

#endif
