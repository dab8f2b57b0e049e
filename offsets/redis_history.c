// SPDX-License-Identifier: Apache-2.0
/* The schema history's part of a session: pages of the stream, and what is added to it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "offsets/history_source.h"
#include "offsets/redis_session.h"

#define PAGE_COUNT_MAX 500
#define PAGE_BYTES_WANTED (1024 * 1024)
#define SCRIPT_BYTES_WANTED (1024 * 1024)
#define SCRIPT_WORDS_FIXED 6 /* EVAL, the script, the number of keys, key, id, field */
#define SCRIPT_DOCUMENTS_MAX (TR_REDIS_WORDS_MAX - SCRIPT_WORDS_FIXED)

/* The name under which Debezium puts a document into an entry. */
static const char field_name[] = "schema";

/* KEYS: stream. ARGV: id of its last entry as we know it, field, documents. */
static const char append_script[] =
    "local l=redis.call('XREVRANGE',KEYS[1],'+','-','COUNT',1) "
    "local id=l[1] and l[1][1] or '' "
    "if id~=ARGV[1] then return 'changed' end "
    "for i=3,#ARGV do id=redis.call('XADD',KEYS[1],'*',ARGV[2],ARGV[i]) end "
    "return id";

/* The command cannot succeed, on whatever connection. */
static void fail_command(struct tr_redis_session *session, struct tr_error *err)
{
    (void)tr_error_prefix(err, "%s Redis %s, key \"%s\"", session->role->label, session->address,
                          session->key);
    err->remedy = TR_STOP;
    tr_redis_session_be_ready(session);
    tr_redis_session_finish_failed(session, err);
}

/* The first id behind the last one that we know ("(id" would need Redis 6.2). */
static void next_id(const struct tr_redis_history *history, char *out, size_t room_bytes)
{
    char *end = NULL;
    const uint64_t ms = strtoull(history->last_id, &end, 10);
    const uint64_t seq = *end == '-' ? strtoull(end + 1, NULL, 10) : 0;

    if (history->last_id[0] == '\0') {
        (void)snprintf(out, room_bytes, "-");
    } else if (seq == UINT64_MAX) {
        (void)snprintf(out, room_bytes, "%" PRIu64 "-0", ms + 1);
    } else {
        (void)snprintf(out, room_bytes, "%" PRIu64 "-%" PRIu64, ms, seq + 1);
    }
}

/* False: that is no entry's id. */
static bool set_last_id(struct tr_redis_history *history, struct tr_span id)
{
    if (id.bytes == 0 || id.bytes >= sizeof(history->last_id)) {
        return false;
    }
    memcpy(history->last_id, id.data, id.bytes);
    history->last_id[id.bytes] = '\0';
    return true;
}

static void ask_range(struct tr_redis_session *session, enum tr_redis_phase phase, uint32_t count)
{
    char from[TR_REDIS_ENTRY_ID_BYTES_MAX];
    char count_text[16];

    next_id(&session->history, from, sizeof(from));
    (void)snprintf(count_text, sizeof(count_text), "%" PRIu32, count);
    TR_REDIS_ASK(session, phase, TR_WORD("XRANGE"), TR_WORD(session->key), TR_WORD(from),
                 TR_WORD("+"), TR_WORD("COUNT"), TR_WORD(count_text));
}

/* --- loading --- */

void tr_redis_history_ask_page(struct tr_redis_session *session)
{
    ask_range(session, TR_REDIS_PHASE_PAGE, session->history.page_count);
}

/* Hands the documents of a page on; `bytes` is what they came to. */
static enum tr_code give_page(struct tr_redis_history *history, const struct tr_redis_reply *reply,
                              size_t *bytes, struct tr_error *err)
{
    *bytes = 0;
    for (uint32_t i = 0; i < reply->element_count; i++) {
        struct tr_span id = {0};
        struct tr_span document = {0};

        if (!tr_redis_reply_entry(reply, i, TR_WORD(field_name), &id, &document) ||
            !set_last_id(history, id)) {
            return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "an entry that is none of a stream");
        }
        if (document.data == NULL) {
            return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                           "entry %s has no field \"%s\": it is no schema history; set the key of "
                           "one",
                           history->last_id, field_name);
        }
        if (history->on_document(history->document_self, document, err) != TR_OK) {
            return tr_error_prefix(err, "entry %s", history->last_id);
        }
        *bytes += document.bytes;
    }
    return TR_OK;
}

static void page_loaded(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    struct tr_redis_history *history = &session->history;
    struct tr_error err;
    size_t bytes;

    if (reply->kind != TR_REDIS_ARRAY) {
        (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP, "its answer to XRANGE is no list");
        fail_command(session, &err);
        return;
    }
    if (give_page(history, reply, &bytes, &err) != TR_OK) {
        fail_command(session, &err);
        return;
    }
    if (reply->element_count < history->page_count) {
        tr_redis_session_be_ready(session);
        tr_redis_session_finish(session, TR_STORE_DONE);
        return;
    }
    /* Pages of about the same memory, however long the documents are. */
    if (bytes > PAGE_BYTES_WANTED) {
        TR_COVER("history_redis.page_made_smaller");
        history->page_count = history->page_count / 2 + history->page_count % 2;
    } else if (bytes < PAGE_BYTES_WANTED / 2) {
        history->page_count *= 2;
    }
    if (history->page_count > PAGE_COUNT_MAX) {
        history->page_count = PAGE_COUNT_MAX;
    }
    tr_redis_history_ask_page(session);
}

/* --- appending --- */

static void ask_compare(struct tr_redis_session *session);

