// SPDX-License-Identifier: Apache-2.0
#include "stages/sequence/ddl_scan.h"

#include "engine/assert.h"
#include "stages/ddl/sql_lexer.h"

/* A scan under way: one token of look-ahead. */
struct scanner {
    struct tr_ddl_scan *scan;
    struct tr_sql_lexer lexer;
    struct tr_sql_token token; /* the next one, not taken yet */
    struct tr_span default_database;
};

static void step(struct scanner *scanner)
{
    scanner->token = tr_sql_lexer_next(&scanner->lexer);
}

static bool take_word(struct scanner *scanner, const char *word)
{
    if (!tr_sql_is_word(&scanner->token, word)) {
        return false;
    }
    step(scanner);
    return true;
}

static bool take_mark(struct scanner *scanner, char mark)
{
    if (!tr_sql_is_mark(&scanner->token, mark)) {
        return false;
    }
    step(scanner);
    return true;
}

/* Takes any of the words, in any order and number; the list ends with NULL. */
static void skip_words(struct scanner *scanner, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (take_word(scanner, words[i])) {
            i = (size_t)-1; /* begin again: each turn takes a token */
        }
    }
}

/* IF EXISTS, IF NOT EXISTS. */
static void skip_if_exists(struct scanner *scanner)
{
    static const char *const words[] = {"NOT", "EXISTS", NULL};
    if (take_word(scanner, "IF")) {
        scanner->scan->is_conditional = true;
        skip_words(scanner, words);
    }
}

/* Copies a name without quotes; an empty span when there is no room (the tables are partial then).
 */
static struct tr_span keep_name(struct tr_ddl_scan *scan, const struct tr_sql_token *token)
{
    if (token->text.bytes > TR_DDL_NAME_BYTES - scan->text_bytes) {
        scan->tables_are_partial = true;
        return (struct tr_span){0};
    }
    uint8_t *at = scan->text + scan->text_bytes;
    const size_t bytes = tr_sql_write_name(token, at);
    scan->text_bytes += (uint32_t)bytes;
    return tr_span_of(at, bytes);
}

/* [database.]name; false when no name stands here. */
static bool take_name(struct scanner *scanner, struct tr_ddl_table *table)
{
    struct tr_sql_token first = {.kind = TR_SQL_END};
    const bool dotted_only = take_mark(scanner, '.'); /* `.t` is the default database's t */
    if (!tr_sql_is_name(&scanner->token)) {
        return false;
    }
    first = scanner->token;
    step(scanner);
    table->database = scanner->default_database;
    if (!dotted_only && tr_sql_is_mark(&scanner->token, '.')) {
        step(scanner);
        if (!tr_sql_is_name(&scanner->token)) {
            return false;
        }
        table->database = keep_name(scanner->scan, &first);
        first = scanner->token;
        step(scanner);
    }
    table->name = keep_name(scanner->scan, &first);
    return true;
}

static bool take_table(struct scanner *scanner)
{
    struct tr_ddl_table table;
    if (!take_name(scanner, &table)) {
        scanner->scan->tables_are_partial = true;
        return false;
    }
    if (scanner->scan->table_count == TR_DDL_TABLES_MAX) {
        scanner->scan->tables_are_partial = true;
        return true;
    }
    scanner->scan->tables[scanner->scan->table_count++] = table;
    return true;
}

static void take_database(struct scanner *scanner)
{
    skip_if_exists(scanner);
    scanner->scan->database = tr_sql_is_name(&scanner->token)
                                  ? keep_name(scanner->scan, &scanner->token)
                                  : scanner->default_database;
}

/* … INDEX name … ON table */
static void scan_index(struct scanner *scanner, enum tr_statement kind)
{
    scanner->scan->kind = kind;
    while (scanner->token.kind != TR_SQL_END && !take_word(scanner, "ON")) {
        step(scanner);
    }
    (void)take_table(scanner);
}

