// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/text.h"

#include <stdbool.h>
#include <string.h>

#include "engine/bytes.h"
#include "engine/error.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static const uint8_t hex_digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                       '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'};

/* The letter of a two-character escape, 0 = \u00XX. */
static const uint8_t short_escapes[32] = {[8] = 'b', [9] = 't', [10] = 'n', [12] = 'f', [13] = 'r'};

/*
 * Copies 16 bytes and says which of them end a run of plain ones: bit i set for `"`, `\`, below
 * 0x20 and from 0x80 on. Bit 16 is always set.
 */
static inline uint32_t copy_block(uint8_t *out, const uint8_t *in)
{
#if defined(__SSE2__)
    const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)in);
    _mm_storeu_si128((__m128i *)(void *)out, block);
    /* Signed comparison: bytes from 0x80 on are below 0x20 too. */
    const __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
    const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    const __m128i slash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash))) | 0x10000u;
#else
    uint32_t mask = 0x10000u;
    memcpy(out, in, 16);
    for (uint32_t i = 0; i < 16; i++) {
        const uint8_t c = in[i];
        mask |= (uint32_t)(c < 0x20 || c >= 0x80 || c == '"' || c == '\\') << i;
    }
    return mask;
#endif
}

static inline uint8_t *put_escape(uint8_t *out, uint8_t c)
{
    *out++ = '\\';
    if (c >= 0x20) {
        *out++ = c;
    } else if (short_escapes[c] != 0) {
        *out++ = short_escapes[c];
    } else {
        memcpy(out, "u00", 3);
        out[3] = hex_digits[c >> 4];
        out[4] = hex_digits[c & 15];
        out += 5;
    }
    return out;
}

static inline uint8_t *put_unit(uint8_t *out, uint32_t unit)
{
    out[0] = '\\';
    out[1] = 'u';
    out[2] = hex_digits[unit >> 12];
    out[3] = hex_digits[unit >> 8 & 15];
    out[4] = hex_digits[unit >> 4 & 15];
    out[5] = hex_digits[unit & 15];
    return out + 6;
}

static inline uint8_t *put_replacement(uint8_t *out)
{
    memcpy(out, "\xEF\xBF\xBD", 3);
    return out + 3;
}

static inline bool is_continuation(uint8_t c)
{
    return (c & 0xC0) == 0x80;
}

/*
 * How many bytes the malformed sequence at `in` has (1..3): what Java's UTF-8 decoder replaces by
 * one U+FFFD. Source: the observable behaviour of String(byte[], UTF_8), checked against a JDK by
 * tests/property.
 */
static size_t malformed_bytes(const uint8_t *in, size_t bytes)
{
    const uint8_t first = in[0];

    if (first >= 0xE0 && first <= 0xEF) {
        if (bytes < 2) {
            return 1;
        }
        if (!is_continuation(in[1]) || (first == 0xE0 && in[1] < 0xA0)) {
            return 1;
        }
        if (bytes < 3 || !is_continuation(in[2])) {
            return 2;
        }
        return 3; /* a surrogate */
    }
    if (first >= 0xF0 && first <= 0xF4 && bytes >= 2) {
        if (!is_continuation(in[1]) || (first == 0xF0 && in[1] < 0x90) ||
            (first == 0xF4 && in[1] > 0x8F)) {
            return 1;
        }
        if (bytes < 3 || !is_continuation(in[2])) {
            return 2;
        }
        return 3; /* the fourth byte is missing or wrong */
    }
    return 1;
}

/* Writes one character of two to four bytes, or one replacement; moves `*in` and `*bytes` past it.
 */
static inline uint8_t *put_multibyte(uint8_t *out, const uint8_t **in, size_t *bytes)
{
    const uint8_t *at = *in;
    size_t used;

    if (at[0] >= 0xC2 && at[0] <= 0xDF && *bytes >= 2 && is_continuation(at[1])) {
        out[0] = at[0];
        out[1] = at[1];
        out += 2;
        used = 2;
    } else if ((at[0] & 0xF0) == 0xE0 && *bytes >= 3 && is_continuation(at[1]) &&
               is_continuation(at[2]) && !(at[0] == 0xE0 && at[1] < 0xA0) &&
               !(at[0] == 0xED && at[1] > 0x9F)) {
        out[0] = at[0];
        out[1] = at[1];
        out[2] = at[2];
        out += 3;
        used = 3;
    } else if (at[0] >= 0xF0 && at[0] <= 0xF4 && *bytes >= 4 && is_continuation(at[1]) &&
               is_continuation(at[2]) && is_continuation(at[3]) &&
               !(at[0] == 0xF0 && at[1] < 0x90) && !(at[0] == 0xF4 && at[1] > 0x8F)) {
        const uint32_t code = (uint32_t)(at[0] & 7) << 18 | (uint32_t)(at[1] & 63) << 12 |
                              (uint32_t)(at[2] & 63) << 6 | (uint32_t)(at[3] & 63);
        out = put_unit(out, 0xD800u + ((code - 0x10000u) >> 10));
        out = put_unit(out, 0xDC00u + ((code - 0x10000u) & 0x3FFu));
        used = 4;
    } else {
        out = put_replacement(out);
        used = malformed_bytes(at, *bytes);
    }
    *in = at + used;
    *bytes -= used;
    return out;
}

