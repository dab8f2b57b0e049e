// SPDX-License-Identifier: Apache-2.0
#include "offsets/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/json.h"
#include "engine/log.h"
#include "offsets/file_replace.h"
#include "offsets/history_source.h"

#define READ_BYTES (256 * 1024)
#define SERVER_BYTES_MAX 512
#define VECTORS_MAX (1 + 2 * TR_HISTORY_BATCH_MAX) /* an open line's end; each text and its end */

_Static_assert(VECTORS_MAX <= IOV_MAX, "one pwritev per batch");

static const char line_end[1] = {'\n'};

struct history_file {
    char path[PATH_MAX];
    char server[SERVER_BYTES_MAX];
    bool read_only;
    int fd; /* owns; -1: read-only, and there is no file */
    enum tr_store_state result;
    struct tr_error error;
    bool is_loaded;
    uint64_t end;      /* behind the last whole document: where the next batch goes */
    bool is_line_open; /* that document has no line end yet */
    /* What the file's size may be now: more than `end` is a crash's part of a document, or what a
     * failed append of ours left. */
    uint64_t size_min;
    uint64_t size_max;
    struct iovec vectors[VECTORS_MAX];
};

/* --- loading --- */

struct reading {
    struct history_file *file;
    tr_history_on_document *on_document;
    void *document_self;
    struct tr_file_text text; /* bytes from `offset` on that are not given yet */
    size_t scanned;           /* of `text`: no line end in them */
    uint64_t offset;
    uint64_t line;
};

/* Whether the text is one JSON object and nothing behind it: a part of one never is. */
static bool is_whole_document(struct tr_span text)
{
    struct tr_json_reader *reader;
    struct tr_error ignored;
    struct tr_span name;

    if (tr_json_open(&reader, text.bytes, &ignored) != TR_OK) {
        return false;
    }
    tr_json_begin(reader, text);
    if (tr_json_enter_object(reader)) {
        while (tr_json_next_member(reader, &name)) {
        }
    }
    const bool is_whole = tr_json_finish(reader, &ignored) == TR_OK;

    tr_json_close(reader);
    return is_whole;
}

/* One line without its end; Debezium, too, passes over empty ones. */
static enum tr_code give_line(struct reading *reading, struct tr_span line, struct tr_error *err)
{
    if (line.bytes != 0 && line.data[line.bytes - 1] == '\r') {
        line.bytes--;
    }
    reading->line++;
    if (line.bytes != 0 && reading->on_document(reading->document_self, line, err) != TR_OK) {
        return tr_error_prefix(err, "schema history file \"%s\", line %" PRIu64,
                               reading->file->path, reading->line);
    }
    return TR_OK;
}

/* Gives every whole line that is in memory; what is left moves to the front. */
static enum tr_code give_lines(struct reading *reading, struct tr_error *err)
{
    struct tr_file_text *const text = &reading->text;
    size_t done = 0;

    for (;;) { /* ends: each turn takes a line end out of the text */
        const uint8_t *const from = text->data + reading->scanned;
        const uint8_t *const at = memchr(from, '\n', text->bytes - reading->scanned);

        if (at == NULL) {
            break;
        }
        const size_t line_bytes = (size_t)(at - (text->data + done));

        if (give_line(reading, tr_span_of(text->data + done, line_bytes), err) != TR_OK) {
            return err->code;
        }
        done += line_bytes + 1;
        reading->scanned = done;
    }
    text->bytes -= done;
    memmove(text->data, text->data + done, text->bytes);
    reading->offset += done;
    reading->scanned = text->bytes;
    return TR_OK;
}

/* What is behind the last line end: a document whose writer died before its line end, or a part. */
static enum tr_code take_tail(struct reading *reading, struct tr_error *err)
{
    struct history_file *file = reading->file;
    const struct tr_span tail = tr_file_text_span(&reading->text);

