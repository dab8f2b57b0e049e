// SPDX-License-Identifier: Apache-2.0
/* The schema history in a file, with a disk that fills up and writers that die (pwritev and
 * fdatasync are wrapped by the linker). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "offsets/file_replace.h"
#include "offsets/history_file.h"
#include "offsets/history_memory.h"
#include "tests/check.h"

#define A "{\"source\":{\"server\":\"p\"},\"ddl\":\"CREATE TABLE a (id INT)\"}"
#define B "{\"source\":{\"server\":\"p\"},\"ddl\":\"DROP TABLE \\\"a}\\\"\"}"
#define C "{\"source\":{\"server\":\"p\"},\"ddl\":\"TRUNCATE b\"}"

/* The next writes: take that many bytes and then fail with that error; 0 = no fault. */
static struct {
    int error;
    size_t bytes_left;
    size_t bytes_at_once; /* 0 = as many as are given */
    int sync_error;
    int sync_count;
} disk;

ssize_t __real_pwritev(int fd, const struct iovec *vectors, int count, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *vectors, int count, off_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *vectors, int count, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

ssize_t __wrap_pwritev(int fd, const struct iovec *vectors, int count, off_t at)
{
    size_t limit = disk.bytes_at_once == 0 ? SIZE_MAX : disk.bytes_at_once;

    if (disk.error != 0) {
        if (disk.bytes_left == 0) {
            errno = disk.error;
            return -1;
        }
        limit = limit < disk.bytes_left ? limit : disk.bytes_left;
    }
    if (vectors[0].iov_len > limit || limit != SIZE_MAX) {
        const struct iovec part = {.iov_base = vectors[0].iov_base,
                                   .iov_len =
                                       vectors[0].iov_len < limit ? vectors[0].iov_len : limit};

        disk.bytes_left -= disk.error != 0 ? part.iov_len : 0;
        return __real_pwritev(fd, &part, 1, at);
    }
    return __real_pwritev(fd, vectors, count, at);
}

/* What it is called with large file offsets. */
ssize_t __wrap_pwritev64(int fd, const struct iovec *vectors, int count, off_t at)
{
    return __wrap_pwritev(fd, vectors, count, at);
}

int __wrap_fdatasync(int fd)
{
    disk.sync_count++;
    if (disk.sync_error != 0) {
        errno = disk.sync_error;
        return -1;
    }
    return __real_fdatasync(fd);
}

struct fixture {
    char folder[64];
    char path[128];
    struct tr_history_store store;
    struct tr_error err;
    char loaded[8192]; /* each document and a line end */
    int loaded_count;
    int refused_at; /* the document that the reader refuses; -1 = none */
};

static int make_folder(void **state)
{
    static struct fixture f;

    f = (struct fixture){.refused_at = -1};
    memset(&disk, 0, sizeof(disk));
    (void)snprintf(f.folder, sizeof(f.folder), "/tmp/tailrace-history-XXXXXX");
    if (mkdtemp(f.folder) == NULL) {
        return -1;
    }
    (void)snprintf(f.path, sizeof(f.path), "%s/deep/er/history.dat", f.folder);
    *state = &f;
    return 0;
}

static int remove_folder(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"deep/er/history.dat", "deep/er/aside", "deep/er", "deep",
                                        ""};
    char path[256];

    if (f->store.self != NULL) {
        f->store.close(f->store.self);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
        if (unlink(path) == -1) {
            (void)rmdir(path);
        }
    }
    return access(f->folder, F_OK) == 0 ? -1 : 0;
}

static void open_store(struct fixture *f)
{
    const struct tr_history_file_options options = {.path = f->path};

    if (tr_history_file_open(&f->store, &options, &f->err) != TR_OK) {
        fail_msg("%s", f->err.text);
    }
}

static void close_store(struct fixture *f)
{
    f->store.close(f->store.self);
    f->store = (struct tr_history_store){0};
}

static enum tr_code on_document(void *self, struct tr_span document, struct tr_error *err)
{
    struct fixture *f = self;
    const size_t at = strlen(f->loaded);

    if (f->loaded_count++ == f->refused_at) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "no position");
    }
    if (at + document.bytes + 2 < sizeof(f->loaded)) {
        memcpy(f->loaded + at, document.data, document.bytes);
        f->loaded[at + document.bytes] = '\n';
    }
    return TR_OK;
}

static enum tr_store_state load(struct fixture *f)
{
    memset(f->loaded, 0, sizeof(f->loaded));
    f->loaded_count = 0;
    f->store.start_load(f->store.self, on_document, f, 0);
    return f->store.poll(f->store.self, 0, &f->err);
}

