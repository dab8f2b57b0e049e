// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated server's side of a snapshot: cuts of the model's log, and the connection over which
 * the engine's own snapshot source (stages/source/snapshot_source.h) reads the rows.
 *
 * A cut is the log's end; its rows are those that there were, or with a view that is late, as one
 * without a lock may be, those of some groups on. The connection is a socket pair: what lies in it,
 * and how much of it, is decided by the seed alone. It may be lost anywhere, a statement may fail, a
 * table that was changed since the cut is refused. Behind the snapshot the port is the log's.
 */
#ifndef TR_TESTS_SIM_MODEL_SNAPSHOT_H
#define TR_TESTS_SIM_MODEL_SNAPSHOT_H

#include "stages/source/snapshot_source.h"
#include "tests/sim/model_source.h"

#define TR_MODEL_CUT_TABLES_MAX (TR_MODEL_TABLES_MAX + 1) /* those of the log and other.w */
#define TR_MODEL_CUT_STATEMENTS_MAX (1 + 2 * TR_MODEL_CUT_TABLES_MAX + 2 * 3)
#define TR_MODEL_GROUPS_LATE_MAX 3

struct tr_model_snapshot_options {
    uint64_t seed;
    uint32_t break_permille; /* of the attempts: broken off by server or network */
    uint32_t late_permille;  /* of the cuts: groups are committed between position and view */
};

/* A record that a snapshot gives. */
struct tr_model_shown {
    struct tr_model_change change; /* READ: `after` is the row; READ_STATEMENT: `effect` */
    uint8_t mark;                  /* enum tr_snapshot_mark */
};

/* The cut that was made last: the truth about its snapshot. */
struct tr_model_cut {
    uint32_t group_count; /* of the log, before it */
    uint32_t change_count;
    uint32_t effects_before;
    uint32_t log_row_count;
    uint32_t file;
    uint64_t pos;
    int64_t ts_sec;
    bool has_other;                                              /* the table other.w is there */
    struct tr_model_effect effects[TR_MODEL_CUT_STATEMENTS_MAX]; /* of its statements, in order */
    uint32_t effect_count;
    struct tr_model_shown *shown; /* owns; records in their order */
    uint32_t shown_count;
    uint32_t shown_room;
    uint32_t row_first[TR_MODEL_TABLES_MAX + 1]; /* of each table; behind the last: shown_count */
};

/* How far the engine has read. */
enum tr_model_snapshot_phase {
    TR_MODEL_SNAPSHOT_BEGUN = 0, /* no row yet */
    TR_MODEL_SNAPSHOT_TABLE,     /* inside a table */
    TR_MODEL_SNAPSHOT_BETWEEN,   /* two tables */
    TR_MODEL_SNAPSHOT_READ,      /* all of it, the log not begun */
    TR_MODEL_SNAPSHOT_LOG,
};

struct tr_model_snapshot {
    struct tr_model_snapshot_options options;
    struct tr_model_source *source; /* borrowed: the log */
    struct tr_source_port port;     /* the snapshot's, then the log's */
    struct tr_random random;
    bool faults_on;
    uint32_t cut_count;
    struct tr_model_cut cut;
    /* Of the attempt under way. */
    bool is_open;
    const struct tr_clock *clock; /* borrowed */
    struct tr_snapshot_schema schema;
    struct tr_snapshot_table tables[TR_MODEL_CUT_TABLES_MAX];
    struct tr_snapshot_database databases[2];
    struct tr_snapshot_statement statements[TR_MODEL_CUT_STATEMENTS_MAX];
    char creates[TR_MODEL_CUT_TABLES_MAX][TR_MODEL_STATEMENT_BYTES];
    uint32_t row_tables[TR_MODEL_TABLES_MAX];
    char select_texts[TR_MODEL_TABLES_MAX][24];
    char column_names[TR_MODEL_TABLES_MAX][TR_MODEL_COLUMNS_MAX][TR_MODEL_NAME_BYTES];
    struct tr_span columns[TR_MODEL_TABLES_MAX][TR_MODEL_COLUMNS_MAX];
    uint32_t column_counts[TR_MODEL_TABLES_MAX];
    struct tr_snapshot_progress progress;
    struct tr_snapshot_source reader;
    const struct tr_source_port *reader_port;
    uint64_t
        table_ids[TR_MODEL_TABLES_MAX + 1]; /* the log's, at the view: others are changed tables */
    int fds[2];                             /* the engine's end, the server's */
    int wake_fd;
    /* The server's session. */
    bool is_hung_up;
    bool is_broken;       /* the attempt is lost, whatever the engine does */
    bool has_no_eof;      /* the newer protocol: no EOF packet between columns and rows */
    uint32_t slice_bytes; /* at most so many are sent at a time */
    uint32_t done_count;  /* answers begun and rows sent */
    uint32_t break_at;    /* of them; UINT32_MAX = never */
    bool breaks_by_error; /* else the connection is lost */
    uint8_t in[64];       /* a statement, as it comes */
    size_t in_bytes;
    uint8_t sequence;
    uint32_t table; /* whose rows are being sent; UINT32_MAX = none */
    uint32_t row_next;
    struct tr_buffer out;
    size_t out_at;
    struct tr_buffer row; /* scratch */
};

void tr_model_snapshot_init(struct tr_model_snapshot *snapshot,
                            const struct tr_model_snapshot_options *options,
                            struct tr_model_source *source);
void tr_model_snapshot_deinit(struct tr_model_snapshot *snapshot);

/*
 * Makes a cut: `position` (its set is open) gets place, time and GTIDs; the port then gives the
 * snapshot of it. An attempt under way is given up.
 */
TR_NODISCARD enum tr_code tr_model_snapshot_open(struct tr_model_snapshot *snapshot,
                                                 const struct tr_clock *clock,
                                                 struct tr_gtid_sources *sources,
                                                 struct tr_saved_position *position,
                                                 struct tr_error *err);

/* The engine is gone: the connection's end. */
void tr_model_snapshot_close(struct tr_model_snapshot *snapshot);

enum tr_model_snapshot_phase tr_model_snapshot_phase(const struct tr_model_snapshot *snapshot);

#endif
