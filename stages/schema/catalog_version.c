// SPDX-License-Identifier: Apache-2.0
/* Versions: where a table's schema comes from, and what DDL does to it. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/schema/catalog_tables.h"
#include "stages/schema/map_facts.h"

#define SEQUENCE_COLUMNS 8
#define REMEDY_FULL "SET GLOBAL binlog_row_metadata=FULL on the source"

static enum tr_code choose_table(struct tr_catalog *catalog, struct catalog_table *table,
                                 struct tr_table_map *map, struct catalog_version *version,
                                 struct tr_error *err);
static enum tr_code keep_map(struct catalog_version *version, struct tr_span map_body,
                             struct tr_error *err);

static enum tr_code prefix(struct tr_error *err, const struct catalog_table *table)
{
    return tr_error_prefix(err, "table %.*s.%.*s", (int)table->database.bytes,
                           (const char *)table->database.data, (int)table->name.bytes,
                           (const char *)table->name.data);
}

enum tr_code catalog_version_resolve(struct tr_catalog *catalog, struct catalog_table *table,
                                     struct tr_span map_body, struct tr_error *err)
{
    struct tr_table_map map;
    enum tr_code code = tr_table_map_parse(&map, catalog->options.flavor, map_body, err);
    if (code != TR_OK) {
        return code;
    }
    struct catalog_version *version = calloc(1, sizeof(*version));
    if (version == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
    }
    version->schema.wire = calloc(map.column_count, sizeof(*version->schema.wire));
    if (version->schema.wire == NULL) {
        code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
    } else {
        code = tr_table_map_wire(&map, version->schema.wire, err);
    }
    if (code == TR_OK) {
        code = choose_table(catalog, table, &map, version, err);
    }
    if (code != TR_OK) {
        (void)prefix(err, table);
    } else {
        code = keep_map(version, map_body, err);
    }
    if (code == TR_OK) {
        code = catalog_version_finish(catalog, table, version, err);
    }
    if (code != TR_OK) {
        catalog_version_free(catalog, version);
        return code;
    }
    table->seen_map = true;
    table->seen_full = tr_table_map_is_full(&map);
    catalog_version_retire(catalog, table);
    table->current = version;
    if (catalog->text_table == table) {
        tr_catalog_drop_text(catalog); /* the log goes on where its snapshot ended */
    }
    return TR_OK;
}

/* As far as is known: the table's model may be of before the last statements. */
static bool has_hidden_period(const struct tr_catalog *catalog, const struct catalog_table *table)
{
    const struct tr_table *model = table->model;

    if (catalog->options.lenient || model == NULL || table->model_is_void || !model->is_versioned) {
        return false;
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        if (tr_span_equals(model->columns[i].name, tr_span_of_text(TR_PERIOD_END))) {
            return false; /* declared, and named as the hidden ones are */
        }
    }
    return true;
}

/* The order of trust: FULL metadata; the model while nothing contradicts it; else stop (or invent,
 * when lenient). */
static enum tr_code choose_table(struct tr_catalog *catalog, struct catalog_table *table,
                                 struct tr_table_map *map, struct catalog_version *version,
                                 struct tr_error *err)
{
    struct tr_error differs;
    const struct tr_wire_column *wire = version->schema.wire;
    const bool has_model = table->model != NULL && !table->model_is_void;
    const bool fits = has_model && tr_table_map_compare(map, wire, table->model, &differs) == TR_OK;

    const uint32_t hidden_count = fits ? tr_table_map_hidden_count(map, wire, table->model) : 0;

    /* `tailrace decode` prints what the log holds: the hidden columns and the history too. */
    if (fits && (hidden_count == 0 || !catalog->options.lenient)) {
        version->owned_table = tr_table_hold(table->model);
        version->schema.table = version->owned_table;
        version->schema.hidden_count = hidden_count;
        return TR_OK;
    }
    if (tr_table_map_is_full(map) || catalog->options.lenient) {
        if (has_model) {
            TR_COVER("catalog.model_contradicted");
        }
        version->owned_table = tr_table_map_build(map, wire, catalog->options.lenient, err);
        version->schema.table = version->owned_table;
        if (version->owned_table == NULL) {
            return err->code;
        }
        if (has_hidden_period(catalog, table)) {
            version->schema.hidden_count = tr_table_map_hide_period(version->owned_table, wire);
        }
        return TR_OK;
    }
    if (has_model) {
        return TR_FAIL(err, differs.code, TR_STOP,
                       "%.500s: what is known of the table is not what it was when these rows were "
                       "written (without a schema history: it was changed since; with one: that is "
                       "not of this log), and the log does not describe its columns: " REMEDY_FULL
                       ", and delete the stored offset to begin with a snapshot",
                       differs.text);
    }
    return TR_FAIL(
        err, TR_ERR_SCHEMA, TR_STOP,
        "its columns are not known: the log does not describe them, and neither a "
        "statement nor the schema history told of it (was it renamed from a table that "
        "schema.history.internal.store.only.captured.tables.ddl leaves out?): " REMEDY_FULL
        ", and delete the stored offset to begin with a snapshot");
}

