// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/charset_text.h"

#include "engine/assert.h"

#define LEAD_TWO 0xFFFFu   /* in `one`: the first byte of two, or of four */
#define LEAD_THREE 0xFFFEu /* in `one`: the first byte of three */
#define BAD_ONE 0xFFFEu    /* in a plane: no character, one byte of it is taken */
#define FOUR_RUN_VALUES 4

/* Character sets without tables. */
enum form {
    FORM_TABLES = 0,
    FORM_NONE, /* not read here */
    FORM_ASCII,
    FORM_BINARY, /* ISO-8859-1 */
    FORM_UTF16,
    FORM_UTF16LE,
    FORM_UTF32,
};

/* Codes of two bytes: a rectangle of values by their first and second. */
struct plane {
    uint32_t at; /* into values */
    uint8_t first_min;
    uint8_t first_max;
    uint8_t second_min;
    uint8_t second_max;
    uint8_t outside_bytes; /* taken for one that lies outside */
};

struct tr_charset_text {
    uint32_t one_at;
    struct plane two;
    struct plane three; /* of the second and third byte */
    uint32_t four_at;
    uint32_t four_count;
    bool is_ascii;
    uint8_t form;
};

static const struct {
    struct tr_charset_text server;
    struct tr_charset_text debezium;
} texts[TR_CHARSET_COUNT] = {
#define WITHOUT_TABLES(form_number, has_ascii)                                                     \
    {                                                                                              \
        {.form = (form_number), .is_ascii = (has_ascii)},                                          \
        {                                                                                          \
            .form = (form_number), .is_ascii = (has_ascii)                                         \
        }                                                                                          \
    }
    [TR_CHARSET_NONE] = WITHOUT_TABLES(FORM_NONE, false),
    [TR_CHARSET_UTF8] = WITHOUT_TABLES(FORM_NONE, false),
    [TR_CHARSET_OTHER] = WITHOUT_TABLES(FORM_NONE, false),
    [TR_CHARSET_ASCII] = WITHOUT_TABLES(FORM_ASCII, true),
    [TR_CHARSET_BINARY] = WITHOUT_TABLES(FORM_BINARY, true),
    [TR_CHARSET_UCS2] = WITHOUT_TABLES(FORM_UTF16, false),
    [TR_CHARSET_UTF16] = WITHOUT_TABLES(FORM_UTF16, false),
    [TR_CHARSET_UTF16LE] = WITHOUT_TABLES(FORM_UTF16LE, false),
    [TR_CHARSET_UTF32] = WITHOUT_TABLES(FORM_UTF32, false),
#undef WITHOUT_TABLES
#include "stages/schema/charset_tables.inc"
};

/* The tables' codes, little-endian as they lie in the file; layout: generate_charsets.py. */
__asm__(".section .rodata\n"
        ".balign 64\n"
        ".global tr_charset_values\n"
        ".hidden tr_charset_values\n"
        ".type tr_charset_values, @object\n"
        "tr_charset_values:\n"
        ".incbin \"" TR_CHARSET_TABLES_FILE "\"\n"
        ".size tr_charset_values, . - tr_charset_values\n"
        ".previous\n");
extern const uint16_t tr_charset_values[] __attribute__((visibility("hidden")));

static const struct tr_charset_text *text_of(enum tr_charset charset, bool is_server)
{
    TR_ASSERT(charset < TR_CHARSET_COUNT);
    return is_server ? &texts[charset].server : &texts[charset].debezium;
}

bool tr_charset_is_readable(enum tr_charset charset)
{
    return text_of(charset, true)->form != FORM_NONE;
}

bool tr_charset_has_ascii(enum tr_charset charset, bool is_server)
{
    return text_of(charset, is_server)->is_ascii;
}

void tr_charset_open(struct tr_charset_cursor *cursor, enum tr_charset charset, bool is_server,
                     struct tr_span text)
{
    const struct tr_charset_text *how = text_of(charset, is_server);

    TR_ASSERT(how->form != FORM_NONE);
    *cursor = (struct tr_charset_cursor){
        .at = text.data,
        .end = text.data + text.bytes,
        .text = how,
        .is_little_endian = how->form == FORM_UTF16LE,
    };
    if (is_server) {
        return;
    }
    /* Java's UTF-16 and UTF-32 take a mark at the start for the order of the bytes. */
    if (how->form == FORM_UTF16 && text.bytes >= 2) {
        const uint32_t mark = (uint32_t)tr_load_uint_be(text.data, 2);
        cursor->is_little_endian = mark == 0xFFFE;
        cursor->at += mark == 0xFEFF || mark == 0xFFFE ? 2 : 0;
    } else if (how->form == FORM_UTF32 && text.bytes >= 4) {
        const uint32_t mark = (uint32_t)tr_load_uint_be(text.data, 4);
        cursor->is_little_endian = mark == 0xFFFE0000;
        cursor->at += mark == 0xFEFF || mark == 0xFFFE0000 ? 4 : 0;
    }
}

/* No character: takes that many bytes, or what is left. */
static uint32_t take_bad(struct tr_charset_cursor *cursor, size_t bytes)
{
    const size_t left = (size_t)(cursor->end - cursor->at);

    cursor->at += bytes < left ? bytes : left;
    return TR_CHARSET_BAD;
}

