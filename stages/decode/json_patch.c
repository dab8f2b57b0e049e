// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/json_patch.h"

#include <stdbool.h>
#include <string.h>

#include "engine/cover.h"
#include "stages/decode/json_binary.h"
#include "stages/decode/json_parts.h"

#define KEY_ENTRY_BYTES 6u   /* of an object in the large format */
#define VALUE_ENTRY_BYTES 5u /* likewise */
#define KEY_BYTES_MAX 65535u

static const char damaged[] = "its partial JSON update is damaged";
static const char no_such_place[] = "its partial JSON update names a place that the document does "
                                    "not have (the log or the row before it is damaged)";
static const char too_large[] =
    "its document is larger than tailrace.row.max.bytes when its partial update is applied (raise "
    "it)";

enum operation { REPLACE = 0, INSERT = 1, REMOVE = 2 };

/* One difference; `path` is what is left of it. */
struct change {
    enum operation operation;
    struct tr_cursor path;
    struct tr_json_value value;
};

/* A step of a path: a member's name, or an element's number. */
struct leg {
    bool is_member;
    uint32_t index;
    uint32_t key_bytes;
    uint8_t *key; /* unescaped */
};

struct writer {
    uint8_t *at;
    uint8_t *end;
    uint32_t depth;
    const char *reason;
};

static bool fail(struct writer *writer, const char *reason)
{
    writer->reason = reason;
    return false;
}

/* --- paths: $.name."any name"[3] ---------------------------------------------------------------*/

/* \uXXXX: the server writes it for control characters only. */
static bool take_unicode(struct tr_cursor *path, uint8_t *c)
{
    uint32_t code = 0;

    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t digit = tr_cursor_u8(path);
        const uint8_t lower = digit | 0x20;
        if (digit >= '0' && digit <= '9') {
            code = code * 16 + digit - '0';
        } else if (lower >= 'a' && lower <= 'f') {
            code = code * 16 + lower - 'a' + 10;
        } else {
            return false;
        }
    }
    *c = (uint8_t)code;
    return code < 0x80;
}

static bool take_quoted(struct writer *writer, struct tr_cursor *path, struct leg *leg)
{
    static const char escapes[] = "b\bf\fn\nr\rt\t\"\"\\\\//";

    (void)tr_cursor_u8(path);
    while (!path->failed) {
        uint8_t c = tr_cursor_u8(path);
        if (path->failed) {
            break;
        }
        if (c == '"') {
            return leg->key_bytes <= KEY_BYTES_MAX || fail(writer, damaged);
        }
        if (c == '\\') {
            const uint8_t escaped = tr_cursor_u8(path);
            const char *known = escapes;
            while (*known != '\0' && *known != (char)escaped) {
                known += 2;
            }
            if (escaped == 'u') {
                if (!take_unicode(path, &c)) {
                    break;
                }
            } else if (*known == '\0') {
                break;
            } else {
                c = (uint8_t)known[1];
            }
        }
        leg->key[leg->key_bytes++] = c;
    }
    return fail(writer, damaged);
}

static bool take_index(struct writer *writer, struct tr_cursor *path, struct leg *leg)
{
    uint8_t c = tr_cursor_u8(path);
    uint64_t index = 0;

    while (c >= '0' && c <= '9' && index <= UINT32_MAX) {
        index = index * 10 + c - '0';
        c = tr_cursor_u8(path);
    }
    leg->index = (uint32_t)index;
    return (c == ']' && !path->failed && index < UINT32_MAX) || fail(writer, damaged);
}

static bool take_leg(struct writer *writer, struct tr_cursor *path, struct leg *leg)
{
    const uint8_t c = tr_cursor_u8(path);

    *leg = (struct leg){.is_member = c == '.'};
    if (c == '[') {
        return take_index(writer, path, leg);
    }
    if (c != '.' || tr_cursor_remaining(path) == 0) {
        return fail(writer, damaged);
    }
    /* The name, never longer than its text in the path, lies at the end of the output while the
     * container is written. */
    const size_t longest = tr_cursor_remaining(path);
    if (longest > (size_t)(writer->end - writer->at)) {
        return fail(writer, too_large);
    }
    writer->end -= longest;
    leg->key = writer->end;
    if (*path->at == '"') {
        return take_quoted(writer, path, leg);
    }
    while (tr_cursor_remaining(path) > 0 && *path->at != '.' && *path->at != '[') {
        leg->key[leg->key_bytes++] = tr_cursor_u8(path);
    }
    return leg->key_bytes <= KEY_BYTES_MAX || fail(writer, damaged);
}

