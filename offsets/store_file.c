// SPDX-License-Identifier: Apache-2.0
#include "offsets/store_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/json.h"
#include "engine/json_write.h"
#include "offsets/file_lock.h"
#include "offsets/file_replace.h"
#include "offsets/java_map.h"

#define IDENTITY_FORMAT 1
#define DIGEST_BYTES 16 /* hexadecimal */

enum file_command { FILE_LOAD = 0, FILE_SAVE, FILE_LOOK };

/* What the file held when we last read or wrote it. */
struct saved_pair {
    struct tr_file_text offset_value; /* bytes == 0: no entry */
    struct tr_file_text identity;
};

struct store_file {
    char path[PATH_MAX];
    char identity_path[PATH_MAX + 16];
    char lock_path[PATH_MAX + 16];
    int lock_fd; /* owns; -1 = none */
    bool read_only;
    enum tr_store_state result; /* of the command, until polled */
    enum file_command command;
    char holder[64]; /* of the last look */
    struct tr_error error;
    struct tr_file_text key;
    struct tr_file_text map;           /* FILE, raw: entries borrow from it */
    struct tr_file_text identity_file; /* FILE.tailrace, raw */
    struct tr_file_text out;
    struct saved_pair known;     /* sure to be what the file has for our key */
    struct saved_pair attempted; /* written by a save whose outcome we did not learn */
    struct tr_java_entry entries[TR_JAVA_ENTRIES_MAX];
    uint32_t entry_count;
};

/* FNV-1a, 64 bit: binds a line of our record to its offset. */
static uint64_t digest(struct tr_span text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.bytes; i++) {
        hash = (hash ^ text.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* --- reading --- */

/* FILE's entries, and the value of our key (bytes == 0: absent). */
static enum tr_code read_map(struct store_file *file, struct tr_span *offset_value,
                             struct tr_error *err)
{
    static const char remedy[] =
        "restore it from a backup, or delete it to begin anew (events since are not captured then)";

    *offset_value = (struct tr_span){0};
    file->entry_count = 0;
    if (tr_file_read(file->path, &file->map, err) != TR_OK) {
        return tr_error_prefix(err, "offset file");
    }
    if (!file->map.exists) {
        return TR_OK;
    }
    if (file->map.bytes == 0) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "offset file \"%s\" is empty: %s", file->path,
                       remedy);
    }
    if (tr_java_map_parse(tr_file_text_span(&file->map), file->entries, &file->entry_count, err) !=
        TR_OK) {
        char text[TR_ERROR_TEXT_BYTES / 4];

        (void)snprintf(text, sizeof(text), "%.200s", err->text);
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "offset file \"%s\": %s; %s", file->path, text,
                       remedy);
    }
    for (uint32_t i = 0; i < file->entry_count; i++) {
        if (tr_span_equals(file->entries[i].key, tr_file_text_span(&file->key))) {
            *offset_value = file->entries[i].value;
        }
    }
    return TR_OK;
}

/* One line {"format":1,"offset_fnv64":"…","identity":{…}}; false when it is something else. */
static bool parse_identity_line(struct tr_json_reader *reader, struct tr_span line,
                                char *digest_text, struct tr_span *identity)
{
    struct tr_error ignored; /* whoever asks says more than the reader could */
    struct tr_span name;
    uint64_t format = 0;
    bool has_identity = false;

    digest_text[0] = '\0';
    tr_json_begin(reader, line);
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (tr_span_equals(name, tr_span_of_text("format"))) {
            format = tr_json_get_uint64(reader);
        } else if (tr_span_equals(name, tr_span_of_text("offset_fnv64"))) {
            const struct tr_span text = tr_json_get_text(reader);

            (void)snprintf(digest_text, DIGEST_BYTES + 1, "%.*s", (int)text.bytes,
                           text.bytes == 0 ? "" : (const char *)text.data);
        } else if (tr_span_equals(name, tr_span_of_text("identity"))) {
            has_identity = true;
            *identity = tr_json_type(reader) == TR_JSON_TYPE_OBJECT ? tr_json_get_raw(reader)
                                                                    : (struct tr_span){0};
        }
    }
    return tr_json_finish(reader, &ignored) == TR_OK && format == IDENTITY_FORMAT &&
           strlen(digest_text) == DIGEST_BYTES && has_identity;
}

