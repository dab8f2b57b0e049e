// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "engine/assert.h"

#define EVENT_BYTES_SENT_AT_ONCE 4096
#define ROWS_EVENT_BYTES_MAX 8192 /* binlog_row_event_max_size */
#define MAGIC_BYTES 4
#define PACKET_BYTES_MAX 0xFFFFFFu
#define BIG_ROW_BYTES_MIN 100000
#define BIG_ROW_BYTES_SPAN 400000

static const struct tr_writer_column columns[] = {
    {.name = "id", .type = TR_WRITER_INT},
    {.name = "n", .type = TR_WRITER_INT},
    {.name = "s", .type = TR_WRITER_TEXT, .nullable = true},
};

static const char *const table_names[TR_MODEL_TABLES_MAX] = {"t0", "t1", "t2", "t3"};

struct tr_writer_table tr_model_table(uint32_t index)
{
    return (struct tr_writer_table){.table_id = 100 + index,
                                    .database = "sim",
                                    .name = table_names[index],
                                    .column_count = 3,
                                    .columns = columns,
                                    .key_column = 0};
}

static enum tr_code port_open(void *self, const struct tr_resume *resume, struct tr_error *err);
static enum tr_read port_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err);

static void port_close(void *self)
{
    struct tr_model_source *source = self;
    source->connected = false;
}

static void port_wake(void *self)
{
    (void)self; /* nothing ever waits */
}

static void start_file(struct tr_model_source *source)
{
    const uint32_t index = source->file_count;
    TR_ASSERT(index < TR_MODEL_FILES_MAX);
    struct tr_binlog_writer *writer = &source->files[index];
    *writer = (struct tr_binlog_writer){.flavor = source->options.flavor,
                                        .checksums = true,
                                        .full_metadata = true,
                                        .server_id = 7,
                                        .timestamp_s = (uint32_t)(source->now_unix_us / 1000000)};
    memcpy(writer->uuid, "model-source-001", 16);
    (void)snprintf(source->file_names[index], sizeof(source->file_names[index]), "binlog.%06u",
                   index + 1);
    tr_binlog_writer_start(writer);
    source->file_count++;
}

void tr_model_source_init(struct tr_model_source *source, const struct tr_model_options *options)
{
    *source = (struct tr_model_source){.options = *options,
                                       .random = {options->seed},
                                       .link_random = {options->seed ^ 0x11AA},
                                       .first_gtid_number = 1,
                                       .now_unix_us = INT64_C(1700000000000000),
                                       .faults_on = true};
    source->port = (struct tr_source_port){.self = source,
                                           .framing = TR_FRAMING_PACKETS,
                                           .open = port_open,
                                           .read = port_read,
                                           .close = port_close,
                                           .wake = port_wake};
    start_file(source);
}

void tr_model_source_deinit(struct tr_model_source *source)
{
    for (uint32_t i = 0; i < source->file_count; i++) {
        tr_buffer_free(&source->files[i].out);
    }
    tr_buffer_free(&source->pending);
    free(source->transactions);
    free(source->changes);
    *source = (struct tr_model_source){0};
}

static void remember(struct tr_model_source *source, uint32_t table, uint32_t key, int op)
{
    if (source->change_count == source->changes_room) {
        source->changes_room = source->changes_room * 2 + 1024;
        source->changes = realloc(source->changes, source->changes_room * sizeof(*source->changes));
        TR_ASSERT(source->changes != NULL);
    }
    source->changes[source->change_count++] =
        (struct tr_model_change){.table = (uint8_t)table,
                                 .op = (uint8_t)op,
                                 .key = (uint16_t)key,
                                 .n = source->n[table][key],
                                 .transaction = source->transaction_count};
}

static uint32_t text_bytes(struct tr_model_source *source)
{
    if (tr_random_chance(&source->random, source->options.big_row_permille)) {
        return BIG_ROW_BYTES_MIN + tr_random_below(&source->random, BIG_ROW_BYTES_SPAN);
    }
    return tr_random_below(&source->random, 60);
}

/* One row of one event: its images, and the model's own state. */
static void write_row(struct tr_model_source *source, struct tr_binlog_writer *writer,
                      uint32_t table, uint32_t key, int op)
{
    static uint8_t filler[BIG_ROW_BYTES_MIN + BIG_ROW_BYTES_SPAN];
    const struct tr_writer_table definition = tr_model_table(table);
    if (filler[0] == 0) {
        memset(filler, 'x', sizeof(filler));
    }
    struct tr_writer_value values[3] = {{.number = (int64_t)key},
                                        {.number = source->n[table][key]},
                                        {.text = tr_span_of(filler, text_bytes(source))}};
    values[2].is_null = tr_random_chance(&source->random, 100);
    if (op != 0) {
        tr_binlog_writer_image(writer, &definition, values);
    }
    if (op != 2) {
        source->n[table][key]++;
        values[1].number = source->n[table][key];
        tr_binlog_writer_image(writer, &definition, values);
    }
    source->exists[table][key] = op != 2;
    remember(source, table, key, op);
}

