// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/publish.h"

#include <stdlib.h>
#include <string.h>

#include "stages/ddl/publish_json.h"
#include "stages/ddl/publish_plan.h"
#include "stages/ddl/publish_schema.h"

#define DEBEZIUM_VERSION "3.6.0.Final"

static const char *const type_names[] = {"CREATE", "ALTER", "DROP", ""};

/* What all texts of a statement are written from. */
struct writing {
    const struct tr_ddl_publisher *publisher;
    const struct tr_ddl_place *place;
    const struct ddl_entry *entry;
    const char *snapshot; /* of the record's source */
    size_t row_at;        /* out: of the record's source */
};

static bool add_document(struct tr_ddl_publication *publication, const struct writing *writing);
static bool add_record(struct tr_ddl_publication *publication, struct tr_prepared **last,
                       struct writing *writing);

/* Rows logged as statements: Debezium passes over them, by their first seven letters. */
static bool is_row_statement(struct tr_span sql)
{
    static const char *const heads[] = {"INSERT ", "UPDATE ", "DELETE "};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        size_t same = 0;
        while (same < 7 && same < sql.bytes &&
               (sql.data[same] == heads[i][same] ||
                (sql.data[same] & 0xDF) == (uint8_t)heads[i][same])) {
            same++;
        }
        if (same == 7) {
            return true;
        }
    }
    return false;
}

enum tr_code tr_ddl_publish(const struct tr_ddl_publisher *publisher,
                            const struct tr_ddl_event *event, const struct tr_ddl_result *result,
                            const struct tr_ddl_place *place,
                            struct tr_ddl_publication *publication, struct tr_error *err)
{
    struct tr_prepared *last = NULL;
    struct ddl_plan plan;
    bool is_whole = true;

    *publication = (struct tr_ddl_publication){0};
    if (tr_ddl_is_filtered(event->sql) || is_row_statement(event->sql)) {
        return TR_OK;
    }
    if (ddl_plan_make(&plan, publisher, event, result, err) != TR_OK) {
        return err->code;
    }
    uint32_t last_sent = 0;
    for (uint32_t i = 0; i < plan.entry_count; i++) {
        last_sent = plan.entries[i].is_sent ? i : last_sent;
    }
    publication->documents = calloc(plan.entry_count + 1, sizeof(*publication->documents));
    is_whole = publication->documents != NULL;
    for (uint32_t i = 0; i < plan.entry_count && is_whole; i++) {
        const struct ddl_entry *entry = &plan.entries[i];
        const bool is_last = place->is_snapshot_last && i == last_sent;
        struct writing writing = {.publisher = publisher,
                                  .place = place,
                                  .entry = entry,
                                  .snapshot = is_last              ? "last"
                                              : place->is_snapshot ? "true"
                                                                   : "false"};
        is_whole = (!entry->is_stored || add_document(publication, &writing)) &&
                   (!entry->is_sent || add_record(publication, &last, &writing));
    }
    ddl_plan_free(&plan);
    if (!is_whole) {
        tr_ddl_publication_clear(publication);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "no memory for what a DDL statement leaves behind: add memory");
    }
    return TR_OK;
}

void tr_ddl_publication_clear(struct tr_ddl_publication *publication)
{
    for (uint32_t i = 0; i < publication->document_count; i++) {
        free(publication->documents[i].text);
    }
    free(publication->documents);
    while (publication->records != NULL) {
        struct tr_prepared *next = publication->records->next;
        free(publication->records);
        publication->records = next;
    }
    *publication = (struct tr_ddl_publication){0};
}

static void add_number(struct ddl_text *text, const char *member, int64_t number)
{
    ddl_text_add(text, member);
    ddl_text_add_number(text, number);
}

static void add_string(struct ddl_text *text, const char *member, struct tr_span value,
                       enum ddl_form form)
{
    ddl_text_add(text, member);
    ddl_text_add_string(text, value, form);
}

/* A string, or null where there is none. */
static void add_string_or_null(struct ddl_text *text, const char *member, struct tr_span value,
                               bool has_value, enum ddl_form form)
{
    ddl_text_add(text, member);
    if (has_value) {
        ddl_text_add_string(text, value, form);
    } else {
        ddl_text_add(text, "null");
    }
}

static struct ddl_print print_of(const struct writing *writing, enum ddl_form form)
{
    return (struct ddl_print){.flavor = writing->publisher->flavor,
                              .form = form,
                              .comments = writing->publisher->comments};
}

