// SPDX-License-Identifier: Apache-2.0
#include "engine/app/offsets_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/json.h"
#include "engine/json_write.h"
#include "offsets/java_map.h"
#include "offsets/store.h"

#define JSON_EXTRA_BYTES 1024 /* around value and identity: names, and the server's escaped */
#define KEYS_SHOWN_BYTES 400

static const uint8_t java_magic[] = {0xAC, 0xED};

void tr_offsets_file_deinit(struct tr_offsets_file *offsets)
{
    tr_file_text_deinit(&offsets->file);
    tr_json_close(offsets->reader);
    *offsets = (struct tr_offsets_file){0};
}

/* --- writing --- */

static enum tr_code write_java(const struct tr_offsets_file *offsets, struct tr_file_text *out,
                               struct tr_error *err)
{
    const struct tr_java_entry entry = {.key = offsets->offset_key, .value = offsets->offset_value};
    if (tr_file_text_reserve(out, tr_java_map_write(&entry, 1, NULL), err) != TR_OK) {
        return err->code;
    }
    out->bytes = tr_java_map_write(&entry, 1, out->data);
    return TR_OK;
}

static enum tr_code write_json(const struct tr_offsets_file *offsets, struct tr_file_text *out,
                               struct tr_error *err)
{
    const size_t room_bytes = offsets->offset_value.bytes + offsets->identity.bytes +
                              TR_JSON_ESCAPE_FACTOR * offsets->topic_prefix.bytes +
                              JSON_EXTRA_BYTES;
    if (tr_file_text_reserve(out, room_bytes, err) != TR_OK) {
        return err->code;
    }
    struct tr_json_writer json = tr_json_writer_of(out->data, room_bytes);
    tr_json_write_literal(&json, "{\"server\":");
    tr_json_write_text(&json, offsets->topic_prefix);
    tr_json_write_literal(&json, ",\"value\":");
    tr_json_write_raw(&json, offsets->offset_value);
    tr_json_write_literal(&json, ",\"identity\":");
    tr_json_write_raw(&json,
                      offsets->identity.bytes == 0 ? tr_span_of_text("null") : offsets->identity);
    tr_json_write_literal(&json, "}\n");
    out->bytes = json.bytes;
    return TR_OK;
}

enum tr_code tr_offsets_file_write(const struct tr_offsets_file *offsets, const char *path,
                                   bool as_json, struct tr_error *err)
{
    struct tr_file_text out = {0};
    if (strcmp(path, "-") == 0) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "export -: what is exported goes into a file: give its name");
    }
    if (access(path, F_OK) == 0 || errno != ENOENT) {
        return TR_FAIL(
            err, TR_ERR_USAGE, TR_STOP,
            "export \"%.300s\": it exists already, or its folder cannot be entered: give "
            "the name of a new file",
            path);
    }
    enum tr_code code = as_json ? write_json(offsets, &out, err) : write_java(offsets, &out, err);
    if (code == TR_OK) {
        code = tr_file_replace(path, tr_file_text_span(&out), err);
    }
    tr_file_text_deinit(&out);
    return code;
}

/* --- reading --- */

static enum tr_code read_java(struct tr_offsets_file *offsets, const char *path,
                              struct tr_error *err)
{
    static struct tr_java_entry entries[TR_JAVA_ENTRIES_MAX];
    char keys[KEYS_SHOWN_BYTES] = "";
    size_t keys_bytes = 0;
    uint32_t count = 0;
    if (tr_java_map_parse(tr_file_text_span(&offsets->file), entries, &count, err) != TR_OK) {
        return tr_error_prefix(err, "import \"%.300s\"", path);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (tr_span_equals(entries[i].key, offsets->offset_key) && entries[i].value.bytes > 0) {
            offsets->offset_value = entries[i].value;
            return TR_OK;
        }
        if (keys_bytes + entries[i].key.bytes + 2 < sizeof(keys)) {
            keys_bytes += (size_t)snprintf(
                keys + keys_bytes, sizeof(keys) - keys_bytes, " %.*s", (int)entries[i].key.bytes,
                entries[i].key.bytes == 0 ? "" : (const char *)entries[i].key.data);
        }
    }
    return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                   "import \"%.300s\": no offset of %.*s in it; it has%s: check "
                   "debezium.source.topic.prefix, or name the right file",
                   path, (int)offsets->offset_key.bytes, (const char *)offsets->offset_key.data,
                   keys[0] == '\0' ? " none" : keys);
}

