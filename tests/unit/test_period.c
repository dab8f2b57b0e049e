// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "stages/decode/decode.h"
#include "tests/check.h"
#include "tests/support/event_vectors.h"
#include "tests/support/tape.h"

/* Source: mariadb1011-versioning.000001: table sv.v (id INT PRIMARY KEY, x VARCHAR(10)) WITH SYSTEM
 * VERSIONING under FULL metadata: INSERT of two rows, UPDATE with the history row it makes, DELETE.
 */
static const char map_versioned[] =
    "00f1536513070000005400000038030000000012000000000001000273760001760004030f111104"
    "0a000606020101000201080417026964017809726f775f737461727407726f775f656e6408020003"
    "8306f24e";
static const char write_two[] =
    "00f1536517070000004b0000008303000000001200000000000100040ff00100000001616553f100"
    "01e2407fffffff0f423ff00200000001626553f10001e2407fffffff0f423f91d1033e";
static const char update_current[] =
    "64f1536518070000004c000000a004000000001200000000000000040f0ff00100000001616553f1"
    "0001e2407fffffff0f423ff00100000001636553f16407a1207fffffff0f423f784527d3";
static const char write_history[] =
    "64f15365170700000036000000d604000000001200000000000100040ff00100000001616553f100"
    "01e2406553f16407a120a42f0cf7";
static const char update_ends[] =
    "c8f1536518070000004c000000ee05000000001200000000000100040f0ff00200000001626553f1"
    "0001e2407fffffff0f423ff00200000001626553f10001e2406553f1c8000000fb1d2ab1";

static const struct tr_encode_options plain_options = {
    .flavor = TR_FLAVOR_MARIADB,
    .topic_prefix = {(const uint8_t *)"p", 1},
    .tombstones_on_delete = true,
    .row_bytes_max = 8u * 1024 * 1024,
};

static char records[4096]; /* per record its key, its images and its op; a tombstone is a key */

static void collect(struct tr_tape *tape, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)tape;
    (void)stream;
    const char *bytes = (const char *)record->fragment->bytes;
    char value[2048];
    const size_t used = strlen(records);

    assert_true(record->value_bytes < sizeof(value));
    memcpy(value, bytes + record->value_at, record->value_bytes);
    value[record->value_bytes] = '\0';
    char *source = strstr(value, ",\"source\"");
    const char *op = strstr(value, "\"op\"");
    if (source != NULL) {
        *source = '\0';
    }
    (void)snprintf(records + used, sizeof(records) - used, "%.*s %s %.1s\n", (int)record->key_bytes,
                   bytes + record->key_at, value, op == NULL ? "" : op + 6);
}

static void open_tape(struct tr_tape *tape, const struct tr_encode_options *options)
{
    struct tr_error err = {0};
    uint8_t event[VECTOR_BYTES_MAX];

    records[0] = '\0';
    tr_tape_open(tape, options);
    tape->on_record = collect;
    struct tr_table *table = tr_table_open(tr_span_of_text("sv"), tr_span_of_text("v"), 2, &err);
    assert_non_null(table);
    table->columns[0] = (struct tr_column){.name = tr_span_of_text("id"), .type = TR_COLUMN_INT};
    table->columns[1] = (struct tr_column){.name = tr_span_of_text("x"),
                                           .type = TR_COLUMN_VARCHAR,
                                           .charset = TR_CHARSET_LATIN1,
                                           .is_nullable = true};
    table->key_columns = tr_table_array(table, sizeof(uint16_t));
    table->key_count = 1;
    table->is_versioned = true;
    (void)tr_tape_add_table(tape, table);
    const size_t bytes = vector_bytes(map_versioned, event);
    assert_int_equal(tr_tape_map(tape, event + 19, bytes - 19 - 4, &err), TR_OK);
}

