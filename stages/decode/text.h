// SPDX-License-Identifier: Apache-2.0
/*
 * Text of a column as the inside of a JSON string, transcoded to UTF-8 on the way (contract §0.1,
 * §2.4). Escapes and malformed UTF-8 as engine/json_write.h says.
 *
 * Room: a put function writes in slices, each only if its worst case ends before `limit`, and gives
 * NULL when one does not: a text may be refused with up to TR_TEXT_SLICE_BYTES *
 * TR_TEXT_NESTED_FACTOR bytes left, and never writes past `limit`.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_TEXT_H
#define TR_STAGES_DECODE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "engine/json_write.h"
#include "stages/schema/table.h"

#define TR_TEXT_SLICE_BYTES 1024
#define TR_TEXT_NESTED_FACTOR 7 /* \\u0001 */

/* tr_text_put_utf8 for texts longer than a slice. */
uint8_t *tr_text_put_utf8_long(uint8_t *out, const uint8_t *limit, struct tr_span in);

/* Whether `bytes` more may be written before `limit`. */
static inline bool tr_text_has_room(const uint8_t *out, const uint8_t *limit, size_t bytes)
{
    return out <= limit && bytes <= (size_t)(limit - out);
}

/* UTF-8 (utf8mb3, utf8mb4). */
static inline uint8_t *tr_text_put_utf8(uint8_t *out, const uint8_t *limit, struct tr_span in)
{
    if (TR_UNLIKELY(in.bytes > TR_TEXT_SLICE_BYTES)) {
        return tr_text_put_utf8_long(out, limit, in);
    }
    if (TR_UNLIKELY(!tr_text_has_room(out, limit, in.bytes * TR_JSON_ESCAPE_FACTOR))) {
        return NULL;
    }
    return out + tr_json_escape(out, in);
}

/* latin1 as Java's windows-1252: 81 8D 8F 90 9D become U+FFFD. */
uint8_t *tr_text_put_latin1(uint8_t *out, const uint8_t *limit, struct tr_span in);

/* ascii: bytes from 80 on become U+FFFD. */
uint8_t *tr_text_put_ascii(uint8_t *out, const uint8_t *limit, struct tr_span in);

/* binary charset on a text type: ISO-8859-1. */
uint8_t *tr_text_put_binary(uint8_t *out, const uint8_t *limit, struct tr_span in);

/* Text of a readable character set (stages/schema/charset_text.h), in the server's or in Debezium's
 * reading. */
uint8_t *tr_text_put_charset(uint8_t *out, const uint8_t *limit, struct tr_span in,
                             enum tr_charset charset, bool is_server);

/* UTF-8 as the inside of a string of a JSON document that itself lies in a JSON string: escaped for
 * both. */
uint8_t *tr_text_put_nested(uint8_t *out, const uint8_t *limit, struct tr_span in);

#endif