/* --- documents: contract §5.1 --- */

/* Members in the order that Debezium's hash map happens to have. */
static void add_position(struct ddl_text *text, const struct tr_ddl_place *place)
{
    const struct tr_log_point *point = &place->point;

    ddl_text_add(text, ",\"position\":{");
    if (point->ts_sec != 0) {
        add_number(text, "\"ts_sec\":", point->ts_sec);
        ddl_text_add(text, ",");
    }
    add_string(text, "\"file\":", tr_span_of_text(point->file), DDL_FORM_DOCUMENT);
    add_number(text, ",\"pos\":", (int64_t)point->pos);
    if (place->gtids.bytes > 0) {
        add_string(text, ",\"gtids\":", place->gtids, DDL_FORM_DOCUMENT);
    }
    if (place->is_snapshot) {
        ddl_text_add(text, ",\"snapshot\":\"INITIAL\"");
    }
    if (point->row_count != 0) {
        add_number(text, ",\"row\":", (int64_t)point->row_count);
    }
    if (point->server_id != 0) {
        add_number(text, ",\"server_id\":", point->server_id);
    }
    if (point->event_count != 0) {
        add_number(text, ",\"event\":", (int64_t)point->event_count);
    }
    ddl_text_add(text, "}");
}

static void add_document_change(struct ddl_text *text, const struct writing *writing)
{
    const struct ddl_entry *entry = writing->entry;
    const struct ddl_print print = print_of(writing, DDL_FORM_DOCUMENT);

    if (entry->type == DDL_ENTRY_DATABASE ||
        (entry->table == NULL && entry->type != DDL_ENTRY_DROP)) {
        return;
    }
    ddl_text_add(text, "{\"type\":\"");
    ddl_text_add(text, type_names[entry->type]);
    ddl_text_add(text, "\",\"id\":");
    ddl_text_add_id(text, entry->database, entry->change->name, print.form);
    if (entry->is_rename) {
        ddl_text_add(text, ",\"previousId\":");
        ddl_text_add_id(text, entry->change->previous_database, entry->change->previous_name,
                        print.form);
    }
    if (entry->type != DDL_ENTRY_DROP) {
        const struct tr_span comment = ddl_visible_comment(entry->table, &print);
        ddl_text_add(text, ",\"table\":");
        ddl_text_add_table(text, entry->table, &print);
        add_string_or_null(text, ",\"comment\":", comment, comment.data != NULL, print.form);
    }
    ddl_text_add(text, "}");
}

static bool add_document(struct tr_ddl_publication *publication, const struct writing *writing)
{
    const struct ddl_entry *entry = writing->entry;
    struct ddl_text text = {0};

    add_string(&text, "{\"source\":{\"server\":", writing->publisher->topic_prefix,
               DDL_FORM_DOCUMENT);
    ddl_text_add(&text, "}");
    add_position(&text, writing->place);
    add_number(&text, ",\"ts_ms\":", writing->place->wall_unix_ns / 1000000);
    add_string(&text, ",\"databaseName\":", entry->database, DDL_FORM_DOCUMENT);
    add_string(&text, ",\"ddl\":", entry->text, DDL_FORM_DOCUMENT);
    ddl_text_add(&text, ",\"tableChanges\":[");
    add_document_change(&text, writing);
    ddl_text_add(&text, "]}");
    if (text.refused) {
        ddl_text_free(&text);
        return false;
    }
    publication->documents[publication->document_count].text = (char *)text.bytes;
    publication->documents[publication->document_count].bytes = text.used;
    publication->document_count++;
    return true;
}

/* --- records: contract §1.3, §4.9 --- */

