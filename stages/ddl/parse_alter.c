// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/parse.h"

/* An ALTER TABLE being read. */
struct alteration {
    struct ddl_parser *parser;
    struct ddl_draft *draft;
    struct tr_span database; /* RENAME TO; name empty: none */
    struct tr_span name;
    struct tr_span partition_table; /* CONVERT PARTITION … TO TABLE, CONVERT TABLE … TO PARTITION */
    struct tr_span partition_database;
    bool makes_table;
    bool takes_table;
    bool moves_rows;
};

static void parse_clause(struct alteration *alter);
static void parse_add(struct alteration *alter);
static void add_columns(struct alteration *alter, bool if_not_exists);
static bool is_taken(const struct ddl_draft *draft, struct tr_span name);
static void parse_placement(struct alteration *alter, struct ddl_column *column, bool is_added);
static void parse_drop(struct alteration *alter);
static void drop_index(struct alteration *alter, bool if_exists);
static void parse_change(struct alteration *alter, bool renames);
static void inherit(const struct alteration *alter, struct tr_column *column,
                    const struct tr_column *before);
static void redefine(struct alteration *alter, struct tr_span old_name, struct tr_span name,
                     bool if_exists);
static void parse_rename(struct alteration *alter);
static void parse_alter_column(struct alteration *alter);
static void parse_convert(struct alteration *alter);
static enum tr_code finish(struct alteration *alter, struct tr_ddl_change *change,
                           struct tr_error *err);

enum tr_code ddl_parse_alter_table(struct ddl_parser *parser, struct tr_error *err)
{
    struct tr_ddl_change *change = ddl_model_change(parser, TR_DDL_ALTER);
    struct ddl_draft draft;
    struct alteration alter = {.parser = parser, .draft = &draft};

    (void)ddl_take_if_exists(parser);
    if (!ddl_take_table(parser, &change->database, &change->name)) {
        ddl_unknown(parser, "ALTER TABLE without a name");
        return TR_OK;
    }
    const struct tr_table *table = tr_ddl_find(parser->model, change->database, change->name);
    if (table == NULL) { /* a view, or a table that was never seen */
        change->has_no_effect = true;
        return TR_OK;
    }
    ddl_draft_of(parser, &draft, table);
    draft.is_alter = true;
    if (ddl_take_word(parser, "WAIT")) {
        ddl_step(parser);
    } else {
        (void)ddl_take_word(parser, "NOWAIT");
    }
    while (!ddl_at_end(parser) && parser->unknown_at == NULL) {
        const uint8_t *before = parser->lexer.sql.data;
        parse_clause(&alter);
        (void)ddl_take_mark(parser, ',');
        if (parser->lexer.sql.data == before && !ddl_at_end(parser)) {
            ddl_step(parser); /* a stray parenthesis */
        }
    }
    change->moves_rows = alter.moves_rows;
    return finish(&alter, change, err);
}

static enum tr_code finish(struct alteration *alter, struct tr_ddl_change *change,
                           struct tr_error *err)
{
    struct ddl_parser *parser = alter->parser;

    if (alter->name.bytes > 0) {
        change->previous_database = change->database;
        change->previous_name = change->name;
        change->database = alter->database;
        change->name = alter->name;
        alter->draft->database = alter->database;
        alter->draft->name = alter->name;
    }
    struct tr_table *table = ddl_draft_finish(parser, alter->draft, err);
    if (table == NULL) {
        return parser->unknown_at != NULL ? TR_OK : err->code;
    }
    if (alter->name.bytes > 0) {
        tr_ddl_remove(parser->model, change->previous_database, change->previous_name);
    }
    change->table = table;
    enum tr_code code = tr_ddl_put(parser->model, table, err);
    if (code != TR_OK || (!alter->makes_table && !alter->takes_table)) {
        return code;
    }
    struct tr_ddl_change *other =
        ddl_model_change(parser, alter->makes_table ? TR_DDL_CREATE : TR_DDL_DROP);
    other->database = alter->partition_database;
    other->name = alter->partition_table;
    other->moves_rows = true;
    if (alter->takes_table) {
        tr_ddl_remove(parser->model, other->database, other->name);
        return TR_OK;
    }
    struct ddl_draft copy;
    ddl_draft_of(parser, &copy, table);
    copy.database = other->database;
    copy.name = other->name;
    other->table = ddl_draft_finish(parser, &copy, err);
    if (other->table == NULL) {
        return parser->unknown_at != NULL ? TR_OK : err->code;
    }
    return tr_ddl_put(parser->model, other->table, err);
}

