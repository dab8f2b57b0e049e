// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "offsets/file_replace.h"
#include "offsets/java_map.h"
#include "offsets/position.h"
#include "offsets/store_file.h"
#include "offsets/store_memory.h"
#include "tests/check.h"

#define KEY "[\"kinesis\",{\"server\":\"p\"}]"
#define VALUE_1 "{\"file\":\"b.1\",\"pos\":4}"
#define VALUE_2 "{\"file\":\"b.1\",\"pos\":5}"
#define VALUE_3 "{\"file\":\"b.1\",\"pos\":6}"
#define IDENTITY_1 "{\"server\":\"one\"}"
#define IDENTITY_2 "{\"server\":\"two\"}"

struct fixture {
    char folder[64];
    char path[128];
    struct tr_store store;
    struct tr_store_content content;
    struct tr_error err;
};

static int make_folder(void **state)
{
    static struct fixture f;

    f = (struct fixture){0};
    (void)snprintf(f.folder, sizeof(f.folder), "/tmp/tailrace-store-XXXXXX");
    if (mkdtemp(f.folder) == NULL) {
        return -1;
    }
    (void)snprintf(f.path, sizeof(f.path), "%s/offsets.dat", f.folder);
    *state = &f;
    return 0;
}

static int remove_folder(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"offsets.dat",      "offsets.dat.tailrace",
                                        "offsets.dat.lock", "link.dat",
                                        "offsets.dat.tmp",  "offsets.dat.tailrace.tmp"};
    char path[256];

    if (f->store.self != NULL) {
        f->store.close(f->store.self);
    }
    (void)chmod(f->folder, 0755);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
        if (unlink(path) == -1) {
            (void)rmdir(path);
        }
    }
    return rmdir(f->folder);
}

static enum tr_code open_at(struct fixture *f, struct tr_store *store, const char *path)
{
    const struct tr_store_file_options options = {.path = path, .offset_key = tr_span_of_text(KEY)};

    return tr_store_file_open(store, &options, &f->err);
}

static void open_store(struct fixture *f)
{
    if (open_at(f, &f->store, f->path) != TR_OK) {
        fail_msg("%s", f->err.text);
    }
}

static void close_store(struct fixture *f)
{
    f->store.close(f->store.self);
    f->store = (struct tr_store){0};
}

static enum tr_store_state load(struct fixture *f)
{
    f->store.start_load(f->store.self, 0);
    return f->store.poll(f->store.self, 0, &f->content, &f->err);
}

static enum tr_store_state save(struct fixture *f, const char *value, const char *identity)
{
    f->store.start_save(f->store.self, tr_span_of_text(value), tr_span_of_text(identity), 0);
    return f->store.poll(f->store.self, 0, &f->content, &f->err);
}

static void assert_saved(struct fixture *f, const char *value, const char *identity)
{
    if (save(f, value, identity) != TR_STORE_DONE) {
        fail_msg("%s", f->err.text);
    }
}

static void assert_loads(struct fixture *f, const char *value, const char *identity)
{
    if (load(f) != TR_STORE_DONE) {
        fail_msg("%s", f->err.text);
    }
    assert_true(tr_span_equals(f->content.offset_value, tr_span_of_text(value)));
    assert_true(tr_span_equals(f->content.identity, tr_span_of_text(identity)));
}

static void assert_fails(struct fixture *f, enum tr_store_state state, enum tr_remedy remedy,
                         const char *named)
{
    assert_int_equal(state, TR_STORE_FAILED);
    assert_int_equal(f->err.code, TR_ERR_STATE);
    assert_int_equal(f->err.remedy, remedy);
    if (strstr(f->err.text, named) == NULL) {
        fail_msg("\"%s\" does not name %s", f->err.text, named);
    }
}

static void write_file(const char *path, const char *bytes, size_t count)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, bytes, count), count);
    assert_int_equal(close(fd), 0);
}

static void copy_file(const char *from, const char *to)
{
    struct tr_file_text text = {0};
    struct tr_error err;

    assert_int_equal(tr_file_read(from, &text, &err), TR_OK);
    assert_true(text.exists);
    write_file(to, (const char *)text.data, text.bytes);
    tr_file_text_deinit(&text);
}

