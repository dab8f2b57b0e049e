// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"

static enum tr_code create_like(struct ddl_parser *parser, struct tr_ddl_change *change,
                                struct tr_error *err);
static void parse_definitions(struct ddl_parser *parser, struct ddl_draft *draft);
static void parse_options(struct ddl_parser *parser, struct ddl_draft *draft);
static void parse_period(struct ddl_parser *parser, struct ddl_draft *draft);
static void skip_index_type(struct ddl_parser *parser);
static bool parse_foreign_key(struct ddl_parser *parser, struct ddl_draft *draft,
                              struct tr_span symbol);

enum tr_code ddl_parse_create_table(struct ddl_parser *parser, bool is_replacing,
                                    struct tr_error *err)
{
    struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_CREATE);
    struct ddl_draft draft = {0};
    const bool is_conditional = ddl_take_if_exists(parser);

    if (!ddl_take_table(parser, &change->database, &change->name)) {
        ddl_unknown(parser, "CREATE TABLE without a name");
        return TR_OK;
    }
    struct tr_table *known = tr_ddl_find(parser->model, change->database, change->name);
    if (is_conditional && !is_replacing && known != NULL) {
        change->table = known;
        change->has_no_effect = true;
        return TR_OK;
    }
    struct ddl_parser ahead = *parser;
    const bool is_bracketed = ddl_take_mark(&ahead, '(');
    if (ddl_take_word(&ahead, "LIKE")) {
        *parser = ahead;
        return create_like(parser, change, err);
    }
    draft.database = change->database;
    draft.name = change->name;
    if (is_bracketed && !ddl_at_word(&ahead, "SELECT") && !ddl_at_word(&ahead, "WITH") &&
        !ddl_at_word(&ahead, "VALUES") && !ddl_at_mark(&ahead, '(')) {
        ddl_step(parser);
        parse_definitions(parser, &draft);
        (void)ddl_take_mark(parser, ')');
    }
    parse_options(parser, &draft);
    if (draft.column_count == 0) {
        ddl_unknown(parser, "CREATE TABLE without columns");
    }
    struct tr_table *table = ddl_draft_finish(parser, &draft, err);
    if (table == NULL) {
        return parser->unknown_at != NULL ? TR_OK : err->code;
    }
    change->table = table;
    return tr_ddl_put(parser->model, table, err);
}

static enum tr_code create_like(struct ddl_parser *parser, struct tr_ddl_change *change,
                                struct tr_error *err)
{
    struct tr_span database;
    struct tr_span name;
    struct ddl_draft draft;

    if (!ddl_take_table(parser, &database, &name)) {
        ddl_unknown(parser, "CREATE TABLE LIKE without a name");
        return TR_OK;
    }
    const struct tr_table *original = tr_ddl_find(parser->model, database, name);
    if (original == NULL) {
        ddl_unknown(parser, "CREATE TABLE LIKE a table that is not known");
        return TR_OK;
    }
    ddl_draft_of(parser, &draft, original);
    draft.database = change->database;
    draft.name = change->name;
    draft.comment_text = (struct tr_span){0}; /* Debezium copies the columns', not the table's */
    struct tr_table *table = ddl_draft_finish(parser, &draft, err);
    if (table == NULL) {
        return parser->unknown_at != NULL ? TR_OK : err->code;
    }
    change->table = table;
    return tr_ddl_put(parser->model, table, err);
}

static void parse_definitions(struct ddl_parser *parser, struct ddl_draft *draft)
{
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, ')')) { /* each turn takes a token */
        struct tr_span name;
        if (!ddl_parse_key(parser, draft)) {
            if (ddl_take_column_name(parser, &name)) {
                struct ddl_column *column = ddl_draft_column(parser, name);
                if (column == NULL) {
                    return;
                }
                ddl_draft_append(parser, draft, column);
                ddl_parse_column(parser, draft, column);
            } else {
                ddl_unknown(parser, "definition in CREATE TABLE");
            }
        }
        ddl_skip_clause(parser);
        (void)ddl_take_mark(parser, ',');
    }
}