static void parse_clause(struct alteration *alter)
{
    struct ddl_parser *parser = alter->parser;

    if (ddl_take_word(parser, "ADD")) {
        parse_add(alter);
    } else if (ddl_take_word(parser, "DROP")) {
        parse_drop(alter);
    } else if (ddl_take_word(parser, "MODIFY")) {
        parse_change(alter, false);
    } else if (ddl_take_word(parser, "CHANGE")) {
        parse_change(alter, true);
    } else if (ddl_take_word(parser, "RENAME")) {
        parse_rename(alter);
    } else if (ddl_take_word(parser, "ALTER")) {
        parse_alter_column(alter);
    } else if (ddl_take_word(parser, "CONVERT")) {
        parse_convert(alter);
    } else if (ddl_take_words(parser, "WITH", "SYSTEM")) { /* VERSIONING */
        ddl_step(parser);
        alter->draft->is_versioned = true;
    } else if (!ddl_skip_partition_clause(parser, &alter->moves_rows) &&
               !ddl_parse_table_option(parser, alter->draft) && !ddl_skip_alter_option(parser)) {
        ddl_unknown(parser, "clause of ALTER TABLE");
    }
}

static void parse_add(struct alteration *alter)
{
    struct ddl_parser *parser = alter->parser;

    if (ddl_take_word(parser, "PARTITION")) {
        while (!ddl_at_end(parser)) {
            ddl_skip_clause(parser);
            ddl_step(parser);
        }
        return;
    }
    if (ddl_take_words(parser, "SYSTEM", "VERSIONING")) {
        alter->draft->is_versioned = true;
        return;
    }
    if (ddl_take_word(parser, "COLUMN")) {
        add_columns(alter, ddl_take_if_exists(parser));
    } else if (ddl_at_mark(parser, '(')) {
        add_columns(alter, false);
    } else if (ddl_at_word(parser, "IF") && ddl_take_if_exists(parser)) {
        add_columns(alter, true);
    } else if (!ddl_parse_key(parser, alter->draft)) {
        add_columns(alter, false);
    }
}

/* c type …, or (c type …, d type …) where keys may stand too */
static void add_columns(struct alteration *alter, bool if_not_exists)
{
    struct ddl_parser *parser = alter->parser;
    struct ddl_draft *draft = alter->draft;
    const bool is_list = ddl_take_mark(parser, '(');
    struct tr_span name;

    if (!is_list) {
        draft->keys_if_not_exists = if_not_exists;
    }
    do {
        if (is_list && ddl_parse_key(parser, draft)) {
            continue;
        }
        if (!ddl_take_column_name(parser, &name)) {
            ddl_unknown(parser, "ADD without a column name");
            return;
        }
        struct ddl_column *column = ddl_draft_column(parser, name);
        if (column == NULL) {
            return;
        }
        if (if_not_exists && is_taken(draft, name)) { /* its keys are made all the same */
            ddl_parse_column(parser, draft, column);
            ddl_draft_unbind(draft, column);
            ddl_skip_clause(parser);
            continue;
        }
        ddl_draft_append(parser, draft, column);
        ddl_parse_column(parser, draft, column);
        parse_placement(alter, column, true);
    } while (is_list && ddl_take_mark(parser, ','));
    if (is_list) {
        (void)ddl_take_mark(parser, ')');
    }
}

