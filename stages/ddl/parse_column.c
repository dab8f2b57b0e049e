// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/parse.h"

static bool parse_attribute(struct ddl_parser *parser, struct ddl_draft *draft,
                            struct ddl_column *column);
static bool parse_key_attribute(struct ddl_parser *parser, struct ddl_draft *draft,
                                struct ddl_column *column);
static bool parse_generated(struct ddl_parser *parser, struct ddl_column *column);
static bool parse_reference(struct ddl_parser *parser, struct ddl_draft *draft,
                            struct ddl_column *column);
static bool skip_attribute(struct ddl_parser *parser);
static void add_key(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_column *column,
                    bool is_primary);
static void add_index(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_column *column,
                      struct ddl_index kind);

void ddl_parse_column(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_column *column)
{
    column->is_new = true;
    ddl_parse_type(parser, column);
    if (column->is_serial) {
        column->column.is_auto_increment = true;
        column->is_not_null = true;
        column->is_required = true;
        add_key(parser, draft, column, false);
    }
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, ',') && !ddl_at_mark(parser, ')') &&
           !ddl_at_word(parser, "FIRST") && !ddl_at_word(parser, "AFTER")) {
        if (!ddl_parse_type_attribute(parser, &column->type) &&
            !parse_attribute(parser, draft, column) && !skip_attribute(parser)) {
            /* A word that decides nothing here, or one of a later server. */
            if (ddl_at_mark(parser, '(')) {
                ddl_skip_parentheses(parser);
            } else {
                ddl_step(parser);
            }
        }
    }
}

static bool parse_attribute(struct ddl_parser *parser, struct ddl_draft *draft,
                            struct ddl_column *column)
{
    struct tr_span text;

    if (ddl_take_words(parser, "NOT", "NULL")) {
        column->is_not_null = true;
        column->is_required = true;
        column->is_null = false;
    } else if (ddl_take_word(parser, "NULL")) { /* the last one counts, AUTO_INCREMENT included */
        column->is_null = true;
        column->is_not_null = false;
        column->is_required = false;
    } else if (ddl_take_words(parser, "SERIAL", "DEFAULT")) { /* VALUE */
        (void)ddl_take_word(parser, "VALUE");
        column->column.is_auto_increment = true;
        column->is_not_null = true;
        column->is_required = true;
        add_key(parser, draft, column, false);
    } else if (ddl_take_word(parser, "DEFAULT")) {
        ddl_parse_default(parser, &column->column);
    } else if (ddl_take_words(parser, "ON", "UPDATE")) {
        column->column.updates_now = ddl_take_clock(parser, &text);
    } else if (ddl_take_word(parser, "AUTO_INCREMENT")) {
        column->column.is_auto_increment = true;
        column->is_not_null = true;
    } else if (ddl_take_word(parser, "COMMENT")) {
        (void)ddl_take_mark(parser, '=');
        if (ddl_take_string(parser, &column->column.comment_text, &text)) {
            column->column.comment = text;
        }
    } else if (ddl_take_word(parser, "INVISIBLE")) {
        column->column.is_invisible = true;
    } else if (ddl_take_word(parser, "VISIBLE")) {
        column->column.is_invisible = false;
    } else {
        return parse_key_attribute(parser, draft, column) || parse_generated(parser, column) ||
               parse_reference(parser, draft, column);
    }
    return true;
}

static bool parse_key_attribute(struct ddl_parser *parser, struct ddl_draft *draft,
                                struct ddl_column *column)
{
    if (ddl_take_word(parser, "UNIQUE")) {
        (void)ddl_take_word(parser, "KEY");
        add_key(parser, draft, column, false);
    } else if (ddl_take_words(parser, "PRIMARY", "KEY") || ddl_take_word(parser, "KEY")) {
        column->is_not_null = true; /* also where IF NOT EXISTS makes no key of it */
        column->is_required = true;
        add_key(parser, draft, column, true);
    } else {
        return false;
    }
    return true;
}

static void add_key(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_column *column,
                    bool is_primary)
{
    add_index(parser, draft, column,
              (struct ddl_index){.is_primary = is_primary,
                                 .is_unique = true,
                                 .is_of_column = true,
                                 .if_not_exists = draft->keys_if_not_exists});
}

