// SPDX-License-Identifier: Apache-2.0
/* The snapshot's port: what it makes of a server's answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/support/snapshot_rig.h"

static void check_stream(const uint32_t *row_counts, uint32_t table_count, const char *wanted)
{
    static const size_t rooms[] = {256 * 1024, 7, 1};
    char found[512];

    for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
        struct snapshot_rig *rig = snapshot_rig_open(table_count, 65536);
        rig->read_room = rooms[r];
        for (uint32_t i = 0; i < table_count; i++) {
            snapshot_rig_say_table(rig, row_counts[i]);
        }
        assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
        snapshot_rig_describe(rig, found, sizeof(found));
        assert_string_equal(found, wanted);
        snapshot_rig_close(rig);
    }
}

/* Marks: 0 true, 1 first in table, 2 last in table, 3 first, 4 last. */
static void marks_of_no_one_and_two_tables_with_no_one_and_two_rows(void **state)
{
    (void)state;
    check_stream(NULL, 0, "S0;S1;S0;E;");
    check_stream((uint32_t[]){0}, 1, "S0;S1;S0;E;");
    check_stream((uint32_t[]){1}, 1, "S0;S0;S0;R t0 3 4 1;E;");
    check_stream((uint32_t[]){2}, 1, "S0;S0;S0;R t0 3 4 2;E;");
    check_stream((uint32_t[]){0, 0}, 2, "S0;S1;S0;E;");
    check_stream((uint32_t[]){0, 1}, 2, "S0;S0;S0;R t1 1 4 1;E;");
    check_stream((uint32_t[]){1, 0}, 2, "S0;S0;S0;R t0 3 4 1;E;");
    check_stream((uint32_t[]){1, 1}, 2, "S0;S0;S0;R t0 3 2 1;R t1 1 4 1;E;");
    check_stream((uint32_t[]){2, 1}, 2, "S0;S0;S0;R t0 3 2 2;R t1 1 4 1;E;");
    check_stream((uint32_t[]){1, 2}, 2, "S0;S0;S0;R t0 3 2 1;R t1 1 4 2;E;");
    check_stream((uint32_t[]){2, 2}, 2, "S0;S0;S0;R t0 3 2 2;R t1 1 4 2;E;");
    check_stream((uint32_t[]){2, 0, 0, 2}, 4, "S0;S0;S0;R t0 3 2 2;R t3 1 4 2;E;");
    check_stream((uint32_t[]){2, 0, 2, 0}, 4, "S0;S0;S0;R t0 3 2 2;R t2 1 4 2;E;");
}

static void rows_are_the_servers_bytes_and_the_time_is_the_tables(void **state)
{
    static const char row[] = "\0011\xFB\1x";
    struct snapshot_rig *rig = snapshot_rig_open(1, 65536);

    (void)state;
    snapshot_rig_say_table(rig, 2);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
    const uint8_t *event = rig->stream + rig->events[3].at;
    assert_int_equal(tr_load_u32(event), 1700000001);
    assert_memory_equal(event + rig->events[3].bytes - (sizeof(row) - 1), row, sizeof(row) - 1);
    assert_int_equal(tr_load_u32(rig->stream + rig->events[0].at), 1700000000);
    assert_int_equal(atomic_load_explicit(&rig->progress.rows_done, memory_order_relaxed), 2);
    assert_int_equal(atomic_load_explicit(&rig->progress.tables_done, memory_order_relaxed), 1);
    assert_int_equal(atomic_load_explicit(&rig->progress.rows_estimated, memory_order_relaxed), 10);
    snapshot_rig_close(rig);
}

static void many_rows_are_parted_into_events_of_a_bounded_size(void **state)
{
    struct snapshot_rig *rig = snapshot_rig_open(1, 65536);
    uint32_t rows = 0;

    (void)state;
    snapshot_rig_say_table(rig, 100000);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
    assert_true(rig->event_count > 3 + 10);
    for (uint32_t i = 3; i + 1 < rig->event_count; i++) {
        const uint8_t *body =
            rig->stream + rig->events[i].at + TR_EVENT_HEADER_BYTES + 2 + 1 + 2 + 2;
        assert_true(rig->events[i].bytes <= TR_SNAPSHOT_EVENT_BYTES_TARGET);
        assert_int_equal(body[0], i == 3 ? TR_SNAPSHOT_FIRST : TR_SNAPSHOT_TRUE);
        assert_int_equal(body[1], i + 2 == rig->event_count ? TR_SNAPSHOT_LAST : TR_SNAPSHOT_TRUE);
        rows += tr_load_u32(body + 2);
    }
    assert_int_equal(rows, 100000);
    snapshot_rig_close(rig);
}

