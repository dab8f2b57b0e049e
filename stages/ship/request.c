// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/request.h"

#include "engine/assert.h"
#include "engine/base64.h"
#include "engine/pool.h"

#define LITERAL(text) (text), sizeof(text) - 1

#define ENTRY_FRAME_BYTES 40 /* {"Data":"","PartitionKey":""}, with room to spare */
#define ESCAPE_GROWTH 6      /* a control character becomes \u00XX */
#define TAIL_BYTES 8         /* ]} */

enum tr_code tr_request_open(struct tr_request *request, struct tr_error *err)
{
    *request = (struct tr_request){0};
    request->body = tr_memory_map(TR_REQUEST_BODY_BYTES_MAX, err);
    return request->body == NULL ? TR_ERR_SYSTEM : TR_OK;
}

void tr_request_close(struct tr_request *request)
{
    tr_memory_unmap(request->body, TR_REQUEST_BODY_BYTES_MAX);
    *request = (struct tr_request){0};
}

static uint8_t *put(uint8_t *out, const char *text, size_t bytes)
{
    memcpy(out, text, bytes);
    return out + bytes;
}

/* A JSON string's inside: quotes, backslashes and control characters escaped (RFC 8259 §7). */
static uint8_t *put_escaped(uint8_t *out, struct tr_span text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < text.bytes; i++) {
        const uint8_t c = text.data[i];
        if (TR_LIKELY(c >= 0x20)) {
            *out = '\\';
            out += c == '"' || c == '\\';
            *out++ = c;
        } else {
            out = put(out, LITERAL("\\u00"));
            *out++ = (uint8_t)digits[c >> 4];
            *out++ = (uint8_t)digits[c & 15];
        }
    }
    return out;
}

void tr_request_begin(struct tr_request *request, struct tr_span stream_name)
{
    uint8_t *out = put(request->body, LITERAL("{\"StreamName\":\""));

    out = put_escaped(out, stream_name);
    out = put(out, LITERAL("\",\"Records\":["));
    request->body_bytes = (size_t)(out - request->body);
    request->entry_count = 0;
    request->payload_bytes = 0;
}

bool tr_request_add(struct tr_request *request, struct tr_span partition_key, struct tr_span data)
{
    const size_t room_bytes = TR_REQUEST_BODY_BYTES_MAX - TAIL_BYTES - request->body_bytes;
    const size_t data_bytes = tr_base64_encoded_bytes(data.bytes);

    if (room_bytes < ENTRY_FRAME_BYTES || data_bytes > room_bytes - ENTRY_FRAME_BYTES ||
        partition_key.bytes > (room_bytes - ENTRY_FRAME_BYTES - data_bytes) / ESCAPE_GROWTH) {
        return false;
    }
    uint8_t *out = request->body + request->body_bytes;
    if (request->entry_count > 0) {
        *out++ = ',';
    }
    out = put(out, LITERAL("{\"Data\":\""));
    out += tr_base64_encode(out, data);
    out = put(out, LITERAL("\",\"PartitionKey\":\""));
    out = put_escaped(out, partition_key);
    out = put(out, LITERAL("\"}"));
    request->body_bytes = (size_t)(out - request->body);
    request->entry_count++;
    request->payload_bytes += partition_key.bytes + data.bytes;
    return true;
}

void tr_request_finish(struct tr_request *request)
{
    uint8_t *out = put(request->body + request->body_bytes, LITERAL("]}"));

    request->body_bytes = (size_t)(out - request->body);
    TR_ASSERT(request->body_bytes <= TR_REQUEST_BODY_BYTES_MAX);
    if (request->touched_bytes < request->body_bytes) {
        request->touched_bytes = request->body_bytes;
    }
}

void tr_request_release(struct tr_request *request)
{
    if (request->touched_bytes > TR_REQUEST_BODY_BYTES_KEPT) {
        tr_memory_discard(request->body + TR_REQUEST_BODY_BYTES_KEPT,
                          TR_REQUEST_BODY_BYTES_MAX - TR_REQUEST_BODY_BYTES_KEPT);
        request->touched_bytes = TR_REQUEST_BODY_BYTES_KEPT;
    }
}
