// SPDX-License-Identifier: Apache-2.0
/*
 * What Debezium 3.6.0.Final left behind of whole sessions, byte for byte: each document's statement
 * goes through the parser and the publisher, which must write the same document and the same record.
 * Statements that a document has only in parts (DROP and RENAME lists) are put together again.
 * tests/data/history: CASE.jsonl (documents), CASE.records.jsonl (key and value), cases.txt, KNOWN.md.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"
#include "stages/ddl/publish.h"
#include "stages/ddl/recover.h"

#include <cmocka.h>

#define LINES_MAX 128
#define LIST_MAX 16
#define JSON_BYTES_MAX (1u << 20)

struct lines {
    char *line[LINES_MAX]; /* owns */
    uint32_t count;
};

/* A document's members; spans into copies that live as long as the case. */
struct document {
    struct tr_span database;
    struct tr_span ddl;
    struct tr_span server;
    struct tr_span position; /* JSON */
    struct tr_span gtids;
    struct tr_log_point point;
    int64_t ts_ms;
    bool is_snapshot;
};

struct record {
    struct tr_span key;
    struct tr_span value;
    struct tr_ddl_place place; /* of its source block */
};

struct replay {
    char name[128];
    enum tr_flavor flavor;
    bool comments;
    bool has_records;
    struct lines documents;
    struct lines records;
    struct document document[LINES_MAX];
    struct record record[LINES_MAX];
    struct tr_table *arena; /* owns texts */
    struct tr_json_reader *reader;
    uint32_t differences;
};

static struct tr_span keep(struct replay *replay, struct tr_span text)
{
    const struct tr_span copy = tr_table_text(replay->arena, text);
    return copy.data == NULL && text.data != NULL ? tr_span_of("", 0) : copy;
}

static bool is_named(struct tr_span name, const char *wanted)
{
    return tr_span_equals(name, tr_span_of_text(wanted));
}

static void read_lines(struct lines *lines, const char *name, const char *tail)
{
    char path[512];
    size_t room = 0;

    lines->count = 0;
    (void)snprintf(path, sizeof(path), TR_TEST_DATA "/history/%s%s", name, tail);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    do {
        assert_true(lines->count < LINES_MAX);
        lines->line[lines->count] = NULL;
        room = 0;
    } while (getline(&lines->line[lines->count], &room, file) > 0 && ++lines->count > 0);
    free(lines->line[lines->count]);
    for (uint32_t i = 0; i < lines->count; i++) {
        lines->line[i][strcspn(lines->line[i], "\n")] = '\0';
    }
    (void)fclose(file);
}

static void free_lines(struct lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        free(lines->line[i]);
    }
    lines->count = 0;
}

static void read_position(struct replay *replay, struct document *document)
{
    struct tr_json_reader *reader = replay->reader;
    struct tr_span name;

    assert_true(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "file")) {
            const struct tr_span file = tr_json_get_text(reader);
            (void)snprintf(document->point.file, sizeof(document->point.file), "%.*s",
                           (int)file.bytes, (const char *)file.data);
        } else if (is_named(name, "pos")) {
            document->point.pos = tr_json_get_uint64(reader);
        } else if (is_named(name, "ts_sec")) {
            document->point.ts_sec = tr_json_get_int64(reader);
        } else if (is_named(name, "server_id")) {
            document->point.server_id = (uint32_t)tr_json_get_uint64(reader);
        } else if (is_named(name, "event")) {
            document->point.event_count = tr_json_get_uint64(reader);
        } else if (is_named(name, "row")) {
            document->point.row_count = tr_json_get_uint64(reader);
        } else if (is_named(name, "gtids")) {
            document->gtids = keep(replay, tr_json_get_text(reader));
        } else if (is_named(name, "snapshot")) {
            document->is_snapshot = true;
        }
    }
}

static void read_document(struct replay *replay, const char *line, struct document *document)
{
    struct tr_json_reader *reader = replay->reader;
    struct tr_span name;
    struct tr_error err;

    *document = (struct document){0};
    tr_json_begin(reader, tr_span_of_text(line));
    assert_true(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "databaseName")) {
            document->database = keep(replay, tr_json_get_text(reader));
        } else if (is_named(name, "ddl")) {
            document->ddl = keep(replay, tr_json_get_text(reader));
        } else if (is_named(name, "ts_ms")) {
            document->ts_ms = tr_json_get_int64(reader);
        } else if (is_named(name, "position")) {
            read_position(replay, document);
        } else if (is_named(name, "source")) {
            assert_true(tr_json_enter_object(reader));
            while (tr_json_next_member(reader, &name)) {
                document->server = keep(replay, tr_json_get_text(reader));
            }
        }
    }
    assert_int_equal(tr_json_finish(reader, &err), TR_OK);
}

