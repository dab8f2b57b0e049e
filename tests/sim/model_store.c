// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_store.h"

#include "engine/assert.h"
#include "engine/clock.h"

static void begin(struct tr_model_store *store, bool is_save, int64_t now_ns)
{
    TR_ASSERT(!store->pending);
    store->pending = true;
    store->is_save = is_save;
    store->done_ns = now_ns + (int64_t)tr_random_below(&store->random, 5000) * 1000;
}

static void start_load(void *self, int64_t now_ns)
{
    begin(self, false, now_ns);
}

static void start_save(void *self, struct tr_span value, struct tr_span identity, int64_t now_ns)
{
    struct tr_model_store *store = self;
    begin(store, true, now_ns);
    store->new_value = value;
    store->new_identity = identity;
}

static void write_both(struct tr_model_store *store)
{
    store->value.used = 0;
    store->identity.used = 0;
    tr_buffer_append(&store->value, store->new_value.data, store->new_value.bytes);
    tr_buffer_append(&store->identity, store->new_identity.data, store->new_identity.bytes);
    store->save_count++;
    if (store->on_save != NULL) {
        store->on_save(store->on_save_self);
    }
}

static enum tr_store_state poll_store(void *self, int64_t now_ns, struct tr_store_content *content,
                                      struct tr_error *err)
{
    struct tr_model_store *store = self;
    if (!store->pending) {
        return TR_STORE_IDLE;
    }
    if (now_ns < store->done_ns) {
        return TR_STORE_PENDING;
    }
    store->pending = false;
    if (store->is_save) {
        const bool fails =
            store->faults_on && tr_random_chance(&store->random, store->fault_permille);
        if (!fails || tr_random_chance(&store->random, 500)) {
            write_both(store); /* also half of the time when the reply is lost */
        }
        if (fails) {
            (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "model store: no reply");
            return TR_STORE_FAILED;
        }
    }
    if (content != NULL) {
        content->offset_value = tr_span_of(store->value.bytes, store->value.used);
        content->identity = tr_span_of(store->identity.bytes, store->identity.used);
    }
    return TR_STORE_DONE;
}

static int64_t next_deadline_ns(void *self)
{
    const struct tr_model_store *store = self;
    return store->pending ? store->done_ns : INT64_MAX;
}

static void close_store(void *self)
{
    (void)self; /* outlives the engine */
}

void tr_model_store_init(struct tr_model_store *store, uint64_t seed, uint32_t fault_permille)
{
    *store = (struct tr_model_store){
        .random = {seed ^ 0x5707E}, .fault_permille = fault_permille, .faults_on = true};
    store->port = (struct tr_store){.self = store,
                                    .name = "model",
                                    .start_load = start_load,
                                    .start_save = start_save,
                                    .poll = poll_store,
                                    .next_deadline_ns = next_deadline_ns,
                                    .close = close_store};
}

void tr_model_store_deinit(struct tr_model_store *store)
{
    tr_buffer_free(&store->value);
    tr_buffer_free(&store->identity);
}

void tr_model_store_kill(struct tr_model_store *store)
{
    if (store->pending && store->is_save && tr_random_chance(&store->random, 500)) {
        write_both(store);
    }
    store->pending = false;
}
