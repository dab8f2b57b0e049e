// SPDX-License-Identifier: Apache-2.0
/*
 * Writing JSON text exactly as Debezium's converter does.
 *
 * Escaped are only ", \ and what lies below U+0020 (\b \t \n \f \r, others \u00XX), and every code point above U+FFFF as
 * two \uXXXX, hexadecimal digits in upper case. All else is written raw, U+007F and U+2028 included. Bytes that are not
 * UTF-8 become U+FFFD by Java's rules, as they would in a string that Debezium made of them.
 * Sources: debezium-contract, section 0.1; OpenJDK 17, java.lang.String.decodeUTF8_UTF16.
 *
 * Two levels: tr_json_escape for those who have reserved room for the worst case (the encoder), struct tr_json_writer, a
 * bounded buffer with a sticky overflow, for everyone else.
 *
 * @thread any
 */
#ifndef TR_ENGINE_JSON_WRITE_H
#define TR_ENGINE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "engine/bytes.h"

#define TR_JSON_ESCAPE_FACTOR 6 /* bytes written per byte read, at most: \u001F */

/* tr_json_escape from byte `done_bytes` on, those before having been copied. Use tr_json_escape. */
size_t tr_json_escape_rest(uint8_t *out, struct tr_span text, size_t done_bytes);

/* Bytes that tr_json_escape would write. */
size_t tr_json_escaped_bytes(struct tr_span text);

/* Nonzero when one of eight bytes is not printable ASCII, or is " or \. Which one, only a closer look tells. */
static inline uint64_t tr_json_special_in_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);
    const uint64_t quote = word ^ ones * '"';
    const uint64_t backslash = word ^ ones * '\\';

    return (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
}

#if defined(__SSE2__)
/* A bit for each of sixteen bytes that is not printable ASCII, or is " or \. */
static inline unsigned tr_json_special_mask(__m128i bytes)
{
    /* Signed: bytes from 0x80 up are below 0x20, too. */
    const __m128i control_or_high = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));

    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(control_or_high, _mm_or_si128(quote, backslash)));
}
#endif

/* Copies a text of up to 15 bytes if nothing in it needs a look; returns whether it did. */
static inline bool tr_json_copy_short(uint8_t *out, const uint8_t *text, size_t bytes)
{
    if (bytes >= 8) {
        const uint64_t first = tr_load_u64(text);
        const uint64_t last = tr_load_u64(text + bytes - 8); /* overlaps the first */
        memcpy(out, &first, sizeof(first));
        memcpy(out + bytes - 8, &last, sizeof(last));
        return (tr_json_special_in_word(first) | tr_json_special_in_word(last)) == 0;
    }
    if (bytes >= 4) {
        const uint32_t first = tr_load_u32(text);
        const uint32_t last = tr_load_u32(text + bytes - 4);
        memcpy(out, &first, sizeof(first));
        memcpy(out + bytes - 4, &last, sizeof(last));
        return tr_json_special_in_word((uint64_t)first << 32 | last) == 0;
    }
    bool is_plain = true;
    for (size_t i = 0; i < bytes; i++) {
        out[i] = text[i];
        is_plain =
            is_plain && text[i] >= 0x20 && text[i] < 0x80 && text[i] != '"' && text[i] != '\\';
    }
    return is_plain;
}

/*
 * Writes `text` escaped, without quotes, to `out`, which has room for TR_JSON_ESCAPE_FACTOR * text.bytes and may be
 * written anywhere within that. Returns the bytes written. `text` and `out` must not overlap.
 */
static inline size_t tr_json_escape(uint8_t *out, struct tr_span text)
{
    if (text.bytes < 16) {
        return tr_json_copy_short(out, text.data, text.bytes) ? text.bytes
                                                              : tr_json_escape_rest(out, text, 0);
    }
#if defined(__SSE2__)
    size_t done_bytes = 0;
    for (; text.bytes - done_bytes >= 16; done_bytes += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i_u *)(text.data + done_bytes));
        if (tr_json_special_mask(bytes) != 0) {
            return tr_json_escape_rest(out, text, done_bytes);
        }
        _mm_storeu_si128((__m128i_u *)(out + done_bytes), bytes);
    }
    const __m128i last = _mm_loadu_si128(
        (const __m128i_u *)(text.data + text.bytes - 16)); /* overlaps the one before */
    if (tr_json_special_mask(last) != 0) {
        return tr_json_escape_rest(out, text, done_bytes);
    }
    _mm_storeu_si128((__m128i_u *)(out + text.bytes - 16), last);
    return text.bytes;
#else
    return tr_json_escape_rest(out, text, 0);
#endif
}

/* A buffer that is filled from its start; what does not fit sets `is_full` for good and is left out. */
struct tr_json_writer {
    uint8_t *start; /* borrows */
    size_t room_bytes;
    size_t bytes; /* written so far */
    bool is_full; /* sticky: the text is not whole */
};

static inline struct tr_json_writer tr_json_writer_of(void *start, size_t room_bytes)
{
    return (struct tr_json_writer){.start = (uint8_t *)start, .room_bytes = room_bytes};
}

/* What was written; whole only if `is_full` is false. */
static inline struct tr_span tr_json_writer_span(const struct tr_json_writer *writer)
{
    return tr_span_of(writer->start, writer->bytes);
}

/* Appends text as it is: brackets, names known to need no escape, numbers, JSON from elsewhere. */
void tr_json_write_raw(struct tr_json_writer *writer, struct tr_span text);

/* Appends a NUL-terminated text as it is. */
void tr_json_write_literal(struct tr_json_writer *writer, const char *text);

/* Appends a string: quotes around it, escaped. */
void tr_json_write_text(struct tr_json_writer *writer, struct tr_span text);

void tr_json_write_int64(struct tr_json_writer *writer, int64_t number);
void tr_json_write_uint64(struct tr_json_writer *writer, uint64_t number);

#endif
