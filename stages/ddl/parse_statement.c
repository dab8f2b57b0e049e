// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"

static enum tr_code parse_create(struct ddl_parser *parser, struct tr_error *err);
static enum tr_code parse_index(struct ddl_parser *parser, const uint8_t *unique_from,
                                struct tr_error *err);
static enum tr_code parse_drop(struct ddl_parser *parser, struct tr_error *err);
static enum tr_code drop_index(struct ddl_parser *parser, struct tr_error *err);
static void drop_tables(struct ddl_parser *parser, bool is_temporary);
static enum tr_code rename_tables(struct ddl_parser *parser, struct tr_error *err);
static enum tr_code rename_table(struct ddl_parser *parser, struct tr_ddl_change *change,
                                 struct tr_error *err);
static enum tr_code parse_database(struct ddl_parser *parser, bool is_new, struct tr_error *err);
static void parse_set(struct ddl_parser *parser);
static void other(struct ddl_parser *parser);

enum tr_code ddl_parse_statement(struct ddl_parser *parser, struct tr_error *err)
{
    if (ddl_take_words(parser, "SET", "STATEMENT")) { /* MariaDB: SET STATEMENT a = b FOR … */
        while (parser->token.kind != TR_SQL_END && !ddl_take_word(parser, "FOR")) {
            ddl_step(parser);
        }
    }
    parser->from = parser->token.source.data;
    if (ddl_take_word(parser, "CREATE")) {
        return parse_create(parser, err);
    }
    if (ddl_take_word(parser, "ALTER")) {
        while (ddl_take_word(parser, "ONLINE") || ddl_take_word(parser, "OFFLINE") ||
               ddl_take_word(parser, "IGNORE")) {
        }
        if (ddl_take_word(parser, "TABLE")) {
            return ddl_parse_alter_table(parser, err);
        }
        if (ddl_take_word(parser, "DATABASE") || ddl_take_word(parser, "SCHEMA")) {
            return parse_database(parser, false, err);
        }
    } else if (ddl_take_word(parser, "DROP")) {
        return parse_drop(parser, err);
    } else if (ddl_take_words(parser, "RENAME", "TABLE") ||
               ddl_take_words(parser, "RENAME", "TABLES")) {
        return rename_tables(parser, err);
    } else if (ddl_take_word(parser, "TRUNCATE")) {
        struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_TRUNCATE);
        (void)ddl_take_word(parser, "TABLE");
        if (ddl_take_table(parser, &change->database, &change->name)) {
            change->table = tr_ddl_find(parser->model, change->database, change->name);
        }
        change->has_no_effect = true;
        change->moves_rows = true;
        return TR_OK;
    } else if (ddl_take_word(parser, "USE")) {
        struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_USE);
        (void)ddl_take_name(parser, &change->database);
        change->has_no_effect = true;
        return TR_OK;
    } else if (ddl_take_word(parser, "SET") && !ddl_at_word(parser, "DEFAULT")) {
        parse_set(parser); /* DEFAULT ROLE is no variable */
        return TR_OK;
    }
    other(parser);
    return TR_OK;
}

static void other(struct ddl_parser *parser)
{
    struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_OTHER);
    change->database = parser->event->database;
    change->has_no_effect = true;
}

static enum tr_code parse_create(struct ddl_parser *parser, struct tr_error *err)
{
    const bool is_replacing = ddl_take_words(parser, "OR", "REPLACE");
    while (ddl_take_word(parser, "ONLINE") || ddl_take_word(parser, "OFFLINE") ||
           ddl_take_word(parser, "FULLTEXT") || ddl_take_word(parser, "SPATIAL") ||
           ddl_take_word(parser, "VECTOR")) {
    }
    const uint8_t *unique_from = parser->token.source.data;
    const bool is_unique = ddl_take_word(parser, "UNIQUE");
    const bool is_temporary = ddl_take_word(parser, "TEMPORARY");
    if (ddl_take_word(parser, "TABLE")) {
        if (!is_temporary) {
            return ddl_parse_create_table(parser, is_replacing, err);
        }
        struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_CREATE);
        (void)ddl_take_if_exists(parser);
        (void)ddl_take_table(parser, &change->database, &change->name);
        change->is_temporary = true;
        change->has_no_effect = true;
        return TR_OK;
    }
    if (ddl_take_word(parser, "INDEX") || ddl_take_word(parser, "KEY")) {
        return parse_index(parser, is_unique ? unique_from : NULL, err);
    }
    if (ddl_take_word(parser, "DATABASE") || ddl_take_word(parser, "SCHEMA")) {
        return parse_database(parser, true, err);
    }
    other(parser);
    return TR_OK;
}

