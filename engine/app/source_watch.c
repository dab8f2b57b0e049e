// SPDX-License-Identifier: Apache-2.0
#include "engine/app/source_watch.h"

#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/log.h"

#define TIMEOUT_MS 3000 /* of connecting and of each answer: a stop waits so long at most */

/* File, position and time of a saved offset; false: nothing is saved, or it is no offset. */
static bool read_point(struct tr_source_watch *watch, struct tr_log_point *point)
{
    struct tr_span name;

    *point = (struct tr_log_point){0};
    tr_json_begin(watch->reader, tr_span_of_text(watch->offset));
    (void)tr_json_enter_object(watch->reader);
    while (tr_json_next_member(watch->reader, &name)) {
        if (tr_span_equals(name, tr_span_of_text("file"))) {
            const struct tr_span file = tr_json_get_text(watch->reader);
            if (file.bytes > 0 && file.bytes < sizeof(point->file)) {
                memcpy(point->file, file.data, file.bytes);
                point->file[file.bytes] = '\0';
            }
        } else if (tr_span_equals(name, tr_span_of_text("pos"))) {
            point->pos = tr_json_get_uint64(watch->reader);
        } else if (tr_span_equals(name, tr_span_of_text("ts_sec"))) {
            point->ts_sec = tr_json_get_int64(watch->reader);
        }
    }
    return tr_json_finish(watch->reader, NULL) == TR_OK && point->file[0] != '\0';
}

/* One question, without the mutex: the offset and `log` are the thread's until it is answered. */
static bool answer(struct tr_source_watch *watch, struct tr_watch_log *log)
{
    struct tr_log_point point;
    struct tr_server_log files;
    struct tr_error err;

    if (!read_point(watch, &point)) {
        return false;
    }
    if (tr_server_log_read(&files, &point, &watch->facts, &watch->query.port, &err) != TR_OK) {
        if (!watch->has_warned) {
            tr_log_error(TR_LOG_WARN, "supervisor.log_list", &err);
        }
        watch->has_warned = true;
        return false;
    }
    watch->has_warned = false;
    log->has_file = files.has_file;
    log->after_bytes = files.after_bytes;
    log->is_last_file = files.has_file && files.after_bytes + point.pos <= files.file_bytes;
    log->ts_sec = point.ts_sec;
    return true;
}

static void *run(void *self)
{
    struct tr_source_watch *watch = self;

    (void)pthread_setname_np(pthread_self(), "log-list");
    (void)pthread_mutex_lock(&watch->mutex);
    while (!watch->is_stopping) {
        if (watch->state != TR_SOURCE_WATCH_ASKED) {
            (void)pthread_cond_wait(&watch->changed, &watch->mutex);
            continue;
        }
        struct tr_watch_log log = watch->log;
        (void)pthread_mutex_unlock(&watch->mutex);
        const bool is_known = answer(watch, &log);
        (void)pthread_mutex_lock(&watch->mutex);
        watch->log = log;
        watch->state = is_known ? TR_SOURCE_WATCH_KNOWN : TR_SOURCE_WATCH_FAILED;
    }
    (void)pthread_mutex_unlock(&watch->mutex);
    tr_mysql_query_deinit(&watch->query);
    return NULL;
}

enum tr_code tr_source_watch_start(struct tr_source_watch *watch,
                                   const struct tr_mysql_options *mysql,
                                   const struct tr_server_facts *facts, struct tr_error *err)
{
    struct tr_mysql_options options = *mysql;

    *watch = (struct tr_source_watch){.facts = *facts};
    options.connect_timeout_ms = TIMEOUT_MS;
    options.query_timeout_ms = TIMEOUT_MS;
    tr_mysql_query_init(&watch->query, &options);
    watch->offset = calloc(1, TR_STORE_TEXT_BYTES_MAX);
    if (watch->offset == NULL || pthread_mutex_init(&watch->mutex, NULL) != 0) {
        free(watch->offset);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "log list: no memory: add memory");
    }
    if (tr_json_open(&watch->reader, TR_STORE_TEXT_BYTES_MAX, err) != TR_OK ||
        pthread_cond_init(&watch->changed, NULL) != 0 ||
        pthread_create(&watch->thread, NULL, run, watch) != 0) {
        tr_json_close(watch->reader);
        free(watch->offset);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "log list: the system gives no thread: raise its limits");
    }
    watch->is_started = true;
    return TR_OK;
}

static enum tr_source_watch_state state_of(struct tr_source_watch *watch)
{
    (void)pthread_mutex_lock(&watch->mutex);
    const enum tr_source_watch_state state = watch->state;
    (void)pthread_mutex_unlock(&watch->mutex);
    return state;
}

char *tr_source_watch_offset(struct tr_source_watch *watch)
{
    return watch->is_started && state_of(watch) == TR_SOURCE_WATCH_IDLE ? watch->offset : NULL;
}

void tr_source_watch_ask(struct tr_source_watch *watch, const struct tr_watch_log *log)
{
    (void)pthread_mutex_lock(&watch->mutex);
    watch->log = *log;
    watch->state = TR_SOURCE_WATCH_ASKED;
    (void)pthread_cond_signal(&watch->changed);
    (void)pthread_mutex_unlock(&watch->mutex);
}

enum tr_source_watch_state tr_source_watch_take(struct tr_source_watch *watch,
                                                struct tr_watch_log *log)
{
    if (!watch->is_started) {
        return TR_SOURCE_WATCH_IDLE;
    }
    (void)pthread_mutex_lock(&watch->mutex);
    const enum tr_source_watch_state state = watch->state;
    if (state == TR_SOURCE_WATCH_KNOWN || state == TR_SOURCE_WATCH_FAILED) {
        *log = watch->log;
        watch->state = TR_SOURCE_WATCH_IDLE;
    }
    (void)pthread_mutex_unlock(&watch->mutex);
    return state;
}

void tr_source_watch_stop(struct tr_source_watch *watch)
{
    if (!watch->is_started) {
        return;
    }
    (void)pthread_mutex_lock(&watch->mutex);
    watch->is_stopping = true;
    (void)pthread_cond_signal(&watch->changed);
    (void)pthread_mutex_unlock(&watch->mutex);
    (void)pthread_join(watch->thread, NULL);
    (void)pthread_cond_destroy(&watch->changed);
    (void)pthread_mutex_destroy(&watch->mutex);
    tr_json_close(watch->reader);
    free(watch->offset);
    *watch = (struct tr_source_watch){0};
}
