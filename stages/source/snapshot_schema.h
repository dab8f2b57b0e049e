// SPDX-License-Identifier: Apache-2.0
/*
 * The schema at a snapshot: which tables there are, the statements that make them (Debezium's texts
 * and order, contract §3.5), which tables' rows are read, in which order and by which SELECT.
 *
 * It is read before the cut and compared after it: a schema that is the same at both times is that of
 * the cut, and no lock is held while thousands of statements run. Works on the query port alone.
 * @thread one
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_SCHEMA_H
#define TR_STAGES_SOURCE_SNAPSHOT_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/source/query.h"
#include "stages/source/snapshot.h"

struct tr_snapshot_block; /* of an arena */

/* Texts that live together. */
struct tr_snapshot_texts {
    struct tr_snapshot_block *first; /* owns */
    uint64_t bytes;
    bool failed; /* sticky: memory was refused */
};

struct tr_snapshot_table {
    struct tr_span database; /* names are borrowed from `names`, the create statement from */
    struct tr_span name;     /* `statements` */
    struct tr_span create_sql;
    struct tr_span select_sql; /* empty: its rows are not read */
    struct tr_span *columns;   /* of a table whose rows are read */
    uint32_t column_count;
    uint32_t database_index;
    uint32_t rank; /* in the order of statements, before the name; 0 = by name alone */
    bool is_captured;
    bool is_overridden;  /* select_sql is the user's */
    bool is_snapshotted; /* false: its engine has no consistent view */
    uint64_t rows_estimated;
};

struct tr_snapshot_database {
    struct tr_span name;
    struct tr_span create_sql;
};

enum tr_snapshot_statement_kind {
    TR_SNAPSHOT_SQL_SET = 0,
    TR_SNAPSHOT_SQL_DROP_TABLE,
    TR_SNAPSHOT_SQL_DROP_DATABASE,
    TR_SNAPSHOT_SQL_CREATE_DATABASE,
    TR_SNAPSHOT_SQL_USE,
    TR_SNAPSHOT_SQL_CREATE_TABLE,
};

struct tr_snapshot_statement {
    enum tr_snapshot_statement_kind kind;
    uint32_t index; /* of the table or database */
};

struct tr_snapshot_schema {
    struct tr_snapshot_texts names;
    struct tr_snapshot_texts texts; /* create statements */
    struct tr_span set_sql;
    struct tr_snapshot_table *tables; /* owns; sorted by rank and `database.name` */
    uint32_t table_count;
    struct tr_snapshot_database *databases; /* owns; in the order of their first tables */
    uint32_t database_count;
    struct tr_snapshot_statement *statements; /* owns; as they are to be sent */
    uint32_t statement_count;
    uint32_t last_statement; /* the one that is marked when no row follows */
    uint32_t *row_tables;    /* owns; indexes of tables whose rows are read, in order */
    uint32_t row_table_count;
};

/*
 * Reads all of it. `schema` is zeroed, or to be replaced. Errors: the port's; TR_ERR_SOURCE_AUTH naming the table and
 * the grant; TR_ERR_CONFIG of a list; TR_ERR_STATE | TR_RETRY when a table vanished meanwhile.
 */
TR_NODISCARD enum tr_code tr_snapshot_schema_read(struct tr_snapshot_schema *schema,
                                                  const struct tr_query_port *port,
                                                  const struct tr_snapshot_options *options,
                                                  struct tr_error *err);

/* Whether the server's schema is still that one (AUTO_INCREMENT counters aside). When not, `changed` says what
 * differs, bounded. Errors: the port's. */
TR_NODISCARD enum tr_code tr_snapshot_schema_verify(const struct tr_snapshot_schema *schema,
                                                    const struct tr_query_port *port,
                                                    const struct tr_snapshot_options *options,
                                                    bool *is_same, char changed[256],
                                                    struct tr_error *err);

/* Writes a statement's text, at most `room_bytes`; returns its bytes. NULL out: size only. The database it concerns
 * (empty: none) goes to `database`. */
size_t tr_snapshot_schema_statement(const struct tr_snapshot_schema *schema, uint32_t index,
                                    char *out, size_t room_bytes, struct tr_span *database);

/* The longest of all statements and SELECTs, in bytes. */
size_t tr_snapshot_schema_bytes_max(const struct tr_snapshot_schema *schema);

/* Gives back the texts of statements; the tables' names stay. */
void tr_snapshot_schema_drop_texts(struct tr_snapshot_schema *schema);

/* Accepts a zeroed schema. */
void tr_snapshot_schema_close(struct tr_snapshot_schema *schema);

#endif
