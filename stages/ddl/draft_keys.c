// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "stages/ddl/parse.h"

#define NAME_TRIES_MAX 100 /* as the servers: a_2 … a_99 */

static void resolve_parts(struct ddl_parser *parser, struct ddl_draft *draft,
                          struct ddl_index *index);
static bool is_there(const struct ddl_draft *draft, const struct ddl_index *index);
static void name_index(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_index *index);
static bool is_taken(const struct ddl_draft *draft, const struct ddl_index *before,
                     struct tr_span name);
static bool is_covered(const struct ddl_draft *draft, const struct ddl_index *foreign);
static void make_primary(struct ddl_draft *draft, struct ddl_index *index);
static void choose_key(struct ddl_parser *parser, struct ddl_draft *draft,
                       const struct ddl_index *index);

void ddl_draft_resolve_keys(struct ddl_parser *parser, struct ddl_draft *draft)
{
    for (uint32_t i = 0; i < draft->index_count; i++) {
        struct ddl_index *index = &draft->indexes[i];
        if (index->is_dropped || !index->is_added) {
            continue;
        }
        resolve_parts(parser, draft, index);
        if (index->if_not_exists && is_there(draft, index)) {
            index->is_dropped = true;
            continue;
        }
        if (index->is_primary) {
            make_primary(draft, index);
        }
    }
    for (uint32_t i = 0; i < draft->index_count; i++) {
        struct ddl_index *index = &draft->indexes[i];
        if (!index->is_dropped && index->is_foreign && is_covered(draft, index)) {
            index->is_dropped = true;
        }
        if (index->is_dropped || !index->is_added) {
            continue;
        }
        name_index(parser, draft, index);
        choose_key(parser, draft, index);
    }
}

/* Both servers look an old key's columns up by their old names in the new order, and take a column
 * that was added under that name. */
static struct ddl_column *column_of_part(const struct ddl_draft *draft,
                                         const struct ddl_column *part)
{
    for (uint32_t i = 0; i < draft->column_count; i++) {
        struct ddl_column *column = draft->columns[i];
        const bool is_namesake =
            column->old_name.data == NULL && ddl_same_name(column->column.name, part->old_name);
        if (!column->is_dropped && (column == part || is_namesake)) {
            return column;
        }
    }
    return NULL;
}

void ddl_draft_bind_old_keys(struct ddl_draft *draft)
{
    for (uint32_t i = 0; i < draft->index_count; i++) {
        struct ddl_index *index = &draft->indexes[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; !index->is_added && k < index->part_count; k++) {
            struct ddl_column *old = index->parts[k].column;
            struct ddl_column *column = old == NULL ? NULL : column_of_part(draft, old);
            if (old == NULL || column != NULL) { /* an expression, or a column */
                index->parts[kept++].column = column;
            }
        }
        index->part_count = index->is_added ? index->part_count : kept;
        index->is_dropped = index->is_dropped || (kept == 0 && !index->is_added);
    }
}

static void resolve_parts(struct ddl_parser *parser, struct ddl_draft *draft,
                          struct ddl_index *index)
{
    for (uint32_t i = 0; i < index->part_count; i++) {
        struct ddl_key_part *part = &index->parts[i];
        if (part->column == NULL && part->name.bytes > 0) {
            part->column = ddl_draft_find(draft, part->name, false);
            if (part->column == NULL && index->is_unique) {
                ddl_unknown(parser, "key over a column that the table does not have");
            }
        }
    }
}

/* The name by which IF NOT EXISTS looks for an index: where it has none, its first column's. */
static struct tr_span sought_name(const struct ddl_index *index)
{
    if (index->is_primary) {
        return tr_span_of_text("PRIMARY");
    }
    if (index->name.bytes > 0 || index->part_count == 0) {
        return index->name;
    }
    return index->parts[0].column != NULL ? index->parts[0].column->column.name
                                          : index->parts[0].name;
}

/* MariaDB: among the table's indexes as they were before the statement, whatever it drops and
 * renames, and those of its kind that the statement adds before it. */
