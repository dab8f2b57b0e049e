// SPDX-License-Identifier: Apache-2.0
#include "offsets/store_redis.h"

#include "engine/assert.h"
#include "offsets/redis_session.h"

static const struct tr_redis_role role = {
    .label = "offset store",
    .properties = "debezium.source.offset.storage.redis",
    .key_type = "hash",
};

static void start_load(void *self, int64_t now_ns)
{
    struct tr_redis_session *session = self;

    TR_ASSERT(session->command == TR_REDIS_COMMAND_NONE && session->result == TR_STORE_IDLE);
    if (session->is_lost) {
        session->result = TR_STORE_FAILED;
        return;
    }
    session->command = TR_REDIS_COMMAND_LOAD;
    tr_redis_session_run(session, now_ns);
}

static void start_save(void *self, struct tr_span offset_value, struct tr_span identity,
                       int64_t now_ns)
{
    struct tr_redis_session *session = self;

    TR_ASSERT(session->command == TR_REDIS_COMMAND_NONE && session->result == TR_STORE_IDLE);
    TR_ASSERT(!session->options.read_only);
    if (session->is_lost) {
        session->result = TR_STORE_FAILED;
        return;
    }
    session->command = TR_REDIS_COMMAND_SAVE;
    session->save_value = offset_value;
    session->save_identity = identity;
    tr_redis_session_run(session, now_ns);
}

static void start_look(void *self, int64_t now_ns)
{
    struct tr_redis_session *session = self;

    TR_ASSERT(session->command == TR_REDIS_COMMAND_NONE && session->result == TR_STORE_IDLE);
    if (session->is_lost) {
        session->result = TR_STORE_FAILED;
        return;
    }
    session->command = TR_REDIS_COMMAND_LOOK;
    tr_redis_session_run(session, now_ns);
}

static enum tr_store_state poll_command(void *self, int64_t now_ns,
                                        struct tr_store_content *content, struct tr_error *err)
{
    struct tr_redis_session *session = self;

    tr_redis_session_run(session, now_ns);
    if (session->command != TR_REDIS_COMMAND_NONE) {
        return TR_STORE_PENDING;
    }
    const enum tr_store_state result = session->result;

    session->result = TR_STORE_IDLE;
    if (result == TR_STORE_FAILED) {
        *err = session->error;
    }
    if (result == TR_STORE_DONE && session->result_of == TR_REDIS_COMMAND_LOOK) {
        content->holder = tr_span_of_text(session->holder);
    }
    if (result == TR_STORE_DONE && session->result_of == TR_REDIS_COMMAND_LOAD) {
        content->offset_value = tr_file_text_span(&session->known);
        content->identity = tr_file_text_span(&session->identity);
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

enum tr_code tr_store_redis_open(struct tr_store *store,
                                 const struct tr_store_redis_options *options, struct tr_error *err)
{
    struct tr_redis_session *session;

    *store = (struct tr_store){0};
    if (tr_redis_session_open(&session, options, &role, err) != TR_OK) {
        return err->code;
    }
    *store = (struct tr_store){
        .self = session,
        .name = "redis",
        .start_load = start_load,
        .start_save = start_save,
        .start_look = start_look,
        .poll = poll_command,
        .next_deadline_ns = next_deadline_ns,
        .close = close_store,
    };
    return TR_OK;
}
