// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/catalog.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/schema/catalog_tables.h"

static enum tr_code bind_new(struct tr_catalog *catalog, struct catalog_id *id,
                             struct tr_span map_body, bool *captured, struct tr_error *err);

enum tr_code tr_catalog_open(struct tr_catalog **catalog, const struct tr_catalog_options *options,
                             struct tr_error *err)
{
    TR_ASSERT(options->filter != NULL);
    TR_ASSERT(options->streams != NULL);
    struct tr_catalog *opened = calloc(1, sizeof(*opened));
    *catalog = opened;
    if (opened != NULL) {
        opened->ids = calloc(CATALOG_ID_SLOTS, sizeof(*opened->ids));
    }
    if (opened == NULL || opened->ids == NULL) {
        tr_catalog_close(opened);
        *catalog = NULL;
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
    }
    opened->options = *options;
    opened->epoch = 1;
    return TR_OK;
}

void tr_catalog_close(struct tr_catalog *catalog)
{
    if (catalog == NULL) {
        return;
    }
    tr_catalog_collect(catalog, UINT64_MAX);
    for (uint32_t i = 0; i < CATALOG_BUCKETS; i++) {
        while (catalog->buckets[i] != NULL) {
            struct catalog_table *table = catalog->buckets[i];
            catalog->buckets[i] = table->next;
            if (table->current != NULL) {
                catalog_version_free(catalog, table->current);
            }
            if (table->text != NULL) {
                catalog_version_free(catalog, table->text);
            }
            tr_table_close(table->model);
            free(table);
        }
    }
    free(catalog->ids);
    free(catalog);
}

uint64_t tr_catalog_memory_bytes(const struct tr_catalog *catalog)
{
    return catalog->bytes;
}

bool tr_catalog_is_lenient(const struct tr_catalog *catalog)
{
    return catalog->options.lenient;
}

enum tr_code catalog_take(struct tr_catalog *catalog, uint64_t bytes, struct tr_error *err)
{
    if (bytes > catalog->options.bytes_max || catalog->bytes > catalog->options.bytes_max - bytes) {
        return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                       "the schemas of %" PRIu32
                       " tables take more than tailrace.catalog.max.bytes = %" PRIu64
                       ": raise it, or capture fewer tables",
                       catalog->table_count, catalog->options.bytes_max);
    }
    catalog->bytes += bytes;
    return TR_OK;
}

static uint8_t folded(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static uint64_t hash_names(struct tr_span database, struct tr_span name)
{
    uint64_t hash = UINT64_C(
        14695981039346656037); /* FNV-1a; folded always: one hash serves both comparisons */

    for (size_t i = 0; i < database.bytes; i++) {
        hash = (hash ^ folded(database.data[i])) * UINT64_C(1099511628211);
    }
    hash = (hash ^ '.') * UINT64_C(1099511628211);
    for (size_t i = 0; i < name.bytes; i++) {
        hash = (hash ^ folded(name.data[i])) * UINT64_C(1099511628211);
    }
    return hash;
}

bool catalog_is_same_name(struct tr_span a, struct tr_span b, bool fold)
{
    if (!fold || a.bytes != b.bytes) {
        return tr_span_equals(a, b);
    }
    for (size_t i = 0; i < a.bytes; i++) {
        if (folded(a.data[i]) != folded(b.data[i])) {
            return false;
        }
    }
    return true;
}

struct catalog_table *catalog_table_find(const struct tr_catalog *catalog, struct tr_span database,
                                         struct tr_span name)
{
    const uint64_t hash = hash_names(database, name);
    struct catalog_table *table = catalog->buckets[hash & (CATALOG_BUCKETS - 1)];

    while (table != NULL &&
           !(table->hash == hash &&
             catalog_is_same_name(table->database, database, catalog->options.fold_names) &&
             catalog_is_same_name(table->name, name, catalog->options.fold_names))) {
        table = table->next;
    }
    return table;
}

static size_t names_bytes(struct tr_span database, struct tr_span name)
{
    return database.bytes + name.bytes + 4;
}

struct catalog_table *catalog_table_intern(struct tr_catalog *catalog, struct tr_span database,
                                           struct tr_span name, struct tr_error *err)
{
    struct catalog_table *table = catalog_table_find(catalog, database, name);
    if (table != NULL) {
        return table;
    }
    if (database.bytes > TR_CATALOG_NAME_BYTES_MAX || name.bytes > TR_CATALOG_NAME_BYTES_MAX) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "table name of %zu and %zu bytes: want at most %d each", database.bytes,
                      name.bytes, TR_CATALOG_NAME_BYTES_MAX);
        return NULL;
    }
    bool is_captured;
    const size_t bytes = sizeof(*table) + names_bytes(database, name);
    if (tr_filter_match(catalog->options.filter, database, name, &is_captured, err) != TR_OK ||
        catalog_take(catalog, bytes, err) != TR_OK) {
        return NULL;
    }
    table = calloc(1, bytes);
    if (table == NULL) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "catalog: no memory: add memory");
        return NULL;
    }
    uint8_t *at = table->names;
    *at++ =
        (uint8_t)
            database.bytes; /* names are under 251 bytes: a length-encoded integer of one byte */
    memcpy(at, database.data, database.bytes);
    table->database = tr_span_of(at, database.bytes);
    at += database.bytes + 1;
    *at++ = (uint8_t)name.bytes;
    memcpy(at, name.data, name.bytes);
    table->name = tr_span_of(at, name.bytes);
    table->is_captured = is_captured;
    table->hash = hash_names(database, name);
    table->next = catalog->buckets[table->hash & (CATALOG_BUCKETS - 1)];
    catalog->buckets[table->hash & (CATALOG_BUCKETS - 1)] = table;
    catalog->table_count++;
    catalog->ignored_bytes += is_captured ? 0 : bytes;
    return table;
}

