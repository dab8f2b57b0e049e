// SPDX-License-Identifier: Apache-2.0
/*
 * Small flat JSON: what positions and identities are made of.
 *
 * The writer appends to a bounded buffer; its overflow is sticky: write everything, then check once.
 * The reader walks the members of one object in order; nested values are checked for balance and passed over. It is total:
 * any byte string gives members or `failed`.
 */
#ifndef TR_OFFSETS_JSON_TEXT_H
#define TR_OFFSETS_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"

struct tr_json_out {
    char *text; /* borrowed */
    size_t room_bytes;
    size_t bytes;
    bool overflowed;
};

/* Appends bytes as they are. */
void tr_json_out_raw(struct tr_json_out *out, struct tr_span bytes);
/* Appends a string with quotes and escapes. */
void tr_json_out_string(struct tr_json_out *out, struct tr_span text);
void tr_json_out_u64(struct tr_json_out *out, uint64_t value);
void tr_json_out_i64(struct tr_json_out *out, int64_t value);
/* Appends `,` (unless it is the first member) and the quoted name with its colon. */
void tr_json_out_name(struct tr_json_out *out, const char *name);
/* Ends the text with a NUL; returns its bytes without it, or 0 when it did not fit. */
size_t tr_json_out_end(struct tr_json_out *out);

enum tr_json_kind {
    TR_JSON_STRING = 0,
    TR_JSON_NUMBER,
    TR_JSON_TRUE,
    TR_JSON_FALSE,
    TR_JSON_NULL,
    TR_JSON_NESTED, /* an object or an array */
};

/* Spans borrowed from the text. */
struct tr_json_member {
    struct tr_span name; /* between the quotes, escapes as they are */
    enum tr_json_kind kind;
    struct tr_span value; /* STRING: between the quotes, escapes as they are; else the whole value */
};

struct tr_json_in {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
    bool begun;
};

struct tr_json_in tr_json_in_of(struct tr_span text);
/* The object's next member; false at its end or when failed. After the end nothing but blanks may follow. */
bool tr_json_in_next(struct tr_json_in *in, struct tr_json_member *member);

bool tr_json_member_is(const struct tr_json_member *member, const char *name);
/* The value as a whole number; false when it is none or out of range. */
bool tr_json_member_u64(const struct tr_json_member *member, uint64_t max, uint64_t *value);
bool tr_json_member_i64(const struct tr_json_member *member, int64_t *value);
/* Unescapes a string into `out` (room for value.bytes is always enough); returns bytes, or SIZE_MAX when it is not a string,
 * does not fit or has a bad escape. */
size_t tr_json_member_text(const struct tr_json_member *member, char *out, size_t room_bytes);

#endif
