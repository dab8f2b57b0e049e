// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/model.h"

#include <stdlib.h>

#include "engine/assert.h"
#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"

#define BUCKETS 16384 /* power of two */
#define UNKNOWN_TEXT_BYTES 60

struct entry {
    struct entry *next;     /* owns; in its bucket */
    struct tr_table *table; /* owns a share */
    uint64_t hash;
};

/* A table that was replaced by the last statement: its changes may still point to it. */
struct retired {
    struct retired *next;
    struct tr_table *table; /* owns a share */
};

struct tr_ddl_model {
    struct tr_ddl_options options;
    struct entry *buckets[BUCKETS]; /* owns */
    struct ddl_database *databases; /* owns */
    struct retired *retired;        /* in scratch */
    struct tr_table *scratch;       /* owns; of the last statement */
    struct tr_ddl_change *changes;  /* in scratch */
    uint32_t change_count;
    uint32_t change_room;
    struct tr_ddl_change spare_change; /* where memory was refused */
    char server_collation[TR_COLLATION_BYTES_MAX];
    uint64_t bytes;
};

static void forget_statement(struct tr_ddl_model *model);
static void retire(struct tr_ddl_model *model, struct tr_table *table);
static struct entry **find_place(const struct tr_ddl_model *model, struct tr_span database,
                                 struct tr_span name, uint64_t *hash);
static bool is_same(const struct tr_ddl_model *model, struct tr_span a, struct tr_span b);
static void finish_changes(struct ddl_parser *parser, struct tr_ddl_result *result);

enum tr_code tr_ddl_model_open(struct tr_ddl_model **model, const struct tr_ddl_options *options,
                               struct tr_error *err)
{
    *model = calloc(1, sizeof(**model));
    if (*model == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the DDL model: add memory");
    }
    (*model)->options = *options;
    return TR_OK;
}

void tr_ddl_model_close(struct tr_ddl_model *model)
{
    if (model == NULL) {
        return;
    }
    forget_statement(model);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (model->buckets[i] != NULL) {
            struct entry *next = model->buckets[i]->next;
            tr_table_close(model->buckets[i]->table);
            free(model->buckets[i]);
            model->buckets[i] = next;
        }
    }
    while (model->databases != NULL) {
        struct ddl_database *next = model->databases->next;
        free(model->databases);
        model->databases = next;
    }
    free(model);
}

enum tr_code tr_ddl_apply(struct tr_ddl_model *model, const struct tr_ddl_event *event,
                          struct tr_ddl_result *result, struct tr_error *err)
{
    *result = (struct tr_ddl_result){0};
    forget_statement(model);
    model->scratch = tr_table_open((struct tr_span){0}, (struct tr_span){0}, 0, err);
    if (model->scratch == NULL) {
        return err->code;
    }
    struct ddl_parser parser = {.model = model, .event = event, .scratch = model->scratch};
    tr_sql_lexer_init(&parser.lexer, event->sql, event->sql_mode, model->options.flavor);
    ddl_step(&parser);
    while (ddl_take_mark(&parser, '(') || ddl_take_mark(&parser, ';')) {
    }
    const enum tr_code code = ddl_parse_statement(&parser, err);
    if (code != TR_OK) {
        return code;
    }
    if (!tr_table_is_whole(model->scratch)) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a DDL statement: add memory");
    }
    finish_changes(&parser, result);
    return TR_OK;
}

/* The statement's own text for changes that have none; what was not understood. */
static void finish_changes(struct ddl_parser *parser, struct tr_ddl_result *result)
{
    struct tr_ddl_model *model = parser->model;
    const struct tr_span sql = parser->event->sql;

    while (!ddl_at_end(parser)) {
        ddl_step(parser);
    }
    const struct tr_span whole =
        parser->from == NULL || parser->taken_end < parser->from
            ? (struct tr_span){0}
            : tr_span_of(parser->from, (size_t)(parser->taken_end - parser->from));
    result->changes = model->changes;
    result->change_count = model->change_count;
    for (uint32_t i = 0; i < model->change_count; i++) {
        struct tr_ddl_change *change = &model->changes[i];
        if (change->text.bytes == 0) { /* the whole, or the rest from there */
            const uint8_t *text = change->text.data != NULL ? change->text.data : whole.data;
            change->text = tr_span_of(text, whole.bytes - (size_t)(text - whole.data));
        }
        if (parser->unknown_at != NULL && i + 1 == model->change_count) {
            change->is_unknown = true;
            change->table = NULL;
        }
        if (!change->has_no_effect) {
            result->effect = TR_DDL_APPLIED;
        }
    }
    if (parser->unknown_at != NULL) {
        const size_t offset = (size_t)(parser->unknown_at - sql.data);
        const size_t left = sql.bytes - offset;
        result->effect = TR_DDL_UNKNOWN_EFFECT;
        result->unknown_offset = offset;
        result->unknown_what = parser->unknown_what;
        result->unknown_at =
            tr_span_of(parser->unknown_at, left < UNKNOWN_TEXT_BYTES ? left : UNKNOWN_TEXT_BYTES);
    }
}

