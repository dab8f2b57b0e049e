// SPDX-License-Identifier: Apache-2.0
/*
 * The snapshot's port: a server's answers are written into one end of a socket pair beforehand, the port reads them
 * from the other and its packets are taken apart as ingest does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stages/source/snapshot_source.h"
#include "tests/check.h"

#define STREAM_BYTES ((size_t)64 * 1024 * 1024)
#define TABLES_MAX 4
#define EVENTS_MAX 4096
#define ANSWERS_MAX 32

/* What the server has to say to one statement. */
struct script {
    uint8_t *bytes; /* owns */
    size_t used_bytes;
    size_t sent_bytes;
    uint8_t sequence;
    size_t answers[ANSWERS_MAX]; /* where each begins */
    uint32_t answer_count;
    uint32_t statement_count; /* that came */
};

struct event {
    size_t at; /* in `stream`, where packets are joined */
    size_t bytes;
};

struct rig {
    struct script script;
    struct tr_snapshot_schema schema;
    struct tr_snapshot_table tables[TABLES_MAX];
    struct tr_snapshot_statement statements[3];
    uint32_t row_tables[TABLES_MAX];
    struct tr_span columns[3];
    struct tr_snapshot_progress progress;
    struct tr_snapshot_source source;
    struct tr_source_port log;
    const struct tr_source_port *port;
    struct tr_clock clock;
    int64_t now_ns;
    int fds[2]; /* ours, the server's */
    int wake_fd;
    bool hangs_up; /* the server does, after its last word */
    uint32_t log_opens;
    uint32_t ended;
    uint32_t kept;
    size_t read_room; /* of one read */
    uint8_t *stream;  /* owns: payloads of events */
    struct event events[EVENTS_MAX];
    uint32_t event_count;
    struct tr_error err;
};

static int64_t rig_clock(void *self)
{
    struct rig *rig = self;
    return rig->now_ns;
}

static enum tr_code log_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    (void)resume;
    (void)err;
    ((struct rig *)self)->log_opens++;
    return TR_OK;
}

static enum tr_read log_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                             size_t *bytes, struct tr_error *err)
{
    (void)self;
    (void)room_bytes;
    (void)wait_ns;
    (void)err;
    memcpy(out, "log", 3);
    *bytes = 3;
    return TR_READ_BYTES;
}

static void log_none(void *self)
{
    (void)self;
}

static void on_keep(void *self)
{
    ((struct rig *)self)->kept++;
}

static void on_ended(void *self)
{
    ((struct rig *)self)->ended++;
}

/* --- the server's side ------------------------------------------------------------------------- */

static void say(struct rig *rig, const void *payload, size_t bytes)
{
    struct script *script = &rig->script;
    size_t done = 0;

    for (;;) {
        const size_t part = bytes - done < 0xFFFFFF ? bytes - done : 0xFFFFFF;
        uint8_t *at = script->bytes + script->used_bytes;
        assert_true(script->used_bytes + part + 4 <= STREAM_BYTES);
        at[0] = (uint8_t)part;
        at[1] = (uint8_t)(part >> 8);
        at[2] = (uint8_t)(part >> 16);
        at[3] = script->sequence++;
        if (part > 0) {
            memcpy(at + 4, (const uint8_t *)payload + done, part);
        }
        script->used_bytes += part + 4;
        done += part;
        if (part < 0xFFFFFF) {
            return;
        }
    }
}

static void begin_answer(struct rig *rig)
{
    assert_true(rig->script.answer_count < ANSWERS_MAX);
    rig->script.answers[rig->script.answer_count++] = rig->script.used_bytes;
    rig->script.sequence = 1;
}

static void say_ok(struct rig *rig)
{
    static const uint8_t ok[] = {0x00, 0, 0, 0x02, 0, 0, 0};

    begin_answer(rig);
    say(rig, ok, sizeof(ok));
}

static void say_eof(struct rig *rig)
{
    static const uint8_t eof[] = {0xFE, 0, 0, 0x22, 0};

    say(rig, eof, sizeof(eof));
}

