// SPDX-License-Identifier: Apache-2.0
#include "offsets/history_redis.h"

#include <string.h>

#include "engine/assert.h"
#include "offsets/redis_session.h"

#define PAGE_COUNT_FIRST 64

static const struct tr_redis_role role = {
    .label = "schema history",
    .properties = "debezium.source.schema.history.internal.redis",
    .key_type = "stream",
};

static bool begin(struct tr_redis_session *session, enum tr_redis_command command)
{
    TR_ASSERT(session->command == TR_REDIS_COMMAND_NONE && session->result == TR_STORE_IDLE);
    if (session->is_lost) {
        session->result = TR_STORE_FAILED;
        return false;
    }
    session->command = command;
    return true;
}

static void start_load(void *self, tr_history_on_document *on_document, void *document_self,
                       int64_t now_ns)
{
    struct tr_redis_session *session = self;
    struct tr_redis_history *history = &session->history;

    if (!begin(session, TR_REDIS_COMMAND_LOAD_HISTORY)) {
        return;
    }
    history->on_document = on_document;
    history->document_self = document_self;
    history->page_count = PAGE_COUNT_FIRST;
    if (!history->is_broken_off) {
        history->last_id[0] = '\0';
    }
    history->is_broken_off = false;
    tr_redis_session_run(session, now_ns);
}

static void start_append(void *self, const struct tr_span *documents, uint32_t count,
                         int64_t now_ns)
{
    struct tr_redis_session *session = self;

    TR_ASSERT(count >= 1 && count <= TR_HISTORY_BATCH_MAX);
    if (!begin(session, TR_REDIS_COMMAND_APPEND)) {
        return;
    }
    TR_ASSERT(session->history.stored_count <= count);
    session->history.documents = documents;
    session->history.count = count;
    tr_redis_session_run(session, now_ns);
}

static enum tr_store_state poll_command(void *self, int64_t now_ns, struct tr_error *err)
{
    struct tr_redis_session *session = self;

    tr_redis_session_run(session, now_ns);
    if (session->command != TR_REDIS_COMMAND_NONE) {
        return TR_STORE_PENDING;
    }
    const enum tr_store_state result = session->result;

    session->result = TR_STORE_IDLE;
    if (result == TR_STORE_DONE) {
        session->history.stored_count = 0;
    }
    if (result == TR_STORE_FAILED) {
        *err = session->error;
        session->history.is_broken_off =
            session->result_of == TR_REDIS_COMMAND_LOAD_HISTORY && err->remedy != TR_STOP;
    }
    return result;
}

static int64_t next_deadline_ns(void *self)
{
    const struct tr_redis_session *session = self;

    return session->timer.heap_index == 0 ? INT64_MAX : session->timer.deadline_ns;
}

static void close_store(void *self)
{
    tr_redis_session_close(self);
}

enum tr_code tr_history_redis_open(struct tr_history_store *store,
                                   const struct tr_store_redis_options *options,
                                   struct tr_error *err)
{
    struct tr_store_redis_options session_options = *options;
    struct tr_redis_session *session;

    *store = (struct tr_history_store){0};
    session_options.offset_key = (struct tr_span){0};
    session_options.topic_prefix = (struct tr_span){0};
    session_options.read_only = true; /* of the session: it takes no lock */
    session_options.fault = NULL;
    if (tr_redis_session_open(&session, &session_options, &role, err) != TR_OK) {
        return err->code;
    }
    if (options->topic_prefix.bytes <
        sizeof(session->history.server)) { /* a longer one is no topic's */
        memcpy(session->history.server,
               options->topic_prefix.data == NULL ? (const uint8_t *)""
                                                  : options->topic_prefix.data,
               options->topic_prefix.bytes);
    }
    *store = (struct tr_history_store){
        .self = session,
        .name = "redis",
        .is_kept = true,
        .start_load = start_load,
        .start_append = start_append,
        .poll = poll_command,
        .next_deadline_ns = next_deadline_ns,
        .close = close_store,
    };
    return TR_OK;
}