static void assert_loads(struct fixture *f, const char *wanted)
{
    if (load(f) != TR_STORE_DONE) {
        fail_msg("%s", f->err.text);
    }
    assert_string_equal(f->loaded, wanted);
}

static enum tr_store_state append(struct fixture *f, const char *first, const char *second)
{
    const struct tr_span documents[2] = {tr_span_of_text(first),
                                         tr_span_of_text(second == NULL ? "" : second)};

    f->store.start_append(f->store.self, documents, second == NULL ? 1 : 2, 0);
    return f->store.poll(f->store.self, 0, &f->err);
}

static void assert_appends(struct fixture *f, const char *first, const char *second)
{
    if (append(f, first, second) != TR_STORE_DONE) {
        fail_msg("%s", f->err.text);
    }
}

static void assert_fails(struct fixture *f, enum tr_store_state state, enum tr_remedy remedy,
                         const char *named)
{
    assert_int_equal(state, TR_STORE_FAILED);
    assert_int_equal(f->err.code, TR_ERR_STATE);
    assert_int_equal(f->err.remedy, remedy);
    if (strstr(f->err.text, named) == NULL || strstr(f->err.text, f->path) == NULL) {
        fail_msg("\"%s\" does not name %s and %s", f->err.text, named, f->path);
    }
}

static void assert_file_is(struct fixture *f, const char *wanted)
{
    struct tr_file_text text = {0};

    assert_int_equal(tr_file_read(f->path, &text, &f->err), TR_OK);
    assert_int_equal(text.bytes, strlen(wanted));
    assert_memory_equal(text.data, wanted, text.bytes);
    tr_file_text_deinit(&text);
}

/* Behind what is there. */
static void write_behind(struct fixture *f, const char *bytes, size_t count)
{
    const int fd = open(f->path, O_WRONLY | O_APPEND);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, bytes, count), count);
    assert_int_equal(close(fd), 0);
}

static void file_and_folders_are_created_and_documents_come_back(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "");
    assert_appends(f, A, B);
    assert_int_equal(disk.sync_count, 1);
    assert_appends(f, C, NULL);
    assert_file_is(f, A "\n" B "\n" C "\n");
    close_store(f);
    open_store(f);
    assert_loads(f, A "\n" B "\n" C "\n");
}

static void histories_of_debezium_are_read_and_continued(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"2.3.0-history.dat", "3.6.0-history.dat"};

    open_store(f);
    close_store(f);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct tr_file_text text = {0};
        char path[256];
        int lines = 0;

        (void)snprintf(path, sizeof(path), "%s/offsets/%s", TR_TEST_DATA, names[i]);
        assert_int_equal(tr_file_read(path, &text, &f->err), TR_OK);
        assert_true(text.exists);
        for (size_t at = 0; at < text.bytes; at++) {
            lines += text.data[at] == '\n';
        }
        assert_int_equal(truncate(f->path, 0), 0);
        write_behind(f, (const char *)text.data, text.bytes);
        open_store(f);
        assert_int_equal(load(f), TR_STORE_DONE);
        assert_int_equal(f->loaded_count, lines);
        assert_appends(f, A, NULL);
        assert_int_equal(load(f), TR_STORE_DONE);
        assert_int_equal(f->loaded_count, lines + 1);
        close_store(f);
        tr_file_text_deinit(&text);
    }
}

static void read_only_store_creates_nothing(void **state)
{
    struct fixture *f = *state;
    const struct tr_history_file_options options = {.path = f->path, .read_only = true};

    assert_int_equal(tr_history_file_open(&f->store, &options, &f->err), TR_OK);
    assert_loads(f, "");
    assert_int_equal(access(f->path, F_OK), -1);
}

static void empty_lines_and_carriage_returns_are_passed_over(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    write_behind(f, "\n" A "\r\n\r\n" B "\n", sizeof("\n" A "\r\n\r\n" B "\n") - 1);
    assert_loads(f, A "\n" B "\n");
}

static void part_of_a_document_is_left_out_and_cut_off(void **state)
{
    struct fixture *f = *state;

    /* Wherever the writer died. */
    for (size_t bytes = 1; bytes < sizeof(B) - 1; bytes++) {
        open_store(f);
        assert_int_equal(truncate(f->path, 0), 0);
        write_behind(f, A "\n" B, sizeof(A) + bytes);
        assert_loads(f, A "\n");
        assert_appends(f, C, NULL);
        assert_file_is(f, A "\n" C "\n");
        close_store(f);
    }
}

