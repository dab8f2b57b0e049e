// SPDX-License-Identifier: Apache-2.0
#include "tests/support/snapshot_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/check.h"

#define STREAM_BYTES ((size_t)64 * 1024 * 1024)

static int64_t read_clock(void *self)
{
    struct snapshot_rig *rig = self;
    return rig->now_ns;
}

static enum tr_code log_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    (void)resume;
    (void)err;
    ((struct snapshot_rig *)self)->log_opens++;
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
    ((struct snapshot_rig *)self)->kept++;
}

static void on_ended(void *self)
{
    ((struct snapshot_rig *)self)->ended++;
}

/* --- the server's side ------------------------------------------------------------------------- */

void snapshot_rig_say(struct snapshot_rig *rig, const void *payload, size_t bytes)
{
    struct snapshot_rig_script *script = &rig->script;
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

void snapshot_rig_begin_answer(struct snapshot_rig *rig)
{
    assert_true(rig->script.answer_count < SNAPSHOT_RIG_ANSWERS_MAX);
    rig->script.answers[rig->script.answer_count++] = rig->script.used_bytes;
    rig->script.sequence = 1;
}

void snapshot_rig_say_ok(struct snapshot_rig *rig)
{
    static const uint8_t ok[] = {0x00, 0, 0, 0x02, 0, 0, 0};

    snapshot_rig_begin_answer(rig);
    snapshot_rig_say(rig, ok, sizeof(ok));
}

void snapshot_rig_say_eof(struct snapshot_rig *rig)
{
    static const uint8_t eof[] = {0xFE, 0, 0, 0x22, 0};

    snapshot_rig_say(rig, eof, sizeof(eof));
}

void snapshot_rig_say_columns(struct snapshot_rig *rig, const char *const *names, uint8_t count)
{
    snapshot_rig_begin_answer(rig);
    snapshot_rig_say(rig, &count, 1);
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
        snapshot_rig_say(rig, packet, at + 13);
    }
    snapshot_rig_say_eof(rig);
}

void snapshot_rig_say_time(struct snapshot_rig *rig, const char *digits)
{
    static const char *const names[] = {"UNIX_TIMESTAMP()"};
    uint8_t row[32];

    snapshot_rig_say_columns(rig, names, 1);
    row[0] = (uint8_t)strlen(digits);
    memcpy(row + 1, digits, row[0]);
    snapshot_rig_say(rig, row, 1 + (size_t)row[0]);
    snapshot_rig_say_eof(rig);
}

const char *const snapshot_rig_columns[3] = {"id", "a", "b"};

/* Rows of 3 cells: the number, NULL, "x". */
void snapshot_rig_say_table(struct snapshot_rig *rig, uint32_t row_count)
{
    snapshot_rig_say_time(rig, "1700000001");
    snapshot_rig_say_columns(rig, snapshot_rig_columns, 3);
    for (uint32_t i = 0; i < row_count; i++) {
        uint8_t row[16];
        const int bytes = snprintf((char *)row + 1, sizeof(row) - 4, "%u", i);
        row[0] = (uint8_t)bytes;
        memcpy(row + 1 + bytes, "\xFB\1x", 3);
        snapshot_rig_say(rig, row, (size_t)bytes + 4);
    }
    snapshot_rig_say_eof(rig);
    snapshot_rig_say_ok(rig);
}

void snapshot_rig_say_error(struct snapshot_rig *rig, uint16_t number, const char *text)
{
    uint8_t packet[128] = {0xFF, (uint8_t)number, (uint8_t)(number >> 8), '#', 'H', 'Y', '0', '0',
                           '0'};
    const size_t bytes = strlen(text);

    memcpy(packet + 9, text, bytes);
    snapshot_rig_say(rig, packet, 9 + bytes);
}

/* --- our side ---------------------------------------------------------------------------------- */

struct snapshot_rig *snapshot_rig_open_for(uint32_t table_count, uint64_t row_bytes_max,
                                           bool is_overridden)
{
    static const char *const names[SNAPSHOT_RIG_TABLES_MAX] = {"t0", "t1", "t2", "t3"};
    struct snapshot_rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig->read_room = 256 * 1024;
    rig->script.bytes = calloc(1, STREAM_BYTES);
    rig->stream = calloc(1, STREAM_BYTES);
    assert_non_null(rig->script.bytes);
    assert_non_null(rig->stream);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig->fds), 0);
    rig->wake_fd = eventfd(0, EFD_NONBLOCK);
    for (uint32_t i = 0; i < 3; i++) {
        rig->columns[i] = tr_span_of_text(snapshot_rig_columns[i]);
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
    rig->clock = (struct tr_clock){.self = rig, .monotonic_ns = read_clock};
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
        snapshot_rig_say_ok(rig); /* SAVEPOINT */
    }
    return rig;
}

struct snapshot_rig *snapshot_rig_open(uint32_t table_count, uint64_t row_bytes_max)
{
    return snapshot_rig_open_for(table_count, row_bytes_max, false);
}

void snapshot_rig_close(struct snapshot_rig *rig)
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
static void serve(struct snapshot_rig *rig)
{
    struct snapshot_rig_script *script = &rig->script;
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
static void split_packets(struct snapshot_rig *rig, const uint8_t *bytes, size_t byte_count)
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
            assert_true(rig->event_count < SNAPSHOT_RIG_EVENTS_MAX);
            rig->events[rig->event_count++] = (struct snapshot_rig_event){.at = out};
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
enum tr_read snapshot_rig_run(struct snapshot_rig *rig)
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
void snapshot_rig_describe(const struct snapshot_rig *rig, char *out, size_t room_bytes)
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