static void add_source(struct ddl_text *text, struct writing *writing)
{
    const struct tr_ddl_publisher *publisher = writing->publisher;
    const struct tr_ddl_place *place = writing->place;
    const struct ddl_entry *entry = writing->entry;
    const enum ddl_form form = DDL_FORM_RECORD;

    ddl_text_add(text, "{\"source\":{\"version\":\"" DEBEZIUM_VERSION "\",\"connector\":");
    ddl_text_add(text, publisher->flavor == TR_FLAVOR_MARIADB ? "\"mariadb\"" : "\"mysql\"");
    add_string(text, ",\"name\":", publisher->topic_prefix, form);
    add_number(text, ",\"ts_ms\":", place->ts_us / 1000);
    ddl_text_add(text, ",\"snapshot\":\"");
    ddl_text_add(text, writing->snapshot);
    add_string(text, "\",\"db\":", entry->database, form);
    add_number(text, ",\"sequence\":null,\"ts_us\":", place->ts_us);
    add_number(text, ",\"ts_ns\":", place->ts_us * 1000);
    add_string_or_null(text, ",\"table\":", entry->source_tables, entry->source_tables.data != NULL,
                       form);
    add_number(text, ",\"server_id\":", place->is_snapshot ? 0 : place->server_id);
    add_string_or_null(text, ",\"gtid\":", place->gtid, place->gtid.bytes > 0, form);
    add_string(text, ",\"file\":", place->file, form);
    add_number(text, ",\"pos\":", (int64_t)place->pos);
    ddl_text_add(text, ",\"row\":");
    writing->row_at = text->used;
    ddl_text_add(text, "0,\"thread\":");
    if (place->thread_id < 0) {
        ddl_text_add(text, "null");
    } else {
        ddl_text_add_number(text, place->thread_id);
    }
    ddl_text_add(text, ",\"query\":null}");
}

static void add_record_change(struct ddl_text *text, const struct writing *writing)
{
    const struct ddl_entry *entry = writing->entry;
    const struct ddl_print print = print_of(writing, DDL_FORM_RECORD);

    if (entry->type == DDL_ENTRY_DATABASE ||
        (entry->table == NULL && entry->type != DDL_ENTRY_DROP)) {
        return;
    }
    ddl_text_add(text, "{\"type\":\"");
    ddl_text_add(text, type_names[entry->type]);
    ddl_text_add(text, "\",\"id\":");
    ddl_text_add_id(text, entry->database, entry->change->name, print.form);
    ddl_text_add(text, ",\"table\":");
    if (entry->type == DDL_ENTRY_DROP) {
        ddl_text_add(text, "null");
    } else {
        ddl_text_add_table(text, entry->table, &print);
    }
    ddl_text_add(text, "}");
}

static void add_value(struct ddl_text *text, struct writing *writing)
{
    const struct tr_ddl_publisher *publisher = writing->publisher;
    const struct tr_ddl_place *place = writing->place;
    const int64_t ts_ms =
        publisher->envelope_ts_is_source ? place->ts_us / 1000 : place->wall_unix_ns / 1000000;

    if (publisher->value_schemas) {
        ddl_text_add_value_schema(text, publisher->flavor);
    }
    add_source(text, writing);
    add_number(text, ",\"ts_ms\":", ts_ms);
    add_string(text, ",\"databaseName\":", writing->entry->database, DDL_FORM_RECORD);
    add_string(text, ",\"schemaName\":null,\"ddl\":", writing->entry->text, DDL_FORM_RECORD);
    ddl_text_add(text, ",\"tableChanges\":[");
    add_record_change(text, writing);
    ddl_text_add(text, publisher->value_schemas ? "]}}" : "]}");
}

static void add_key(struct ddl_text *text, const struct writing *writing)
{
    if (writing->publisher->key_schemas) {
        ddl_text_add_key_schema(text, writing->publisher->flavor);
    }
    add_string(text, "{\"databaseName\":", writing->entry->database, DDL_FORM_RECORD);
    ddl_text_add(text, writing->publisher->key_schemas ? "}}" : "}");
}

static bool add_record(struct tr_ddl_publication *publication, struct tr_prepared **last,
                       struct writing *writing)
{
    struct ddl_text text = {0};

    add_key(&text, writing);
    const size_t key_bytes = text.used;
    add_value(&text, writing);
    const bool fits = !text.refused && text.used <= UINT32_MAX;
    struct tr_prepared *record = fits ? calloc(1, sizeof(*record) + text.used) : NULL;
    if (record != NULL) {
        *record = (struct tr_prepared){
            .stream = writing->publisher->stream,
            .key_bytes = (uint32_t)key_bytes,
            .value_bytes = (uint32_t)(text.used - key_bytes),
            .row_at = writing->place->is_snapshot ? 0 : (uint32_t)(writing->row_at - key_bytes)};
        memcpy(record->bytes, text.bytes, text.used);
        *(*last == NULL ? &publication->records : &(*last)->next) = record;
        *last = record;
        publication->record_count++;
    }
    ddl_text_free(&text);
    return record != NULL;
}