/* What a JSON file says; the texts borrow from it and from the reader. */
struct json_file {
    struct tr_span server;
    struct tr_span value;
    struct tr_span identity;
    bool is_bare; /* the whole is an offset */
};

static enum tr_code read_members(struct tr_offsets_file *offsets, struct json_file *found,
                                 struct tr_error *err)
{
    struct tr_json_reader *reader = offsets->reader;
    struct tr_span name;
    tr_json_begin(reader, tr_file_text_span(&offsets->file));
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (tr_span_equals(name, tr_span_of_text("server"))) {
            found->server = tr_json_get_text(reader);
        } else if (tr_span_equals(name, tr_span_of_text("value"))) {
            found->value = tr_json_get_raw(reader);
        } else if (tr_span_equals(name, tr_span_of_text("identity"))) {
            found->identity = tr_json_type(reader) == TR_JSON_TYPE_NULL ? (struct tr_span){0}
                                                                        : tr_json_get_raw(reader);
        } else if (tr_span_equals(name, tr_span_of_text("file"))) {
            found->is_bare = true;
        }
    }
    return tr_json_finish(reader, err);
}

/* Without the space around it that a text editor leaves. */
static struct tr_span trimmed(struct tr_span text)
{
    while (text.bytes > 0 && text.data[text.bytes - 1] <= ' ') {
        text.bytes--;
    }
    while (text.bytes > 0 && text.data[0] <= ' ') {
        text.data++;
        text.bytes--;
    }
    return text;
}

static enum tr_code read_json(struct tr_offsets_file *offsets, const char *path,
                              struct tr_error *err)
{
    struct json_file found = {0};
    if (tr_json_open(&offsets->reader, offsets->file.bytes + 1, err) != TR_OK) {
        return err->code;
    }
    if (read_members(offsets, &found, err) != TR_OK) {
        char text[TR_ERROR_TEXT_BYTES / 4];
        (void)snprintf(text, sizeof(text), "%.200s", err->text);
        return TR_FAIL(
            err, TR_ERR_STATE, TR_STOP,
            "import \"%.300s\": neither Debezium's offset file nor JSON (%s): name a file "
            "that `tailrace offsets export` or Debezium wrote",
            path, text);
    }
    if (found.is_bare) {
        offsets->offset_value = trimmed(tr_file_text_span(&offsets->file));
        return TR_OK;
    }
    if (!tr_span_equals(found.server, offsets->topic_prefix) || found.value.bytes == 0) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "import \"%.300s\": it has the offset of server \"%.*s\", wanted \"%.*s\": "
                       "check debezium.source.topic.prefix, or name the right file",
                       path, found.server.bytes < 100 ? (int)found.server.bytes : 100,
                       found.server.bytes == 0 ? "" : (const char *)found.server.data,
                       (int)offsets->topic_prefix.bytes, (const char *)offsets->topic_prefix.data);
    }
    offsets->offset_value = found.value;
    offsets->identity = found.identity;
    return TR_OK;
}

enum tr_code tr_offsets_file_read(struct tr_offsets_file *offsets, const char *path,
                                  struct tr_error *err)
{
    if (tr_file_read(path, &offsets->file, err) != TR_OK) {
        return tr_error_prefix(err, "import");
    }
    if (!offsets->file.exists) {
        return TR_FAIL(
            err, TR_ERR_USAGE, TR_STOP,
            "import \"%.300s\": no such file: name one that `tailrace offsets export` or "
            "Debezium wrote",
            path);
    }
    const bool is_java = offsets->file.bytes >= sizeof(java_magic) &&
                         memcmp(offsets->file.data, java_magic, sizeof(java_magic)) == 0;
    const enum tr_code code =
        is_java ? read_java(offsets, path, err) : read_json(offsets, path, err);
    if (code == TR_OK && offsets->offset_value.bytes > TR_STORE_TEXT_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "import \"%.300s\": an offset of %zu bytes: at most %d can be stored", path,
                       offsets->offset_value.bytes, TR_STORE_TEXT_BYTES_MAX);
    }
    return code;
}
