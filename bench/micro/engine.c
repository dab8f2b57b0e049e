// SPDX-License-Identifier: Apache-2.0
/* Rings, checksums, base64, JSON strings. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "bench/micro/micro.h"
#include "engine/base64.h"
#include "engine/crc32.h"
#include "engine/json_write.h"
#include "engine/ring.h"

#define SLOTS 1024
#define RING_ROUNDS 4096
#define THREAD_SLOTS_PER_BATCH ((uint64_t)1 << 20)
#define BUFFER_BYTES ((size_t)1 << 20)

struct slot {
    void *object;
    uint64_t sequence;
};

struct ring_case {
    struct tr_ring ring;
    uint32_t batch;
};

static void *ring_open(const struct tr_micro_case *self)
{
    struct tr_error err;
    struct ring_case *state = aligned_alloc(TR_NO_SHARE_BYTES, sizeof(*state));
    if (state == NULL || tr_ring_init(&state->ring, SLOTS, sizeof(struct slot), &err) != TR_OK) {
        tr_micro_die("%s: no memory", self->name);
    }
    state->batch = self->argument;
    return state;
}

static void ring_close(void *self)
{
    struct ring_case *state = self;
    tr_ring_deinit(&state->ring);
    free(state);
}

static void put_batch(struct tr_ring *ring, uint64_t count, uint64_t sequence)
{
    void *slots;
    uint64_t done = 0;
    while (done < count) {
        const uint64_t claimed = tr_ring_claim(ring, count - done, &slots);
        for (uint64_t i = 0; i < claimed; i++) {
            ((struct slot *)slots)[i] = (struct slot){.object = ring, .sequence = sequence++};
        }
        if (claimed > 0) {
            tr_ring_publish(ring, claimed);
        } else {
            (void)sched_yield(); /* a busy machine: the other thread may not be running */
        }
        done += claimed;
    }
}

static uint64_t take_batch(struct tr_ring *ring, uint64_t count)
{
    void *slots;
    uint64_t sum = 0;
    uint64_t done = 0;
    while (done < count) {
        const uint64_t seen = tr_ring_peek(ring, count - done, &slots);
        for (uint64_t i = 0; i < seen; i++) {
            sum += ((const struct slot *)slots)[i].sequence;
        }
        if (seen > 0) {
            tr_ring_release(ring, seen);
        } else {
            (void)sched_yield();
        }
        done += seen;
    }
    return sum;
}

static struct tr_micro_work ring_run(void *self)
{
    struct ring_case *state = self;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < RING_ROUNDS; i++) {
        put_batch(&state->ring, state->batch, i);
        sum += take_batch(&state->ring, state->batch);
    }
    tr_micro_keep(sum);
    const uint64_t items = (uint64_t)RING_ROUNDS * state->batch;
    return (struct tr_micro_work){.items = items, .bytes = items * sizeof(struct slot)};
}

static void *produce(void *self)
{
    struct ring_case *state = self;
    for (uint64_t i = 0; i < THREAD_SLOTS_PER_BATCH; i += state->batch) {
        put_batch(&state->ring, state->batch, i);
    }
    return NULL;
}

static struct tr_micro_work ring_threads_run(void *self)
{
    struct ring_case *state = self;
    pthread_t thread;
    if (pthread_create(&thread, NULL, produce, state) != 0) {
        tr_micro_die("no thread");
    }
    for (uint64_t i = 0; i < THREAD_SLOTS_PER_BATCH; i += state->batch) {
        tr_micro_keep(take_batch(&state->ring, state->batch));
    }
    (void)pthread_join(thread, NULL);
    return (struct tr_micro_work){.items = THREAD_SLOTS_PER_BATCH,
                                  .bytes = THREAD_SLOTS_PER_BATCH * sizeof(struct slot)};
}

/* Bytes in pieces of `piece_bytes`, and where the result goes. */
struct bytes_case {
    uint8_t *in;
    uint8_t *out;
    size_t piece_bytes;
    enum tr_base64_way way;
};

static void *bytes_open(const struct tr_micro_case *self)
{
    struct bytes_case *state = calloc(1, sizeof(*state));
    if (state == NULL || (state->in = calloc(1, BUFFER_BYTES + 64)) == NULL ||
        (state->out = calloc(6, BUFFER_BYTES)) == NULL) {
        tr_micro_die("%s: no memory", self->name);
    }
    for (size_t i = 0; i < BUFFER_BYTES; i++) {
        state->in[i] = (uint8_t)('a' + i * 7 % 26);
    }
    state->piece_bytes = self->argument;
    return state;
}

