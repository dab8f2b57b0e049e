// SPDX-License-Identifier: Apache-2.0
#include "offsets/coordinator.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"

#define POSITIONS_PER_STEP 512
#define RETRY_DELAY_NS_MIN (300 * TR_NS_PER_MS)
#define RETRY_DELAY_NS_MAX (10 * TR_NS_PER_S)
#define FINAL_FAILING_NS_MAX                                                                       \
    (5 * TR_NS_PER_S) /* of the last save: somebody waits for the process to end */

static uint32_t step(void *self, int64_t now_ns);
static bool has_work(void *self);
static uint32_t drain_positions(struct tr_coordinator *coordinator);
static uint32_t advance(struct tr_coordinator *coordinator, uint64_t acked_seq);
static uint32_t poll_save(struct tr_coordinator *coordinator, int64_t now_ns);
static uint32_t try_save(struct tr_coordinator *coordinator, int64_t now_ns);
static bool build(struct tr_coordinator *coordinator, bool is_newest, int64_t now_ns);
static void give_up(struct tr_coordinator *coordinator, const struct tr_error *err);

enum tr_code tr_coordinator_init(struct tr_coordinator *coordinator,
                                 const struct tr_coordinator_options *options, struct tr_error *err)
{
    TR_ASSERT(options->shipper_count >= 1);
    TR_ASSERT(options->shipper_count <= TR_COORDINATOR_SHIPPERS_MAX);
    TR_ASSERT(options->stored_value.bytes <= TR_STORE_TEXT_BYTES_MAX);
    *coordinator = (struct tr_coordinator){.options = *options};
    coordinator->actor = (struct tr_actor){
        .name = "coordinator", .self = coordinator, .step = step, .has_work = has_work};
    if (pthread_mutex_init(&coordinator->mutex, NULL) != 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "a mutex for the coordinator: refused");
    }
    coordinator->value = calloc(1, TR_STORE_TEXT_BYTES_MAX);
    coordinator->saved = calloc(1, TR_STORE_TEXT_BYTES_MAX);
    coordinator->identity_text = calloc(1, TR_IDENTITY_TEXT_BYTES_MAX);
    if (coordinator->value == NULL || coordinator->saved == NULL ||
        coordinator->identity_text == NULL) {
        tr_coordinator_deinit(coordinator);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the saved position = %d bytes: refused by the system",
                       2 * TR_STORE_TEXT_BYTES_MAX);
    }
    if (tr_gtid_set_open(&coordinator->position.gtids, options->flavor, err) != TR_OK ||
        tr_watermark_open(&coordinator->watermark, options->flavor, options->keep_gtids,
                          options->initial, err) != TR_OK) {
        tr_coordinator_deinit(coordinator);
        return err->code;
    }
    if (options->stored_value.bytes != 0) {
        memcpy(coordinator->saved, options->stored_value.data, options->stored_value.bytes);
        coordinator->saved_bytes = options->stored_value.bytes;
    }
    tr_coordinator_add_source(coordinator, 0, options->identity);
    coordinator->options.initial = NULL;
    coordinator->options.identity = NULL;
    coordinator->options.stored_value = (struct tr_span){0};
    return TR_OK;
}

void tr_coordinator_deinit(struct tr_coordinator *coordinator)
{
    if (coordinator->actor.step == NULL) {
        return;
    }
    tr_watermark_close(coordinator->watermark);
    tr_gtid_set_close(coordinator->position.gtids);
    free(coordinator->value);
    free(coordinator->saved);
    free(coordinator->identity_text);
    (void)pthread_mutex_destroy(&coordinator->mutex);
    memset(coordinator, 0, sizeof(*coordinator));
}

size_t tr_coordinator_memory_bytes(void)
{
    return tr_watermark_memory_bytes() + 2 * (size_t)TR_STORE_TEXT_BYTES_MAX +
           TR_IDENTITY_TEXT_BYTES_MAX + sizeof(struct tr_coordinator);
}

/* --- other threads --- */

static void lock(struct tr_coordinator *coordinator)
{
    const int result = pthread_mutex_lock(&coordinator->mutex);

    TR_ASSERT(result == 0);
}

static void unlock(struct tr_coordinator *coordinator)
{
    const int result = pthread_mutex_unlock(&coordinator->mutex);

    TR_ASSERT(result == 0);
}