/* A table of three rows: a small one, one with a cell of that many bytes, a small one. */
static void say_large(struct snapshot_rig *rig, uint32_t cell_bytes)
{
    uint8_t *row = calloc(1, (size_t)cell_bytes + 16);

    assert_non_null(row);
    snapshot_rig_say_time(rig, "1700000001");
    snapshot_rig_say_columns(rig, snapshot_rig_columns, 3);
    snapshot_rig_say(rig, "\0011\xFB\1x", 5);
    row[0] = 1;
    row[1] = '2';
    row[2] = 0xFB;
    row[3] = 0xFE;
    const uint64_t length = cell_bytes;
    memcpy(row + 4, &length, 8);
    for (uint32_t i = 0; i < cell_bytes; i++) {
        row[12 + i] = (uint8_t)(i * 7);
    }
    snapshot_rig_say(rig, row, (size_t)cell_bytes + 12);
    snapshot_rig_say(rig, "\0013\xFB\1x", 5);
    snapshot_rig_say_eof(rig);
    snapshot_rig_say_ok(rig);
    free(row);
}

static void a_large_row_has_an_event_of_its_own_whatever_its_packets(void **state)
{
    /* Around what one packet holds: of the server's, of ours (status, header, body come to it). */
    static const uint32_t sizes[] = {
        100 * 1024,    0xFFFFFF - 12, 0xFFFFFF - 13, 0xFFFFFF - 11,     0xFFFFFF - 50,
        0xFFFFFF - 49, 0xFFFFFF - 48, 0xFFFFFF - 47, 2 * 0xFFFFFF - 12, 20 * 1024 * 1024};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct snapshot_rig *rig = snapshot_rig_open(1, 40 * 1024 * 1024);
        char found[256];
        say_large(rig, sizes[i]);
        assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
        snapshot_rig_describe(rig, found, sizeof(found));
        assert_string_equal(found, "S0;S0;S0;R t0 3 0 1;R t0 0 0 1;R t0 0 4 1;E;");
        const struct snapshot_rig_event *event = &rig->events[4];
        const uint8_t *last = rig->stream + event->at + event->bytes - 1;
        assert_int_equal(*last, (uint8_t)((sizes[i] - 1) * 7));
        assert_int_equal(*(last - sizes[i] + 1), 0);
        snapshot_rig_close(rig);
    }
}

static void a_row_above_the_limit_stops_the_snapshot_by_name(void **state)
{
    struct snapshot_rig *rig = snapshot_rig_open(1, 65536);

    (void)state;
    say_large(rig, 200 * 1024);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_MEMORY_LIMIT);
    assert_int_equal(rig->err.remedy, TR_STOP);
    assert_non_null(strstr(rig->err.text, "d.t0"));
    assert_non_null(strstr(rig->err.text, "1 rows read"));
    assert_non_null(strstr(rig->err.text, "tailrace.row.max.bytes"));
    assert_int_equal(rig->ended, 1);
    snapshot_rig_close(rig);
}

static void a_users_select_may_swap_columns(void **state)
{
    static const char *const names[] = {"b", "ID", "A"};
    static const char wanted[] = "\0019\0017\2hi";
    struct snapshot_rig *rig = snapshot_rig_open_for(1, 65536, true);

    (void)state;
    snapshot_rig_say_time(rig, "5");
    snapshot_rig_say_columns(rig, names, 3);
    snapshot_rig_say(rig, "\2hi\0019\0017", 7);
    snapshot_rig_say(rig, "\xFB\0019\0017", 5);
    snapshot_rig_say_eof(rig);
    snapshot_rig_say_ok(rig);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
    const struct snapshot_rig_event *event = &rig->events[3];
    const uint8_t *rows = rig->stream + event->at + event->bytes - 7 - 5;
    assert_memory_equal(rows, wanted, 7);
    assert_memory_equal(rows + 7, "\0019\0017\xFB", 5);
    snapshot_rig_close(rig);
}

