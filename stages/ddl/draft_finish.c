// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"

static void place_columns(struct ddl_parser *parser, struct ddl_draft *draft);
static struct ddl_column *generated_key(const struct ddl_parser *parser,
                                        const struct ddl_draft *draft);
static void resolve_charset(struct ddl_parser *parser, struct ddl_draft *draft);
static void set_default(const struct ddl_parser *parser, struct ddl_column *column);
static void default_timestamps(struct ddl_draft *draft, const struct ddl_parser *parser);
static struct tr_table *build(struct ddl_parser *parser, struct ddl_draft *draft,
                              struct tr_error *err);
static void copy_column(struct tr_table *table, struct tr_column *to, const struct tr_column *from);
static void copy_indexes(struct tr_table *table, const struct ddl_draft *draft,
                         const uint16_t *positions);
static uint32_t position_of(const struct ddl_draft *draft, const struct ddl_column *column);

struct tr_table *ddl_draft_finish(struct ddl_parser *parser, struct ddl_draft *draft,
                                  struct tr_error *err)
{
    place_columns(parser, draft);
    ddl_draft_bind_old_keys(draft);
    resolve_charset(parser, draft);
    for (uint32_t i = 0; i < draft->column_count; i++) {
        struct ddl_column *column = draft->columns[i];
        if (column->is_dropped) {
            continue;
        }
        if (column
                ->has_set_default) { /* ALTER … SET DEFAULT, also of a column that was redefined */
            set_default(parser, column);
        }
        if (column->is_new) {
            ddl_resolve_column(parser, draft, column);
        } else if (draft->converts) {
            ddl_convert_column(parser, draft, column);
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct ddl_column *column =
            draft->period[i].bytes == 0 ? NULL : ddl_draft_find(draft, draft->period[i], false);
        if (column != NULL) {
            column->column.is_nullable = false;
        }
    }
    for (uint32_t i = 0; i < draft->index_count; i++) { /* a primary key's columns, redefined */
        const struct ddl_index *index = &draft->indexes[i];
        const bool is_old = index->is_primary && !index->is_dropped && !index->is_added;
        for (uint32_t k = 0; is_old && k < index->part_count; k++) {
            if (index->parts[k].column != NULL) {
                index->parts[k].column->column.is_nullable = false;
            }
        }
    }
    ddl_draft_resolve_keys(parser, draft);
    default_timestamps(draft, parser);
    if (draft->overflowed) {
        ddl_unknown(parser, "more columns or indexes than a table can have");
    }
    return parser->unknown_at != NULL ? NULL : build(parser, draft, err);
}

static void set_default(const struct ddl_parser *parser, struct ddl_column *column)
{
    struct tr_column *own = &column->column;
    const struct tr_column *from = &column->set_default;
    const bool is_mariadb = ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB;

    if (is_mariadb && own->has_default && own->default_form == TR_LITERAL_CLOCK) {
        if (column->is_new) {
            return; /* the clock of a definition in the same statement stays */
        }
        own->updates_now = false; /* MySQL keeps ON UPDATE */
    }
    own->has_default = from->has_default;
    own->default_is_expression = from->default_is_expression;
    own->default_form = from->default_form;
    own->default_text = from->default_text;
    own->has_read_default = from->has_read_default;
    own->read_default = from->read_default;
    own->has_default &= ddl_default_is_kept(parser, own);
}

/* Moves a column to where FIRST, AFTER or nothing puts it. */
static void place(struct ddl_parser *parser, struct ddl_draft *draft,
                  const struct ddl_placement *placement)
{
    const uint32_t from = position_of(draft, placement->column);
    uint32_t to = draft->column_count - 1;

    if (placement->place == DDL_PLACE_FIRST) {
        to = 0;
    } else if (placement->place == DDL_PLACE_AFTER) {
        const struct ddl_column *after = ddl_draft_find(draft, placement->after, false);
        if (after == NULL || after == placement->column) {
            ddl_unknown(parser, "AFTER a column that the table does not have");
            return;
        }
        const uint32_t at = position_of(draft, after);
        to = at < from ? at + 1 : at;
    }
    struct ddl_column **columns = draft->columns;
    if (to < from) {
        memmove(&columns[to + 1], &columns[to], (from - to) * sizeof(struct ddl_column *));
    } else if (to > from) {
        memmove(&columns[from], &columns[from + 1], (to - from) * sizeof(struct ddl_column *));
    }
    columns[to] = placement->column;
}

static void place_columns(struct ddl_parser *parser, struct ddl_draft *draft)
{
    struct ddl_column *own_key = generated_key(parser, draft);

    for (uint32_t i = 0; i < draft->placement_count && parser->unknown_at == NULL; i++) {
        place(parser, draft, &draft->placements[i]);
    }
    if (own_key != NULL) {
        place(parser, draft, &(struct ddl_placement){.column = own_key, .place = DDL_PLACE_FIRST});
    }
}

/* MySQL's generated invisible primary key, which FIRST leaves in the first place, whether the
 * server makes such keys now or not. */
static struct ddl_column *generated_key(const struct ddl_parser *parser,
                                        const struct ddl_draft *draft)
{
    struct ddl_column *column = draft->column_count == 0 ? NULL : draft->columns[0];

    if (ddl_model_options(parser->model)->flavor != TR_FLAVOR_MYSQL || column == NULL ||
        column->is_dropped || column->is_new || !column->column.is_invisible ||
        !column->column.is_auto_increment ||
        !ddl_same_name(column->column.name, tr_span_of_text("my_row_id"))) {
        return NULL;
    }
    return column;
}

static uint32_t position_of(const struct ddl_draft *draft, const struct ddl_column *column)
{
    uint32_t at = 0;
    while (at + 1 < draft->column_count && draft->columns[at] != column) {
        at++;
    }
    return at;
}

static void resolve_charset(struct ddl_parser *parser, struct ddl_draft *draft)
{
    const struct tr_span inherited = ddl_model_database_collation(parser, draft->database);
    if (tr_collation_is(draft->charset, "default")) {
        draft->charset = tr_collation_charset(inherited);
    }
    if (tr_collation_is(draft->convert_charset, "default")) {
        draft->convert_charset = tr_collation_charset(inherited);
    }
    if (draft->converts) {
        ddl_resolve_charset(parser, &draft->convert_charset, &draft->convert_collation,
                            tr_collation_charset(inherited));
    }
    if (draft->charset.bytes == 0 && draft->collation.bytes == 0) {
        draft->collation = inherited;
    }
    ddl_resolve_charset(parser, &draft->charset, &draft->collation,
                        draft->is_alter ? draft->old_charset : tr_collation_charset(inherited));
}

/* explicit_defaults_for_timestamp=OFF: the table's first TIMESTAMP is set and updated by the clock,
 * later ones begin at zero (MySQL manual, "Automatic Initialization and Updating"). MySQL's ALTER
 * does it to columns that were there before, too; MariaDB looks at those of the statement alone. */
static void default_timestamps(struct ddl_draft *draft, const struct ddl_parser *parser)
{
    const bool is_mysql = ddl_model_options(parser->model)->flavor == TR_FLAVOR_MYSQL;
    bool is_first = true;
    for (uint32_t i = 0; parser->event->timestamps_are_implicit && i < draft->column_count; i++) {
        struct ddl_column *column = draft->columns[i];
        struct tr_column *own = &column->column;
        if (column->is_dropped || own->type != TR_COLUMN_TIMESTAMP ||
            (!is_mysql && !column->is_new)) {
            continue;
        }
        if (!own->is_nullable && !own->has_default && !own->updates_now && !own->is_generated &&
            !column->is_row_time && (column->is_new || (draft->is_alter && is_first))) {
            own->has_default = true;
            own->has_read_default = true; /* Debezium does not know the rule: it reads none */
            own->read_default = (struct tr_span){0};
            own->default_form = is_first ? TR_LITERAL_CLOCK : TR_LITERAL_TEXT;
            own->default_is_expression = is_first;
            own->updates_now = is_first;
            own->default_text =
                tr_span_of_text(is_first ? "CURRENT_TIMESTAMP" : "0000-00-00 00:00:00");
        }
        is_first = false;
    }
}

static struct tr_table *build(struct ddl_parser *parser, struct ddl_draft *draft,
                              struct tr_error *err)
{
    uint16_t *positions = /* of each column of the draft, in the table */
        tr_table_array(parser->scratch, (draft->column_count + 1) * sizeof(*positions));
    uint32_t count = 0;
    for (uint32_t i = 0; positions != NULL && i < draft->column_count; i++) {
        positions[i] = (uint16_t)count;
        count += draft->columns[i]->is_dropped ? 0 : 1;
    }
    if (positions == NULL || count > TR_COLUMNS_MAX) {
        ddl_unknown(parser, "more columns than a table can have");
        return NULL;
    }
    struct tr_table *table = tr_table_open(draft->database, draft->name, count, err);
    if (table == NULL) {
        return NULL;
    }
    table->charset_name = tr_table_text(table, draft->charset);
    table->collation_name = tr_table_text(table, draft->collation);
    table->comment = tr_table_text(table, draft->comment);
    table->comment_text = tr_table_text_or_none(table, draft->comment_text);
    table->is_versioned = draft->is_versioned;
    table->has_names = true;
    for (uint32_t i = 0; i < draft->column_count; i++) {
        if (!draft->columns[i]->is_dropped) {
            copy_column(table, &table->columns[positions[i]], &draft->columns[i]->column);
        }
    }
    table->key_columns = tr_table_array(table, draft->key_count * sizeof(*table->key_columns));
    for (uint32_t i = 0; table->key_columns != NULL && i < draft->key_count; i++) {
        const uint16_t at = positions[position_of(draft, draft->key[i])];
        table->key_columns[i] = at;
        table->columns[at].key_ordinal = (uint16_t)(i + 1);
        table->key_count = i + 1;
    }
    copy_indexes(table, draft, positions);
    if (!tr_table_is_whole(table) || !tr_table_is_whole(parser->scratch)) {
        tr_table_close(table);
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                      "table %.*s: no memory for its model: add memory", (int)draft->name.bytes,
                      (const char *)draft->name.data);
        return NULL;
    }
    return table;
}