void tr_redis_history_ask_append(struct tr_redis_session *session)
{
    struct tr_redis_history *history = &session->history;
    struct tr_span words[TR_REDIS_WORDS_MAX] = {
        TR_WORD("EVAL"),       TR_WORD(append_script),    TR_WORD("1"),
        TR_WORD(session->key), TR_WORD(history->last_id), TR_WORD(field_name)};
    size_t bytes = 0;

    history->sent_count = 0;
    while (history->stored_count + history->sent_count < history->count &&
           history->sent_count < SCRIPT_DOCUMENTS_MAX && bytes < SCRIPT_BYTES_WANTED) {
        const struct tr_span document =
            history->documents[history->stored_count + history->sent_count];

        words[SCRIPT_WORDS_FIXED + history->sent_count] = document;
        bytes += document.bytes;
        history->sent_count++;
    }
    if (history->sent_count != 0) {
        tr_redis_session_ask(session, TR_REDIS_PHASE_APPEND, words,
                             SCRIPT_WORDS_FIXED + history->sent_count);
    } else if (session->options.wait_enabled) {
        tr_redis_session_ask_wait(session);
    } else {
        tr_redis_session_be_ready(session);
        tr_redis_session_finish(session, TR_STORE_DONE);
    }
}

/* Those of the script that was under way are stored: on with the next. */
static void sent_ones_are_stored(struct tr_redis_session *session)
{
    session->history.stored_count += session->history.sent_count;
    tr_redis_history_ask_append(session);
}

static void append_answered(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    if (tr_span_equals(reply->text, TR_WORD("changed"))) {
        TR_COVER("history_redis.end_compared");
        ask_compare(session);
        return;
    }
    if (!set_last_id(&session->history, reply->text)) {
        struct tr_error err;

        (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP, "its answer to XADD is no id");
        fail_command(session, &err);
        return;
    }
    sent_ones_are_stored(session);
}

/* Our last entry, what we sent, and one more. */
static void ask_compare(struct tr_redis_session *session)
{
    struct tr_redis_history *history = &session->history;
    char count_text[16];

    (void)snprintf(count_text, sizeof(count_text), "%" PRIu32, history->sent_count + 2);
    TR_REDIS_ASK(session, TR_REDIS_PHASE_COMPARE, TR_WORD("XRANGE"), TR_WORD(session->key),
                 TR_WORD(history->last_id[0] == '\0' ? "-" : history->last_id), TR_WORD("+"),
                 TR_WORD("COUNT"), TR_WORD(count_text));
}

enum ending {
    ENDING_WRONG = 0, /* not as we left it */
    ENDING_SENT,      /* what we sent is there: only the answer was lost */
    ENDING_OTHERS,    /* other engines' documents alone came behind ours */
    ENDING_MORE       /* such documents, and more that was not read */
};

/* What lies behind our last entry. Other engines' documents move it on; ours are together, by one script. */
static enum ending judge_ending(struct tr_redis_history *history,
                                const struct tr_redis_reply *reply)
{
    const struct tr_span server = TR_WORD(history->server);
    uint32_t at = 0;
    struct tr_span sent_id = {0};
    uint32_t found_count = 0; /* of what we sent */
    bool has_moved = false;

    if (reply->kind != TR_REDIS_ARRAY) {
        return ENDING_WRONG;
    }
    for (; at < reply->element_count; at++) {
        struct tr_span document = {0};
        struct tr_span id = {0};
        if (!tr_redis_reply_entry(reply, at, TR_WORD(field_name), &id, &document)) {
            return ENDING_WRONG;
        }
        if (at == 0 && history->last_id[0] != '\0') {
            if (!tr_span_equals(id, TR_WORD(history->last_id))) {
                return ENDING_WRONG; /* it is gone */
            }
        } else if (tr_history_is_of_another(document, server)) {
            if (found_count == 0) {
                has_moved = set_last_id(history, id);
            } else if (found_count < history->sent_count) {
                return ENDING_WRONG;
            }
        } else if (found_count == history->sent_count ||
                   !tr_span_equals(document,
                                   history->documents[history->stored_count + found_count])) {
            return ENDING_WRONG;
        } else {
            found_count++;
            sent_id = id;
        }
    }
    if (found_count == history->sent_count) {
        return set_last_id(history, sent_id) ? ENDING_SENT : ENDING_WRONG;
    }
    if (has_moved && at == history->sent_count + 2) {
        return ENDING_MORE;
    }
    return has_moved && found_count == 0 ? ENDING_OTHERS : ENDING_WRONG;
}

static void end_compared(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    struct tr_redis_history *history = &session->history;
    struct tr_error err;

    switch (judge_ending(history, reply)) {
    case ENDING_SENT:
        TR_COVER("history_redis.append_had_arrived");
        sent_ones_are_stored(session);
        return;
    case ENDING_OTHERS:
        TR_COVER("history_redis.others_passed");
        tr_redis_history_ask_append(session);
        return;
    case ENDING_MORE:
        ask_compare(session); /* ends: each time behind more of the others' */
        return;
    case ENDING_WRONG:
        break;
    }
    (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP,
                  "it does not end with the entry %s as we left it: another program changed it, or "
                  "the server lost it; stop that program (a Debezium Server with the same key and "
                  "topic.prefix?), restore the stream where it lacks entries, then start again",
                  history->last_id[0] == '\0' ? "(none)" : history->last_id);
    fail_command(session, &err);
}

void tr_redis_history_on_reply(struct tr_redis_session *session, const struct tr_redis_reply *reply)
{
    if (session->phase == TR_REDIS_PHASE_PAGE) {
        page_loaded(session, reply);
    } else if (session->phase == TR_REDIS_PHASE_APPEND) {
        append_answered(session, reply);
    } else {
        TR_ASSERT(session->phase == TR_REDIS_PHASE_COMPARE);
        end_compared(session, reply);
    }
}
