// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "engine/json_write.h"
#include "stages/decode/blob.h"
#include "stages/decode/digits.h"

void tr_plan_text_deinit(struct tr_plan_text *text)
{
    free(text->bytes);
    *text = (struct tr_plan_text){0};
}

uint8_t *tr_plan_text_reserve(struct tr_plan_text *text, size_t bytes)
{
    if (text->refused || bytes > TR_PLAN_TEXT_BYTES_MAX - text->used) {
        text->refused = true;
        return NULL;
    }
    const size_t wanted = text->used + bytes + TR_PLAN_TEXT_SLACK_BYTES;
    if (wanted > text->room) {
        const size_t room = wanted * 2;
        uint8_t *grown = realloc(text->bytes, room);
        if (grown == NULL) {
            text->refused = true;
            return NULL;
        }
        memset(grown + text->used, 0, room - text->used);
        text->bytes = grown;
        text->room = room;
    }
    return text->bytes + text->used;
}

void tr_plan_text_shrink(struct tr_plan_text *text)
{
    const size_t room = text->used + TR_PLAN_TEXT_SLACK_BYTES;
    uint8_t *shrunk = text->room > room ? realloc(text->bytes, room) : NULL;

    if (shrunk != NULL) {
        text->bytes = shrunk;
        text->room = room;
    }
}

void tr_plan_text_add_span(struct tr_plan_text *text, struct tr_span raw)
{
    uint8_t *at = tr_plan_text_reserve(text, raw.bytes);
    if (at != NULL && raw.bytes != 0) {
        memcpy(at, raw.data, raw.bytes);
        text->used += raw.bytes;
    }
}

void tr_plan_text_add(struct tr_plan_text *text, const char *raw)
{
    tr_plan_text_add_span(text, tr_span_of_text(raw));
}

void tr_plan_text_add_number(struct tr_plan_text *text, int64_t number)
{
    uint8_t *at = tr_plan_text_reserve(text, TR_DIGITS_BYTES_MAX);
    if (at != NULL) {
        text->used += (size_t)(tr_digits_put_i64(at, number) - at);
    }
}

void tr_plan_text_add_json(struct tr_plan_text *text, struct tr_span utf8)
{
    if (utf8.bytes > TR_PLAN_TEXT_BYTES_MAX / TR_JSON_ESCAPE_FACTOR) {
        text->refused = true;
        return;
    }
    uint8_t *at = tr_plan_text_reserve(text, utf8.bytes * TR_JSON_ESCAPE_FACTOR);
    if (at != NULL && utf8.bytes != 0) {
        text->used += tr_json_escape(at, utf8);
    }
}

void tr_plan_text_add_quoted(struct tr_plan_text *text, struct tr_span utf8)
{
    tr_plan_text_add(text, "\"");
    tr_plan_text_add_json(text, utf8);
    tr_plan_text_add(text, "\"");
}

void tr_plan_text_add_base64(struct tr_plan_text *text, const uint8_t *raw, size_t bytes)
{
    tr_plan_text_add(text, "\"");
    uint8_t *at = tr_plan_text_reserve(text, tr_base64_encoded_bytes(bytes));
    if (at != NULL) {
        text->used += (size_t)(tr_blob_put_base64(at, raw, bytes) - at);
    }
    tr_plan_text_add(text, "\"");
}