static void say_columns(struct rig *rig, const char *const *names, uint8_t count)
{
    begin_answer(rig);
    say(rig, &count, 1);
    for (uint8_t i = 0; i < count; i++) {
        uint8_t packet[128];
        const uint8_t bytes = (uint8_t)strlen(names[i]);
        size_t at = 0;
        memcpy(packet, "\3def\0\0\0", 7);
        at = 7;
        packet[at++] = 0; /* alias */
        packet[at++] = bytes;
        memcpy(packet + at, names[i], bytes);
        at += bytes;
        memset(packet + at, 0x0c, 13);
        say(rig, packet, at + 13);
    }
    say_eof(rig);
}

static void say_time(struct rig *rig, const char *digits)
{
    static const char *const names[] = {"UNIX_TIMESTAMP()"};
    uint8_t row[32];

    say_columns(rig, names, 1);
    row[0] = (uint8_t)strlen(digits);
    memcpy(row + 1, digits, row[0]);
    say(rig, row, 1 + (size_t)row[0]);
    say_eof(rig);
}

static const char *const column_names[] = {"id", "a", "b"};

/* Rows of 3 cells: the number, NULL, "x". */
static void say_table(struct rig *rig, uint32_t row_count)
{
    say_time(rig, "1700000001");
    say_columns(rig, column_names, 3);
    for (uint32_t i = 0; i < row_count; i++) {
        uint8_t row[16];
        const int bytes = snprintf((char *)row + 1, sizeof(row) - 4, "%u", i);
        row[0] = (uint8_t)bytes;
        memcpy(row + 1 + bytes, "\xFB\1x", 3);
        say(rig, row, (size_t)bytes + 4);
    }
    say_eof(rig);
    say_ok(rig);
}

static void say_error(struct rig *rig, uint16_t number, const char *text)
{
    uint8_t packet[128] = {0xFF, (uint8_t)number, (uint8_t)(number >> 8), '#', 'H', 'Y', '0', '0',
                           '0'};
    const size_t bytes = strlen(text);

    memcpy(packet + 9, text, bytes);
    say(rig, packet, 9 + bytes);
}

/* --- our side ---------------------------------------------------------------------------------- */

static struct rig *rig_open_for(uint32_t table_count, uint64_t row_bytes_max, bool is_overridden)
{
    static const char *const names[TABLES_MAX] = {"t0", "t1", "t2", "t3"};
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig->read_room = 256 * 1024;
    rig->script.bytes = calloc(1, STREAM_BYTES);
    rig->stream = calloc(1, STREAM_BYTES);
    assert_non_null(rig->script.bytes);
    assert_non_null(rig->stream);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig->fds), 0);
    rig->wake_fd = eventfd(0, EFD_NONBLOCK);
    for (uint32_t i = 0; i < 3; i++) {
        rig->columns[i] = tr_span_of_text(column_names[i]);
    }
    for (uint32_t i = 0; i < table_count; i++) {
        rig->tables[i] = (struct tr_snapshot_table){.database = tr_span_of_text("d"),
                                                    .name = tr_span_of_text(names[i]),
                                                    .create_sql = tr_span_of_text("CREATE"),
                                                    .select_sql = tr_span_of_text("SELECT"),
                                                    .columns = rig->columns,
                                                    .column_count = 3,
                                                    .is_captured = true,
                                                    .is_overridden = is_overridden,
                                                    .rows_estimated = 10};
        rig->row_tables[i] = i;
    }
    rig->statements[0].kind = TR_SNAPSHOT_SQL_SET;
    rig->statements[1].kind = TR_SNAPSHOT_SQL_CREATE_TABLE;
    rig->statements[2].kind = TR_SNAPSHOT_SQL_SET;
    rig->schema = (struct tr_snapshot_schema){.set_sql = tr_span_of_text("SET x=1"),
                                              .tables = rig->tables,
                                              .table_count = table_count,
                                              .statements = rig->statements,
                                              .statement_count = 3,
                                              .last_statement = 1,
                                              .row_tables = rig->row_tables,
                                              .row_table_count = table_count};
    rig->clock = (struct tr_clock){.self = rig, .monotonic_ns = rig_clock};
    rig->log = (struct tr_source_port){.self = rig,
                                       .framing = TR_FRAMING_PACKETS,
                                       .open = log_open,
                                       .read = log_read,
                                       .close = log_none,
                                       .wake = log_none};
    const struct tr_snapshot_source_options options = {
        .schema = &rig->schema,
        .link = {.fd = rig->fds[0], .wake_fd = rig->wake_fd},
        .progress = &rig->progress,
        .clock = &rig->clock,
        .row_bytes_max = row_bytes_max,
        .ts_sec = 1700000000,
        .keep = on_keep,
        .ended = on_ended,
        .self = rig,
    };
    assert_int_equal(tr_snapshot_source_init(&rig->source, &options, &rig->err), TR_OK);
    rig->port = tr_snapshot_source_port(&rig->source, &rig->log);
    const struct tr_resume resume = {0};
    assert_int_equal(rig->port->open(rig->port->self, &resume, &rig->err), TR_OK);
    if (table_count > 0) {
        say_ok(rig); /* SAVEPOINT */
    }
    return rig;
}

