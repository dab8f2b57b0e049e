// SPDX-License-Identifier: Apache-2.0
/*
 * The session of the Redis store: connects, logs in, holds the lock, runs one command at a time, all from `run`.
 *
 *   DOWN -> CONNECTING -> AUTH -> SELECT -> LOCK -> READY -> LOAD_* | SAVE -> WAIT | RENEW -> READY
 *                                      \-> READY -> PAGE ... | APPEND (-> COMPARE) ... -> WAIT -> READY
 *
 * Inside offsets/ only: store_redis.c and history_redis.c are the ports over it.
 * @thread the reactor's
 */
#ifndef TR_OFFSETS_REDIS_SESSION_H
#define TR_OFFSETS_REDIS_SESSION_H

#include "offsets/file_replace.h"
#include "offsets/history_store.h"
#include "offsets/redis_error.h"
#include "offsets/redis_link.h"
#include "offsets/store_redis.h"

#define TR_REDIS_NAME_BYTES_MAX 512

enum tr_redis_command {
    TR_REDIS_COMMAND_NONE = 0,
    TR_REDIS_COMMAND_LOAD,
    TR_REDIS_COMMAND_SAVE,
    TR_REDIS_COMMAND_LOOK,
    TR_REDIS_COMMAND_LOAD_HISTORY,
    TR_REDIS_COMMAND_APPEND
};

/* What the session is doing; the ones from AUTH to UNLOCK wait for the reply to one command. */
enum tr_redis_phase {
    TR_REDIS_PHASE_DOWN = 0, /* until retry_ns */
    TR_REDIS_PHASE_CONNECTING,
    TR_REDIS_PHASE_LOCK_PAUSE, /* someone holds it: until pause_ns */
    TR_REDIS_PHASE_WAIT_PAUSE, /* no replica has it yet: until pause_ns */
    TR_REDIS_PHASE_READY,
    TR_REDIS_PHASE_AUTH,
    TR_REDIS_PHASE_SELECT,
    TR_REDIS_PHASE_LOCK,
    TR_REDIS_PHASE_LOCK_HOLDER,
    TR_REDIS_PHASE_LOAD_OFFSET,
    TR_REDIS_PHASE_LOAD_IDENTITY,
    TR_REDIS_PHASE_LOOK,
    TR_REDIS_PHASE_SAVE,
    TR_REDIS_PHASE_WAIT,
    TR_REDIS_PHASE_RENEW,
    TR_REDIS_PHASE_UNLOCK,
    TR_REDIS_PHASE_PAGE,
    TR_REDIS_PHASE_APPEND,
    TR_REDIS_PHASE_COMPARE,
};

#define TR_REDIS_ENTRY_ID_BYTES_MAX 48 /* two numbers of 64 bits and a dash */

/* Of the schema history's stream. */
struct tr_redis_history {
    tr_history_on_document *on_document; /* of the load */
    void *document_self;
    uint32_t page_count;                       /* entries asked for at once */
    char last_id[TR_REDIS_ENTRY_ID_BYTES_MAX]; /* of the last entry that we know; empty: none */
    bool
        is_broken_off; /* the load failed for a passing reason: the next one goes on behind last_id */
    char server[TR_REDIS_NAME_BYTES_MAX]; /* our documents' source.server; empty: all are ours */
    const struct tr_span *documents; /* of the append; borrowed until it is done */
    uint32_t count;
    uint32_t stored_count; /* of them; kept when the append fails */
    uint32_t sent_count;   /* of them, behind the stored ones, by the script under way */
};

