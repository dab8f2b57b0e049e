// SPDX-License-Identifier: Apache-2.0
/*
 * The historian: an actor that stores schema changes before any position may pass them.
 *
 *   sequencer --(ring of struct tr_history_entry)--> historian --> history store
 *   sequencer --(sequenced_seq)--------------------------^   +--> history_seq
 *
 * history_seq: loads sequenced_seq (acquire) before it drains its ring; with nothing left to store
 * it publishes that value, else the sequence before its oldest entry. The sequencer publishes a
 * unit's entries before its number (release), so nothing of that unit is missed. The coordinator
 * takes history_seq for one more shipper's acked_seq (I1).
 *
 * An append that fails for a passing reason is repeated with backoff while streaming goes on (the
 * position stands still meanwhile); one that needs an operator raises the fault.
 * @thread one runner; init, deinit, seal: see there
 */
#ifndef TR_OFFSETS_HISTORIAN_H
#define TR_OFFSETS_HISTORIAN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/actor.h"
#include "engine/doorbell.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/ring.h"
#include "offsets/history_seal.h"
#include "offsets/history_store.h"

#define TR_HISTORY_RING_SLOTS 1024
#define TR_HISTORY_BYTES_MAX                                                                       \
    ((uint64_t)16 * 1024 * 1024) /* of documents under way: beyond it no statement is read */

/* One document on its way to the store. */
struct tr_history_entry {
    uint64_t seq; /* of the unit that carries the statement */
    char *text;   /* travels: freed by the historian once it is stored */
    size_t bytes;
};

struct tr_historian_options {
    struct tr_history_store *store; /* borrows; open, idle */
    struct tr_ring *entries;        /* struct tr_history_entry, from the sequencer */
    const _Atomic uint64_t *sequenced_seq;
    _Atomic uint64_t *history_seq;
    _Atomic uint64_t *history_bytes; /* of documents stored and freed since start; may be NULL */
    struct tr_doorbell *coordinator_bell; /* rung when history_seq moves; NULL = nobody parks, or
                                             the coordinator is stepped after us on one runner */
    struct tr_history_seal seal; /* of the documents that the store had when it was loaded */
    int64_t failing_ns_max;      /* a store that fails longer stops the engine; 0 = never */
    struct tr_fault *fault;
    struct tr_metric_block *metrics; /* may be NULL */
};

struct tr_historian {
    struct tr_historian_options options;                 /* seal is not used after init */
    struct tr_actor actor;                               /* for the runner */
    struct tr_history_entry batch[TR_HISTORY_BATCH_MAX]; /* owns the texts; being stored */
    struct tr_span texts[TR_HISTORY_BATCH_MAX];
    uint32_t batch_count;
    uint64_t published_seq;
    uint64_t stored_bytes;
    bool is_storing;
    bool has_failed; /* TR_STOP: no more */
    int64_t next_try_ns;
    int64_t retry_delay_ns; /* 0 = the last append was good */
    int64_t failing_since_ns;
    pthread_mutex_t mutex;       /* guards seal against other threads' reads */
    struct tr_history_seal seal; /* of all documents that are stored */
};

/* @thread main, before the runner starts */
void tr_historian_init(struct tr_historian *historian, const struct tr_historian_options *options);

/* The seal of what is stored: at least all documents of units up to any history_seq seen before. @thread any */
struct tr_history_seal tr_historian_seal(struct tr_historian *historian);

/* Frees what was not stored, in the ring too; accepts a zeroed one. The store borrows from it: close
 * that before. @thread main, after the runner ended */
void tr_historian_deinit(struct tr_historian *historian);

#endif