static struct rig *rig_open(uint32_t table_count, uint64_t row_bytes_max)
{
    return rig_open_for(table_count, row_bytes_max, false);
}

static void rig_close(struct rig *rig)
{
    tr_snapshot_source_deinit(&rig->source);
    (void)close(rig->fds[0]);
    (void)close(rig->fds[1]);
    (void)close(rig->wake_fd);
    free(rig->script.bytes);
    free(rig->stream);
    free(rig);
}

/* Takes statements off the socket (each comes whole: header first, text after it), and gives it the
 * answers to those that came. */
static void serve(struct rig *rig)
{
    struct script *script = &rig->script;
    uint8_t header[5];
    uint8_t sql[256];

    while (recv(rig->fds[1], header, sizeof(header), MSG_DONTWAIT) == (ssize_t)sizeof(header)) {
        const size_t sql_bytes = tr_load_u24(header) - 1;
        assert_int_equal(header[4], 3);
        assert_true(sql_bytes <= sizeof(sql));
        assert_int_equal(recv(rig->fds[1], sql, sql_bytes, 0), sql_bytes);
        script->statement_count++;
    }
    const size_t limit = script->statement_count < script->answer_count
                             ? script->answers[script->statement_count]
                             : script->used_bytes;
    if (limit > script->sent_bytes) {
        const ssize_t sent = send(rig->fds[1], script->bytes + script->sent_bytes,
                                  limit - script->sent_bytes, MSG_DONTWAIT);
        script->sent_bytes += sent > 0 ? (size_t)sent : 0;
    }
}

/* Takes packets apart into events. */
static void split_packets(struct rig *rig, const uint8_t *bytes, size_t byte_count)
{
    struct tr_packet_framer framer = tr_packet_framer_of(TR_FRAMING_PACKETS, false, UINT32_MAX);
    size_t at = 0;
    size_t out = 0;
    bool continues = false;

    while (at < byte_count) {
        const uint32_t payload = tr_load_u24(bytes + at);
        assert_int_equal(bytes[at + 3], framer.sequence++);
        at += 4;
        assert_true(payload <= byte_count - at);
        uint32_t skip = 0;
        if (!continues) {
            assert_int_equal(bytes[at], 0);
            skip = 1;
            assert_true(rig->event_count < EVENTS_MAX);
            rig->events[rig->event_count++] = (struct event){.at = out};
        }
        memcpy(rig->stream + out, bytes + at + skip, payload - skip);
        out += payload - skip;
        rig->events[rig->event_count - 1].bytes += payload - skip;
        at += payload;
        continues = payload == 0xFFFFFF;
    }
    for (uint32_t i = 0; i < rig->event_count; i++) {
        assert_int_equal(tr_load_u32(rig->stream + rig->events[i].at + 9), rig->events[i].bytes);
    }
}

/* Reads to the end, or to an error. */
static enum tr_read run(struct rig *rig)
{
    uint8_t *in = calloc(1, STREAM_BYTES);
    size_t in_bytes = 0;
    uint32_t idle = 0;
    enum tr_read outcome;