struct tr_redis_session {
    const struct tr_redis_role *role;
    struct tr_store_redis_options options; /* texts and spans in it are not used after open */
    char address[TR_REDIS_NAME_BYTES_MAX];
    char user[TR_REDIS_NAME_BYTES_MAX];
    char password[TR_REDIS_NAME_BYTES_MAX];
    char key[TR_REDIS_NAME_BYTES_MAX];
    char identity_key[TR_REDIS_NAME_BYTES_MAX + 16];
    char lock_key[2 * TR_REDIS_NAME_BYTES_MAX];
    char lock_value[TR_REDIS_NAME_BYTES_MAX]; /* 128 random bits in hex, blank, host and process */
    struct tr_file_text field;                /* our offset key */
    struct tr_redis_link *link;               /* owns */
    struct tr_reactor_timer timer;
    int64_t now_ns;
    enum tr_redis_phase phase;
    int64_t deadline_ns; /* of the phase, when it waits for the server */
    int64_t pause_ns;
    int64_t retry_ns;
    int64_t retry_delay_ns;
    uint32_t attempt_count;
    bool was_ready;
    int64_t lock_give_up_ns; /* 0 = not waiting for it */
    int64_t renew_ns;
    enum tr_redis_command command;
    enum tr_store_state result;
    enum tr_redis_command result_of;
    bool is_lost; /* the lock is another instance's: every command fails with `error` */
    struct tr_error error;
    struct tr_span save_value; /* borrowed until the save is done */
    struct tr_span save_identity;
    struct tr_file_text known;            /* the offset as it was loaded */
    struct tr_file_text identity;         /* likewise */
    char holder[TR_REDIS_NAME_BYTES_MAX]; /* of the last look */
    struct tr_redis_history history;
};

/* A session that is to connect with its first command; the options' texts are borrowed. `role` is static. Errors:
 * TR_ERR_CONFIG, TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_redis_session_open(struct tr_redis_session **opened,
                                                const struct tr_store_redis_options *options,
                                                const struct tr_redis_role *role,
                                                struct tr_error *err);
/* Gives a lock back; accepts NULL and half-open ones. */
void tr_redis_session_close(struct tr_redis_session *session);

/* Does whatever can be done now and arms the timer for the rest. */
void tr_redis_session_run(struct tr_redis_session *session, int64_t now_ns);

/* For the link: from the reactor, or from inside a call of ours; the timer does the work, which knows the time. */
void tr_redis_session_on_change(void *self);
void tr_redis_session_on_timer(void *self, int64_t now_ns);

/* Gives the lock back and waits for the answer, half a second at most. */
void tr_redis_session_unlock(struct tr_redis_session *session);

/* --- for redis_replies.c: the session's own moves --- */

/* Takes a reply to the phase's command and goes on; always true: there is something to do after it. */
bool tr_redis_session_on_reply(struct tr_redis_session *session,
                               const struct tr_redis_reply *reply);

/* The command under way has ended. */
void tr_redis_session_finish(struct tr_redis_session *session, enum tr_store_state result);
void tr_redis_session_finish_failed(struct tr_redis_session *session, const struct tr_error *err);
/* The connection is given up; the next one is due after a delay that doubles. */
void tr_redis_session_fail(struct tr_redis_session *session, struct tr_error *err);
/* Nothing is tried any more: told to whoever waits for a command, or to the engine. */
void tr_redis_session_stop_for_good(struct tr_redis_session *session, const struct tr_error *err);
void tr_redis_session_be_ready(struct tr_redis_session *session);
/* Sends a command and waits for its reply in `phase`. */
void tr_redis_session_ask(struct tr_redis_session *session, enum tr_redis_phase phase,
                          const struct tr_span *words, uint32_t count);
void tr_redis_session_ask_select(struct tr_redis_session *session);
void tr_redis_session_ask_lock(struct tr_redis_session *session);
void tr_redis_session_ask_wait(struct tr_redis_session *session);

/* --- redis_history.c: the stream --- */

void tr_redis_history_ask_page(struct tr_redis_session *session);
/* The next documents of the append, or its end. */
void tr_redis_history_ask_append(struct tr_redis_session *session);
/* Takes the reply of one of its phases. */
void tr_redis_history_on_reply(struct tr_redis_session *session,
                               const struct tr_redis_reply *reply);

#define TR_WORD(text) tr_span_of_text(text)
#define TR_REDIS_ASK(session, phase, ...)                                                          \
    do {                                                                                           \
        const struct tr_span words[] = {__VA_ARGS__};                                              \
        tr_redis_session_ask((session), (phase), words, sizeof(words) / sizeof(words[0]));         \
    } while (0)

#endif
