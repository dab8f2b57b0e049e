// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot of a real server, read to its end, for test_snapshot.py:
 *
 *   snapshot_probe key=value...
 *   keys: host port user password tls ca flavor | include exclude rows_list override_table override_sql
 *         locking (minimal, extended, none) lock_timeout_ms captured (statements of captured tables only)
 *         no_rows row_bytes_max values (print the cells) pause_ms (after the cut) stop_after_ms
 *
 * Prints one fact a line: position, statements, ROWS events and, with values=1, rows (cells between tabs, \N for NULL,
 * bytes below 0x20 and backslashes as \xNN). An error is one line `error <code> <text>`, and the exit code is the error's.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "stages/source/packet.h"
#include "stages/source/snapshot.h"
#include "stages/source/snapshot_event.h"

#define WAIT_NS (200 * TR_NS_PER_MS)
#define BUFFER_BYTES ((size_t)80 * 1024 * 1024)

struct probe {
    char **args;
    struct tr_server_facts facts;
    struct tr_saved_position position;
    struct tr_gtid_sources *sources;
    struct tr_filter *filter;
    struct tr_snapshot *snapshot;
    struct tr_error err;
    bool prints_values;
    uint64_t row_count;
    uint64_t event_count;
    uint8_t *event; /* owns: payloads of an event's packets, joined */
    size_t event_bytes;
    uint8_t sequence;
};

static const char *text_of(const struct probe *probe, const char *key, const char *otherwise)
{
    const size_t key_bytes = strlen(key);

    for (char **arg = probe->args; *arg != NULL; arg++) {
        if (strncmp(*arg, key, key_bytes) == 0 && (*arg)[key_bytes] == '=') {
            return *arg + key_bytes + 1;
        }
    }
    return otherwise;
}

static uint64_t number_of(const struct probe *probe, const char *key, uint64_t otherwise)
{
    const char *text = text_of(probe, key, NULL);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static int failed(const struct tr_error *err)
{
    (void)printf("error %s %s%s\n", tr_code_name(err->code), err->text,
                 err->remedy == TR_STOP ? "" : " [retry]");
    return tr_error_exit_code(err->code);
}

static void print_bytes(struct tr_span bytes)
{
    for (size_t i = 0; i < bytes.bytes; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] == '\\') {
            (void)printf("\\x%02x", bytes.data[i]);
        } else {
            (void)putchar(bytes.data[i]);
        }
    }
}

static void print_rows(struct tr_cursor *cursor, uint32_t row_count, uint32_t column_count)
{
    for (uint32_t i = 0; i < row_count; i++) {
        (void)printf("row ");
        for (uint32_t c = 0; c < column_count; c++) {
            (void)printf("%s", c == 0 ? "" : "\t");
            if (tr_cursor_remaining(cursor) > 0 && *cursor->at == 0xFB) {
                (void)tr_cursor_u8(cursor);
                (void)printf("\\N");
            } else {
                print_bytes(tr_cursor_lenenc_span(cursor));
            }
        }
        (void)printf("\n");
    }
    if (cursor->failed || tr_cursor_remaining(cursor) > 0) {
        (void)printf("damaged rows\n");
    }
}

static void take_event(struct probe *probe, struct tr_span event)
{
    struct tr_cursor cursor = tr_cursor_of(event);
    const uint32_t time = tr_cursor_u32(&cursor);
    const uint8_t type = tr_cursor_u8(&cursor);

    (void)tr_cursor_take(&cursor, TR_EVENT_HEADER_BYTES - 5);
    probe->event_count++;
    if (tr_load_u32(event.data + 9) != event.bytes) {
        (void)printf("damaged event\n");
    } else if (type == TR_EVENT_SNAPSHOT_STATEMENT) {
        const uint8_t flags = tr_cursor_u8(&cursor);
        const struct tr_span database = tr_cursor_span(&cursor, tr_cursor_u16(&cursor));
        (void)printf("statement %u <", flags);
        print_bytes(database);
        (void)printf("> ");
        print_bytes(tr_cursor_span(&cursor, tr_cursor_remaining(&cursor)));
        (void)printf("\n");
    } else if (type == TR_EVENT_SNAPSHOT_ROWS) {
        const struct tr_span database = tr_cursor_span(&cursor, tr_cursor_u16(&cursor));
        const struct tr_span table = tr_cursor_span(&cursor, tr_cursor_u16(&cursor));
        const uint8_t first = tr_cursor_u8(&cursor);
        const uint8_t last = tr_cursor_u8(&cursor);
        const uint32_t count = tr_cursor_u32(&cursor);
        probe->row_count += count;
        (void)printf("rows %.*s.%.*s %u %u %" PRIu32 " %" PRIu32 " %zu\n", (int)database.bytes,
                     (const char *)database.data, (int)table.bytes, (const char *)table.data, first,
                     last, count, time, event.bytes);
        if (probe->prints_values) {
            print_rows(&cursor, count, (uint32_t)number_of(probe, "columns", 1));
        }
    } else if (type == TR_EVENT_SNAPSHOT_END) {
        (void)printf("end %zu\n", event.bytes);
    } else {
        (void)printf("unknown event %u\n", type);
    }
}