/* The member's place, or where it would be: keys lie sorted by length, then by bytes. */
static bool find_member(const struct tr_json_container *container, const struct leg *leg,
                        uint32_t *index, bool *is_there)
{
    struct tr_span key;

    *is_there = false;
    for (*index = 0; *index < container->count; (*index)++) {
        if (!tr_json_key_of(container, *index, &key)) {
            return false;
        }
        if (key.bytes < leg->key_bytes) {
            continue;
        }
        const int order = key.bytes > leg->key_bytes ? 1
                          : key.bytes == 0           ? 0
                                                     : memcmp(key.data, leg->key, key.bytes);
        if (order >= 0) {
            *is_there = order == 0;
            break;
        }
    }
    return true;
}

/* --- writing -----------------------------------------------------------------------------------
 */

static bool put_bytes(struct writer *writer, struct tr_span bytes)
{
    if (bytes.bytes > (size_t)(writer->end - writer->at)) {
        return fail(writer, too_large);
    }
    if (bytes.bytes != 0) {
        memcpy(writer->at, bytes.data, bytes.bytes);
    }
    writer->at += bytes.bytes;
    return true;
}

static void store_u32(uint8_t *at, uint64_t number)
{
    const uint32_t value = (uint32_t)number;

    memcpy(at, &value, sizeof(value));
}

static bool put_changed(struct writer *writer, const struct tr_json_value *value,
                        struct change *change, uint8_t *type);

/* A container that is written anew: which of the source's values is left out, changed or new. */
struct rebuild {
    struct tr_json_container source;
    struct leg leg;
    struct change *change;
    uint32_t at;      /* place of the change, in the source */
    bool is_last_leg; /* the change is here, not further inside */
};

/* Writes a value and its entry; a changed one is gone into. */
static bool put_entry(struct writer *writer, uint8_t *base, uint8_t *entry,
                      const struct tr_json_value *value, struct change *inner)
{
    entry[0] = value->type;
    if (inner == NULL && tr_json_is_inlined(value->type, TR_JSON_LARGE_WIDTH)) {
        uint8_t inlined[TR_JSON_LARGE_WIDTH] = {0};
        memcpy(inlined, value->bytes.data,
               value->bytes.bytes < TR_JSON_LARGE_WIDTH ? value->bytes.bytes : TR_JSON_LARGE_WIDTH);
        memcpy(entry + 1, inlined, TR_JSON_LARGE_WIDTH);
        return true;
    }
    store_u32(entry + 1, (uint64_t)(writer->at - base));
    return inner == NULL ? put_bytes(writer, value->bytes)
                         : put_changed(writer, value, inner, &entry[0]);
}

static bool put_keys(struct writer *writer, const struct rebuild *rebuild, uint8_t *base,
                     uint32_t count)
{
    const bool is_insert = rebuild->is_last_leg && rebuild->change->operation == INSERT;
    const bool is_remove = rebuild->is_last_leg && rebuild->change->operation == REMOVE;
    struct tr_span key;

    for (uint32_t to = 0, from = 0; to < count; to++) {
        if (is_insert && to == rebuild->at) {
            key = tr_span_of(rebuild->leg.key, rebuild->leg.key_bytes);
        } else {
            from += is_remove && from == rebuild->at;
            if (!tr_json_key_of(&rebuild->source, from++, &key)) {
                return fail(writer, damaged);
            }
        }
        uint8_t *entry = base + 2 * TR_JSON_LARGE_WIDTH + (size_t)to * KEY_ENTRY_BYTES;
        const uint16_t key_bytes = (uint16_t)key.bytes;
        store_u32(entry, (uint64_t)(writer->at - base));
        memcpy(entry + TR_JSON_LARGE_WIDTH, &key_bytes, sizeof(key_bytes));
        if (!put_bytes(writer, key)) {
            return false;
        }
    }
    return true;
}

static bool put_container(struct writer *writer, const struct rebuild *rebuild)
{
    const bool is_insert = rebuild->is_last_leg && rebuild->change->operation == INSERT;
    const bool is_remove = rebuild->is_last_leg && rebuild->change->operation == REMOVE;
    const bool is_object = rebuild->source.is_object;
    const uint32_t count = rebuild->source.count + is_insert - is_remove;
    const uint64_t head_bytes =
        2 * TR_JSON_LARGE_WIDTH +
        (uint64_t)count * (VALUE_ENTRY_BYTES + (is_object ? KEY_ENTRY_BYTES : 0u));
    uint8_t *const base = writer->at;
    struct tr_json_value value;

    if (head_bytes > (size_t)(writer->end - writer->at)) {
        return fail(writer, too_large);
    }
    writer->at += head_bytes;
    if (is_object && !put_keys(writer, rebuild, base, count)) {
        return false;
    }
    uint8_t *entry = base + head_bytes - (size_t)count * VALUE_ENTRY_BYTES;
    for (uint32_t to = 0, from = 0; to < count; to++, entry += VALUE_ENTRY_BYTES) {
        struct change *inner = NULL;
        if (is_insert && to == rebuild->at) {
            value = rebuild->change->value;
        } else {
            from += is_remove && from == rebuild->at;
            const bool is_changed = !is_insert && !is_remove && from == rebuild->at;
            if (!tr_json_value_of(&rebuild->source, from++, &value)) {
                return fail(writer, damaged);
            }
            if (is_changed && rebuild->is_last_leg) {
                value = rebuild->change->value;
            } else if (is_changed) {
                inner = rebuild->change;
            }
        }
        if (!put_entry(writer, base, entry, &value, inner)) {
            return false;
        }
    }
    store_u32(base, count);
    store_u32(base + TR_JSON_LARGE_WIDTH, (uint64_t)(writer->at - base));
    return true;
}

