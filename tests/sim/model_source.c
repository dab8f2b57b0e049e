// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_source.h"

#include <stdlib.h>
#include <zlib.h>

#include "engine/assert.h"

#define MAGIC_BYTES 4
#define TRAILER_BYTES 4
#define EVENT_BYTES_SENT_AT_ONCE 65536
#define PACKET_BYTES_MAX 0xFFFFFFu
#define FLAG_ARTIFICIAL 0x20

enum {
    EVENT_HEARTBEAT = 27,
    EVENT_HEARTBEAT_V2 = 41,
    EVENT_ANNOTATE_ROWS = 160,
    EVENT_GTID_LIST = 163
};

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

void tr_model_source_init(struct tr_model_source *source, const struct tr_model_options *options)
{
    *source = (struct tr_model_source){.link_random = {options->seed ^ 0x11AA}, .faults_on = true};
    source->port = (struct tr_source_port){.self = source,
                                           .framing = TR_FRAMING_PACKETS,
                                           .open = port_open,
                                           .read = port_read,
                                           .close = port_close,
                                           .wake = port_wake};
    tr_model_log_init(&source->log, options);
}

void tr_model_source_deinit(struct tr_model_source *source)
{
    tr_model_log_deinit(&source->log);
    tr_model_set_free(&source->done);
    tr_buffer_free(&source->pending);
    *source = (struct tr_model_source){0};
}

bool tr_model_source_is_exhausted(const struct tr_model_source *source)
{
    return source->connected && source->pending_at == source->pending.used &&
           source->sent_file + 1 == source->log.file_count &&
           source->sent_at == source->log.files[source->sent_file].out.used;
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
    const struct tr_binlog_writer *writer = &source->log.files[file];
    tr_binlog_write_artificial_rotate(&rotate, writer->server_id, source->log.file_names[file], pos,
                                      true);
    send_event(source, rotate.bytes, rotate.used);
    tr_buffer_free(&rotate);
    const size_t bytes = tr_load_u32(writer->out.bytes + MAGIC_BYTES + 9);
    if (pos > MAGIC_BYTES) {
        uint8_t description[512];
        TR_ASSERT(bytes <= sizeof(description));
        memcpy(description, writer->out.bytes + MAGIC_BYTES, bytes);
        memset(description + 13, 0, 4); /* end_log_pos 0: not part of what was asked for */
        const uint32_t crc = (uint32_t)crc32(0, description, (unsigned)(bytes - TRAILER_BYTES));
        memcpy(description + bytes - TRAILER_BYTES, &crc, TRAILER_BYTES);
        send_event(source, description, bytes);
    } else {
        send_event(source, writer->out.bytes + MAGIC_BYTES, bytes);
        pos = MAGIC_BYTES + bytes;
    }
    source->sent_file = file;
    source->sent_at = pos;
}

/* An event that is in no file. */
static void send_artificial(struct tr_model_source *source, uint8_t type, uint16_t flags,
                            const struct tr_buffer *body, uint32_t pos)
{
    struct tr_buffer event = {0};
    tr_buffer_append_uint(&event, 0, 4);
    tr_buffer_append_uint(&event, type, 1);
    tr_buffer_append_uint(&event, 7, 4);
    tr_buffer_append_uint(&event, 19 + body->used + TRAILER_BYTES, 4);
    tr_buffer_append_uint(&event, pos, 4);
    tr_buffer_append_uint(&event, flags, 2);
    tr_buffer_append(&event, body->bytes, body->used);
    tr_buffer_append_uint(&event, crc32(0, event.bytes, (unsigned)event.used), TRAILER_BYTES);
    send_event(source, event.bytes, event.used);
    tr_buffer_free(&event);
}

/* A heartbeat at the place where sending stands. Source: mysql-binlog reference §3.16. */
static void send_heartbeat(struct tr_model_source *source)
{
    struct tr_buffer body = {0};
    const char *file = source->log.file_names[source->sent_file];
    const uint32_t pos = (uint32_t)source->sent_at;
    const bool is_v2 = source->log.options.flavor == TR_FLAVOR_MYSQL &&
                       tr_random_chance(&source->link_random, 500);
    if (is_v2) {
        tr_buffer_append_uint(&body, 1, 1);
        tr_buffer_append_uint(&body, strlen(file), 1);
        tr_buffer_append(&body, file, strlen(file));
        tr_buffer_append(&body, "\x02\x09\xFE", 3);
        tr_buffer_append_uint(&body, pos, 8);
        tr_buffer_append_uint(&body, 0, 1);
    } else {
        tr_buffer_append(&body, file, strlen(file));
    }
    send_artificial(source, is_v2 ? EVENT_HEARTBEAT_V2 : EVENT_HEARTBEAT, 0, &body,
                    is_v2 ? 0 : pos);
    tr_buffer_free(&body);
}

