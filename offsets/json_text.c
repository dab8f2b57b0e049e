// SPDX-License-Identifier: Apache-2.0
#include "offsets/json_text.h"

#include "offsets/decimal.h"

#define NESTING_MAX 64

/* --- writer --- */

void tr_json_out_raw(struct tr_json_out *out, struct tr_span bytes)
{
    if (out->overflowed || bytes.bytes > out->room_bytes - out->bytes) {
        out->overflowed = true;
        return;
    }
    if (bytes.bytes != 0) {
        memcpy(out->text + out->bytes, bytes.data, bytes.bytes);
        out->bytes += bytes.bytes;
    }
}

void tr_json_out_string(struct tr_json_out *out, struct tr_span text)
{
    static const char hex[] = "0123456789abcdef";

    tr_json_out_raw(out, tr_span_of("\"", 1));
    for (size_t i = 0; i < text.bytes; i++) {
        const uint8_t c = text.data[i];

        if (c < 0x20) {
            const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

            tr_json_out_raw(out, tr_span_of(escape, sizeof(escape)));
            continue;
        }
        if (c == '"' || c == '\\') {
            tr_json_out_raw(out, tr_span_of("\\", 1));
        }
        tr_json_out_raw(out, tr_span_of(&c, 1));
    }
    tr_json_out_raw(out, tr_span_of("\"", 1));
}

void tr_json_out_u64(struct tr_json_out *out, uint64_t value)
{
    char text[20];

    tr_json_out_raw(out, tr_span_of(text, tr_decimal_write(text, value)));
}

void tr_json_out_i64(struct tr_json_out *out, int64_t value)
{
    if (value < 0) {
        tr_json_out_raw(out, tr_span_of("-", 1));
        tr_json_out_u64(out, (uint64_t)0 - (uint64_t)value);
        return;
    }
    tr_json_out_u64(out, (uint64_t)value);
}

void tr_json_out_name(struct tr_json_out *out, const char *name)
{
    if (out->bytes > 0 && out->text[out->bytes - 1] != '{') {
        tr_json_out_raw(out, tr_span_of(",", 1));
    }
    tr_json_out_string(out, tr_span_of_text(name));
    tr_json_out_raw(out, tr_span_of(":", 1));
}

size_t tr_json_out_end(struct tr_json_out *out)
{
    tr_json_out_raw(out, tr_span_of("", 1));
    return out->overflowed ? 0 : out->bytes - 1;
}

/* --- reader --- */

struct tr_json_in tr_json_in_of(struct tr_span text)
{
    return (struct tr_json_in){.at = text.data, .end = text.data + text.bytes};
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that is not blank, not taken; 0 at the end. */
static uint8_t look(struct tr_json_in *in)
{
    while (in->at < in->end && is_blank(*in->at)) {
        in->at++;
    }
    return in->at < in->end ? *in->at : 0;
}

static bool take(struct tr_json_in *in, uint8_t c)
{
    if (look(in) != c) {
        in->failed = true;
        return false;
    }
    in->at++;
    return true;
}

/* A string's bytes between the quotes; a control character or a missing end fails. */
static struct tr_span take_string(struct tr_json_in *in)
{
    if (!take(in, '"')) {
        return (struct tr_span){0};
    }
    const uint8_t *const from = in->at;

    while (in->at < in->end && *in->at != '"' && *in->at >= 0x20) {
        in->at += *in->at == '\\' && in->end - in->at > 1 ? 2 : 1;
    }
    if (in->at == in->end || *in->at != '"') {
        in->failed = true;
        return (struct tr_span){0};
    }
    const struct tr_span text = tr_span_of(from, (size_t)(in->at - from));

    in->at++;
    return text;
}

/* Passes over an object or array: brackets must match, strings must end; commas are not looked at.
 */
static void skip_nested(struct tr_json_in *in)
{
    uint8_t closers[NESTING_MAX];
    size_t depth = 0;

    while (in->at < in->end && !in->failed) {
        const uint8_t c = *in->at;

        if (c == '"') {
            (void)take_string(in);
            continue;
        }
        in->at++;
        if (c == '{' || c == '[') {
            if (depth == NESTING_MAX) {
                break;
            }
            closers[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closers[--depth] != c) {
                break;
            }
            if (depth == 0) {
                return;
            }
        }
    }
    in->failed = true;
}

/* true, false, null or a number: the bytes up to the next separator. */
static enum tr_json_kind take_word(struct tr_json_in *in, struct tr_span *value)
{
    const uint8_t *const from = in->at;

