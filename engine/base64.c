// SPDX-License-Identifier: Apache-2.0
#include "engine/base64.h"

#include <string.h>

#include "engine/assert.h"
#include "engine/base64_simd.h"

/* The character of a 6-bit number, as a constant expression. */
#define CHARACTER(n)                                                                               \
    ((n) < 26    ? 'A' + (n)                                                                       \
     : (n) < 52  ? 'a' + (n)-26                                                                    \
     : (n) < 62  ? '0' + (n)-52                                                                    \
     : (n) == 62 ? '+'                                                                             \
                 : '/')

/* Both characters of a 12-bit number, the first in the lower byte: stored little-endian. */
#define PAIR(n) (uint16_t)(CHARACTER((n) / 64) | CHARACTER((n) % 64) << 8)
#define PAIRS_4(n) PAIR(n), PAIR((n) + 1), PAIR((n) + 2), PAIR((n) + 3)
#define PAIRS_16(n) PAIRS_4(n), PAIRS_4((n) + 4), PAIRS_4((n) + 8), PAIRS_4((n) + 12)
#define PAIRS_64(n) PAIRS_16(n), PAIRS_16((n) + 16), PAIRS_16((n) + 32), PAIRS_16((n) + 48)
#define PAIRS_256(n) PAIRS_64(n), PAIRS_64((n) + 64), PAIRS_64((n) + 128), PAIRS_64((n) + 192)
#define PAIRS_1024(n) PAIRS_256(n), PAIRS_256((n) + 256), PAIRS_256((n) + 512), PAIRS_256((n) + 768)

static const uint16_t pairs[4096] = {PAIRS_1024(0), PAIRS_1024(1024), PAIRS_1024(2048),
                                     PAIRS_1024(3072)};

#define NOT_A_CHARACTER 0x40 /* above every 6-bit number */

static size_t encode_scalar(uint8_t *out, const uint8_t *plain, size_t plain_bytes)
{
    uint8_t *const start = out;
    size_t left_bytes = plain_bytes;

    for (; left_bytes >= 3; left_bytes -= 3, plain += 3, out += 4) {
        const uint32_t triple = (uint32_t)plain[0] << 16 | (uint32_t)plain[1] << 8 | plain[2];
        memcpy(out, &pairs[triple >> 12], 2);
        memcpy(out + 2, &pairs[triple & 0xFFF], 2);
    }
    if (left_bytes > 0) {
        const uint32_t triple =
            (uint32_t)plain[0] << 16 | (left_bytes == 2 ? (uint32_t)plain[1] << 8 : 0);
        memcpy(out, &pairs[triple >> 12], 2);
        memcpy(out + 2, &pairs[triple & 0xFFF], 2);
        out[3] = '=';
        if (left_bytes == 1) {
            out[2] = '=';
        }
        out += 4;
    }
    return (size_t)(out - start);
}

bool tr_base64_has(enum tr_base64_way way)
{
    switch (way) {
    case TR_BASE64_SCALAR:
        return true;
    case TR_BASE64_AVX2:
#if defined(__x86_64__)
        return __builtin_cpu_supports("avx2");
#else
        return false;
#endif
    case TR_BASE64_AVX512:
#if defined(__x86_64__)
        return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw");
#else
        return false;
#endif
    case TR_BASE64_WAY_COUNT:
        break;
    }
    return false;
}

const char *tr_base64_way_name(enum tr_base64_way way)
{
    static const char *const names[TR_BASE64_WAY_COUNT] = {"scalar", "avx2", "avx512"};

    TR_ASSERT(way < TR_BASE64_WAY_COUNT);
    return names[way];
}

size_t tr_base64_encode(uint8_t *out, struct tr_span plain)
{
    /* The processor was asked before main; this is two looks at a table of bits. */
    const enum tr_base64_way way = tr_base64_has(TR_BASE64_AVX512) ? TR_BASE64_AVX512
                                   : tr_base64_has(TR_BASE64_AVX2) ? TR_BASE64_AVX2
                                                                   : TR_BASE64_SCALAR;

    return tr_base64_encode_as(way, out, plain);
}

size_t tr_base64_encode_as(enum tr_base64_way way, uint8_t *out, struct tr_span plain)
{
    size_t done_bytes = 0;

    TR_ASSERT_HOT(tr_base64_has(way));
#if defined(__x86_64__)
    if (way == TR_BASE64_AVX512) {
        done_bytes = tr_base64_encode_avx512(out, plain.data, plain.bytes);
    } else if (way == TR_BASE64_AVX2) {
        done_bytes = tr_base64_encode_avx2(out, plain.data, plain.bytes);
    }
#else
    (void)way;
#endif
    const size_t done_characters = done_bytes / 3 * 4;
    return done_characters +
           encode_scalar(out + done_characters, plain.data + done_bytes, plain.bytes - done_bytes);
}

static uint8_t number_of(uint8_t character)
{
    /* 0 stands for "no character" so that the table needs naming only what exists: numbers are stored plus one. */
    static const uint8_t plus_one[256] = {
        ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
        ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
        ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
        ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
        ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
        ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
        ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
        ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
        ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
        ['/'] = 64,
    };

    return plus_one[character] == 0 ? NOT_A_CHARACTER : (uint8_t)(plus_one[character] - 1);
}

/* The last group, which may be padded. */
static bool decode_last(uint8_t *out, const uint8_t *text, size_t *out_bytes)
{
    const size_t pad_count = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    const uint32_t third = pad_count == 2 ? 0 : number_of(text[2]);
    const uint32_t fourth = pad_count >= 1 ? 0 : number_of(text[3]);
    const uint32_t first = number_of(text[0]);
    const uint32_t second = number_of(text[1]);
    const uint32_t triple = first << 18 | second << 12 | third << 6 | fourth;

    if (((first | second | third | fourth) & NOT_A_CHARACTER) != 0 ||
        (triple & ((UINT32_C(1) << 8 * pad_count) - 1)) != 0) {
        return false;
    }
    out[0] = (uint8_t)(triple >> 16);
    if (pad_count < 2) {
        out[1] = (uint8_t)(triple >> 8);
    }
    if (pad_count < 1) {
        out[2] = (uint8_t)triple;
    }
    *out_bytes += 3 - pad_count;
    return true;
}

bool tr_base64_decode(uint8_t *out, struct tr_span text, size_t *out_bytes)
{
    const uint8_t *at = text.data;
    uint32_t seen = 0;

    *out_bytes = 0;
    if (text.bytes % 4 != 0) {
        return false;
    }
    if (text.bytes == 0) {
        return true;
    }
    for (size_t groups = text.bytes / 4 - 1; groups > 0; groups--, at += 4, out += 3) {
        const uint32_t first = number_of(at[0]);
        const uint32_t second = number_of(at[1]);
        const uint32_t third = number_of(at[2]);
        const uint32_t fourth = number_of(at[3]);
        seen |= first | second | third | fourth;
        const uint32_t triple = first << 18 | second << 12 | third << 6 | fourth;
        out[0] = (uint8_t)(triple >> 16);
        out[1] = (uint8_t)(triple >> 8);
        out[2] = (uint8_t)triple;
    }
    *out_bytes = text.bytes / 4 * 3 - 3;
    return (seen & NOT_A_CHARACTER) == 0 && decode_last(out, at, out_bytes);
}
