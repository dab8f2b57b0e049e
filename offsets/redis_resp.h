// SPDX-License-Identifier: Apache-2.0
/* Redis's protocol, RESP 2: the only file of offsets/ that knows hiredis. @thread one */
#ifndef TR_OFFSETS_REDIS_RESP_H
#define TR_OFFSETS_REDIS_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_REDIS_WORDS_MAX 72

enum tr_redis_kind {
    TR_REDIS_NIL = 0,
    TR_REDIS_STATUS,
    TR_REDIS_ERROR,
    TR_REDIS_INTEGER,
    TR_REDIS_TEXT,
    TR_REDIS_ARRAY,
    TR_REDIS_OTHER
};

struct tr_redis_reply {
    enum tr_redis_kind kind;
    int64_t integer;
    struct tr_span text;    /* STATUS, ERROR, TEXT; borrowed until the next take or close */
    uint32_t element_count; /* ARRAY */
    const void *elements;   /* ARRAY: for tr_redis_reply_entry; borrowed likewise */
};

struct tr_redis_resp; /* a reader of replies; opaque */

/* NULL when memory is refused. */
struct tr_redis_resp *tr_redis_resp_open(void);
/* Accepts NULL. */
void tr_redis_resp_close(struct tr_redis_resp *resp);
/* Takes bytes from the server. Errors: TR_ERR_STATE (TR_RETRY) when memory is refused. */
TR_NODISCARD enum tr_code tr_redis_resp_feed(struct tr_redis_resp *resp, struct tr_span bytes,
                                             struct tr_error *err);
/* The next whole reply: *is_there tells. Errors: TR_ERR_STATE (TR_RETRY) when the bytes are not RESP. */
TR_NODISCARD enum tr_code tr_redis_resp_take(struct tr_redis_resp *resp,
                                             struct tr_redis_reply *reply, bool *is_there,
                                             struct tr_error *err);

/*
 * Entry `index` of a reply of XRANGE: its id, and the value of its field `name` (data == NULL: it has none). False when it
 * is no stream entry. Borrowed as the reply.
 */
bool tr_redis_reply_entry(const struct tr_redis_reply *reply, uint32_t index, struct tr_span name,
                          struct tr_span *id, struct tr_span *value);

/* A command of 1..TR_REDIS_WORDS_MAX words as bytes to send; freed by tr_redis_command_free. 0 when memory is refused. */
size_t tr_redis_command_format(const struct tr_span *words, uint32_t count, char **command);
void tr_redis_command_free(char *command);

#endif
