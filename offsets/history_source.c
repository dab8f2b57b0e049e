// SPDX-License-Identifier: Apache-2.0
#include "offsets/history_source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/json.h"
#include "offsets/file_replace.h"

/* As Debezium and we write it; a prefix has no character that JSON escapes. */
static const char usual_beginning[] = "{\"source\":{\"server\":\"";

static bool is_usual(struct tr_span document, struct tr_span *server)
{
    const size_t at = sizeof(usual_beginning) - 1;

    if (document.bytes <= at || memcmp(document.data, usual_beginning, at) != 0) {
        return false;
    }
    const uint8_t *end = memchr(document.data + at, '"', document.bytes - at);
    if (end == NULL) {
        return false;
    }
    *server = tr_span_of(document.data + at, (size_t)(end - document.data) - at);
    const size_t rest_bytes = document.bytes - at - server->bytes;
    return memchr(server->data, '\\', server->bytes) == NULL && rest_bytes > 1 && end[1] == '}';
}

static bool is_named(struct tr_span name, const char *wanted)
{
    return tr_span_equals(name, tr_span_of_text(wanted));
}

/* Members in any order. */
static bool read_is_another(struct tr_json_reader *reader, struct tr_span document,
                            struct tr_span server)
{
    struct tr_error ignored;
    struct tr_span name;
    bool is_another = false;

    tr_json_begin(reader, document);
    if (!tr_json_enter_object(reader)) {
        return false;
    }
    while (tr_json_next_member(reader, &name)) {
        if (!is_named(name, "source") || !tr_json_enter_object(reader)) {
            continue;
        }
        while (tr_json_next_member(reader, &name)) {
            if (is_named(name, "server")) {
                is_another = !tr_span_equals(tr_json_get_text(reader), server);
            }
        }
    }
    return tr_json_finish(reader, &ignored) == TR_OK && is_another;
}

bool tr_history_is_of_another(struct tr_span document, struct tr_span server)
{
    struct tr_json_reader *reader;
    struct tr_error ignored;
    struct tr_span named;

    if (server.bytes == 0) {
        return false;
    }
    if (is_usual(document, &named)) {
        return !tr_span_equals(named, server);
    }
    if (tr_json_open(&reader, document.bytes, &ignored) != TR_OK) {
        return false;
    }
    const bool is_another = read_is_another(reader, document, server);
    tr_json_close(reader);
    return is_another;
}

/* Whether the last line has its end, or shows already that it is ours. */
static bool is_ended(struct tr_span lines, struct tr_span server)
{
    size_t at = lines.bytes;
    struct tr_span named;

    while (at > 0 && lines.data[at - 1] != '\n') {
        at--;
    }
    return at == lines.bytes || (is_usual(tr_span_of(lines.data + at, lines.bytes - at), &named) &&
                                 tr_span_equals(named, server));
}

static bool are_of_others(struct tr_span lines, struct tr_span server)
{
    while (lines.bytes > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.bytes);
        if (end == NULL) {
            return false;
        }
        const size_t bytes = (size_t)(end - lines.data);
        if (bytes > 0 && !tr_history_is_of_another(tr_span_of(lines.data, bytes), server)) {
            return false;
        }
        lines = tr_span_of(end + 1, lines.bytes - bytes - 1);
    }
    return true;
}

enum tr_code tr_history_lines_are_of_others(int fd, const char *path, uint64_t from, uint64_t to,
                                            struct tr_span server, bool *are_others,
                                            struct tr_error *err)
{
    struct tr_file_text text = {0};
    ssize_t got = 1;

    *are_others = false;
    if (tr_file_text_reserve(&text, to - from, err) != TR_OK) {
        return err->code;
    }
    while (got > 0 && text.bytes < to - from) {
        got = pread(fd, text.data + text.bytes, to - from - text.bytes, (off_t)(from + text.bytes));
        if (got == -1 && errno == EINTR) {
            got = 1;
            continue;
        }
        text.bytes += got > 0 ? (size_t)got : 0;
    }
    enum tr_code code = TR_OK;
    if (got == -1) {
        code = tr_file_fail("reading", path, errno, err);
    } else if (!is_ended(tr_file_text_span(&text), server)) {
        code = TR_FAIL(err, TR_ERR_STATE, TR_RETRY,
                       "\"%s\" ends inside a line: another program is writing to it, or died while "
                       "it was; complete the line, or cut it off",
                       path);
    } else {
        *are_others = are_of_others(tr_file_text_span(&text), server);
    }
    tr_file_text_deinit(&text);
    return code;
}
