// SPDX-License-Identifier: Apache-2.0
/*
 * Tapes of real servers against what Debezium Server 3.6.0.Final made of the same statements, byte
 * for byte.
 *
 * tests/data/decode/CASE/: binlog.000001 (the server's log of the case's changes), schema.txt (the
 * tables as SHOW CREATE TABLE tells them, see tape.c), expected.txt (STREAM, key, value by tabs;
 * times, positions and ids are set to the ones below; of cases with schemas the first records of
 * each stream). Deliberate difference: negative TIME inside JSON is printed right (contract 12.3).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/support/tape.h"

#define RECORDS_MAX 4096

/* A record as text: STREAM \t KEY \t VALUE. */
struct lines {
    char *text[RECORDS_MAX];
    size_t stream_bytes[RECORDS_MAX];
    uint32_t count;
};

static struct lines actual;
static struct lines expected;

static void add_line(struct lines *lines, char *text)
{
    assert_true(lines->count < RECORDS_MAX);
    lines->text[lines->count] = text;
    lines->stream_bytes[lines->count++] = strcspn(text, "\t");
}

static void clear_lines(struct lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        free(lines->text[i]);
    }
    lines->count = 0;
}

static void collect(struct tr_tape *tape, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    char *text = NULL;

    (void)tape;
    assert_int_equal((record->flags & TR_RECORD_KEYLESS) != 0, record->key_bytes == 0);
    assert_true(asprintf(&text, "%s\t%.*s\t%.*s", stream->name, (int)record->key_bytes,
                         (const char *)tr_record_key(record), (int)record->value_bytes,
                         (const char *)tr_record_value(record)) > 0);
    add_line(&actual, text);
}

static void read_expected(const char *path)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        fail_msg("cannot read %s", path);
    }
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        add_line(&expected, line);
        line = NULL;
        room = 0;
    }
    free(line);
    (void)fclose(file);
}

/* The lines of one stream, in order, must be the expected ones; `whole` = and no more than those.
 */
static void compare_streams(const char *name, bool whole)
{
    for (uint32_t e = 0; e < expected.count;) {
        const char *stream = expected.text[e];
        const size_t stream_bytes = expected.stream_bytes[e] + 1;
        uint32_t a = 0;
        for (; e < expected.count && strncmp(expected.text[e], stream, stream_bytes) == 0;
             e++, a++) {
            while (a < actual.count && strncmp(actual.text[a], stream, stream_bytes) != 0) {
                a++;
            }
            if (a == actual.count) {
                fail_msg("%s: missing: %s", name, expected.text[e]);
            }
            if (strcmp(actual.text[a], expected.text[e]) != 0) {
                fail_msg("%s:\n got  %.900s\n want %.900s", name, actual.text[a], expected.text[e]);
            }
        }
    }
    if (whole) {
        assert_int_equal(actual.count, expected.count);
    }
}

/* Fills `actual`. */
static void play_tape(const char *name, uint32_t fragment_room_bytes)
{
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    char path[512];
    const bool has_schemas = strstr(name, "_schemas") != NULL;
    const struct tr_encode_options options = {
        .flavor = strncmp(name, "mariadb", 7) == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL,
        .topic_prefix = tr_span_of_text("p"),
        .key_schemas = has_schemas,
        .value_schemas = has_schemas,
        .tombstones_on_delete = true,
        .enable_time_adjuster = true,
        .row_bytes_max = 1u << 20,
    };

    assert_non_null(tape);
    clear_lines(&actual);
    clear_lines(&expected);
    tape->on_record = collect;
    tape->fragment_room_bytes = fragment_room_bytes;
    tr_tape_open(tape, &options);
    tape->item =
        (struct tr_unit_item){.ts_us = INT64_C(1700000000123456), .thread_id = 56, .pos = 4};
    tape->item_is_fixed = true;
    tape->wall_unix_ns = INT64_C(1800000000123456789);
    (void)snprintf(path, sizeof(path), "%s/decode/%s/schema.txt", TR_TEST_DATA, name);
    tr_tape_load_schemas(tape, path);
    (void)snprintf(path, sizeof(path), "%s/decode/%s/binlog.000001", TR_TEST_DATA, name);
    tr_tape_play(tape, path);
    tr_tape_close(tape);
    free(tape);
}

static void play_case(const char *name, uint32_t fragment_room_bytes)
{
    char path[512];

    play_tape(name, fragment_room_bytes);
    (void)snprintf(path, sizeof(path), "%s/decode/%s/expected.txt", TR_TEST_DATA, name);
    read_expected(path);
    assert_true(expected.count > 0);
    compare_streams(name, strstr(name, "_schemas") == NULL);
    clear_lines(&actual);
    clear_lines(&expected);
}

static void records_of_a_tape_equal_debeziums_whatever_the_fragment_size(void **state)
{
    play_case(*state, 0);
    play_case(*state, 40u * 1024);
    play_case(*state, 64); /* everything in jumbos */
}

/* The same rows in a table with COMPRESSED, INET4 and INET6 columns and in one with plain text. */
static void compressed_columns_and_addresses_give_the_records_of_plain_text(void **state)
{
    (void)state;
    play_tape("mariadb_compressed_columns", 0);
    const uint32_t half = actual.count / 2;
    assert_int_equal(actual.count, 2 * 8); /* 4 inserts, 2 updates, a delete with its tombstone */
    for (uint32_t i = 0; i < half; i++) {
        char *packed = actual.text[i];
        for (char *at = strstr(packed, "packed"); at != NULL; at = strstr(at, "packed")) {
            memcpy(at, "plain", 5);
            memmove(at + 5, at + 6, strlen(at + 6) + 1);
        }
        assert_string_equal(packed, actual.text[half + i]);
    }
    clear_lines(&actual);
    clear_lines(&expected);
}

#define TAPE(name)                                                                                 \
    {                                                                                              \
        "tape " name, records_of_a_tape_equal_debeziums_whatever_the_fragment_size, NULL, NULL,    \
            (char[])                                                                               \
        {                                                                                          \
            name                                                                                   \
        }                                                                                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_columns_and_addresses_give_the_records_of_plain_text),
        TAPE("types_numeric"),
        TAPE("types_temporal"),
        TAPE("types_text"),
        TAPE("types_binary"),
        TAPE("types_json"),
        TAPE("types_spatial"),
        TAPE("types_defaults"),
        TAPE("json_text"),
        TAPE("keys"),
        TAPE("mariadb_types_numeric"),
        TAPE("mariadb_types_temporal"),
        TAPE("mariadb_types_own"),
        TAPE("mariadb_types_text"),
        TAPE("mariadb_keys"),
        TAPE("mariadb_old_temporals"),
        TAPE("types_numeric_schemas"),
        TAPE("types_temporal_schemas"),
        TAPE("types_text_schemas"),
        TAPE("types_spatial_schemas"),
        TAPE("types_defaults_schemas"),
        TAPE("keys_schemas"),
        TAPE("mariadb_types_own_schemas"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