    file->end = reading->offset;
    file->size_min = reading->offset + tail.bytes;
    file->size_max = file->size_min;
    if (tail.bytes == 0) {
        return TR_OK;
    }
    if (is_whole_document(tail)) {
        TR_COVER("history_file.line_open");
        file->end += tail.bytes;
        file->is_line_open = true;
        return give_line(reading, tail, err);
    }
    TR_COVER("history_file.part_found");
    TR_LOG(TR_LOG_WARN, "history_file.part_found", TR_TEXT("path", file->path),
           TR_UINT("offset", file->end), TR_UINT("bytes", tail.bytes),
           TR_TEXT("meaning",
                   "a document that was cut while it was written, and never counted as stored: "
                   "left out, and cut off when the next one is stored"));
    return TR_OK;
}

/* Reads more; *is_end at the file's end. */
static enum tr_code read_more(struct reading *reading, bool *is_end, struct tr_error *err)
{
    struct tr_file_text *const text = &reading->text;
    const size_t wanted = text->bytes + READ_BYTES;

    if (text->bytes > TR_HISTORY_DOCUMENT_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "schema history file \"%s\", line %" PRIu64 ": over %d bytes without a line "
                       "end: no schema history; correct "
                       "debezium.source.schema.history.internal.file.filename",
                       reading->file->path, reading->line + 1, TR_HISTORY_DOCUMENT_BYTES_MAX);
    }
    if (wanted > text->room_bytes &&
        tr_file_text_reserve(text, text->room_bytes * 2 > wanted ? text->room_bytes * 2 : wanted,
                             err) != TR_OK) {
        return err->code;
    }
    const ssize_t got =
        pread(reading->file->fd, text->data + text->bytes, text->room_bytes - text->bytes,
              (off_t)(reading->offset + text->bytes));

    if (got == -1 && errno != EINTR) {
        (void)tr_file_fail("reading", reading->file->path, errno, err);
        return tr_error_prefix(err, "schema history file");
    }
    *is_end = got == 0;
    text->bytes += got > 0 ? (size_t)got : 0;
    return TR_OK;
}

static enum tr_code load(struct reading *reading, struct tr_error *err)
{
    bool is_end = false;

    while (!is_end) {
        if (read_more(reading, &is_end, err) != TR_OK || give_lines(reading, err) != TR_OK) {
            return err->code;
        }
    }
    return take_tail(reading, err);
}

/* --- appending --- */

/* What other engines have appended stays in front of what we append. */
static enum tr_code take_others(struct history_file *file, uint64_t size, struct tr_error *err)
{
    bool are_others;

    if (tr_history_lines_are_of_others(file->fd, file->path, file->end, size,
                                       tr_span_of_text(file->server), &are_others, err) != TR_OK) {
        return err->code;
    }
    if (are_others) {
        TR_COVER("history_file.others_passed");
        file->end = size;
        file->size_min = size;
        file->size_max = size;
    }
    return TR_OK;
}

/* The file must be the one that we left, as we left it; what was never acknowledged is cut off. */
static enum tr_code check_unchanged(struct history_file *file, struct tr_error *err)
{
    struct stat by_name;
    struct stat open_one;

    if (stat(file->path, &by_name) == -1 || fstat(file->fd, &open_one) == -1) {
        return tr_file_fail("looking at", file->path, errno, err);
    }
    if (by_name.st_ino != open_one.st_ino || by_name.st_dev != open_one.st_dev) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "\"%s\" was replaced by another file since it was opened: put the old one "
                       "back and start again",
                       file->path);
    }
    const uint64_t size = (uint64_t)open_one.st_size;

    if (size > file->size_max && file->size_max == file->end && !file->is_line_open &&
        take_others(file, size, err) != TR_OK) {
        return err->code;
    }
    if (size < file->size_min || size > file->size_max) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "\"%s\" = %" PRIu64 " bytes: wanted %" PRIu64 " as we left it; another "
                       "program changed it: stop that program (a Debezium Server with the same "
                       "file and topic.prefix?), then start again",
                       file->path, size, file->size_min);
    }
    if (size > file->end && ftruncate(file->fd, (off_t)file->end) == -1) {
        return tr_file_fail("cutting", file->path, errno, err);
    }
    if (size > file->end) {
        TR_COVER("history_file.part_cut");
        TR_LOG(TR_LOG_WARN, "history_file.part_cut", TR_TEXT("path", file->path),
               TR_UINT("offset", file->end), TR_UINT("bytes", size - file->end));
    }
    file->size_min = file->end;
    file->size_max = file->end;
    return TR_OK;
}