/* By a column of the table, dropped ones included, or one that was added before. */
static bool is_taken(const struct ddl_draft *draft, struct tr_span name)
{
    for (uint32_t i = 0; i < draft->column_count; i++) {
        if (draft->columns[i]->old_name.data != NULL &&
            ddl_same_name(draft->columns[i]->old_name, name)) {
            return true;
        }
    }
    return ddl_draft_find(draft, name, false) != NULL;
}

static void parse_placement(struct alteration *alter, struct ddl_column *column, bool is_added)
{
    struct ddl_parser *parser = alter->parser;
    struct ddl_placement placement = {.column = column};

    if (ddl_take_word(parser, "FIRST")) {
        placement.place = DDL_PLACE_FIRST;
    } else if (ddl_take_word(parser, "AFTER")) {
        placement.place = DDL_PLACE_AFTER;
        (void)ddl_take_column_name(parser, &placement.after);
    } else if (!is_added) {
        return; /* stays where it is */
    }
    ddl_draft_place(parser, alter->draft, placement);
}

static void parse_drop(struct alteration *alter)
{
    struct ddl_parser *parser = alter->parser;
    struct ddl_draft *draft = alter->draft;
    struct tr_span name;

    if (ddl_take_words(parser, "PRIMARY", "KEY")) {
        struct ddl_index *index = ddl_draft_find_index(draft, tr_span_of_text("PRIMARY"));
        draft->key_count = 0;
        if (index != NULL) {
            ddl_draft_drop_index(draft, index);
        }
    } else if (ddl_take_word(parser, "INDEX") || ddl_take_word(parser, "KEY")) {
        drop_index(alter, ddl_take_if_exists(parser));
    } else if (ddl_take_word(parser, "CONSTRAINT")) { /* a check, a foreign key, or an index */
        (void)ddl_take_if_exists(parser);
        drop_index(alter, true);
    } else if (ddl_take_words(parser, "FOREIGN", "KEY") || ddl_take_word(parser, "CHECK")) {
        ddl_skip_clause(parser);
    } else if (ddl_take_word(parser, "PARTITION")) {
        alter->moves_rows = true;
        while (!ddl_at_end(parser)) {
            ddl_step(parser);
        }
    } else if (ddl_take_words(parser, "SYSTEM", "VERSIONING")) {
        draft->is_versioned = false;
    } else if (ddl_take_period(parser)) {
        ddl_skip_clause(parser);
    } else {
        (void)ddl_take_word(parser, "COLUMN");
        const bool if_exists = ddl_take_if_exists(parser);
        draft->keys_if_not_exists = if_exists;
        if (!ddl_take_column_name(parser, &name)) {
            ddl_unknown(parser, "DROP without a column name");
            return;
        }
        struct ddl_column *column = ddl_draft_find(draft, name, true);
        if (column != NULL) {
            ddl_draft_drop_column(draft, column);
        } else if (!if_exists) {
            ddl_unknown(parser, "DROP of a column that the table does not have");
        }
        (void)(ddl_take_word(parser, "RESTRICT") || ddl_take_word(parser, "CASCADE"));
    }
}

/* An index that is not known was never told of (tables of the history): nothing changes then. */
static void drop_index(struct alteration *alter, bool if_exists)
{
    struct tr_span name;

    (void)if_exists;
    if (!ddl_take_name(alter->parser, &name)) {
        ddl_unknown(alter->parser, "DROP INDEX without a name");
        return;
    }
    struct ddl_index *index = ddl_draft_find_index(alter->draft, name);
    if (index != NULL) {
        ddl_draft_drop_index(alter->draft, index);
    }
}

