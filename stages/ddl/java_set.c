// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/java_set.h"

#define FIRST_CAPACITY 16

static uint32_t add_unit(uint32_t hash, uint32_t unit)
{
    return hash * 31 + unit;
}

uint32_t tr_java_string_hash(uint32_t hash, struct tr_span utf8)
{
    for (size_t i = 0; i < utf8.bytes;) {
        const uint8_t lead = utf8.data[i];
        const uint32_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        uint32_t code_point = bytes == 1 ? lead : lead & (0x7Fu >> bytes);
        for (uint32_t k = 1; k < bytes; k++) {
            code_point = code_point << 6 | (i + k < utf8.bytes ? utf8.data[i + k] & 0x3Fu : 0);
        }
        if (code_point > 0xFFFF) {
            hash = add_unit(hash, 0xD800 + ((code_point - 0x10000) >> 10));
            hash = add_unit(hash, 0xDC00 + (code_point & 0x3FF));
        } else {
            hash = add_unit(hash, code_point);
        }
        i += bytes;
    }
    return hash;
}

/* The place in a table of that capacity. */
static uint32_t place_of(uint32_t hash, uint32_t capacity)
{
    return (hash ^ hash >> 16) & (capacity - 1);
}

/* A stable sort by place, of what stands in `from`: sets are small. */
static void sort(const uint32_t *hashes, const uint32_t *from, uint32_t *to, uint32_t count,
                 uint32_t capacity)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t place = place_of(hashes[from[i]], capacity);
        uint32_t at = i;
        while (at > 0 && place_of(hashes[to[at - 1]], capacity) > place) {
            to[at] = to[at - 1];
            at--;
        }
        to[at] = from[i];
    }
}

void tr_java_set_order(const uint32_t *hashes, uint32_t count, uint32_t *order, uint32_t *spare)
{
    uint32_t grown = FIRST_CAPACITY; /* of the set that was filled: doubled above three quarters */
    while (count > grown / 4 * 3) {
        grown *= 2;
    }
    uint32_t copied = FIRST_CAPACITY; /* of its copy: for count / 0.75 + 1 */
    while (copied < count * 4 / 3 + 1) {
        copied *= 2;
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    sort(hashes, order, spare, count, grown);
    sort(hashes, spare, order, count, copied);
}