/* Goes through the lines of FILE.tailrace; `file->known.identity` becomes the one of that digest.
 */
static enum tr_code read_identity_lines(struct store_file *file, struct tr_json_reader *reader,
                                        const char *wanted, struct tr_error *err)
{
    const uint8_t *at = file->identity_file.data;
    const uint8_t *const end = at + file->identity_file.bytes;

    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        char found[DIGEST_BYTES + 1];
        struct tr_span identity = {0};

        if (newline == NULL || !parse_identity_line(reader, tr_span_of(at, (size_t)(newline - at)),
                                                    found, &identity)) {
            return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                           "source identity file \"%s\" is damaged, or of a newer version (this "
                           "one reads format %d): restore it from a backup, or delete it to resume "
                           "without the check that the source is the same server",
                           file->identity_path, IDENTITY_FORMAT);
        }
        if (strcmp(found, wanted) == 0 &&
            tr_file_text_set(&file->known.identity, identity, err) != TR_OK) {
            return err->code;
        }
        at = newline + 1;
    }
    return TR_OK;
}

/* Our record of the offset that `known` has; empty when there is none. */
static enum tr_code read_identity(struct store_file *file, struct tr_error *err)
{
    char wanted[DIGEST_BYTES + 1];
    struct tr_json_reader *reader;

    file->known.identity.bytes = 0;
    (void)snprintf(wanted, sizeof(wanted), "%016llx",
                   (unsigned long long)digest(tr_file_text_span(&file->known.offset_value)));
    if (tr_file_read(file->identity_path, &file->identity_file, err) != TR_OK) {
        return tr_error_prefix(err, "source identity file");
    }
    if (file->identity_file.bytes == 0) {
        return TR_OK;
    }
    if (tr_json_open(&reader, file->identity_file.bytes, err) != TR_OK) {
        return err->code;
    }
    const enum tr_code code = read_identity_lines(file, reader, wanted, err);

    tr_json_close(reader);
    return code;
}

static enum tr_code load(struct store_file *file, struct tr_error *err)
{
    struct tr_span offset_value;

    file->attempted.offset_value.bytes = 0;
    if (read_map(file, &offset_value, err) != TR_OK ||
        tr_file_text_set(&file->known.offset_value, offset_value, err) != TR_OK) {
        return err->code;
    }
    return read_identity(file, err);
}

/* --- writing --- */

static void write_identity_line(struct tr_json_writer *json, struct tr_span offset_value,
                                struct tr_span identity)
{
    char text[64];

    (void)snprintf(text, sizeof(text),
                   "{\"format\":%d,\"offset_fnv64\":\"%016llx\",\"identity\":", IDENTITY_FORMAT,
                   (unsigned long long)digest(offset_value));
    tr_json_write_raw(json, tr_span_of_text(text));
    tr_json_write_raw(json, identity.bytes == 0 ? tr_span_of_text("null") : identity);
    tr_json_write_raw(json, tr_span_of_text("}\n"));
}

/* FILE.tailrace gets the record of the offset that FILE has now and of the one that it is about to
 * get. */
static enum tr_code save_identity(struct store_file *file, struct tr_span offset_value,
                                  struct tr_span identity, struct tr_error *err)
{
    const size_t room_bytes = file->known.identity.bytes + identity.bytes + 256;

    if (tr_file_text_reserve(&file->out, room_bytes, err) != TR_OK) {
        return err->code;
    }
    struct tr_json_writer json = tr_json_writer_of(file->out.data, room_bytes);

