// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "stages/source/file_source.h"
#include "stages/source/wire_source.h"
#include "tests/check.h"

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[2 * n] != '\0'; n++) {
        unsigned int byte;
        assert_int_equal(sscanf(hex + 2 * n, "%2x", &byte), 1);
        out[n] = (uint8_t)byte;
    }
    return n;
}

static void assert_command(const struct tr_resume *resume, uint32_t server_id, const char *body_hex)
{
    uint8_t expected[512];
    uint8_t command[512];
    struct tr_error err;
    const size_t body_bytes = from_hex(body_hex, expected);
    const size_t byte_count = tr_wire_write_dump(NULL, resume, server_id, &err);

    assert_int_equal(byte_count, body_bytes + 4);
    assert_int_equal(tr_wire_write_dump(command, resume, server_id, &err), byte_count);
    assert_int_equal(tr_load_u24(command), body_bytes);
    assert_int_equal(command[3], 0);
    assert_memory_equal(command + 4, expected, body_bytes);
}

/* The commands that real servers understood when the captures under data/binlogs were made. */
static void dump_commands_equal_those_of_the_captures(void **state)
{
    (void)state;
    struct tr_gtid_sources *sources;
    struct tr_gtid_set *set;
    struct tr_error err;
    assert_int_equal(tr_gtid_sources_open(&sources, &err), TR_OK);
    assert_int_equal(tr_gtid_set_open(&set, TR_FLAVOR_MYSQL, &err), TR_OK);
    assert_int_equal(tr_gtid_set_parse(set, sources,
                                       tr_span_of_text("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-2"),
                                       &err),
                     TR_OK);

    struct tr_resume resume = {.gtids = set, .flavor = TR_FLAVOR_MYSQL};
    (void)snprintf(resume.point.file, sizeof(resume.point.file),
                   "binlog.000007"); /* the set decides alone */
    assert_command(&resume, 0x109200,
                   "1e020000921000000000000400000000000000300000000100000000000000aaaaaaaabbbbccccd"
                   "dddeeeeeeeeeeee0100"
                   "00000000000001000000000000000300000000000000");
    struct tr_resume by_file = {.flavor = TR_FLAVOR_MARIADB};
    (void)snprintf(by_file.point.file, sizeof(by_file.point.file), "binlog.000001");
    assert_command(&by_file, 0x109200,
                   "12040000000000009210"
                   "0062696e6c6f672e303030303031");
    by_file.point.pos = 0x01020304;
    by_file.flavor = TR_FLAVOR_MYSQL;
    assert_command(&by_file, 1,
                   "1204030201020001000000"
                   "62696e6c6f672e303030303031");
    tr_gtid_set_close(set);
    tr_gtid_sources_close(sources);
}

static void a_position_beyond_4_gib_needs_the_64_bit_command(void **state)
{
    (void)state;
    struct tr_error err;
    struct tr_resume resume = {.flavor = TR_FLAVOR_MYSQL};

    (void)snprintf(resume.point.file, sizeof(resume.point.file), "b.1");
    resume.point.pos = UINT64_C(0x100000004);
    assert_command(&resume, 1,
                   "1e02000100000003000000622e31"
                   "0400000001000000"
                   "08000000"
                   "0000000000000000");
    resume.flavor = TR_FLAVOR_MARIADB;
    assert_int_equal(tr_wire_write_dump(NULL, &resume, 1, &err), 0);
    assert_int_equal(err.code, TR_ERR_UNSUPPORTED);
}

static void tls_modes_have_both_vocabularies(void **state)
{
    (void)state;
    enum tr_tls_mode mode;

    assert_true(tr_tls_mode_parse("preferred", &mode));
    assert_int_equal(mode, TR_TLS_PREFERRED);
    assert_true(tr_tls_mode_parse("trust", &mode));
    assert_int_equal(mode, TR_TLS_REQUIRED);
    assert_true(tr_tls_mode_parse("verify-full", &mode));
    assert_int_equal(mode, TR_TLS_VERIFY_IDENTITY);
    assert_false(tr_tls_mode_parse("sometimes", &mode));
}