static void read_source(struct replay *replay, struct record *record)
{
    struct tr_json_reader *reader = replay->reader;
    struct tr_ddl_place *place = &record->place;
    struct tr_span name;

    place->thread_id = -1;
    assert_true(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "ts_us")) {
            place->ts_us = tr_json_get_int64(reader);
        } else if (is_named(name, "server_id")) {
            place->server_id = (uint32_t)tr_json_get_uint64(reader);
        } else if (is_named(name, "pos")) {
            place->pos = tr_json_get_uint64(reader);
        } else if (is_named(name, "file")) {
            place->file = keep(replay, tr_json_get_text(reader));
        } else if (is_named(name, "gtid")) {
            place->gtid = keep(replay, tr_json_get_text_or_null(reader));
        } else if (is_named(name, "snapshot")) {
            const struct tr_span text = tr_json_get_text(reader);
            place->is_snapshot = !is_named(text, "false");
            place->is_snapshot_last = is_named(text, "last");
        } else if (is_named(name, "thread") && tr_json_type(reader) == TR_JSON_TYPE_NUMBER) {
            place->thread_id = tr_json_get_int64(reader);
        }
    }
}

static void read_payload(struct replay *replay, struct record *record)
{
    struct tr_json_reader *reader = replay->reader;
    struct tr_span name;

    assert_true(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "payload")) {
            read_payload(replay, record);
        } else if (is_named(name, "source")) {
            read_source(replay, record);
        } else if (is_named(name, "ts_ms")) {
            record->place.wall_unix_ns = tr_json_get_int64(reader) * 1000000;
        }
    }
}

/* Behind that member, from `text` on. */
static char *find_member(char *text, const char *member)
{
    char *at = text == NULL ? NULL : strstr(text, member);
    assert_non_null(at);
    return at + strlen(member);
}

/* Debezium's clock has nanoseconds in a snapshot, ours microseconds; its `row` is that of the last
 * row that was read before, ours 0. */
static struct tr_span without_oddities(struct replay *replay, struct tr_span value)
{
    char *copy = tr_table_array(replay->arena, value.bytes + 1);
    assert_non_null(copy);
    memcpy(copy, value.data, value.bytes);
    char *source = find_member(copy, "\"source\":{\"version\"");
    char *at = find_member(source, "\"ts_ns\":");
    while (at[3] >= '0' && at[3] <= '9') {
        at++;
    }
    memcpy(at, "000", 3);
    at = find_member(source, "\"row\":");
    assert_true(at[0] >= '0' && at[0] <= '9' && at[1] == ',');
    at[0] = '0';
    return tr_span_of(copy, value.bytes);
}

/* A number of thirteen digits behind the last `"ts_ms":` before the statement. */
static void set_wall(char *text, int64_t ts_ms)
{
    char digits[24];
    char *end = find_member(text, "\"databaseName\":");
    char *at = NULL;
    for (char *next = strstr(text, "\"ts_ms\":"); next != NULL && next < end;
         next = strstr(next + 1, "\"ts_ms\":")) {
        at = next;
    }
    assert_int_equal(snprintf(digits, sizeof(digits), "%" PRId64, ts_ms), 13);
    memcpy(find_member(at, "\"ts_ms\":"), digits, 13);
}

static void read_record(struct replay *replay, const char *line, struct record *record)
{
    struct tr_json_reader *reader = replay->reader;
    struct tr_span name;
    struct tr_error err;

    *record = (struct record){0};
    tr_json_begin(reader, tr_span_of_text(line));
    assert_true(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "partition_key")) {
            record->key = keep(replay, tr_json_get_text(reader));
        } else if (is_named(name, "data")) {
            record->value = without_oddities(replay, tr_json_get_text(reader));
        }
    }
    assert_int_equal(tr_json_finish(reader, &err), TR_OK);
    tr_json_begin(reader, record->value);
    read_payload(replay, record);
    assert_int_equal(tr_json_finish(reader, &err), TR_OK);
}

/* --- the statement behind documents --- */

static bool begins(struct tr_span text, const char *head)
{
    return text.bytes > strlen(head) && memcmp(text.data, head, strlen(head)) == 0;
}

