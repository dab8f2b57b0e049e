// SPDX-License-Identifier: Apache-2.0
/* Values that MariaDB stores in a form of its own: addresses, compressed columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "stages/decode/address.h"
#include "stages/decode/unpack.h"
#include "tests/check.h"

static size_t unhex(const char *text, size_t digits, uint8_t *out)
{
    for (size_t i = 0; i < digits / 2; i++) {
        char byte[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    return digits / 2;
}

/* mariadb_inet6.txt: 16 bytes in hex, the text of MariaDB 10.11.19. */
static void inet6_is_printed_as_the_server_prints_it(void **state)
{
    (void)state;
    char line[256];
    uint8_t raw[16];
    uint8_t out[TR_ADDRESS_BYTES_MAX];
    FILE *file = fopen(TR_TEST_DATA "/values/mariadb_inet6.txt", "r");
    uint32_t lines = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        size_t bytes = unhex(line, 32, raw);
        const char *want = line + 33;
        const uint8_t *end = tr_address_put_inet6(out, tr_span_of(raw, bytes));
        assert_non_null(end);
        if ((size_t)(end - out) != strlen(want) || memcmp(out, want, strlen(want)) != 0) {
            fail_msg("%.*s is not %s", (int)(end - out), (const char *)out, want);
        }
        while (bytes > 0 && raw[bytes - 1] == 0) { /* as the log has it */
            bytes--;
        }
        assert_int_equal(tr_address_put_inet6(out, tr_span_of(raw, bytes)) - out, strlen(want));
        lines++;
    }
    (void)fclose(file);
    assert_int_equal(lines, 283);
    assert_null(tr_address_put_inet6(out, tr_span_of(line, 17)));
}

static void inet4_fills_up_the_zeros_that_the_log_leaves_out(void **state)
{
    (void)state;
    uint8_t out[TR_ADDRESS_BYTES_MAX];
    const uint8_t *end = tr_address_put_inet4(out, tr_span_of("\x0a\0\0\xff", 4));

    assert_int_equal(end - out, strlen("10.0.0.255"));
    assert_memory_equal(out, "10.0.0.255", (size_t)(end - out));
    end = tr_address_put_inet4(out, tr_span_of("\x7f", 1));
    assert_int_equal(end - out, strlen("127.0.0.0"));
    assert_memory_equal(out, "127.0.0.0", (size_t)(end - out));
    assert_null(tr_address_put_inet4(out, tr_span_of("12345", 5)));
}

struct bench {
    struct tr_unpack unpack;
    uint8_t scratch[4096];
};

static struct bench open_bench(void)
{
    struct tr_error err;
    struct bench bench = {0};

    assert_int_equal(tr_deflate_open(&bench.unpack.deflate, &err), TR_OK);
    return bench;
}

static void compressed_values_are_unpacked_with_and_without_a_zlib_header(void **state)
{
    (void)state;
    struct bench bench = open_bench();
    struct tr_span value;
    uint8_t stored[1024];
    uint8_t plain[3000];

    bench.unpack.scratch = bench.scratch;
    bench.unpack.scratch_bytes = sizeof(bench.scratch);
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t)("tailrace"[i % 8]);
    }
    for (int window = -15; window <= 15; window += 30) {
        z_stream stream = {.next_in = plain,
                           .avail_in = sizeof(plain),
                           .next_out = stored + 3,
                           .avail_out = sizeof(stored) - 3};
        assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, 0), Z_OK);
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        const size_t bytes = 3 + stream.total_out;
        (void)deflateEnd(&stream);
        bench.unpack.used_bytes = 0;
        stored[0] = window < 0 ? 0x8A : 0x82;
        stored[1] = (uint8_t)(sizeof(plain) >> 8);
        stored[2] = (uint8_t)(sizeof(plain) & 255);
        assert_null(tr_unpack_value(&bench.unpack, tr_span_of(stored, bytes), &value));
        assert_int_equal(value.bytes, sizeof(plain));
        assert_memory_equal(value.data, plain, sizeof(plain));
        assert_int_equal(bench.unpack.used_bytes, sizeof(plain));
        /* Cut off, of another length, with another header: damaged, never silently short. */
        for (size_t cut = 1; cut < bytes; cut++) {
            assert_non_null(tr_unpack_value(&bench.unpack, tr_span_of(stored, cut), &value));
        }
        stored[2]++;
        assert_non_null(tr_unpack_value(&bench.unpack, tr_span_of(stored, bytes), &value));
        stored[2] = (uint8_t)(stored[2] - 2);
        assert_non_null(tr_unpack_value(&bench.unpack, tr_span_of(stored, bytes), &value));
        stored[0] ^= 0x08;
        assert_non_null(tr_unpack_value(&bench.unpack, tr_span_of(stored, bytes), &value));
    }
    tr_deflate_close(bench.unpack.deflate);
}

static void short_values_lie_there_as_they_are(void **state)
{
    (void)state;
    struct bench bench = open_bench();
    struct tr_span value;

    assert_null(tr_unpack_value(&bench.unpack, tr_span_of("", 0), &value));
    assert_int_equal(value.bytes, 0);
    assert_null(tr_unpack_value(&bench.unpack, tr_span_of("\0abc", 4), &value));
    assert_int_equal(value.bytes, 3);
    assert_memory_equal(value.data, "abc", 3);
    tr_deflate_close(bench.unpack.deflate);
}

static void a_value_larger_than_the_scratch_is_refused_with_the_remedy(void **state)
{
    (void)state;
    struct bench bench = open_bench();
    struct tr_span value;

    bench.unpack.scratch = bench.scratch;
    bench.unpack.scratch_bytes = sizeof(bench.scratch);
    const char *reason =
        tr_unpack_value(&bench.unpack, tr_span_of("\x8f\xff\xff\xff\xff\xff\xff\xff", 8), &value);
    assert_non_null(reason);
    assert_non_null(strstr(reason, "tailrace.row.max.bytes"));
    tr_deflate_close(bench.unpack.deflate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inet6_is_printed_as_the_server_prints_it),
        cmocka_unit_test(inet4_fills_up_the_zeros_that_the_log_leaves_out),
        cmocka_unit_test(compressed_values_are_unpacked_with_and_without_a_zlib_header),
        cmocka_unit_test(short_values_lie_there_as_they_are),
        cmocka_unit_test(a_value_larger_than_the_scratch_is_refused_with_the_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