static void version_texts_become_numbers(void **state)
{
    (void)state;
    assert_int_equal(tr_mysql_version_number("9.7.4-2"), 90704);
    assert_int_equal(tr_mysql_version_number("5.5.5-10.11.19-MariaDB-0+deb12u1-log"), 101119);
    assert_int_equal(tr_mysql_version_number("11.8.9-MariaDB-4 from Debian-log"), 110809);
    assert_int_equal(tr_mysql_version_number("5.6.14-log"), 50614);
    assert_int_equal(tr_mysql_version_number("x"), 0);
}

static void a_raw_link_waits_reads_and_is_woken(void **state)
{
    (void)state;
    int fds[2];
    uint8_t out[16];
    size_t bytes = 0;
    struct tr_error err;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct tr_raw_link link = {.fd = fds[0], .wake_fd = eventfd(0, EFD_NONBLOCK)};
    assert_int_equal(tr_raw_link_prepare(&link, &err), TR_OK);

    assert_int_equal(tr_raw_link_read(&link, out, sizeof(out), 0, &bytes, &err),
                     TR_READ_WOULD_BLOCK);
    assert_int_equal(eventfd_write(link.wake_fd, 1), 0);
    /* Would wait for a minute; the test's own time limit notices if the wake is not seen. */
    assert_int_equal(tr_raw_link_read(&link, out, sizeof(out), 60 * TR_NS_PER_S, &bytes, &err),
                     TR_READ_WOULD_BLOCK);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(tr_raw_link_read(&link, out, sizeof(out), 60 * TR_NS_PER_S, &bytes, &err),
                     TR_READ_BYTES);
    assert_int_equal(bytes, 3);
    assert_memory_equal(out, "abc", 3);
    assert_int_equal(tr_raw_link_send(&link, (const uint8_t *)"xyz", 3, 1000, &err), TR_OK);
    assert_int_equal(read(fds[1], out, sizeof(out)), 3);
    assert_memory_equal(out, "xyz", 3);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(tr_raw_link_read(&link, out, sizeof(out), 0, &bytes, &err), TR_READ_END);
    assert_int_equal(tr_raw_link_send(&link, (const uint8_t *)"x", 1, 1000, &err),
                     TR_ERR_SOURCE_LINK);
    assert_int_equal(err.remedy, TR_RECONNECT);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(link.wake_fd), 0);
}

static enum tr_code open_path(struct tr_file_source *source, const char *path, struct tr_error *err)
{
    static const struct tr_resume resume = {.flavor = TR_FLAVOR_MYSQL};

    tr_file_source_init(source, path);
    return source->port.open(source, &resume, err);
}

static void files_are_known_by_their_magic(void **state)
{
    (void)state;
    struct tr_file_source source;
    struct tr_error err;
    uint8_t out[32];
    size_t bytes = 0;

    assert_int_equal(open_path(&source, TR_TEST_DATA "/binlogs/mysql97-wire-gtid.000001", &err),
                     TR_OK);
    assert_int_equal(source.port.read(&source, out, sizeof(out), 0, &bytes, &err), TR_READ_BYTES);
    assert_int_equal(bytes, sizeof(out));
    assert_int_equal(out[4], 15); /* the magic is consumed: FORMAT_DESCRIPTION comes first */
    tr_file_source_deinit(&source);

    assert_int_equal(open_path(&source, TR_TEST_DATA "/binlogs/mysql97-wire-gtid.stream", &err),
                     TR_ERR_PROTOCOL);
    tr_file_source_deinit(&source);
    assert_int_equal(open_path(&source, TR_TEST_DATA "/binlogs/none", &err), TR_ERR_SYSTEM);
    assert_non_null(strstr(err.text, "No such file"));
    tr_file_source_deinit(&source);

    char path[] = "/tmp/tailrace-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd,
                           "\xfd"
                           "bin0123",
                           8),
                     8);
    assert_int_equal(close(fd), 0);
    assert_int_equal(open_path(&source, path, &err), TR_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "encrypted"));
    tr_file_source_deinit(&source);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump_commands_equal_those_of_the_captures),
        cmocka_unit_test(a_position_beyond_4_gib_needs_the_64_bit_command),
        cmocka_unit_test(tls_modes_have_both_vocabularies),
        cmocka_unit_test(version_texts_become_numbers),
        cmocka_unit_test(a_raw_link_waits_reads_and_is_woken),
        cmocka_unit_test(files_are_known_by_their_magic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