    if (file->known.offset_value.bytes != 0) {
        write_identity_line(&json, tr_file_text_span(&file->known.offset_value),
                            tr_file_text_span(&file->known.identity));
    }
    write_identity_line(&json, offset_value, identity);
    TR_ASSERT(!json.is_full);
    return tr_file_replace(file->identity_path, tr_json_writer_span(&json), err);
}

/* FILE with our entry's new value; the other entries as they were read. */
static enum tr_code save_map(struct store_file *file, struct tr_span offset_value,
                             struct tr_error *err)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < file->entry_count; i++) {
        if (!tr_span_equals(file->entries[i].key, tr_file_text_span(&file->key))) {
            file->entries[kept++] = file->entries[i];
        }
    }
    if (kept == TR_JAVA_ENTRIES_MAX) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "offset file \"%s\" = %d entries of others: no room for ours; use a file of "
                       "its own",
                       file->path, TR_JAVA_ENTRIES_MAX);
    }
    file->entries[kept++] =
        (struct tr_java_entry){.key = tr_file_text_span(&file->key), .value = offset_value};
    const size_t bytes = tr_java_map_write(file->entries, kept, NULL);

    if (tr_file_text_reserve(&file->out, bytes, err) != TR_OK) {
        return err->code;
    }
    (void)tr_java_map_write(file->entries, kept, file->out.data);
    return tr_file_replace(file->path, tr_span_of(file->out.data, bytes), err);
}

/* What the file has must be what we know, or what a save that failed half-way put there. */
static enum tr_code check_unchanged(struct store_file *file, struct tr_span found,
                                    struct tr_error *err)
{
    struct saved_pair *const attempted = &file->attempted;

    if (!file->map.exists || tr_span_equals(found, tr_file_text_span(&file->known.offset_value))) {
        return TR_OK;
    }
    if (attempted->offset_value.bytes != 0 &&
        tr_span_equals(found, tr_file_text_span(&attempted->offset_value))) {
        TR_COVER("store_file.attempt_had_arrived");
        const struct saved_pair before = file->known;

        file->known = *attempted;
        *attempted = before;
        attempted->offset_value.bytes = 0;
        return TR_OK;
    }
    return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                   "offset file \"%s\": our entry was changed by another program since we read it; "
                   "stop that program (a Debezium Server on the same file?), then start again",
                   file->path);
}

static enum tr_code save(struct store_file *file, struct tr_span offset_value,
                         struct tr_span identity, struct tr_error *err)
{
    struct tr_span found;

    if (read_map(file, &found, err) != TR_OK || check_unchanged(file, found, err) != TR_OK ||
        tr_file_text_set(&file->attempted.offset_value, offset_value, err) != TR_OK ||
        tr_file_text_set(&file->attempted.identity, identity, err) != TR_OK) {
        return err->code;
    }
    if (save_identity(file, offset_value, identity, err) != TR_OK ||
        save_map(file, offset_value, err) != TR_OK) {
        return tr_error_prefix(err, "saving the offset");
    }
    const struct saved_pair before = file->known;

    file->known = file->attempted;
    file->attempted = before;
    file->attempted.offset_value.bytes = 0;
    return TR_OK;
}

/* --- the port --- */

static void start_load(void *self, int64_t now_ns)
{
    struct store_file *file = self;

    (void)now_ns;
    TR_ASSERT(file->result == TR_STORE_IDLE);
    file->command = FILE_LOAD;
    file->result = load(file, &file->error) == TR_OK ? TR_STORE_DONE : TR_STORE_FAILED;
}

static void start_save(void *self, struct tr_span offset_value, struct tr_span identity,
                       int64_t now_ns)
{
    struct store_file *file = self;

    (void)now_ns;
    TR_ASSERT(file->result == TR_STORE_IDLE);
    TR_ASSERT(!file->read_only);
    file->command = FILE_SAVE;
    file->result =
        save(file, offset_value, identity, &file->error) == TR_OK ? TR_STORE_DONE : TR_STORE_FAILED;
}