static void scan_create(struct scanner *scanner)
{
    static const char *const prefixes[] = {"ONLINE",  "OFFLINE", "FULLTEXT",
                                           "SPATIAL", "VECTOR",  NULL};
    if (take_word(scanner, "OR")) {
        scanner->scan->is_replacing = take_word(scanner, "REPLACE");
    }
    skip_words(scanner, prefixes);
    scanner->scan->is_unique = take_word(scanner, "UNIQUE");
    scanner->scan->is_temporary = take_word(scanner, "TEMPORARY");
    if (take_word(scanner, "TABLE")) {
        scanner->scan->kind = TR_STATEMENT_CREATE_TABLE;
        skip_if_exists(scanner);
        (void)take_table(scanner);
    } else if (take_word(scanner, "INDEX") || take_word(scanner, "KEY")) {
        scan_index(scanner, TR_STATEMENT_CREATE_INDEX);
    } else if (take_word(scanner, "DATABASE") || take_word(scanner, "SCHEMA")) {
        scanner->scan->kind = TR_STATEMENT_CREATE_DATABASE;
        take_database(scanner);
    }
}

/* ALTER TABLE t …, RENAME [TO | AS | =] u: the second table. RENAME COLUMN, INDEX and KEY name
 * none. */
static void scan_alter_rename(struct scanner *scanner)
{
    uint32_t depth = 0;
    while (scanner->token.kind != TR_SQL_END) {
        if (take_mark(scanner, '(')) {
            depth++;
        } else if (take_mark(scanner, ')')) {
            depth -= depth > 0;
        } else if (depth == 0 && take_word(scanner, "RENAME")) {
            if (tr_sql_is_word(&scanner->token, "COLUMN") ||
                tr_sql_is_word(&scanner->token, "INDEX") ||
                tr_sql_is_word(&scanner->token, "KEY")) {
                continue;
            }
            (void)(take_word(scanner, "TO") || take_word(scanner, "AS") || take_mark(scanner, '='));
            (void)take_table(scanner);
        } else if (depth == 0 && take_word(scanner, "EXCHANGE")) { /* PARTITION p WITH TABLE u */
            while (scanner->token.kind != TR_SQL_END && !take_word(scanner, "TABLE")) {
                step(scanner);
            }
            (void)take_table(scanner);
        } else {
            step(scanner);
        }
    }
}

static void scan_alter(struct scanner *scanner)
{
    static const char *const prefixes[] = {"ONLINE", "OFFLINE", "IGNORE", NULL};
    skip_words(scanner, prefixes);
    if (take_word(scanner, "TABLE")) {
        scanner->scan->kind = TR_STATEMENT_ALTER_TABLE;
        skip_if_exists(scanner);
        if (take_table(scanner)) {
            scan_alter_rename(scanner);
        }
    } else if (take_word(scanner, "DATABASE") || take_word(scanner, "SCHEMA")) {
        scanner->scan->kind = TR_STATEMENT_ALTER_DATABASE;
        take_database(scanner);
    }
}

static void scan_drop(struct scanner *scanner)
{
    static const char *const prefixes[] = {"ONLINE", "OFFLINE", NULL};
    skip_words(scanner, prefixes);
    scanner->scan->is_temporary = take_word(scanner, "TEMPORARY");
    if (take_word(scanner, "TABLE") || take_word(scanner, "TABLES")) {
        scanner->scan->kind = TR_STATEMENT_DROP_TABLE;
        skip_if_exists(scanner);
        while (take_table(scanner) && take_mark(scanner, ',')) {
        }
    } else if (take_word(scanner, "INDEX") || take_word(scanner, "KEY")) {
        scan_index(scanner, TR_STATEMENT_DROP_INDEX);
    } else if (take_word(scanner, "DATABASE") || take_word(scanner, "SCHEMA")) {
        scanner->scan->kind = TR_STATEMENT_DROP_DATABASE;
        take_database(scanner);
    }
}

static void scan_rename(struct scanner *scanner)
{
    if (!take_word(scanner, "TABLE") && !take_word(scanner, "TABLES")) {
        return; /* RENAME USER */
    }
    scanner->scan->kind = TR_STATEMENT_RENAME_TABLE;
    skip_if_exists(scanner);
    do {
        if (!take_table(scanner)) {
            return;
        }
        while (scanner->token.kind != TR_SQL_END && !take_word(scanner, "TO")) {
            step(scanner); /* MariaDB: WAIT n, NOWAIT */
        }
        if (!take_table(scanner)) {
            return;
        }
    } while (take_mark(scanner, ','));
}

