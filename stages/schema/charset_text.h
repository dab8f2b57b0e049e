// SPDX-License-Identifier: Apache-2.0
/*
 * Text of every character set of the servers, character by character.
 *
 * Two readings. The server's own is what CONVERT makes of the bytes: for ENUM and SET labels.
 * Debezium's is what the JDK charset that its drivers name makes of them: for text in rows
 * (contract §2.4); it differs where that charset is not the server's (koi8u is read as KOI8-R).
 * What is no character is U+FFFD in both, for as many bytes as the JDK takes for one.
 *
 * The tables are data, generated from live servers and a JDK: tests/support/generate_charsets.py.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_SCHEMA_CHARSET_TEXT_H
#define TR_STAGES_SCHEMA_CHARSET_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "stages/schema/table.h"

#define TR_CHARSET_BAD 0xFFFDu /* U+FFFD: what stands for bytes that are no character */

struct tr_charset_text;

/* A text being read. */
struct tr_charset_cursor {
    const uint8_t *at;
    const uint8_t *end;
    const struct tr_charset_text *text;
    bool is_little_endian; /* UTF-16, UTF-32 */
};

/* Whether texts of this character set are read here: not UTF-8's, and not an unknown one's. */
bool tr_charset_is_readable(enum tr_charset charset);

/* Whether bytes below 80 are always ASCII characters of their own, so that runs of them can be
 * copied. False also for character sets that are not read here. */
bool tr_charset_has_ascii(enum tr_charset charset, bool is_server);

/* Opens a text of a readable character set in the server's or in Debezium's reading. */
void tr_charset_open(struct tr_charset_cursor *cursor, enum tr_charset charset, bool is_server,
                     struct tr_span text);

/* The next character's code point, never a surrogate; moves `at`, which must be before `end`. */
uint32_t tr_charset_next(struct tr_charset_cursor *cursor);

/* Writes a code point as UTF-8, 1 to 4 bytes; returns the byte after it. */
uint8_t *tr_charset_put_code(uint8_t *out, uint32_t code);

#endif