/* The first name behind its length. */
static bool names_a_sequence(struct tr_span names)
{
    static const char first[] = "\x15next_not_cached_value";

    return names.bytes >= sizeof(first) - 1 && memcmp(names.data, first, sizeof(first) - 1) == 0;
}

/* The columns of a sequence: five integers of its type, cache_size, cycle_option, cycle_count (MariaDB, sql_sequence.cc). */
enum tr_code catalog_is_sequence(const struct tr_catalog *catalog,
                                 const struct catalog_table *table, struct tr_span map_body,
                                 bool *is_sequence, struct tr_error *err)
{
    static const uint8_t tail[] = {TR_WIRE_LONGLONG, TR_WIRE_TINY, TR_WIRE_LONGLONG};
    const bool has_model = table->model != NULL && !table->model_is_void;
    struct tr_table_map map;

    *is_sequence = false;
    if (catalog->options.flavor != TR_FLAVOR_MARIADB || has_model || catalog->options.lenient) {
        return TR_OK;
    }
    const enum tr_code code = tr_table_map_parse(&map, catalog->options.flavor, map_body, err);
    if (code != TR_OK || map.column_count != SEQUENCE_COLUMNS || map.null_bits.data[0] != 0) {
        return code;
    }
    const uint8_t type = map.types.data[0];
    bool is_alike = type == TR_WIRE_TINY || type == TR_WIRE_SHORT || type == TR_WIRE_INT24 ||
                    type == TR_WIRE_LONG || type == TR_WIRE_LONGLONG;
    for (uint32_t i = 1; i < SEQUENCE_COLUMNS - sizeof(tail); i++) {
        is_alike = is_alike && map.types.data[i] == type;
    }
    *is_sequence =
        is_alike &&
        memcmp(map.types.data + SEQUENCE_COLUMNS - sizeof(tail), tail, sizeof(tail)) == 0 &&
        (!tr_table_map_is_full(&map) || names_a_sequence(map.optional[TR_MAP_COLUMN_NAME]));
    if (*is_sequence) {
        TR_COVER("catalog.sequence");
    }
    return TR_OK;
}

static enum tr_code keep_map(struct catalog_version *version, struct tr_span map_body,
                             struct tr_error *err)
{
    version->map_bytes_count = map_body.bytes - CATALOG_MAP_SKIP_BYTES;
    version->map_bytes = calloc(1, version->map_bytes_count);
    if (version->map_bytes == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
    }
    memcpy(version->map_bytes, map_body.data + CATALOG_MAP_SKIP_BYTES, version->map_bytes_count);
    return TR_OK;
}

enum tr_code catalog_version_finish(struct tr_catalog *catalog, struct catalog_table *table,
                                    struct catalog_version *version, struct tr_error *err)
{
    char topic[TR_STREAM_NAME_BYTES_MAX + 1];
    struct tr_schema *schema = &version->schema;
    const size_t topic_bytes =
        tr_topic_write_name(&catalog->options.topic, table->database, table->name, topic);

    schema->stream =
        tr_streams_intern(catalog->options.streams, tr_span_of(topic, topic_bytes), err);
    if (schema->stream == NULL) {
        return err->code;
    }
    schema->version = ++catalog->next_version;
    uint64_t bytes =
        sizeof(*version) + version->map_bytes_count +
        (schema->table->column_count + schema->hidden_count) * sizeof(*schema->wire) +
        (version->owned_table != table->model ? tr_table_memory_bytes(version->owned_table) : 0);
    if (catalog->options.plans.open != NULL) {
        const enum tr_code code =
            catalog->options.plans.open(&schema->plan, schema, catalog->options.encode, err);
        if (code != TR_OK) {
            return code;
        }
        bytes += catalog->options.plans.memory_bytes(schema->plan);
    }
    const enum tr_code code = catalog_take(catalog, bytes, err);
    if (code == TR_OK) {
        version->bytes = bytes;
    }
    return code;
}