/* One statement: rows of one table and one kind, cut into events like the server does. */
static void write_statement(struct tr_model_source *source, struct tr_binlog_writer *writer,
                            uint32_t row_count)
{
    const uint32_t table = tr_random_below(&source->random, source->options.table_count);
    const struct tr_writer_table definition = tr_model_table(table);
    const uint32_t first_key = tr_random_below(&source->random, source->options.key_count);
    int event_op = -1;
    tr_binlog_writer_table_map(writer, &definition);
    for (uint32_t i = 0; i < row_count && i < source->options.key_count; i++) {
        const uint32_t key = (first_key + i) % source->options.key_count;
        const bool deletes = tr_random_chance(&source->random, source->options.delete_permille);
        const int op = !source->exists[table][key] ? 0 : deletes ? 2 : 1;
        if (op != event_op || writer->out.used - writer->event_at > ROWS_EVENT_BYTES_MAX) {
            if (event_op >= 0) {
                tr_binlog_writer_rows_end(writer);
            }
            tr_binlog_writer_rows_begin(writer, &definition, op);
            event_op = op;
        }
        write_row(source, writer, table, key, op);
    }
    tr_binlog_writer_rows_end(writer);
}

static void note_transaction(struct tr_model_source *source)
{
    if (source->transaction_count == source->transactions_room) {
        source->transactions_room = source->transactions_room * 2 + 1024;
        source->transactions = realloc(source->transactions,
                                       source->transactions_room * sizeof(*source->transactions));
        TR_ASSERT(source->transactions != NULL);
    }
    source->transactions[source->transaction_count] = (struct tr_model_transaction){
        .file = source->file_count - 1,
        .at = (uint32_t)source->files[source->file_count - 1].out.used};
}

static void commit_one(struct tr_model_source *source)
{
    if (source->file_count < TR_MODEL_FILES_MAX &&
        tr_random_chance(&source->random, source->options.rotate_permille)) {
        char next[32];
        (void)snprintf(next, sizeof(next), "binlog.%06u", source->file_count + 1);
        tr_binlog_writer_rotate(&source->files[source->file_count - 1], next);
        start_file(source);
    }
    struct tr_binlog_writer *writer = &source->files[source->file_count - 1];
    source->now_unix_us += tr_random_below(&source->random, 2000000);
    writer->timestamp_s = (uint32_t)(source->now_unix_us / 1000000);
    note_transaction(source);
    tr_binlog_writer_gtid(writer, source->first_gtid_number + source->transaction_count, false,
                          source->now_unix_us);
    if (source->options.flavor == TR_FLAVOR_MYSQL) {
        tr_binlog_writer_query(writer, "sim", "BEGIN");
    }
    const bool big = tr_random_chance(&source->random, source->options.big_transaction_permille);
    const uint32_t statement_count =
        big ? 40 + tr_random_below(&source->random, 100)
            : 1 + tr_random_below(&source->random, source->options.statements_max);
    for (uint32_t i = 0; i < statement_count; i++) {
        write_statement(source, writer,
                        1 + tr_random_below(&source->random, big ? 200 : source->options.rows_max));
    }
    tr_binlog_writer_xid(writer, source->transaction_count + 1);
    source->transaction_count++;
}

void tr_model_source_commit(struct tr_model_source *source, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        commit_one(source);
    }
}

static void send_event(struct tr_model_source *source, const uint8_t *event, size_t bytes)
{
    size_t at = 0;
    size_t left = bytes + 1; /* with the status byte */
    bool first = true;
    bool more = true;
    while (more) {
        const size_t part = left < PACKET_BYTES_MAX ? left : PACKET_BYTES_MAX;
        tr_buffer_append_uint(&source->pending, part | (uint64_t)source->packet_number << 24, 4);
        source->packet_number++;
        size_t payload = part;
        if (first) {
            tr_buffer_append_uint(&source->pending, 0, 1);
            payload--;
            first = false;
        }
        tr_buffer_append(&source->pending, event + at, payload);
        at += payload;
        left -= part;
        more = part == PACKET_BYTES_MAX;
    }
}

