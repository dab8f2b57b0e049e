// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/text.h"

#include <string.h>

#include "stages/schema/charset_text.h"

/* The byte as windows-1252, 0 = no character. Source: the JDK's windows-1252, 80..9F. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

#define CODE_BYTES_MAX 12 /* of a character outside the BMP: two escapes */

enum single_byte { SINGLE_LATIN1, SINGLE_ASCII, SINGLE_BINARY };

/*
 * The next slice of a text, never cutting a sequence of UTF-8: where the byte behind the cut
 * continues one, the cut moves before its lead. Four continuation bytes in a row belong to no
 * sequence together, so three steps back are enough.
 */
static struct tr_span take_slice(struct tr_span *rest)
{
    size_t bytes = rest->bytes < TR_TEXT_SLICE_BYTES ? rest->bytes : TR_TEXT_SLICE_BYTES;

    if (bytes < rest->bytes && (rest->data[bytes] & 0xC0) == 0x80) {
        for (size_t back = 1; back <= 3; back++) {
            if ((rest->data[bytes - back] & 0xC0) != 0x80) {
                bytes -= back;
                break;
            }
        }
    }
    const struct tr_span slice = tr_span_of(rest->data, bytes);
    *rest = tr_span_of(rest->data + bytes, rest->bytes - bytes);
    return slice;
}

uint8_t *tr_text_put_utf8_long(uint8_t *out, const uint8_t *limit, struct tr_span in)
{
    while (in.bytes > 0) {
        const struct tr_span slice = take_slice(&in);
        if (!tr_text_has_room(out, limit, slice.bytes * TR_JSON_ESCAPE_FACTOR)) {
            return NULL;
        }
        out += tr_json_escape(out, slice);
    }
    return out;
}

static inline uint8_t *put_code(uint8_t *out, uint32_t code)
{
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

static inline uint8_t *put_high_byte(uint8_t *out, uint8_t c, enum single_byte charset)
{
    uint32_t code = c;

    if (charset == SINGLE_LATIN1 && c < 0xA0) {
        code = windows_1252[c - 0x80];
    }
    if (charset == SINGLE_ASCII || code == 0) {
        code = 0xFFFD;
    }
    return put_code(out, code);
}

static inline uint8_t *put_single_byte(uint8_t *out, const uint8_t *limit, struct tr_span in,
                                       enum single_byte charset)
{
    while (in.bytes > 0) {
        const size_t slice_bytes = in.bytes < TR_TEXT_SLICE_BYTES ? in.bytes : TR_TEXT_SLICE_BYTES;
        if (!tr_text_has_room(out, limit, slice_bytes * TR_JSON_ESCAPE_FACTOR)) {
            return NULL;
        }
        for (size_t at = 0; at < slice_bytes;) {
            const size_t from = at;
            while (at < slice_bytes && in.data[at] < 0x80) {
                at++;
            }
            out += tr_json_escape(out, tr_span_of(in.data + from, at - from));
            while (at < slice_bytes && in.data[at] >= 0x80) {
                out = put_high_byte(out, in.data[at++], charset);
            }
        }
        in = tr_span_of(in.data + slice_bytes, in.bytes - slice_bytes);
    }
    return out;
}

uint8_t *tr_text_put_latin1(uint8_t *out, const uint8_t *limit, struct tr_span in)
{
    return put_single_byte(out, limit, in, SINGLE_LATIN1);
}

uint8_t *tr_text_put_ascii(uint8_t *out, const uint8_t *limit, struct tr_span in)
{
    return put_single_byte(out, limit, in, SINGLE_ASCII);
}

uint8_t *tr_text_put_binary(uint8_t *out, const uint8_t *limit, struct tr_span in)
{
    return put_single_byte(out, limit, in, SINGLE_BINARY);
}

uint8_t *tr_text_put_charset(uint8_t *out, const uint8_t *limit, struct tr_span in,
                             enum tr_charset charset, bool is_server)
{
    const bool has_ascii = tr_charset_has_ascii(charset, is_server);
    struct tr_charset_cursor cursor;
    uint8_t utf8[4];

    tr_charset_open(&cursor, charset, is_server, in);
    while (cursor.at < cursor.end) {
        /* A slice: characters that begin before `stop`. What each writes is at most the escape
         * factor times its bytes, but for one that ends behind it. */
        const size_t left = (size_t)(cursor.end - cursor.at);
        const size_t slice_bytes = left < TR_TEXT_SLICE_BYTES ? left : TR_TEXT_SLICE_BYTES;
        const uint8_t *stop = cursor.at + slice_bytes;
        if (!tr_text_has_room(out, limit, slice_bytes * TR_JSON_ESCAPE_FACTOR + CODE_BYTES_MAX)) {
            return NULL;
        }
        while (cursor.at < stop) {
            const uint8_t *from = cursor.at;
            while (has_ascii && cursor.at < stop && *cursor.at < 0x80) {
                cursor.at++;
            }
            out += tr_json_escape(out, tr_span_of(from, (size_t)(cursor.at - from)));
            while (cursor.at < stop && (!has_ascii || *cursor.at >= 0x80)) {
                const uint32_t code = tr_charset_next(&cursor);
                if (TR_LIKELY(code >= 0x80 && code < 0x10000)) {
                    out = tr_charset_put_code(out, code);
                } else { /* it may need an escape */
                    const uint8_t *end = tr_charset_put_code(utf8, code);
                    out += tr_json_escape(out, tr_span_of(utf8, (size_t)(end - utf8)));
                }
            }
        }
    }
    return out;
}

/* A character that the inner document escapes: its escape, with `\` and `"` escaped once more. */
static inline uint8_t *put_nested_escape(uint8_t *out, uint8_t c)
{
    memcpy(out, "\\\\\\", 3);
    if (c == '"' || c == '\\') {
        out[3] = c;
        return out + 4;
    }
    return out + 1 + tr_json_escape(out + 1, tr_span_of(&c, 1));
}

uint8_t *tr_text_put_nested(uint8_t *out, const uint8_t *limit, struct tr_span in)
{
    while (in.bytes > 0) {
        const struct tr_span slice = take_slice(&in);
        if (!tr_text_has_room(out, limit, slice.bytes * TR_TEXT_NESTED_FACTOR)) {
            return NULL;
        }
        for (size_t at = 0; at < slice.bytes;) {
            const size_t from = at;
            while (at < slice.bytes && slice.data[at] >= 0x20 && slice.data[at] != '"' &&
                   slice.data[at] != '\\') {
                at++;
            }
            out += tr_json_escape(out, tr_span_of(slice.data + from, at - from));
            if (at < slice.bytes) {
                out = put_nested_escape(out, slice.data[at++]);
            }
        }
    }
    return out;
}
