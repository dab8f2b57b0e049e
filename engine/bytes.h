// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes from the wire: a span, and a cursor over it whose failure is sticky.
 *
 * Read every field, then check `failed` once. Lengths are compared as remaining bytes, never as `at + n > end`,
 * so no sum can wrap. All integers are little-endian unless the name says `_be`.
 */
#ifndef TR_ENGINE_BYTES_H
#define TR_ENGINE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes; who owns them is said where the span is a member or a parameter. */
struct tr_span {
    const uint8_t *data;
    size_t bytes;
};

static inline struct tr_span tr_span_of(const void *data, size_t bytes)
{
    return (struct tr_span){.data = (const uint8_t *)data, .bytes = bytes};
}

/* A span over a string literal or a NUL-terminated text, without the NUL. */
static inline struct tr_span tr_span_of_text(const char *text)
{
    return tr_span_of(text, strlen(text));
}

static inline bool tr_span_equals(struct tr_span a, struct tr_span b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

static inline uint16_t tr_load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v; /* little-endian hosts only, asserted below */
}

static inline uint32_t tr_load_u24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t tr_load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t tr_load_u48(const uint8_t *p)
{
    return (uint64_t)tr_load_u32(p) | (uint64_t)tr_load_u16(p + 4) << 32;
}

static inline uint64_t tr_load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* `count` (1..8) bytes, least significant first. */
static inline uint64_t tr_load_uint_le(const uint8_t *p, size_t count)
{
    uint64_t v = 0;
    memcpy(&v, p, count);
    return v;
}

/* `count` (1..8) bytes, most significant first. */
static inline uint64_t tr_load_uint_be(const uint8_t *p, size_t count)
{
    uint64_t v = 0;
    for (size_t i = 0; i < count; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Tailrace reads little-endian wire formats in place: big-endian hosts are not supported"
#endif

struct tr_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* sticky: once true, every read gives 0 or an empty span */
};

static inline struct tr_cursor tr_cursor_of(struct tr_span span)
{
    /* An empty span may have no address, and NULL + 0 is undefined in C. */
    const uint8_t *end = span.bytes == 0 ? span.data : span.data + span.bytes;
    return (struct tr_cursor){.at = span.data, .end = end, .failed = false};
}

static inline size_t tr_cursor_remaining(const struct tr_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* The next `bytes` bytes, or NULL (and failed) when fewer remain. */
static inline const uint8_t *tr_cursor_take(struct tr_cursor *cursor, size_t bytes)
{
    if (cursor->failed || tr_cursor_remaining(cursor) < bytes) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *at = cursor->at;
    cursor->at = bytes == 0 ? at : at + bytes; /* as in tr_cursor_of */
    return at;
}

static inline struct tr_span tr_cursor_span(struct tr_cursor *cursor, size_t bytes)
{
    const uint8_t *at = tr_cursor_take(cursor, bytes);
    return at == NULL ? (struct tr_span){0} : (struct tr_span){.data = at, .bytes = bytes};
}

static inline uint8_t tr_cursor_u8(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, 1);
    return at == NULL ? 0 : *at;
}

static inline uint16_t tr_cursor_u16(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, 2);
    return at == NULL ? 0 : tr_load_u16(at);
}

static inline uint32_t tr_cursor_u24(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, 3);
    return at == NULL ? 0 : tr_load_u24(at);
}

static inline uint32_t tr_cursor_u32(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, 4);
    return at == NULL ? 0 : tr_load_u32(at);
}

static inline uint64_t tr_cursor_u48(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, 6);
    return at == NULL ? 0 : tr_load_u48(at);
}

static inline uint64_t tr_cursor_u64(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, 8);
    return at == NULL ? 0 : tr_load_u64(at);
}

/*
 * A length-encoded integer: < 0xFB itself; 0xFC + 2; 0xFD + 3; 0xFE + 8 bytes. 0xFB and 0xFF fail.
 * Source: MySQL internals, "Protocol::LengthEncodedInteger".
 */
static inline uint64_t tr_cursor_lenenc(struct tr_cursor *cursor)
{
    const uint8_t first = tr_cursor_u8(cursor);
    if (first < 0xFB) {
        return first;
    }
    if (first == 0xFC) {
        return tr_cursor_u16(cursor);
    }
    if (first == 0xFD) {
        return tr_cursor_u24(cursor);
    }
    if (first == 0xFE) {
        return tr_cursor_u64(cursor);
    }
    cursor->failed = true;
    return 0;
}

/* A length-encoded string. */
static inline struct tr_span tr_cursor_lenenc_span(struct tr_cursor *cursor)
{
    const uint64_t bytes = tr_cursor_lenenc(cursor);
    if (bytes > tr_cursor_remaining(cursor)) {
        cursor->failed = true;
        return (struct tr_span){0};
    }
    return tr_cursor_span(cursor, (size_t)bytes);
}

#endif
