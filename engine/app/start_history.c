// SPDX-License-Identifier: Apache-2.0
#include "engine/app/start_history.h"

#include <inttypes.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "offsets/history_file.h"
#include "offsets/history_memory.h"
#include "offsets/history_redis.h"
#include "offsets/history_source.h"

#define HISTORY_POLL_NS (5 * TR_NS_PER_MS)

static struct tr_store_redis_options redis_options(const struct tr_start *start)
{
    const struct tr_config *config = start->config;
    return (struct tr_store_redis_options){
        .address = config->history_redis_address,
        .user = config->history_redis_user,
        .password = config->history_redis_password,
        .db_index = (uint32_t)config->history_redis_db_index,
        .key = config->history_redis_key,
        .topic_prefix = tr_span_of_text(config->topic_prefix),
        .tls = config->history_redis_ssl_enabled,
        .tls_no_hostname_verify = !config->history_redis_ssl_hostname_verification,
        .tls_ca_path = config->redis_tls_ca[0] == '\0' ? NULL : config->redis_tls_ca,
        .connect_timeout_ns = (int64_t)config->history_redis_connection_timeout_ms * TR_NS_PER_MS,
        .socket_timeout_ns = (int64_t)config->history_redis_socket_timeout_ms * TR_NS_PER_MS,
        .retry_delay_ns_min = (int64_t)config->history_redis_retry_initial_delay_ms * TR_NS_PER_MS,
        .retry_delay_ns_max = (int64_t)config->history_redis_retry_max_delay_ms * TR_NS_PER_MS,
        .retry_attempts_max =
            tr_start_attempts_max(start, config->history_redis_retry_max_attempts),
        .retry_until_ns = start->deadline_ns,
        .wait_enabled = config->history_redis_wait_enabled,
        .wait_timeout_ns = (int64_t)config->history_redis_wait_timeout_ms * TR_NS_PER_MS,
        .wait_retry_enabled = config->history_redis_wait_retry_enabled,
        .wait_retry_delay_ns = (int64_t)config->history_redis_wait_retry_delay_ms * TR_NS_PER_MS,
        .reactor = start->service_reactor};
}

enum tr_code tr_start_open_history(struct tr_start *start, struct tr_error *err)
{
    const struct tr_config *config = start->config;
    start->history = (struct tr_history_store){0};
    switch (config->history_storage) {
    case TR_CONFIG_HISTORY_FILE:
        return tr_history_file_open(
            &start->history,
            &(struct tr_history_file_options){.path = config->history_file,
                                              .server = tr_span_of_text(config->topic_prefix),
                                              .read_only = start->read_only},
            err);
    case TR_CONFIG_HISTORY_REDIS: {
        const struct tr_store_redis_options options = redis_options(start);
        return tr_history_redis_open(&start->history, &options, err);
    }
    case TR_CONFIG_HISTORY_MEMORY:
        return tr_history_memory_open(&start->history, err);
    default:
        return TR_OK;
    }
}

/* Seals what goes through. */
struct sealing {
    struct tr_start *start;
    tr_history_on_document *on_document;
    void *self;
};

/* Where it is and what to do, for both ways in which a history is not the one that we left. */
static const char seal_remedy[] =
    "restore it from a backup; where you changed it on purpose delete our record beside the offset "
    "(FILE.tailrace, or the Redis key that ends in :tailrace) and start again";

static enum tr_code seal_document(void *self, struct tr_span document, struct tr_error *err)
{
    const struct sealing *sealing = self;
    struct tr_start *start = sealing->start;
    if (tr_history_is_of_another(document, tr_span_of_text(start->config->topic_prefix))) {
        return sealing->on_document == NULL ? TR_OK
                                            : sealing->on_document(sealing->self, document, err);
    }
    tr_history_seal_add(&start->history_seal, document);
    if (tr_history_seal_is_other(&start->history_seal, &start->history_wanted)) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "the first %" PRIu64 " documents are not those that were stored when the "
                       "position was saved: the history was edited; %s",
                       start->history_seal.document_count, seal_remedy);
    }
    return sealing->on_document == NULL ? TR_OK
                                        : sealing->on_document(sealing->self, document, err);
}

static enum tr_code check_seal(const struct tr_start *start, struct tr_error *err)
{
    if (!tr_history_seal_is_short(&start->history_seal, &start->history_wanted)) {
        return TR_OK;
    }
    return TR_FAIL(
        err, TR_ERR_STATE, TR_STOP,
        "schema history (%s%s%s) = %" PRIu64 " documents: %" PRIu64
        " were stored when the position was saved: the history was truncated, or is "
        "another one; %s",
        start->history.name, start->config->history_storage == TR_CONFIG_HISTORY_FILE ? " " : "",
        start->config->history_storage == TR_CONFIG_HISTORY_FILE ? start->config->history_file : "",
        start->history_seal.document_count, start->history_wanted.document_count, seal_remedy);
}

/* Turns both reactors until the command is done; TR_STORE_PENDING only with err (a stop was asked
 * for). */
static enum tr_store_state wait_history(struct tr_start *start, struct tr_error *err)
{
    for (;;) { /* ends: each command has a deadline of the store's */
        const int64_t now = tr_clock_monotonic_ns(tr_clock_system());
        const enum tr_store_state state = start->history.poll(start->history.self, now, err);
        if (state != TR_STORE_PENDING) {
            return state;
        }
        (void)tr_reactor_poll(start->service_reactor, now, HISTORY_POLL_NS);
        if (tr_start_wait_until(start, now, err) != TR_OK) {
            return TR_STORE_PENDING;
        }
    }
}

enum tr_code tr_start_load_history(struct tr_start *start, tr_history_on_document *on_document,
                                   void *self, uint64_t *count, struct tr_error *err)
{
    struct sealing sealing = {.start = start, .on_document = on_document, .self = self};
    TR_ASSERT(start->history.self != NULL);
    start->history_seal = (struct tr_history_seal){0};
    for (;;) { /* ends: by an answer, or by the store's own limit of attempts */
        start->history.start_load(start->history.self, seal_document, &sealing,
                                  tr_clock_monotonic_ns(tr_clock_system()));
        const enum tr_store_state state = wait_history(start, err);
        if (state == TR_STORE_DONE) {
            *count = start->history_seal.document_count;
            return check_seal(start, err);
        }
        if (state == TR_STORE_PENDING || !tr_start_may_retry(start, err)) {
            return err->code;
        }
    }
}

void tr_start_close_history(struct tr_start *start)
{
    if (start->history.self != NULL) {
        start->history.close(start->history.self);
    }
    start->history = (struct tr_history_store){0};
}