static void copy_column(struct tr_table *table, struct tr_column *to, const struct tr_column *from)
{
    *to = *from;
    to->name = tr_table_text(table, from->name);
    to->type_text = tr_table_text(table, from->type_text);
    to->charset_name = tr_table_text(table, from->charset_name);
    to->default_text = tr_table_text(table, from->default_text);
    to->read_default = tr_table_text(table, from->read_default);
    to->comment = tr_table_text(table, from->comment);
    to->comment_text = tr_table_text_or_none(table, from->comment_text);
    to->collation_name = tr_table_text(table, from->collation_name);
    to->declared_type = tr_table_text(table, from->declared_type);
    to->key_ordinal = 0;
    to->left_options = tr_table_array(table, from->left_option_count * sizeof(*to->left_options));
    for (uint32_t i = 0; to->left_options != NULL && i < from->left_option_count; i++) {
        to->left_options[i] = tr_table_text(table, from->left_options[i]);
    }
    to->options = tr_table_array(table, from->option_count * sizeof(*to->options));
    to->option_texts = from->option_texts == NULL
                           ? NULL
                           : tr_table_array(table, from->option_count * sizeof(*to->option_texts));
    for (uint32_t i = 0; to->options != NULL && i < from->option_count; i++) {
        to->options[i] = tr_table_text(table, from->options[i]);
        if (to->option_texts != NULL) {
            to->option_texts[i] = tr_table_text(table, from->option_texts[i]);
        }
    }
}

static void copy_indexes(struct tr_table *table, const struct ddl_draft *draft,
                         const uint16_t *positions)
{
    table->indexes = tr_table_array(table, draft->index_count * sizeof(*table->indexes));
    for (uint32_t i = 0; table->indexes != NULL && i < draft->index_count; i++) {
        const struct ddl_index *from = &draft->indexes[i];
        if (from->is_dropped) {
            continue;
        }
        struct tr_index *to = &table->indexes[table->index_count++];
        to->name = tr_table_text(table, from->name);
        to->is_primary = from->is_primary;
        to->is_unique = from->is_unique;
        to->is_foreign = from->is_foreign;
        to->columns = tr_table_array(table, from->part_count * sizeof(*to->columns));
        to->column_count = to->columns == NULL ? 0 : from->part_count;
        for (uint32_t k = 0; k < to->column_count; k++) {
            const struct ddl_column *column = from->parts[k].column;
            to->columns[k] =
                column == NULL ? TR_INDEX_EXPRESSION : positions[position_of(draft, column)];
        }
    }
}