void catalog_version_retire(struct tr_catalog *catalog, struct catalog_table *table)
{
    if (table->current != NULL) {
        table->current->next = catalog->replaced;
        catalog->replaced = table->current;
        table->current = NULL;
    }
}

void catalog_version_free(struct tr_catalog *catalog, struct catalog_version *version)
{
    TR_ASSERT(catalog->bytes >= version->bytes);
    catalog->bytes -= version->bytes;
    if (version->schema.plan != NULL) {
        catalog->options.plans.close(version->schema.plan);
    }
    tr_table_close(version->owned_table);
    free(version->schema.wire);
    free(version->map_bytes);
    free(version);
}

/* Whether the next map of the table will describe its columns by itself. */
static bool log_describes(const struct tr_catalog *catalog, const struct catalog_table *table)
{
    return catalog->options.lenient ||
           (table->seen_map ? table->seen_full : catalog->options.metadata_is_full);
}

static void forget_table(struct tr_catalog *catalog, struct catalog_table *table)
{
    catalog_version_retire(catalog, table);
    table->model_is_void = true;
}

bool tr_catalog_log_describes(const struct tr_catalog *catalog, struct tr_span database,
                              struct tr_span name)
{
    const struct catalog_table *table = catalog_table_find(catalog, database, name);

    return table != NULL ? log_describes(catalog, table)
                         : catalog->options.lenient || catalog->options.metadata_is_full;
}

void tr_catalog_forget_database(struct tr_catalog *catalog, struct tr_span database)
{
    for (uint32_t i = 0; i < CATALOG_BUCKETS; i++) {
        for (struct catalog_table *table = catalog->buckets[i]; table != NULL;
             table = table->next) {
            if (catalog_is_same_name(table->database, database, catalog->options.fold_names)) {
                forget_table(catalog, table);
            }
        }
    }
}

enum tr_code tr_catalog_apply(struct tr_catalog *catalog, enum tr_table_change change,
                              const char *statement_name, struct tr_span database,
                              struct tr_span name, struct tr_error *err)
{
    struct catalog_table *table;

    if (change == TR_CHANGE_DROP_DATABASE) {
        tr_catalog_forget_database(catalog, database);
        return TR_OK;
    }
    if (name.bytes == 0 || name.bytes > TR_CATALOG_NAME_BYTES_MAX ||
        database.bytes > TR_CATALOG_NAME_BYTES_MAX) {
        return TR_OK; /* a statement on a database, or a name that no table has */
    }
    if (change == TR_CHANGE_ROWS) {
        table = catalog_table_intern(catalog, database, name, err); /* the filter decides */
        if (table == NULL) {
            return err->code;
        }
        if (!table->is_captured || catalog->options.lenient) {
            return TR_OK;
        }
        (void)TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                      "%s written as a statement, not as rows: set binlog_format=ROW for all "
                      "sessions of the source, "
                      "and go on behind it",
                      statement_name);
        return prefix(err, table);
    }
    table = catalog_table_find(catalog, database, name);
    if (table == NULL || !table->is_captured) {
        return TR_OK;
    }
    if (change == TR_CHANGE_DROP) {
        forget_table(catalog, table);
        return TR_OK;
    }
    const bool is_known = table->current != NULL || (table->model != NULL && !table->model_is_void);
    if (!is_known || change == TR_CHANGE_CREATE) {
        return TR_OK;
    }
    const struct tr_table *model =
        table->current != NULL ? table->current->schema.table : table->model;
    if (change == TR_CHANGE_KEY && model->key_count > 0) {
        return TR_OK; /* it has its key already */
    }
    if (log_describes(catalog, table)) {
        TR_COVER("catalog.version_dropped_by_ddl");
        catalog_version_retire(catalog, table);
        return TR_OK;
    }
    (void)TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                  "%s, and the log does not describe its columns: " REMEDY_FULL
                  ", then start again",
                  statement_name);
    return prefix(err, table);
}
