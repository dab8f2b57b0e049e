// SPDX-License-Identifier: Apache-2.0
/*
 * Reading request bodies: a scanner for the JSON that Kinesis clients send, fast enough for the
 * sink (a memchr per string).
 *
 * It is strict where a client could be wrong (structure, escapes, UTF-8 is not checked) and skips
 * unknown members.
 */
#ifndef TR_BENCH_KINESIS_BODY_H
#define TR_BENCH_KINESIS_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"

/* A scan in progress; failure is sticky. */
struct tr_body {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

/* One entry of PutRecords, still escaped; spans into the body. */
struct tr_body_entry {
    struct tr_span data;          /* base64 text */
    struct tr_span partition_key; /* JSON-escaped text */
    struct tr_span explicit_hash; /* empty = none */
    bool has_data;
    bool has_key;
};

/* Called for each entry in order; false stops the scan and fails it. */
typedef bool tr_body_on_entry(void *self, const struct tr_body_entry *entry);

/*
 * Reads a PutRecords body: the stream's name (from StreamName, or the last part of StreamARN) and
 * every entry. Returns the number of entries, or -1 when the body is not valid. `on_entry` may be
 * NULL.
 */
int64_t tr_body_put_records(struct tr_span body, struct tr_span *stream_name,
                            tr_body_on_entry *on_entry, void *self);

/* Finds a top-level member; strings come without quotes, still escaped, other values as their text.
 * False = absent or the body is not an object. */
bool tr_body_member(struct tr_span body, const char *name, struct tr_span *value);

/* Undoes JSON escapes into `out` (room: text.bytes); returns bytes, or -1 for a bad escape. */
int64_t tr_body_unescape(struct tr_span text, uint8_t *out);

#endif