static void add_vector(struct history_file *file, uint32_t *count, const void *data, size_t bytes)
{
    /* Only read from: struct iovec has no const. */
    file->vectors[(*count)++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    file->size_max += bytes;
}

/* Writes all vectors from `end` on. */
static enum tr_code write_vectors(struct history_file *file, uint32_t count, struct tr_error *err)
{
    uint64_t at = file->end;
    uint32_t first = 0;

    while (at < file->size_max) {
        const ssize_t put =
            pwritev(file->fd, &file->vectors[first], (int)(count - first), (off_t)at);

        if (put == -1 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return tr_file_fail("writing", file->path, put == -1 ? errno : ENOSPC, err);
        }
        at += (uint64_t)put;
        size_t left = (size_t)put;
        while (first < count && left >= file->vectors[first].iov_len) {
            left -= file->vectors[first].iov_len;
            first++;
        }
        if (left != 0) {
            TR_COVER("history_file.written_in_parts");
            file->vectors[first].iov_base = (char *)file->vectors[first].iov_base + left;
            file->vectors[first].iov_len -= left;
        }
    }
    return fdatasync(file->fd) == -1 ? tr_file_fail("syncing", file->path, errno, err) : TR_OK;
}

static enum tr_code append(struct history_file *file, const struct tr_span *documents,
                           uint32_t count, struct tr_error *err)
{
    uint32_t vector_count = 0;
    struct stat status;

    if (check_unchanged(file, err) != TR_OK) {
        return tr_error_prefix(err, "schema history file");
    }
    if (file->is_line_open) {
        add_vector(file, &vector_count, line_end, sizeof(line_end));
    }
    for (uint32_t i = 0; i < count; i++) {
        TR_ASSERT(documents[i].bytes != 0);
        TR_ASSERT(memchr(documents[i].data, '\n', documents[i].bytes) == NULL);
        add_vector(file, &vector_count, documents[i].data, documents[i].bytes);
        add_vector(file, &vector_count, line_end, sizeof(line_end));
    }
    if (write_vectors(file, vector_count, err) != TR_OK) {
        /* Best effort, and done again before the next try: nobody else should see a part. */
        (void)!ftruncate(file->fd, (off_t)file->end);
        return tr_error_prefix(err, "schema history file");
    }
    /* Written at the end whatever that was (O_APPEND): another engine may have been quicker. */
    file->end = fstat(file->fd, &status) == 0 && (uint64_t)status.st_size > file->size_max
                    ? (uint64_t)status.st_size
                    : file->size_max;
    file->size_min = file->end;
    file->size_max = file->end;
    file->is_line_open = false;
    return TR_OK;
}

/* --- the port --- */

static void start_load(void *self, tr_history_on_document *on_document, void *document_self,
                       int64_t now_ns)
{
    struct history_file *file = self;
    struct reading reading = {
        .file = file, .on_document = on_document, .document_self = document_self};

    (void)now_ns;
    TR_ASSERT(file->result == TR_STORE_IDLE);
    file->result = TR_STORE_DONE;
    if (file->fd != -1 && load(&reading, &file->error) != TR_OK) {
        file->error.remedy = TR_STOP; /* a disk that fails to read: it would begin all over */
        file->result = TR_STORE_FAILED;
    }
    file->is_loaded = file->result == TR_STORE_DONE;
    tr_file_text_deinit(&reading.text);
}

static void start_append(void *self, const struct tr_span *documents, uint32_t count,
                         int64_t now_ns)
{
    struct history_file *file = self;

    (void)now_ns;
    TR_ASSERT(file->result == TR_STORE_IDLE);
    TR_ASSERT(!file->read_only && file->is_loaded);
    TR_ASSERT(count >= 1 && count <= TR_HISTORY_BATCH_MAX);
    const bool is_locked = flock(file->fd, LOCK_EX) == 0; /* some file systems have no locks */
    file->result =
        append(file, documents, count, &file->error) == TR_OK ? TR_STORE_DONE : TR_STORE_FAILED;
    if (is_locked) {
        (void)flock(file->fd, LOCK_UN);
    }
}

static enum tr_store_state poll_command(void *self, int64_t now_ns, struct tr_error *err)
{
    struct history_file *file = self;
    const enum tr_store_state result = file->result;

    (void)now_ns;
    file->result = TR_STORE_IDLE;
    if (result == TR_STORE_FAILED) {
        *err = file->error;
    }
    return result;
}

static int64_t next_deadline_ns(void *self)
{
    (void)self;
    return INT64_MAX;
}

static void close_store(void *self)
{
    struct history_file *file = self;

    if (file != NULL && file->fd != -1) {
        (void)close(file->fd); /* every batch was synced */
    }
    free(file);
}

/* --- opening --- */

static enum tr_code create(struct history_file *file, struct tr_error *err)
{
    if (tr_file_make_folders(file->path, err) != TR_OK) {
        return err->code;
    }
    file->fd = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    return file->fd == -1 ? tr_file_fail("creating", file->path, errno, err)
                          : tr_file_sync_folder(file->path, err);
}

static enum tr_code open_file(struct history_file *file, struct tr_error *err)
{
    struct stat status;

    /* Not to hang on a pipe; without effect on files. */
    file->fd =
        open(file->path, (file->read_only ? O_RDONLY : O_RDWR | O_APPEND) | O_CLOEXEC | O_NONBLOCK);
    if (file->fd == -1 && errno != ENOENT) {
        return tr_file_fail("opening", file->path, errno, err);
    }
    if (file->fd == -1) {
        return file->read_only ? TR_OK : create(file, err);
    }
    if (fstat(file->fd, &status) == -1 || !S_ISREG(status.st_mode)) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "\"%s\" = no regular file: wanted one",
                       file->path);
    }
    return TR_OK;
}