void tr_coordinator_add_source(struct tr_coordinator *coordinator, uint64_t link_epoch,
                               const struct tr_identity *identity)
{
    lock(coordinator);
    TR_ASSERT(coordinator->source_count == 0 ||
              coordinator->sources[coordinator->source_count - 1].link_epoch < link_epoch);
    if (coordinator->source_count == TR_COORDINATOR_SOURCES_MAX) {
        memmove(&coordinator->sources[0], &coordinator->sources[1],
                sizeof(coordinator->sources) - sizeof(coordinator->sources[0]));
        coordinator->source_count--;
    }
    coordinator->sources[coordinator->source_count].link_epoch = link_epoch;
    coordinator->sources[coordinator->source_count].identity = *identity;
    coordinator->source_count++;
    unlock(coordinator);
}

void tr_coordinator_begin_stop(struct tr_coordinator *coordinator)
{
    int runs = TR_COORDINATOR_RUNS;

    /* Release, pairs with the acquire in step(): acknowledgements from before are in the final
     * save. */
    (void)atomic_compare_exchange_strong_explicit(&coordinator->stop_state, &runs,
                                                  TR_COORDINATOR_STOPS, memory_order_release,
                                                  memory_order_relaxed);
}

bool tr_coordinator_is_stopped(const struct tr_coordinator *coordinator)
{
    /* Acquire, pairs with the release in step(): the store is idle, its owner may close it. */
    return atomic_load_explicit(&coordinator->stop_state, memory_order_acquire) ==
           TR_COORDINATOR_STOPPED;
}

void tr_coordinator_saved_text(struct tr_coordinator *coordinator, char *out, size_t room_bytes)
{
    lock(coordinator);
    const size_t bytes =
        coordinator->saved_bytes < room_bytes ? coordinator->saved_bytes : room_bytes - 1;

    memcpy(out, coordinator->saved, bytes);
    out[bytes] = '\0';
    unlock(coordinator);
}

/* --- the duty cycle --- */

static uint64_t acked_by_all(const struct tr_coordinator *coordinator)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < coordinator->options.shipper_count; i++) {
        /* Acquire, pairs with the shipper's release: the collector published the position before.
         */
        const uint64_t acked =
            atomic_load_explicit(coordinator->options.acked_seq[i], memory_order_acquire);

        least = acked < least ? acked : least;
    }
    return least;
}

static bool has_work(void *self)
{
    struct tr_coordinator *coordinator = self;

    return !tr_ring_is_empty(coordinator->options.positions);
}

static uint32_t step(void *self, int64_t now_ns)
{
    struct tr_coordinator *coordinator = self;
    /* Acquire, pairs with the release in begin_stop(). */
    const int stop_state = atomic_load_explicit(&coordinator->stop_state, memory_order_acquire);

    if (stop_state == TR_COORDINATOR_STOPPED) {
        return 0;
    }
    /* The safe sequence first: then the ring has every position up to it. */
    const uint64_t acked_seq = acked_by_all(coordinator);
    uint32_t work = drain_positions(coordinator);

    work += advance(coordinator, acked_seq);
    work += poll_save(coordinator, now_ns);
    work += try_save(coordinator, now_ns);
    if (stop_state == TR_COORDINATOR_STOPS && !coordinator->is_saving &&
        (coordinator->has_failed || (work == 0 && coordinator->retry_delay_ns == 0))) {
        /* Release, pairs with is_stopped(). */
        atomic_store_explicit(&coordinator->stop_state, TR_COORDINATOR_STOPPED,
                              memory_order_release);
        return 1;
    }
    return work;
}

static uint32_t drain_positions(struct tr_coordinator *coordinator)
{
    struct tr_ring *ring = coordinator->options.positions;
    uint32_t drained = 0;

    while (drained < POSITIONS_PER_STEP) {
        void *slots;
        const uint64_t count = tr_ring_peek(ring, POSITIONS_PER_STEP - drained, &slots);
        const struct tr_unit_position *positions = slots;
        uint64_t taken = 0;

        while (taken < count && tr_watermark_try_push(coordinator->watermark, &positions[taken])) {
            taken++;
        }
        tr_ring_release(ring, taken);
        drained += (uint32_t)taken;
        if (count == 0 || taken < count) {
            break;
        }
    }
    return drained;
}

