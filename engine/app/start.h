// SPDX-License-Identifier: Apache-2.0
/*
 * What has to be known before the first byte of the log is asked for: the store's position, the
 * server's facts, the tables, the streams. Everything here blocks, on the main thread, and gives up
 * when a stop is asked for.
 */
#ifndef TR_ENGINE_APP_START_H
#define TR_ENGINE_APP_START_H

#include <stdbool.h>

#include "engine/app/signals.h"
#include "engine/config.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/reactor.h"
#include "offsets/history_seal.h"
#include "offsets/history_store.h"
#include "offsets/identity.h"
#include "offsets/position.h"
#include "offsets/store.h"
#include "stages/ddl/publish.h"
#include "stages/decode/plan.h"
#include "stages/schema/catalog.h"
#include "stages/schema/filter.h"
#include "stages/ship/credentials.h"
#include "stages/ship/endpoint.h"
#include "stages/source/mysql_query.h"
#include "stages/source/server_facts.h"
#include "stages/source/snapshot.h"
#include "stages/stream.h"

struct tr_start {
    const struct tr_config *config;     /* borrowed */
    struct tr_signals *signals;         /* borrowed */
    struct tr_reactor *reactor;         /* borrowed: main's */
    struct tr_reactor *service_reactor; /* borrowed: the store waits on it; main turns it until the
                                           threads start */
    int64_t deadline_ns;                /* until then a peer that does not answer is asked again */
    int64_t waiting_told_ns;            /* when it was logged last that one is waited for; 0: never */
    enum tr_code waiting_for;           /* what was said then */
    bool read_only;                     /* no lock on the store, and nothing is written */
    bool is_command; /* somebody waits: a held lock is an error at once, a silent Redis soon */
    /* Made here, owned. */
    struct tr_store store;
    struct tr_history_store history; /* self == NULL: none is configured, or it is not open */
    /* What the loaded history must at least have; document_count == 0: nothing is known. */
    struct tr_history_seal history_wanted;
    struct tr_history_seal history_seal; /* of what it has; for the historian and the first save */
    struct tr_mysql_query query;
    struct tr_server_facts facts;
    struct tr_gtid_sources *gtid_sources;
    struct tr_filter *filter;
    struct tr_streams *streams;
    struct tr_snapshot *snapshot; /* the cut, when there is a snapshot to take; NULL = none */
    struct tr_catalog *catalog;
    struct tr_ddl_model *model;
    struct tr_ddl_publisher publisher;
    struct tr_encode_options encode;
    struct tr_credentials_source *credentials;
    struct tr_endpoint endpoint;
    struct tr_saved_position position; /* where to begin; owns its GTID set */
    struct tr_identity identity;       /* of the server as it is now */
    char *stored_value;                /* owns: what the store had; NULL = nothing */
    size_t stored_bytes;
    bool gtids_known;        /* position's GTID set is the whole executed set there */
    bool counters_apply;     /* position's event and row counts are of this very server */
    bool offset_is_debezium; /* position was written by Debezium, not by us */
    uint64_t fingerprint; /* of all captured tables, where nothing but the server tells of them */
    uint32_t table_count;
};

/* Opens the configured store; connects to nothing yet. `fault`: raised when its lock is lost to
 * another instance. */
TR_NODISCARD enum tr_code tr_start_open_store(struct tr_start *start, struct tr_fault *fault,
                                              struct tr_error *err);

/* Turns main's reactor, at least once, until `deadline_ns`. Errors: TR_ERR_INTERRUPTED when a stop
 * is asked for. */
TR_NODISCARD enum tr_code tr_start_wait_until(struct tr_start *start, int64_t deadline_ns,
                                              struct tr_error *err);

/* Whether a failed step should be tried again, after a pause: it says so, and
 * tailrace.startup.wait.ms has not passed. */
bool tr_start_may_retry(struct tr_start *start, struct tr_error *err);

/* Saves `position` as the first one; it is then the stored one. Errors: TR_ERR_STATE,
 * TR_ERR_INTERRUPTED. */
TR_NODISCARD enum tr_code tr_start_save_first(struct tr_start *start, struct tr_error *err);

/* Loads it: both texts are the store's until its next command. Errors: TR_ERR_STATE, TR_ERR_LOCKED,
 * TR_ERR_INTERRUPTED. */
TR_NODISCARD enum tr_code
tr_start_load_store(struct tr_start *start, struct tr_store_content *content, struct tr_error *err);

/* Saves both texts as one step; the store was loaded before. Errors: TR_ERR_STATE, TR_ERR_LOCKED,
 * TR_ERR_INTERRUPTED. */
TR_NODISCARD enum tr_code tr_start_save_store(struct tr_start *start, struct tr_span offset_value,
                                              struct tr_span identity, struct tr_error *err);

/* Whether a save would be allowed, and who holds the lock (empty: nobody; the store's until its
 * next command). Changes nothing; the store was opened read-only. Errors: TR_ERR_STATE. */
TR_NODISCARD enum tr_code tr_start_look_store(struct tr_start *start, struct tr_span *holder,
                                              struct tr_error *err);

/*
 * Loads the store, looks at the server and its tables, decides where to begin. Errors: as named by
 * the modules; TR_ERR_INTERRUPTED when a stop was asked for meanwhile.
 */
TR_NODISCARD enum tr_code tr_start_prepare(struct tr_start *start, uint32_t shipper_count,
                                           struct tr_error *err);

/* Reads the stored offset (empty: none) into `position`, for this server. Errors: TR_ERR_STATE. */
TR_NODISCARD enum tr_code tr_start_read_offset(struct tr_start *start, struct tr_span offset_value,
                                               struct tr_error *err);

/*
 * Whether and from where a start would go on from that offset (not empty), on this server as it is
 * now. Writes nothing. Before it: filter, streams and gtid_sources are open, the query port is
 * ready, the facts are read. Errors: TR_ERR_STATE, TR_ERR_SOURCE_GONE, TR_ERR_SCHEMA and those of
 * the modules.
 */
TR_NODISCARD enum tr_code tr_start_resume(struct tr_start *start,
                                          const struct tr_store_content *content,
                                          struct tr_error *err);

/* Only the names of the captured tables' streams, into `streams`. Errors: as above. */
TR_NODISCARD enum tr_code tr_start_list_streams(struct tr_start *start, struct tr_error *err);

/* Describes, and creates if so configured, the streams of the captured tables. */
TR_NODISCARD enum tr_code tr_start_ensure_streams(struct tr_start *start, struct tr_error *err);

/* How often a Redis is asked until it was there once; less often with somebody waiting. */
uint32_t tr_start_attempts_max(const struct tr_start *start, uint64_t configured);

/* Accepts a half-made start. */
void tr_start_deinit(struct tr_start *start);

#endif