/* Whole packets at the start of `bytes`; returns how many bytes were taken. */
static size_t take_packets(struct probe *probe, struct tr_span bytes)
{
    size_t at = 0;

    while (bytes.bytes - at >= TR_PACKET_HEADER_BYTES) {
        const uint32_t payload_bytes = tr_load_u24(bytes.data + at);
        if (bytes.bytes - at - TR_PACKET_HEADER_BYTES < payload_bytes) {
            break;
        }
        if (bytes.data[at + 3] != ++probe->sequence) {
            (void)printf("packet out of order\n");
        }
        memcpy(probe->event + probe->event_bytes, bytes.data + at + TR_PACKET_HEADER_BYTES,
               payload_bytes);
        probe->event_bytes += payload_bytes;
        at += TR_PACKET_HEADER_BYTES + payload_bytes;
        if (payload_bytes < TR_PACKET_PAYLOAD_BYTES_MAX) {
            if (probe->event[0] != 0) {
                (void)printf("status %u\n", probe->event[0]);
            }
            take_event(probe, tr_span_of(probe->event + 1, probe->event_bytes - 1));
            probe->event_bytes = 0;
        }
    }
    return at;
}

static enum tr_code log_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    (void)self;
    (void)resume;
    (void)err;
    return TR_OK;
}

static void log_none(void *self)
{
    (void)self;
}

static int read_all(struct probe *probe)
{
    const struct tr_source_port log = {
        .framing = TR_FRAMING_PACKETS, .open = log_open, .close = log_none, .wake = log_none};
    const struct tr_clock *clock = tr_clock_system();
    const struct tr_source_port *port = tr_snapshot_port(probe->snapshot, &log);
    const struct tr_resume resume = {.flavor = probe->facts.flavor};
    uint8_t *in = calloc(1, BUFFER_BYTES);
    size_t in_bytes = 0;
    int result = 1;
    int64_t longest_ns = 0;
    uint64_t total_bytes = 0;

    probe->event = calloc(1, BUFFER_BYTES);
    const int64_t start_ns = tr_clock_monotonic_ns(clock);
    const int64_t stop_ns =
        start_ns + (int64_t)number_of(probe, "stop_after_ms", 86400000) * TR_NS_PER_MS;
    if (in == NULL || probe->event == NULL ||
        port->open(port->self, &resume, &probe->err) != TR_OK) {
        return failed(&probe->err);
    }
    for (bool reading = true; reading;) {
        size_t bytes = 0;
        const int64_t before_ns = tr_clock_monotonic_ns(clock);
        switch (port->read(port->self, in + in_bytes, 256 * 1024, WAIT_NS, &bytes, &probe->err)) {
        case TR_READ_BYTES:
            in_bytes += bytes;
            total_bytes += bytes;
            break;
        case TR_READ_WOULD_BLOCK:
        case TR_READ_BUSY:
            break;
        case TR_READ_PART_END:
            (void)printf("part_end\n");
            result = 0;
            reading = false;
            break;
        case TR_READ_END:
        case TR_READ_ERROR:
            result = failed(&probe->err);
            reading = false;
            break;
        }
        const int64_t now_ns = tr_clock_monotonic_ns(clock);
        longest_ns = now_ns - before_ns > longest_ns ? now_ns - before_ns : longest_ns;
        const size_t taken = take_packets(probe, tr_span_of(in, in_bytes));
        memmove(in, in + taken, in_bytes - taken);
        in_bytes -= taken;
        (void)fflush(stdout);
        if (reading && now_ns > stop_ns) {
            (void)printf("stopped\n");
            result = 0;
            reading = false;
        }
    }
    port->close(port->self);
    const struct tr_snapshot_progress *progress = tr_snapshot_progress(probe->snapshot);
    (void)printf("total %" PRIu64 " rows %" PRIu64 " events %" PRIu64 " bytes %zu left %" PRId64
                 " ms %" PRId64 " ms longest read\n",
                 probe->row_count, probe->event_count, total_bytes, in_bytes,
                 (tr_clock_monotonic_ns(clock) - start_ns) / TR_NS_PER_MS,
                 longest_ns / TR_NS_PER_MS);
    /* Relaxed: one thread. */
    (void)printf("progress %" PRIu64 " of %" PRIu64 " tables %" PRIu64 " rows\n",
                 atomic_load_explicit(&progress->tables_done, memory_order_relaxed),
                 atomic_load_explicit(&progress->table_count, memory_order_relaxed),
                 atomic_load_explicit(&progress->rows_done, memory_order_relaxed));
    free(in);
    free(probe->event);
    return result;
}

