// SPDX-License-Identifier: Apache-2.0
/*
 * What kind of statement a QUERY event holds, and which tables it changes: enough to know whether a
 * captured table is concerned. It understands no columns (the parser that does comes with the
 * schema history) and never rejects anything. Where a statement could name more tables than it
 * changes (multi-table UPDATE), all of them are listed: too many is safe, too few is not.
 */
#ifndef TR_STAGES_SEQUENCE_DDL_SCAN_H
#define TR_STAGES_SEQUENCE_DDL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"

#define TR_DDL_TABLES_MAX 64
#define TR_DDL_NAME_BYTES 16384 /* names of all tables together, without quotes */

enum tr_statement {
    TR_STATEMENT_OTHER = 0, /* concerns no table's columns: views, users, routines, FLUSH … */
    TR_STATEMENT_BEGIN,
    TR_STATEMENT_COMMIT,
    TR_STATEMENT_ROLLBACK,
    TR_STATEMENT_SAVEPOINT, /* SAVEPOINT, ROLLBACK TO, RELEASE SAVEPOINT */
    TR_STATEMENT_XA_START,
    TR_STATEMENT_XA_END,
    TR_STATEMENT_XA, /* XA COMMIT, ROLLBACK, PREPARE: groups of their own */
    TR_STATEMENT_CREATE_TABLE,
    TR_STATEMENT_ALTER_TABLE,
    TR_STATEMENT_DROP_TABLE,
    TR_STATEMENT_RENAME_TABLE,
    TR_STATEMENT_TRUNCATE_TABLE,
    TR_STATEMENT_CREATE_INDEX,
    TR_STATEMENT_DROP_INDEX,
    TR_STATEMENT_CREATE_DATABASE,
    TR_STATEMENT_ALTER_DATABASE,
    TR_STATEMENT_DROP_DATABASE,
    TR_STATEMENT_DML, /* statement format: INSERT, UPDATE, DELETE, REPLACE, LOAD DATA */
};

struct tr_ddl_table {
    struct tr_span database; /* the statement's default database where it names none */
    struct tr_span name;     /* both into the scan's own text */
};

struct tr_ddl_scan {
    enum tr_statement kind;
    bool is_temporary;       /* CREATE / DROP TEMPORARY TABLE: concerns nobody else */
    bool is_conditional;     /* IF [NOT] EXISTS */
    bool is_replacing;       /* CREATE OR REPLACE */
    bool is_unique;          /* CREATE UNIQUE INDEX */
    bool tables_are_partial; /* more tables than fit, or not to be told: any table may be concerned
                              */
    uint32_t table_count;
    struct tr_ddl_table tables[TR_DDL_TABLES_MAX];
    struct tr_span database; /* CREATE, ALTER, DROP DATABASE */
    uint32_t text_bytes;
    uint8_t text[TR_DDL_NAME_BYTES];
};

/*
 * Scans one statement. `default_database` is the event's. Spans of the result point into `scan`.
 * @thread any; no allocation
 */
void tr_ddl_scan(struct tr_ddl_scan *scan, struct tr_span sql, uint64_t sql_mode,
                 struct tr_span default_database, enum tr_flavor flavor);

/* "ALTER TABLE" and so on, for messages. */
const char *tr_statement_name(enum tr_statement kind);

/* Whether it changes which columns or keys a table has. */
bool tr_statement_changes_schema(enum tr_statement kind);

#endif
