// SPDX-License-Identifier: Apache-2.0
/* Any bytes: read by a script that the input's own first bytes write, in place and as a copy. No crash, no over-read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"

#define BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One value, by what it is or, when `wish` says so, by what it is not. */
static void read_value(struct tr_json_reader *reader, uint8_t wish, uint32_t *depth, uint64_t *arrays)
{
    switch (wish % 16) {
    case 0:
        (void)tr_json_get_text(reader);
        return;
    case 1:
        (void)tr_json_get_int64(reader);
        return;
    case 2:
        (void)tr_json_get_uint64(reader);
        return;
    case 3:
        (void)tr_json_get_double(reader);
        return;
    case 4:
        (void)tr_json_get_bool(reader);
        return;
    case 5:
        (void)tr_json_get_text_or_null(reader);
        return;
    case 6:
        (void)tr_json_get_raw(reader);
        return;
    case 7:
        return; /* skipped by the next call */
    default:
        break;
    }
    const enum tr_json_type type = tr_json_type(reader);
    if (type == TR_JSON_TYPE_ARRAY && tr_json_enter_array(reader)) {
        *arrays |= UINT64_C(1) << *depth;
        (*depth)++;
    } else if (type == TR_JSON_TYPE_OBJECT && tr_json_enter_object(reader)) {
        *arrays &= ~(UINT64_C(1) << *depth);
        (*depth)++;
    } else if (type == TR_JSON_TYPE_STRING) {
        (void)tr_json_get_text(reader);
    } else if (type == TR_JSON_TYPE_NUMBER) {
        (void)tr_json_get_double(reader);
    } else if (type == TR_JSON_TYPE_BOOL) {
        (void)tr_json_get_bool(reader);
    }
}

static void read_all(struct tr_json_reader *reader, const uint8_t *script, size_t script_bytes)
{
    uint32_t depth = 0;
    uint64_t arrays = 0;
    struct tr_span name;
    struct tr_error err;

    if (!tr_json_is_failed(reader)) {
        read_value(reader, script[0], &depth, &arrays);
    }
    for (size_t i = 1; depth > 0; i++) {
        const bool has_value = (arrays >> (depth - 1) & 1) != 0 ? tr_json_next_element(reader)
                                                                : tr_json_next_member(reader, &name);
        if (has_value) {
            read_value(reader, script[i % script_bytes], &depth, &arrays);
        } else if (tr_json_is_failed(reader)) {
            break;
        } else {
            depth--;
        }
    }
    (void)tr_json_finish(reader, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tr_json_reader *reader;
    struct tr_error err;

    if (reader == NULL && tr_json_open(&reader, BYTES_MAX, &err) != TR_OK) {
        abort();
    }
    if (size < 5) {
        return 0;
    }
    const uint8_t *script = data;
    const uint8_t *text = data + 4;
    const size_t text_bytes = size - 4;
    tr_json_begin(reader, tr_span_of(text, text_bytes));
    read_all(reader, script, 4);
    uint8_t *exact = malloc(text_bytes + TR_JSON_PADDING_BYTES);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, text, text_bytes);
    memset(exact + text_bytes, script[0], TR_JSON_PADDING_BYTES);
    tr_json_begin_padded(reader, tr_span_of(exact, text_bytes));
    read_all(reader, script, 4);
    free(exact);
    return 0;
}