    assert_non_null(in);
    for (;;) {
        size_t bytes = 0;
        serve(rig);
        if (rig->hangs_up && rig->script.sent_bytes == rig->script.used_bytes) {
            (void)shutdown(rig->fds[1], SHUT_WR);
        }
        const size_t room =
            rig->read_room < STREAM_BYTES - in_bytes ? rig->read_room : STREAM_BYTES - in_bytes;
        outcome = rig->port->read(rig->port->self, in + in_bytes, room, 0, &bytes, &rig->err);
        if (outcome == TR_READ_BYTES) {
            in_bytes += bytes;
            idle = 0;
        } else if (outcome != TR_READ_BUSY) {
            break;
        } else if (++idle > 100000) {
            fail_msg("the port waits for something that was not said");
        }
    }
    if (outcome == TR_READ_PART_END) {
        assert_int_equal(rig->script.sent_bytes, rig->script.used_bytes);
        split_packets(rig, in, in_bytes);
    }
    free(in);
    return outcome;
}

/* "S0" statement and flags, "R t0 3 4 2" rows with marks and count, "E" end; joined by ';'. */
static void describe(const struct rig *rig, char *out, size_t room_bytes)
{
    size_t at = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < rig->event_count; i++) {
        const uint8_t *event = rig->stream + rig->events[i].at;
        struct tr_cursor cursor = tr_cursor_of(tr_span_of(
            event + TR_EVENT_HEADER_BYTES, rig->events[i].bytes - TR_EVENT_HEADER_BYTES));
        int bytes = 0;
        if (event[4] == TR_EVENT_SNAPSHOT_STATEMENT) {
            bytes = snprintf(out + at, room_bytes - at, "S%u;", tr_cursor_u8(&cursor));
        } else if (event[4] == TR_EVENT_SNAPSHOT_ROWS) {
            (void)tr_cursor_span(&cursor, tr_cursor_u16(&cursor));
            const struct tr_span table = tr_cursor_span(&cursor, tr_cursor_u16(&cursor));
            const uint8_t first = tr_cursor_u8(&cursor);
            const uint8_t last = tr_cursor_u8(&cursor);
            bytes = snprintf(out + at, room_bytes - at, "R %.*s %u %u %u;", (int)table.bytes,
                             (const char *)table.data, first, last, tr_cursor_u32(&cursor));
        } else {
            bytes = snprintf(out + at, room_bytes - at, "E;");
        }
        at += (size_t)bytes;
        assert_true(at < room_bytes);
    }
}

static void check_stream(const uint32_t *row_counts, uint32_t table_count, const char *wanted)
{
    static const size_t rooms[] = {256 * 1024, 7, 1};
    char found[512];

    for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
        struct rig *rig = rig_open(table_count, 65536);
        rig->read_room = rooms[r];
        for (uint32_t i = 0; i < table_count; i++) {
            say_table(rig, row_counts[i]);
        }
        assert_int_equal(run(rig), TR_READ_PART_END);
        describe(rig, found, sizeof(found));
        assert_string_equal(found, wanted);
        rig_close(rig);
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
    struct rig *rig = rig_open(1, 65536);

    (void)state;
    say_table(rig, 2);
    assert_int_equal(run(rig), TR_READ_PART_END);
    const uint8_t *event = rig->stream + rig->events[3].at;
    assert_int_equal(tr_load_u32(event), 1700000001);
    assert_memory_equal(event + rig->events[3].bytes - (sizeof(row) - 1), row, sizeof(row) - 1);
    assert_int_equal(tr_load_u32(rig->stream + rig->events[0].at), 1700000000);
    assert_int_equal(atomic_load_explicit(&rig->progress.rows_done, memory_order_relaxed), 2);
    assert_int_equal(atomic_load_explicit(&rig->progress.tables_done, memory_order_relaxed), 1);
    assert_int_equal(atomic_load_explicit(&rig->progress.rows_estimated, memory_order_relaxed), 10);
    rig_close(rig);
}

static void many_rows_are_parted_into_events_of_a_bounded_size(void **state)
{
    struct rig *rig = rig_open(1, 65536);
    uint32_t rows = 0;

    (void)state;
    say_table(rig, 100000);
    assert_int_equal(run(rig), TR_READ_PART_END);
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
    rig_close(rig);
}