/* Every name where a table can stand, up to the clause that ends the table references. */
static void scan_references(struct scanner *scanner)
{
    static const char *const ends[] = {"SET", "WHERE", "ORDER", "LIMIT", "RETURNING", NULL};
    bool table_follows = true;
    uint32_t depth = 0;
    while (scanner->token.kind != TR_SQL_END) {
        for (size_t i = 0; depth == 0 && ends[i] != NULL; i++) {
            if (tr_sql_is_word(&scanner->token, ends[i])) {
                return;
            }
        }
        if (take_mark(scanner, '(')) {
            depth++;
            table_follows = true;
        } else if (take_mark(scanner, ')')) {
            depth -= depth > 0;
            table_follows = false;
        } else if (take_mark(scanner, ',') || take_word(scanner, "JOIN") ||
                   take_word(scanner, "STRAIGHT_JOIN") || take_word(scanner, "FROM") ||
                   take_word(scanner, "USING")) {
            table_follows = true;
        } else if (table_follows && tr_sql_is_name(&scanner->token) &&
                   !tr_sql_is_word(&scanner->token, "SELECT")) {
            (void)take_table(scanner);
            table_follows = false;
        } else {
            table_follows = false;
            step(scanner);
        }
    }
}

static void scan_dml(struct scanner *scanner, const char *verb)
{
    static const char *const modifiers[] = {"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "QUICK",
                                            "IGNORE",       "HISTORY", "INTO",          NULL};
    if (strcmp(verb, "LOAD") == 0) {
        if (!tr_sql_is_word(&scanner->token, "DATA") && !tr_sql_is_word(&scanner->token, "XML")) {
            return; /* LOAD INDEX INTO CACHE */
        }
        while (scanner->token.kind != TR_SQL_END && !take_word(scanner, "TABLE")) {
            step(scanner);
        }
    }
    scanner->scan->kind = TR_STATEMENT_DML;
    skip_words(scanner, modifiers);
    if (strcmp(verb, "UPDATE") == 0 || strcmp(verb, "DELETE") == 0) {
        scan_references(scanner);
    } else {
        (void)take_table(scanner);
    }
    if (scanner->scan->table_count == 0) {
        scanner->scan->tables_are_partial = true;
    }
}

static enum tr_statement xa_kind(struct scanner *scanner)
{
    if (take_word(scanner, "START") || take_word(scanner, "BEGIN")) {
        return TR_STATEMENT_XA_START;
    }
    return take_word(scanner, "END") ? TR_STATEMENT_XA_END : TR_STATEMENT_XA;
}

/* WITH names AS (…), … UPDATE or DELETE: goes to the verb. */
static void skip_common_tables(struct scanner *scanner)
{
    uint32_t depth = 0;
    if (!tr_sql_is_word(&scanner->token, "WITH")) {
        return;
    }
    while (scanner->token.kind != TR_SQL_END &&
           !(depth == 0 && (tr_sql_is_word(&scanner->token, "UPDATE") ||
                            tr_sql_is_word(&scanner->token, "DELETE") ||
                            tr_sql_is_word(&scanner->token, "INSERT") ||
                            tr_sql_is_word(&scanner->token, "REPLACE")))) {
        if (tr_sql_is_mark(&scanner->token, '(')) {
            depth++;
        } else if (tr_sql_is_mark(&scanner->token, ')')) {
            depth -= depth > 0;
        }
        step(scanner);
    }
}

