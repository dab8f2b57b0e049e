// SPDX-License-Identifier: Apache-2.0
#include "offsets/history_memory.h"

#include <stdlib.h>

#include "engine/assert.h"
#include "offsets/file_replace.h"

struct history_memory {
    struct tr_file_text *documents; /* owns, and each text */
    size_t count;
    size_t room;
    enum tr_store_state result;
    struct tr_error error;
};

static void start_load(void *self, tr_history_on_document *on_document, void *document_self,
                       int64_t now_ns)
{
    struct history_memory *memory = self;

    (void)now_ns;
    TR_ASSERT(memory->result == TR_STORE_IDLE);
    memory->result = TR_STORE_DONE;
    for (size_t i = 0; i < memory->count && memory->result == TR_STORE_DONE; i++) {
        if (on_document(document_self, tr_file_text_span(&memory->documents[i]), &memory->error) !=
            TR_OK) {
            memory->error.remedy = TR_STOP;
            memory->result = TR_STORE_FAILED;
        }
    }
}

/* Room for `count` more: after it nothing fails half-way but a copy, which is then left out. */
static enum tr_code make_room(struct history_memory *memory, size_t count, struct tr_error *err)
{
    size_t room = memory->room == 0 ? 64 : memory->room;

    while (room - memory->count < count) {
        room *= 2;
    }
    if (room == memory->room) {
        return TR_OK;
    }
    struct tr_file_text *grown = realloc(memory->documents, room * sizeof(*grown));

    if (grown == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the schema history of %zu documents: refused by the system",
                       room);
    }
    memory->documents = grown;
    memory->room = room;
    return TR_OK;
}

static void start_append(void *self, const struct tr_span *documents, uint32_t count,
                         int64_t now_ns)
{
    struct history_memory *memory = self;

    (void)now_ns;
    TR_ASSERT(memory->result == TR_STORE_IDLE);
    TR_ASSERT(count >= 1 && count <= TR_HISTORY_BATCH_MAX);
    memory->result = TR_STORE_FAILED;
    if (make_room(memory, count, &memory->error) != TR_OK) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct tr_file_text *const document = &memory->documents[memory->count];

        *document = (struct tr_file_text){0};
        if (tr_file_text_set(document, documents[i], &memory->error) != TR_OK) {
            return;
        }
        memory->count++;
    }
    memory->result = TR_STORE_DONE;
}

static enum tr_store_state poll_command(void *self, int64_t now_ns, struct tr_error *err)
{
    struct history_memory *memory = self;
    const enum tr_store_state result = memory->result;

    (void)now_ns;
    memory->result = TR_STORE_IDLE;
    if (result == TR_STORE_FAILED) {
        *err = memory->error;
    }
    return result;
}

static int64_t next_deadline_ns(void *self)
{
    (void)self;
    return INT64_MAX;
}

static void close_store(void *self)
{
    struct history_memory *memory = self;

    for (size_t i = 0; memory != NULL && i < memory->count; i++) {
        tr_file_text_deinit(&memory->documents[i]);
    }
    if (memory != NULL) {
        free(memory->documents);
    }
    free(memory);
}

enum tr_code tr_history_memory_open(struct tr_history_store *store, struct tr_error *err)
{
    struct history_memory *memory = calloc(1, sizeof(*memory));

    *store = (struct tr_history_store){0};
    if (memory == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the schema history = %zu bytes: refused by the system",
                       sizeof(*memory));
    }
    *store = (struct tr_history_store){
        .self = memory,
        .name = "memory",
        .start_load = start_load,
        .start_append = start_append,
        .poll = poll_command,
        .next_deadline_ns = next_deadline_ns,
        .close = close_store,
    };
    return TR_OK;
}
