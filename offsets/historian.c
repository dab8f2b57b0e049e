// SPDX-License-Identifier: Apache-2.0
#include "offsets/historian.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"

#define RETRY_DELAY_NS_MIN (300 * TR_NS_PER_MS)
#define RETRY_DELAY_NS_MAX (10 * TR_NS_PER_S)

static uint32_t step(void *self, int64_t now_ns);
static bool has_work(void *self);
static void free_batch(struct tr_historian *historian);
static uint32_t drain(struct tr_historian *historian);

void tr_historian_init(struct tr_historian *historian, const struct tr_historian_options *options)
{
    *historian = (struct tr_historian){.options = *options, .seal = options->seal};
    const int result = pthread_mutex_init(&historian->mutex, NULL);

    TR_ASSERT(result == 0); /* a default mutex takes nothing that could lack */
    historian->actor = (struct tr_actor){
        .name = "historian", .self = historian, .step = step, .has_work = has_work};
}

void tr_historian_deinit(struct tr_historian *historian)
{
    if (historian->actor.step == NULL) {
        return;
    }
    do {
        free_batch(historian);
    } while (drain(historian) != 0);
    (void)pthread_mutex_destroy(&historian->mutex);
    memset(historian, 0, sizeof(*historian));
}

static void lock(struct tr_historian *historian)
{
    const int result = pthread_mutex_lock(&historian->mutex);

    TR_ASSERT(result == 0);
}

static void unlock(struct tr_historian *historian)
{
    const int result = pthread_mutex_unlock(&historian->mutex);

    TR_ASSERT(result == 0);
}

struct tr_history_seal tr_historian_seal(struct tr_historian *historian)
{
    lock(historian);
    const struct tr_history_seal seal = historian->seal;

    unlock(historian);
    return seal;
}

static void free_batch(struct tr_historian *historian)
{
    for (uint32_t i = 0; i < historian->batch_count; i++) {
        free(historian->batch[i].text);
    }
    historian->batch_count = 0;
}

/* --- the duty cycle --- */

static bool has_work(void *self)
{
    struct tr_historian *historian = self;

    return !tr_ring_is_empty(historian->options.entries);
}

/* Fills the batch. Where it does not become full, the ring was seen empty. */
static uint32_t drain(struct tr_historian *historian)
{
    uint32_t drained = 0;

    while (historian->batch_count < TR_HISTORY_BATCH_MAX) {
        void *slots;
        const uint64_t count = tr_ring_peek(historian->options.entries,
                                            TR_HISTORY_BATCH_MAX - historian->batch_count, &slots);

        if (count == 0) {
            break;
        }
        for (uint64_t i = 0; i < count; i++) {
            const struct tr_history_entry *entry = (const struct tr_history_entry *)slots + i;

            historian->batch[historian->batch_count] = *entry;
            historian->texts[historian->batch_count] = tr_span_of(entry->text, entry->bytes);
            historian->batch_count++;
        }
        tr_ring_release(historian->options.entries, count);
        drained += (uint32_t)count;
    }
    return drained;
}

static void count_metric(struct tr_historian *historian, enum tr_metric metric, uint64_t n)
{
    if (historian->options.metrics != NULL) {
        tr_metric_add(historian->options.metrics, metric, n);
    }
}

static void set_failing(struct tr_historian *historian, bool is_failing)
{
    if (historian->options.metrics != NULL) {
        tr_metric_set(historian->options.metrics, TR_METRIC_HISTORY_FAILING, is_failing ? 1 : 0);
    }
}

static void append_done(struct tr_historian *historian, int64_t now_ns)
{
    if (historian->retry_delay_ns != 0) {
        TR_LOG(TR_LOG_INFO, "historian.append_recovered",
               TR_INT("failing_ms", (now_ns - historian->failing_since_ns) / TR_NS_PER_MS));
        set_failing(historian, false);
    }
    historian->retry_delay_ns = 0;
    count_metric(historian, TR_METRIC_HISTORY_DOCUMENTS, historian->batch_count);
    lock(historian);
    for (uint32_t i = 0; i < historian->batch_count; i++) {
        tr_history_seal_add(&historian->seal, historian->texts[i]);
        historian->stored_bytes += historian->texts[i].bytes;
    }
    unlock(historian);
    free_batch(historian);
    if (historian->options.history_bytes != NULL) {
        /* Release, pairs with the sequencer's acquire: their memory is given back. */
        atomic_store_explicit(historian->options.history_bytes, historian->stored_bytes,
                              memory_order_release);
    }
}