    while (in->at < in->end && *in->at != ',' && *in->at != '}' && !is_blank(*in->at)) {
        in->at++;
    }
    *value = tr_span_of(from, (size_t)(in->at - from));
    if (tr_span_equals(*value, tr_span_of_text("true"))) {
        return TR_JSON_TRUE;
    }
    if (tr_span_equals(*value, tr_span_of_text("false"))) {
        return TR_JSON_FALSE;
    }
    if (tr_span_equals(*value, tr_span_of_text("null"))) {
        return TR_JSON_NULL;
    }
    for (size_t i = 0; i < value->bytes; i++) {
        const uint8_t c = value->data[i];

        if (!(c >= '0' && c <= '9') && memchr("+-.eE", c, 5) == NULL) {
            in->failed = true;
        }
    }
    in->failed = in->failed || value->bytes == 0;
    return TR_JSON_NUMBER;
}

bool tr_json_in_next(struct tr_json_in *in, struct tr_json_member *member)
{
    if (!in->begun) {
        in->begun = true;
        if (!take(in, '{')) {
            return false;
        }
        if (look(in) != '}') {
            goto read_member;
        }
    }
    if (in->failed || in->at == in->end) {
        return false;
    }
    if (look(in) == '}') {
        in->at++;
        (void)look(in);
        in->failed = in->at != in->end;
        return false;
    }
    if (!take(in, ',')) {
        return false;
    }
read_member:
    member->name = take_string(in);
    if (in->failed || !take(in, ':')) {
        return false;
    }
    const uint8_t first = look(in);
    const uint8_t *const from = in->at;

    if (first == '"') {
        member->kind = TR_JSON_STRING;
        member->value = take_string(in);
    } else if (first == '{' || first == '[') {
        member->kind = TR_JSON_NESTED;
        skip_nested(in);
        member->value = tr_span_of(from, (size_t)(in->at - from));
    } else {
        member->kind = take_word(in, &member->value);
    }
    in->failed = in->failed || in->at == in->end; /* at least the object's end must follow */
    return !in->failed;
}

bool tr_json_member_is(const struct tr_json_member *member, const char *name)
{
    return tr_span_equals(member->name, tr_span_of_text(name));
}

static bool parse_u64(struct tr_span digits, uint64_t max, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits.bytes; i++) {
        const uint64_t digit = (uint64_t)(digits.data[i] - (uint8_t)'0');

        if (digits.data[i] < '0' || digit > 9 || digit > max || *value > (max - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    return digits.bytes > 0;
}

bool tr_json_member_u64(const struct tr_json_member *member, uint64_t max, uint64_t *value)
{
    return member->kind == TR_JSON_NUMBER && parse_u64(member->value, max, value);
}

bool tr_json_member_i64(const struct tr_json_member *member, int64_t *value)
{
    struct tr_span digits = member->value;
    uint64_t magnitude;

    if (member->kind != TR_JSON_NUMBER) {
        return false;
    }
    const bool is_negative = digits.data[0] == '-';

    if (is_negative) {
        digits = tr_span_of(digits.data + 1, digits.bytes - 1);
    }
    if (!parse_u64(digits, INT64_MAX, &magnitude)) {
        return false;
    }
    *value = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* Four hexadecimal digits; UINT32_MAX when they are not. */
static uint32_t take_hex4(const uint8_t *at, const uint8_t *end)
{
    uint32_t value = 0;

    if (end - at < 4) {
        return UINT32_MAX;
    }
    for (int i = 0; i < 4; i++) {
        const uint8_t c = at[i];
        const uint8_t lower = c | 0x20;

        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return UINT32_MAX;
        }
    }
    return value;
}

static size_t write_utf8(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* One escape after the backslash, with its low surrogate if it has one; returns bytes taken, 0 =
 * bad. */
static size_t unescape(const uint8_t *at, const uint8_t *end, char *out, size_t *out_bytes)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    const char *found = memchr(plain, *at, sizeof(plain) - 1);

    if (found != NULL) {
        out[0] = meant[found - plain];
        *out_bytes = 1;
        return 1;
    }
    uint32_t code = *at == 'u' ? take_hex4(at + 1, end) : UINT32_MAX;
    size_t taken = 5;

    if (code >= 0xD800 && code <= 0xDBFF && end - at >= 11 && at[5] == '\\' && at[6] == 'u') {
        const uint32_t low = take_hex4(at + 7, end);

        if (low < 0xDC00 || low > 0xDFFF) {
            return 0;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        taken = 11;
    } else if (code == UINT32_MAX || (code >= 0xD800 && code <= 0xDFFF)) {
        return 0;
    }
    *out_bytes = write_utf8(code, out);
    return taken;
}

size_t tr_json_member_text(const struct tr_json_member *member, char *out, size_t room_bytes)
{
    const uint8_t *at = member->value.data;
    const uint8_t *const end = member->value.data + member->value.bytes;
    size_t bytes = 0;

    if (member->kind != TR_JSON_STRING) {
        return SIZE_MAX;
    }
    while (at < end) {
        char piece[4];
        size_t piece_bytes = 1;

        if (*at != '\\') {
            piece[0] = (char)*at++;
        } else {
            const size_t taken = end - at < 2 ? 0 : unescape(at + 1, end, piece, &piece_bytes);

            if (taken == 0) {
                return SIZE_MAX;
            }
            at += 1 + taken;
        }
        if (piece_bytes > room_bytes - bytes) {
            return SIZE_MAX;
        }
        memcpy(out + bytes, piece, piece_bytes);
        bytes += piece_bytes;
    }
    return bytes;
}
