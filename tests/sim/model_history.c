// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_history.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"

static void begin(struct tr_model_history *history, enum tr_model_history_command command,
                  int64_t now_ns)
{
    TR_ASSERT(history->command == TR_MODEL_HISTORY_IDLE);
    history->command = command;
    history->done_ns = now_ns + (int64_t)tr_random_below(&history->random, 5000) * 1000;
    if (history->faults_on && tr_random_chance(&history->random, history->fault_permille)) {
        history->done_ns += (int64_t)tr_random_below(&history->random, 2000) * 1000000; /* slow */
    }
}

static void start_load(void *self, tr_history_on_document *on_document, void *document_self,
                       int64_t now_ns)
{
    struct tr_model_history *history = self;
    begin(history, TR_MODEL_HISTORY_LOAD, now_ns);
    history->on_document = on_document;
    history->document_self = document_self;
}

/* A batch that failed must come again as it was. */
static void start_append(void *self, const struct tr_span *documents, uint32_t count,
                         int64_t now_ns)
{
    struct tr_model_history *history = self;
    TR_ASSERT(history->is_loaded);
    TR_ASSERT(count >= 1 && count <= TR_HISTORY_BATCH_MAX);
    begin(history, TR_MODEL_HISTORY_APPEND, now_ns);
    if (history->batch_count != 0) {
        TR_ASSERT(count == history->batch_count);
        TR_ASSERT(documents[0].data == history->batch[0].data);
    } else {
        history->whole_bytes = history->text.used;
        history->whole_count = history->document_count;
    }
    history->batch_count = count;
    memcpy(history->batch, documents, count * sizeof(*documents));
}

/* The first `count` documents of the batch, behind those that were there before it. */
static void store(struct tr_model_history *history, uint32_t count)
{
    history->text.used = history->whole_bytes;
    for (uint32_t i = 0; i < count; i++) {
        TR_ASSERT(memchr(history->batch[i].data, '\n', history->batch[i].bytes) == NULL);
        tr_buffer_append(&history->text, history->batch[i].data, history->batch[i].bytes);
        tr_buffer_append(&history->text, "\n", 1);
    }
    history->document_count = history->whole_count + count;
}

/* How many of the batch a fault leaves stored: none, all (the reply was lost), or some; never fewer
 * than an earlier try. */
static uint32_t draw_stored(struct tr_model_history *history)
{
    const uint32_t least = (uint32_t)(history->document_count - history->whole_count);
    return least + tr_random_below(&history->random, history->batch_count - least + 1);
}

static enum tr_store_state end_append(struct tr_model_history *history, struct tr_error *err)
{
    if (history->faults_on && tr_random_chance(&history->random, history->fault_permille)) {
        store(history, draw_stored(history));
        (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "model history: no reply");
        return TR_STORE_FAILED;
    }
    store(history, history->batch_count);
    history->batch_count = 0;
    history->append_count++;
    if (history->on_append != NULL) {
        history->on_append(history->on_append_self);
    }
    return TR_STORE_DONE;
}

static enum tr_store_state end_load(struct tr_model_history *history, struct tr_error *err)
{
    const uint8_t *const end = history->text.bytes + history->text.used;
    while (history->given_bytes < history->text.used) {
        const uint8_t *const from = history->text.bytes + history->given_bytes;
        const uint8_t *const at = memchr(from, '\n', (size_t)(end - from));
        TR_ASSERT(at != NULL);
        if (history->faults_on && tr_random_chance(&history->random, history->fault_permille)) {
            (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "model history: the link was lost");
            return TR_STORE_FAILED;
        }
        history->given_bytes += (size_t)(at - from) + 1;
        if (history->on_document(history->document_self, tr_span_of(from, (size_t)(at - from)),
                                 err) != TR_OK) {
            err->remedy = TR_STOP;
            return TR_STORE_FAILED;
        }
    }
    history->given_bytes = 0;
    history->is_loaded = true;
    return TR_STORE_DONE;
}

static enum tr_store_state poll_store(void *self, int64_t now_ns, struct tr_error *err)
{
    struct tr_model_history *history = self;
    const enum tr_model_history_command command = history->command;
    if (command == TR_MODEL_HISTORY_IDLE) {
        return TR_STORE_IDLE;
    }
    if (now_ns < history->done_ns) {
        return TR_STORE_PENDING;
    }
    history->command = TR_MODEL_HISTORY_IDLE;
    return command == TR_MODEL_HISTORY_LOAD ? end_load(history, err) : end_append(history, err);
}

static int64_t next_deadline_ns(void *self)
{
    const struct tr_model_history *history = self;
    return history->command != TR_MODEL_HISTORY_IDLE ? history->done_ns : INT64_MAX;
}

static void close_store(void *self)
{
    (void)self; /* outlives the engine */
}

void tr_model_history_init(struct tr_model_history *history, uint64_t seed, uint32_t fault_permille)
{
    *history = (struct tr_model_history){
        .random = {seed ^ 0x41570A}, .fault_permille = fault_permille, .faults_on = true};
    history->batch = calloc(TR_HISTORY_BATCH_MAX, sizeof(*history->batch));
    TR_ASSERT(history->batch != NULL);
    history->port = (struct tr_history_store){.self = history,
                                              .name = "model",
                                              .is_kept = true,
                                              .start_load = start_load,
                                              .start_append = start_append,
                                              .poll = poll_store,
                                              .next_deadline_ns = next_deadline_ns,
                                              .close = close_store};
}

void tr_model_history_deinit(struct tr_model_history *history)
{
    tr_buffer_free(&history->text);
    free(history->batch);
    *history = (struct tr_model_history){0};
}

void tr_model_history_kill(struct tr_model_history *history)
{
    if (history->command == TR_MODEL_HISTORY_APPEND) {
        store(history, draw_stored(history));
    }
    history->command = TR_MODEL_HISTORY_IDLE;
    history->batch_count = 0;
    history->given_bytes = 0;
    history->is_loaded = false;
}