static void blocks_that_never_got_their_bytes_are_cut_off(void **state)
{
    struct fixture *f = *state;
    static const char zeros[600];

    open_store(f);
    write_behind(f, A "\n", sizeof(A));
    write_behind(f, zeros, sizeof(zeros));
    assert_loads(f, A "\n");
    assert_appends(f, C, NULL);
    assert_file_is(f, A "\n" C "\n");
}

static void document_without_line_end_is_taken(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    write_behind(f, A "\n" B, sizeof(A "\n" B) - 1);
    assert_loads(f, A "\n" B "\n");
    assert_appends(f, C, NULL);
    assert_file_is(f, A "\n" B "\n" C "\n");
}

static void full_disk_is_waited_for_and_nothing_is_repeated(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "");
    assert_appends(f, A, NULL);
    /* However much of the batch still had room. */
    for (size_t bytes = 0; bytes < sizeof(B "\n" C); bytes++) {
        disk.error = ENOSPC;
        disk.bytes_left = bytes;
        assert_fails(f, append(f, B, C), TR_RETRY, "make room");
        assert_file_is(f, A "\n");
    }
    assert_fails(f, append(f, B, C), TR_RETRY, "make room");
    disk.error = 0;
    assert_appends(f, B, C);
    assert_file_is(f, A "\n" B "\n" C "\n");
    assert_loads(f, A "\n" B "\n" C "\n");
}

static void full_disk_behind_an_open_line_is_waited_for(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    write_behind(f, A, sizeof(A) - 1);
    assert_loads(f, A "\n");
    disk.error = ENOSPC;
    disk.bytes_left = 5;
    assert_fails(f, append(f, B, NULL), TR_RETRY, "make room");
    assert_file_is(f, A);
    disk.error = 0;
    assert_appends(f, B, NULL);
    assert_file_is(f, A "\n" B "\n");
}

static void failed_sync_is_no_success(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "");
    disk.sync_error = EIO;
    assert_fails(f, append(f, A, NULL), TR_RETRY, "syncing");
    disk.sync_error = 0;
    assert_appends(f, A, NULL);
    assert_file_is(f, A "\n");
}

static void writes_in_small_parts_are_put_together(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "");
    disk.bytes_at_once = 7;
    assert_appends(f, A, B);
    assert_file_is(f, A "\n" B "\n");
}

static void documents_of_other_engines_stay_and_are_passed(void **state)
{
    static const char other[] = "{\"source\":{\"server\":\"q\"},\"ddl\":\"\"}\n";
    static const char mine[] = "{\"source\":{\"server\":\"p\"},\"ddl\":\"\"}\n";
    struct fixture *f = *state;

    const struct tr_history_file_options options = {.path = f->path,
                                                    .server = tr_span_of_text("p")};
    assert_int_equal(tr_history_file_open(&f->store, &options, &f->err), TR_OK);
    assert_loads(f, "");
    write_behind(f, other, sizeof(other) - 1);
    assert_appends(f, A, NULL);
    write_behind(f, other, sizeof(other) - 1);
    write_behind(f, other, sizeof(other) - 1);
    assert_appends(f, B, NULL);
    assert_file_is(f, "{\"source\":{\"server\":\"q\"},\"ddl\":\"\"}\n" A "\n"
                      "{\"source\":{\"server\":\"q\"},\"ddl\":\"\"}\n"
                      "{\"source\":{\"server\":\"q\"},\"ddl\":\"\"}\n" B "\n");
    write_behind(f, other, 10); /* under way */
    assert_fails(f, append(f, C, NULL), TR_RETRY, "ends inside a line");
    write_behind(f, other + 10, sizeof(other) - 1 - 10);
    assert_appends(f, C, NULL);
    write_behind(f, mine, sizeof(mine) - 1); /* of the same name */
    assert_fails(f, append(f, C, NULL), TR_STOP, "another program");
}

static void another_writer_stops_the_store(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "");
    assert_appends(f, A, NULL);
    write_behind(f, B "\n", sizeof(B));
    assert_fails(f, append(f, C, NULL), TR_STOP, "another program");
    assert_file_is(f, A "\n" B "\n");
}

static void file_that_became_shorter_stops_the_store(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    assert_loads(f, "");
    assert_appends(f, A, B);
    assert_int_equal(truncate(f->path, sizeof(A)), 0);
    assert_fails(f, append(f, C, NULL), TR_STOP, "another program");
}