/* A table of three rows: a small one, one with a cell of that many bytes, a small one. */
static void say_large(struct rig *rig, uint32_t cell_bytes)
{
    uint8_t *row = calloc(1, (size_t)cell_bytes + 16);

    assert_non_null(row);
    say_time(rig, "1700000001");
    say_columns(rig, column_names, 3);
    say(rig, "\0011\xFB\1x", 5);
    row[0] = 1;
    row[1] = '2';
    row[2] = 0xFB;
    row[3] = 0xFE;
    const uint64_t length = cell_bytes;
    memcpy(row + 4, &length, 8);
    for (uint32_t i = 0; i < cell_bytes; i++) {
        row[12 + i] = (uint8_t)(i * 7);
    }
    say(rig, row, (size_t)cell_bytes + 12);
    say(rig, "\0013\xFB\1x", 5);
    say_eof(rig);
    say_ok(rig);
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
        struct rig *rig = rig_open(1, 40 * 1024 * 1024);
        char found[256];
        say_large(rig, sizes[i]);
        assert_int_equal(run(rig), TR_READ_PART_END);
        describe(rig, found, sizeof(found));
        assert_string_equal(found, "S0;S0;S0;R t0 3 0 1;R t0 0 0 1;R t0 0 4 1;E;");
        const struct event *event = &rig->events[4];
        const uint8_t *last = rig->stream + event->at + event->bytes - 1;
        assert_int_equal(*last, (uint8_t)((sizes[i] - 1) * 7));
        assert_int_equal(*(last - sizes[i] + 1), 0);
        rig_close(rig);
    }
}

static void a_row_above_the_limit_stops_the_snapshot_by_name(void **state)
{
    struct rig *rig = rig_open(1, 65536);

    (void)state;
    say_large(rig, 200 * 1024);
    assert_int_equal(run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_MEMORY_LIMIT);
    assert_int_equal(rig->err.remedy, TR_STOP);
    assert_non_null(strstr(rig->err.text, "d.t0"));
    assert_non_null(strstr(rig->err.text, "1 rows read"));
    assert_non_null(strstr(rig->err.text, "tailrace.row.max.bytes"));
    assert_int_equal(rig->ended, 1);
    rig_close(rig);
}

static void a_users_select_may_leave_out_and_swap_columns(void **state)
{
    static const char *const names[] = {"b", "ID"};
    static const char wanted[] = "\0019\xFB\2hi";
    struct rig *rig = rig_open_for(1, 65536, true);

    (void)state;
    say_time(rig, "5");
    say_columns(rig, names, 2);
    say(rig, "\2hi\0019", 5);
    say(rig, "\xFB\0019", 3);
    say_eof(rig);
    say_ok(rig);
    assert_int_equal(run(rig), TR_READ_PART_END);
    const struct event *event = &rig->events[3];
    const uint8_t *rows = rig->stream + event->at + event->bytes - 6 - 4;
    assert_memory_equal(rows, wanted, 6);
    assert_memory_equal(rows + 6, "\0019\xFB\xFB", 4);
    rig_close(rig);
}

static void a_users_select_with_a_strange_column_is_refused(void **state)
{
    static const char *const names[] = {"id", "nonsense"};
    struct rig *rig = rig_open_for(1, 65536, true);

    (void)state;
    say_time(rig, "5");
    say_columns(rig, names, 2);
    say_eof(rig);
    assert_int_equal(run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_CONFIG);
    assert_non_null(strstr(rig->err.text, "nonsense"));
    rig_close(rig);
}

static void columns_that_are_missing_stop_the_snapshot(void **state)
{
    struct rig *rig = rig_open(1, 65536);

    (void)state;
    say_time(rig, "5");
    say_columns(rig, column_names, 2);
    say_eof(rig);
    assert_int_equal(run(rig), TR_READ_ERROR);
    assert_int_equal(rig->err.code, TR_ERR_SCHEMA);
    assert_int_equal(rig->err.remedy, TR_STOP);
    rig_close(rig);
}

