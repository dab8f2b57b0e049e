// SPDX-License-Identifier: Apache-2.0
/* What an error reply of Redis means, and what to do about it. */
#ifndef TR_OFFSETS_REDIS_ERROR_H
#define TR_OFFSETS_REDIS_ERROR_H

#include "engine/bytes.h"
#include "engine/error.h"

/* What is kept there, in the words of its messages; all static. */
struct tr_redis_role {
    const char *label;      /* "offset store" */
    const char *properties; /* what its options begin with, without the last dot */
    const char *key_type;   /* "hash" */
};

/*
 * Fills `err` from the text of an error reply to `what` (e.g. "AUTH"). TR_STOP where an operator must act, TR_RETRY where it
 * may pass on this connection, TR_RECONNECT where another connection may reach a better server. The text of the reply is
 * quoted but for AUTH, whose words never appear.
 */
enum tr_code tr_redis_error(struct tr_span reply, const char *what,
                            const struct tr_redis_role *role, struct tr_error *err);

#endif