static void a_users_select_that_leaves_out_a_column_is_refused(void **state)
{
    static const char *const names[] = {"b", "ID"};
    struct snapshot_rig *rig = snapshot_rig_open_for(1, 65536, true);

    (void)state;
    snapshot_rig_say_time(rig, "5");
    snapshot_rig_say_columns(rig, names, 2);
    snapshot_rig_say(rig, "\2hi\0019", 5);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_CONFIG);
    assert_non_null(strstr(rig->err.text, "no column a,"));
    snapshot_rig_close(rig);
}

static void a_users_select_with_a_strange_column_is_refused(void **state)
{
    static const char *const names[] = {"id", "nonsense"};
    struct snapshot_rig *rig = snapshot_rig_open_for(1, 65536, true);

    (void)state;
    snapshot_rig_say_time(rig, "5");
    snapshot_rig_say_columns(rig, names, 2);
    snapshot_rig_say_eof(rig);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_CONFIG);
    assert_non_null(strstr(rig->err.text, "nonsense"));
    snapshot_rig_close(rig);
}

static void columns_that_are_missing_stop_the_snapshot(void **state)
{
    struct snapshot_rig *rig = snapshot_rig_open(1, 65536);

    (void)state;
    snapshot_rig_say_time(rig, "5");
    snapshot_rig_say_columns(rig, snapshot_rig_columns, 2);
    snapshot_rig_say_eof(rig);
    assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_SCHEMA);
    assert_int_equal(rig->err.remedy, TR_STOP);
    snapshot_rig_close(rig);
}

/* libmysqlclient speaks without EOF packets: an OK packet of 7 bytes or more ends the rows. */
static void both_protocols_ends_of_rows_are_understood(void **state)
{
    static const uint8_t ok[] = {0xFE, 0, 0, 0x22, 0, 0, 0};
    static const uint32_t counts[] = {0, 2};
    char found[256];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct snapshot_rig *rig = snapshot_rig_open(1, 65536);
        snapshot_rig_say_time(rig, "5");
        snapshot_rig_say_columns(rig, snapshot_rig_columns, 3);
        rig->script.used_bytes -= 9; /* without the EOF packet behind the columns */
        rig->script.sequence--;
        for (uint32_t k = 0; k < counts[i]; k++) {
            snapshot_rig_say(rig, "\0011\xFB\1x", 5);
        }
        snapshot_rig_say(rig, ok, sizeof(ok));
        snapshot_rig_say_ok(rig);
        assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
        snapshot_rig_describe(rig, found, sizeof(found));
        assert_string_equal(found, i == 0 ? "S0;S1;S0;E;" : "S0;S0;S0;R t0 3 4 2;E;");
        snapshot_rig_close(rig);
    }
}

static void a_table_that_changed_or_went_stops_with_its_name(void **state)
{
    static const uint16_t numbers[] = {1412, 1146, 1054};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct snapshot_rig *rig = snapshot_rig_open(2, 65536);
        snapshot_rig_say_table(rig, 3);
        snapshot_rig_say_time(rig, "5");
        snapshot_rig_begin_answer(rig);
        snapshot_rig_say_error(rig, numbers[i],
                               "Table definition has changed, please retry transaction");
        assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
        assert_int_equal(rig->err.remedy, TR_STOP);
        assert_non_null(strstr(rig->err.text, "d.t1, 0 rows read"));
        assert_non_null(strstr(rig->err.text, "begins anew"));
        assert_non_null(strstr(rig->err.text, "please retry"));
        snapshot_rig_close(rig);
    }
}

static void an_error_between_rows_and_a_lost_connection_name_the_rows_read(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct snapshot_rig *rig = snapshot_rig_open(1, 65536);
        (void)state;
        snapshot_rig_say_time(rig, "5");
        snapshot_rig_say_columns(rig, snapshot_rig_columns, 3);
        snapshot_rig_say(rig, "\0011\xFB\1x", 5);
        snapshot_rig_say(rig, "\0012\xFB\1x", 5);
        if (i == 0) {
            snapshot_rig_say_error(rig, 1317, "Query execution was interrupted");
        } else {
            rig->hangs_up = true;
        }
        assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
        assert_int_equal(rig->err.code, TR_ERR_SOURCE_LINK);
        assert_int_equal(rig->err.remedy, TR_STOP);
        assert_non_null(strstr(rig->err.text, "d.t0, 2 rows read"));
        assert_int_equal(rig->ended, 1);
        /* It is not to be had again. */
        const struct tr_resume resume = {0};
        assert_int_equal(rig->port->open(rig->port->self, &resume, &rig->err), TR_ERR_STATE);
        snapshot_rig_close(rig);
    }
}

