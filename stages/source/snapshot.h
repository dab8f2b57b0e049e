// SPDX-License-Identifier: Apache-2.0
/*
 * The initial snapshot: a consistent cut, then its statements and rows as events of our own
 * (snapshot_event.h), then the log from the cut.
 *
 *   tr_snapshot_cut     at start, may block: connects, fixes the cut, reads position, statements,
 *                       list of tables; keeps the connection(s) with the read view
 *   tr_snapshot_source  a source port: STATEMENT*, ROWS*, END; then END of stream, after which it
 *                       hands everything through to the log's own port
 *
 * The view dies with its connection: a snapshot that loses it ends with TR_STOP, and the next start
 * begins it anew, as Debezium does. Contract §3, mysql-binlog.md §7.
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_H
#define TR_STAGES_SOURCE_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/error.h"
#include "offsets/position.h"
#include "stages/schema/filter.h"
#include "stages/source/mysql_query.h"
#include "stages/source/server_facts.h"
#include "stages/source/source_port.h"

enum tr_snapshot_locking {
    TR_SNAPSHOT_LOCK_MINIMAL = 0, /* a global read lock for the moment of the cut; where it is
                                     refused: none if GTIDs allow, else the tables' locks */
    TR_SNAPSHOT_LOCK_EXTENDED,    /* held until all rows are read */
    TR_SNAPSHOT_LOCK_NONE,
};

/* All texts borrowed until close. */
struct tr_snapshot_options {
    struct tr_mysql_options mysql;
    const struct tr_server_facts *facts;
    const struct tr_filter *filter; /* captured tables */
    bool all_tables;                /* statements of tables that are not captured, too */
    bool captured_databases_only;   /* with all_tables: only those of databases that the database
                                       lists let through */
    bool with_rows;                 /* false: no_data, recovery of the history */
    enum tr_snapshot_locking locking;
    int64_t lock_timeout_ms;     /* snapshot.lock.timeout.ms; whole seconds count */
    uint64_t row_bytes_max;      /* tailrace.row.max.bytes: a larger row stops the snapshot */
    struct tr_span include_list; /* table.include.list: decides the order of tables */
    struct tr_span rows_list;    /* snapshot.include.collection.list: tables whose rows are read;
                                       empty = all captured */
    int row_count_order;         /* snapshot.tables.order.by.row.count: 1 ascending, -1 descending,
                                    0 by the list */
    /* snapshot.select.statement.overrides: the SELECT of a table; empty span = none. NULL = none at
     * all. It has all columns of the table, in any order. */
    struct tr_span (*select_override)(void *self, struct tr_span database, struct tr_span table);
    void *select_override_self;
    const struct tr_clock *clock; /* borrowed */
};

/* Progress, for log and metrics: written by the port's thread (relaxed: each number for itself). */
struct tr_snapshot_progress {
    _Atomic uint64_t table_count;
    _Atomic uint64_t tables_done;
    _Atomic uint64_t rows_done;
    _Atomic uint64_t rows_estimated; /* of all tables, by the server's statistics */
    _Atomic uint64_t started_ns;     /* monotonic; 0 = not begun */
    _Atomic uint64_t ended_ns;       /* 0 = under way */
};

struct tr_snapshot; /* opaque: the cut and what is read from it */

/*
 * Makes the cut and keeps it. `position` gets file, pos, time and (its set is open) the executed
 * GTIDs of the cut; its snapshot flag is left alone. Errors: the connection's; TR_ERR_SOURCE_AUTH
 * with the missing grant; TR_ERR_SOURCE_SETUP (no binlog); TR_ERR_STATE | TR_RETRY when the lock was
 * not to be had within its time, or tables were changed all the time.
 * @thread main, before the threads start
 */
TR_NODISCARD enum tr_code tr_snapshot_open(struct tr_snapshot **snapshot,
                                           const struct tr_snapshot_options *options,
                                           struct tr_gtid_sources *sources,
                                           struct tr_saved_position *position,
                                           struct tr_error *err);
/* Accepts NULL. */
void tr_snapshot_close(struct tr_snapshot *snapshot);

/* Calls `on_table` for each captured table: what needs a stream. */
TR_NODISCARD enum tr_code
tr_snapshot_each_table(const struct tr_snapshot *snapshot,
                       enum tr_code (*on_table)(void *self, struct tr_span database,
                                                struct tr_span table, struct tr_error *err),
                       void *self, struct tr_error *err);

/*
 * Proven cuts (mysql-binlog.md §7.1, §7.2), tried in this order:
 *   MariaDB            the snapshot's own position (binlog_snapshot_*): exact, no lock, no privilege
 *   MySQL, minimal     FLUSH TABLES WITH READ LOCK for the moment of the cut: exact
 *   .. refused, GTIDs  executed set, then the view: no lock; what is committed between the two is
 *                      delivered twice, in the snapshot and by the log
 *   .. refused, none   FLUSH TABLES … WITH READ LOCK or LOCK TABLES, of the tables whose rows are read, for the moment: exact
 *   MySQL, none        with GTIDs as above without a lock; without them refused: rows would be lost
 *   extended           FLUSH TABLES WITH READ LOCK, or LOCK TABLES, kept until all rows are read
 *   no rows            no lock at all
 */

/*
 * The source port over it: framing TR_FRAMING_PACKETS. The first open serves the snapshot; after
 * END was read completely its read says TR_READ_PART_END, and every later open goes to `log`, the
 * port of the log (borrowed). The snapshot stays the caller's to close, after the threads ended.
 */
const struct tr_source_port *tr_snapshot_port(struct tr_snapshot *snapshot,
                                              const struct tr_source_port *log);

/* A term of the memory sum: the schema's texts, and room for the largest row; given back at END. */
uint64_t tr_snapshot_memory_bytes(const struct tr_snapshot *snapshot);

const struct tr_snapshot_progress *tr_snapshot_progress(const struct tr_snapshot *snapshot);

#endif
