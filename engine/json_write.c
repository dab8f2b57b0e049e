// SPDX-License-Identifier: Apache-2.0
#include "engine/json_write.h"

#include "engine/error.h"

#define ESCAPE_BYTES_MAX 12 /* one code point: two \uXXXX */
#define NUMBER_BYTES_MAX 20

static const uint8_t hex_digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                       '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'};

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static size_t write_unit(uint8_t *out, uint32_t unit)
{
    out[0] = '\\';
    out[1] = 'u';
    out[2] = hex_digits[unit >> 12 & 0xF];
    out[3] = hex_digits[unit >> 8 & 0xF];
    out[4] = hex_digits[unit >> 4 & 0xF];
    out[5] = hex_digits[unit & 0xF];
    return 6;
}

/* An ASCII byte that needs an escape. */
static size_t write_ascii_escape(uint8_t *out, uint8_t byte)
{
    uint8_t letter = 0;

    switch (byte) {
    case '"':
    case '\\':
        letter = byte;
        break;
    case '\b':
        letter = 'b';
        break;
    case '\t':
        letter = 't';
        break;
    case '\n':
        letter = 'n';
        break;
    case '\f':
        letter = 'f';
        break;
    case '\r':
        letter = 'r';
        break;
    default:
        return write_unit(out, byte);
    }
    out[0] = '\\';
    out[1] = letter;
    return 2;
}

/* Whether a second byte can follow this lead of four; Java's isMalformed4_2, turned round. */
static bool second_of_four_fits(uint8_t lead, uint8_t second)
{
    return is_continuation(second) && !(lead == 0xF0 && second < 0x90) &&
           !(lead == 0xF4 && second > 0x8F);
}

static bool second_of_three_fits(uint8_t lead, uint8_t second)
{
    return is_continuation(second) && !(lead == 0xE0 && second < 0xA0);
}

/*
 * How many of the `left_bytes` bytes (all from a lead >= 0x80 on) form one sequence, and whether it is a code point.
 * What is none is replaced as a whole by one U+FFFD. A surrogate's three bytes are one replacement, in Java.
 */
static size_t sequence_bytes(const uint8_t *text, size_t left_bytes, bool *is_valid)
{
    const uint8_t lead = text[0];

    *is_valid = false;
    if (lead >= 0xC2 && lead <= 0xDF) {
        *is_valid = left_bytes >= 2 && is_continuation(text[1]);
        return *is_valid ? 2 : 1;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (left_bytes < 2 || !second_of_three_fits(lead, text[1])) {
            return 1;
        }
        if (left_bytes < 3 || !is_continuation(text[2])) {
            return 2;
        }
        *is_valid = !(lead == 0xED && text[1] > 0x9F);
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (left_bytes < 2 || !second_of_four_fits(lead, text[1])) {
            return 1;
        }
        if (left_bytes < 3 || !is_continuation(text[2])) {
            return 2;
        }
        if (left_bytes < 4 || !is_continuation(text[3])) {
            return 3;
        }
        *is_valid = true;
        return 4;
    }
    return 1;
}

/* One sequence of bytes >= 0x80; returns what was written and sets what was read. */
static size_t write_sequence(uint8_t *out, const uint8_t *text, size_t left_bytes,
                             size_t *read_bytes)
{
    bool is_valid;
    const size_t bytes = sequence_bytes(text, left_bytes, &is_valid);

    *read_bytes = bytes;
    if (!is_valid) {
        out[0] = 0xEF; /* U+FFFD */
        out[1] = 0xBF;
        out[2] = 0xBD;
        return 3;
    }
    if (bytes < 4) {
        out[0] = text[0];
        out[1] = text[1];
        if (bytes == 3) {
            out[2] = text[2];
        }
        return bytes;
    }
    const uint32_t code_point = (uint32_t)(text[0] & 0x07) << 18 |
                                (uint32_t)(text[1] & 0x3F) << 12 | (uint32_t)(text[2] & 0x3F) << 6 |
                                (uint32_t)(text[3] & 0x3F);
    const size_t written_bytes = write_unit(out, 0xD800 + ((code_point - 0x10000) >> 10));
    return written_bytes + write_unit(out + written_bytes, 0xDC00 + (code_point & 0x3FF));
}

