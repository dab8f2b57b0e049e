// SPDX-License-Identifier: Apache-2.0
/*
 * The value of one column being written into a record; for image.c alone, whose loop it is part of.
 * Here are the helpers of all writers, and the writers that no row is made of mostly: ENUM and SET
 * members, blobs, addresses, documents, geometry, vectors. Room and errors as image.h says: NULL
 * with run->bad_reason is BAD, NULL without is NO_ROOM.
 * @thread the decoder that owns the run
 */
#ifndef TR_STAGES_DECODE_IMAGE_VALUE_H
#define TR_STAGES_DECODE_IMAGE_VALUE_H

#include <string.h>

#include "engine/error.h"
#include "stages/decode/image.h"
#include "stages/decode/text.h"

#define TR_IMAGE_NAME_BLOCK_BYTES 16

/* A column being written. */
struct tr_image_value {
    struct tr_image_run *run;
    const struct tr_plan_column *column;
};

static inline uint8_t *tr_image_value_block(uint8_t *out, const uint8_t *literal, size_t bytes)
{
    memcpy(out, literal, TR_IMAGE_NAME_BLOCK_BYTES);
    if (TR_UNLIKELY(bytes > TR_IMAGE_NAME_BLOCK_BYTES)) {
        memcpy(out + TR_IMAGE_NAME_BLOCK_BYTES, literal + TR_IMAGE_NAME_BLOCK_BYTES,
               bytes - TR_IMAGE_NAME_BLOCK_BYTES);
    }
    return out + bytes;
}

static inline uint8_t *tr_image_value_null(const struct tr_image_value *value, uint8_t *out)
{
    return tr_image_value_block(out, value->run->plan->text.bytes + value->column->null_at,
                                value->column->null_bytes);
}

static inline uint8_t *tr_image_value_fail(struct tr_image_run *run, const char *reason)
{
    run->bad_reason = reason;
    return NULL;
}

/* Whether `bytes` more may be written; else the image is out of room. */
static inline bool tr_image_value_has_room(const struct tr_image_run *run, const uint8_t *out,
                                           size_t bytes)
{
    return tr_text_has_room(out, run->limit, bytes);
}

/* ENUM: `in` is the member's number, of the column's bytes; 0 is the empty member. */
uint8_t *tr_image_value_enum(const struct tr_image_value *value, uint8_t *out, const uint8_t *in);

/* SET: `in` is the members' bits, of the column's bytes; written as one string, with commas. */
uint8_t *tr_image_value_set(const struct tr_image_value *value, uint8_t *out, const uint8_t *in);

/* BLOB and BINARY: base64, padded with zero bytes to column->full_bytes. */
uint8_t *tr_image_value_blob(const struct tr_image_value *value, uint8_t *out, struct tr_span blob);

/* MariaDB's UUID, INET4, INET6. */
uint8_t *tr_image_value_address(const struct tr_image_value *value, uint8_t *out,
                                struct tr_span raw);

/* MySQL's binary JSON as a string; an empty document as NULL. */
uint8_t *tr_image_value_json(const struct tr_image_value *value, uint8_t *out,
                             struct tr_span document);

/* SRID and WKB as they lie in the log (contract §2.7). */
uint8_t *tr_image_value_geometry(const struct tr_image_value *value, uint8_t *out,
                                 struct tr_span raw);

/* An array of floats. */
uint8_t *tr_image_value_vector(const struct tr_image_value *value, uint8_t *out,
                               struct tr_span raw);

#endif
