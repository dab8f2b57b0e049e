// SPDX-License-Identifier: Apache-2.0
/*
 * The source port of a snapshot: statements, rows and END as packets of a dump, then the log's port.
 *
 *   STATEMENTS -> (TIME -> ROWS -> RELEASE) per table -> REST -> ENDED --PART_END--> log
 *
 * One row is never lost sight of: an event with a table's last row waits until another table shows a
 * row, or none does; the last statement waits until there is a row at all. After each table its
 * metadata lock is given back (ROLLBACK TO SAVEPOINT; the view stays), so that a snapshot of hours
 * does not hold up every ALTER TABLE.
 *
 * read() returns within its wait, whatever the server does: the wire is read without the client
 * library.
 * @thread ingest; init, deinit: before and after the threads
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_SOURCE_H
#define TR_STAGES_SOURCE_SNAPSHOT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/error.h"
#include "stages/source/raw_link.h"
#include "stages/source/snapshot.h"
#include "stages/source/snapshot_pack.h"
#include "stages/source/snapshot_schema.h"
#include "stages/source/source_port.h"
#include "stages/source/text_result.h"

struct tr_snapshot_source_options {
    struct tr_snapshot_schema *schema; /* borrowed; its texts are dropped at the end */
    struct tr_raw_link link; /* of the view's connection, its transaction open; wake_fd is set */
    struct tr_snapshot_progress *progress; /* borrowed */
    const struct tr_clock *clock;
    uint64_t row_bytes_max;
    uint32_t ts_sec; /* when the statements were read */
    /* Called now and then while rows are read, and once when all is read or given up: the lock. */
    void (*keep)(void *self);
    void (*ended)(void *self);
    void *self;
};

enum tr_snapshot_state {
    TR_SNAPSHOT_STATEMENTS = 0,
    TR_SNAPSHOT_SAVEPOINT, /* its answer is awaited */
    TR_SNAPSHOT_NEXT_TABLE,
    TR_SNAPSHOT_TIME,    /* the server's clock, the answer */
    TR_SNAPSHOT_ROWS,    /* the SELECT's answer */
    TR_SNAPSHOT_RELEASE, /* the answer to giving back the table's metadata lock */
    TR_SNAPSHOT_REST,    /* the last event, the statements held back, END */
    TR_SNAPSHOT_ENDED,   /* PART_END is due */
    TR_SNAPSHOT_LOG,
    TR_SNAPSHOT_GIVEN_UP,
};

struct tr_snapshot_source {
    struct tr_source_port port; /* self is this object: it must not move */
    struct tr_snapshot_source_options options;
    const struct tr_source_port *log; /* borrowed */
    struct tr_text_result result;
    struct tr_snapshot_pack pack;
    enum tr_snapshot_state state;
    bool has_result;       /* result and pack are there */
    uint32_t statement_at; /* the next to send */
    char *statement;       /* owns: room for the longest */
    size_t statement_room;
    uint32_t table_at;          /* of row_tables */
    struct tr_text_piece piece; /* of a row, not yet packed */
    bool has_piece;
    char time_text[24];
    size_t time_bytes;
    uint32_t cell_count;  /* columns of the SELECT's answer */
    uint16_t *sources;    /* owns: by column of the table, the answer's cell; UINT16_MAX = none */
    bool is_arranged;     /* the answer's cells are in other places than the columns */
    uint32_t event_table; /* of the ROWS event that is open */
    uint64_t table_rows;
    uint64_t rows_done;
    int64_t table_started_ns;
    int64_t logged_ns; /* last line of progress */
    int64_t kept_ns;
};

/* Takes all memory. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_snapshot_source_init(struct tr_snapshot_source *source,
                                                  const struct tr_snapshot_source_options *options,
                                                  struct tr_error *err);
/* What it takes until its end. */
uint64_t tr_snapshot_source_memory_bytes(const struct tr_snapshot_source *source);

/* Accepts a zeroed source. */
void tr_snapshot_source_deinit(struct tr_snapshot_source *source);

/* The port, with `log` behind it. */
const struct tr_source_port *tr_snapshot_source_port(struct tr_snapshot_source *source,
                                                     const struct tr_source_port *log);

/* The table that is being read. Internal, as what follows. */
static inline const struct tr_snapshot_table *
tr_snapshot_source_table(const struct tr_snapshot_source *source)
{
    return &source->options.schema->tables[source->options.schema->row_tables[source->table_at]];
}

/* A line of progress every 10 s, a word to the lock's connection every 30 s. */
void tr_snapshot_source_tell(struct tr_snapshot_source *source, int64_t now_ns);

/* A line about the table that was read. */
void tr_snapshot_source_tell_table(const struct tr_snapshot_source *source, int64_t now_ns);

#endif