static void scan_verb(struct scanner *scanner)
{
    static const char *const dml[] = {"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", NULL};
    struct tr_ddl_scan *scan = scanner->scan;
    if (take_word(scanner, "BEGIN")) {
        scan->kind = TR_STATEMENT_BEGIN;
    } else if (take_word(scanner, "START")) {
        scan->kind = tr_sql_is_word(&scanner->token, "TRANSACTION") ? TR_STATEMENT_BEGIN
                                                                    : TR_STATEMENT_OTHER;
    } else if (take_word(scanner, "COMMIT")) {
        scan->kind = TR_STATEMENT_COMMIT;
    } else if (take_word(scanner, "ROLLBACK")) {
        (void)take_word(scanner, "WORK");
        scan->kind =
            tr_sql_is_word(&scanner->token, "TO") ? TR_STATEMENT_SAVEPOINT : TR_STATEMENT_ROLLBACK;
    } else if (take_word(scanner, "SAVEPOINT") || take_word(scanner, "RELEASE")) {
        scan->kind = TR_STATEMENT_SAVEPOINT;
    } else if (take_word(scanner, "XA")) {
        scan->kind = xa_kind(scanner);
    } else if (take_word(scanner, "CREATE")) {
        scan_create(scanner);
    } else if (take_word(scanner, "ALTER")) {
        scan_alter(scanner);
    } else if (take_word(scanner, "DROP")) {
        scan_drop(scanner);
    } else if (take_word(scanner, "RENAME")) {
        scan_rename(scanner);
    } else if (take_word(scanner, "TRUNCATE")) {
        scan->kind = TR_STATEMENT_TRUNCATE_TABLE;
        (void)take_word(scanner, "TABLE");
        (void)take_table(scanner);
    } else {
        for (size_t i = 0; dml[i] != NULL; i++) {
            if (take_word(scanner, dml[i])) {
                scan_dml(scanner, dml[i]);
                return;
            }
        }
    }
}

void tr_ddl_scan(struct tr_ddl_scan *scan, struct tr_span sql, uint64_t sql_mode,
                 struct tr_span default_database, enum tr_flavor flavor)
{
    struct scanner scanner = {.scan = scan, .default_database = default_database};
    scan->kind = TR_STATEMENT_OTHER;
    scan->is_temporary = false;
    scan->is_conditional = false;
    scan->is_replacing = false;
    scan->is_unique = false;
    scan->tables_are_partial = false;
    scan->table_count = 0;
    scan->text_bytes = 0;
    scan->database = (struct tr_span){0};
    tr_sql_lexer_init(&scanner.lexer, sql, sql_mode, flavor);
    step(&scanner);
    while (take_mark(&scanner, '(') || take_mark(&scanner, ';')) {
    }
    struct scanner at_start = scanner;
    if (take_word(&scanner, "SET") &&
        take_word(&scanner, "STATEMENT")) { /* MariaDB: SET STATEMENT a = b FOR … */
        while (scanner.token.kind != TR_SQL_END && !take_word(&scanner, "FOR")) {
            step(&scanner);
        }
    } else {
        scanner = at_start;
    }
    skip_common_tables(&scanner);
    scan_verb(&scanner);
}

const char *tr_statement_name(enum tr_statement kind)
{
    static const char *const names[] = {
        [TR_STATEMENT_OTHER] = "statement",
        [TR_STATEMENT_BEGIN] = "BEGIN",
        [TR_STATEMENT_COMMIT] = "COMMIT",
        [TR_STATEMENT_ROLLBACK] = "ROLLBACK",
        [TR_STATEMENT_SAVEPOINT] = "SAVEPOINT",
        [TR_STATEMENT_XA_START] = "XA START",
        [TR_STATEMENT_XA_END] = "XA END",
        [TR_STATEMENT_XA] = "XA",
        [TR_STATEMENT_CREATE_TABLE] = "CREATE TABLE",
        [TR_STATEMENT_ALTER_TABLE] = "ALTER TABLE",
        [TR_STATEMENT_DROP_TABLE] = "DROP TABLE",
        [TR_STATEMENT_RENAME_TABLE] = "RENAME TABLE",
        [TR_STATEMENT_TRUNCATE_TABLE] = "TRUNCATE TABLE",
        [TR_STATEMENT_CREATE_INDEX] = "CREATE INDEX",
        [TR_STATEMENT_DROP_INDEX] = "DROP INDEX",
        [TR_STATEMENT_CREATE_DATABASE] = "CREATE DATABASE",
        [TR_STATEMENT_ALTER_DATABASE] = "ALTER DATABASE",
        [TR_STATEMENT_DROP_DATABASE] = "DROP DATABASE",
        [TR_STATEMENT_DML] = "statement-format change",
    };
    TR_ASSERT(kind <= TR_STATEMENT_DML);
    return names[kind];
}

bool tr_statement_changes_schema(enum tr_statement kind)
{
    return (kind >= TR_STATEMENT_CREATE_TABLE && kind <= TR_STATEMENT_RENAME_TABLE) ||
           kind == TR_STATEMENT_CREATE_INDEX || kind == TR_STATEMENT_DROP_INDEX ||
           kind == TR_STATEMENT_DROP_DATABASE;
}
