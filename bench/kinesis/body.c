// SPDX-License-Identifier: Apache-2.0
#include "bench/kinesis/body.h"

static void skip_blanks(struct tr_body *body)
{
    while (body->at < body->end &&
           (*body->at == ' ' || *body->at == '\n' || *body->at == '\t' || *body->at == '\r')) {
        body->at++;
    }
}

static bool take(struct tr_body *body, uint8_t wanted)
{
    skip_blanks(body);
    if (body->failed || body->at == body->end || *body->at != wanted) {
        return false;
    }
    body->at++;
    return true;
}

static bool expect(struct tr_body *body, uint8_t wanted)
{
    if (!take(body, wanted)) {
        body->failed = true;
    }
    return !body->failed;
}

/* A string without its quotes, still escaped. */
static struct tr_span read_string(struct tr_body *body)
{
    if (!expect(body, '"')) {
        return (struct tr_span){0};
    }
    const uint8_t *start = body->at;
    while (body->at < body->end) {
        const uint8_t *quote = memchr(body->at, '"', (size_t)(body->end - body->at));
        if (quote == NULL) {
            break;
        }
        const uint8_t *slash = quote;
        while (slash > start && slash[-1] == '\\') {
            slash--;
        }
        body->at = quote + 1;
        if ((quote - slash) % 2 == 0) {
            return tr_span_of(start, (size_t)(quote - start));
        }
    }
    body->failed = true;
    return (struct tr_span){0};
}

/* Skips any value; returns its text (strings without quotes). Nesting is counted, not recursed. */
static struct tr_span skip_value(struct tr_body *body)
{
    skip_blanks(body);
    if (body->at < body->end && *body->at == '"') {
        return read_string(body);
    }
    const uint8_t *start = body->at;
    uint32_t depth = 0;
    while (body->at < body->end && !body->failed) {
        const uint8_t c = *body->at;
        if (c == '"') {
            (void)read_string(body);
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                break;
            }
            depth--;
            if (depth == 0) {
                body->at++;
                break;
            }
        } else if (c == ',' && depth == 0) {
            break;
        }
        body->at++;
    }
    if (depth != 0 || body->at == start) {
        body->failed = true;
    }
    return tr_span_of(start, (size_t)(body->at - start));
}

static bool is(struct tr_span name, const char *text)
{
    return tr_span_equals(name, tr_span_of_text(text));
}

static void read_entry(struct tr_body *body, struct tr_body_entry *entry)
{
    *entry = (struct tr_body_entry){0};
    if (!expect(body, '{')) {
        return;
    }
    do {
        const struct tr_span name = read_string(body);
        if (!expect(body, ':')) {
            return;
        }
        if (is(name, "Data")) {
            entry->data = read_string(body);
            entry->has_data = true;
        } else if (is(name, "PartitionKey")) {
            entry->partition_key = read_string(body);
            entry->has_key = true;
        } else if (is(name, "ExplicitHashKey")) {
            entry->explicit_hash = read_string(body);
        } else {
            (void)skip_value(body);
        }
    } while (!body->failed && take(body, ','));
    (void)expect(body, '}');
}

static int64_t read_entries(struct tr_body *body, tr_body_on_entry *on_entry, void *self)
{
    int64_t count = 0;
    if (!expect(body, '[')) {
        return -1;
    }
    if (take(body, ']')) {
        return 0;
    }
    do {
        struct tr_body_entry entry;
        read_entry(body, &entry);
        if (!body->failed && on_entry != NULL && !on_entry(self, &entry)) {
            body->failed = true;
        }
        count++;
    } while (!body->failed && take(body, ','));
    (void)expect(body, ']');
    return count;
}

int64_t tr_body_put_records(struct tr_span span, struct tr_span *stream_name,
                            tr_body_on_entry *on_entry, void *self)
{
    struct tr_body body = {.at = span.data, .end = span.data + span.bytes};
    int64_t count = -1;
    *stream_name = (struct tr_span){0};
    if (!expect(&body, '{')) {
        return -1;
    }
    do {
        const struct tr_span name = read_string(&body);
        if (!expect(&body, ':')) {
            return -1;
        }
        if (is(name, "Records")) {
            count = read_entries(&body, on_entry, self);
        } else if (is(name, "StreamName")) {
            *stream_name = read_string(&body);
        } else if (is(name, "StreamARN")) {
            *stream_name = read_string(&body);
            const uint8_t *slash = stream_name->bytes == 0
                                       ? NULL
                                       : memrchr(stream_name->data, '/', stream_name->bytes);
            if (slash != NULL) {
                *stream_name = tr_span_of(
                    slash + 1, (size_t)(stream_name->data + stream_name->bytes - slash - 1));
            }
        } else {
            (void)skip_value(&body);
        }
    } while (!body.failed && take(&body, ','));
    (void)expect(&body, '}');
    skip_blanks(&body);
    return body.failed || body.at != body.end ? -1 : count;
}

bool tr_body_member(struct tr_span span, const char *wanted, struct tr_span *value)
{
    struct tr_body body = {.at = span.data, .end = span.data + span.bytes};
    if (!expect(&body, '{')) {
        return false;
    }
    do {
        const struct tr_span name = read_string(&body);
        if (!expect(&body, ':')) {
            return false;
        }
        *value = skip_value(&body);
        if (!body.failed && is(name, wanted)) {
            while (value->bytes > 0 && value->data[value->bytes - 1] <= ' ') {
                value->bytes--;
            }
            return true;
        }
    } while (!body.failed && take(&body, ','));
    return false;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int64_t read_hex4(struct tr_span text, size_t at)
{
    int64_t value = 0;
    if (text.bytes - at < 4) {
        return -1;
    }
    for (size_t i = at; i < at + 4; i++) {
        const int digit = hex_value(text.data[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

static size_t write_utf8(uint8_t *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

int64_t tr_body_unescape(struct tr_span text, uint8_t *out)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    size_t at = 0;
    size_t bytes = 0;
    while (at < text.bytes) {
        if (text.data[at] != '\\') {
            out[bytes++] = text.data[at++];
            continue;
        }
        if (text.bytes - at < 2) {
            return -1;
        }
        const char *known = text.data[at + 1] == 0 ? NULL : strchr(plain, text.data[at + 1]);
        if (known != NULL) {
            out[bytes++] = (uint8_t)meant[known - plain];
            at += 2;
            continue;
        }
        int64_t code = text.data[at + 1] == 'u' ? read_hex4(text, at + 2) : -1;
        at += 6;
        if (code >= 0xD800 && code < 0xDC00) { /* a pair of surrogates */
            const bool escaped =
                text.bytes > at + 1 && text.data[at] == '\\' && text.data[at + 1] == 'u';
            const int64_t low = escaped ? read_hex4(text, at + 2) : -1;
            code = low >= 0xDC00 && low < 0xE000
                       ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                       : -1;
            at += 6;
        }
        if (code < 0) {
            return -1;
        }
        bytes += write_utf8(out + bytes, (uint32_t)code);
    }
    return (int64_t)bytes;
}