static void forget_statement(struct tr_ddl_model *model)
{
    for (struct retired *each = model->retired; each != NULL; each = each->next) {
        tr_table_close(each->table);
    }
    model->retired = NULL;
    model->changes = NULL;
    model->change_count = 0;
    model->change_room = 0;
    tr_table_close(model->scratch);
    model->scratch = NULL;
}

/* Keeps a replaced table until the next statement. */
static void retire(struct tr_ddl_model *model, struct tr_table *table)
{
    model->bytes -= tr_table_memory_bytes(table);
    struct retired *retired =
        model->scratch == NULL ? NULL : tr_table_array(model->scratch, sizeof(*retired));
    if (retired == NULL) {
        tr_table_close(
            table); /* outside of a statement, or the statement fails for want of memory */
        return;
    }
    *retired = (struct retired){.next = model->retired, .table = table};
    model->retired = retired;
}

struct tr_ddl_change *ddl_model_change(struct ddl_parser *parser, enum tr_ddl_change_type type)
{
    struct tr_ddl_model *model = parser->model;
    if (model->change_count == model->change_room) {
        const uint32_t room = model->change_room == 0 ? 4 : 2 * model->change_room;
        struct tr_ddl_change *longer = tr_table_array(parser->scratch, room * sizeof(*longer));
        if (longer == NULL) {
            return &model->spare_change;
        }
        for (uint32_t i = 0; i < model->change_count; i++) {
            longer[i] = model->changes[i];
        }
        model->changes = longer;
        model->change_room = room;
    }
    struct tr_ddl_change *change = &model->changes[model->change_count++];
    *change = (struct tr_ddl_change){.type = type};
    return change;
}

const struct tr_ddl_options *ddl_model_options(const struct tr_ddl_model *model)
{
    return &model->options;
}

static bool is_same(const struct tr_ddl_model *model, struct tr_span a, struct tr_span b)
{
    return model->options.fold_names ? ddl_same_name(a, b) : tr_span_equals(a, b);
}

/* FNV-1a; of names without case only what has none, or can be folded by a bit. */
static uint64_t add_hash(const struct tr_ddl_model *model, uint64_t hash, struct tr_span name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        uint8_t c = name.data[i];
        if (model->options.fold_names) {
            c = c >= 0x80 ? 0 : c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        }
        hash = c == 0 ? hash : (hash ^ c) * UINT64_C(1099511628211);
    }
    return (hash ^ 0xFF) * UINT64_C(1099511628211);
}

/* Where the entry of that name hangs, or would. */
static struct entry **find_place(const struct tr_ddl_model *model, struct tr_span database,
                                 struct tr_span name, uint64_t *hash)
{
    *hash = add_hash(model, add_hash(model, UINT64_C(14695981039346656037), database), name);
    struct entry *const *place = &model->buckets[*hash % BUCKETS];
    while (*place != NULL &&
           ((*place)->hash != *hash || !is_same(model, (*place)->table->database, database) ||
            !is_same(model, (*place)->table->name, name))) {
        place = (struct entry *const *)&(*place)->next;
    }
    return (struct entry **)(uintptr_t)place;
}

struct tr_table *tr_ddl_find(const struct tr_ddl_model *model, struct tr_span database,
                             struct tr_span name)
{
    uint64_t hash;
    const struct entry *entry = *find_place(model, database, name, &hash);
    return entry == NULL ? NULL : entry->table;
}

enum tr_code tr_ddl_put(struct tr_ddl_model *model, struct tr_table *table, struct tr_error *err)
{
    uint64_t hash;
    struct entry **place = find_place(model, table->database, table->name, &hash);
    const uint64_t bytes = tr_table_memory_bytes(table);

    if (model->options.bytes_max != 0 && model->bytes + bytes > model->options.bytes_max) {
        const enum tr_code code =
            TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                    "table definitions take over %llu bytes: raise tailrace.catalog.max.bytes",
                    (unsigned long long)model->options.bytes_max);
        tr_table_close(table);
        return code;
    }
    if (*place == NULL) {
        struct entry *entry = calloc(1, sizeof(*entry));
        if (entry == NULL) {
            tr_table_close(table);
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                           "no memory for a table's entry: add memory");
        }
        entry->hash = hash;
        *place = entry;
    } else {
        retire(model, (*place)->table);
    }
    (*place)->table = table;
    model->bytes += bytes;
    return TR_OK;
}