bool ddl_parse_key(struct ddl_parser *parser, struct ddl_draft *draft)
{
    struct tr_span symbol = {0};
    struct tr_span name = {0};
    struct tr_sql_token next = ddl_peek(parser);
    const bool next_is_index = tr_sql_is_word(&next, "INDEX") || tr_sql_is_word(&next, "KEY");
    bool is_unique = false;
    bool is_primary = false;

    if (ddl_take_period(parser)) {
        parse_period(parser, draft);
        return true;
    }
    if (ddl_take_word(parser, "CONSTRAINT")) {
        (void)ddl_take_if_exists(parser);
        if (!ddl_at_word(parser, "CHECK") && !ddl_at_word(parser, "PRIMARY") &&
            !ddl_at_word(parser, "UNIQUE") && !ddl_at_word(parser, "FOREIGN")) {
            (void)ddl_take_name(parser, &symbol);
        }
    }
    if (ddl_take_word(parser, "CHECK")) {
        ddl_skip_clause(parser);
        return true;
    }
    if (ddl_take_words(parser, "FOREIGN", "KEY")) {
        return parse_foreign_key(parser, draft, symbol);
    }
    if (ddl_take_words(parser, "PRIMARY", "KEY")) {
        is_primary = true;
        is_unique = true;
    } else if (ddl_take_word(parser, "UNIQUE")) {
        is_unique = true;
        (void)(ddl_take_word(parser, "INDEX") || ddl_take_word(parser, "KEY"));
    } else if (ddl_take_word(parser, "FULLTEXT") || ddl_take_word(parser, "SPATIAL")) {
        (void)(ddl_take_word(parser, "INDEX") || ddl_take_word(parser, "KEY"));
    } else if (ddl_at_word(parser, "VECTOR") && next_is_index) {
        ddl_step(parser);
        ddl_step(parser);
    } else if (!ddl_take_word(parser, "INDEX") && !ddl_take_word(parser, "KEY")) {
        return symbol.bytes > 0; /* CONSTRAINT of a kind that is not known */
    }
    const bool if_not_exists = ddl_take_if_exists(parser);
    next = ddl_peek(parser);
    const bool is_type = ddl_at_word(parser, "TYPE") && tr_sql_is_name(&next);
    if (!ddl_at_mark(parser, '(') && !ddl_at_word(parser, "USING") && !is_type) {
        (void)ddl_take_name(parser, &name);
    }
    skip_index_type(parser);
    struct ddl_index *index = ddl_draft_index(parser, draft);
    if (index == NULL) {
        return true;
    }
    *index = (struct ddl_index){.name = name.bytes > 0 ? name
                                        : is_unique    ? symbol
                                                       : name,
                                .is_primary = is_primary,
                                .is_unique = is_unique,
                                .is_added = true,
                                .if_not_exists = if_not_exists};
    ddl_parse_key_parts(parser, index);
    ddl_skip_clause(parser);
    return true;
}

/* p (a, b) */
static void parse_period(struct ddl_parser *parser, struct ddl_draft *draft)
{
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, '(')) {
        ddl_step(parser);
    }
    ddl_step(parser);
    (void)ddl_take_name(parser, &draft->period[0]);
    (void)ddl_take_mark(parser, ',');
    (void)ddl_take_name(parser, &draft->period[1]);
    (void)ddl_take_mark(parser, ')');
}

/* USING BTREE, TYPE HASH */
static void skip_index_type(struct ddl_parser *parser)
{
    while (ddl_take_word(parser, "USING") || ddl_take_word(parser, "TYPE")) {
        ddl_step(parser);
    }
}

void ddl_parse_key_parts(struct ddl_parser *parser, struct ddl_index *index)
{
    uint32_t room = 0;

    if (!ddl_take_mark(parser, '(')) {
        return;
    }
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, ')')) { /* each turn takes a token */
        struct ddl_key_part part = {0};
        struct tr_sql_token next = ddl_peek(parser);
        /* MariaDB: `p WITHOUT OVERLAPS` names a period, no column. */
        const bool is_period = tr_sql_is_word(&next, "WITHOUT");
        if (!ddl_at_mark(parser, '(')) {
            (void)ddl_take_column_name(parser, &part.name);
        }
        if (index->part_count == room) {
            room = room == 0 ? 4 : 2 * room;
            struct ddl_key_part *longer = tr_table_array(parser->scratch, room * sizeof(*longer));
            if (longer == NULL) {
                return;
            }
            for (uint32_t i = 0; i < index->part_count; i++) {
                longer[i] = index->parts[i];
            }
            index->parts = longer;
        }
        if (!is_period) {
            index->parts[index->part_count++] = part;
        }
        ddl_skip_clause(parser); /* (10), ASC, DESC, the expression */
        (void)ddl_take_mark(parser, ',');
    }
    (void)ddl_take_mark(parser, ')');
}