/* MODIFY c type …, CHANGE c d type … */
static void parse_change(struct alteration *alter, bool renames)
{
    struct ddl_parser *parser = alter->parser;
    struct tr_span old_name;
    struct tr_span name;

    (void)ddl_take_word(parser, "COLUMN");
    const bool if_exists = ddl_take_if_exists(parser);
    alter->draft->keys_if_not_exists = if_exists;
    if (!ddl_take_column_name(parser, &old_name) ||
        (renames && !ddl_take_column_name(parser, &name))) {
        ddl_unknown(parser, "MODIFY or CHANGE without a column name");
        return;
    }
    struct ddl_column *column = ddl_draft_find(alter->draft, old_name, true);
    const struct tr_column before = column == NULL ? (struct tr_column){0} : column->column;
    redefine(alter, old_name, renames ? name : old_name, if_exists);
    if (renames && column != NULL) {
        inherit(alter, &column->column, &before);
    }
}

/* What CHANGE does not say stays to Debezium; MODIFY begins anew. */
static void inherit(const struct alteration *alter, struct tr_column *column,
                    const struct tr_column *before)
{
    const bool is_mysql = ddl_model_options(alter->parser->model)->flavor == TR_FLAVOR_MYSQL;

    column->was_auto_increment = before->is_auto_increment || before->was_auto_increment ||
                                 (is_mysql && before->updates_now);
    if (column->option_count == 0) {
        const bool has_own = before->option_count > 0 && before->option_texts != NULL;
        column->left_options = has_own ? before->option_texts : before->left_options;
        column->left_option_count = has_own ? before->option_count : before->left_option_count;
    }
    if (column->comment_text.data == NULL) {
        column->comment_text = before->comment_text;
    }
}

/* The definition behind MODIFY or CHANGE. */
static void redefine(struct alteration *alter, struct tr_span old_name, struct tr_span name,
                     bool if_exists)
{
    struct ddl_parser *parser = alter->parser;
    struct ddl_draft *draft = alter->draft;
    struct ddl_column *column = ddl_draft_find(draft, old_name, true);
    struct ddl_column *added = ddl_draft_find(draft, name, false);

    if (column != NULL && !column->is_new) {
        const struct ddl_column before = *column;
        *column = (struct ddl_column){.old_name = before.old_name,
                                      .before = before.before,
                                      .set_default = before.set_default,
                                      .has_set_default = before.has_set_default};
    } else if (added != NULL && added->is_new && added->old_name.data == NULL) {
        column = added; /* MariaDB: of a column that this statement adds; it counts as added here */
        *column = (struct ddl_column){0};
        ddl_draft_add_again(draft, column);
    } else {
        column = ddl_draft_column(parser, name);
        if (column == NULL) {
            return;
        }
        if (!if_exists) {
            ddl_unknown(parser, "MODIFY or CHANGE of a column that the table does not have");
        }
        ddl_parse_column(parser, draft, column);
        ddl_draft_unbind(draft, column);
        ddl_skip_clause(parser);
        return;
    }
    column->column.name = name;
    ddl_parse_column(parser, draft, column);
    parse_placement(alter, column, false);
}

static void parse_rename(struct alteration *alter)
{
    struct ddl_parser *parser = alter->parser;
    struct tr_span from;
    struct tr_span to;
    const bool is_column = ddl_take_word(parser, "COLUMN");

    if (is_column || ddl_take_word(parser, "INDEX") || ddl_take_word(parser, "KEY")) {
        const bool if_exists = ddl_take_if_exists(parser);
        alter->draft->keys_if_not_exists = if_exists;
        if (!ddl_take_column_name(parser, &from) || !ddl_take_word(parser, "TO") ||
            !ddl_take_column_name(parser, &to)) {
            ddl_unknown(parser, "RENAME without names");
            return;
        }
        struct ddl_column *column = is_column ? ddl_draft_find(alter->draft, from, true) : NULL;
        struct ddl_index *index = is_column ? NULL : ddl_draft_find_index(alter->draft, from);
        if (column != NULL) {
            column->column.name = to;
        } else if (is_column && !if_exists) {
            ddl_unknown(parser, "RENAME of a column that the table does not have");
        }
        if (index != NULL) {
            index->old_name = from;
            index->name = to;
            index->is_foreign = false; /* no longer: the servers keep it from now on */
        }
        return;
    }
    (void)(ddl_take_word(parser, "TO") || ddl_take_word(parser, "AS") ||
           ddl_take_mark(parser, '='));
    if (!ddl_take_table(parser, &alter->database, &alter->name)) {
        ddl_unknown(parser, "RENAME without a name");
    }
}