/* What documents of the same list have before what is their own. */
static size_t list_head_bytes(struct tr_span ddl)
{
    if (begins(ddl, "RENAME TABLE ")) {
        return strlen("RENAME TABLE ");
    }
    if (begins(ddl, "DROP TABLE ")) {
        const uint8_t *name = memchr(ddl.data, '`', ddl.bytes);
        return name == NULL ? 0 : (size_t)(name - ddl.data);
    }
    return 0;
}

static bool is_same_statement(const struct document *a, const struct document *b)
{
    return !a->is_snapshot && a->point.pos == b->point.pos &&
           strcmp(a->point.file, b->point.file) == 0 && list_head_bytes(a->ddl) > 0 &&
           list_head_bytes(a->ddl) == list_head_bytes(b->ddl) && tr_span_equals(a->gtids, b->gtids);
}

static struct tr_span join(struct replay *replay, uint32_t from, uint32_t count)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    for (uint32_t i = 0; i < count; i++) {
        const struct tr_span ddl = replay->document[from + i].ddl;
        const size_t head = i == 0 ? 0 : list_head_bytes(ddl);
        (void)fprintf(out, "%s%.*s", i == 0 ? "" : ", ", (int)(ddl.bytes - head),
                      (const char *)ddl.data + head);
    }
    (void)fclose(out);
    const struct tr_span kept = keep(replay, tr_span_of(text, bytes));
    free(text);
    return kept;
}

/* --- comparing --- */

static void compare(struct replay *replay, const char *what, uint32_t number,
                    struct tr_span expected, struct tr_span actual)
{
    if (tr_span_equals(expected, actual)) {
        return;
    }
    replay->differences++;
    size_t at = 0;
    while (at < expected.bytes && at < actual.bytes && expected.data[at] == actual.data[at]) {
        at++;
    }
    const size_t from = at < 100 ? 0 : at - 100;
    (void)fprintf(stderr, "%s %s %u differs at byte %zu\nwant: …%.200s\ngot:  …%.*s\nof: %.*s\n",
                  replay->name, what, number + 1, at, (const char *)expected.data + from,
                  (int)(actual.bytes - from < 200 ? actual.bytes - from : 200),
                  (const char *)actual.data + from, (int)(replay->document[number].ddl.bytes),
                  (const char *)replay->document[number].ddl.data);
}

/* The session's database: a document of a rename has the new table's. */
static struct tr_span session_database(struct replay *replay, uint32_t number)
{
    static const char member[] = "\"previousId\":\"\\\"";
    const char *id = strstr(replay->documents.line[number], member);
    if (id == NULL) {
        return replay->document[number].database;
    }
    id += sizeof(member) - 1;
    return keep(replay, tr_span_of(id, (size_t)(strstr(id, "\\\"") - id)));
}

/* Publishes a statement and compares with `count` documents and records from `from` on. */
static void play(struct replay *replay, struct tr_ddl_model *model, uint32_t from, uint32_t count)
{
    static const struct tr_stream stream = {.name = "p"};
    const struct document *first = &replay->document[from];
    const struct record *record = &replay->record[from];
    const struct tr_ddl_event event = {.sql = count == 1 ? first->ddl : join(replay, from, count),
                                       .database = session_database(replay, from)};
    const struct tr_ddl_publisher publisher = {
        .flavor = replay->flavor,
        .topic_prefix = first->server,
        .stream = replay->has_records ? &stream : NULL,
        .key_schemas = replay->has_records && begins(record->key, "{\"schema\""),
        .value_schemas = replay->has_records && begins(record->value, "{\"schema\""),
        .comments = replay->comments,
        .wants_documents = true};
    struct tr_ddl_place place = record->place;
    struct tr_ddl_publication publication;
    struct tr_ddl_result result;
    struct tr_error err;

    place.point = first->point;
    place.gtids = first->gtids;
    place.is_snapshot = first->is_snapshot;
    place.wall_unix_ns = first->ts_ms * 1000000;
    assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
    assert_int_equal(tr_ddl_publish(&publisher, &event, &result, &place, &publication, &err),
                     TR_OK);
    if (publication.document_count != count ||
        (replay->has_records && publication.record_count != count)) {
        (void)fprintf(stderr, "%s document %u: %u documents and %u records instead of %u\n",
                      replay->name, from + 1, publication.document_count, publication.record_count,
                      count);
        replay->differences++;
    }
    for (uint32_t i = 1; i < count;
         i++) { /* a statement of ours has one time, Debezium's has several */
        set_wall(replay->documents.line[from + i], first->ts_ms);
        if (replay->has_records) {
            set_wall((char *)(uintptr_t)replay->record[from + i].value.data, first->ts_ms);
        }
    }
    for (uint32_t i = 0; i < count && i < publication.document_count; i++) {
        compare(replay, "document", from + i, tr_span_of_text(replay->documents.line[from + i]),
                tr_span_of(publication.documents[i].text, publication.documents[i].bytes));
    }
    const struct tr_prepared *sent = publication.records;
    for (uint32_t i = 0; i < count && sent != NULL; i++, sent = sent->next) {
        compare(replay, "key", from + i, replay->record[from + i].key,
                tr_span_of(sent->bytes, sent->key_bytes));
        compare(replay, "record", from + i, replay->record[from + i].value,
                tr_span_of(sent->bytes + sent->key_bytes, sent->value_bytes));
    }
    tr_ddl_publication_clear(&publication);
}

