// SPDX-License-Identifier: Apache-2.0
/*
 * Text of a column as the inside of a JSON string, transcoded to UTF-8 on the way (contract §0.1,
 * §2.4).
 *
 * Escaped are `"`, `\`, everything below U+0020 (`\b \t \n \f \r`, else \u00XX in upper-case hex)
 * and everything above U+FFFF, as two \uXXXX. Malformed input becomes U+FFFD, one per malformed
 * sequence as Java's String(byte[], Charset) counts them.
 *
 * Room: a put function writes while `out` is not above `limit`, and never more than
 * TR_TEXT_SLACK_BYTES past it; it gives NULL when the text does not end before that. Input is read
 * in blocks: TR_TEXT_OVERREAD_BYTES after it must be readable (chunks, pieces and the plan's texts
 * have that slack).
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_TEXT_H
#define TR_STAGES_DECODE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TR_TEXT_SLACK_BYTES                                                                        \
    128 /* a block of 16 bytes, escaped twice (7 bytes each), and a block copied too far */
#define TR_TEXT_OVERREAD_BYTES 16

/* UTF-8 (utf8mb3, utf8mb4). */
uint8_t *tr_text_put_utf8(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes);

/* latin1 as Java's windows-1252: 81 8D 8F 90 9D become U+FFFD. */
uint8_t *tr_text_put_latin1(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes);

/* ascii: bytes from 80 on become U+FFFD. */
uint8_t *tr_text_put_ascii(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes);

/* binary charset on a text type: ISO-8859-1. */
uint8_t *tr_text_put_binary(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes);

/* UTF-8 as the inside of a string of a JSON document that itself lies in a JSON string: escaped for
 * both. */
uint8_t *tr_text_put_nested(uint8_t *out, const uint8_t *limit, const uint8_t *in, size_t bytes);

#endif