static void start_look(void *self, int64_t now_ns)
{
    struct store_file *file = self;

    (void)now_ns;
    TR_ASSERT(file->result == TR_STORE_IDLE);
    file->command = FILE_LOOK;
    const enum tr_code code = tr_file_lock_look(file->path, file->lock_path, file->holder,
                                                sizeof(file->holder), &file->error);

    file->result = code == TR_OK ? TR_STORE_DONE : TR_STORE_FAILED;
}

static enum tr_store_state poll_command(void *self, int64_t now_ns,
                                        struct tr_store_content *content, struct tr_error *err)
{
    struct store_file *file = self;
    const enum tr_store_state result = file->result;

    (void)now_ns;
    file->result = TR_STORE_IDLE;
    if (result == TR_STORE_FAILED) {
        *err = file->error;
    }
    if (result == TR_STORE_DONE && file->command == FILE_LOOK) {
        content->holder = tr_span_of_text(file->holder);
    }
    if (result == TR_STORE_DONE && file->command == FILE_LOAD) {
        content->offset_value = tr_file_text_span(&file->known.offset_value);
        content->identity = tr_file_text_span(&file->known.identity);
        if (content->offset_value.bytes == 0 && file->entry_count > 0) {
            content->other_key = file->entries[0].key;
        }
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
    struct store_file *file = self;

    if (file == NULL) {
        return;
    }
    if (file->lock_fd != -1) {
        (void)close(file->lock_fd); /* releases the lock; the file stays: removing it would race */
    }
    struct tr_file_text *const texts[] = {
        &file->key,
        &file->map,
        &file->identity_file,
        &file->out,
        &file->known.offset_value,
        &file->known.identity,
        &file->attempted.offset_value,
        &file->attempted.identity,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        tr_file_text_deinit(texts[i]);
    }
    free(file);
}

/* --- opening --- */

/* FILE itself where it is a link: a rename over the link would cut it. */
static enum tr_code set_paths(struct store_file *file, const char *path, struct tr_error *err)
{
    char resolved[PATH_MAX];
    const char *const target = realpath(path, resolved) != NULL ? resolved : path;

    if (path[0] == '\0' || strlen(target) >= sizeof(file->path)) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.source.offset.storage.file.filename = \"%.200s\": wanted the path "
                       "of a file, up "
                       "to %zu bytes",
                       path, sizeof(file->path) - 1);
    }
    (void)snprintf(file->path, sizeof(file->path), "%s", target);
    (void)snprintf(file->identity_path, sizeof(file->identity_path), "%s.tailrace", target);
    (void)snprintf(file->lock_path, sizeof(file->lock_path), "%s.lock", target);
    return TR_OK;
}

enum tr_code tr_store_file_open(struct tr_store *store, const struct tr_store_file_options *options,
                                struct tr_error *err)
{
    struct store_file *file = calloc(1, sizeof(*file));

    *store = (struct tr_store){0};
    if (file == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the offset store = %zu bytes: refused by the system",
                       sizeof(*file));
    }
    file->lock_fd = -1;
    file->read_only = options->read_only;
    if (set_paths(file, options->path, err) != TR_OK ||
        tr_file_text_set(&file->key, options->offset_key, err) != TR_OK ||
        (!options->read_only &&
         (tr_file_make_folders(file->path, err) != TR_OK ||
          tr_file_lock_take(file->path, file->lock_path, &file->lock_fd, err) != TR_OK))) {
        close_store(file);
        return err->code;
    }
    *store = (struct tr_store){
        .self = file,
        .name = "file",
        .start_load = start_load,
        .start_save = start_save,
        .start_look = start_look,
        .poll = poll_command,
        .next_deadline_ns = next_deadline_ns,
        .close = close_store,
    };
    return TR_OK;
}