static struct tr_span override_of(void *self, struct tr_span database, struct tr_span table)
{
    const char *wanted = text_of(self, "override_table", "");
    char name[512];

    (void)snprintf(name, sizeof(name), "%.*s.%.*s", (int)database.bytes,
                   (const char *)database.data, (int)table.bytes, (const char *)table.data);
    return strcmp(name, wanted) == 0 ? tr_span_of_text(text_of(self, "override_sql", ""))
                                     : (struct tr_span){0};
}

static int probe_run(struct probe *probe)
{
    const char *locking = text_of(probe, "locking", "minimal");
    struct tr_snapshot_options options = {
        .mysql = {.host = text_of(probe, "host", "127.0.0.1"),
                  .user = text_of(probe, "user", "root"),
                  .password = text_of(probe, "password", ""),
                  .ca_path = text_of(probe, "ca", NULL),
                  .port = (uint16_t)number_of(probe, "port", 3306)},
        .facts = &probe->facts,
        .all_tables = number_of(probe, "captured", 0) == 0,
        .with_rows = number_of(probe, "no_rows", 0) == 0,
        .locking = strcmp(locking, "none") == 0       ? TR_SNAPSHOT_LOCK_NONE
                   : strcmp(locking, "extended") == 0 ? TR_SNAPSHOT_LOCK_EXTENDED
                                                      : TR_SNAPSHOT_LOCK_MINIMAL,
        .lock_timeout_ms = (int64_t)number_of(probe, "lock_timeout_ms", 10000),
        .row_bytes_max = number_of(probe, "row_bytes_max", 16777216),
        .include_list = tr_span_of_text(text_of(probe, "include", "")),
        .rows_list = tr_span_of_text(text_of(probe, "rows_list", "")),
        .select_override = override_of,
        .select_override_self = probe,
        .clock = tr_clock_system(),
    };
    const struct tr_filter_options filter = {.table_include = options.include_list,
                                             .table_exclude =
                                                 tr_span_of_text(text_of(probe, "exclude", ""))};
    struct tr_mysql_query query;
    struct tr_error *err = &probe->err;

    if (!tr_tls_mode_parse(text_of(probe, "tls", "disabled"), &options.mysql.tls)) {
        return 2;
    }
    tr_mysql_query_init(&query, &options.mysql);
    enum tr_code code = tr_server_facts_read(&probe->facts, &query.port, err);
    tr_mysql_query_deinit(&query);
    code = code == TR_OK ? tr_gtid_sources_open(&probe->sources, err) : code;
    code =
        code == TR_OK ? tr_gtid_set_open(&probe->position.gtids, probe->facts.flavor, err) : code;
    code = code == TR_OK ? tr_filter_open(&probe->filter, &filter, err) : code;
    options.filter = probe->filter;
    code = code == TR_OK
               ? tr_snapshot_open(&probe->snapshot, &options, probe->sources, &probe->position, err)
               : code;
    if (code != TR_OK) {
        return failed(err);
    }
    char *text = calloc(1, tr_gtid_set_text_bytes(probe->position.gtids) + 1);
    if (text == NULL) {
        return 1;
    }
    tr_gtid_set_write_text(probe->position.gtids, text);
    (void)printf("position %s %" PRIu64 " %" PRId64 " %s\n", probe->position.point.file,
                 probe->position.point.pos, probe->position.point.ts_sec, text);
    free(text);
    (void)fflush(stdout);
    (void)poll(NULL, 0, (int)number_of(probe, "pause_ms", 0));
    return read_all(probe);
}

int main(int argc, char **argv)
{
    struct probe probe = {.args = argv + 1};

    (void)argc;
    (void)signal(SIGPIPE, SIG_IGN);
    probe.prints_values = number_of(&probe, "values", 0) != 0;
    if (tr_mysql_library_open(&probe.err) != TR_OK) {
        return failed(&probe.err);
    }
    const int result = probe_run(&probe);
    tr_snapshot_close(probe.snapshot);
    tr_filter_close(probe.filter);
    tr_gtid_set_close(probe.position.gtids);
    tr_gtid_sources_close(probe.sources);
    tr_mysql_library_close();
    return result;
}
