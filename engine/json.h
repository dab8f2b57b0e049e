// SPDX-License-Identifier: Apache-2.0
/*
 * Reading JSON: a pull reader over simdjson's On-Demand parser, the only C++ of the program behind a C header.
 *
 * The reader stands on one *current value*. Begin a document: the current value is its root, an object or an array.
 * Enter it and ask for its members or elements one by one: each becomes the current value, and what was not read of
 * it is skipped. When there are no more, the container is left and its own parent goes on.
 *
 *     tr_json_begin(reader, text);
 *     if (tr_json_enter_object(reader)) {
 *         while (tr_json_next_member(reader, &name)) {
 *             if (tr_span_equals(name, tr_span_of_text("FailedRecordCount"))) {
 *                 failed_count = tr_json_get_uint64(reader);
 *             }
 *         }
 *     }
 *     code = tr_json_finish(reader, err);
 *
 * Failure is sticky, like a cursor's: a malformed text or a value of another type makes every later call give nothing,
 * loops end, and tr_json_finish tells. Values read before a failure may be wrong: use none before finish said TR_OK.
 * What is skipped is checked for UTF-8, quotes and balanced brackets only. No exception leaves; nothing is allocated
 * after open.
 *
 * @thread one at a time
 */
#ifndef TR_ENGINE_JSON_H
#define TR_ENGINE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_JSON_PADDING_BYTES                                                                      \
    64 /* readable bytes after a text that is parsed in place; simdjson's SIMDJSON_PADDING */
#define TR_JSON_DEPTH_MAX                                                                          \
    32 /* containers entered within each other; what is skipped may be deeper */

enum tr_json_type {
    TR_JSON_TYPE_FAILED = 0, /* no current value, or the reader has failed */
    TR_JSON_TYPE_OBJECT,
    TR_JSON_TYPE_ARRAY,
    TR_JSON_TYPE_STRING,
    TR_JSON_TYPE_NUMBER,
    TR_JSON_TYPE_BOOL,
    TR_JSON_TYPE_NULL,
};

struct tr_json_reader; /* opaque */

/*
 * Takes all memory for texts of at most `bytes_max` bytes: about 8 times as much address space (tr_json_memory_bytes),
 * resident only as far as texts use it. Errors: TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_json_open(struct tr_json_reader **reader, size_t bytes_max,
                                       struct tr_error *err);

/* Accepts NULL. */
void tr_json_close(struct tr_json_reader *reader);

/* The reader's term of the memory sum. */
size_t tr_json_memory_bytes(size_t bytes_max);

/* Copies `text` and begins to read it; a longer one than bytes_max is a failure. Forgets an earlier failure. */
void tr_json_begin(struct tr_json_reader *reader, struct tr_span text);

/*
 * The same in place: `text` is borrowed until the next begin and followed by TR_JSON_PADDING_BYTES readable bytes of any
 * content.
 */
void tr_json_begin_padded(struct tr_json_reader *reader, struct tr_span text);

/* Whether anything went wrong so far. */
bool tr_json_is_failed(const struct tr_json_reader *reader);

/* Ends the reading: TR_OK, or TR_ERR_PROTOCOL with what is wrong near which byte (TR_STOP; callers know better ones). */
TR_NODISCARD enum tr_code tr_json_finish(struct tr_json_reader *reader, struct tr_error *err);

/* A failure of the caller's own: a value that is not what it must be. `what` is static. The first failure stays. */
void tr_json_fail(struct tr_json_reader *reader, const char *what);

/* The type of the current value, which stays. */
enum tr_json_type tr_json_type(struct tr_json_reader *reader);

/* Goes into the current value; false (and failed) when it is not an object. */
bool tr_json_enter_object(struct tr_json_reader *reader);

/*
 * The next member of the innermost object: its name without escapes, borrowed until the next begin. False when there is
 * none: the object has been left.
 */
bool tr_json_next_member(struct tr_json_reader *reader, struct tr_span *name);

/* Goes into the current value; false (and failed) when it is not an array. */
bool tr_json_enter_array(struct tr_json_reader *reader);

/* The next element of the innermost array; false when there is none: the array has been left. */
bool tr_json_next_element(struct tr_json_reader *reader);

/*
 * The calls below consume the current value: one per value. Of the wrong type they fail, and give 0, false or an empty
 * span.
 */

/*
 * A string, without escapes. Borrowed until the next begin: a part of the text itself where nothing is escaped (no copy),
 * else of the reader's buffer.
 */
struct tr_span tr_json_get_text(struct tr_json_reader *reader);

/* The same, and for null a span whose data is NULL; an empty string's is not. */
struct tr_span tr_json_get_text_or_null(struct tr_json_reader *reader);

int64_t tr_json_get_int64(struct tr_json_reader *reader);
uint64_t tr_json_get_uint64(struct tr_json_reader *reader);
double tr_json_get_double(struct tr_json_reader *reader);
bool tr_json_get_bool(struct tr_json_reader *reader);

/* The value's own text, whatever it is, without space around it; borrowed until the next begin. Not validated inside. */
struct tr_span tr_json_get_raw(struct tr_json_reader *reader);

#endif