static void maps_of_debezium_are_written_back_byte_for_byte(void **state)
{
    (void)state;
    static const char *const names[] = {"2.3.0-offsets.dat", "2.3.0-gtid-offsets.dat",
                                        "3.0.8-gtid-offsets.dat", "3.6.0-gtid-offsets.dat",
                                        "3.6.0-mariadb-transaction-offsets.dat"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        static struct tr_java_entry entries[TR_JAVA_ENTRIES_MAX];
        struct tr_file_text text = {0};
        struct tr_error err;
        uint32_t count;
        char path[256];
        uint8_t written[1024];

        (void)snprintf(path, sizeof(path), "%s/offsets/%s", TR_TEST_DATA, names[i]);
        assert_int_equal(tr_file_read(path, &text, &err), TR_OK);
        assert_int_equal(tr_java_map_parse(tr_file_text_span(&text), entries, &count, &err), TR_OK);
        assert_int_equal(count, 1);
        assert_true(tr_span_equals(entries[0].key, tr_span_of_text(KEY)));
        assert_int_equal(tr_java_map_write(entries, count, NULL), text.bytes);
        assert_int_equal(tr_java_map_write(entries, count, written), text.bytes);
        assert_int_equal(memcmp(written, text.data, text.bytes), 0);
        for (size_t cut = 0; cut < text.bytes; cut++) {
            assert_int_equal(tr_java_map_parse(tr_span_of(text.data, cut), entries, &count, &err),
                             TR_ERR_STATE);
        }
        tr_file_text_deinit(&text);
    }
}

static void map_of_many_entries_is_read_back(void **state)
{
    (void)state;
    static struct tr_java_entry entries[TR_JAVA_ENTRIES_MAX];
    static struct tr_java_entry back[TR_JAVA_ENTRIES_MAX];
    static uint8_t bytes[64 * 1024];
    static char keys[TR_JAVA_ENTRIES_MAX][8];
    struct tr_error err;
    uint32_t count;

    for (uint32_t i = 0; i < TR_JAVA_ENTRIES_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%u", i);
        entries[i].key = tr_span_of_text(keys[i]);
        entries[i].value = i % 3 == 0 ? (struct tr_span){0} : tr_span_of_text("value");
    }
    const size_t written = tr_java_map_write(entries, TR_JAVA_ENTRIES_MAX, bytes);

    assert_int_equal(tr_java_map_parse(tr_span_of(bytes, written), back, &count, &err), TR_OK);
    assert_int_equal(count, TR_JAVA_ENTRIES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(tr_span_equals(back[i].key, entries[i].key));
        assert_true(tr_span_equals(back[i].value, entries[i].value));
        assert_int_equal(back[i].value.data == NULL, i % 3 == 0);
    }
    assert_int_equal(bytes[75] << 8 | bytes[76], 512); /* buckets, filled to 0.75 at most */
}

static void missing_file_is_an_empty_store(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "", "");
}

static void saved_texts_are_loaded_by_the_next_instance(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    assert_saved(f, VALUE_2, IDENTITY_2);
    close_store(f);
    open_store(f);
    assert_loads(f, VALUE_2, IDENTITY_2);
    assert_saved(f, VALUE_3, "");
    close_store(f);
    open_store(f);
    assert_loads(f, VALUE_3, "");
}

static void file_of_debezium_is_taken_over_and_its_mode_kept(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    copy_file(TR_TEST_DATA "/offsets/3.6.0-gtid-offsets.dat", f->path);
    assert_int_equal(chmod(f->path, 0640), 0);
    open_store(f);
    assert_int_equal(load(f), TR_STORE_DONE);
    assert_int_equal(f->content.offset_value.bytes, 0x8c);
    assert_int_equal(f->content.identity.bytes, 0);
    assert_saved(f, VALUE_1, IDENTITY_1);
    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
}