static void *base64_open(const struct tr_micro_case *self)
{
    const enum tr_base64_way way = (enum tr_base64_way)(self->argument >> 24);
    if (!tr_base64_has(way)) {
        return NULL;
    }
    struct bytes_case *state = bytes_open(self);
    state->way = way;
    state->piece_bytes = self->argument & 0xFFFFFF;
    return state;
}

static void bytes_close(void *self)
{
    struct bytes_case *state = self;
    free(state->in);
    free(state->out);
    free(state);
}

static struct tr_micro_work crc_run(void *self)
{
    struct bytes_case *state = self;
    const uint64_t count = BUFFER_BYTES / state->piece_bytes;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += tr_crc32(0, tr_span_of(state->in + i * state->piece_bytes, state->piece_bytes));
    }
    tr_micro_keep(sum);
    return (struct tr_micro_work){.items = count, .bytes = count * state->piece_bytes};
}

static struct tr_micro_work base64_run(void *self)
{
    struct bytes_case *state = self;
    const uint64_t count = BUFFER_BYTES / state->piece_bytes;
    uint8_t *out = state->out;
    for (uint64_t i = 0; i < count; i++) {
        out += tr_base64_encode_as(
            state->way, out, tr_span_of(state->in + i * state->piece_bytes, state->piece_bytes));
    }
    tr_micro_keep((uint64_t)(uintptr_t)out);
    return (struct tr_micro_work){.items = count, .bytes = count * state->piece_bytes};
}

static struct tr_micro_work escape_run(void *self)
{
    struct bytes_case *state = self;
    const uint64_t count = BUFFER_BYTES / state->piece_bytes;
    uint8_t *out = state->out;
    for (uint64_t i = 0; i < count; i++) {
        out +=
            tr_json_escape(out, tr_span_of(state->in + i * state->piece_bytes, state->piece_bytes));
    }
    tr_micro_keep((uint64_t)(uintptr_t)out);
    return (struct tr_micro_work){.items = count, .bytes = count * state->piece_bytes};
}

#define RING(text, count)                                                                          \
    {                                                                                              \
        .name = text, .item = "slots", .argument = (count), .open = ring_open, .run = ring_run,    \
        .close = ring_close                                                                        \
    }
#define BYTES(text, what, count, opener, runner)                                                   \
    {                                                                                              \
        .name = text, .item = what, .argument = (count), .open = opener, .run = runner,            \
        .close = bytes_close                                                                       \
    }
#define WAY(way, count) ((uint32_t)(way) << 24 | (count))

const struct tr_micro_case tr_micro_engine_cases[] = {
    RING("ring, one slot at a time", 1),
    RING("ring, 64 slots at a time", 64),
    {.name = "ring between two threads, 16 at a time",
     .item = "slots",
     .by_wall = true,
     .argument = 16,
     .open = ring_open,
     .run = ring_threads_run,
     .close = ring_close},
    BYTES("CRC-32, events of 64 B", "events", 64, bytes_open, crc_run),
    BYTES("CRC-32, events of 256 B", "events", 256, bytes_open, crc_run),
    BYTES("CRC-32, events of 8 KiB", "events", 8192, bytes_open, crc_run),
    BYTES("base64, records of 600 B, scalar", "records", WAY(TR_BASE64_SCALAR, 600), base64_open,
          base64_run),
    BYTES("base64, records of 600 B, AVX2", "records", WAY(TR_BASE64_AVX2, 600), base64_open,
          base64_run),
    BYTES("base64, records of 600 B, AVX-512", "records", WAY(TR_BASE64_AVX512, 600), base64_open,
          base64_run),
    BYTES("base64, records of 2.5 KB, AVX-512", "records", WAY(TR_BASE64_AVX512, 2500), base64_open,
          base64_run),
    BYTES("JSON escape, texts of 24 B", "texts", 24, bytes_open, escape_run),
    BYTES("JSON escape, texts of 1 KiB", "texts", 1024, bytes_open, escape_run),
    {.name = NULL}};