/* Replaces a table by its draft; for CREATE and DROP INDEX. */
static enum tr_code put_draft(struct ddl_parser *parser, struct ddl_draft *draft,
                              struct tr_ddl_change *change, struct tr_error *err)
{
    const uint32_t key_count = change->table->key_count;
    struct tr_table *table = ddl_draft_finish(parser, draft, err);
    if (table == NULL) {
        change->table = NULL;
        return parser->unknown_at != NULL ? TR_OK : err->code;
    }
    change->changes_key |= table->key_count != key_count; /* none before: an index adds one */
    change->table = table;
    return tr_ddl_put(parser->model, table, err);
}

/* Whether Debezium looks at the index for a key: the table has none, the index is over columns. */
static bool may_be_key(const struct tr_ddl_change *change, const struct ddl_draft *draft,
                       const struct ddl_index *index)
{
    bool is_over_columns = index->is_unique && change->table->key_count == 0;

    for (uint32_t i = 0; i < index->part_count && is_over_columns; i++) {
        is_over_columns = ddl_draft_find(draft, index->parts[i].name, false) != NULL;
    }
    return is_over_columns;
}

/* … INDEX [IF NOT EXISTS] name [USING x] ON t (parts): the parts are read as a key's. `unique_from`:
 * where UNIQUE stands; NULL = it does not. */
static enum tr_code parse_index(struct ddl_parser *parser, const uint8_t *unique_from,
                                struct tr_error *err)
{
    struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_ALTER);
    struct tr_span name = {0};
    struct ddl_draft draft;

    change->is_index = true;
    if (ddl_model_options(parser->model)->flavor == TR_FLAVOR_MYSQL) {
        change->text.data = unique_from; /* Debezium's text of it lacks CREATE */
    }
    const bool if_not_exists = ddl_take_if_exists(parser);
    (void)ddl_take_name(parser, &name);
    while (!ddl_at_end(parser) && !ddl_take_word(parser, "ON")) {
        ddl_step(parser);
    }
    if (!ddl_take_table(parser, &change->database, &change->name)) {
        ddl_unknown(parser, "CREATE INDEX without a table");
        return TR_OK;
    }
    change->table = tr_ddl_find(parser->model, change->database, change->name);
    if (change->table == NULL) {
        change->has_no_effect = true;
        return TR_OK;
    }
    ddl_draft_of(parser, &draft, change->table);
    draft.is_alter = true;
    if (!ddl_at_mark(parser, '(')) {
        ddl_skip_clause(parser);
    }
    struct ddl_index *index = ddl_draft_index(parser, &draft);
    if (index != NULL) {
        *index = (struct ddl_index){.name = name,
                                    .is_unique = unique_from != NULL,
                                    .is_added = true,
                                    .if_not_exists = if_not_exists};
        ddl_parse_key_parts(parser, index);
        change->changes_key = may_be_key(change, &draft, index);
    }
    return put_draft(parser, &draft, change, err);
}

static enum tr_code parse_drop(struct ddl_parser *parser, struct tr_error *err)
{
    while (ddl_take_word(parser, "ONLINE") || ddl_take_word(parser, "OFFLINE")) {
    }
    const bool is_temporary = ddl_take_word(parser, "TEMPORARY");
    if (ddl_take_word(parser, "TABLE") || ddl_take_word(parser, "TABLES")) {
        drop_tables(parser, is_temporary);
        return TR_OK;
    }
    if (ddl_take_word(parser, "INDEX") || ddl_take_word(parser, "KEY")) {
        return drop_index(parser, err);
    }
    if (ddl_take_word(parser, "DATABASE") || ddl_take_word(parser, "SCHEMA")) {
        struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_DROP_DATABASE);
        (void)ddl_take_if_exists(parser);
        (void)ddl_take_database(parser, &change->database);
        ddl_model_drop_database(parser->model, change->database);
        return TR_OK;
    }
    other(parser);
    return TR_OK;
}