/* The event, the row_end of its last image set to `row_end` when that is given. */
static enum tr_code play(struct tr_tape *tape, const char *hex, const char *row_end,
                         struct tr_error *err)
{
    uint8_t event[VECTOR_BYTES_MAX];
    uint8_t end[VECTOR_BYTES_MAX];
    const size_t bytes = vector_bytes(hex, event);

    if (row_end != NULL) {
        assert_int_equal(vector_bytes(row_end, end), 7);
        memcpy(event + bytes - 4 - 7, end, 7);
    }
    return tr_tape_rows(tape, event, bytes - 4, err);
}

static void expect(const struct tr_encode_options *options, const char *hex, const char *row_end,
                   const char *wanted)
{
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_error err = {0};

    assert_non_null(tape);
    open_tape(tape, options);
    assert_int_equal(play(tape, hex, row_end, &err), TR_OK);
    assert_string_equal(records, wanted);
    tr_tape_close(tape);
    free(tape);
}

static void current_rows_are_created_without_their_period(void **state)
{
    (void)state;
    expect(&plain_options, write_two, NULL,
           "{\"id\":1} {\"before\":null,\"after\":{\"id\":1,\"x\":\"a\"} c\n"
           "{\"id\":2} {\"before\":null,\"after\":{\"id\":2,\"x\":\"b\"} c\n");
    /* MariaDB 11.5 and later: the largest TIMESTAMP is of 2106. */
    expect(&plain_options, write_history, "ffffffff0f423f",
           "{\"id\":1} {\"before\":null,\"after\":{\"id\":1,\"x\":\"a\"} c\n");
}

static void update_between_current_rows_is_an_update(void **state)
{
    (void)state;
    expect(&plain_options, update_current, NULL,
           "{\"id\":1} {\"before\":{\"id\":1,\"x\":\"a\"},\"after\":{\"id\":1,\"x\":\"c\"} u\n");
}

static void rows_of_the_history_do_not_come_out(void **state)
{
    (void)state;
    expect(&plain_options, write_history, NULL, "");
    expect(&plain_options, write_history, "7fffffff0f423e", "");
}

static void update_that_ends_the_period_is_a_delete(void **state)
{
    (void)state;
    expect(&plain_options, update_ends, NULL,
           "{\"id\":2} {\"before\":{\"id\":2,\"x\":\"b\"},\"after\":null d\n"
           "{\"id\":2}  \n");
}

static void skipped_operations_are_those_that_come_out(void **state)
{
    struct tr_encode_options options = plain_options;

    (void)state;
    options.skipped_ops = 1u << TR_ROW_DELETE;
    expect(&options, update_ends, NULL, "");
    options.skipped_ops = 1u << TR_ROW_UPDATE;
    expect(&options, update_current, NULL, "");
    expect(&options, update_ends, NULL,
           "{\"id\":2} {\"before\":{\"id\":2,\"x\":\"b\"},\"after\":null d\n"
           "{\"id\":2}  \n");
}

static void rows_cut_inside_their_period_are_refused(void **state)
{
    uint8_t event[VECTOR_BYTES_MAX];
    const size_t bytes = vector_bytes(update_ends, event) - 4;

    (void)state;
    for (size_t cut = 1; cut <= 14; cut++) {
        struct tr_tape *tape = calloc(1, sizeof(*tape));
        struct tr_error err = {0};
        assert_non_null(tape);
        open_tape(tape, &plain_options);
        assert_int_equal(tr_tape_rows(tape, event, bytes - cut, &err), TR_ERR_SCHEMA);
        assert_string_equal(records, "");
        tr_tape_close(tape);
        free(tape);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(current_rows_are_created_without_their_period),
        cmocka_unit_test(update_between_current_rows_is_an_update),
        cmocka_unit_test(rows_of_the_history_do_not_come_out),
        cmocka_unit_test(update_that_ends_the_period_is_a_delete),
        cmocka_unit_test(skipped_operations_are_those_that_come_out),
        cmocka_unit_test(rows_cut_inside_their_period_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
