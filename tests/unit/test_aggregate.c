// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "stages/ship/aggregate.h"
#include "tests/check.h"

/* Keys k1 and k2, hash key 5; records (k1, one), (k1, two), (k2, nothing): as aws-kinesis-agg 4.2.8 decodes them. */
static const char vector[] =
    "\xf3\x89\x9a\xc2\x0a\x02k1\x0a\x02k2\x12\x01"
    "5\x1a\x07\x08\x00\x1a\x03one\x1a\x07\x08\x00\x1a\x03two\x1a\x06\x08\x01\x10\x00\x1a\x00"
    "\xdc\x84\x30\x05\xef\xb1\xf6\x8f\x05\xd9\xca\xfd\xe5\x00\xa9\x4b";
#define VECTOR_BYTES (sizeof(vector) - 1)

static char seen[256];
static uint32_t records_wanted;

static bool note(void *self, struct tr_span key, struct tr_span data)
{
    (void)self;
    const size_t used = strlen(seen);
    (void)snprintf(seen + used, sizeof(seen) - used, "%.*s=%.*s;", (int)key.bytes,
                   (const char *)key.data, (int)data.bytes,
                   data.bytes == 0 ? "" : (const char *)data.data);
    return --records_wanted > 0;
}

/* What comes out of a protobuf between magic and digest; NULL: it is no aggregate. */
static const char *read_protobuf(const char *protobuf, size_t bytes)
{
    struct tr_error err;
    uint8_t record[256] = {0xF3, 0x89, 0x9A, 0xC2};
    assert_true(4 + bytes + 16 <= sizeof(record));
    memcpy(record + 4, protobuf, bytes);
    assert_int_equal(EVP_Digest(record + 4, bytes, record + 4 + bytes, NULL, EVP_md5(), NULL), 1);
    const struct tr_span whole = tr_span_of(record, 4 + bytes + 16);
    seen[0] = '\0';
    records_wanted = UINT32_MAX;
    if (!tr_aggregate_is_whole(whole)) {
        return NULL;
    }
    assert_int_equal(tr_aggregate_read(whole, note, NULL, &err), TR_OK);
    return seen;
}

static void records_come_in_order_with_their_own_keys(void **state)
{
    struct tr_error err;
    (void)state;
    const struct tr_span whole = tr_span_of(vector, VECTOR_BYTES);
    assert_true(tr_aggregate_is_whole(whole));
    seen[0] = '\0';
    records_wanted = UINT32_MAX;
    assert_int_equal(tr_aggregate_read(whole, note, NULL, &err), TR_OK);
    assert_string_equal(seen, "k1=one;k1=two;k2=;");
}

static void reading_ends_when_the_caller_has_enough(void **state)
{
    struct tr_error err;
    (void)state;
    seen[0] = '\0';
    records_wanted = 1;
    assert_int_equal(tr_aggregate_read(tr_span_of(vector, VECTOR_BYTES), note, NULL, &err), TR_OK);
    assert_string_equal(seen, "k1=one;");
}

#define RECORDS_THEN_KEYS                                                                          \
    "\x1a\x05\x08\x01\x1a\x01x\x0a\x01"                                                            \
    "a\x0a\x01"                                                                                    \
    "b"
#define UNKNOWN_FIELDS                                                                             \
    "\x0a\x01"                                                                                     \
    "a\x20\x96\x01\x29"                                                                            \
    "12345678\x2d"                                                                                 \
    "1234\x1a\x0d\x08\x00\x22\x04tags\x2a\x00\x1a\x01x"

static void fields_may_come_in_any_order_and_unknown_ones_are_skipped(void **state)
{
    (void)state;
    assert_string_equal(read_protobuf(RECORDS_THEN_KEYS, sizeof(RECORDS_THEN_KEYS) - 1), "b=x;");
    assert_string_equal(read_protobuf(UNKNOWN_FIELDS, sizeof(UNKNOWN_FIELDS) - 1), "a=x;");
}

static void what_is_damaged_is_an_ordinary_record(void **state)
{
    (void)state;
    char copy[VECTOR_BYTES];
    for (size_t i = 0; i < VECTOR_BYTES; i++) { /* any byte: magic, text or digest */
        memcpy(copy, vector, VECTOR_BYTES);
        copy[i] = (char)(copy[i] ^ 1);
        assert_false(tr_aggregate_is_whole(tr_span_of(copy, VECTOR_BYTES)));
        assert_false(tr_aggregate_is_whole(tr_span_of(vector, i)));
    }
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {
#define CASE_OF(text) {text, sizeof(text) - 1}
        CASE_OF(""), /* nothing */
        CASE_OF("\x0a\x01"
                "a"),                         /* no record */
        CASE_OF("\x1a\x05\x08\x00\x1a\x01x"), /* no such key */
        CASE_OF("\x0a\x01"
                "a\x1a\x05\x08\x01\x1a\x01x"), /* nor this */
        CASE_OF("\x0a\x01"
                "a\x1a\x03\x1a\x01x"), /* without a key */
        CASE_OF("\x0a\x01"
                "a\x1a\x02\x08\x00"), /* without data */
        CASE_OF("\x0a\x01"
                "a\x1a\x05\x08\x00\x1a\x09x"), /* data longer than the record */
        CASE_OF("\x0a\x01"
                "a\x1a\x7f\x08\x00\x1a\x01x"), /* a record longer than the rest */
        CASE_OF("\x0a\x01"
                "a\x1b"),                                            /* a group */
        CASE_OF("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* a number without end */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(read_protobuf(cases[i].text, cases[i].bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_order_with_their_own_keys),
        cmocka_unit_test(reading_ends_when_the_caller_has_enough),
        cmocka_unit_test(fields_may_come_in_any_order_and_unknown_ones_are_skipped),
        cmocka_unit_test(what_is_damaged_is_an_ordinary_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