void tr_ddl_remove(struct tr_ddl_model *model, struct tr_span database, struct tr_span name)
{
    uint64_t hash;
    struct entry **place = find_place(model, database, name, &hash);
    struct entry *entry = *place;
    if (entry == NULL) {
        return;
    }
    *place = entry->next;
    retire(model, entry->table);
    free(entry);
}

void tr_ddl_each(const struct tr_ddl_model *model,
                 bool (*on_table)(void *self, struct tr_table *table), void *self)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct entry *entry = model->buckets[i]; entry != NULL; entry = entry->next) {
            if (!on_table(self, entry->table)) {
                return;
            }
        }
    }
}

uint64_t tr_ddl_memory_bytes(const struct tr_ddl_model *model)
{
    return model->bytes;
}

static struct ddl_database **find_database(struct tr_ddl_model *model, struct tr_span name)
{
    struct ddl_database **place = &model->databases;
    while (*place != NULL && !is_same(model, (*place)->name, name)) {
        place = &(*place)->next;
    }
    return place;
}

struct tr_span tr_ddl_database_charset(const struct tr_ddl_model *model, struct tr_span database)
{
    for (const struct ddl_database *each = model->databases; each != NULL; each = each->next) {
        if (is_same(model, each->name, database)) {
            return tr_collation_charset(each->collation);
        }
    }
    return (struct tr_span){0};
}

struct tr_span ddl_model_database_collation(const struct ddl_parser *parser,
                                            struct tr_span database)
{
    const struct tr_ddl_event *event = parser->event;
    const struct ddl_database *known = *find_database(parser->model, database);
    char name[TR_COLLATION_BYTES_MAX];

    if (known != NULL) {
        return known->collation;
    }
    if (event->database_collation != 0 && is_same(parser->model, event->database, database)) {
        const struct tr_span told =
            tr_collation_name(parser->model->options.flavor, event->database_collation, name);
        if (told.bytes > 0) {
            return tr_table_text(parser->scratch, told);
        }
    }
    return ddl_model_server_collation(parser);
}

struct tr_span ddl_model_server_collation(const struct ddl_parser *parser)
{
    const struct tr_ddl_model *model = parser->model;
    char name[TR_COLLATION_BYTES_MAX];

    if (parser->event->server_collation != 0) {
        const struct tr_span told =
            tr_collation_name(model->options.flavor, parser->event->server_collation, name);
        if (told.bytes > 0) {
            return tr_table_text(parser->scratch, told);
        }
    }
    if (model->server_collation[0] != '\0') {
        return tr_span_of_text(model->server_collation);
    }
    return tr_span_of_text(model->options.flavor == TR_FLAVOR_MARIADB ? "latin1_swedish_ci"
                                                                      : "utf8mb4_0900_ai_ci");
}

void ddl_model_set_server_collation(struct tr_ddl_model *model, struct tr_span collation)
{
    if (collation.bytes > 0 && collation.bytes < sizeof(model->server_collation)) {
        memcpy(model->server_collation, collation.data, collation.bytes);
        model->server_collation[collation.bytes] = '\0';
    }
}

enum tr_code ddl_model_set_database(struct tr_ddl_model *model, struct tr_span database,
                                    struct tr_span collation, struct tr_error *err)
{
    struct ddl_database **place = find_database(model, database);
    struct ddl_database *made = calloc(1, sizeof(*made) + database.bytes + collation.bytes + 1);
    if (made == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a database's entry: add memory");
    }
    if (database.bytes > 0) {
        memcpy(made->bytes, database.data, database.bytes);
    }
    if (collation.bytes > 0) {
        memcpy(made->bytes + database.bytes, collation.data, collation.bytes);
    }
    made->name = tr_span_of(made->bytes, database.bytes);
    made->collation = tr_span_of(made->bytes + database.bytes, collation.bytes);
    if (*place != NULL) {
        struct ddl_database *old = *place;
        made->next = old->next;
        *place = made;
        free(old);
    } else {
        *place = made;
    }
    return TR_OK;
}

void ddl_model_drop_database(struct tr_ddl_model *model, struct tr_span database)
{
    struct ddl_database **place = find_database(model, database);
    struct ddl_database *known = *place;
    if (known != NULL) {
        *place = known->next;
        free(known);
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        struct entry **at = &model->buckets[i];
        while (*at != NULL) {
            struct entry *entry = *at;
            if (is_same(model, entry->table->database, database)) {
                *at = entry->next;
                retire(model, entry->table);
                free(entry);
            } else {
                at = &entry->next;
            }
        }
    }
}
