// SPDX-License-Identifier: Apache-2.0
#include "offsets/redis_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"

#define RESOLVE_LOOK_NS (2 * TR_NS_PER_MS)
#define UNLOCK_POLLS_MAX 50
#define UNLOCK_POLL_NS (10 * TR_NS_PER_MS)
#define PHASES_PER_RUN 32

/*
 * KEYS: offsets, records, lock. ARGV: lock, field, value as loaded, value, record, lock's time.
 * A digest of what we wrote lies beside the record: so the check needs no memory of saves whose
 * outcome we never learnt.
 */
static const char save_script[] =
    "if redis.call('GET',KEYS[3])~=ARGV[1] then return 'lock' end "
    "local v=redis.call('HGET',KEYS[1],ARGV[2]) or '' "
    "local d=ARGV[2]..':sha1' "
    "if v~='' and v~=ARGV[3] and redis.sha1hex(v)~=redis.call('HGET',KEYS[2],d) then "
    "return 'changed' end "
    "redis.call('HSET',KEYS[1],ARGV[2],ARGV[4]) "
    "redis.call('HSET',KEYS[2],ARGV[2],ARGV[5]) "
    "redis.call('HSET',KEYS[2],d,redis.sha1hex(ARGV[4])) "
    "redis.call('PEXPIRE',KEYS[3],ARGV[6]) return 'ok'";
static const char renew_script[] =
    "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('PEXPIRE',KEYS[1],ARGV[2]) end "
    "return 0";
static const char unlock_script[] =
    "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0";

/*
 * KEYS: offsets, records, lock, one that nobody has. ARGV: a field that nobody has. Commands that
 * write, but change nothing: refused wherever those of a save would be.
 */
static const char look_script[] = "redis.call('HDEL',KEYS[1],ARGV[1]) "
                                  "redis.call('HDEL',KEYS[2],ARGV[1]) "
                                  "redis.call('SET',KEYS[4],'','XX') "
                                  "return redis.call('GET',KEYS[3])";

static bool run_phase(struct tr_redis_session *session);

/* --- commands and their ends --- */

void tr_redis_session_finish(struct tr_redis_session *session, enum tr_store_state result)
{
    session->result_of = session->command;
    session->command = TR_REDIS_COMMAND_NONE;
    session->result = result;
}

void tr_redis_session_finish_failed(struct tr_redis_session *session, const struct tr_error *err)
{
    session->error = *err;
    tr_redis_session_finish(session, TR_STORE_FAILED);
}

/* For good: told to whoever waits for a command, or to the engine. */
void tr_redis_session_stop_for_good(struct tr_redis_session *session, const struct tr_error *err)
{
    session->is_lost = true;
    session->error = *err;
    session->phase = TR_REDIS_PHASE_DOWN;
    tr_redis_link_drop(session->link);
    if (session->command != TR_REDIS_COMMAND_NONE) {
        tr_redis_session_finish(session, TR_STORE_FAILED);
    } else if (session->options.fault != NULL) {
        tr_fault_raise(session->options.fault, err);
    }
}

/* The connection is given up; the next one is due after a delay that doubles. */
void tr_redis_session_fail(struct tr_redis_session *session, struct tr_error *err)
{
    (void)tr_error_prefix(err, "%s Redis %s", session->role->label, session->address);
    tr_redis_link_drop(session->link);
    session->phase = TR_REDIS_PHASE_DOWN;
    session->attempt_count++;
    session->retry_delay_ns = session->retry_delay_ns == 0 ? session->options.retry_delay_ns_min
                                                           : session->retry_delay_ns * 2;
    if (session->retry_delay_ns > session->options.retry_delay_ns_max) {
        session->retry_delay_ns = session->options.retry_delay_ns_max;
    }
    session->retry_ns = session->now_ns + session->retry_delay_ns;
    if (err->remedy == TR_STOP) {
        tr_redis_session_stop_for_good(session, err);
        return;
    }
    if (session->was_ready) {
        TR_COVER("store_redis.lost");
        err->remedy = TR_RETRY;
        if (session->command != TR_REDIS_COMMAND_NONE) {
            tr_redis_session_finish_failed(session, err);
        }
        return;
    }
    if (session->attempt_count >= session->options.retry_attempts_max &&
        session->now_ns >= session->options.retry_until_ns) {
        char text[TR_ERROR_TEXT_BYTES / 2];

        (void)snprintf(text, sizeof(text), "%.500s", err->text);
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                      "%s; given up after %" PRIu32
                      " attempts: check %s.address and that the server runs, then start again",
                      text, session->attempt_count, session->role->properties);
        tr_redis_session_stop_for_good(session, err);
        return;
    }
    TR_LOG(TR_LOG_WARN, "store_redis.retry", TR_TEXT("error", err->text),
           TR_INT("delay_ms", session->retry_delay_ns / TR_NS_PER_MS));
}

