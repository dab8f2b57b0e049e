// SPDX-License-Identifier: Apache-2.0
/*
 * The coordinator: an actor that saves the position up to which everything is acknowledged.
 *
 *   collector --(ring of struct tr_unit_position)--> coordinator --> store
 *   shipper s --(acked_seq[s])-------------------------^   |
 *   sequencer --(sequenced_seq)------------------------^   +--> safe_seq, safe_log_bytes, saved_seq
 *
 * Safe sequence = min(acked_seq[*]), loaded before the ring is drained: what is acknowledged was routed before, and its
 * position published before that. Which position that gives is watermark.h's business.
 *
 * A save that fails for a passing reason is repeated with backoff while streaming goes on; one that needs an operator raises
 * the fault. Nothing equal to the last saved text is written again. The ring may be full while the store blocks: the
 * collector waits then, and nobody waits for the coordinator to get there.
 *
 * @thread one runner; init, begin_stop, is_stopped, add_source and saved_text: see there
 */
#ifndef TR_OFFSETS_COORDINATOR_H
#define TR_OFFSETS_COORDINATOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/actor.h"
#include "engine/error.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/ring.h"
#include "offsets/historian.h"
#include "offsets/identity.h"
#include "offsets/position.h"
#include "offsets/store.h"
#include "offsets/watermark.h"

#define TR_COORDINATOR_SHIPPERS_MAX 64
#define TR_COORDINATOR_SOURCES_MAX                                                                 \
    8 /* newest connections to different servers that are remembered */

struct tr_coordinator_options {
    enum tr_flavor flavor;
    bool keep_gtids;                         /* see tr_watermark_open */
    const struct tr_saved_position *initial; /* where reading begins; borrowed during init */
    /* What the store has now; empty: nothing, so `initial` is saved at once. Borrowed during init. */
    struct tr_span stored_value;
    const struct tr_identity
        *identity; /* the server that `initial` was read from or is about to be; link epoch 0 */
    struct tr_store *store;         /* borrows; open, and idle */
    struct tr_historian *historian; /* borrows; its seal is saved with each position; NULL: none */
    struct tr_ring *positions;      /* struct tr_unit_position, from the collector */
    uint32_t shipper_count;
    const _Atomic uint64_t *acked_seq[TR_COORDINATOR_SHIPPERS_MAX];
    const _Atomic uint64_t *sequenced_seq;
    _Atomic uint64_t *safe_seq;
    _Atomic uint64_t *safe_log_bytes;
    _Atomic uint64_t *saved_seq;
    int64_t
        flush_interval_ns; /* offset.flush.interval.ms; 0: as soon as there is something new and the store is idle */
    int64_t save_failing_ns_max; /* a store that fails longer stops the engine; 0 = never */
    int64_t wall_offset_ns;      /* wall clock minus monotonic clock at start: for saved_unix_ms */
    struct tr_fault *fault;
    struct tr_metric_block *metrics; /* may be NULL */
};

enum tr_coordinator_stop { TR_COORDINATOR_RUNS = 0, TR_COORDINATOR_STOPS, TR_COORDINATOR_STOPPED };

struct tr_coordinator {
    struct tr_coordinator_options
        options;                    /* initial, stored_value and identity are not used after init */
    struct tr_actor actor;          /* for the runner */
    struct tr_watermark *watermark; /* owns */
    struct tr_saved_position position; /* owns its GTID set: built here before it is written */
    /* The save under way or last built; a text buffer has TR_STORE_TEXT_BYTES_MAX bytes, identities TR_IDENTITY_TEXT_BYTES_MAX. */
    char *value; /* owns */
    size_t value_bytes;
    char *identity_text; /* owns */
    size_t identity_bytes;
    uint64_t value_seq;
    bool value_is_newest;
    bool
        is_built; /* (value_seq, value_is_newest) was built: it is saved, being saved, or equal to what is saved */
    bool is_saving;
    bool has_failed; /* TR_STOP: no more saves */
    int64_t next_save_ns;
    int64_t retry_delay_ns; /* 0 = the last save was good */
    int64_t failing_since_ns;
    char *saved; /* owns; the text the store has; guarded by mutex for readers on other threads */
    size_t saved_bytes;
    /* Guards sources, source_count and, against other threads' reads, saved. */
    pthread_mutex_t mutex;
    struct {
        uint64_t link_epoch;
        struct tr_identity identity;
    } sources[TR_COORDINATOR_SOURCES_MAX]; /* ascending epochs */
    uint32_t source_count;
    _Atomic int stop_state;     /* enum tr_coordinator_stop */
    _Atomic int64_t saved_ns;   /* monotonic, when the store last took a position; 0 = not yet */
    _Atomic int64_t failing_ns; /* monotonic, since when saving fails; 0 = it does not */
};

/* Memory for everything. Errors: TR_ERR_SYSTEM. @thread main, before the runner starts */
TR_NODISCARD enum tr_code tr_coordinator_init(struct tr_coordinator *coordinator,
                                              const struct tr_coordinator_options *options,
                                              struct tr_error *err);

/* Accepts a zeroed one. The store is the caller's to close. @thread main, after the runner ended */
void tr_coordinator_deinit(struct tr_coordinator *coordinator);

size_t tr_coordinator_memory_bytes(void);

/*
 * From connection `link_epoch` on the source is this server (its point and time are not looked at). Called after each login
 * and before the first byte of that connection, or only when it is another server than before. @thread any
 */
void tr_coordinator_add_source(struct tr_coordinator *coordinator, uint64_t link_epoch,
                               const struct tr_identity *identity);

/* Asks for the final save of whatever is safe; call it when nothing more will be acknowledged. A save that keeps failing is
 * given up after 5 s. @thread any */
void tr_coordinator_begin_stop(struct tr_coordinator *coordinator);

/* Whether the final save is done, or was given up (then the fault tells why). @thread any */
bool tr_coordinator_is_stopped(const struct tr_coordinator *coordinator);

/* Copies the offset text that the store has, with a NUL; cut at `room_bytes`. Empty before the first. @thread any */
void tr_coordinator_saved_text(struct tr_coordinator *coordinator, char *out, size_t room_bytes);

#endif
