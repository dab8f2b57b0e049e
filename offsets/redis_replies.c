// SPDX-License-Identifier: Apache-2.0
/* What each reply means to the session. */
#include <stdio.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "offsets/redis_error.h"
#include "offsets/redis_session.h"

#define LOCK_NS (TR_REDIS_LOCK_MS * TR_NS_PER_MS)
#define LOCK_RENEW_NS (LOCK_NS / 3)
#define LOCK_LOOK_NS (1 * TR_NS_PER_S) /* how often a held lock is tried */
#define HOLDER_BYTES_SHOWN 120

/* KEYS: offsets, records. ARGV: field. The record, if the offset is the one that it was written
 * with (save_script). */
static const char identity_script[] =
    "local v=redis.call('HGET',KEYS[1],ARGV[1]) "
    "if v and redis.sha1hex(v)==redis.call('HGET',KEYS[2],ARGV[1]..':sha1') then "
    "return redis.call('HGET',KEYS[2],ARGV[1]) end return false";

/* "host:process" out of a lock's value. */
static void copy_holder(struct tr_span value, char *out, size_t room_bytes)
{
    const uint8_t *const blank =
        value.bytes == 0 ? NULL : (const uint8_t *)memchr(value.data, ' ', value.bytes);
    const uint8_t *const name = blank == NULL ? value.data : blank + 1;
    const size_t left_bytes =
        blank == NULL ? value.bytes : (size_t)(value.data + value.bytes - name);
    const int name_bytes = left_bytes < HOLDER_BYTES_SHOWN ? (int)left_bytes : HOLDER_BYTES_SHOWN;

    (void)snprintf(out, room_bytes, "%.*s", name_bytes, name_bytes == 0 ? "" : (const char *)name);
}

/* Someone else has the lock. At the start it gets its time to expire: a predecessor may have
 * died.
 */
static void lock_is_held(struct tr_redis_session *session, struct tr_span holder)
{
    const bool may_wait = !session->was_ready && !session->options.no_lock_wait;
    char name[HOLDER_BYTES_SHOWN + 1];
    struct tr_error err;

    copy_holder(holder, name, sizeof(name));
    if (may_wait && session->lock_give_up_ns == 0) {
        session->lock_give_up_ns = session->now_ns + LOCK_NS + LOCK_LOOK_NS;
        TR_LOG(TR_LOG_INFO, "store_redis.lock_held", TR_TEXT("key", session->lock_key),
               TR_INT("wait_ms", TR_REDIS_LOCK_MS));
    }
    if (may_wait && session->now_ns < session->lock_give_up_ns) {
        TR_COVER("store_redis.lock_waited_for");
        session->phase = TR_REDIS_PHASE_LOCK_PAUSE;
        session->pause_ns = session->now_ns + LOCK_LOOK_NS;
        return;
    }
    (void)TR_FAIL(&err, TR_ERR_LOCKED, TR_STOP,
                  "offset store Redis %s: key \"%s\" is held by %s: stop that "
                  "instance, or give this one a debezium.source.offset.storage.redis.key of its "
                  "own; if it is gone "
                  "for good: DEL the key",
                  session->address, session->lock_key, name);
    tr_redis_session_stop_for_good(session, &err);
}

static void lock_is_ours(struct tr_redis_session *session)
{
    session->renew_ns = session->now_ns + LOCK_RENEW_NS;
    tr_redis_session_be_ready(session);
}

static void lock_holder_answered(struct tr_redis_session *session,
                                 const struct tr_redis_reply *reply)
{
    if (reply->kind == TR_REDIS_NIL) {
        tr_redis_session_ask_lock(session); /* expired in between */
    } else if (tr_span_equals(reply->text, TR_WORD(session->lock_value))) {
        lock_is_ours(session);
        session->renew_ns = session->now_ns; /* who knows how much of it is left */
    } else {
        lock_is_held(session, reply->text);
    }
}

static void offset_loaded(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    struct tr_error err;

    if (tr_file_text_set(&session->known, reply->text, &err) != TR_OK) {
        tr_redis_session_stop_for_good(session, &err);
        return;
    }
    TR_REDIS_ASK(session, TR_REDIS_PHASE_LOAD_IDENTITY, TR_WORD("EVAL"), TR_WORD(identity_script),
                 TR_WORD("2"), TR_WORD(session->key), TR_WORD(session->identity_key),
                 tr_file_text_span(&session->field));
}

static void identity_loaded(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    struct tr_error err;

    tr_redis_session_be_ready(session);
    if (tr_file_text_set(&session->identity, reply->text, &err) != TR_OK) {
        tr_redis_session_stop_for_good(session, &err);
        return;
    }
    tr_redis_session_finish(session, TR_STORE_DONE);
}

static void look_answered(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    copy_holder(reply->kind == TR_REDIS_NIL ? (struct tr_span){0} : reply->text, session->holder,
                sizeof(session->holder));
    tr_redis_session_be_ready(session);
    tr_redis_session_finish(session, TR_STORE_DONE);
}

static void save_answered(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    struct tr_error err;

    if (tr_span_equals(reply->text, TR_WORD("lock"))) {
        TR_COVER("store_redis.lock_expired");
        tr_redis_session_ask_lock(
            session); /* expired, or the server forgot it: the save comes again after it */
        return;
    }
    if (!tr_span_equals(reply->text, TR_WORD("ok"))) {
        (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP,
                      "offset store Redis %s: our entry of \"%s\" was changed by another program "
                      "since we read it; stop that program (a Debezium Server with the same "
                      "debezium.source.topic.prefix?), then start again",
                      session->address, session->key);
        tr_redis_session_stop_for_good(session, &err);
        return;
    }
    session->renew_ns = session->now_ns + LOCK_RENEW_NS;
    if (session->options.wait_enabled) {
        tr_redis_session_ask_wait(session);
        return;
    }
    tr_redis_session_be_ready(session);
    tr_redis_session_finish(session, TR_STORE_DONE);
}

