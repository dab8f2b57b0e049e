// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated server's log, written from a seed, and the truth that a run is held against.
 *
 * Tables sim.t0, sim.t1, … (id, n INT, s LONGTEXT, then those that statements have added and not
 * dropped, each with a name of its own); `id` is an INT or a text so long that the partition key is
 * its digest; the primary key is `id`, one of the added columns, or there is none. Each change of a
 * row raises its `n` by one, and every other value follows from table, id and n: so each record can
 * be held against what it must be, byte for byte. The table other.u0 is not captured.
 *
 * A group is a transaction of several statements over several tables, an XA transaction, a
 * compressed one, a statement that changes a table (model_statements.c), or empty. Files end with
 * ROTATE, with STOP, or as a crash leaves them.
 *
 * With `has_history` the log makes its tables by CREATE TABLE first, and statements of every kind change
 * them; with `has_minimal_metadata` too the names of columns stand nowhere but in statements.
 */
#ifndef TR_TESTS_SIM_MODEL_LOG_H
#define TR_TESTS_SIM_MODEL_LOG_H

#include "offsets/position.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/random.h"

#define TR_MODEL_TABLES_MAX 4
#define TR_MODEL_KEYS_MAX 1024 /* four tables have more than a shipper need have room for */
#define TR_MODEL_FILES_MAX 64
#define TR_MODEL_SOURCES_MAX 2 /* MySQL uuids, MariaDB domains */
#define TR_MODEL_DDL_STREAM                                                                        \
    TR_MODEL_TABLES_MAX /* the stream of schema changes, behind the tables' */
#define TR_MODEL_STREAMS_MAX (TR_MODEL_TABLES_MAX + 1)
#define TR_MODEL_COLUMNS_MAX 7
#define TR_MODEL_NUMBER_MAX 255 /* of a column */
#define TR_MODEL_NO_KEY 255
#define TR_MODEL_STATEMENT_BYTES 400
#define TR_MODEL_WHY_BYTES 700

struct tr_model_options {
    uint64_t seed;
    enum tr_flavor flavor;
    bool by_file;            /* no GTIDs: MySQL with gtid_mode=OFF; positions by file */
    bool starts_empty;       /* the engine begins before the first group, with no GTIDs */
    bool has_zero_positions; /* MariaDB 11.4 */
    bool has_history;        /* the engine keeps a schema history */
    bool has_minimal_metadata;
    bool publishes;        /* include.schema.changes: statements are records, too */
    bool sends_truncates;  /* skipped.operations has no `t` */
    bool has_unknown;      /* statements on captured tables that cannot be understood */
    bool has_annotations;  /* ROWS_QUERY, ANNOTATE_ROWS (withheld by the server) */
    uint32_t source_count; /* of GTIDs: 1..TR_MODEL_SOURCES_MAX */
    uint32_t table_count;
    uint32_t keyless_tables;  /* a bit each: in the beginning */
    uint32_t long_key_tables; /* a bit each: in the beginning */
    uint32_t key_count;       /* per table */
    uint32_t rows_max;        /* per statement */
    uint32_t statements_max;  /* per transaction */
    uint32_t big_transaction_permille;
    uint32_t big_row_permille;     /* rows of 100..500 KB: events larger than a chunk */
    uint32_t rotate_permille;      /* per group */
    uint32_t crash_permille;       /* per group: a file ends without ROTATE, table ids begin anew */
    uint32_t delete_permille;      /* per row */
    uint32_t key_change_permille;  /* per update */
    uint32_t ddl_permille;         /* per group */
    uint32_t empty_permille;       /* per group */
    uint32_t xa_permille;          /* per group */
    uint32_t compress_permille;    /* per group; MariaDB: per rows event */
    uint32_t uncaptured_permille;  /* per statement */
    uint32_t multi_table_permille; /* per statement */
    uint32_t gtid_jump_permille;   /* per group: numbers left out, taken later */
    /* Faults of the link, per read or connect. */
    uint32_t cut_permille;
    uint32_t refuse_permille;
    uint32_t heartbeat_permille;
};