enum tr_code tr_catalog_set_model(struct tr_catalog *catalog, struct tr_span database,
                                  struct tr_span name, struct tr_table *model, struct tr_error *err)
{
    struct catalog_table *table = model == NULL
                                      ? catalog_table_find(catalog, database, name)
                                      : catalog_table_intern(catalog, database, name, err);
    if (table == NULL) {
        return model == NULL ? TR_OK : err->code;
    }
    if (!table->is_captured) {
        return TR_OK;
    }
    catalog_version_retire(catalog, table);
    tr_table_close(table->model);
    table->model = model == NULL ? NULL : tr_table_hold(model);
    table->model_is_void = false;
    return TR_OK;
}

enum tr_code tr_catalog_is_captured(struct tr_catalog *catalog, struct tr_span database,
                                    struct tr_span name, bool *captured, struct tr_error *err)
{
    const struct catalog_table *table = catalog_table_find(catalog, database, name);

    if (table != NULL) {
        *captured = table->is_captured;
        return TR_OK;
    }
    return tr_filter_match(catalog->options.filter, database, name, captured, err);
}

/* The id's slot: taken by it, or the free one where it belongs. */
static struct catalog_id *id_slot(struct tr_catalog *catalog, uint64_t table_id)
{
    uint64_t slot = (table_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32;

    for (;; slot++) { /* bounded: at most half of the slots are taken */
        struct catalog_id *id = &catalog->ids[slot & (CATALOG_ID_SLOTS - 1)];
        if (id->table == NULL || id->table_id == table_id) {
            return id;
        }
    }
}

/* Whether the map (behind id and flags) begins with the table's names. */
static bool has_names(const struct catalog_table *table, struct tr_span map)
{
    const size_t bytes = names_bytes(table->database, table->name);
    return map.bytes >= bytes && memcmp(map.data, table->names, bytes) == 0;
}

static bool is_current(const struct catalog_table *table, struct tr_span map)
{
    const struct catalog_version *current = table->current;
    return current != NULL && current->map_bytes_count == map.bytes &&
           memcmp(current->map_bytes, map.data, map.bytes) == 0;
}

enum tr_code tr_catalog_bind(struct tr_catalog *catalog, struct tr_span map_body, bool *captured,
                             struct tr_error *err)
{
    if (map_body.bytes < CATALOG_MAP_SKIP_BYTES) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "table map of %zu bytes ends early",
                       map_body.bytes);
    }
    const struct tr_span map =
        tr_span_of(map_body.data + CATALOG_MAP_SKIP_BYTES, map_body.bytes - CATALOG_MAP_SKIP_BYTES);
    struct catalog_id *id = id_slot(catalog, tr_load_u48(map_body.data));

    if (TR_LIKELY(id->table != NULL && (id->table->is_captured ? is_current(id->table, map)
                                                               : has_names(id->table, map)))) {
        id->epoch = catalog->epoch;
        *captured = id->table->is_captured;
        return TR_OK;
    }
    return bind_new(catalog, id, map_body, captured, err);
}

static enum tr_code set_id(struct tr_catalog *catalog, struct catalog_id *id, uint64_t table_id,
                           struct catalog_table *table, struct tr_error *err)
{
    if (id->table == NULL) {
        if (catalog->id_count == TR_CATALOG_IDS_MAX) {
            return TR_FAIL(
                err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                "one transaction has table maps of more than %d tables: capture is not possible",
                TR_CATALOG_IDS_MAX);
        }
        catalog->id_count++;
    }
    *id = (struct catalog_id){.table_id = table_id, .epoch = catalog->epoch, .table = table};
    return TR_OK;
}

