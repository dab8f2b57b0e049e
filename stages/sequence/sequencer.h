// SPDX-License-Identifier: Apache-2.0
/*
 * The sequencer: the only serial brain between the log and the decoders. Pointer work: it decodes
 * no row, runs no SQL, inflates nothing.
 *
 *   ingest ---chunks--> frame, CRC, follow the log --units--> decoder d (the least loaded)
 *   inflate <--jobs--/            |                --manifest--> collector
 *   inflate ---chunks----------->-+
 *   ingest <--resume points-- at start, after LINK_DOWN
 *   collector --empty units--> home
 *
 * It follows FORMAT_DESCRIPTION, ROTATE, GTIDs, transactions, table maps and statements; pins the
 * schema version of each rows event; stamps each unit's wall clock; numbers it; and writes what a
 * restart behind it would need. The GTID of a transaction is executed at its terminator, never
 * before. A chunk becomes one or more units, all of them for one decoder; the last one takes the
 * chunk home.
 *
 * The first error ends it: everything before the event at fault is sequenced, then the fault is
 * raised and nothing is consumed any more. It waits only for a unit, for inflate, for the replay
 * bound, or for the historian to take documents.
 *
 * @thread init, deinit: before and after the runner; step, has_work: the runner
 */
#ifndef TR_STAGES_SEQUENCE_SEQUENCER_H
#define TR_STAGES_SEQUENCE_SEQUENCER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/doorbell.h"
#include "engine/error.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/pool.h"
#include "engine/ring.h"
#include "offsets/gtid.h"
#include "offsets/position.h"
#include "stages/chunk.h"
#include "stages/ddl/publish.h"
#include "stages/prepared.h"
#include "stages/progress.h"
#include "stages/schema/catalog.h"
#include "stages/sequence/ddl_scan.h"
#include "stages/sequence/events.h"
#include "stages/source/source_port.h"
#include "stages/unit.h"

/* All borrowed until deinit; bells may be NULL (plan `single`). */
struct tr_sequencer_options {
    enum tr_flavor flavor; /* of the server that writes the log */
    bool gtid_mode;        /* MySQL with gtid_mode=ON: source.ts_* is the commit time */
    bool counts_annotate; /* include.query=true: Debezium would receive ANNOTATE_ROWS and count them
                           */
    bool source_is_same;  /* the saved position is of this very server: its event and row counts may
                             be skipped */
    uint64_t row_bytes_max;    /* tailrace.row.max.bytes */
    uint64_t replay_bytes_max; /* tailrace.replay.max.bytes; 0 = no bound (decode) */
    uint32_t output_ratio_q8;  /* first guess of output per raw byte, times 256; 0 = 16 times */
    struct tr_log_point start; /* where to begin; with event and row counts of a saved position */
    const struct tr_gtid_set
        *start_gtids; /* executed before `start`; copied; NULL: by file and pos, GTIDs untold */
    struct tr_catalog *catalog;
    struct tr_ddl_model *model; /* what statements make of the tables; NULL: they are only looked
                                   at, and stop where they change a table that the log does not
                                   describe */
    const struct tr_ddl_publisher *publisher; /* NULL: statements leave nothing behind */
    struct tr_ring *history; /* struct tr_history_entry, to the historian: TR_HISTORY_RING_SLOTS;
                                NULL: there is none */
    struct tr_doorbell *history_bell;
    bool
        begins_with_snapshot; /* its events come before the log's; `start` is its cut, with the mark
                                  that it is not finished unless only schemas are read anew */
    bool skips_unparseable;   /* tailrace.ddl.on.error=skip */
    bool sends_truncates;     /* skipped.operations has no `t` */
    bool start_is_debezium;   /* the saved position was written by Debezium: it lies behind the
                                  last statement, its GTIDs before */
    struct tr_gtid_sources *sources;
    const struct tr_clock *clock;
    struct tr_progress *progress;
    struct tr_fault *fault;
    struct tr_metric_block *metrics; /* the sequencer's own block; NULL = not counted */