static void entries_of_others_are_kept(void **state)
{
    struct fixture *f = *state;
    static struct tr_java_entry entries[TR_JAVA_ENTRIES_MAX];
    struct tr_file_text text = {0};
    uint8_t bytes[1024];
    uint32_t count;

    entries[0] = (struct tr_java_entry){tr_span_of_text("other 1"), tr_span_of_text("x")};
    entries[1] = (struct tr_java_entry){tr_span_of_text(KEY), tr_span_of_text(VALUE_1)};
    entries[2] = (struct tr_java_entry){tr_span_of_text("other 2"), (struct tr_span){0}};
    write_file(f->path, (const char *)bytes, tr_java_map_write(entries, 3, bytes));
    open_store(f);
    assert_loads(f, VALUE_1, "");
    assert_saved(f, VALUE_2, IDENTITY_1);
    assert_int_equal(tr_file_read(f->path, &text, &f->err), TR_OK);
    assert_int_equal(tr_java_map_parse(tr_file_text_span(&text), entries, &count, &f->err), TR_OK);
    assert_int_equal(count, 3);
    assert_true(tr_span_equals(entries[0].key, tr_span_of_text("other 1")));
    assert_true(tr_span_equals(entries[0].value, tr_span_of_text("x")));
    assert_true(tr_span_equals(entries[1].key, tr_span_of_text("other 2")));
    assert_null(entries[1].value.data);
    assert_true(tr_span_equals(entries[2].value, tr_span_of_text(VALUE_2)));
    tr_file_text_deinit(&text);
}

static void identity_belongs_to_its_offset_whatever_a_crash_leaves(void **state)
{
    struct fixture *f = *state;
    char kept[256];

    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    (void)snprintf(kept, sizeof(kept), "%s/link.dat", f->folder);
    copy_file(f->path, kept);
    assert_saved(f, VALUE_2, IDENTITY_2);
    close_store(f);
    /* Crash after the identity was replaced, before the offset was: the offset is the old one. */
    copy_file(kept, f->path);
    open_store(f);
    assert_loads(f, VALUE_1, IDENTITY_1);
    assert_saved(f, VALUE_3, IDENTITY_1);
    close_store(f);
    open_store(f);
    assert_loads(f, VALUE_3, IDENTITY_1);
    close_store(f);
    /* Debezium went on from there: its offset is not ours, so our record says nothing about it. */
    copy_file(TR_TEST_DATA "/offsets/3.6.0-gtid-offsets.dat", f->path);
    open_store(f);
    assert_int_equal(load(f), TR_STORE_DONE);
    assert_int_equal(f->content.offset_value.bytes, 0x8c);
    assert_int_equal(f->content.identity.bytes, 0);
}

static void second_instance_is_refused_until_the_first_closes(void **state)
{
    struct fixture *f = *state;
    struct tr_store second;
    char pid[32];

    open_store(f);
    assert_int_equal(open_at(f, &second, f->path), TR_ERR_LOCKED);
    assert_int_equal(f->err.remedy, TR_STOP);
    (void)snprintf(pid, sizeof(pid), "process %ld ", (long)getpid());
    assert_non_null(strstr(f->err.text, pid));
    assert_non_null(strstr(f->err.text, f->path));
    close_store(f);
    open_store(f);
}

static void reader_needs_no_lock(void **state)
{
    struct fixture *f = *state;
    const struct tr_store_file_options options = {
        .path = f->path, .offset_key = tr_span_of_text(KEY), .read_only = true};
    struct tr_store reader;
    struct tr_store_content content;

    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    assert_int_equal(tr_store_file_open(&reader, &options, &f->err), TR_OK);
    reader.start_load(reader.self, 0);
    assert_int_equal(reader.poll(reader.self, 0, &content, &f->err), TR_STORE_DONE);
    assert_true(tr_span_equals(content.offset_value, tr_span_of_text(VALUE_1)));
    reader.close(reader.self);
}

static enum tr_store_state look_at(struct fixture *f, struct tr_store *reader)
{
    f->content = (struct tr_store_content){0};
    reader->start_look(reader->self, 0);
    return reader->poll(reader->self, 0, &f->content, &f->err);
}

static void look_names_the_holder_and_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    const struct tr_store_file_options options = {
        .path = f->path, .offset_key = tr_span_of_text(KEY), .read_only = true};
    struct tr_store reader;
    char lock_path[256];
    char pid[64];

    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", f->path);
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_int_equal(tr_store_file_open(&reader, &options, &f->err), TR_OK);
    assert_int_equal(look_at(f, &reader), TR_STORE_DONE);
    assert_int_equal(f->content.holder.bytes, 0);
    assert_int_equal(access(lock_path, F_OK), -1);
    open_store(f);
    assert_int_equal(look_at(f, &reader), TR_STORE_DONE);
    assert_true(tr_span_equals(f->content.holder, tr_span_of_text(pid)));
    close_store(f);
    assert_int_equal(look_at(f, &reader), TR_STORE_DONE);
    assert_int_equal(f->content.holder.bytes, 0);
    open_store(f); /* looking kept no lock */
    reader.close(reader.self);
}