static uint32_t load_unit(const struct tr_charset_cursor *cursor, const uint8_t *at, uint32_t bytes)
{
    return (uint32_t)(cursor->is_little_endian ? tr_load_uint_le(at, bytes)
                                               : tr_load_uint_be(at, bytes));
}

static uint32_t next_utf16(struct tr_charset_cursor *cursor)
{
    const size_t left = (size_t)(cursor->end - cursor->at);

    if (left < 2) {
        return take_bad(cursor, left);
    }
    const uint32_t unit = load_unit(cursor, cursor->at, 2);
    if (unit >= 0xDC00 && unit < 0xE000) {
        return take_bad(cursor, 2);
    }
    if (unit < 0xD800 || unit >= 0xE000) {
        cursor->at += 2;
        return unit;
    }
    if (left < 4) {
        return take_bad(cursor, left);
    }
    const uint32_t low = load_unit(cursor, cursor->at + 2, 2);
    if (low < 0xDC00 || low >= 0xE000) {
        return take_bad(cursor, 4);
    }
    cursor->at += 4;
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

static uint32_t next_utf32(struct tr_charset_cursor *cursor)
{
    if (cursor->end - cursor->at < 4) {
        return take_bad(cursor, 4);
    }
    const uint32_t code = load_unit(cursor, cursor->at, 4);
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return take_bad(cursor, 4);
    }
    cursor->at += 4;
    return code;
}

/* `before` bytes lie before the plane's two. */
static uint32_t next_of_plane(struct tr_charset_cursor *cursor, const struct plane *plane,
                              uint32_t before)
{
    const size_t bytes = before + 2u;

    if ((size_t)(cursor->end - cursor->at) < bytes) {
        return take_bad(cursor, plane->outside_bytes);
    }
    const uint8_t first = cursor->at[before];
    const uint8_t second = cursor->at[before + 1];
    if (first < plane->first_min || first > plane->first_max || second < plane->second_min ||
        second > plane->second_max) {
        return take_bad(cursor, plane->outside_bytes);
    }
    const uint32_t width = plane->second_max - plane->second_min + 1u;
    const uint32_t code = tr_charset_values[plane->at + (first - plane->first_min) * width +
                                            (second - plane->second_min)];
    cursor->at += code == BAD_ONE ? 1 : bytes;
    return code == BAD_ONE ? TR_CHARSET_BAD : code;
}

/* gb18030's four bytes: the BMP's by runs, the other planes' in one. */
static uint32_t next_of_four(struct tr_charset_cursor *cursor)
{
    const struct tr_charset_text *text = cursor->text;
    const uint8_t *at = cursor->at;
    const size_t left = (size_t)(cursor->end - at);
    uint32_t low = 0;
    uint32_t high = text->four_count;

    if (left < 4 || at[2] < 0x81 || at[2] > 0xFE) {
        return take_bad(cursor, 3);
    }
    if (at[3] < '0' || at[3] > '9') {
        return take_bad(cursor, 4);
    }
    const uint32_t number =
        ((at[0] - 0x81u) * 10 + at[1] - '0') * 1260 + (at[2] - 0x81u) * 10 + at[3] - '0';
    cursor->at += 4;
    if (at[0] >= 0x90) {
        const uint32_t code = 0x10000 + number - (0x90 - 0x81) * 12600;
        return code <= 0x10FFFF ? code : TR_CHARSET_BAD;
    }
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const uint16_t *run = tr_charset_values + text->four_at + middle * FOUR_RUN_VALUES;
        const uint32_t first = run[0] | (uint32_t)run[1] << 16;
        if (number < first) {
            high = middle;
        } else if (number - first >= run[3]) {
            low = middle + 1;
        } else {
            return run[2] + (number - first);
        }
    }
    return TR_CHARSET_BAD;
}

static uint32_t next_of_tables(struct tr_charset_cursor *cursor)
{
    const struct tr_charset_text *text = cursor->text;
    const uint32_t code = tr_charset_values[text->one_at + cursor->at[0]];

    if (TR_LIKELY(code < LEAD_THREE)) {
        cursor->at++;
        return code;
    }
    if (code == LEAD_THREE) {
        return next_of_plane(cursor, &text->three, 1);
    }
    if (text->four_count != 0 && cursor->end - cursor->at > 1 && cursor->at[1] >= '0' &&
        cursor->at[1] <= '9') {
        return next_of_four(cursor);
    }
    return next_of_plane(cursor, &text->two, 0);
}

uint32_t tr_charset_next(struct tr_charset_cursor *cursor)
{
    switch ((enum form)cursor->text->form) {
    case FORM_UTF16:
    case FORM_UTF16LE:
        return next_utf16(cursor);
    case FORM_UTF32:
        return next_utf32(cursor);
    case FORM_ASCII:
        return *cursor->at < 0x80 ? *cursor->at++ : take_bad(cursor, 1);
    case FORM_BINARY:
        return *cursor->at++;
    case FORM_NONE:
    case FORM_TABLES:
        break;
    }
    return next_of_tables(cursor);
}

uint8_t *tr_charset_put_code(uint8_t *out, uint32_t code)
{
    if (code < 0x80) {
        *out = (uint8_t)code;
        return out + 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        return out + 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (code & 63));
        return out + 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (code & 63));
    return out + 4;
}