static void file_that_was_moved_away_stops_the_store(void **state)
{
    struct fixture *f = *state;
    char aside[160];

    open_store(f);
    assert_loads(f, "");
    assert_appends(f, A, NULL);
    (void)snprintf(aside, sizeof(aside), "%s/deep/er/aside", f->folder);
    assert_int_equal(rename(f->path, aside), 0);
    assert_fails(f, append(f, B, NULL), TR_STOP, "No such file");
    const int fd = open(f->path, O_WRONLY | O_CREAT, 0644);
    assert_int_not_equal(fd, -1);
    (void)close(fd);
    assert_fails(f, append(f, B, NULL), TR_STOP, "replaced");
}

static void document_that_the_reader_refuses_is_named_by_its_line(void **state)
{
    struct fixture *f = *state;

    open_store(f);
    write_behind(f, A "\n\n" B "\n" C "\n", sizeof(A "\n\n" B "\n" C));
    f->refused_at = 1;
    assert_fails(f, load(f), TR_STOP, "line 3: no position");
}

static void long_documents_are_read_whole(void **state)
{
    struct fixture *f = *state;
    const size_t bytes = 3 * 1024 * 1024;
    char *text = calloc(1, bytes + 1);

    assert_non_null(text);
    memset(text, 'x', bytes);
    memcpy(text, "{\"ddl\":\"", 8);
    memcpy(text + bytes - 2, "\"}", 2);
    open_store(f);
    assert_loads(f, "");
    assert_appends(f, A, text);
    assert_appends(f, C, NULL);
    assert_loads(f, A "\n" C "\n"); /* the long one does not fit what the test keeps */
    assert_int_equal(f->loaded_count, 3);
    assert_int_equal(truncate(f->path, sizeof(A) + bytes - 1), 0); /* a part of megabytes */
    close_store(f);
    open_store(f);
    assert_loads(f, A "\n");
    assert_int_equal(f->loaded_count, 1);
    free(text);
}

static void what_is_no_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tr_history_file_options options = {.path = f->folder};
    char under_a_file[160];

    assert_int_equal(tr_history_file_open(&f->store, &options, &f->err), TR_ERR_STATE);
    options.path = "";
    assert_int_equal(tr_history_file_open(&f->store, &options, &f->err), TR_ERR_CONFIG);
    assert_non_null(strstr(f->err.text, "schema.history.internal.file.filename"));
    open_store(f);
    close_store(f);
    (void)snprintf(under_a_file, sizeof(under_a_file), "%s/history.dat", f->path);
    options.path = under_a_file;
    assert_int_equal(tr_history_file_open(&f->store, &options, &f->err), TR_ERR_STATE);
    assert_int_equal(f->err.remedy, TR_STOP);
}

static void memory_store_keeps_documents_in_order(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(tr_history_memory_open(&f->store, &f->err), TR_OK);
    assert_loads(f, "");
    assert_appends(f, A, B);
    for (int i = 0; i < 100; i++) {
        assert_appends(f, C, NULL);
    }
    assert_int_equal(load(f), TR_STORE_DONE);
    assert_int_equal(f->loaded_count, 102);
    assert_memory_equal(f->loaded, A "\n" B "\n" C "\n", sizeof(A "\n" B "\n" C));
    f->refused_at = 5;
    assert_int_equal(load(f), TR_STORE_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_and_folders_are_created_and_documents_come_back),
        TEST(histories_of_debezium_are_read_and_continued),
        TEST(read_only_store_creates_nothing),
        TEST(empty_lines_and_carriage_returns_are_passed_over),
        TEST(part_of_a_document_is_left_out_and_cut_off),
        TEST(blocks_that_never_got_their_bytes_are_cut_off),
        TEST(document_without_line_end_is_taken),
        TEST(full_disk_is_waited_for_and_nothing_is_repeated),
        TEST(full_disk_behind_an_open_line_is_waited_for),
        TEST(failed_sync_is_no_success),
        TEST(writes_in_small_parts_are_put_together),
        TEST(documents_of_other_engines_stay_and_are_passed),
        TEST(another_writer_stops_the_store),
        TEST(file_that_became_shorter_stops_the_store),
        TEST(file_that_was_moved_away_stops_the_store),
        TEST(document_that_the_reader_refuses_is_named_by_its_line),
        TEST(long_documents_are_read_whole),
        TEST(what_is_no_file_is_refused),
        TEST(memory_store_keeps_documents_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