/* Sends a command and waits for its reply in `phase`. */
void tr_redis_session_ask(struct tr_redis_session *session, enum tr_redis_phase phase,
                          const struct tr_span *words, uint32_t count)
{
    struct tr_error err;

    session->phase = phase;
    session->deadline_ns = session->now_ns + session->options.socket_timeout_ns;
    if (phase == TR_REDIS_PHASE_WAIT) {
        session->deadline_ns += session->options.wait_timeout_ns;
    }
    if (tr_redis_link_command(session->link, words, count, &err) != TR_OK) {
        tr_redis_session_fail(session, &err);
    }
}

static const char lock_ms_text[] = "30000";
_Static_assert(TR_REDIS_LOCK_MS == 30000, "lock_ms_text");

void tr_redis_session_ask_select(struct tr_redis_session *session)
{
    char index[16];

    (void)snprintf(index, sizeof(index), "%" PRIu32, session->options.db_index);
    TR_REDIS_ASK(session, TR_REDIS_PHASE_SELECT, TR_WORD("SELECT"), TR_WORD(index));
}

static void ask_auth(struct tr_redis_session *session)
{
    if (session->password[0] == '\0') {
        tr_redis_session_ask_select(session);
    } else if (session->user[0] == '\0') {
        TR_REDIS_ASK(session, TR_REDIS_PHASE_AUTH, TR_WORD("AUTH"), TR_WORD(session->password));
    } else {
        TR_REDIS_ASK(session, TR_REDIS_PHASE_AUTH, TR_WORD("AUTH"), TR_WORD(session->user),
                     TR_WORD(session->password));
    }
}

void tr_redis_session_ask_lock(struct tr_redis_session *session)
{
    TR_REDIS_ASK(session, TR_REDIS_PHASE_LOCK, TR_WORD("SET"), TR_WORD(session->lock_key),
                 TR_WORD(session->lock_value), TR_WORD("NX"), TR_WORD("PX"), TR_WORD(lock_ms_text));
}

static void ask_save(struct tr_redis_session *session)
{
    TR_REDIS_ASK(session, TR_REDIS_PHASE_SAVE, TR_WORD("EVAL"), TR_WORD(save_script), TR_WORD("3"),
                 TR_WORD(session->key), TR_WORD(session->identity_key), TR_WORD(session->lock_key),
                 TR_WORD(session->lock_value), tr_file_text_span(&session->field),
                 tr_file_text_span(&session->known), session->save_value, session->save_identity,
                 TR_WORD(lock_ms_text));
}

static void ask_look(struct tr_redis_session *session)
{
    char nobodys_key[sizeof(session->identity_key) + 16];

    (void)snprintf(nobodys_key, sizeof(nobodys_key), "%s:look", session->identity_key);
    TR_REDIS_ASK(session, TR_REDIS_PHASE_LOOK, TR_WORD("EVAL"), TR_WORD(look_script), TR_WORD("4"),
                 TR_WORD(session->key), TR_WORD(session->identity_key), TR_WORD(session->lock_key),
                 TR_WORD(nobodys_key), TR_WORD("tailrace:look"));
}

void tr_redis_session_ask_wait(struct tr_redis_session *session)
{
    char timeout_ms[24];

    (void)snprintf(timeout_ms, sizeof(timeout_ms), "%" PRId64,
                   session->options.wait_timeout_ns / TR_NS_PER_MS);
    TR_REDIS_ASK(session, TR_REDIS_PHASE_WAIT, TR_WORD("WAIT"), TR_WORD("1"), TR_WORD(timeout_ms));
}

void tr_redis_session_be_ready(struct tr_redis_session *session)
{
    session->phase = TR_REDIS_PHASE_READY;
    session->was_ready = true;
    session->attempt_count = 0;
    session->retry_delay_ns = 0;
    session->lock_give_up_ns = 0;
}