static void bytes_that_are_no_answer_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
    } answers[] = {
        {"\5\0\0\2abcde", 9},          /* out of sequence */
        {"\1\0\0\1\xFB", 5},           /* LOCAL INFILE */
        {"\0\0\0\1", 4},               /* nothing */
        {"\1\0\0\1\1\2\0\0\2\3d", 11}, /* half a column */
        {"\xFF\xFF\xFF\1\1", 5},       /* a packet larger than any buffer */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct snapshot_rig *rig = snapshot_rig_open(1, 65536);
        snapshot_rig_begin_answer(rig);
        memcpy(rig->script.bytes + rig->script.used_bytes, answers[i].bytes, answers[i].count);
        rig->script.used_bytes += answers[i].count;
        assert_int_equal(snapshot_rig_run(rig), TR_READ_ERROR);
        assert_int_equal(rig->err.code, TR_ERR_PROTOCOL);
        assert_int_equal(rig->err.remedy, TR_STOP);
        snapshot_rig_close(rig);
    }
}

static void the_log_follows_the_snapshot(void **state)
{
    struct snapshot_rig *rig = snapshot_rig_open(0, 65536);
    const struct tr_resume resume = {0};
    uint8_t out[16];
    size_t bytes;

    (void)state;
    assert_int_equal(snapshot_rig_run(rig), TR_READ_PART_END);
    assert_int_equal(rig->ended, 0);
    rig->port->close(rig->port->self);
    assert_int_equal(rig->ended, 1); /* locks, connections and memory are given back */
    assert_int_equal(rig->port->open(rig->port->self, &resume, &rig->err), TR_OK);
    assert_int_equal(rig->log_opens, 1);
    assert_int_equal(rig->port->read(rig->port->self, out, sizeof(out), 0, &bytes, &rig->err),
                     TR_READ_BYTES);
    assert_memory_equal(out, "log", 3);
    rig->port->close(rig->port->self);
    assert_int_equal(rig->port->open(rig->port->self, &resume, &rig->err), TR_OK);
    assert_int_equal(rig->log_opens, 2);
    snapshot_rig_close(rig);
}

static void a_server_that_is_silent_leaves_the_port_busy_and_the_lock_kept(void **state)
{
    struct snapshot_rig *rig = snapshot_rig_open(1, 65536);
    uint8_t out[4096];
    size_t bytes = 0;

    (void)state;
    while (rig->port->read(rig->port->self, out, sizeof(out), 0, &bytes, &rig->err) ==
           TR_READ_BYTES) {
    }
    for (int i = 0; i < 4; i++) {
        rig->now_ns += 20 * TR_NS_PER_S;
        assert_int_equal(rig->port->read(rig->port->self, out, sizeof(out), 0, &bytes, &rig->err),
                         TR_READ_BUSY);
    }
    assert_int_equal(rig->kept, 2); /* at 40 and at 80 s */
    rig->port->close(rig->port->self);
    assert_int_equal(rig->ended, 1);
    snapshot_rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_of_no_one_and_two_tables_with_no_one_and_two_rows),
        cmocka_unit_test(rows_are_the_servers_bytes_and_the_time_is_the_tables),
        cmocka_unit_test(many_rows_are_parted_into_events_of_a_bounded_size),
        cmocka_unit_test(a_large_row_has_an_event_of_its_own_whatever_its_packets),
        cmocka_unit_test(a_row_above_the_limit_stops_the_snapshot_by_name),
        cmocka_unit_test(a_users_select_may_swap_columns),
        cmocka_unit_test(a_users_select_that_leaves_out_a_column_is_refused),
        cmocka_unit_test(a_users_select_with_a_strange_column_is_refused),
        cmocka_unit_test(columns_that_are_missing_stop_the_snapshot),
        cmocka_unit_test(both_protocols_ends_of_rows_are_understood),
        cmocka_unit_test(a_table_that_changed_or_went_stops_with_its_name),
        cmocka_unit_test(an_error_between_rows_and_a_lost_connection_name_the_rows_read),
        cmocka_unit_test(bytes_that_are_no_answer_are_refused),
        cmocka_unit_test(the_log_follows_the_snapshot),
        cmocka_unit_test(a_server_that_is_silent_leaves_the_port_busy_and_the_lock_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
