// SPDX-License-Identifier: Apache-2.0
/*
 * Debezium's stream of the schema history (contract §5.5): XADD <key> * schema <document>.
 *
 * Documents are added by a script that first looks whether the stream ends where we left it: so one
 * whose answer was lost is recognised and not repeated, and a stream that another program wrote to,
 * or that was deleted, stops the store. No lock: the offset store's keeps a second instance out.
 * @thread the reactor's
 */
#ifndef TR_OFFSETS_HISTORY_REDIS_H
#define TR_OFFSETS_HISTORY_REDIS_H

#include "offsets/history_store.h"
#include "offsets/store_redis.h"

/*
 * Opens the store; it connects with its first command. Of the options those after
 * `schema.history.internal.redis.` count (key: "metadata:debezium:schema_history"), and retry_until_ns,
 * reactor; offset_key, topic_prefix, read_only, no_lock_wait and fault do not.
 * Errors: TR_ERR_CONFIG (address, TLS files), TR_ERR_SYSTEM. Later: TR_ERR_STATE naming the address.
 * Close it while the reactor is open.
 */
TR_NODISCARD enum tr_code tr_history_redis_open(struct tr_history_store *store,
                                                const struct tr_store_redis_options *options,
                                                struct tr_error *err);

#endif
