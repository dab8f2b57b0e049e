// SPDX-License-Identifier: Apache-2.0
/*
 * The DDL model: every database and table as the statements of the log have made them.
 *
 *   QUERY event --tr_ddl_apply--> parser --> edits a draft --> a new struct tr_table replaces the
 * old one
 *                                                          \-> list of changes (what, which table,
 * its text)
 *
 * Tables are immutable: an edit makes a new one, so a version that is pinned elsewhere
 * (tr_table_hold) stays as it was. It holds what the *server* has: what rows are read by. What
 * Debezium prints of it where that differs is derived from it (debezium_view.h).
 *
 * The parser never refuses what a server accepted: what decides no column is skipped by balanced
 * parentheses. Where it cannot tell what a statement does to columns, the table stays as it is and
 * the result says TR_DDL_UNKNOWN_EFFECT with the place; the caller decides (tailrace.ddl.on.error).
 *
 * Bounded by bytes_max. Allocates per statement, never per row.
 * @thread one: the sequencer (the application before start)
 */
#ifndef TR_STAGES_DDL_MODEL_H
#define TR_STAGES_DDL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/schema/table.h"

struct tr_ddl_options {
    enum tr_flavor flavor;
    bool fold_names; /* lower_case_table_names is not 0: names of tables and databases are compared
                        without case */
    bool stores_lower;    /* lower_case_table_names is 1: and are kept in lower case */
    bool hides_int_width; /* MySQL 8.0.19 and later: type texts without display width */
    uint64_t bytes_max;   /* of all tables; 0 = no bound */
};

/* A statement and what the server ran it with. Spans are borrowed until the next tr_ddl_apply. */
struct tr_ddl_event {
    struct tr_span sql;                /* in UTF-8 */
    struct tr_span database;           /* the session's default database; empty = none */
    uint64_t sql_mode;                 /* status variable 1 */
    uint32_t server_collation;         /* status variable 4; 0 = not told */
    uint32_t database_collation;       /* 8: of the default database; 0 = not told */
    uint32_t utf8mb4_collation;        /* 18: default collation of utf8mb4; 0 = not told */
    struct tr_span charset_collations; /* 131 (MariaDB 11.2): pairs of 2-byte numbers: a character
                                          set's first collation, its default collation */
    bool timestamps_are_implicit; /* explicit_defaults_for_timestamp is off: a TIMESTAMP is NOT NULL
                                     by itself */
};

enum tr_ddl_effect {
    TR_DDL_NO_EFFECT =
        0, /* the model is as before: other statements, IF NOT EXISTS of a known table … */
    TR_DDL_APPLIED,
    TR_DDL_UNKNOWN_EFFECT, /* at least one change is_unknown */
};

enum tr_ddl_change_type {
    TR_DDL_CREATE = 0,
    TR_DDL_ALTER, /* also of indexes; with previous_name: a rename */
    TR_DDL_DROP,
    TR_DDL_TRUNCATE,
    TR_DDL_CREATE_DATABASE,
    TR_DDL_ALTER_DATABASE,
    TR_DDL_DROP_DATABASE, /* and all its tables */
    TR_DDL_USE,
    TR_DDL_SET,   /* variables; name is empty */
    TR_DDL_OTHER, /* concerns no table: views, users, BEGIN … */
};

/* One effect of a statement, in the statement's order. */
struct tr_ddl_change {
    enum tr_ddl_change_type type;
    struct tr_span database;
    struct tr_span name;              /* empty for databases */
    struct tr_span previous_database; /* renames: the table's name before */
    struct tr_span previous_name;
    struct tr_table *table; /* borrowed (tr_table_hold to keep): as it is now; NULL when there is
                               none or it is not known */
    struct tr_span text; /* the statement's text for this change: DROP and RENAME lists are cut into
                            one each */
    bool is_unknown;     /* its effect on columns cannot be told */
    bool is_temporary;   /* CREATE, DROP TEMPORARY TABLE: not in the model */
    bool is_index;       /* CREATE, DROP INDEX: the columns are as before */
    bool changes_key;    /* is_index: the table has another key now, or could have */
    bool has_no_effect;  /* IF NOT EXISTS of a known table, DROP of an unknown one … */
    bool moves_rows; /* rows come or go without row events: TRUNCATE PARTITION, EXCHANGE PARTITION …
                      */
};

struct tr_ddl_result {
    enum tr_ddl_effect effect;
    const struct tr_ddl_change *changes; /* the model's, until its next statement */
    uint32_t change_count;
    uint64_t unknown_offset;   /* UNKNOWN_EFFECT: byte in the statement */
    const char *unknown_what;  /* static; e.g. "ALTER TABLE clause" */
    struct tr_span unknown_at; /* up to 60 bytes of the statement from there: for messages, may hold
                                  a literal */
};

struct tr_ddl_model; /* opaque */

/* Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_ddl_model_open(struct tr_ddl_model **model,
                                            const struct tr_ddl_options *options,
                                            struct tr_error *err);
/* Accepts NULL. */
void tr_ddl_model_close(struct tr_ddl_model *model);

/*
 * Applies one statement. Errors: TR_ERR_MEMORY_LIMIT (remedy: tailrace.catalog.max.bytes),
 * TR_ERR_SYSTEM; whatever the statement is, it is no error.
 */
TR_NODISCARD enum tr_code tr_ddl_apply(struct tr_ddl_model *model, const struct tr_ddl_event *event,
                                       struct tr_ddl_result *result, struct tr_error *err);

/* The table of that name as it is now; NULL when it is not known. Borrowed. */
struct tr_table *tr_ddl_find(const struct tr_ddl_model *model, struct tr_span database,
                             struct tr_span name);

/* Puts a table (from the stored history) in place of the one of its name; takes the caller's share,
 * also on failure. Errors: as tr_ddl_apply. */
TR_NODISCARD enum tr_code tr_ddl_put(struct tr_ddl_model *model, struct tr_table *table,
                                     struct tr_error *err);
/* Forgets a table; nothing when it is not known. */
void tr_ddl_remove(struct tr_ddl_model *model, struct tr_span database, struct tr_span name);

/* Calls `on_table` for each table, in no order, until it returns false. */
void tr_ddl_each(const struct tr_ddl_model *model,
                 bool (*on_table)(void *self, struct tr_table *table), void *self);

/* A database's default character set; an empty span when it is not known. */
struct tr_span tr_ddl_database_charset(const struct tr_ddl_model *model, struct tr_span database);

/* Bytes taken by all tables. */
uint64_t tr_ddl_memory_bytes(const struct tr_ddl_model *model);

#endif