static void look_tells_what_keeps_a_save_from_being_made(void **state)
{
    struct fixture *f = *state;
    char path[256];
    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    close_store(f);
    (void)snprintf(path, sizeof(path), "%s/deep/er", f->path); /* a file is no folder */
    const struct tr_store_file_options options = {
        .path = path, .offset_key = tr_span_of_text(KEY), .read_only = true};
    struct tr_store reader;

    assert_int_equal(tr_store_file_open(&reader, &options, &f->err), TR_OK);
    assert_fails(f, look_at(f, &reader), TR_STOP, "/deep/");
    reader.close(reader.self);
}

static void link_to_the_file_is_followed_not_replaced(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    char link_path[256];

    copy_file(TR_TEST_DATA "/offsets/3.6.0-gtid-offsets.dat", f->path);
    (void)snprintf(link_path, sizeof(link_path), "%s/link.dat", f->folder);
    assert_int_equal(symlink("offsets.dat", link_path), 0);
    assert_int_equal(open_at(f, &f->store, link_path), TR_OK);
    assert_int_equal(load(f), TR_STORE_DONE);
    assert_saved(f, VALUE_1, IDENTITY_1);
    assert_int_equal(lstat(link_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    close_store(f);
    open_store(f);
    assert_loads(f, VALUE_1, IDENTITY_1);
}

static void damaged_file_is_refused_and_never_overwritten(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *named;
    } cases[] = {
        {"", 0, "is empty"},
        {"{}", 2, "not a Java-serialised HashMap"},
        {"\xAC\xED\x00\x05\x73", 5, "not a Java-serialised HashMap"},
    };

    open_store(f);
    assert_loads(f, "", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_file_text text = {0};

        write_file(f->path, cases[i].bytes, cases[i].count);
        assert_fails(f, load(f), TR_STOP, cases[i].named);
        assert_fails(f, save(f, VALUE_1, IDENTITY_1), TR_STOP, cases[i].named);
        assert_int_equal(tr_file_read(f->path, &text, &f->err), TR_OK);
        assert_int_equal(text.bytes, cases[i].count);
        tr_file_text_deinit(&text);
    }
}

static void damaged_identity_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s.tailrace", f->path);
    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    close_store(f);
    static const char *const cases[] = {
        "x",
        "\n",
        "{\"format\":1,\"offset_fnv64\":\"0123456789abcdef\",\"identity\":{}",
        "{\"format\":2,\"offset_fnv64\":\"0123456789abcdef\",\"identity\":{}}\n",
        "{\"format\":1,\"offset_fnv64\":\"0123\",\"identity\":{}}\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(path, cases[i], strlen(cases[i]));
        open_store(f);
        assert_fails(f, load(f), TR_STOP, path);
        close_store(f);
    }
}

static void entry_changed_by_another_program_stops_the_save(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    copy_file(TR_TEST_DATA "/offsets/3.6.0-gtid-offsets.dat", f->path);
    assert_fails(f, save(f, VALUE_2, IDENTITY_1), TR_STOP, "changed by another program");
}

static void refused_folder_is_named_at_open(void **state)
{
    struct fixture *f = *state;
    struct tr_store store;

    assert_int_equal(open_at(f, &store, "/proc/none/offsets.dat"), TR_ERR_STATE);
    assert_non_null(strstr(f->err.text, "making the folder \"/proc/none\""));
    assert_int_equal(open_at(f, &store, ""), TR_ERR_CONFIG);
}