enum tr_model_op {
    TR_MODEL_INSERT = 0,
    TR_MODEL_UPDATE,
    TR_MODEL_DELETE,
    TR_MODEL_TRUNCATE,
    TR_MODEL_STATEMENT, /* a schema change */
    TR_MODEL_READ,      /* of a snapshot, not of the log: a row, */
    TR_MODEL_READ_STATEMENT,
};

/* Columns by number; those behind the first ones were added by statements. */
enum { TR_MODEL_ID = 0, TR_MODEL_N, TR_MODEL_S, TR_MODEL_COLUMNS_MIN };

/* A version of a table. */
struct tr_model_columns {
    uint8_t count;
    uint8_t key;                        /* the primary key: a column's number; TR_MODEL_NO_KEY */
    bool has_long_id;                   /* `id` is a VARCHAR(400) */
    uint8_t list[TR_MODEL_COLUMNS_MAX]; /* their numbers, in their order */
};

/* A state of a row. */
struct tr_model_image {
    uint16_t id;
    struct tr_model_columns columns;
    uint32_t n;
};

/* One record that must arrive (a delete's tombstone comes with it), in commit order. */
struct tr_model_change {
    uint8_t table; /* or TR_MODEL_DDL_STREAM */
    uint8_t op;    /* enum tr_model_op */
    struct tr_model_image before;
    struct tr_model_image after;
    uint32_t effect; /* STATEMENT: into effects; READ_STATEMENT: into those of the cut */
    uint32_t row;    /* of the log: two changes have the same one when a key was changed; those of a
                        statement count as one */
    uint32_t transaction;
};

struct tr_model_transaction {
    uint32_t file;
    uint32_t at;       /* its first event */
    uint32_t begin_at; /* BEGIN, MariaDB's GTID event, the compressed payload */
    uint32_t end;
    uint32_t row_first;
    uint32_t row_count;
    uint32_t event_first; /* into event_rows */
    uint32_t event_count; /* from what begins it on, as Debezium counts them */
    bool is_xa;
    uint8_t source;
    uint64_t number;
};

/* What a statement leaves behind: a document of the history, and a record of the stream of schema
 * changes. */
struct tr_model_effect {
    uint32_t transaction;
    const char *type;     /* "CREATE", "ALTER", "DROP"; NULL: of no table that is known */
    const char *database; /* "sim", "other" */
    char table[16];
    bool is_unknown;  /* a statement on a captured table that cannot be understood */
    bool has_columns; /* and `columns` are the table's behind it */
    struct tr_model_columns columns;
    char ddl[TR_MODEL_STATEMENT_BYTES];
};

struct tr_model_log {
    struct tr_model_options options;
    struct tr_random random;
    struct tr_binlog_writer files[TR_MODEL_FILES_MAX];
    char file_names[TR_MODEL_FILES_MAX][32];
    uint32_t file_count;
    struct tr_binlog_writer *writer; /* where events go now: the newest file, or `inner` */
    struct tr_binlog_writer inner;   /* of a compressed transaction */
    uint32_t n[TR_MODEL_TABLES_MAX][TR_MODEL_KEYS_MAX];
    bool exists[TR_MODEL_TABLES_MAX][TR_MODEL_KEYS_MAX];
    struct tr_model_columns columns[TR_MODEL_TABLES_MAX];
    struct tr_model_columns other; /* of the table other.w, which is not captured */
    bool has_other;                /* it exists */
    uint32_t shadow_of;            /* the table that a tool is copying; TR_MODEL_TABLES_MAX: none */
    uint32_t number_last;          /* of all columns, ever */
    struct tr_model_effect *effects; /* owns */
    uint32_t effect_count;
    uint32_t effects_room;
    uint32_t statement_count;
    uint32_t doubtful_tables; /* a bit each: nothing was said of them since a statement that nobody
                                 understands */
    uint64_t table_ids[TR_MODEL_TABLES_MAX + 1]; /* the last one: other.u0 */
    uint64_t table_id_next;
    uint64_t number_next[TR_MODEL_SOURCES_MAX];
    uint64_t number_hole[TR_MODEL_SOURCES_MAX]; /* 0 = none */
    struct tr_model_transaction *transactions;  /* owns */
    uint32_t transaction_count;
    uint32_t transactions_room;
    struct tr_model_change *changes; /* owns */
    uint32_t change_count;
    uint32_t changes_room;
    uint32_t *event_rows; /* owns; rows of the log up to the end of each counted event */
    uint32_t event_count;
    uint32_t events_room;
    uint32_t row_count;
    uint32_t start_at; /* behind what begins the first file */
    int64_t now_unix_us;
};

