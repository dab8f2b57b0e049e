// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "engine/clock.h"
#include "tests/sim/sim_engine_parts.h"

/* As tr_start_save_first(): until the store has it, or the process is killed over it. */
static enum tr_code save_first(struct tr_sim_engine *engine, bool is_killed, struct tr_error *err)
{
    /* The store's until the command is done, or the engine killed. */
    static char value[TR_STORE_TEXT_BYTES_MAX];
    static char identity[TR_IDENTITY_TEXT_BYTES_MAX];
    const struct tr_store *store = &engine->options.store->port;
    const int64_t now_ns = tr_clock_monotonic_ns(engine->options.clock);
    struct tr_identity record = engine->identity;
    enum tr_store_state state = TR_STORE_FAILED;

    if (engine->options.history != NULL) {
        record.history = engine->history_seal;
    }
    record.point = engine->position.point;
    const size_t bytes = tr_position_write_json(&engine->position, value, sizeof(value));
    const size_t identity_bytes = tr_identity_write_json(&record, identity, sizeof(identity));
    TR_ASSERT(bytes > 0 && identity_bytes > 0);
    while (state != TR_STORE_DONE) { /* ends: half of the tries and more succeed */
        store->start_save(store->self, tr_span_of(value, bytes),
                          tr_span_of(identity, identity_bytes), now_ns);
        if (is_killed) {
            return TR_FAIL(err, TR_ERR_INTERRUPTED, TR_STOP, "killed");
        }
        state = store->poll(store->self, store->next_deadline_ns(store->self), NULL, err);
        if (state == TR_STORE_FAILED && err->remedy != TR_RETRY) {
            return err->code;
        }
    }
    return TR_OK;
}

enum tr_code sim_engine_begin_snapshot(struct tr_sim_engine *engine, struct tr_error *err)
{
    const struct tr_sim_engine_options *options = &engine->options;

    /* The snapshot's statements make all tables anew. */
    if (sim_engine_open_catalog(engine, err) != TR_OK ||
        tr_model_snapshot_open(options->snapshot, options->clock, engine->sources,
                               &engine->position, err) != TR_OK) {
        return err->code;
    }
    engine->position.point.snapshot = true;
    for (uint32_t t = 0; t < options->model->table_count; t++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "p.sim.t%u", t);
        if (tr_streams_intern(engine->streams, tr_span_of_text(name), err) == NULL) {
            return err->code;
        }
    }
    const bool is_killed = options->on_cut != NULL && !options->on_cut(options->on_cut_self);
    return options->store == NULL ? TR_OK : save_first(engine, is_killed, err);
}