/* As Debezium does for the history, so that `data/offsets.dat` works in an empty directory. */
static void missing_folders_are_made_by_a_start_and_by_nobody_else(void **state)
{
    struct fixture *f = *state;
    char folder[128];
    char path[256];
    struct tr_store store;

    (void)snprintf(folder, sizeof(folder), "%s/deep", f->folder);
    (void)snprintf(path, sizeof(path), "%s/er/offsets.dat", folder);
    const struct tr_store_file_options options = {
        .path = path, .offset_key = tr_span_of_text(KEY), .read_only = true};
    assert_int_equal(tr_store_file_open(&store, &options, &f->err), TR_OK);
    assert_int_equal(look_at(f, &store), TR_STORE_DONE);
    store.close(store.self);
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(open_at(f, &store, path), TR_OK);
    store.close(store.self);
    (void)snprintf(path, sizeof(path), "%s/er/offsets.dat.lock", folder);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/er", folder);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* A prefix that was misspelt would begin anew in silence. */
static void entry_of_another_prefix_is_told_when_there_is_none_of_ours(void **state)
{
    struct fixture *f = *state;
    static const char other[] = "[\"kinesis\",{\"server\":\"other\"}]";
    const struct tr_store_file_options options = {
        .path = f->path, .offset_key = tr_span_of_text(other), .read_only = true};
    struct tr_store reader;

    open_store(f);
    assert_loads(f, "", "");
    assert_int_equal(f->content.other_key.bytes, 0);
    assert_saved(f, VALUE_1, IDENTITY_1);
    close_store(f);
    assert_int_equal(tr_store_file_open(&reader, &options, &f->err), TR_OK);
    reader.start_load(reader.self, 0);
    assert_int_equal(reader.poll(reader.self, 0, &f->content, &f->err), TR_STORE_DONE);
    assert_int_equal(f->content.offset_value.bytes, 0);
    assert_true(tr_span_equals(f->content.other_key, tr_span_of_text(KEY)));
    reader.close(reader.self);
}

static void save_that_cannot_replace_the_file_fails_and_keeps_it(void **state)
{
    struct fixture *f = *state;
    char path[256];

    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    (void)snprintf(path, sizeof(path), "%s.tmp", f->path);
    assert_int_equal(mkdir(path, 0700), 0); /* where the new content would be written */
    assert_fails(f, save(f, VALUE_2, IDENTITY_2), TR_STOP, "saving the offset");
    close_store(f);
    open_store(f);
    assert_loads(f, VALUE_1, IDENTITY_1);
    assert_int_equal(rmdir(path), 0);
    assert_saved(f, VALUE_2, IDENTITY_2);
}

/* /dev/full answers each write with "no space left": what a full disk does. */
static void full_disk_is_worth_a_retry_and_keeps_the_old_file(void **state)
{
    struct fixture *f = *state;
    char path[256];

    open_store(f);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    (void)snprintf(path, sizeof(path), "%s.tmp", f->path);
    assert_int_equal(symlink("/dev/full", path), 0);
    assert_fails(f, save(f, VALUE_2, IDENTITY_2), TR_RETRY, "No space left");
    assert_loads(f, VALUE_1, IDENTITY_1);
    assert_saved(f, VALUE_2, IDENTITY_2);
}

static void memory_store_keeps_the_last_texts(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(tr_store_memory_open(&f->store, &f->err), TR_OK);
    assert_loads(f, "", "");
    assert_saved(f, VALUE_1, IDENTITY_1);
    assert_loads(f, VALUE_1, IDENTITY_1);
    static char large[TR_STORE_TEXT_BYTES_MAX + 2];
    memset(large, 'x', sizeof(large) - 1);
    assert_fails(f, save(f, large, ""), TR_STOP, "too long");
    assert_loads(f, VALUE_1, IDENTITY_1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(maps_of_debezium_are_written_back_byte_for_byte),
        CASE(map_of_many_entries_is_read_back),
        CASE(missing_file_is_an_empty_store),
        CASE(saved_texts_are_loaded_by_the_next_instance),
        CASE(file_of_debezium_is_taken_over_and_its_mode_kept),
        CASE(entries_of_others_are_kept),
        CASE(identity_belongs_to_its_offset_whatever_a_crash_leaves),
        CASE(second_instance_is_refused_until_the_first_closes),
        CASE(reader_needs_no_lock),
        CASE(look_names_the_holder_and_leaves_no_trace),
        CASE(look_tells_what_keeps_a_save_from_being_made),
        CASE(link_to_the_file_is_followed_not_replaced),
        CASE(damaged_file_is_refused_and_never_overwritten),
        CASE(damaged_identity_is_refused),
        CASE(entry_changed_by_another_program_stops_the_save),
        CASE(refused_folder_is_named_at_open),
        CASE(missing_folders_are_made_by_a_start_and_by_nobody_else),
        CASE(entry_of_another_prefix_is_told_when_there_is_none_of_ours),
        CASE(save_that_cannot_replace_the_file_fails_and_keeps_it),
        CASE(full_disk_is_worth_a_retry_and_keeps_the_old_file),
        CASE(memory_store_keeps_the_last_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