void tr_model_log_init(struct tr_model_log *log, const struct tr_model_options *options);
void tr_model_log_deinit(struct tr_model_log *log);

/* The offset with which the engine begins, as JSON: behind the first groups, one of each source, or before all. */
void tr_model_log_write_start(const struct tr_model_log *log, struct tr_buffer *out);

/* Commits `count` more groups. */
void tr_model_log_commit(struct tr_model_log *log, uint32_t count);

/* The first group from that one on whose statement on a captured table cannot be understood; UINT32_MAX:
 * none. */
uint32_t tr_model_log_next_unknown(const struct tr_model_log *log, uint32_t group);

/* The name of the column of that number. */
#define TR_MODEL_NAME_BYTES 5
void tr_model_write_name(uint32_t number, char name[TR_MODEL_NAME_BYTES]);

/* The stream of that name; TR_MODEL_STREAMS_MAX: none of the model's. */
uint32_t tr_model_stream_of(struct tr_span name);

/* Appends the JSON of a row's key; nothing where its table has none. */
void tr_model_write_key(struct tr_model_image image, struct tr_buffer *out);
/* Appends the JSON of a row's state. */
void tr_model_write_image(const struct tr_model_log *log, uint32_t table,
                          struct tr_model_image image, struct tr_buffer *out);
/* Appends a row's state as a snapshot's row of texts (stages/source/snapshot_event.h). */
void tr_model_write_cells(const struct tr_model_log *log, uint32_t table,
                          struct tr_model_image image, struct tr_buffer *out);
/* Writes the statement that makes a table as it is now; TR_MODEL_TABLES_MAX: other.w. */
void tr_model_write_show_create(const struct tr_model_log *log, uint32_t table,
                                char sql[TR_MODEL_STATEMENT_BYTES]);
/* Appends the GTIDs of the first `count` groups as the server tells its executed ones; nothing where
 * it has none. */
void tr_model_write_executed(const struct tr_model_log *log, uint32_t count, struct tr_buffer *out);
/* Appends the end of a schema change's record, from databaseName on. */
void tr_model_write_effect(const struct tr_model_effect *effect, struct tr_buffer *out);
/* Appends the GTID of a transaction as records print it. */
void tr_model_write_gtid(const struct tr_model_log *log, uint32_t transaction,
                         struct tr_buffer *out);

/* GTIDs of a set's text. */
struct tr_model_set {
    struct {
        uint8_t source;
        uint64_t first;
        uint64_t last;
    } * ranges; /* owns */
    uint32_t range_count;
};

void tr_model_set_parse(struct tr_model_set *set, enum tr_flavor flavor, const char *text);
void tr_model_set_free(struct tr_model_set *set);
bool tr_model_set_contains(const struct tr_model_set *set, const struct tr_model_log *log,
                           uint32_t transaction);

/*
 * How many rows of the log lie before a saved position; -1 when it is no place where reading can
 * begin: `why` (room TR_MODEL_WHY_BYTES) then says so. Checked: the GTIDs are those of all groups
 * up to some place and of none behind it, file and pos fit them, events and rows are within the
 * open transaction.
 */
int64_t tr_model_log_rows_before(const struct tr_model_log *log,
                                 const struct tr_saved_position *position, char *why);

/* How many whole groups lie before a saved position where reading can begin. */
uint32_t tr_model_log_groups_before(const struct tr_model_log *log,
                                    const struct tr_saved_position *position);

#endif