/* Stands for the groups that were left out; the servers do not always send one. */
static void send_filler(struct tr_model_source *source)
{
    struct tr_buffer body = {0};
    source->has_left_out = false;
    if (tr_random_chance(&source->link_random, 300)) {
        return;
    }
    if (source->log.options.flavor == TR_FLAVOR_MYSQL) {
        send_heartbeat(source);
        return;
    }
    tr_buffer_append_uint(&body, 0, 6);
    send_artificial(source, EVENT_GTID_LIST, FLAG_ARTIFICIAL, &body, (uint32_t)source->sent_at);
    tr_buffer_free(&body);
}

static bool is_event_start(const struct tr_buffer *file, uint64_t pos)
{
    size_t at = MAGIC_BYTES;
    while (at < pos && at < file->used) {
        at += tr_load_u32(file->bytes + at + 9);
    }
    return at == pos;
}

/* Where sending begins, as the server decides it. */
static void find_start(struct tr_model_source *source, const struct tr_resume *resume,
                       uint32_t *file, uint64_t *pos)
{
    const struct tr_model_log *log = &source->log;
    *file = 0;
    *pos = MAGIC_BYTES;
    tr_model_set_free(&source->done);
    source->group_next = 0;
    source->has_left_out = false;
    if (resume->gtids == NULL || tr_gtid_set_is_empty(resume->gtids)) {
        while (*file < log->file_count && strcmp(log->file_names[*file], resume->point.file) != 0) {
            (*file)++;
        }
        *pos = resume->point.pos;
        TR_ASSERT(*file < log->file_count); /* else the server would refuse */
        TR_ASSERT(is_event_start(&log->files[*file].out, *pos));
        return;
    }
    TR_ASSERT(!log->options.by_file);
    char *text = malloc(tr_gtid_set_text_bytes(resume->gtids) + 1);
    TR_ASSERT(text != NULL);
    tr_gtid_set_write_text(resume->gtids, text);
    tr_model_set_parse(&source->done, log->options.flavor, text);
    free(text);
    uint32_t group = 0;
    while (group < log->transaction_count && tr_model_set_contains(&source->done, log, group)) {
        group++;
    }
    *file = group < log->transaction_count ? log->transactions[group].file : log->file_count - 1;
}

static enum tr_code port_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct tr_model_source *source = self;
    uint32_t file;
    uint64_t pos;
    if (source->faults_on &&
        tr_random_chance(&source->link_random, source->log.options.refuse_permille)) {
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY, "model source: connection refused");
    }
    find_start(source, resume, &file, &pos);
    source->connected = true;
    source->connect_count++;
    source->packet_number = 1;
    source->pending.used = 0;
    source->pending_at = 0;
    send_file_start(source, file, pos);
    return TR_OK;
}

/* Goes past the groups here that are in the set; whether there was one. */
static bool leave_out(struct tr_model_source *source)
{
    const struct tr_model_log *log = &source->log;
    while (source->group_next < log->transaction_count) {
        const struct tr_model_transaction *group = &log->transactions[source->group_next];
        if (group->file > source->sent_file ||
            (group->file == source->sent_file && group->at >= source->sent_at)) {
            break;
        }
        source->group_next++;
    }
    if (source->group_next == log->transaction_count || source->done.range_count == 0) {
        return false;
    }
    const struct tr_model_transaction *group = &log->transactions[source->group_next];
    if (group->file != source->sent_file || group->at != source->sent_at ||
        !tr_model_set_contains(&source->done, log, source->group_next)) {
        return false;
    }
    source->sent_at = group->end;
    source->has_left_out = true;
    return true;
}

/* Moves events of the log into `pending`, until something is there to be read. */
static void send_more(struct tr_model_source *source)
{
    source->pending.used = 0;
    source->pending_at = 0;
    while (source->pending.used < EVENT_BYTES_SENT_AT_ONCE) {
        const struct tr_buffer *log = &source->log.files[source->sent_file].out;
        if (leave_out(source)) {
            continue;
        }
        if (source->has_left_out) {
            send_filler(source);
        } else if (source->sent_at < log->used) {
            const uint8_t *event = log->bytes + source->sent_at;
            const size_t bytes = tr_load_u32(event + 9);
            if (event[4] != EVENT_ANNOTATE_ROWS) { /* withheld: nobody asked for them */
                send_event(source, event, bytes);
            }
            source->sent_at += bytes;
        } else if (source->sent_file + 1 < source->log.file_count) {
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
    if (source->faults_on &&
        tr_random_chance(&source->link_random, source->log.options.cut_permille)) {
        (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                      "model source: connection reset by peer");
        return TR_READ_ERROR;
    }
    if (source->pending_at == source->pending.used) {
        send_more(source);
        if (source->pending.used == 0 &&
            tr_random_chance(&source->link_random, source->log.options.heartbeat_permille)) {
            send_heartbeat(source);
        }
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