    uint32_t unit_count;     /* tr_sequencer_unit_count() */
    struct tr_ring *chunks;  /* struct tr_chunk *, from ingest */
    struct tr_ring *resumes; /* const struct tr_resume *, to ingest: 2 slots */
    struct tr_doorbell *ingest_bell;
    _Atomic bool *paused;         /* set (release) for ingest: stop reading; NULL = nobody asks */
    struct tr_ring *inflate_jobs; /* struct tr_inflate_job, to inflate; NULL: compressed events are
                                     refused by name */
    struct tr_ring *inflate_done; /* struct tr_inflate_done, from inflate */
    struct tr_doorbell *inflate_bell;
    struct tr_ring *manifest; /* struct tr_manifest_entry, to the collector: unit_count slots */
    struct tr_ring *units;    /* struct tr_unit *, empty, from the collector: unit_count slots */
    struct tr_doorbell *collector_bell;

    uint32_t decoder_count; /* 1..TR_DECODERS_MAX */
    struct {
        struct tr_ring *units; /* struct tr_unit *, to decoder d: unit_count slots */
        struct tr_doorbell *bell;
    } decoders[TR_DECODERS_MAX];
};

/* One open, one at the collector, and per decoder those queued and in work. */
static inline uint32_t tr_sequencer_unit_count(uint32_t decoder_count, uint32_t units_in_flight)
{
    return 1 /* open */ + 1 /* collector */ +
           decoder_count * (units_in_flight /* queued */ + 1 /* in work */);
}

enum tr_sequencer_state {
    TR_SEQUENCER_RUNNING = 0,
    TR_SEQUENCER_AWAIT_INFLATE, /* a compressed event is being inflated: its inner events come first
                                 */
    TR_SEQUENCER_ENDED,         /* TR_CHUNK_END was sequenced */
    TR_SEQUENCER_FAILED,        /* the fault was raised */
};

/* Where a transaction stands. */
enum tr_group_phase {
    TR_GROUP_NONE = 0,
    TR_GROUP_BEGUN, /* MySQL: its GTID was read, no BEGIN yet (a statement of its own, a compressed
                       transaction) */
    TR_GROUP_OPEN,  /* inside */
};

struct tr_sequencer_group {
    enum tr_group_phase phase;
    bool is_xa;         /* MySQL's XA: for Debezium it is no transaction */
    bool is_standalone; /* MariaDB: one statement, no terminator */
    bool marks_end; /* XA's rows, or what a statement left behind: they stand in no position until
                       the group ends */
    bool is_half_alter;   /* MariaDB: START ALTER or ROLLBACK ALTER: changes nothing */
    struct tr_gtid gtid;  /* source NULL: anonymous */
    uint64_t start_pos;   /* of its first event */
    uint64_t begin_pos;   /* of what begins it for Debezium: BEGIN, MariaDB's GTID event, the
                             compressed payload */
    uint64_t event_count; /* events completed since, as Debezium counts them */
    int64_t thread_id;    /* of BEGIN; -1 = none */
    int64_t commit_us;    /* source.ts_* for all of it; 0 = header times */
};

/* Events that were sequenced before a restart or a lost link, and come again. */
struct tr_sequencer_skip {
    bool is_armed; /* waits for the group that begins at file, pos (and has that GTID) */
    bool checks_gtid;
    struct tr_gtid gtid;
    bool is_xa;
    char file[TR_BINLOG_NAME_BYTES_MAX + 1];
    uint64_t start_pos;   /* of the group's first event: where to read from */
    uint64_t pos;         /* of what begins it */
    uint64_t event_count; /* to be skipped once it has begun */
    uint64_t row_count;   /* then: rows of the next rows event */
    uint64_t events_left; /* while skipping */
    uint64_t row_first;   /* for the next rows event */
};

/* A chunk under way. */
struct tr_sequencer_cursor {
    struct tr_chunk *chunk; /* travels with its last unit; NULL = none */
    uint32_t at;            /* next event's frame */
    uint32_t decoder;       /* of all its units */
    bool has_decoder;
};

/* An event larger than a chunk. */
struct tr_sequencer_piece {
    enum { TR_LARGE_NONE = 0, TR_LARGE_SKIP, TR_LARGE_ROWS, TR_LARGE_INFLATE, TR_LARGE_QUERY } use;
    struct tr_event_header header;
    struct tr_schema *schema; /* ROWS */
    uint64_t done_bytes;
    uint32_t crc;
    uint32_t decoder;
    uint64_t row_first;
    bool crc_done; /* of the chunk under way: not added twice when the step is tried again */
};