/* libmysqlclient speaks without EOF packets: an OK packet of 7 bytes or more ends the rows. */
static void both_protocols_ends_of_rows_are_understood(void **state)
{
    static const uint8_t ok[] = {0xFE, 0, 0, 0x22, 0, 0, 0};
    static const uint32_t counts[] = {0, 2};
    char found[256];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rig *rig = rig_open(1, 65536);
        say_time(rig, "5");
        say_columns(rig, column_names, 3);
        rig->script.used_bytes -= 9; /* without the EOF packet behind the columns */
        rig->script.sequence--;
        for (uint32_t k = 0; k < counts[i]; k++) {
            say(rig, "\0011\xFB\1x", 5);
        }
        say(rig, ok, sizeof(ok));
        say_ok(rig);
        assert_int_equal(run(rig), TR_READ_PART_END);
        describe(rig, found, sizeof(found));
        assert_string_equal(found, i == 0 ? "S0;S1;S0;E;" : "S0;S0;S0;R t0 3 4 2;E;");
        rig_close(rig);
    }
}

static void a_table_that_changed_or_went_stops_with_its_name(void **state)
{
    static const uint16_t numbers[] = {1412, 1146, 1054};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct rig *rig = rig_open(2, 65536);
        say_table(rig, 3);
        say_time(rig, "5");
        begin_answer(rig);
        say_error(rig, numbers[i], "Table definition has changed, please retry transaction");
        assert_int_equal(run(rig), TR_READ_ERROR);
        assert_int_equal(rig->err.remedy, TR_STOP);
        assert_non_null(strstr(rig->err.text, "d.t1, 0 rows read"));
        assert_non_null(strstr(rig->err.text, "begins anew"));
        assert_non_null(strstr(rig->err.text, "please retry"));
        rig_close(rig);
    }
}

static void an_error_between_rows_and_a_lost_connection_name_the_rows_read(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct rig *rig = rig_open(1, 65536);
        (void)state;
        say_time(rig, "5");
        say_columns(rig, column_names, 3);
        say(rig, "\0011\xFB\1x", 5);
        say(rig, "\0012\xFB\1x", 5);
        if (i == 0) {
            say_error(rig, 1317, "Query execution was interrupted");
        } else {
            rig->hangs_up = true;
        }
        assert_int_equal(run(rig), TR_READ_ERROR);
        assert_int_equal(rig->err.code, TR_ERR_SOURCE_LINK);
        assert_int_equal(rig->err.remedy, TR_STOP);
        assert_non_null(strstr(rig->err.text, "d.t0, 2 rows read"));
        assert_int_equal(rig->ended, 1);
        /* It is not to be had again. */
        const struct tr_resume resume = {0};
        assert_int_equal(rig->port->open(rig->port->self, &resume, &rig->err), TR_ERR_STATE);
        rig_close(rig);
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
        struct rig *rig = rig_open(1, 65536);
        begin_answer(rig);
        memcpy(rig->script.bytes + rig->script.used_bytes, answers[i].bytes, answers[i].count);
        rig->script.used_bytes += answers[i].count;
        assert_int_equal(run(rig), TR_READ_ERROR);
        assert_int_equal(rig->err.code, TR_ERR_PROTOCOL);
        assert_int_equal(rig->err.remedy, TR_STOP);
        rig_close(rig);
    }
}

static void the_log_follows_the_snapshot(void **state)
{
    struct rig *rig = rig_open(0, 65536);
    const struct tr_resume resume = {0};
    uint8_t out[16];
    size_t bytes;

    (void)state;
    assert_int_equal(run(rig), TR_READ_PART_END);
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
    rig_close(rig);
}

static void a_server_that_is_silent_leaves_the_port_busy_and_the_lock_kept(void **state)
{
    struct rig *rig = rig_open(1, 65536);
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
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_of_no_one_and_two_tables_with_no_one_and_two_rows),
        cmocka_unit_test(rows_are_the_servers_bytes_and_the_time_is_the_tables),
        cmocka_unit_test(many_rows_are_parted_into_events_of_a_bounded_size),
        cmocka_unit_test(a_large_row_has_an_event_of_its_own_whatever_its_packets),
        cmocka_unit_test(a_row_above_the_limit_stops_the_snapshot_by_name),
        cmocka_unit_test(a_users_select_may_leave_out_and_swap_columns),
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