/* --- the session --- */

static bool waits_for_reply(enum tr_redis_phase phase)
{
    return phase >= TR_REDIS_PHASE_AUTH;
}

/* Asks for what the command wants, or for the lock to live on; false when neither is due. */
static bool ask_what_is_due(struct tr_redis_session *session)
{
    if (session->command == TR_REDIS_COMMAND_LOAD) {
        TR_REDIS_ASK(session, TR_REDIS_PHASE_LOAD_OFFSET, TR_WORD("HGET"), TR_WORD(session->key),
                     tr_file_text_span(&session->field));
    } else if (session->command == TR_REDIS_COMMAND_SAVE) {
        ask_save(session);
    } else if (session->command == TR_REDIS_COMMAND_LOOK) {
        ask_look(session);
    } else if (session->command == TR_REDIS_COMMAND_LOAD_HISTORY) {
        tr_redis_history_ask_page(session);
    } else if (session->command == TR_REDIS_COMMAND_APPEND) {
        tr_redis_history_ask_append(session);
    } else if (!session->options.read_only && session->now_ns >= session->renew_ns) {
        TR_REDIS_ASK(session, TR_REDIS_PHASE_RENEW, TR_WORD("EVAL"), TR_WORD(renew_script),
                     TR_WORD("1"), TR_WORD(session->lock_key), TR_WORD(session->lock_value),
                     TR_WORD(lock_ms_text));
    } else {
        return false;
    }
    return true;
}

/* One move of the state machine; false when there is nothing to do before an event. */
static bool run_phase(struct tr_redis_session *session)
{
    const bool wants_session = session->command != TR_REDIS_COMMAND_NONE ||
                               (session->was_ready && !session->options.read_only);
    struct tr_redis_reply reply;

    switch (session->phase) {
    case TR_REDIS_PHASE_DOWN:
        if (!wants_session || session->is_lost || session->now_ns < session->retry_ns) {
            return false;
        }
        session->phase = TR_REDIS_PHASE_CONNECTING;
        session->deadline_ns = session->now_ns + session->options.connect_timeout_ns;
        tr_redis_link_connect(session->link);
        return true;
    case TR_REDIS_PHASE_CONNECTING:
        tr_redis_link_poll(session->link);
        if (tr_redis_link_state(session->link) != TR_REDIS_READY) {
            return false;
        }
        ask_auth(session);
        return true;
    case TR_REDIS_PHASE_LOCK_PAUSE:
    case TR_REDIS_PHASE_WAIT_PAUSE:
        if (session->now_ns < session->pause_ns) {
            return false;
        }
        if (session->phase == TR_REDIS_PHASE_LOCK_PAUSE) {
            tr_redis_session_ask_lock(session);
        } else {
            tr_redis_session_ask_wait(session);
        }
        return true;
    case TR_REDIS_PHASE_READY:
        return ask_what_is_due(session);
    case TR_REDIS_PHASE_AUTH:
    case TR_REDIS_PHASE_SELECT:
    case TR_REDIS_PHASE_LOCK:
    case TR_REDIS_PHASE_LOCK_HOLDER:
    case TR_REDIS_PHASE_LOAD_OFFSET:
    case TR_REDIS_PHASE_LOAD_IDENTITY:
    case TR_REDIS_PHASE_LOOK:
    case TR_REDIS_PHASE_SAVE:
    case TR_REDIS_PHASE_WAIT:
    case TR_REDIS_PHASE_RENEW:
    case TR_REDIS_PHASE_UNLOCK:
    case TR_REDIS_PHASE_PAGE:
    case TR_REDIS_PHASE_APPEND:
    case TR_REDIS_PHASE_COMPARE:
        return tr_redis_link_take_reply(session->link, &reply) &&
               tr_redis_session_on_reply(session, &reply);
    }
    return false;
}