/* Writes `value` with the change at the rest of its path; `*type` becomes the new value's. */
static bool put_changed(struct writer *writer, const struct tr_json_value *value,
                        struct change *change, uint8_t *type)
{
    struct rebuild rebuild = {.change = change};
    bool is_there;

    if (!tr_json_open_container(&rebuild.source, value)) {
        return fail(writer, tr_json_is_container(value->type) ? damaged : no_such_place);
    }
    if (++writer->depth > TR_JSON_BINARY_DEPTH_MAX) {
        return fail(writer, damaged);
    }
    if (!take_leg(writer, &change->path, &rebuild.leg)) {
        return false;
    }
    if (rebuild.leg.is_member != rebuild.source.is_object) {
        return fail(writer, no_such_place);
    }
    if (rebuild.leg.is_member) {
        if (!find_member(&rebuild.source, &rebuild.leg, &rebuild.at, &is_there)) {
            return fail(writer, damaged);
        }
    } else {
        is_there = rebuild.leg.index < rebuild.source.count;
        rebuild.at = is_there ? rebuild.leg.index : rebuild.source.count;
    }
    rebuild.is_last_leg = tr_cursor_remaining(&change->path) == 0;
    const bool is_insert = rebuild.is_last_leg && change->operation == INSERT;
    /* A new member must be new; a new element goes in front of one, or to the end. */
    if (is_insert ? is_there && rebuild.leg.is_member : !is_there) {
        return fail(writer, no_such_place);
    }
    *type = rebuild.source.is_object ? TR_JSON_BINARY_LARGE_OBJECT : TR_JSON_BINARY_LARGE_ARRAY;
    return put_container(writer, &rebuild);
}

static bool take_change(struct tr_cursor *diffs, struct change *change)
{
    const uint8_t operation = tr_cursor_u8(diffs);
    const uint64_t path_bytes = tr_cursor_lenenc(diffs);

    if (diffs->failed || operation > REMOVE || path_bytes == 0 ||
        path_bytes > tr_cursor_remaining(diffs)) {
        return false;
    }
    change->operation = (enum operation)operation;
    change->path = tr_cursor_of(tr_cursor_span(diffs, (size_t)path_bytes));
    if (tr_cursor_u8(&change->path) != '$') {
        return false;
    }
    if (operation == REMOVE) {
        return true;
    }
    const uint64_t value_bytes = tr_cursor_lenenc(diffs);
    if (diffs->failed || value_bytes < 1 || value_bytes > tr_cursor_remaining(diffs)) {
        return false;
    }
    change->value.type = tr_cursor_u8(diffs);
    change->value.bytes = tr_cursor_span(diffs, (size_t)value_bytes - 1);
    return tr_json_measure(&change->value);
}

const char *tr_json_patch(struct tr_span document, struct tr_span diffs, uint8_t *scratch,
                          size_t scratch_bytes, struct tr_span *result)
{
    struct tr_cursor cursor = tr_cursor_of(diffs);
    const size_t half_bytes = scratch_bytes / 2;
    uint8_t *half = scratch;

    *result = document;
    while (tr_cursor_remaining(&cursor) > 0) {
        struct change change = {0};
        if (!take_change(&cursor, &change) || result->bytes == 0) {
            return damaged;
        }
        struct writer writer = {.at = half, .end = half + half_bytes};
        const struct tr_json_value whole = {result->data[0],
                                            tr_span_of(result->data + 1, result->bytes - 1)};
        if (half_bytes == 0) {
            return too_large;
        }
        writer.at++;
        if (tr_cursor_remaining(&change.path) == 0) { /* the whole document */
            TR_COVER("decode.json_patch_whole");
            half[0] = change.value.type;
            if (change.operation != REPLACE) {
                return damaged;
            }
            (void)put_bytes(&writer, change.value.bytes);
        } else {
            (void)put_changed(&writer, &whole, &change, half);
        }
        if (writer.reason != NULL) {
            return writer.reason;
        }
        *result = tr_span_of(half, (size_t)(writer.at - half));
        half = half == scratch ? scratch + half_bytes : scratch;
    }
    return NULL;
}
