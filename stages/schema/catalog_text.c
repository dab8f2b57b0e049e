// SPDX-License-Identifier: Apache-2.0
/* Versions of the snapshot: rows as the server's texts. */
#include <stdlib.h>

#include "stages/schema/catalog_tables.h"
#include "stages/schema/wire_column.h"

static enum tr_code make(struct tr_catalog *catalog, struct catalog_table *table,
                         struct catalog_version *version, struct tr_error *err)
{
    struct tr_table *model = table->model;

    version->owned_table = tr_table_hold(model);
    version->schema.table = model;
    version->schema.wire = calloc(model->column_count, sizeof(*version->schema.wire));
    if (version->schema.wire == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        version->schema.wire[i] = tr_wire_column_of(&model->columns[i]);
    }
    return catalog_version_finish(catalog, table, version, err);
}

enum tr_code tr_catalog_bind_text(struct tr_catalog *catalog, struct tr_span database,
                                  struct tr_span name, struct tr_schema **schema, bool *captured,
                                  struct tr_error *err)
{
    struct catalog_table *table = catalog_table_intern(catalog, database, name, err);

    if (table == NULL) {
        return err->code;
    }
    *captured = table->is_captured;
    if (!table->is_captured) {
        return TR_OK;
    }
    const bool has_model = table->model != NULL && !table->model_is_void;
    if (!has_model && table->current != NULL) {
        /* TRUNCATE behind a statement not understood: as the log has described the table since. */
        *schema = &table->current->schema;
        return TR_OK;
    }
    if (!has_model) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                       "table %.*s.%.*s: its columns are not known, so that no row of a snapshot "
                       "and no TRUNCATE of it can be sent: take the snapshot again, or exclude "
                       "the table",
                       (int)database.bytes, (const char *)database.data, (int)name.bytes,
                       (const char *)name.data);
    }
    if (table->text == NULL || table->text->schema.table != table->model) {
        tr_catalog_drop_text(catalog);
        struct catalog_version *version = calloc(1, sizeof(*version));
        if (version == NULL) {
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
        }
        if (make(catalog, table, version, err) != TR_OK) {
            catalog_version_free(catalog, version);
            return err->code;
        }
        table->text = version;
        catalog->text_table = table;
    }
    *schema = &table->text->schema;
    return TR_OK;
}

void tr_catalog_drop_text(struct tr_catalog *catalog)
{
    if (catalog->text_table != NULL) {
        struct catalog_version *version = catalog->text_table->text;
        version->next = catalog->replaced;
        catalog->replaced = version;
        catalog->text_table->text = NULL;
        catalog->text_table = NULL;
    }
}
