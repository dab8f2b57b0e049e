// SPDX-License-Identifier: Apache-2.0
#include "offsets/store_wait.h"

#include <inttypes.h>

#include "engine/assert.h"

#define TRIES_MAX 10
#define LOOK_NS_MAX (50 * TR_NS_PER_MS) /* how long a signal may go unseen */

static int64_t now(const struct tr_store_wait *wait)
{
    return tr_clock_monotonic_ns(wait->clock);
}

static bool is_interrupted(const struct tr_store_wait *wait)
{
    /* Relaxed: a flag of a signal handler, nothing else is read by it. */
    return wait->interrupted != NULL &&
           atomic_load_explicit(wait->interrupted, memory_order_relaxed) != 0;
}

/* Polls the command that was started to its end. */
static enum tr_store_state finish(const struct tr_store_wait *wait,
                                  struct tr_store_content *content, struct tr_error *err)
{
    struct tr_store *store = wait->store;

    for (;;) { /* ends: each command of a store has its deadline, and a signal ends it earlier */
        const int64_t now_ns = now(wait);
        const enum tr_store_state state = store->poll(store->self, now_ns, content, err);

        if (state != TR_STORE_PENDING) {
            return state;
        }
        if (is_interrupted(wait)) {
            (void)TR_FAIL(err, TR_ERR_INTERRUPTED, TR_STOP,
                          "waiting for the offset store was ended by a signal");
            return TR_STORE_FAILED;
        }
        TR_ASSERT(wait->reactor != NULL); /* only stores on a reactor are ever pending */
        const int64_t left_ns = store->next_deadline_ns(store->self) - now_ns;

        (void)tr_reactor_poll(wait->reactor, now_ns,
                              left_ns < 0 ? 0 : (left_ns < LOOK_NS_MAX ? left_ns : LOOK_NS_MAX));
    }
}

enum tr_code tr_store_load_wait(const struct tr_store_wait *wait, struct tr_store_content *content,
                                struct tr_error *err)
{
    enum tr_store_state state = TR_STORE_FAILED;

    for (int i = 0; i < TRIES_MAX && state == TR_STORE_FAILED; i++) {
        if (i > 0 && err->remedy == TR_STOP) {
            break;
        }
        *content = (struct tr_store_content){0};
        wait->store->start_load(wait->store->self, now(wait));
        state = finish(wait, content, err);
    }
    return state == TR_STORE_DONE ? TR_OK : err->code;
}

enum tr_code tr_store_save_wait(const struct tr_store_wait *wait, struct tr_span offset_value,
                                struct tr_span identity, struct tr_error *err)
{
    enum tr_store_state state = TR_STORE_FAILED;
    struct tr_store_content ignored;

    for (int i = 0; i < TRIES_MAX && state == TR_STORE_FAILED; i++) {
        if (i > 0 && err->remedy == TR_STOP) {
            break;
        }
        wait->store->start_save(wait->store->self, offset_value, identity, now(wait));
        state = finish(wait, &ignored, err);
    }
    return state == TR_STORE_DONE ? TR_OK : err->code;
}

enum tr_code tr_offsets_show(const struct tr_store_wait *wait, struct tr_span offset_key, FILE *out,
                             struct tr_error *err)
{
    struct tr_store_content content;

    if (tr_store_load_wait(wait, &content, err) != TR_OK) {
        return err->code;
    }
    const struct {
        const char *name;
        struct tr_span text;
    } lines[] = {
        {"key", offset_key},
        {"value", content.offset_value},
        {"tailrace", content.identity},
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (i == 2 && lines[i].text.bytes == 0) {
            break;
        }
        if (fprintf(out, "%s %.*s\n", lines[i].name, (int)lines[i].text.bytes,
                    lines[i].text.bytes == 0 ? "" : (const char *)lines[i].text.data) < 0) {
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "printing the offset: the output refuses");
        }
    }
    return TR_OK;
}