/* [name] (columns) REFERENCES …: the server makes an index when no other one serves. */
static bool parse_foreign_key(struct ddl_parser *parser, struct ddl_draft *draft,
                              struct tr_span symbol)
{
    struct tr_span name = {0};

    (void)ddl_take_if_exists(parser);
    if (!ddl_at_mark(parser, '(')) {
        (void)ddl_take_name(parser, &name);
    }
    struct ddl_index *index = ddl_draft_index(parser, draft);
    if (index != NULL) {
        *index = (struct ddl_index){
            .name = symbol.bytes > 0 ? symbol : name, .is_foreign = true, .is_added = true};
        ddl_parse_key_parts(parser, index);
    }
    ddl_skip_clause(parser);
    return true;
}

bool ddl_parse_charset_option(struct ddl_parser *parser, struct tr_span *charset,
                              struct tr_span *collation)
{
    struct ddl_parser ahead = *parser;
    struct tr_span *into = NULL;

    (void)ddl_take_word(&ahead, "DEFAULT");
    if (ddl_take_words(&ahead, "CHARACTER", "SET") || ddl_take_words(&ahead, "CHAR", "SET") ||
        ddl_take_word(&ahead, "CHARSET")) {
        into = charset;
    } else if (ddl_take_word(&ahead, "COLLATE")) {
        into = collation;
    } else {
        return false;
    }
    *parser = ahead;
    (void)ddl_take_mark(parser, '=');
    (void)ddl_take_charset_name(parser, into);
    return true;
}

bool ddl_parse_table_option(struct ddl_parser *parser, struct ddl_draft *draft)
{
    struct tr_span charset = {0};
    struct tr_span collation = {0};
    struct tr_span comment;
    struct tr_span text;

    if (ddl_parse_charset_option(parser, &charset, &collation)) {
        /* The first of the two replaces what was; the second one adds to it. */
        if (charset.bytes > 0) {
            draft->charset = charset;
            if (!draft->has_collation_option) {
                draft->collation = (struct tr_span){0};
            }
            draft->has_charset_option = true;
        } else {
            draft->collation = collation;
            if (!draft->has_charset_option) {
                draft->charset = (struct tr_span){0};
            }
            draft->has_collation_option = true;
        }
        return true;
    }
    if (ddl_take_word(parser, "COMMENT")) {
        (void)ddl_take_mark(parser, '=');
        if (ddl_take_string(parser, &text, &comment)) {
            draft->comment = comment;
            draft->comment_text = text;
        }
        return true;
    }
    return false;
}

/* Behind the definitions: options, PARTITION BY, AS SELECT. */
static void parse_options(struct ddl_parser *parser, struct ddl_draft *draft)
{
    while (!ddl_at_end(parser)) { /* each turn takes a token */
        if (ddl_take_words(parser, "WITH", "SYSTEM")) {
            draft->is_versioned = true;
        } else if (ddl_at_word(parser, "SELECT") || ddl_at_word(parser, "VALUES") ||
                   (ddl_at_word(parser, "TABLE") && ddl_peek(parser).kind != TR_SQL_MARK)) {
            ddl_unknown(parser, "columns of CREATE TABLE … SELECT");
            return;
        } else if (ddl_at_mark(parser, '(')) {
            struct tr_sql_token next = ddl_peek(parser);
            if (tr_sql_is_word(&next, "SELECT") || tr_sql_is_word(&next, "WITH")) {
                ddl_unknown(parser, "columns of CREATE TABLE … SELECT");
                return;
            }
            ddl_skip_parentheses(parser);
        } else if (!ddl_parse_table_option(parser, draft)) {
            ddl_step(parser);
        }
    }
}
