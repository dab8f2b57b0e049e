// SPDX-License-Identifier: Apache-2.0
#include "offsets/store_memory.h"

#include <stdlib.h>

#include "engine/assert.h"

enum memory_command { COMMAND_NONE = 0, COMMAND_LOAD, COMMAND_SAVE };

struct store_memory {
    enum memory_command command;
    bool too_long; /* of the save under way */
    size_t offset_value_bytes;
    size_t identity_bytes;
    uint8_t offset_value[TR_STORE_TEXT_BYTES_MAX];
    uint8_t identity[TR_STORE_TEXT_BYTES_MAX];
};

static void start_load(void *self, int64_t now_ns)
{
    struct store_memory *memory = self;

    (void)now_ns;
    TR_ASSERT(memory->command == COMMAND_NONE);
    memory->command = COMMAND_LOAD;
}

static void start_save(void *self, struct tr_span offset_value, struct tr_span identity,
                       int64_t now_ns)
{
    struct store_memory *memory = self;

    (void)now_ns;
    TR_ASSERT(memory->command == COMMAND_NONE);
    memory->command = COMMAND_SAVE;
    memory->too_long =
        offset_value.bytes > TR_STORE_TEXT_BYTES_MAX || identity.bytes > TR_STORE_TEXT_BYTES_MAX;
    if (memory->too_long) {
        return;
    }
    memory->offset_value_bytes = offset_value.bytes;
    memory->identity_bytes = identity.bytes;
    if (offset_value.bytes != 0) {
        memcpy(memory->offset_value, offset_value.data, offset_value.bytes);
    }
    if (identity.bytes != 0) {
        memcpy(memory->identity, identity.data, identity.bytes);
    }
}

static enum tr_store_state poll_command(void *self, int64_t now_ns,
                                        struct tr_store_content *content, struct tr_error *err)
{
    struct store_memory *memory = self;
    const enum memory_command command = memory->command;

    (void)now_ns;
    memory->command = COMMAND_NONE;
    if (command == COMMAND_NONE) {
        return TR_STORE_IDLE;
    }
    if (command == COMMAND_SAVE && memory->too_long) {
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP, "offset text over %d bytes: too long to be kept",
                      TR_STORE_TEXT_BYTES_MAX);
        return TR_STORE_FAILED;
    }
    if (command == COMMAND_LOAD) {
        content->offset_value = tr_span_of(memory->offset_value, memory->offset_value_bytes);
        content->identity = tr_span_of(memory->identity, memory->identity_bytes);
    }
    return TR_STORE_DONE;
}

static int64_t next_deadline_ns(void *self)
{
    (void)self;
    return INT64_MAX;
}

static void close_store(void *self)
{
    free(self);
}

enum tr_code tr_store_memory_open(struct tr_store *store, struct tr_error *err)
{
    struct store_memory *memory = calloc(1, sizeof(*memory));

    *store = (struct tr_store){0};
    if (memory == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the offset store = %zu bytes: refused by the system",
                       sizeof(*memory));
    }
    *store = (struct tr_store){
        .self = memory,
        .name = "memory",
        .start_load = start_load,
        .start_save = start_save,
        .poll = poll_command,
        .next_deadline_ns = next_deadline_ns,
        .close = close_store,
    };
    return TR_OK;
}
