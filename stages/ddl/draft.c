// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "stages/ddl/parse.h"

/* A list of `bytes` each in scratch with room for one more; NULL when memory is refused. */
static void *grow(struct ddl_parser *parser, void *list, uint32_t count, uint32_t *room,
                  size_t bytes)
{
    if (count < *room) {
        return list;
    }
    const uint32_t longer_room = *room == 0 ? 16 : 2 * *room;
    void *longer = tr_table_array(parser->scratch, longer_room * bytes);
    if (longer != NULL && count > 0) {
        memcpy(longer, list, count * bytes);
    }
    *room = longer == NULL ? *room : longer_room;
    return longer;
}

struct ddl_column *ddl_draft_column(struct ddl_parser *parser, struct tr_span name)
{
    struct ddl_column *column = tr_table_array(parser->scratch, sizeof(*column));
    if (column != NULL) {
        column->column.name = name;
    }
    return column;
}

void ddl_draft_append(struct ddl_parser *parser, struct ddl_draft *draft, struct ddl_column *column)
{
    struct ddl_column **longer =
        draft->column_count >= 2 * TR_COLUMNS_MAX /* as many dropped as added */
            ? NULL
            : grow(parser, draft->columns, draft->column_count, &draft->column_room,
                   sizeof(*longer));
    if (longer == NULL) {
        draft->overflowed = true;
        return;
    }
    draft->columns = longer;
    draft->columns[draft->column_count++] = column;
}

void ddl_draft_place(struct ddl_parser *parser, struct ddl_draft *draft,
                     struct ddl_placement placement)
{
    struct ddl_placement *longer = grow(parser, draft->placements, draft->placement_count,
                                        &draft->placement_room, sizeof(*longer));
    if (longer == NULL) {
        draft->overflowed = true;
        return;
    }
    draft->placements = longer;
    draft->placements[draft->placement_count++] = placement;
}

void ddl_draft_add_again(struct ddl_draft *draft, struct ddl_column *column)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < draft->column_count; i++) {
        if (draft->columns[i] != column) {
            draft->columns[kept++] = draft->columns[i];
        }
    }
    draft->columns[kept] = column; /* it was among them */
    kept = 0;
    for (uint32_t i = 0; i < draft->placement_count; i++) {
        if (draft->placements[i].column != column) {
            draft->placements[kept++] = draft->placements[i];
        }
    }
    draft->placement_count = kept;
}

void ddl_draft_unbind(struct ddl_draft *draft, const struct ddl_column *column)
{
    for (uint32_t i = 0; i < draft->index_count; i++) {
        for (uint32_t k = 0; k < draft->indexes[i].part_count; k++) {
            struct ddl_key_part *part = &draft->indexes[i].parts[k];
            if (part->column == column) {
                *part = (struct ddl_key_part){.name = column->column.name};
            }
        }
    }
}

struct ddl_index *ddl_draft_index(struct ddl_parser *parser, struct ddl_draft *draft)
{
    struct ddl_index *longer =
        draft->index_count >= DDL_INDEXES_MAX
            ? NULL
            : grow(parser, draft->indexes, draft->index_count, &draft->index_room, sizeof(*longer));
    if (longer == NULL) {
        draft->overflowed = true;
        return NULL;
    }
    draft->indexes = longer;
    struct ddl_index *index = &draft->indexes[draft->index_count++];
    *index = (struct ddl_index){0};
    return index;
}

struct ddl_column *ddl_draft_find(const struct ddl_draft *draft, struct tr_span name, bool old)
{
    for (uint32_t i = 0; i < draft->column_count; i++) {
        struct ddl_column *column = draft->columns[i];
        const struct tr_span own = old ? column->old_name : column->column.name;
        if (!column->is_dropped && own.data != NULL && ddl_same_name(own, name)) {
            return column;
        }
    }
    return NULL;
}

struct ddl_index *ddl_draft_find_index(const struct ddl_draft *draft, struct tr_span name)
{
    for (uint32_t i = 0; i < draft->index_count; i++) {
        struct ddl_index *index = &draft->indexes[i];
        if (!index->is_dropped && !index->is_added && ddl_same_name(index->name, name)) {
            return index;
        }
    }
    return NULL;
}

void ddl_draft_drop_column(struct ddl_draft *draft, struct ddl_column *column)
{
    column->is_dropped = true;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < draft->key_count; i++) {
        if (draft->key[i] != column) {
            draft->key[kept++] = draft->key[i];
        }
    }
    draft->key_count = kept;
}

void ddl_draft_drop_index(struct ddl_draft *draft, struct ddl_index *index)
{
    index->is_dropped = true;
    if (index->is_primary) { /* a unique index that is dropped stays Debezium's key (contract §9.1)
                              */
        draft->key_count = 0;
    }
}

void ddl_draft_of(struct ddl_parser *parser, struct ddl_draft *draft, const struct tr_table *table)
{
    *draft = (struct ddl_draft){.database = table->database,
                                .name = table->name,
                                .charset = table->charset_name,
                                .collation = table->collation_name,
                                .old_charset = table->charset_name,
                                .comment = table->comment,
                                .comment_text = table->comment_text,
                                .is_versioned = table->is_versioned};
    struct ddl_column *columns =
        tr_table_array(parser->scratch, table->column_count * sizeof(*columns));
    draft->key = tr_table_array(parser->scratch, table->key_count * sizeof(struct ddl_column *));
    for (uint32_t i = 0; columns != NULL && i < table->column_count; i++) {
        columns[i].column = table->columns[i];
        columns[i].before = &table->columns[i];
        columns[i].old_name = table->columns[i].name;
        ddl_draft_append(parser, draft, &columns[i]);
    }
    for (uint32_t i = 0; columns != NULL && draft->key != NULL && i < table->key_count; i++) {
        draft->key[draft->key_count++] = &columns[table->key_columns[i]];
    }
    for (uint32_t i = 0; columns != NULL && i < table->index_count; i++) {
        const struct tr_index *own = &table->indexes[i];
        struct ddl_index *index = ddl_draft_index(parser, draft);
        struct ddl_key_part *parts =
            tr_table_array(parser->scratch, own->column_count * sizeof(*parts));
        if (index == NULL || (parts == NULL && own->column_count > 0)) {
            return;
        }
        for (uint32_t k = 0; k < own->column_count; k++) {
            parts[k].column =
                own->columns[k] == TR_INDEX_EXPRESSION ? NULL : &columns[own->columns[k]];
        }
        *index = (struct ddl_index){.name = own->name,
                                    .parts = parts,
                                    .part_count = own->column_count,
                                    .is_primary = own->is_primary,
                                    .is_unique = own->is_unique,
                                    .is_foreign = own->is_foreign};
    }
}
