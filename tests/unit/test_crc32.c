// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include "engine/crc32.h"

/* The definition, bit by bit. */
static uint32_t slow_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static void check_value_of_the_standard(void **state)
{
    (void)state;
    assert_int_equal(tr_crc32(0, tr_span_of_text("123456789")), 0xCBF43926u);
    assert_int_equal(tr_crc32(0, tr_span_of(NULL, 0)), 0);
    assert_int_equal(tr_crc32(7, tr_span_of(NULL, 0)), 7);
}

static void every_length_and_split_matches_the_definition(void **state)
{
    (void)state;
    uint8_t bytes[600];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 167 + (i >> 3));
    }
    for (size_t count = 0; count <= sizeof(bytes); count++) {
        const uint32_t want = slow_crc32(0, bytes, count);
        assert_int_equal(tr_crc32(0, tr_span_of(bytes, count)), want);
        const size_t half = count / 3;
        const uint32_t first = tr_crc32(0, tr_span_of(bytes, half));
        assert_int_equal(tr_crc32(first, tr_span_of(bytes + half, count - half)), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_value_of_the_standard),
        cmocka_unit_test(every_length_and_split_matches_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