static uint32_t advance(struct tr_coordinator *coordinator, uint64_t acked_seq)
{
    const struct tr_coordinator_options *options = &coordinator->options;
    const uint64_t before = tr_watermark_safe_seq(coordinator->watermark);
    struct tr_error err;

    if (tr_watermark_advance(coordinator->watermark, acked_seq, &err) != TR_OK) {
        give_up(coordinator, &err);
        return 0;
    }
    const uint64_t safe_seq = tr_watermark_safe_seq(coordinator->watermark);

    if (safe_seq == before) {
        return 0;
    }
    /* Relaxed: numbers for metrics and for the sequencer's bound, nothing else is published by
     * them. */
    atomic_store_explicit(options->safe_log_bytes,
                          tr_watermark_safe_log_bytes(coordinator->watermark),
                          memory_order_relaxed);
    atomic_store_explicit(options->safe_seq, safe_seq, memory_order_relaxed);
    return 1;
}

/* --- saving --- */

static void give_up(struct tr_coordinator *coordinator, const struct tr_error *err)
{
    coordinator->has_failed = true;
    tr_fault_raise(coordinator->options.fault, err); /* the first one counts */
}

static void count_metric(struct tr_coordinator *coordinator, enum tr_metric metric)
{
    if (coordinator->options.metrics != NULL) {
        tr_metric_add(coordinator->options.metrics, metric, 1);
    }
}

static void save_failed(struct tr_coordinator *coordinator, int64_t now_ns,
                        const struct tr_error *err)
{
    int64_t failing_max_ns = coordinator->options.save_failing_ns_max;

    /* Relaxed: step() has loaded it with acquire. */
    if (atomic_load_explicit(&coordinator->stop_state, memory_order_relaxed) ==
            TR_COORDINATOR_STOPS &&
        (failing_max_ns == 0 || failing_max_ns > FINAL_FAILING_NS_MAX)) {
        failing_max_ns = FINAL_FAILING_NS_MAX;
    }
    count_metric(coordinator, TR_METRIC_OFFSET_SAVE_FAILURES);
    if (coordinator->retry_delay_ns == 0) {
        coordinator->failing_since_ns = now_ns;
        coordinator->retry_delay_ns = RETRY_DELAY_NS_MIN;
        /* Relaxed: for health, which reads nothing else by it. */
        atomic_store_explicit(&coordinator->failing_ns, now_ns, memory_order_relaxed);
    } else {
        coordinator->retry_delay_ns *= 2;
        coordinator->retry_delay_ns = coordinator->retry_delay_ns < RETRY_DELAY_NS_MAX
                                          ? coordinator->retry_delay_ns
                                          : RETRY_DELAY_NS_MAX;
    }
    if (err->remedy == TR_STOP ||
        (failing_max_ns != 0 && now_ns - coordinator->failing_since_ns >= failing_max_ns)) {
        TR_COVER("coordinator.save_given_up");
        give_up(coordinator, err);
        return;
    }
    TR_COVER("coordinator.save_retried");
    tr_log_error(TR_LOG_WARN, "coordinator.save_failed", err);
    coordinator->next_save_ns = now_ns + coordinator->retry_delay_ns;
}

static void save_done(struct tr_coordinator *coordinator, int64_t now_ns)
{
    lock(coordinator);
    char *const before = coordinator->saved;

    coordinator->saved = coordinator->value;
    coordinator->saved_bytes = coordinator->value_bytes;
    unlock(coordinator);
    coordinator->value = before;
    if (coordinator->retry_delay_ns != 0) {
        TR_LOG(TR_LOG_INFO, "coordinator.save_recovered",
               TR_INT("failing_ms", (now_ns - coordinator->failing_since_ns) / TR_NS_PER_MS));
    }
    coordinator->retry_delay_ns = 0;
    count_metric(coordinator, TR_METRIC_OFFSET_SAVES);
    /* Relaxed: numbers for metrics and health. */
    atomic_store_explicit(&coordinator->saved_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&coordinator->failing_ns, 0, memory_order_relaxed);
    atomic_store_explicit(coordinator->options.saved_seq, coordinator->value_seq,
                          memory_order_relaxed);
}

static uint32_t poll_save(struct tr_coordinator *coordinator, int64_t now_ns)
{
    struct tr_store *store = coordinator->options.store;
    struct tr_store_content content;
    struct tr_error err;

    if (!coordinator->is_saving) {
        return 0;
    }
    switch (store->poll(store->self, now_ns, &content, &err)) {
    case TR_STORE_PENDING:
        return 0;
    case TR_STORE_DONE:
        coordinator->is_saving = false;
        save_done(coordinator, now_ns);
        return 1;
    case TR_STORE_FAILED:
        coordinator->is_saving = false;
        coordinator->is_built = false;
        save_failed(coordinator, now_ns, &err);
        return 1;
    case TR_STORE_IDLE:
        break;
    }
    TR_ASSERT(false); /* a save was started and not reported */
    return 0;
}