static void replicas_answered(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    if (reply->integer < 1 && session->options.wait_retry_enabled) {
        TR_COVER("store_redis.wait_repeated");
        session->phase = TR_REDIS_PHASE_WAIT_PAUSE;
        session->pause_ns = session->now_ns + session->options.wait_retry_delay_ns;
        return;
    }
    if (reply->integer < 1) {
        TR_LOG(TR_LOG_WARN, "store_redis.no_replica", TR_TEXT("address", session->address),
               TR_INT("wait_ms", session->options.wait_timeout_ns / TR_NS_PER_MS));
    }
    tr_redis_session_be_ready(session);
    tr_redis_session_finish(session, TR_STORE_DONE);
}

static const char *phase_name(enum tr_redis_phase phase)
{
    static const char *const names[] = {
        [TR_REDIS_PHASE_AUTH] = "AUTH",
        [TR_REDIS_PHASE_SELECT] = "SELECT",
        [TR_REDIS_PHASE_LOCK] = "taking the lock",
        [TR_REDIS_PHASE_LOCK_HOLDER] = "reading the lock",
        [TR_REDIS_PHASE_LOAD_OFFSET] = "reading the offset",
        [TR_REDIS_PHASE_LOAD_IDENTITY] = "reading the source identity",
        [TR_REDIS_PHASE_LOOK] = "looking whether it can be written",
        [TR_REDIS_PHASE_SAVE] = "saving the offset",
        [TR_REDIS_PHASE_WAIT] = "WAIT",
        [TR_REDIS_PHASE_RENEW] = "renewing the lock",
        [TR_REDIS_PHASE_UNLOCK] = "giving the lock back",
        [TR_REDIS_PHASE_PAGE] = "reading the stream",
        [TR_REDIS_PHASE_APPEND] = "adding to the stream",
        [TR_REDIS_PHASE_COMPARE] = "reading the end of the stream",
    };

    return names[phase];
}

static void error_answered(struct tr_redis_session *session, struct tr_span reply)
{
    struct tr_error err;

    (void)tr_redis_error(reply, phase_name(session->phase), session->role, &err);
    if ((session->phase == TR_REDIS_PHASE_SAVE || session->phase == TR_REDIS_PHASE_APPEND) &&
        err.remedy == TR_RETRY) {
        /* The server is well and says not now: no reason to hang up. */
        TR_COVER("store_redis.save_refused");
        (void)tr_error_prefix(&err, "%s Redis %s", session->role->label, session->address);
        tr_redis_session_be_ready(session);
        tr_redis_session_finish_failed(session, &err);
        return;
    }
    tr_redis_session_fail(session, &err);
}

/* Ends the phase that waited; always true: there is something to do after it. */
bool tr_redis_session_on_reply(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    if (reply->kind == TR_REDIS_ERROR) {
        error_answered(session, reply->text);
        return true;
    }
    switch (session->phase) {
    case TR_REDIS_PHASE_AUTH:
        tr_redis_session_ask_select(session);
        break;
    case TR_REDIS_PHASE_SELECT:
        if (session->options.read_only) {
            tr_redis_session_be_ready(session);
        } else {
            tr_redis_session_ask_lock(session);
        }
        break;
    case TR_REDIS_PHASE_LOCK:
        if (reply->kind == TR_REDIS_STATUS) {
            lock_is_ours(session);
        } else {
            TR_REDIS_ASK(session, TR_REDIS_PHASE_LOCK_HOLDER, TR_WORD("GET"),
                         TR_WORD(session->lock_key));
        }
        break;
    case TR_REDIS_PHASE_LOCK_HOLDER:
        lock_holder_answered(session, reply);
        break;
    case TR_REDIS_PHASE_LOAD_OFFSET:
        offset_loaded(session, reply);
        break;
    case TR_REDIS_PHASE_LOAD_IDENTITY:
        identity_loaded(session, reply);
        break;
    case TR_REDIS_PHASE_LOOK:
        look_answered(session, reply);
        break;
    case TR_REDIS_PHASE_SAVE:
        save_answered(session, reply);
        break;
    case TR_REDIS_PHASE_WAIT:
        replicas_answered(session, reply);
        break;
    case TR_REDIS_PHASE_RENEW:
        if (reply->integer == 1) {
            lock_is_ours(session);
        } else {
            tr_redis_session_ask_lock(session);
        }
        break;
    case TR_REDIS_PHASE_UNLOCK:
        session->phase = TR_REDIS_PHASE_DOWN;
        break;
    case TR_REDIS_PHASE_PAGE:
    case TR_REDIS_PHASE_APPEND:
    case TR_REDIS_PHASE_COMPARE:
        tr_redis_history_on_reply(session, reply);
        break;
    case TR_REDIS_PHASE_DOWN:
    case TR_REDIS_PHASE_CONNECTING:
    case TR_REDIS_PHASE_LOCK_PAUSE:
    case TR_REDIS_PHASE_WAIT_PAUSE:
    case TR_REDIS_PHASE_READY:
        break;
    }
    return true;
}