/* What a dump thread sends before the events of a file. */
static void send_file_start(struct tr_model_source *source, uint32_t file, uint64_t pos)
{
    struct tr_buffer rotate = {0};
    const struct tr_binlog_writer *writer = &source->files[file];
    tr_binlog_write_artificial_rotate(&rotate, writer->server_id, source->file_names[file], pos,
                                      true);
    send_event(source, rotate.bytes, rotate.used);
    tr_buffer_free(&rotate);
    const size_t bytes = tr_load_u32(writer->out.bytes + MAGIC_BYTES + 9);
    if (pos > MAGIC_BYTES) {
        uint8_t description[512];
        TR_ASSERT(bytes <= sizeof(description));
        memcpy(description, writer->out.bytes + MAGIC_BYTES, bytes);
        memset(description + 13, 0, 4); /* end_log_pos 0: not part of what was asked for */
        const uint32_t crc = (uint32_t)crc32(0, description, (unsigned)(bytes - 4));
        memcpy(description + bytes - 4, &crc, 4);
        send_event(source, description, bytes);
    } else {
        send_event(source, writer->out.bytes + MAGIC_BYTES, bytes);
        pos = MAGIC_BYTES + bytes;
    }
    source->sent_file = file;
    source->sent_at = pos;
}

/* Where the first transaction lies that the set does not contain. The model's sets have no holes.
 */
static void find_resume(const struct tr_model_source *source, const struct tr_resume *resume,
                        uint32_t *file, uint64_t *pos)
{
    *file = 0;
    *pos = resume->point.pos;
    if (resume->gtids == NULL || tr_gtid_set_is_empty(resume->gtids)) {
        while (*file < source->file_count &&
               strcmp(source->file_names[*file], resume->point.file) != 0) {
            (*file)++;
        }
        TR_ASSERT(*file < source->file_count);
        return;
    }
    char text[256];
    TR_ASSERT(tr_gtid_set_text_bytes(resume->gtids) < sizeof(text));
    tr_gtid_set_write_text(resume->gtids, text);
    const char *number = strrchr(text, '-');
    TR_ASSERT(number != NULL);
    const uint32_t done = (uint32_t)strtoul(number + 1, NULL, 10) - source->first_gtid_number + 1;
    TR_ASSERT(done <=
              source->transaction_count); /* a set with more than the server has would be refused */
    if (done < source->transaction_count) {
        *file = source->transactions[done].file;
        *pos = source->transactions[done].at;
    } else {
        *file = source->file_count - 1;
        *pos = source->files[*file].out.used;
    }
}

static enum tr_code port_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct tr_model_source *source = self;
    uint32_t file;
    uint64_t pos;
    if (source->faults_on &&
        tr_random_chance(&source->link_random, source->options.refuse_permille)) {
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY, "model source: connection refused");
    }
    find_resume(source, resume, &file, &pos);
    source->connected = true;
    source->connect_count++;
    source->packet_number = 1;
    source->pending.used = 0;
    source->pending_at = 0;
    send_file_start(source, file, pos);
    return TR_OK;
}

/* Moves events of the log into `pending`, until something is there to be read. */
static void send_more(struct tr_model_source *source)
{
    source->pending.used = 0;
    source->pending_at = 0;
    while (source->pending.used < EVENT_BYTES_SENT_AT_ONCE) {
        const struct tr_buffer *log = &source->files[source->sent_file].out;
        if (source->sent_at < log->used) {
            const size_t bytes = tr_load_u32(log->bytes + source->sent_at + 9);
            send_event(source, log->bytes + source->sent_at, bytes);
            source->sent_at += bytes;
        } else if (source->sent_file + 1 < source->file_count) {
            send_file_start(source, source->sent_file + 1, MAGIC_BYTES);
        } else {
            return;
        }
    }
}

static enum tr_read port_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err)
{
    struct tr_model_source *source = self;
    (void)wait_ns;
    TR_ASSERT(source->connected);
    if (source->faults_on && tr_random_chance(&source->link_random, source->options.cut_permille)) {
        (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                      "model source: connection reset by peer");
        return TR_READ_ERROR;
    }
    if (source->pending_at == source->pending.used) {
        send_more(source);
    }
    const size_t ready = source->pending.used - source->pending_at;
    if (ready == 0 || tr_random_chance(&source->link_random, 100)) {
        return TR_READ_WOULD_BLOCK;
    }
    const size_t most = ready < room_bytes ? ready : room_bytes;
    const bool short_read = tr_random_chance(&source->link_random, 300);
    *bytes = short_read ? 1 + tr_random_below(&source->link_random, (uint32_t)most) : most;
    memcpy(out, source->pending.bytes + source->pending_at, *bytes);
    source->pending_at += *bytes;
    return TR_READ_BYTES;
}