static void run_case(struct replay *replay)
{
    const struct tr_ddl_options options = {.flavor = replay->flavor,
                                           .hides_int_width = replay->flavor == TR_FLAVOR_MYSQL};
    struct tr_ddl_model *model;
    struct tr_error err;
    uint32_t count;

    replay->arena = tr_table_open((struct tr_span){0}, (struct tr_span){0}, 0, &err);
    assert_non_null(replay->arena);
    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    read_lines(&replay->documents, replay->name, ".jsonl");
    if (replay->has_records) {
        read_lines(&replay->records, replay->name, ".records.jsonl");
        assert_int_equal(replay->records.count, replay->documents.count);
    }
    for (uint32_t i = 0; i < replay->documents.count; i++) {
        read_document(replay, replay->documents.line[i], &replay->document[i]);
        replay->record[i] = (struct record){.place.thread_id = -1};
        if (replay->has_records) {
            read_record(replay, replay->records.line[i], &replay->record[i]);
        }
    }
    for (uint32_t from = 0; from < replay->documents.count; from += count) {
        count = 1;
        while (from + count < replay->documents.count && count < LIST_MAX &&
               is_same_statement(&replay->document[from], &replay->document[from + count])) {
            count++;
        }
        play(replay, model, from, count);
    }
    assert_true(replay->documents.count > 0);
    tr_ddl_model_close(model);
    tr_table_close(replay->arena);
    free_lines(&replay->documents);
    free_lines(&replay->records);
}

/* Differences that KNOWN.md lists for that case. */
static uint32_t known_differences(const char *name)
{
    char line[1024];
    char wanted[160];
    uint32_t count = 0;
    FILE *file = fopen(TR_TEST_DATA "/history/KNOWN.md", "r");

    assert_non_null(file);
    (void)snprintf(wanted, sizeof(wanted), "| `%s` | ", name);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, wanted, strlen(wanted)) == 0) {
            count = (uint32_t)strtoul(line + strlen(wanted), NULL, 10);
        }
    }
    (void)fclose(file);
    return count;
}

static void documents_and_records_are_debeziums(void **state)
{
    static struct replay replay;
    char line[256];
    char server[16];
    uint32_t case_count = 0;
    uint32_t wrong_count = 0;
    struct tr_error err;
    FILE *file = fopen(TR_TEST_DATA "/history/cases.txt", "r");

    (void)state;
    assert_non_null(file);
    assert_int_equal(tr_json_open(&replay.reader, JSON_BYTES_MAX, &err), TR_OK);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        assert_int_equal(sscanf(line, "%127s %15s", replay.name, server), 2);
        replay.flavor = strcmp(server, "mariadb") == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
        replay.comments = replay.flavor == TR_FLAVOR_MARIADB || strstr(line, " comments") != NULL;
        replay.has_records = strstr(line, " no-records") == NULL;
        replay.differences = 0;
        run_case(&replay);
        const uint32_t known = known_differences(replay.name);
        if (replay.differences != known) {
            (void)fprintf(stderr, "%s: %u differences, KNOWN.md has %u\n", replay.name,
                          replay.differences, known);
            wrong_count++;
        }
        case_count++;
    }
    (void)fclose(file);
    tr_json_close(replay.reader);
    assert_true(case_count > 50);
    assert_int_equal(wrong_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_and_records_are_debeziums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
