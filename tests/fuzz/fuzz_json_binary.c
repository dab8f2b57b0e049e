// SPDX-License-Identifier: Apache-2.0
/* Any bytes as MySQL's binary JSON: no room, a refusal, or the inside of a JSON string that holds a
 * JSON document. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"
#include "stages/decode/json_binary.h"

#define LIMIT_BYTES (64u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "fuzz_json_binary: %s\n", what);
        abort();
    }
}

/* Goes through every value, so that numbers and escapes are looked at too. */
static void walk(struct tr_json_reader *reader, uint32_t depth)
{
    struct tr_span name;

    switch (depth < 20 ? tr_json_type(reader) : TR_JSON_TYPE_NULL) {
    case TR_JSON_TYPE_OBJECT:
        (void)tr_json_enter_object(reader);
        while (tr_json_next_member(reader, &name)) {
            walk(reader, depth + 1);
        }
        break;
    case TR_JSON_TYPE_ARRAY:
        (void)tr_json_enter_array(reader);
        while (tr_json_next_element(reader)) {
            walk(reader, depth + 1);
        }
        break;
    case TR_JSON_TYPE_STRING:
        (void)tr_json_get_text(reader);
        break;
    case TR_JSON_TYPE_BOOL:
        (void)tr_json_get_bool(reader);
        break;
    case TR_JSON_TYPE_NUMBER: /* may have more digits than any C type */
    case TR_JSON_TYPE_NULL:
    case TR_JSON_TYPE_FAILED:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tr_json_reader *outer;
    static struct tr_json_reader *inner;
    static uint8_t text[LIMIT_BYTES + TR_JSON_BINARY_SLACK_BYTES + 16];
    static uint8_t wrapped[LIMIT_BYTES + TR_JSON_BINARY_SLACK_BYTES + 16];
    struct tr_error err;
    struct tr_span content;

    if (outer == NULL) {
        require(tr_json_open(&outer, sizeof(text), &err) == TR_OK, "no reader");
        require(tr_json_open(&inner, sizeof(text), &err) == TR_OK, "no reader");
    }
    uint8_t *copy = malloc(bytes + 1); /* exact, so that reading behind it shows */
    require(copy != NULL, "no memory");
    memcpy(copy, data, bytes);
    memcpy(text, "[\"", 2);
    uint8_t *end = text + 2;
    const enum tr_write_outcome outcome =
        tr_json_binary_put(&end, text + LIMIT_BYTES, tr_span_of(copy, bytes));
    free(copy);
    require(end <= text + LIMIT_BYTES + TR_JSON_BINARY_SLACK_BYTES, "it wrote behind its slack");
    if (outcome != TR_WRITE_OK) {
        return 0;
    }
    memcpy(end, "\"]", 2);
    tr_json_begin(outer, tr_span_of(text, (size_t)(end + 2 - text)));
    require(tr_json_enter_array(outer) && tr_json_next_element(outer), "no string came out");
    content = tr_json_get_text(outer);
    wrapped[0] = '[';
    memcpy(wrapped + 1, content.data, content.bytes);
    wrapped[1 + content.bytes] = ']';
    tr_json_begin(inner, tr_span_of(wrapped, content.bytes + 2));
    require(tr_json_enter_array(inner), "no document came out");
    while (tr_json_next_element(inner)) {
        walk(inner, 0);
    }
    require(tr_json_finish(inner, &err) == TR_OK, "the document is no JSON");
    require(!tr_json_next_element(outer) && tr_json_finish(outer, &err) == TR_OK,
            "the string is no JSON");
    return 0;
}