static enum tr_code drop_index(struct ddl_parser *parser, struct tr_error *err)
{
    struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_ALTER);
    struct tr_span name = {0};
    struct ddl_draft draft;

    change->is_index = true;
    (void)ddl_take_if_exists(parser);
    (void)ddl_take_name(parser, &name);
    while (!ddl_at_end(parser) && !ddl_take_word(parser, "ON")) {
        ddl_step(parser);
    }
    if (!ddl_take_table(parser, &change->database, &change->name)) {
        ddl_unknown(parser, "DROP INDEX without a table");
        return TR_OK;
    }
    change->table = tr_ddl_find(parser->model, change->database, change->name);
    change->has_no_effect = true;
    if (change->table == NULL) {
        return TR_OK;
    }
    ddl_draft_of(parser, &draft, change->table);
    draft.is_alter = true;
    struct ddl_index *index = ddl_draft_find_index(&draft, name);
    if (index == NULL) {
        return TR_OK;
    }
    change->has_no_effect = false;
    ddl_draft_drop_index(&draft, index);
    return put_draft(parser, &draft, change, err);
}

/* A name in back quotes at the end of `text`, which has room; the new length. */
static size_t write_quoted(uint8_t *text, size_t at, struct tr_span name)
{
    text[at++] = '`';
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] == '`') {
            text[at++] = '`';
        }
        text[at++] = name.data[i];
    }
    text[at++] = '`';
    return at;
}

/* `DROP TABLE IF EXISTS `d`.`t``: a list's text for one of its tables. */
static struct tr_span drop_text(struct ddl_parser *parser, struct tr_span head,
                                const struct tr_ddl_change *change, const char *tail)
{
    uint8_t *text = tr_table_array(parser->scratch, head.bytes + 2 * change->database.bytes +
                                                        2 * change->name.bytes + strlen(tail) + 5);
    if (text == NULL) {
        return (struct tr_span){0};
    }
    size_t at = head.bytes;
    memcpy(text, head.data, head.bytes);
    at = write_quoted(text, at, change->database);
    text[at++] = '.';
    at = write_quoted(text, at, change->name);
    memcpy(text + at, tail, strlen(tail));
    return tr_span_of(text, at + strlen(tail));
}

static void drop_tables(struct ddl_parser *parser, bool is_temporary)
{
    (void)ddl_take_if_exists(parser);
    const struct tr_span head =
        tr_span_of(parser->from, (size_t)(parser->token.source.data - parser->from));
    const char *tail = "";
    struct ddl_parser ahead = *parser;
    while (!ddl_at_end(&ahead)) {
        tail = ddl_at_word(&ahead, "RESTRICT")  ? " RESTRICT"
               : ddl_at_word(&ahead, "CASCADE") ? " CASCADE"
                                                : "";
        ddl_step(&ahead);
    }
    do {
        struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_DROP);
        if (!ddl_take_table(parser, &change->database, &change->name)) {
            ddl_unknown(parser, "DROP TABLE without a name");
            return;
        }
        change->text = drop_text(parser, head, change, tail);
        change->is_temporary = is_temporary;
        change->has_no_effect =
            is_temporary || tr_ddl_find(parser->model, change->database, change->name) == NULL;
        if (!is_temporary) {
            tr_ddl_remove(parser->model, change->database, change->name);
        }
    } while (ddl_take_mark(parser, ','));
}

/* Each pair's text has the list's head, with its comments and blanks. */
static enum tr_code rename_tables(struct ddl_parser *parser, struct tr_error *err)
{
    (void)ddl_take_if_exists(parser);
    const struct tr_span head =
        tr_span_of(parser->from, (size_t)(parser->token.source.data - parser->from));
    do {
        struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_ALTER);
        const uint8_t *pair = parser->token.source.data;
        bool is_named = ddl_take_table(parser, &change->previous_database, &change->previous_name);
        while (!ddl_at_end(parser) && !ddl_at_mark(parser, ',') && !ddl_at_word(parser, "TO")) {
            ddl_step(parser); /* MariaDB: WAIT n, NOWAIT */
        }
        is_named = ddl_take_word(parser, "TO") &&
                   ddl_take_table(parser, &change->database, &change->name) && is_named;
        if (!is_named) {
            ddl_unknown(parser, "RENAME TABLE without names");
            return TR_OK;
        }
        const size_t pair_bytes = (size_t)(parser->taken_end - pair);
        uint8_t *text = tr_table_array(parser->scratch, head.bytes + pair_bytes);
        if (text != NULL) {
            memcpy(text, head.data, head.bytes);
            memcpy(text + head.bytes, pair, pair_bytes);
            change->text = tr_span_of(text, head.bytes + pair_bytes);
        }
        const enum tr_code code = rename_table(parser, change, err);
        if (code != TR_OK) {
            return code;
        }
    } while (ddl_take_mark(parser, ','));
    return TR_OK;
}

