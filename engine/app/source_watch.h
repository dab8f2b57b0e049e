// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the server for its list of log files, again and again, on a thread and a connection of its own: how much log lies
 * behind the saved position, and whether its file is still there. Nothing depends on it: an answer that does not come
 * is a warning, once.
 *
 *   main: ask(saved offset) ---> thread: SHOW BINARY LOGS ---> main: take()
 */
#ifndef TR_ENGINE_APP_SOURCE_WATCH_H
#define TR_ENGINE_APP_SOURCE_WATCH_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/app/watch.h"
#include "engine/json.h"
#include "offsets/store.h"
#include "stages/source/mysql_query.h"
#include "stages/source/server_facts.h"

enum tr_source_watch_state {
    TR_SOURCE_WATCH_IDLE = 0,
    TR_SOURCE_WATCH_ASKED,
    TR_SOURCE_WATCH_KNOWN, /* `log` is the answer */
    TR_SOURCE_WATCH_FAILED
};

struct tr_source_watch {
    struct tr_mysql_query query;   /* the thread's */
    struct tr_json_reader *reader; /* owns; the thread's */
    struct tr_server_facts facts;
    bool has_warned; /* the thread's */
    pthread_t thread;
    bool is_started;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool is_stopping;
    enum tr_source_watch_state state;
    char *offset; /* owns; TR_STORE_TEXT_BYTES_MAX */
    struct tr_watch_log log;
};

/* Starts the thread; `mysql`'s texts must outlive it. Errors: TR_ERR_SYSTEM. @thread main */
TR_NODISCARD enum tr_code tr_source_watch_start(struct tr_source_watch *watch,
                                                const struct tr_mysql_options *mysql,
                                                const struct tr_server_facts *facts,
                                                struct tr_error *err);

/* Where the text of the saved offset is to be put before ask(); NULL while the last question is open. @thread main */
char *tr_source_watch_offset(struct tr_source_watch *watch);

/* Asks about that offset; `log` brings times and base. @thread main */
void tr_source_watch_ask(struct tr_source_watch *watch, const struct tr_watch_log *log);

/* KNOWN with the answer, or FAILED: once for each question. @thread main */
enum tr_source_watch_state tr_source_watch_take(struct tr_source_watch *watch,
                                                struct tr_watch_log *log);

/* Ends the thread, after its query (a few seconds at most); accepts a zeroed one. @thread main */
void tr_source_watch_stop(struct tr_source_watch *watch);

#endif
