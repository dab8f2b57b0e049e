// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/request.h"

#include <stdlib.h>
#include <string.h>

#include "stages/ship/partition.h"
#include "tests/check.h"

static struct tr_span text(const char *words)
{
    return tr_span_of_text(words);
}

static void the_body_is_exact(void **state)
{
    static const char expected[] =
        "{\"StreamName\":\"p.d.t\",\"Records\":["
        "{\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"k1\"},"
        "{\"Data\":\"\",\"PartitionKey\":\"{\\\"id\\\":1}\"},"
        "{\"Data\":\"AP8=\",\"PartitionKey\":\"a\\\\b\\u0001\\u001f\xc3\xa4\"}]}";
    struct tr_request request;
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_request_open(&request, &err), TR_OK);
    tr_request_begin(&request, text("p.d.t"));
    assert_true(tr_request_add(&request, text("k1"), text("hello")));
    assert_true(tr_request_add(&request, text("{\"id\":1}"), (struct tr_span){0})); /* a tombstone */
    assert_true(tr_request_add(&request, text("a\\b\x01\x1f\xc3\xa4"), tr_span_of("\0\xff", 2)));
    tr_request_finish(&request);
    assert_int_equal(request.entry_count, 3);
    assert_int_equal(request.payload_bytes, 2 + 5 + 8 + 7 + 2);
    assert_int_equal(request.body_bytes, sizeof(expected) - 1);
    assert_memory_equal(request.body, expected, sizeof(expected) - 1);
    tr_request_close(&request);
}

static void the_largest_request_fits(void **state)
{
    struct tr_request request;
    struct tr_error err;
    (void)state;
    uint8_t *bytes = calloc(1, TR_REQUEST_PAYLOAD_BYTES_MAX);
    assert_non_null(bytes);
    assert_int_equal(tr_request_open(&request, &err), TR_OK);
    /* 500 entries of 10 MiB together, with keys of 256 characters of four bytes each. */
    const size_t key_bytes = 1024;
    memset(bytes, 0xF0, key_bytes);
    tr_request_begin(&request, text("s"));
    const size_t data_bytes = TR_REQUEST_PAYLOAD_BYTES_MAX / TR_REQUEST_RECORDS_MAX - key_bytes;
    for (int i = 0; i < TR_REQUEST_RECORDS_MAX; i++) {
        assert_true(tr_request_add(&request, tr_span_of(bytes, key_bytes), tr_span_of(bytes, data_bytes)));
    }
    tr_request_finish(&request);
    tr_request_release(&request);
    assert_int_equal(request.touched_bytes, TR_REQUEST_BODY_BYTES_KEPT);
    /* One record of 10 MiB. */
    tr_request_begin(&request, text("s"));
    assert_true(tr_request_add(&request, text("k"), tr_span_of(bytes, TR_REQUEST_PAYLOAD_BYTES_MAX - 1)));
    tr_request_finish(&request);
    tr_request_close(&request);
    free(bytes);
}

static void an_entry_without_room_changes_nothing(void **state)
{
    struct tr_request request;
    struct tr_error err;
    (void)state;
    uint8_t *bytes = calloc(1, TR_REQUEST_PAYLOAD_BYTES_MAX);
    assert_non_null(bytes);
    assert_int_equal(tr_request_open(&request, &err), TR_OK);
    tr_request_begin(&request, text("s"));
    assert_true(tr_request_add(&request, text("k"), tr_span_of(bytes, TR_REQUEST_PAYLOAD_BYTES_MAX - 1)));
    const size_t body_bytes = request.body_bytes;
    assert_false(tr_request_add(&request, text("k"), tr_span_of(bytes, TR_REQUEST_PAYLOAD_BYTES_MAX / 2)));
    assert_false(tr_request_add(&request, tr_span_of(bytes, TR_REQUEST_PAYLOAD_BYTES_MAX / 2), text("v")));
    assert_int_equal(request.body_bytes, body_bytes);
    assert_int_equal(request.entry_count, 1);
    tr_request_close(&request);
    free(bytes);
}

/* Decimal text of a hash, for comparison with published numbers. */
static void write_decimal(tr_hash_key value, char *out)
{
    char digits[48];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value > 0);
    memcpy(out, digits + at, sizeof(digits) - at);
}

static void partition_keys_hash_as_the_service_does(void **state)
{
    /* kinesis §5.1 */
    static const char *const vectors[][2] = {
        {"k1", "242208671286853988395785178707875403226"},
        {"a", "16955237001963240173058271559858726497"},
        {"{\"id\":1}", "280208318273275170152646954949069733860"},
        {"default", "258034247056099696721315830246648215170"},
    };
    struct tr_digest *digest;
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_digest_open(&digest, &err), TR_OK);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char decimal[48];
        write_decimal(tr_digest_md5(digest, text(vectors[i][0])), decimal);
        assert_string_equal(decimal, vectors[i][1]);
    }
    char hex[TR_PARTITION_DIGEST_BYTES + 1] = "";
    tr_digest_sha256_hex(digest, text("abc"), hex); /* FIPS 180-2, B.1 */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tr_digest_close(digest);
    tr_digest_close(NULL);
}

static void a_key_is_measured_in_characters(void **state)
{
    char key[600];
    (void)state;
    memset(key, 'x', sizeof(key));
    assert_false(tr_partition_key_is_oversize(tr_span_of(key, 256)));
    assert_true(tr_partition_key_is_oversize(tr_span_of(key, 257)));
    for (size_t i = 0; i < sizeof(key); i += 2) {
        memcpy(key + i, "\xc3\xa4", 2);
    }
    assert_false(tr_partition_key_is_oversize(tr_span_of(key, 512)));
    assert_true(tr_partition_key_is_oversize(tr_span_of(key, 514)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_is_exact),
        cmocka_unit_test(the_largest_request_fits),
        cmocka_unit_test(an_entry_without_room_changes_nothing),
        cmocka_unit_test(partition_keys_hash_as_the_service_does),
        cmocka_unit_test(a_key_is_measured_in_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
