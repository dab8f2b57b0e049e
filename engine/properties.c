// SPDX-License-Identifier: Apache-2.0
#include "engine/properties.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/utf8.h"

/* Reads characters of one logical line: continuation lines joined, escapes still in place. */
struct reader {
    struct tr_span text;
    size_t at;
    uint32_t line; /* 1-based line of text.data[at] */
};

struct output {
    char *text;
    size_t bytes;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static bool at_end(const struct reader *r)
{
    return r->at >= r->text.bytes;
}

static uint8_t look(const struct reader *r, size_t ahead)
{
    return ahead < r->text.bytes - r->at ? r->text.data[r->at + ahead] : '\0';
}

static void skip_blanks(struct reader *r)
{
    while (!at_end(r) && is_blank(look(r, 0))) {
        r->at++;
    }
}

/* Steps over \n, \r or \r\n. */
static void skip_line_end(struct reader *r)
{
    r->at += look(r, 0) == '\r' && look(r, 1) == '\n' ? 2 : 1;
    r->line++;
}

/* Joins continuation lines at the cursor: a backslash before a line end, and the blanks that begin
 * the next line. */
static void skip_continuations(struct reader *r)
{
    while (r->text.bytes - r->at >= 2 && look(r, 0) == '\\' && is_line_end(look(r, 1))) {
        r->at++;
        skip_line_end(r);
        skip_blanks(r);
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Four hex digits at the cursor, or -1. */
static int32_t read_hex4(struct reader *r)
{
    int32_t value = 0;

    if (r->text.bytes - r->at < 4) {
        return -1;
    }
    for (size_t i = 0; i < 4; i++) {
        const int digit = hex_value(look(r, i));
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    r->at += 4;
    return value;
}

static void put_code_point(struct output *out, uint32_t code_point)
{
    char *at = out->text + out->bytes;

    if (code_point < 0x80) {
        at[0] = (char)code_point;
        out->bytes += 1;
    } else if (code_point < 0x800) {
        at[0] = (char)(0xc0 | code_point >> 6);
        at[1] = (char)(0x80 | (code_point & 0x3f));
        out->bytes += 2;
    } else if (code_point < 0x10000) {
        at[0] = (char)(0xe0 | code_point >> 12);
        at[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        at[2] = (char)(0x80 | (code_point & 0x3f));
        out->bytes += 3;
    } else {
        at[0] = (char)(0xf0 | code_point >> 18);
        at[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
        at[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
        at[3] = (char)(0x80 | (code_point & 0x3f));
        out->bytes += 4;
    }
}

/* What follows `\u`: one UTF-16 unit, or a surrogate pair written as two escapes. */
static enum tr_code read_unicode(struct reader *r, struct output *out, struct tr_error *err)
{
    const int32_t unit = read_hex4(r);

    if (unit <= 0) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "line %u: malformed \\uXXXX escape: write four hex digits, not 0000, or "
                       "double the backslash",
                       r->line);
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        put_code_point(out, (uint32_t)unit);
        return TR_OK;
    }
    if (unit < 0xdc00 && look(r, 0) == '\\' && look(r, 1) == 'u') {
        r->at += 2;
        const int32_t low = read_hex4(r);
        if (low >= 0xdc00 && low <= 0xdfff) {
            put_code_point(out,
                           0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
            return TR_OK;
        }
    }
    return TR_FAIL(
        err, TR_ERR_CONFIG, TR_STOP,
        "line %u: \\u%04x is half of a surrogate pair: write both halves, or the character itself",
        r->line, (unsigned)unit);
}

/* One character of a key or value at the cursor, which is not at a line end: an escape or a UTF-8
 * sequence. */
static enum tr_code read_character(struct reader *r, struct output *out, struct tr_error *err)
{
    const uint8_t c = look(r, 0);

    if (c == '\\') {
        r->at++;
        if (at_end(r)) {
            return TR_OK; /* a lone backslash at the end of the file is dropped, as in Java */
        }
        const uint8_t escaped = look(r, 0);
        const char *const from = "tnrf";
        const char *const found = escaped == '\0' ? NULL : strchr(from, escaped);
        if (escaped == 'u') {
            r->at++;
            return read_unicode(r, out, err);
        }
        if (found != NULL) {
            r->at++;
            out->text[out->bytes++] = "\t\n\r\f"[found - from];
            return TR_OK;
        }
    }
    const size_t bytes = tr_utf8_char_bytes(r->text.data + r->at, r->text.bytes - r->at);
    if (bytes == 0 || look(r, 0) == '\0') {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "line %u: byte 0x%02x is not UTF-8 text: save the file as UTF-8", r->line,
                       look(r, 0));
    }
    memcpy(out->text + out->bytes, r->text.data + r->at, bytes);
    out->bytes += bytes;
    r->at += bytes;
    return TR_OK;
}

/* Key, separator and value of the logical line at the cursor, which is at the key's first
 * character. */
static enum tr_code read_property(struct reader *r, struct output *out,
                                  struct tr_property *property, struct tr_error *err)
{
    property->line = r->line;
    property->key = out->text + out->bytes;
    for (skip_continuations(r); !at_end(r); skip_continuations(r)) {
        const uint8_t c = look(r, 0);
        if (c == '=' || c == ':' || is_blank(c) || is_line_end(c)) {
            break;
        }
        if (read_character(r, out, err) != TR_OK) {
            return err->code;
        }
    }
    out->text[out->bytes++] = '\0';
    for (uint32_t separator_count = 0;; r->at++) {
        skip_continuations(r);
        const uint8_t c = at_end(r) ? '\n' : look(r, 0);
        if ((c == '=' || c == ':') && separator_count == 0) {
            separator_count++;
        } else if (!is_blank(c)) {
            break;
        }
    }
    property->value = out->text + out->bytes;
    for (; !at_end(r) && !is_line_end(look(r, 0)); skip_continuations(r)) {
        if (read_character(r, out, err) != TR_OK) {
            return err->code;
        }
    }
    out->text[out->bytes++] = '\0';
    return TR_OK;
}

/* Moves the cursor to the first character of the next property; false at the end of the text. */
static bool find_property(struct reader *r)
{
    for (;;) { /* each round steps over at least one line end, or returns */
        skip_blanks(r);
        if (at_end(r)) {
            return false;
        }
        const bool is_comment = look(r, 0) == '#' || look(r, 0) == '!';
        if (!is_comment && !is_line_end(look(r, 0))) {
            return true;
        }
        while (!at_end(r) && !is_line_end(look(r, 0))) {
            r->at++;
        }
        if (!at_end(r)) {
            skip_line_end(r);
        }
    }
}

enum tr_code tr_properties_parse(struct tr_properties *properties, struct tr_span text,
                                 struct tr_error *err)
{
    static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};
    struct reader r = {.text = text, .line = 1};
    struct output out = {0};
    size_t line_count = 1;

    *properties = (struct tr_properties){0};
    for (size_t i = 0; i < text.bytes; i++) {
        line_count += is_line_end(text.data[i]);
    }
    /* No escape is shorter than what it stands for; a property has at least one byte of its own and
     * gets two NULs. */
    const size_t room_bytes = text.bytes * 3 + 2;
    properties->items = calloc(line_count, sizeof(struct tr_property));
    properties->text = malloc(room_bytes);
    if (properties->items == NULL || properties->text == NULL) {
        tr_properties_deinit(properties);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "properties of %zu bytes: out of memory; free memory and start again",
                       text.bytes);
    }
    out.text = properties->text;
    if (text.bytes >= sizeof(byte_order_mark) &&
        memcmp(text.data, byte_order_mark, sizeof(byte_order_mark)) == 0) {
        r.at = sizeof(byte_order_mark);
    }
    while (find_property(&r)) {
        TR_ASSERT(properties->count < line_count);
        if (read_property(&r, &out, &properties->items[properties->count], err) != TR_OK) {
            tr_properties_deinit(properties);
            return err->code;
        }
        properties->count++;
        TR_ASSERT(out.bytes <= room_bytes);
        if (!at_end(&r)) {
            skip_line_end(&r);
        }
    }
    return TR_OK;
}

void tr_properties_deinit(struct tr_properties *properties)
{
    free(properties->items);
    free(properties->text);
    *properties = (struct tr_properties){0};
}

const struct tr_property *tr_properties_find(const struct tr_properties *properties,
                                             const char *key)
{
    for (uint32_t i = properties->count; i > 0; i--) {
        if (strcmp(properties->items[i - 1].key, key) == 0) {
            return &properties->items[i - 1];
        }
    }
    return NULL;
}
