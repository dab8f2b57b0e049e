// SPDX-License-Identifier: Apache-2.0
#include "offsets/redis_resp.h"

#include <hiredis.h>
#include <stdlib.h>

#include "engine/assert.h"

struct tr_redis_resp {
    redisReader *reader; /* owns */
    redisReply *reply;   /* owns; the one handed out last */
};

struct tr_redis_resp *tr_redis_resp_open(void)
{
    struct tr_redis_resp *resp = calloc(1, sizeof(*resp));

    if (resp == NULL) {
        return NULL;
    }
    resp->reader = redisReaderCreate();
    if (resp->reader == NULL) {
        free(resp);
        return NULL;
    }
    return resp;
}

static void forget_reply(struct tr_redis_resp *resp)
{
    if (resp->reply != NULL) {
        freeReplyObject(resp->reply);
        resp->reply = NULL;
    }
}

void tr_redis_resp_close(struct tr_redis_resp *resp)
{
    if (resp != NULL) {
        forget_reply(resp);
        redisReaderFree(resp->reader);
        free(resp);
    }
}

static enum tr_code fail(const struct tr_redis_resp *resp, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "its answer is not RESP: %s", resp->reader->errstr);
}

enum tr_code tr_redis_resp_feed(struct tr_redis_resp *resp, struct tr_span bytes,
                                struct tr_error *err)
{
    return redisReaderFeed(resp->reader, (const char *)bytes.data, bytes.bytes) == REDIS_OK
               ? TR_OK
               : fail(resp, err);
}

static enum tr_redis_kind kind_of(int type)
{
    switch (type) {
    case REDIS_REPLY_NIL:
        return TR_REDIS_NIL;
    case REDIS_REPLY_STATUS:
        return TR_REDIS_STATUS;
    case REDIS_REPLY_ERROR:
        return TR_REDIS_ERROR;
    case REDIS_REPLY_INTEGER:
        return TR_REDIS_INTEGER;
    case REDIS_REPLY_STRING:
        return TR_REDIS_TEXT;
    case REDIS_REPLY_ARRAY:
        return TR_REDIS_ARRAY;
    default: /* a library's number, not an enum of ours */
        return TR_REDIS_OTHER;
    }
}

enum tr_code tr_redis_resp_take(struct tr_redis_resp *resp, struct tr_redis_reply *reply,
                                bool *is_there, struct tr_error *err)
{
    void *next = NULL;

    forget_reply(resp);
    *is_there = false;
    if (redisReaderGetReply(resp->reader, &next) != REDIS_OK) {
        return fail(resp, err);
    }
    if (next == NULL) {
        return TR_OK;
    }
    resp->reply = next;
    *is_there = true;
    reply->kind = kind_of(resp->reply->type);
    reply->integer = resp->reply->integer;
    reply->text = reply->kind == TR_REDIS_STATUS || reply->kind == TR_REDIS_ERROR ||
                          reply->kind == TR_REDIS_TEXT
                      ? tr_span_of(resp->reply->str, (size_t)resp->reply->len)
                      : (struct tr_span){0};
    reply->element_count = reply->kind == TR_REDIS_ARRAY ? (uint32_t)resp->reply->elements : 0;
    reply->elements = resp->reply;
    return TR_OK;
}

bool tr_redis_reply_entry(const struct tr_redis_reply *reply, uint32_t index, struct tr_span name,
                          struct tr_span *id, struct tr_span *value)
{
    const redisReply *const array = reply->elements;

    TR_ASSERT(reply->kind == TR_REDIS_ARRAY && index < reply->element_count);
    const redisReply *const entry = array->element[index];

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING ||
        entry->element[1]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    const redisReply *const fields = entry->element[1];

    *id = tr_span_of(entry->element[0]->str, (size_t)entry->element[0]->len);
    *value = (struct tr_span){0};
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *const field = fields->element[i];

        if (field->type == REDIS_REPLY_STRING &&
            fields->element[i + 1]->type == REDIS_REPLY_STRING &&
            tr_span_equals(tr_span_of(field->str, (size_t)field->len), name)) {
            *value = tr_span_of(fields->element[i + 1]->str, (size_t)fields->element[i + 1]->len);
        }
    }
    return true;
}

size_t tr_redis_command_format(const struct tr_span *words, uint32_t count, char **command)
{
    const char *argv[TR_REDIS_WORDS_MAX];
    size_t argv_bytes[TR_REDIS_WORDS_MAX];

    TR_ASSERT(count >= 1 && count <= TR_REDIS_WORDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        argv[i] = words[i].data == NULL ? "" : (const char *)words[i].data;
        argv_bytes[i] = words[i].bytes;
    }
    *command = NULL;
    const int bytes = redisFormatCommandArgv(command, (int)count, argv, argv_bytes);

    return bytes < 0 ? 0 : (size_t)bytes;
}

void tr_redis_command_free(char *command)
{
    redisFreeCommand(command);
}