static enum tr_code rename_table(struct ddl_parser *parser, struct tr_ddl_change *change,
                                 struct tr_error *err)
{
    struct ddl_draft draft;
    const struct tr_table *old =
        tr_ddl_find(parser->model, change->previous_database, change->previous_name);

    if (old == NULL) { /* a view, or a table that was never seen; what had the new name is gone */
        tr_ddl_remove(parser->model, change->database, change->name);
        change->has_no_effect = true;
        return TR_OK;
    }
    ddl_draft_of(parser, &draft, old);
    draft.database = change->database;
    draft.name = change->name;
    struct tr_table *table = ddl_draft_finish(parser, &draft, err);
    if (table == NULL) {
        return parser->unknown_at != NULL ? TR_OK : err->code;
    }
    tr_ddl_remove(parser->model, change->previous_database, change->previous_name);
    change->table = table;
    return tr_ddl_put(parser->model, table, err);
}

static enum tr_code parse_database(struct ddl_parser *parser, bool is_new, struct tr_error *err)
{
    struct tr_ddl_change *change =
        ddl_model_change(parser, is_new ? TR_DDL_CREATE_DATABASE : TR_DDL_ALTER_DATABASE);
    struct tr_span charset = {0};
    struct tr_span collation = {0};

    const bool is_conditional = ddl_take_if_exists(parser);
    change->database = parser->event->database;
    /* ALTER DATABASE may name none; no option is a name that must be quoted. */
    if (!ddl_at_word(parser, "DEFAULT") && !ddl_at_word(parser, "CHARACTER") &&
        !ddl_at_word(parser, "CHARSET") && !ddl_at_word(parser, "COLLATE")) {
        (void)ddl_take_database(parser, &change->database);
    }
    if (is_new && is_conditional &&
        tr_ddl_database_charset(parser->model, change->database).bytes > 0) {
        change->has_no_effect = true;
        return TR_OK;
    }
    while (!ddl_at_end(parser)) {
        if (!ddl_parse_charset_option(parser, &charset, &collation)) {
            ddl_step(parser); /* COMMENT, ENCRYPTION, READ ONLY */
        }
    }
    const struct tr_span inherited = ddl_model_server_collation(parser);
    if (tr_collation_is(charset, "default")) {
        charset = tr_collation_charset(inherited);
    }
    if (charset.bytes == 0 && collation.bytes == 0) {
        if (!is_new) {
            return TR_OK;
        }
        collation = inherited;
    }
    ddl_resolve_charset(parser, &charset, &collation, tr_collation_charset(inherited));
    return ddl_model_set_database(parser->model, change->database, collation, err);
}

/* SET [GLOBAL] character_set_server = x, collation_server = y …: what new databases get. */
static void parse_set(struct ddl_parser *parser)
{
    struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_SET);
    struct tr_span charset = {0};
    struct tr_span collation = {0};

    change->has_no_effect = true;
    while (!ddl_at_end(parser)) { /* each turn takes a token */
        if (ddl_take_word(parser, "CHARACTER_SET_SERVER")) {
            (void)ddl_take_mark(parser, ':');
            (void)ddl_take_mark(parser, '=');
            (void)ddl_take_charset_name(parser, &charset);
        } else if (ddl_take_word(parser, "COLLATION_SERVER")) {
            (void)ddl_take_mark(parser, ':');
            (void)ddl_take_mark(parser, '=');
            (void)ddl_take_charset_name(parser, &collation);
        } else {
            ddl_step(parser);
        }
    }
    if (charset.bytes > 0 || collation.bytes > 0) {
        ddl_resolve_charset(parser, &charset, &collation, charset);
        ddl_model_set_server_collation(parser->model, collation);
        change->has_no_effect = false;
    }
}