enum tr_code tr_history_file_open(struct tr_history_store *store,
                                  const struct tr_history_file_options *options,
                                  struct tr_error *err)
{
    struct history_file *file = calloc(1, sizeof(*file));

    *store = (struct tr_history_store){0};
    if (file == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the schema history = %zu bytes: refused by the system",
                       sizeof(*file));
    }
    file->fd = -1;
    file->read_only = options->read_only;
    (void)snprintf(file->server, sizeof(file->server), "%.*s", (int)options->server.bytes,
                   options->server.bytes == 0 ? "" : (const char *)options->server.data);
    const int path_bytes = snprintf(file->path, sizeof(file->path), "%s", options->path);

    if (path_bytes <= 0 || (size_t)path_bytes >= sizeof(file->path)) {
        close_store(file);
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.source.schema.history.internal.file.filename = \"%.200s\": wanted "
                       "the path of a file, up to %zu bytes",
                       options->path, sizeof(file->path) - 1);
    }
    if (open_file(file, err) != TR_OK) {
        close_store(file);
        return tr_error_prefix(err, "schema history file");
    }
    *store = (struct tr_history_store){
        .self = file,
        .name = "file",
        .is_kept = true,
        .start_load = start_load,
        .start_append = start_append,
        .poll = poll_command,
        .next_deadline_ns = next_deadline_ns,
        .close = close_store,
    };
    return TR_OK;
}