/* A deadline that passed, or a link that went down. */
static void check_link(struct tr_redis_session *session)
{
    struct tr_error err;

    if (session->phase == TR_REDIS_PHASE_DOWN) {
        return;
    }
    if (tr_redis_link_state(session->link) == TR_REDIS_DOWN) {
        const struct tr_error *why = tr_redis_link_error(session->link);

        TR_ASSERT(why != NULL);
        err = *why;
        tr_redis_session_fail(session, &err);
        return;
    }
    if ((session->phase == TR_REDIS_PHASE_CONNECTING || waits_for_reply(session->phase)) &&
        session->now_ns >= session->deadline_ns) {
        const bool connects = session->phase == TR_REDIS_PHASE_CONNECTING;

        TR_COVER("store_redis.timeout");
        (void)TR_FAIL(
            &err, TR_ERR_STATE, TR_RETRY, "%s within %" PRId64 " ms (%s)",
            connects ? "not connected" : "no answer",
            (connects ? session->options.connect_timeout_ns : session->options.socket_timeout_ns) /
                TR_NS_PER_MS,
            connects ? "connection.timeout.ms" : "socket.timeout.ms");
        tr_redis_session_fail(session, &err);
    }
}

/* When this must run again if nothing else happens. */
static int64_t next_moment(const struct tr_redis_session *session)
{
    if (waits_for_reply(session->phase)) {
        return session->deadline_ns;
    }
    switch (session->phase) {
    case TR_REDIS_PHASE_DOWN:
        return session->is_lost || (session->command == TR_REDIS_COMMAND_NONE &&
                                    (!session->was_ready || session->options.read_only))
                   ? INT64_MAX
                   : session->retry_ns;
    case TR_REDIS_PHASE_CONNECTING:
        return tr_redis_link_state(session->link) == TR_REDIS_RESOLVING
                   ? session->now_ns + RESOLVE_LOOK_NS
                   : session->deadline_ns;
    case TR_REDIS_PHASE_LOCK_PAUSE:
    case TR_REDIS_PHASE_WAIT_PAUSE:
        return session->pause_ns;
    case TR_REDIS_PHASE_READY:
        return session->options.read_only ? INT64_MAX : session->renew_ns;
    case TR_REDIS_PHASE_AUTH:
    case TR_REDIS_PHASE_SELECT:
    case TR_REDIS_PHASE_LOCK:
    case TR_REDIS_PHASE_LOCK_HOLDER:
    case TR_REDIS_PHASE_LOAD_OFFSET:
    case TR_REDIS_PHASE_LOAD_IDENTITY:
    case TR_REDIS_PHASE_LOOK:
    case TR_REDIS_PHASE_SAVE:
    case TR_REDIS_PHASE_WAIT:
    case TR_REDIS_PHASE_RENEW:
    case TR_REDIS_PHASE_UNLOCK:
    case TR_REDIS_PHASE_PAGE:
    case TR_REDIS_PHASE_APPEND:
    case TR_REDIS_PHASE_COMPARE:
        break;
    }
    return INT64_MAX;
}

void tr_redis_session_run(struct tr_redis_session *session, int64_t now_ns)
{
    session->now_ns = now_ns;
    for (int i = 0; i < PHASES_PER_RUN && run_phase(session); i++) {
    }
    check_link(session);
    const int64_t next_ns = next_moment(session);

    if (next_ns == INT64_MAX) {
        tr_reactor_timer_cancel(session->options.reactor, &session->timer);
    } else {
        tr_reactor_timer_set(session->options.reactor, &session->timer, next_ns);
    }
}

void tr_redis_session_on_timer(void *self, int64_t now_ns)
{
    tr_redis_session_run(self, now_ns);
}

/* From the reactor or from inside our own calls: the work is done by the timer, which knows the
 * time. */
void tr_redis_session_on_change(void *self)
{
    struct tr_redis_session *session = self;

    tr_reactor_timer_set(session->options.reactor, &session->timer, session->now_ns);
}

void tr_redis_session_unlock(struct tr_redis_session *session)
{
    const bool holds = session->phase == TR_REDIS_PHASE_READY && !session->options.read_only;

    session->was_ready = false; /* no new session */
    if (!holds) {
        return;
    }
    TR_REDIS_ASK(session, TR_REDIS_PHASE_UNLOCK, TR_WORD("EVAL"), TR_WORD(unlock_script),
                 TR_WORD("1"), TR_WORD(session->lock_key), TR_WORD(session->lock_value));
    for (int i = 0; i < UNLOCK_POLLS_MAX && session->phase == TR_REDIS_PHASE_UNLOCK; i++) {
        (void)tr_reactor_poll(session->options.reactor, session->now_ns, UNLOCK_POLL_NS);
        tr_redis_session_run(session, session->now_ns);
    }
}