/* One byte or sequence, whatever it is; returns what was written and sets what was read. */
static size_t write_one(uint8_t *out, const uint8_t *text, size_t left_bytes, size_t *read_bytes)
{
    *read_bytes = 1;
    if (is_plain(*text)) {
        out[0] = *text;
        return 1;
    }
    return *text < 0x80 ? write_ascii_escape(out, *text)
                        : write_sequence(out, text, left_bytes, read_bytes);
}

size_t tr_json_escape_rest(uint8_t *out, struct tr_span text, size_t done_bytes)
{
    const uint8_t *at = text.data + done_bytes;
    const uint8_t *const end = text.data + text.bytes;
    uint8_t *const start = out;

    out += done_bytes;
    while (at < end) {
#if defined(__SSE2__)
        if (end - at >= 16) {
            const __m128i bytes = _mm_loadu_si128((const __m128i_u *)at);
            const unsigned mask = tr_json_special_mask(bytes);
            const unsigned plain_bytes = mask == 0 ? 16u : (unsigned)__builtin_ctz(mask);
            _mm_storeu_si128((__m128i_u *)out,
                             bytes); /* there is room for six times what is left */
            at += plain_bytes;
            out += plain_bytes;
            if (plain_bytes == 16) {
                continue;
            }
        }
#endif
        /* What is special tends to come in runs: letters of another script. */
        do {
            size_t read_bytes;
            out += write_one(out, at, (size_t)(end - at), &read_bytes);
            at += read_bytes;
        } while (at < end && !is_plain(*at));
    }
    return (size_t)(out - start);
}

size_t tr_json_escaped_bytes(struct tr_span text)
{
    uint8_t escaped[ESCAPE_BYTES_MAX];
    size_t escaped_bytes = 0;

    for (size_t i = 0, read_bytes; i < text.bytes; i += read_bytes) {
        escaped_bytes += write_one(escaped, text.data + i, text.bytes - i, &read_bytes);
    }
    return escaped_bytes;
}

/* Room for `bytes` more, or NULL and full. */
static uint8_t *reserve(struct tr_json_writer *writer, size_t bytes)
{
    if (writer->is_full || writer->room_bytes - writer->bytes < bytes) {
        writer->is_full = true;
        return NULL;
    }
    uint8_t *at = writer->start + writer->bytes;
    writer->bytes += bytes;
    return at;
}

void tr_json_write_raw(struct tr_json_writer *writer, struct tr_span text)
{
    uint8_t *at = reserve(writer, text.bytes);

    if (at != NULL && text.bytes > 0) {
        memcpy(at, text.data, text.bytes);
    }
}

void tr_json_write_literal(struct tr_json_writer *writer, const char *text)
{
    tr_json_write_raw(writer, tr_span_of_text(text));
}

void tr_json_write_text(struct tr_json_writer *writer, struct tr_span text)
{
    const bool has_worst_room =
        text.bytes <= (writer->room_bytes - writer->bytes) / (TR_JSON_ESCAPE_FACTOR + 2);
    const size_t escaped_bytes = has_worst_room ? 0 : tr_json_escaped_bytes(text);
    uint8_t *at = reserve(writer, escaped_bytes + 2);

    if (at == NULL) {
        return;
    }
    *at++ = '"';
    if (has_worst_room) {
        const size_t written_bytes = tr_json_escape(at, text);
        writer->bytes += written_bytes;
        at += written_bytes;
    } else { /* near the end of the room: one code point at a time, none beyond it */
        for (size_t i = 0, read_bytes; i < text.bytes; i += read_bytes) {
            at += write_one(at, text.data + i, text.bytes - i, &read_bytes);
        }
    }
    *at = '"';
}

void tr_json_write_uint64(struct tr_json_writer *writer, uint64_t number)
{
    uint8_t digits[NUMBER_BYTES_MAX];
    size_t first = sizeof(digits);

    do {
        first--;
        digits[first] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    tr_json_write_raw(writer, tr_span_of(digits + first, sizeof(digits) - first));
}

void tr_json_write_int64(struct tr_json_writer *writer, int64_t number)
{
    if (number < 0) {
        tr_json_write_raw(writer, tr_span_of("-", 1));
    }
    tr_json_write_uint64(writer, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}