static bool is_there(const struct ddl_draft *draft, const struct ddl_index *index)
{
    const struct tr_span name = sought_name(index);
    for (const struct ddl_index *each = draft->indexes; each < index; each++) {
        const bool is_alike = !each->is_added || (each->is_primary == index->is_primary &&
                                                  each->is_unique == index->is_unique &&
                                                  each->is_foreign == index->is_foreign);
        const struct tr_span each_name =
            each->old_name.bytes > 0 ? each->old_name : sought_name(each);
        if (name.bytes > 0 && is_alike && ddl_same_name(each_name, name)) {
            return true;
        }
    }
    return false;
}

/* A primary key's columns are NOT NULL. */
static void make_primary(struct ddl_draft *draft, struct ddl_index *index)
{
    (void)draft;
    index->name = tr_span_of_text("PRIMARY");
    for (uint32_t i = 0; i < index->part_count; i++) {
        struct ddl_column *column = index->parts[i].column;
        if (column != NULL) {
            column->column.is_nullable = false;
            column->column.lacks_not_null = false;
        }
    }
}

/* Whether another index begins with the same columns: then none is made for the foreign key. */
static bool is_covered(const struct ddl_draft *draft, const struct ddl_index *foreign)
{
    for (uint32_t i = 0; i < draft->index_count; i++) {
        const struct ddl_index *index = &draft->indexes[i];
        if (index == foreign || index->is_dropped || index->part_count < foreign->part_count) {
            continue;
        }
        uint32_t same = 0;
        while (same < foreign->part_count &&
               index->parts[same].column == foreign->parts[same].column) {
            same++;
        }
        if (same == foreign->part_count) {
            return true;
        }
    }
    return false;
}

/* As the servers name an index: its first column, with _2, _3 … where that is taken. */
static void name_index(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_index *index)
{
    if (index->name.bytes > 0 || index->part_count == 0) {
        return;
    }
    struct tr_span name = {0};
    for (uint32_t i = index->part_count;
         i-- > 0;) { /* the first column, unless there is an expression */
        const struct ddl_column *column = index->parts[i].column;
        name = column == NULL ? tr_span_of_text("functional_index") : column->column.name;
        if (column == NULL) {
            break;
        }
    }
    uint8_t *text = tr_table_array(parser->scratch, name.bytes + 4);
    if (text == NULL) {
        return;
    }
    index->name = name;
    if (name.bytes > 0) {
        memcpy(text, name.data, name.bytes);
    }
    for (unsigned i = 2;
         i < NAME_TRIES_MAX && (is_taken(draft, index, index->name) ||
                                ddl_same_name(index->name, tr_span_of_text("PRIMARY")));
         i++) {
        char tail[8];
        const int tail_bytes = snprintf(tail, sizeof(tail), "_%u", i);
        memcpy(text + name.bytes, tail, (size_t)tail_bytes);
        index->name = tr_span_of(text, name.bytes + (size_t)tail_bytes);
    }
}

/* Among the indexes before it. */
static bool is_taken(const struct ddl_draft *draft, const struct ddl_index *before,
                     struct tr_span name)
{
    for (const struct ddl_index *index = draft->indexes; index < before; index++) {
        if (!index->is_dropped && ddl_same_name(index->name, name)) {
            return true;
        }
    }
    return false;
}

/* Debezium's key: the primary key; without one the first unique index over columns that are NOT
 * NULL, or a column declared UNIQUE, whatever it allows (contract §1.7). */
static void choose_key(struct ddl_parser *parser, struct ddl_draft *draft,
                       const struct ddl_index *index)
{
    if (!index->is_unique || (!index->is_primary && draft->key_count > 0)) {
        return;
    }
    for (uint32_t i = 0; i < index->part_count; i++) {
        const struct ddl_column *column = index->parts[i].column;
        if (column == NULL || (tr_column_is_optional(&column->column) && !index->is_of_column)) {
            return;
        }
    }
    struct ddl_column **key =
        tr_table_array(parser->scratch, index->part_count * sizeof(struct ddl_column *));
    if (key == NULL) {
        return;
    }
    for (uint32_t i = 0; i < index->part_count; i++) {
        key[i] = index->parts[i].column;
    }
    draft->key = key;
    draft->key_count = index->part_count;
}