/* Whether the time has come: the interval has passed, or the retry is due, or the engine stops. */
static bool save_is_due(const struct tr_coordinator *coordinator, int64_t now_ns)
{
    /* Relaxed: step() has loaded it with acquire. */
    const int stop_state = atomic_load_explicit(&coordinator->stop_state, memory_order_relaxed);

    if (coordinator->retry_delay_ns != 0) {
        return now_ns >= coordinator->next_save_ns;
    }
    return stop_state == TR_COORDINATOR_STOPS || coordinator->saved_bytes == 0 ||
           now_ns >= coordinator->next_save_ns;
}

static uint32_t try_save(struct tr_coordinator *coordinator, int64_t now_ns)
{
    struct tr_store *store = coordinator->options.store;
    const uint64_t safe_seq = tr_watermark_safe_seq(coordinator->watermark);

    if (coordinator->is_saving || coordinator->has_failed || !save_is_due(coordinator, now_ns)) {
        return 0;
    }
    /* Acquire, pairs with the sequencer's release; a unit numbered a moment later changes nothing
     * of what is safe. */
    const bool is_newest =
        atomic_load_explicit(coordinator->options.sequenced_seq, memory_order_acquire) == safe_seq;

    if (coordinator->is_built && coordinator->value_seq == safe_seq &&
        coordinator->value_is_newest == is_newest) {
        return 0; /* that one is saved, or was equal to what is */
    }
    if (!build(coordinator, is_newest, now_ns)) {
        return 1;
    }
    if (coordinator->value_bytes == coordinator->saved_bytes &&
        memcmp(coordinator->value, coordinator->saved, coordinator->saved_bytes) == 0) {
        coordinator->retry_delay_ns = 0;
        return 0;
    }
    coordinator->is_saving = true;
    coordinator->next_save_ns = now_ns + coordinator->options.flush_interval_ns;
    store->start_save(store->self, tr_span_of(coordinator->value, coordinator->value_bytes),
                      tr_span_of(coordinator->identity_text, coordinator->identity_bytes), now_ns);
    return 1;
}

/* The server that the connection was to: of the newest source that is not newer than it. */
static struct tr_identity identity_of(struct tr_coordinator *coordinator, uint64_t link_epoch)
{
    struct tr_identity identity = {.flavor = coordinator->options.flavor};

    lock(coordinator);
    for (uint32_t i = coordinator->source_count; i > 0; i--) {
        if (coordinator->sources[i - 1].link_epoch <= link_epoch) {
            identity = coordinator->sources[i - 1].identity;
            break;
        }
    }
    unlock(coordinator);
    return identity;
}

/* The texts of the safe position; false (and given up) when they cannot be had. */
static bool build(struct tr_coordinator *coordinator, bool is_newest, int64_t now_ns)
{
    struct tr_saved_position *position = &coordinator->position;
    uint64_t link_epoch;
    struct tr_error err;

    if (tr_watermark_position(coordinator->watermark, is_newest, position, &link_epoch, &err) !=
        TR_OK) {
        give_up(coordinator, &err);
        return false;
    }
    struct tr_identity identity = identity_of(coordinator, link_epoch);

    identity.point = position->point;
    if (coordinator->options.historian != NULL) {
        identity.history = tr_historian_seal(coordinator->options.historian);
    }
    identity.saved_unix_ms = (now_ns + coordinator->options.wall_offset_ns) / TR_NS_PER_MS;
    coordinator->value_bytes =
        tr_position_write_json(position, coordinator->value, TR_STORE_TEXT_BYTES_MAX);
    coordinator->identity_bytes =
        tr_identity_write_json(&identity, coordinator->identity_text, TR_IDENTITY_TEXT_BYTES_MAX);
    if (coordinator->value_bytes == 0 || coordinator->identity_bytes == 0) {
        (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP,
                      "offset text with a GTID set of %zu bytes: wanted at most %d in all; close "
                      "the gaps of gtid_executed on the source (inject empty transactions)",
                      tr_gtid_set_text_bytes(position->gtids), TR_STORE_TEXT_BYTES_MAX);
        give_up(coordinator, &err);
        return false;
    }
    coordinator->value_seq = tr_watermark_safe_seq(coordinator->watermark);
    coordinator->value_is_newest = is_newest;
    coordinator->is_built = true;
    return true;
}
