// SPDX-License-Identifier: Apache-2.0
/* Answers of the text protocol, as in tests/unit/test_snapshot_source.c, made row by row. */
#include "tests/sim/model_snapshot_server.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/assert.h"

#define HEADER_BYTES 4
#define NO_TABLE UINT32_MAX
#define ERROR_INTERRUPTED 1317
#define ERROR_TABLE_CHANGED 1412

void model_snapshot_server_begin(struct tr_model_snapshot *snapshot)
{
    const int result =
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, snapshot->fds);
    TR_ASSERT(result == 0);
    snapshot->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    TR_ASSERT(snapshot->wake_fd != -1);
    snapshot->is_hung_up = false;
    snapshot->is_broken = false;
    snapshot->done_count = 0;
    snapshot->in_bytes = 0;
    snapshot->table = NO_TABLE;
    snapshot->out.used = 0;
    snapshot->out_at = 0;
}

static void hang_up(struct tr_model_snapshot *snapshot)
{
    (void)close(snapshot->fds[1]);
    snapshot->fds[1] = -1;
    snapshot->is_hung_up = true;
    snapshot->is_broken = true;
}

void model_snapshot_server_end(struct tr_model_snapshot *snapshot)
{
    if (!snapshot->is_hung_up) {
        (void)close(snapshot->fds[1]);
    }
    (void)close(snapshot->fds[0]);
    (void)close(snapshot->wake_fd);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void say(struct tr_model_snapshot *snapshot, const void *payload, size_t bytes)
{
    TR_ASSERT(bytes < 0xFFFFFF);
    tr_buffer_append_uint(&snapshot->out, bytes | (uint64_t)snapshot->sequence << 24, HEADER_BYTES);
    tr_buffer_append(&snapshot->out, payload, bytes);
    snapshot->sequence++;
}

static void say_ok(struct tr_model_snapshot *snapshot)
{
    static const uint8_t ok[] = {0x00, 0, 0, 0x02, 0, 0, 0};
    say(snapshot, ok, sizeof(ok));
}

/* Behind rows; the newer protocol has an OK packet there. */
static void say_end(struct tr_model_snapshot *snapshot)
{
    static const uint8_t end[] = {0xFE, 0, 0, 0x22, 0, 0, 0};
    say(snapshot, end, snapshot->has_no_eof ? sizeof(end) : 5);
}

static void say_error(struct tr_model_snapshot *snapshot, uint16_t number, const char *text)
{
    uint8_t packet[128] = {0xFF, (uint8_t)number, (uint8_t)(number >> 8), '#', 'H', 'Y', '0', '0',
                           '0'};
    const size_t bytes = strlen(text);
    memcpy(packet + 9, text, bytes);
    say(snapshot, packet, 9 + bytes);
    snapshot->table = NO_TABLE;
    snapshot->is_broken = true;
}

static void say_columns(struct tr_model_snapshot *snapshot, const struct tr_span *names,
                        uint8_t count)
{
    say(snapshot, &count, 1);
    for (uint8_t i = 0; i < count; i++) {
        uint8_t packet[64] = "\3def\0\0\0"; /* catalog, database, table, its alias */
        const uint8_t bytes = (uint8_t)names[i].bytes;
        packet[8] = bytes;
        memcpy(packet + 9, names[i].data, bytes);
        memset(packet + 9 + bytes, 0x0C, 13);
        say(snapshot, packet, 9 + (size_t)bytes + 13);
    }
    if (!snapshot->has_no_eof) {
        say_end(snapshot);
    }
}

static void say_time(struct tr_model_snapshot *snapshot)
{
    const struct tr_span name = tr_span_of_text("UNIX_TIMESTAMP()");
    char row[24];
    const int bytes = snprintf(row + 1, sizeof(row) - 1, "%lld",
                               (long long)(snapshot->source->log.now_unix_us / 1000000));
    row[0] = (char)bytes;
    say_columns(snapshot, &name, 1);
    say(snapshot, row, 1 + (size_t)bytes);
    say_end(snapshot);
}

static bool is_due_to_break(const struct tr_model_snapshot *snapshot)
{
    return snapshot->done_count >= snapshot->break_at && !snapshot->is_broken;
}

/* Whether the table is no more the one that the view has seen, and the server minds. */
static bool was_changed(const struct tr_model_snapshot *snapshot, uint32_t table)
{
    return snapshot->faults_on &&
           snapshot->source->log.table_ids[table] != snapshot->table_ids[table];
}

static void answer(struct tr_model_snapshot *snapshot, struct tr_span sql)
{
    const struct tr_span select = tr_span_of_text("SELECT t");

    snapshot->sequence = 1;
    snapshot->out.used = 0;
    snapshot->out_at = 0;
    if (is_due_to_break(snapshot)) {
        if (snapshot->breaks_by_error) {
            say_error(snapshot, ERROR_INTERRUPTED, "Query execution was interrupted");
        } else {
            hang_up(snapshot);
        }
        return;
    }
    snapshot->done_count++;
    if (tr_span_equals(sql, tr_span_of_text("SELECT UNIX_TIMESTAMP()"))) {
        say_time(snapshot);
    } else if (sql.bytes == select.bytes + 1 && memcmp(sql.data, select.data, select.bytes) == 0) {
        const uint32_t table = (uint32_t)(sql.data[select.bytes] - '0');
        if (was_changed(snapshot, table)) {
            say_error(snapshot, ERROR_TABLE_CHANGED, "Table definition has changed");
            return;
        }
        say_columns(snapshot, snapshot->columns[table], (uint8_t)snapshot->column_counts[table]);
        snapshot->table = table;
        snapshot->row_next = snapshot->cut.row_first[table];
    } else {
        say_ok(snapshot);
    }
}

static void say_row(struct tr_model_snapshot *snapshot)
{
    const struct tr_model_cut *cut = &snapshot->cut;

    if (snapshot->row_next == cut->row_first[snapshot->table + 1]) {
        say_end(snapshot);
        snapshot->table = NO_TABLE;
        return;
    }
    if (is_due_to_break(snapshot) && snapshot->breaks_by_error) {
        say_error(snapshot, ERROR_INTERRUPTED, "Query execution was interrupted");
        return;
    }
    const struct tr_model_change *row = &cut->shown[snapshot->row_next++].change;
    snapshot->row.used = 0;
    tr_model_write_cells(&snapshot->source->log, row->table, row->after, &snapshot->row);
    say(snapshot, snapshot->row.bytes, snapshot->row.used);
    snapshot->done_count++;
}

/* --- the connection -----------------------------------------------------------------------------
 */

static void take_statement(struct tr_model_snapshot *snapshot)
{
    const ssize_t bytes = recv(snapshot->fds[1], snapshot->in + snapshot->in_bytes,
                               sizeof(snapshot->in) - snapshot->in_bytes, 0);
    if (bytes > 0) {
        snapshot->in_bytes += (size_t)bytes;
    }
    if (snapshot->in_bytes <= HEADER_BYTES) {
        return;
    }
    const size_t payload_bytes = tr_load_u32(snapshot->in) & 0xFFFFFF;
    TR_ASSERT(HEADER_BYTES + payload_bytes <= sizeof(snapshot->in));
    if (snapshot->in_bytes == HEADER_BYTES + payload_bytes) {
        TR_ASSERT(snapshot->out_at == snapshot->out.used);
        snapshot->in_bytes = 0;
        answer(snapshot, tr_span_of(snapshot->in + HEADER_BYTES + 1, payload_bytes - 1));
    }
}

/* Some bytes more, ahead of which nothing lies unread; of a lost connection the last ones. */
static void send_some(struct tr_model_snapshot *snapshot)
{
    const size_t most = 1 + tr_random_below(&snapshot->random, snapshot->slice_bytes);
    const bool had_rows = snapshot->table != NO_TABLE;

    while (snapshot->table != NO_TABLE && snapshot->out.used - snapshot->out_at < most) {
        if (snapshot->out_at == snapshot->out.used) {
            snapshot->out.used = 0;
            snapshot->out_at = 0;
        }
        say_row(snapshot);
    }
    size_t bytes = snapshot->out.used - snapshot->out_at;
    bytes = bytes < most ? bytes : most;
    if (bytes > 0) {
        const ssize_t sent =
            send(snapshot->fds[1], snapshot->out.bytes + snapshot->out_at, bytes, MSG_NOSIGNAL);
        TR_ASSERT(sent == (ssize_t)bytes);
        snapshot->out_at += bytes;
    }
    if (had_rows && is_due_to_break(snapshot)) {
        hang_up(snapshot); /* perhaps inside a row */
    }
}

void model_snapshot_server_step(struct tr_model_snapshot *snapshot)
{
    int unread_bytes = 0;

    if (snapshot->is_hung_up) {
        return;
    }
    take_statement(snapshot);
    if (snapshot->is_hung_up) {
        return;
    }
    const int result = ioctl(snapshot->fds[0], FIONREAD, &unread_bytes);
    TR_ASSERT(result == 0);
    if (unread_bytes == 0) {
        send_some(snapshot);
    }
}