static enum tr_code bind_new(struct tr_catalog *catalog, struct catalog_id *id,
                             struct tr_span map_body, bool *captured, struct tr_error *err)
{
    struct tr_table_map map;
    enum tr_code code = tr_table_map_parse_head(&map, map_body, err);
    if (code != TR_OK) {
        return code;
    }
    struct catalog_table *table = catalog_table_intern(catalog, map.database, map.table, err);
    if (table == NULL) {
        return err->code;
    }
    const struct tr_span rest =
        tr_span_of(map_body.data + CATALOG_MAP_SKIP_BYTES, map_body.bytes - CATALOG_MAP_SKIP_BYTES);
    bool is_sequence = false;
    if (table->is_captured && !is_current(table, rest)) {
        code = catalog_is_sequence(catalog, table, map_body, &is_sequence, err);
        if (code == TR_OK && !is_sequence) {
            code = catalog_version_resolve(catalog, table, map_body, err);
        }
        if (code != TR_OK) {
            return code;
        }
    }
    *captured = table->is_captured && !is_sequence;
    code = set_id(catalog, id, map.table_id, table, err);
    id->is_sequence = is_sequence;
    return code;
}

enum tr_code tr_catalog_bind_cut(struct tr_catalog *catalog, struct tr_span map_head,
                                 struct tr_error *err)
{
    struct tr_table_map map;
    const enum tr_code code = tr_table_map_parse_head(&map, map_head, err);
    if (code != TR_OK) {
        return code;
    }
    struct catalog_table *table = catalog_table_intern(catalog, map.database, map.table, err);
    if (table == NULL) {
        return err->code;
    }
    if (table->is_captured) {
        return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                       "table %.*s.%.*s: its table map is larger than 256 KiB: shorten its ENUM "
                       "and SET members, or "
                       "exclude the table",
                       (int)table->database.bytes, (const char *)table->database.data,
                       (int)table->name.bytes, (const char *)table->name.data);
    }
    return set_id(catalog, id_slot(catalog, map.table_id), map.table_id, table, err);
}

enum tr_find tr_catalog_find(struct tr_catalog *catalog, uint64_t table_id,
                             struct tr_schema **schema)
{
    const struct catalog_id *id = id_slot(catalog, table_id);

    if (id->table == NULL || id->epoch != catalog->epoch) {
        return TR_FIND_NOT_BOUND;
    }
    if (!id->table->is_captured || id->is_sequence) {
        return TR_FIND_IGNORED;
    }
    if (id->table->current == NULL) {
        return TR_FIND_NOT_BOUND; /* DDL came between the map and its rows */
    }
    *schema = &id->table->current->schema;
    return TR_FIND_CAPTURED;
}

void tr_catalog_forget_ids(struct tr_catalog *catalog)
{
    catalog->epoch++;
}

static void drop_ids(struct tr_catalog *catalog)
{
    memset(catalog->ids, 0, CATALOG_ID_SLOTS * sizeof(*catalog->ids));
    catalog->id_count = 0;
}

/* Forgets tables that are not captured: nobody holds them but the ids. */
static void drop_ignored(struct tr_catalog *catalog)
{
    drop_ids(catalog);
    for (uint32_t i = 0; i < CATALOG_BUCKETS; i++) {
        struct catalog_table **link = &catalog->buckets[i];
        while (*link != NULL) {
            struct catalog_table *table = *link;
            if (table->is_captured) {
                link = &table->next;
                continue;
            }
            *link = table->next;
            catalog->bytes -= sizeof(*table) + names_bytes(table->database, table->name);
            catalog->table_count--;
            free(table);
        }
    }
    catalog->ignored_bytes = 0;
}

void tr_catalog_begin_group(struct tr_catalog *catalog)
{
    if (TR_UNLIKELY(catalog->ignored_bytes > catalog->options.bytes_max / CATALOG_IGNORED_SHARE)) {
        TR_COVER("catalog.ignored_dropped");
        drop_ignored(catalog);
    } else if (TR_UNLIKELY(catalog->id_count > CATALOG_IDS_KEPT)) {
        TR_COVER("catalog.ids_dropped");
        drop_ids(catalog);
    }
}

void tr_catalog_collect(struct tr_catalog *catalog, uint64_t routed_seq)
{
    struct catalog_version **link = &catalog->replaced;

    while (*link != NULL) {
        struct catalog_version *version = *link;
        if (version->schema.pinned_seq <= routed_seq) {
            *link = version->next;
            catalog_version_free(catalog, version);
        } else {
            link = &version->next;
        }
    }
}