/* ALTER [COLUMN] c SET DEFAULT … | DROP DEFAULT | SET VISIBLE; ALTER INDEX, CHECK, CONSTRAINT */
static void parse_alter_column(struct alteration *alter)
{
    struct ddl_parser *parser = alter->parser;
    struct tr_span name;

    if (ddl_at_word(parser, "INDEX") || ddl_at_word(parser, "KEY") ||
        ddl_at_word(parser, "CHECK") || ddl_at_word(parser, "CONSTRAINT")) {
        ddl_skip_clause(parser);
        return;
    }
    (void)ddl_take_word(parser, "COLUMN");
    const bool if_exists = ddl_take_if_exists(parser);
    alter->draft->keys_if_not_exists = if_exists;
    if (!ddl_take_column_name(parser, &name)) {
        ddl_unknown(parser, "ALTER without a column name");
        return;
    }
    struct ddl_column *column = ddl_draft_find(alter->draft, name, true);
    if (column == NULL) {
        if (!if_exists) {
            ddl_unknown(parser, "ALTER of a column that the table does not have");
        }
        ddl_skip_clause(parser);
    } else if (ddl_take_words(parser, "SET", "DEFAULT")) {
        column->set_default = (struct tr_column){0};
        ddl_parse_default(parser, &column->set_default);
        column->has_set_default = true;
    } else if (ddl_take_words(parser, "DROP", "DEFAULT")) {
        column->set_default = (struct tr_column){0};
        column->has_set_default = true;
    } else if (ddl_take_words(parser, "SET", "INVISIBLE")) {
        column->column.is_invisible = true;
    } else if (ddl_take_words(parser, "SET", "VISIBLE")) {
        column->column.is_invisible = false;
    } else {
        ddl_unknown(parser, "clause of ALTER COLUMN");
    }
}

static void parse_convert(struct alteration *alter)
{
    struct ddl_parser *parser = alter->parser;
    struct ddl_draft *draft = alter->draft;

    if (ddl_take_word(parser, "PARTITION") || ddl_at_word(parser, "TABLE")) { /* MariaDB */
        alter->takes_table = ddl_at_word(parser, "TABLE");
        alter->makes_table = !alter->takes_table;
        alter->moves_rows = true;
        while (!ddl_at_end(parser) && !ddl_take_word(parser, "TABLE")) {
            ddl_step(parser);
        }
        if (!ddl_take_table(parser, &alter->partition_database, &alter->partition_table)) {
            ddl_unknown(parser, "CONVERT without a table");
        }
        while (!ddl_at_end(parser)) {
            ddl_step(parser);
        }
        return;
    }
    (void)ddl_take_word(parser, "TO");
    struct tr_span charset = {0};
    struct tr_span collation = {0};
    if (!ddl_parse_charset_option(parser, &charset, &collation)) {
        ddl_unknown(parser, "CONVERT TO");
    }
    if (ddl_at_word(parser, "COLLATE")) {
        (void)ddl_parse_charset_option(parser, &charset, &collation);
    }
    if (draft->converts && collation.bytes == 0 && /* once more, of the same character set */
        ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB) {
        collation = draft->convert_collation;
    }
    draft->converts = true;
    draft->convert_charset = charset;
    draft->convert_collation = collation;
    if (!draft->has_charset_option && !draft->has_collation_option) { /* else that is the default */
        draft->charset = charset;
        draft->collation = collation;
    }
}
