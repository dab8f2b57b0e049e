// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of a MySQL binary JSON document: containers, their keys and values, each cut to its
 * bytes. Total: any bytes give a part that lies within them, or false. Source: mysql-binlog.md §4.5.
 * @thread any
 */
#ifndef TR_STAGES_DECODE_JSON_PARTS_H
#define TR_STAGES_DECODE_JSON_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"

enum tr_json_binary_type {
    TR_JSON_BINARY_SMALL_OBJECT = 0,
    TR_JSON_BINARY_LARGE_OBJECT = 1,
    TR_JSON_BINARY_SMALL_ARRAY = 2,
    TR_JSON_BINARY_LARGE_ARRAY = 3,
    TR_JSON_BINARY_LITERAL = 4,
    TR_JSON_BINARY_INT16 = 5,
    TR_JSON_BINARY_UINT16 = 6,
    TR_JSON_BINARY_INT32 = 7,
    TR_JSON_BINARY_UINT32 = 8,
    TR_JSON_BINARY_INT64 = 9,
    TR_JSON_BINARY_UINT64 = 10,
    TR_JSON_BINARY_DOUBLE = 11,
    TR_JSON_BINARY_STRING = 12,
    TR_JSON_BINARY_OPAQUE = 15,
};

#define TR_JSON_LARGE_WIDTH 4u /* bytes of counts and offsets in the large format; else 2 */

/* A value: its type, and its bytes without the type. */
struct tr_json_value {
    uint8_t type;
    struct tr_span bytes;
};

/* Its bytes borrow the document's. */
struct tr_json_container {
    const uint8_t *base;
    uint32_t bytes;
    uint32_t count;
    uint32_t width;
    bool is_object;
};

/* Whether it is an object or an array. */
bool tr_json_is_container(uint8_t type);

/* Whether such a value lies in its container's entry instead of behind an offset. */
bool tr_json_is_inlined(uint8_t type, uint32_t width);

/* Cuts `value` to the bytes that its type says; false when there are not as many. */
bool tr_json_measure(struct tr_json_value *value);

/* False when it is none, or its entries do not fit its bytes. */
bool tr_json_open_container(struct tr_json_container *container, const struct tr_json_value *value);

/* The key, or the value, of the member or element `index`, below count; false when it lies outside. */
bool tr_json_key_of(const struct tr_json_container *container, uint32_t index, struct tr_span *key);
bool tr_json_value_of(const struct tr_json_container *container, uint32_t index,
                      struct tr_json_value *value);

#endif