uint8_t *tr_text_put_utf8(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes)
{
    while (bytes > 0) { /* every turn takes at least one byte */
        if (TR_UNLIKELY(out > limit)) {
            return NULL;
        }
        uint32_t mask = copy_block(out, in);
        mask |= bytes < 16 ? 1u << bytes : 0;
        const uint32_t run = (uint32_t)__builtin_ctz(mask);
        out += run;
        in += run;
        bytes -= run;
        if (run == 16 || bytes == 0) {
            continue;
        }
        if (*in < 0x80) {
            out = put_escape(out, *in);
            in++;
            bytes--;
            continue;
        }
        do {
            out = put_multibyte(out, &in, &bytes);
        } while (bytes > 0 && *in >= 0x80 && out <= limit);
    }
    return out;
}

/* The byte as windows-1252, 0 = no character. Source: the JDK's windows-1252, 80..9F. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

enum single_byte { SINGLE_LATIN1, SINGLE_ASCII, SINGLE_BINARY };

static inline uint8_t *put_high_byte(uint8_t *out, uint8_t c, enum single_byte charset)
{
    uint32_t code = c;

    if (charset == SINGLE_ASCII) {
        return put_replacement(out);
    }
    if (charset == SINGLE_LATIN1 && c < 0xA0) {
        code = windows_1252[c - 0x80];
        if (code == 0) {
            return put_replacement(out);
        }
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        return out + 2;
    }
    out[0] = (uint8_t)(0xE0 | code >> 12);
    out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
    out[2] = (uint8_t)(0x80 | (code & 63));
    return out + 3;
}

static inline uint8_t *put_single_byte(uint8_t *out, const uint8_t *limit, struct tr_span in,
                                       enum single_byte charset)
{
    const uint8_t *at = in.data;
    size_t bytes = in.bytes;

    while (bytes > 0) {
        if (TR_UNLIKELY(out > limit)) {
            return NULL;
        }
        uint32_t mask = copy_block(out, at);
        mask |= bytes < 16 ? 1u << bytes : 0;
        const uint32_t run = (uint32_t)__builtin_ctz(mask);
        out += run;
        at += run;
        bytes -= run;
        if (run == 16 || bytes == 0) {
            continue;
        }
        out = *at < 0x80 ? put_escape(out, *at) : put_high_byte(out, *at, charset);
        at++;
        bytes--;
    }
    return out;
}

uint8_t *tr_text_put_latin1(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes)
{
    return put_single_byte(out, limit, tr_span_of(in, bytes), SINGLE_LATIN1);
}

uint8_t *tr_text_put_ascii(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes)
{
    return put_single_byte(out, limit, tr_span_of(in, bytes), SINGLE_ASCII);
}

uint8_t *tr_text_put_binary(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes)
{
    return put_single_byte(out, limit, tr_span_of(in, bytes), SINGLE_BINARY);
}

uint8_t *tr_text_put_nested(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes)
{
    while (bytes > 0) {
        if (TR_UNLIKELY(out > limit)) {
            return NULL;
        }
        uint32_t mask = copy_block(out, in);
        mask |= bytes < 16 ? 1u << bytes : 0;
        const uint32_t run = (uint32_t)__builtin_ctz(mask);
        out += run;
        in += run;
        bytes -= run;
        if (run == 16 || bytes == 0) {
            continue;
        }
        if (*in >= 0x80) {
            out = put_multibyte(out, &in, &bytes);
            continue;
        }
        /* The document's own escape, whose `\` and `"` are escaped again. */
        *out++ = '\\';
        if (*in == '"' || *in == '\\') {
            memcpy(out, "\\\\", 2);
            out[2] = *in;
            out += 3;
        } else {
            out = put_escape(out, *in);
        }
        in++;
        bytes--;
    }
    return out;
}