static void append_failed(struct tr_historian *historian, int64_t now_ns,
                          const struct tr_error *err)
{
    const int64_t failing_ns_max = historian->options.failing_ns_max;

    count_metric(historian, TR_METRIC_HISTORY_APPEND_FAILURES, 1);
    set_failing(historian, true);
    if (historian->retry_delay_ns == 0) {
        historian->failing_since_ns = now_ns;
        historian->retry_delay_ns = RETRY_DELAY_NS_MIN;
    } else {
        historian->retry_delay_ns *= 2;
        historian->retry_delay_ns = historian->retry_delay_ns < RETRY_DELAY_NS_MAX
                                        ? historian->retry_delay_ns
                                        : RETRY_DELAY_NS_MAX;
    }
    if (err->remedy == TR_STOP ||
        (failing_ns_max != 0 && now_ns - historian->failing_since_ns >= failing_ns_max)) {
        TR_COVER("historian.append_given_up");
        historian->has_failed = true;
        tr_fault_raise(historian->options.fault, err); /* the first one counts */
        return;
    }
    TR_COVER("historian.append_retried");
    tr_log_error(TR_LOG_WARN, "historian.append_failed", err);
    historian->next_try_ns = now_ns + historian->retry_delay_ns;
}

static uint32_t poll_append(struct tr_historian *historian, int64_t now_ns)
{
    struct tr_history_store *store = historian->options.store;
    struct tr_error err;

    if (!historian->is_storing) {
        return 0;
    }
    switch (store->poll(store->self, now_ns, &err)) {
    case TR_STORE_PENDING:
        return 0;
    case TR_STORE_DONE:
        historian->is_storing = false;
        append_done(historian, now_ns);
        return 1;
    case TR_STORE_FAILED:
        historian->is_storing = false;
        append_failed(historian, now_ns, &err);
        return 1;
    case TR_STORE_IDLE:
        break;
    }
    TR_ASSERT(false); /* an append was started and not reported */
    return 0;
}

/* A batch that failed is given again as it was: the store completes it. */
static uint32_t try_append(struct tr_historian *historian, int64_t now_ns)
{
    struct tr_history_store *store = historian->options.store;

    if (historian->is_storing || historian->has_failed || historian->batch_count == 0 ||
        (historian->retry_delay_ns != 0 && now_ns < historian->next_try_ns)) {
        return 0;
    }
    historian->is_storing = true;
    store->start_append(store->self, historian->texts, historian->batch_count, now_ns);
    return 1;
}

/* `sequenced_seq` was loaded before the ring was drained. */
static uint32_t publish(struct tr_historian *historian, uint64_t sequenced_seq)
{
    const uint64_t seq = historian->batch_count != 0 ? historian->batch[0].seq - 1 : sequenced_seq;

    /* An entry may be here before its unit's number is published: what was said stays true. */
    if (seq <= historian->published_seq) {
        return 0;
    }
    historian->published_seq = seq;
    /* Release, pairs with the coordinator's acquire: the documents are stored. */
    atomic_store_explicit(historian->options.history_seq, seq, memory_order_release);
    if (historian->options.coordinator_bell != NULL) {
        tr_doorbell_ring(historian->options.coordinator_bell);
    }
    return 1;
}

static uint32_t step(void *self, int64_t now_ns)
{
    struct tr_historian *historian = self;
    /* Acquire, pairs with the sequencer's release, and before the ring is drained: it then has every
     * entry of the units up to it. */
    const uint64_t sequenced_seq =
        atomic_load_explicit(historian->options.sequenced_seq, memory_order_acquire);
    uint32_t work = poll_append(historian, now_ns);

    if (historian->batch_count == 0) {
        work += drain(historian);
    }
    work += try_append(historian, now_ns);
    return work + publish(historian, sequenced_seq);
}
