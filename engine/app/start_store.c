// SPDX-License-Identifier: Apache-2.0
/* The store's part of the start: open it, load what it has, save the first position before anything
 * is read behind it. */
#include <stdlib.h>

#include "engine/app/start.h"
#include "engine/clock.h"
#include "offsets/store_file.h"
#include "offsets/store_memory.h"
#include "offsets/store_redis.h"

#define STORE_POLL_NS (5 * TR_NS_PER_MS)
#define OFFSET_KEY_BYTES_MAX 1024
#define COMMAND_ATTEMPTS_MAX 3 /* with somebody waiting; the engine itself goes by the setting */

uint32_t tr_start_attempts_max(const struct tr_start *start, uint64_t configured)
{
    const uint32_t attempts = (uint32_t)configured;
    return start->is_command && attempts > COMMAND_ATTEMPTS_MAX ? COMMAND_ATTEMPTS_MAX : attempts;
}

static struct tr_store_redis_options redis_options(const struct tr_start *start, struct tr_span key,
                                                   struct tr_fault *fault)
{
    const struct tr_config *config = start->config;
    return (struct tr_store_redis_options){
        .address = config->redis_address,
        .user = config->redis_user,
        .password = config->redis_password,
        .db_index = (uint32_t)config->redis_db_index,
        .key = config->redis_key,
        .offset_key = key,
        .topic_prefix = tr_span_of_text(config->topic_prefix),
        .tls = config->redis_ssl_enabled,
        .tls_no_hostname_verify = !config->redis_ssl_hostname_verification,
        .tls_ca_path = config->redis_tls_ca[0] == '\0' ? NULL : config->redis_tls_ca,
        .connect_timeout_ns = (int64_t)config->redis_connection_timeout_ms * TR_NS_PER_MS,
        .socket_timeout_ns = (int64_t)config->redis_socket_timeout_ms * TR_NS_PER_MS,
        .retry_delay_ns_min = (int64_t)config->redis_retry_initial_delay_ms * TR_NS_PER_MS,
        .retry_delay_ns_max = (int64_t)config->redis_retry_max_delay_ms * TR_NS_PER_MS,
        .retry_attempts_max = tr_start_attempts_max(start, config->redis_retry_max_attempts),
        .retry_until_ns = start->deadline_ns,
        .wait_enabled = config->redis_wait_enabled,
        .wait_timeout_ns = (int64_t)config->redis_wait_timeout_ms * TR_NS_PER_MS,
        .wait_retry_enabled = config->redis_wait_retry_enabled,
        .wait_retry_delay_ns = (int64_t)config->redis_wait_retry_delay_ms * TR_NS_PER_MS,
        .read_only = start->read_only,
        .no_lock_wait = start->is_command,
        .reactor = start->service_reactor,
        .fault = fault};
}

enum tr_code tr_start_open_store(struct tr_start *start, struct tr_fault *fault,
                                 struct tr_error *err)
{
    char key[OFFSET_KEY_BYTES_MAX];
    const struct tr_config *config = start->config;
    const size_t bytes =
        tr_position_write_key(tr_span_of_text(config->topic_prefix), key, sizeof(key));
    if (bytes == 0) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.source.topic.prefix: %zu bytes: at most %d",
                       strlen(config->topic_prefix), OFFSET_KEY_BYTES_MAX / 8);
    }
    switch (config->offset_storage) {
    case TR_CONFIG_OFFSET_MEMORY:
        return tr_store_memory_open(&start->store, err);
    case TR_CONFIG_OFFSET_REDIS: {
        const struct tr_store_redis_options options =
            redis_options(start, tr_span_of(key, bytes), fault);
        return tr_store_redis_open(&start->store, &options, err);
    }
    default:
        return tr_store_file_open(
            &start->store,
            &(struct tr_store_file_options){.path = config->offset_file,
                                            .offset_key = tr_span_of(key, bytes),
                                            .read_only = start->read_only},
            err);
    }
}

/* Turns both reactors until the store's command is done; TR_STORE_PENDING only with err (a stop was
 * asked for). */
static enum tr_store_state wait_store(struct tr_start *start, struct tr_store_content *content,
                                      struct tr_error *err)
{
    for (;;) { /* ends: each command has a deadline of the store's */
        const int64_t now = tr_clock_monotonic_ns(tr_clock_system());
        const enum tr_store_state state = start->store.poll(start->store.self, now, content, err);
        if (state != TR_STORE_PENDING) {
            return state;
        }
        (void)tr_reactor_poll(start->service_reactor, now, STORE_POLL_NS);
        if (tr_start_wait_until(start, now, err) != TR_OK) {
            return TR_STORE_PENDING;
        }
    }
}

enum tr_code tr_start_load_store(struct tr_start *start, struct tr_store_content *content,
                                 struct tr_error *err)
{
    for (;;) { /* ends: by an answer, or by the store's own limit of attempts */
        start->store.start_load(start->store.self, tr_clock_monotonic_ns(tr_clock_system()));
        const enum tr_store_state state = wait_store(start, content, err);
        if (state == TR_STORE_DONE) {
            return TR_OK;
        }
        if (state == TR_STORE_PENDING || !tr_start_may_retry(start, err)) {
            return err->code;
        }
    }
}

enum tr_code tr_start_save_first(struct tr_start *start, struct tr_error *err)
{
    char *value = malloc(TR_STORE_TEXT_BYTES_MAX);
    char identity[TR_IDENTITY_TEXT_BYTES_MAX];
    struct tr_identity record = start->identity;

    record.schema_fingerprint = start->fingerprint;
    if (start->history.is_kept) {
        record.history = start->history_seal;
    }
    record.point = start->position.point;
    record.saved_unix_ms = tr_clock_wall_unix_ns(tr_clock_system()) / TR_NS_PER_MS;
    const size_t bytes =
        value == NULL ? 0
                      : tr_position_write_json(&start->position, value, TR_STORE_TEXT_BYTES_MAX);
    const size_t identity_bytes = tr_identity_write_json(&record, identity, sizeof(identity));
    if (bytes == 0 || identity_bytes == 0) {
        free(value);
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "start: the position does not fit %d bytes: its GTID set is too fragmented",
                       TR_STORE_TEXT_BYTES_MAX);
    }
    free(start->stored_value);
    start->stored_value = value;
    start->stored_bytes = bytes;
    return tr_start_save_store(start, tr_span_of(value, bytes),
                               tr_span_of(identity, identity_bytes), err);
}

enum tr_code tr_start_save_store(struct tr_start *start, struct tr_span offset_value,
                                 struct tr_span identity, struct tr_error *err)
{
    for (;;) { /* ends: as above */
        start->store.start_save(start->store.self, offset_value, identity,
                                tr_clock_monotonic_ns(tr_clock_system()));
        const enum tr_store_state state = wait_store(start, NULL, err);
        if (state == TR_STORE_DONE) {
            return TR_OK;
        }
        if (state == TR_STORE_PENDING || !tr_start_may_retry(start, err)) {
            return err->code;
        }
    }
}

enum tr_code tr_start_look_store(struct tr_start *start, struct tr_span *holder,
                                 struct tr_error *err)
{
    struct tr_store_content content = {0};
    *holder = (struct tr_span){0};
    if (start->store.start_look == NULL) {
        return TR_OK; /* nobody else can see a memory store */
    }
    start->store.start_look(start->store.self, tr_clock_monotonic_ns(tr_clock_system()));
    if (wait_store(start, &content, err) != TR_STORE_DONE) {
        return err->code;
    }
    *holder = content.holder;
    return TR_OK;
}