struct tr_sequencer {
    struct tr_sequencer_options options;
    struct tr_pool pool; /* owns the units */
    enum tr_sequencer_state state;
    struct tr_error error;

    /* Position: the next event's, and that of the event under way. */
    char file[TR_BINLOG_NAME_BYTES_MAX + 1];
    uint64_t offset;
    uint64_t event_start;
    uint64_t event_end;
    uint64_t source_pos; /* what source.pos prints: events without a position of their own keep the
                            last one */
    uint64_t log_bytes;  /* sequenced since start */
    int64_t header_us;   /* time of the last event that had one: what the next event prints */
    int64_t newest_us;   /* newest time of all events */
    int64_t heard_us;    /* the same, or when a heartbeat said that there is nothing newer */
    uint32_t server_id;  /* of the last event */
    enum tr_checksum checksum;

    struct tr_sequencer_group group;
    struct tr_sequencer_skip skip;
    struct tr_sequencer_piece piece;
    struct tr_sequencer_piece inner_piece;
    const struct tr_gtid_source *last_source; /* of the last GTID: most come from one source */
    struct tr_gtid_set *executed;             /* owns; NULL: not told */
    struct tr_gtid_set *resume_gtids;         /* owns; ingest reads it until the next LINK_DOWN */
    struct tr_resume resume;
    struct tr_ddl_scan scan; /* large: kept off the stack */

    struct tr_sequencer_cursor outer;    /* from ingest */
    struct tr_sequencer_cursor inner;    /* from inflate */
    struct tr_event_header outer_header; /* the compressed event */
    uint32_t inflate_bytes;              /* of the outer chunk: gone over when it was consumed */
    bool inflate_is_given_up;            /* the link was lost inside a compressed event */
    bool inflate_is_event; /* MariaDB: what comes out is this one event, not a transaction */
    bool inflate_is_last;  /* the job was the event's last one */
    bool inflate_consumed; /* its chunk is ours again */
    bool inflate_finished; /* nothing follows for the event */

    struct tr_unit *unit;       /* owns while filling; NULL = none open */
    uint32_t unit_mark;         /* its item with is_record_mark; UINT32_MAX = none */
    uint64_t unit_output_bytes; /* estimated */
    uint64_t next_seq;
    uint64_t collected_seq; /* routed_seq at the last look for versions to free */
    uint32_t outstanding[TR_DECODERS_MAX];
    uint64_t event_count; /* framed; the metric is set once per unit */
    uint32_t rang;        /* decoders that got a unit in this step, a bit each */
    bool resume_due;      /* the first resume point is to be published */

    bool in_snapshot;             /* the log's events come later */
    bool tells_timestamps;        /* statements say explicit_defaults_for_timestamp in flags2 */
    uint32_t history_wanted;      /* slots of `history` that a statement waits for; 0 = none */
    uint64_t history_bytes;       /* of documents sent since start */
    struct tr_prepared *prepared; /* owns; newest first */
    uint8_t *large_query;         /* owns: a statement being gathered from pieces; NULL = none */
    size_t large_query_bytes;     /* of the whole event, with its trailer */
};

/*
 * Takes the units and copies the start position; nothing is published before the first step. Adds
 * its term to `sum` (may be NULL). Errors: TR_ERR_SYSTEM; TR_ERR_MEMORY_LIMIT from the GTID set.
 */
TR_NODISCARD enum tr_code tr_sequencer_init(struct tr_sequencer *sequencer,
                                            const struct tr_sequencer_options *options,
                                            struct tr_memory_sum *sum, struct tr_error *err);

/* Accepts a zeroed one. */
void tr_sequencer_deinit(struct tr_sequencer *sequencer);

/* At most a few chunks; returns items of work done. The first step publishes the first resume
 * point. */
uint32_t tr_sequencer_step(void *self, int64_t now_ns);

/* Whether a step would find something: not while it waits for a unit or for the replay bound. */
bool tr_sequencer_has_work(void *self);

#endif