/* Over the column alone; `kind` says what else it is. */
static void add_index(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_column *column,
                      struct ddl_index kind)
{
    struct ddl_index *index = ddl_draft_index(parser, draft);
    struct ddl_key_part *part = tr_table_array(parser->scratch, sizeof(*part));
    if (index == NULL || part == NULL) {
        return;
    }
    part->column = column;
    *index = kind;
    index->parts = part;
    index->part_count = 1;
    index->is_added = true;
}

/* [GENERATED ALWAYS] AS (…) [VIRTUAL | STORED | PERSISTENT], GENERATED ALWAYS AS ROW START | END */
static bool parse_generated(struct ddl_parser *parser, struct ddl_column *column)
{
    if (ddl_take_words(parser, "GENERATED", "ALWAYS")) {
        return true;
    }
    if (ddl_take_word(parser, "AS")) {
        if (ddl_take_word(parser, "ROW")) {
            column->is_row_time = true;
            column->is_not_null = true;
            ddl_step(parser);
        } else if (ddl_at_mark(parser, '(')) {
            column->column.is_generated = true;
            ddl_skip_parentheses(parser);
        }
        return true;
    }
    if (ddl_take_word(parser, "STORED") || ddl_take_word(parser, "PERSISTENT")) {
        column->column.is_stored = true;
        return true;
    }
    return ddl_take_word(parser, "VIRTUAL");
}

/* REFERENCES t [(…)] [MATCH x] [ON DELETE | UPDATE action]…: an index is made as for a foreign key of the
 * table (MariaDB 10.5, MySQL 9.0). */
static bool parse_reference(struct ddl_parser *parser, struct ddl_draft *draft,
                            struct ddl_column *column)
{
    struct tr_span database;
    struct tr_span name;

    if (ddl_take_word(parser, "REFERENCES")) {
        add_index(parser, draft, column, (struct ddl_index){.is_foreign = true});
        (void)ddl_take_table(parser, &database, &name);
        if (ddl_at_mark(parser, '(')) {
            ddl_skip_parentheses(parser);
        }
        if (ddl_take_word(parser, "MATCH")) {
            ddl_step(parser);
        }
        while (ddl_take_words(parser, "ON", "DELETE") || ddl_take_words(parser, "ON", "UPDATE")) {
            if (!ddl_take_words(parser, "SET", "NULL") &&
                !ddl_take_words(parser, "SET", "DEFAULT") &&
                !ddl_take_words(parser, "NO", "ACTION")) {
                ddl_step(parser);
            }
        }
        return true;
    }
    return false;
}

/* Attributes whose values could be taken for attributes. */
static bool skip_attribute(struct ddl_parser *parser)
{
    static const char *const with_value[] = {
        "COLUMN_FORMAT", "STORAGE",          "SRID",
        "REF_SYSTEM_ID", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"};
    struct tr_span name;

    for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++) {
        if (ddl_take_word(parser, with_value[i])) {
            (void)ddl_take_mark(parser, '=');
            ddl_step(parser);
            return true;
        }
    }
    if (ddl_take_word(parser, "CONSTRAINT")) {
        if (!ddl_at_word(parser, "CHECK")) {
            (void)ddl_take_name(parser, &name);
        }
        return true;
    }
    if (ddl_take_word(parser, "CHECK")) {
        if (ddl_at_mark(parser, '(')) {
            ddl_skip_parentheses(parser);
        }
        return true;
    }
    if (ddl_peek(parser).kind == TR_SQL_MARK && tr_sql_is_name(&parser->token)) {
        const struct tr_sql_token next = ddl_peek(parser);
        if (tr_sql_is_mark(&next, '=')) { /* MariaDB: an engine's own attribute */
            ddl_step(parser);
            ddl_step(parser);
            ddl_step(parser);
            return true;
        }
    }
    return ddl_take_words(parser, "NOT", "SECONDARY") ||
           ddl_take_words(parser, "NOT", "ENFORCED") || ddl_take_word(parser, "ENFORCED") ||
           ddl_take_words(parser, "WITHOUT", "SYSTEM") ||
           ddl_take_words(parser, "WITH", "SYSTEM") || ddl_take_word(parser, "VERSIONING");
}
