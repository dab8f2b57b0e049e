// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base64.h"

#define PLAIN_BYTES_MAX 4096

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The definition: six bits at a time. */
static size_t slow_encode(uint8_t *out, const uint8_t *plain, size_t bytes)
{
    size_t written = 0;

    for (size_t bit = 0; bit < bytes * 8; bit += 6) {
        uint32_t number = 0;
        for (size_t i = bit; i < bit + 6; i++) {
            number = number << 1 | (i < bytes * 8 ? (uint32_t)(plain[i / 8] >> (7 - i % 8)) & 1u : 0u);
        }
        out[written++] = (uint8_t)alphabet[number];
    }
    while (written % 4 != 0) {
        out[written++] = '=';
    }
    return written;
}

static void every_way_matches_the_definition_at_every_length(void **state)
{
    (void)state;
    uint32_t seed = 1;

    for (enum tr_base64_way way = TR_BASE64_SCALAR; way < TR_BASE64_WAY_COUNT; way++) {
        if (!tr_base64_has(way)) {
            printf("skipped: this processor has no %s\n", tr_base64_way_name(way));
            continue;
        }
        for (size_t bytes = 0; bytes <= PLAIN_BYTES_MAX; bytes++) {
            const size_t characters = tr_base64_encoded_bytes(bytes);
            /* Blocks of exactly the size, so that the sanitizer sees a byte too many, read or written. */
            uint8_t *plain = malloc(bytes + 1);
            uint8_t *out = malloc(characters + 1);
            uint8_t *want = malloc(characters + 1);
            assert_non_null(plain);
            assert_non_null(out);
            assert_non_null(want);
            for (size_t i = 0; i < bytes; i++) {
                seed = seed * 1664525u + 1013904223u;
                plain[i + 1] = (uint8_t)(seed >> 24);
            }
            out[characters] = 0xA5;
            assert_int_equal(slow_encode(want, plain + 1, bytes), characters);
            assert_int_equal(tr_base64_encode_as(way, out, tr_span_of(plain + 1, bytes)), characters);
            assert_memory_equal(out, want, characters);
            assert_int_equal(out[characters], 0xA5);
            free(plain);
            free(out);
            free(want);
        }
    }
}

static void every_triple_is_encoded_right(void **state)
{
    (void)state;
    uint8_t plain[96];
    uint8_t out[128];
    uint8_t want[128];

    /* Every 6-bit number at every place of a vector. */
    for (uint32_t number = 0; number < 64; number++) {
        for (size_t place = 0; place < 128; place++) {
            memset(plain, 0, sizeof(plain));
            for (size_t bit = 0; bit < 6; bit++) {
                const size_t at = place * 6 + bit;
                plain[at / 8] |= (uint8_t)((number >> (5 - bit) & 1u) << (7 - at % 8));
            }
            (void)slow_encode(want, plain, sizeof(plain));
            for (enum tr_base64_way way = TR_BASE64_SCALAR; way < TR_BASE64_WAY_COUNT; way++) {
                if (tr_base64_has(way)) {
                    (void)tr_base64_encode_as(way, out, tr_span_of(plain, sizeof(plain)));
                    assert_memory_equal(out, want, sizeof(out));
                }
            }
        }
    }
}

static void decoding_gives_back_what_was_encoded(void **state)
{
    (void)state;
    uint8_t plain[500];
    uint8_t text[1000];

    for (size_t bytes = 0; bytes <= sizeof(plain); bytes++) {
        for (size_t i = 0; i < bytes; i++) {
            plain[i] = (uint8_t)(i * 59 + bytes);
        }
        const size_t characters = tr_base64_encode(text, tr_span_of(plain, bytes));
        size_t decoded_bytes;
        uint8_t *decoded = malloc(bytes + 1);
        assert_non_null(decoded);
        decoded[bytes] = 0xA5;
        assert_true(tr_base64_decode(decoded, tr_span_of(text, characters), &decoded_bytes));
        assert_int_equal(decoded_bytes, bytes);
        assert_memory_equal(decoded, plain, bytes);
        assert_int_equal(decoded[bytes], 0xA5);
        free(decoded);
    }
}

static void decoding_refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "A",     "AA",    "AAA",  "A===",  "====", "AA=A", "=AAA", "A=AA", "AB==", "AAB=", "AAAA=", "AA==AAAA",
        "AA-A", "AA_A", "AA A", "AA\nA", "AAA\x80", "AAAAA===", "AAAAAA=A", "AA==\n", "AAAAAB==",
    };
    uint8_t out[16];
    size_t out_bytes;

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(tr_base64_decode(out, tr_span_of_text(refused[i]), &out_bytes));
    }
    for (int character = 0; character < 256; character++) {
        for (size_t place = 0; place < 8; place++) {
            uint8_t text[8];
            memset(text, 'A', sizeof(text));
            text[place] = (uint8_t)character;
            const bool is_valid = character != 0 && strchr(alphabet, character) != NULL;
            const bool is_padding = character == '=' && place == 7;
            assert_int_equal(tr_base64_decode(out, tr_span_of(text, 8), &out_bytes), is_valid || is_padding);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_matches_the_definition_at_every_length),
        cmocka_unit_test(every_triple_is_encoded_right),
        cmocka_unit_test(decoding_gives_back_what_was_encoded),
        cmocka_unit_test(decoding_refuses_what_is_not_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
