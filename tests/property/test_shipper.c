// SPDX-License-Identifier: Apache-2.0
/*
 * The shipper against a model of Kinesis with faults drawn from a seed.
 *
 *   test_shipper              500 seeds
 *   test_shipper SEED [COUNT] COUNT (1) seeds from SEED on
 *
 * Checked at every step: the first sight of a key's versions is in order (hot keys: may skip, and heal), nothing of a key is
 * sent while something of it is out or while a copy of unknown outcome may still land, acked_seq is never ahead of what is
 * visible, fragments that went home are not read again. At the end: once faults stop it drains, nothing is lost, the last
 * write of each key is the newest, every table and buffer is empty.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cover.h"
#include "engine/log.h"
#include "engine/metrics.h"
#include "stages/ship/shipper_state.h"
#include "tests/support/model_kinesis.h"
#include "tests/support/random.h"

#define STREAMS_MAX 6
#define KEYS_MAX 400
#define VERSIONS_MAX 4000
#define UNITS_MAX 4096
#define FRAGMENTS 24
#define FRAGMENT_ROOM (16 * 1024)
#define RECORDS_MAX 120 /* in one fragment */
#define NORMAL_QUEUED_MAX 40 /* of one key: never hot */

static uint64_t current_seed;

#define CHECK(cond)                                                                                                 \
    do {                                                                                                            \
        if (!(cond)) {                                                                                              \
            (void)fprintf(stderr, "test_shipper: seed %llu: %s:%d: %s\n", (unsigned long long)current_seed,         \
                          __FILE__, __LINE__, #cond);                                                               \
            abort();                                                                                                \
        }                                                                                                           \
    } while (0)

struct key_state {
    bool is_hot;        /* may have several entries in a request, and skip versions at first sight */
    uint32_t made;      /* versions 1..made exist */
    uint32_t seen;      /* normal keys: first seen up to this one */
    uint32_t seen_count;
    uint32_t newest;    /* version of the last write */
    uint32_t out_count; /* entries in requests */
    uint32_t guard_version;
    int64_t guard_until_ns;
    bool *is_seen;      /* owns; by version */
    uint32_t *unit_of;  /* owns; by version */
};

struct stream_state {
    struct model_stream *model;
    uint32_t key_count;
    bool has_keyless;
    struct key_state keys[KEYS_MAX + 1]; /* the last one is the null key */
};

struct world {
    struct tr_random random;
    struct model_kinesis *model;
    struct tr_shipper *shipper;
    struct tr_streams *streams;
    struct tr_metrics *metrics;
    struct tr_metric_block block;
    struct tr_progress progress;
    struct tr_fault fault;
    struct tr_clock clock;
    struct tr_ring buckets;
    struct tr_ring returns;
    int64_t now_ns;
    uint32_t stream_count;
    struct stream_state state[STREAMS_MAX];
    uint32_t fragment_free_count;
    struct tr_fragment *fragment_free[FRAGMENTS];
    struct tr_fragment *fragments[FRAGMENTS]; /* owns */
    uint64_t unit_seq;
    uint32_t unseen[UNITS_MAX]; /* records of the unit that are not visible yet */
    uint64_t first_unseen;      /* units below it are all visible */
    uint64_t made_count;
};

static struct world *world; /* one at a time: the model's callbacks and the clock need it */

static int64_t monotonic_now(void *self)
{
    (void)self;
    return world->now_ns;
}

static int64_t wall_now(void *self)
{
    (void)self;
    return world->now_ns + INT64_C(1700000000) * TR_NS_PER_S;
}

/* --- what the model sees */

struct seen {
    struct key_state *key;
    uint32_t version;
};

/* Data is "v<version> ..." ; the partition key is {"k":<n>} or the null key. A tombstone is version-less: not used here. */
static struct seen look_up(const char *stream_name, struct tr_span key, struct tr_span data)
{
    struct stream_state *stream = NULL;
    for (uint32_t i = 0; i < world->stream_count; i++) {
        if (strcmp(world->state[i].model->name, stream_name) == 0) {
            stream = &world->state[i];
        }
    }
    CHECK(stream != NULL);
    char text[64] = "";
    memcpy(text, key.data, key.bytes < sizeof(text) ? key.bytes : sizeof(text) - 1);
    uint32_t n = KEYS_MAX;
    if (strcmp(text, "default") != 0) {
        CHECK(sscanf(text, "{\"k\":%u}", &n) == 1);
    }
    char number[16] = "";
    memcpy(number, data.data, data.bytes < sizeof(number) ? data.bytes : sizeof(number) - 1);
    uint32_t version = 0;
    CHECK(sscanf(number, "v%u ", &version) == 1);
    CHECK(version >= 1);
    CHECK(version <= stream->keys[n].made);
    return (struct seen){.key = &stream->keys[n], .version = version};
}

static void on_submit(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns)
{
    const struct seen seen = look_up(stream, key, data);
    (void)self;
    CHECK(seen.key->is_hot || seen.key->out_count == 0); /* one entry per key */
    CHECK(now_ns >= seen.key->guard_until_ns || seen.version <= seen.key->guard_version);
    seen.key->out_count++;
}

static void on_over(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns)
{
    (void)self;
    (void)now_ns;
    look_up(stream, key, data).key->out_count--;
}

static void on_lost(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t until_ns)
{
    const struct seen seen = look_up(stream, key, data);
    (void)self;
    if (seen.key->guard_version < seen.version) {
        seen.key->guard_version = seen.version;
    }
    if (seen.key->guard_until_ns < until_ns) {
        seen.key->guard_until_ns = until_ns;
    }
}

static void on_apply(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns)
{
    const struct seen seen = look_up(stream, key, data);
    (void)self;
    (void)now_ns;
    if (!seen.key->is_seen[seen.version]) {
        CHECK(seen.key->is_hot || seen.version == seen.key->seen + 1);
        seen.key->is_seen[seen.version] = true;
        seen.key->seen = seen.version;
        seen.key->seen_count++;
        world->unseen[seen.key->unit_of[seen.version]]--;
    } else {
        /* A repeat: for a normal key only of what was written last, or a late copy of it. */
        CHECK(seen.key->is_hot || seen.version == seen.key->newest);
    }
    seen.key->newest = seen.version;
}

/* --- records in */

static void add_record(struct tr_fragment *fragment, uint32_t stream_id, uint32_t key_number, uint32_t version)
{
    struct tr_fragment_group *group = NULL;
    for (uint32_t i = 0; i < fragment->group_count; i++) {
        if (fragment->groups[i].stream_id == stream_id) {
            group = &fragment->groups[i];
        }
    }
    if (group == NULL) {
        group = &fragment->groups[fragment->group_count++];
        *group = (struct tr_fragment_group){.stream_id = stream_id};
    }
    fragment->high_bytes += (uint32_t)sizeof(struct tr_record);
    struct tr_record *record =
        (struct tr_record *)(void *)(fragment->bytes + fragment->room_bytes - fragment->high_bytes);
    char *out = (char *)fragment->bytes + fragment->low_bytes;
    *record = (struct tr_record){.fragment = fragment, .unit_seq = fragment->unit_seq, .key_at = fragment->low_bytes};
    record->commit_us = wall_now(NULL) / 1000 - 1500;
    if (key_number == KEYS_MAX) {
        record->flags = TR_RECORD_KEYLESS;
    } else {
        record->key_bytes = (uint32_t)snprintf(out, 32, "{\"k\":%u}", key_number);
        record->key_hash = key_number * UINT64_C(0x9E3779B97F4A7C15) + 1;
    }
    record->value_at = record->key_at + record->key_bytes;
    const uint32_t pad = tr_random_below(&world->random, 10) == 0 ? tr_random_below(&world->random, 3000)
                                                                  : tr_random_below(&world->random, 60);
    int bytes = snprintf(out + record->key_bytes, 32, "v%u ", version);
    memset(out + record->key_bytes + bytes, 'x', pad);
    record->value_bytes = (uint32_t)bytes + pad;
    fragment->low_bytes += record->key_bytes + record->value_bytes;
    if (group->first == NULL) {
        group->first = record;
    } else {
        group->last->next = record;
    }
    group->last = record;
    group->record_count++;
    group->record_bytes += record->key_bytes + record->value_bytes;
}

/* A key of the stream that may take one more record; UINT32_MAX = none found. */
static uint32_t pick_key(struct stream_state *stream)
{
    if (stream->has_keyless && tr_random_chance(&world->random, 300)) {
        return KEYS_MAX;
    }
    for (uint32_t tries = 0; tries < 8; tries++) {
        const uint32_t n = tr_random_below(&world->random, stream->key_count);
        const struct key_state *key = &stream->keys[n];
        if (key->made + 1 < VERSIONS_MAX && (key->is_hot || key->made - key->seen_count < NORMAL_QUEUED_MAX)) {
            return n;
        }
    }
    return UINT32_MAX;
}

static void route(struct tr_fragment *fragment)
{
    if (fragment->group_count == 0) {
        world->fragment_free[world->fragment_free_count++] = fragment;
        return;
    }
    fragment->bucket_count = fragment->group_count;
    for (uint32_t i = 0; i < fragment->group_count; i++) {
        struct tr_bucket *bucket = tr_ring_claim_one(&world->buckets);
        *bucket = (struct tr_bucket){.fragment = fragment,
                                     .group = i,
                                     .stream_id = fragment->groups[i].stream_id,
                                     .unit_seq = fragment->unit_seq};
        tr_ring_publish(&world->buckets, 1);
    }
}

/* One unit of up to three fragments, routed as the collector does. */
static void make_unit(void)
{
    const uint64_t seq = ++world->unit_seq;
    CHECK(seq < UNITS_MAX);
    const uint32_t fragment_count = tr_random_below(&world->random, 4);

    for (uint32_t f = 0; f < fragment_count && world->fragment_free_count > 0; f++) {
        struct tr_fragment *fragment = world->fragment_free[--world->fragment_free_count];
        memset(fragment, 0, sizeof(*fragment));
        fragment->magic = TR_FRAGMENT_MAGIC;
        fragment->unit_seq = seq;
        fragment->room_bytes = FRAGMENT_ROOM;
        const uint32_t wanted = 1 + tr_random_below(&world->random, RECORDS_MAX);
        const uint32_t one_stream = tr_random_below(&world->random, 2 * world->stream_count);
        for (uint32_t i = 0; i < wanted && fragment->low_bytes + fragment->high_bytes + 4000 < FRAGMENT_ROOM; i++) {
            const uint32_t s =
                one_stream < world->stream_count ? one_stream : tr_random_below(&world->random, world->stream_count);
            const uint32_t n = pick_key(&world->state[s]);
            if (n == UINT32_MAX || world->state[s].keys[n].made + 1 >= VERSIONS_MAX) {
                continue;
            }
            struct key_state *key = &world->state[s].keys[n];
            key->made++;
            key->unit_of[key->made] = (uint32_t)seq;
            world->unseen[seq]++;
            world->made_count++;
            add_record(fragment, s, n, key->made);
        }
        route(fragment);
    }
    atomic_store_explicit(&world->progress.routed_seq, seq, memory_order_release);
}

static void bring_home(void)
{
    void *slot;
    while (tr_ring_peek(&world->returns, 1, &slot) == 1) {
        struct tr_fragment *fragment = ((const struct tr_bucket_return *)slot)->fragment;
        tr_ring_release(&world->returns, 1);
        CHECK(fragment->bucket_count > 0);
        if (--fragment->bucket_count == 0) {
            memset(fragment, 0xDD, sizeof(*fragment) + FRAGMENT_ROOM); /* whoever still reads it will be found out */
            world->fragment_free[world->fragment_free_count++] = fragment;
        }
    }
}

/* --- the world */

static void open_state(struct stream_state *stream, uint32_t index)
{
    char name[16];
    struct tr_error err;
    (void)snprintf(name, sizeof(name), "s%u", index);
    CHECK(tr_streams_intern(world->streams, tr_span_of_text(name), &err) != NULL);
    stream->model = model_kinesis_add_stream(world->model, name);
    stream->model->shard_count = 1 + tr_random_below(&world->random, tr_random_chance(&world->random, 200) ? 100 : 6);
    stream->model->is_denied = tr_random_chance(&world->random, 200);
    stream->model->is_absent = !stream->model->is_denied && tr_random_chance(&world->random, 200);
    stream->has_keyless = tr_random_chance(&world->random, 250);
    static const uint32_t counts[] = {1, 3, 20, KEYS_MAX};
    stream->key_count = counts[tr_random_below(&world->random, 4)];
    for (uint32_t n = 0; n <= KEYS_MAX; n++) {
        struct key_state *key = &stream->keys[n];
        if (n < stream->key_count || (n == KEYS_MAX && stream->has_keyless)) {
            key->is_hot = n == KEYS_MAX || (n % 7 == 2 && tr_random_chance(&world->random, 500));
            key->is_seen = calloc(VERSIONS_MAX, sizeof(*key->is_seen));
            key->unit_of = calloc(VERSIONS_MAX, sizeof(*key->unit_of));
            CHECK(key->is_seen != NULL);
            CHECK(key->unit_of != NULL);
        }
    }
}

static void open_shipper(void)
{
    struct tr_error err;
    world->clock = (struct tr_clock){.monotonic_ns = monotonic_now, .wall_unix_ns = wall_now};
    const struct tr_shipper_options options = {
        .shipper_count = 1,
        .buckets = &world->buckets,
        .returns = &world->returns,
        .streams = world->streams,
        .progress = &world->progress,
        .fault = &world->fault,
        .transport = model_kinesis_transport(world->model),
        .clock = &world->clock,
        .metrics = world->metrics,
        .actor_metrics = &world->block,
        .seed = tr_random_next(&world->random),
        .slot_count = 1 + tr_random_below(&world->random, 8),
        .parallel_max = 1 + tr_random_below(&world->random, 4),
        .batch_size_max = tr_random_chance(&world->random, 500) ? 500 : 1 + tr_random_below(&world->random, 40),
        .flight_bytes_max = tr_random_chance(&world->random, 300) ? 20 * 1024 : 16 * 1024 * 1024,
        .keys_max = TR_SHIPPER_KEYS_MIN,
        .buckets_max = FRAGMENTS * TR_FRAGMENT_GROUPS_MAX,
        .streams_max = STREAMS_MAX,
        .parking_bytes = (uint64_t)tr_random_below(&world->random, 8) * 256 * 1024 + 1,
        .request_timeout_ns = (100 + tr_random_below(&world->random, 3000)) * TR_NS_PER_MS,
        .creates_streams = true,
        .wish = {.shard_count = 1},
        .map_refresh_ns = 2 * TR_NS_PER_S,
        .stream_grace_ns = 100000 * TR_NS_PER_S,
        .start_grace_ns = 100000 * TR_NS_PER_S,
        .stall_ns = (20 + tr_random_below(&world->random, 500)) * TR_NS_PER_MS,
    };
    CHECK(tr_shipper_open(&world->shipper, &options, NULL, &err) == TR_OK);
    if (tr_random_chance(&world->random, 300)) {
        /* Our fragments are small: so may the table be. */
        world->shipper->keys.keys_max = RECORDS_MAX + tr_random_below(&world->random, 200);
    }
}

static void open_world(uint64_t seed)
{
    struct tr_error err;
    world = calloc(1, sizeof(*world));
    CHECK(world != NULL);
    world->random.state = seed;
    world->now_ns = 1000 * TR_NS_PER_S;
    world->first_unseen = 1;
    CHECK(tr_ring_init(&world->buckets, FRAGMENTS * TR_FRAGMENT_GROUPS_MAX, sizeof(struct tr_bucket), &err) == TR_OK);
    CHECK(tr_ring_init(&world->returns, FRAGMENTS * TR_FRAGMENT_GROUPS_MAX, sizeof(struct tr_bucket_return), &err) ==
          TR_OK);
    CHECK(tr_streams_open(&world->streams, 1, &err) == TR_OK);
    CHECK(tr_metrics_open(&world->metrics, STREAMS_MAX, &err) == TR_OK);
    const struct model_watcher watcher = {
        .on_submit = on_submit, .on_apply = on_apply, .on_lost = on_lost, .on_over = on_over};
    world->model = model_kinesis_open(tr_random_next(&world->random), &watcher);
    world->stream_count = 1 + tr_random_below(&world->random, STREAMS_MAX);
    for (uint32_t i = 0; i < world->stream_count; i++) {
        open_state(&world->state[i], i);
    }
    for (uint32_t i = 0; i < FRAGMENTS; i++) {
        CHECK(posix_memalign((void **)&world->fragments[i], 64, sizeof(struct tr_fragment) + FRAGMENT_ROOM + 64) == 0);
        world->fragment_free[world->fragment_free_count++] = world->fragments[i];
    }
    open_shipper();
}

static void close_world(void)
{
    world->shipper->keys.keys_max = TR_SHIPPER_KEYS_MIN; /* as it was mapped */
    tr_shipper_close(world->shipper);
    model_kinesis_close(world->model);
    for (uint32_t i = 0; i < world->stream_count; i++) {
        for (uint32_t n = 0; n <= KEYS_MAX; n++) {
            free(world->state[i].keys[n].is_seen);
            free(world->state[i].keys[n].unit_of);
        }
    }
    for (uint32_t i = 0; i < FRAGMENTS; i++) {
        free(world->fragments[i]);
    }
    tr_metrics_close(world->metrics);
    tr_streams_close(world->streams);
    tr_ring_deinit(&world->buckets);
    tr_ring_deinit(&world->returns);
    free(world);
    world = NULL;
}

static void draw_faults(void)
{
    struct model_faults *faults = model_kinesis_faults(world->model);
    const uint32_t most = tr_random_chance(&world->random, 300) ? 0 : 1 + tr_random_below(&world->random, 200);
    uint32_t *each[] = {&faults->submit_error, &faults->unsent, &faults->lost,  &faults->hang,   &faults->garbage,
                        &faults->error,        &faults->partial, &faults->entry, &faults->control};
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        *each[i] = most == 0 || tr_random_chance(&world->random, 400) ? 0 : tr_random_below(&world->random, most);
    }
    faults->entry = tr_random_below(&world->random, 500);
    for (uint32_t i = 0; i < world->stream_count; i++) {
        struct model_stream *stream = world->state[i].model;
        stream->is_dead = tr_random_chance(&world->random, 150);
        stream->is_missing = tr_random_chance(&world->random, 30);
        stream->throttled_shards = tr_random_chance(&world->random, 200) ? tr_random_next(&world->random) : 0;
        stream->request_bytes_max = tr_random_chance(&world->random, 100) ? 200 * 1024 : 5 * 1024 * 1024;
        if (tr_random_chance(&world->random, 200)) {
            stream->shard_count = 1 + tr_random_below(&world->random, 70);
        }
    }
}

static void end_faults(void)
{
    *model_kinesis_faults(world->model) = (struct model_faults){0};
    for (uint32_t i = 0; i < world->stream_count; i++) {
        world->state[i].model->is_dead = false;
        world->state[i].model->is_missing = false;
        world->state[i].model->throttled_shards = 0;
    }
}

static uint64_t acked_seq(void)
{
    return atomic_load_explicit(&world->progress.shippers[0].acked_seq, memory_order_acquire);
}

static void step_all(int64_t dt_ns)
{
    world->now_ns += dt_ns;
    model_kinesis_step(world->model, world->now_ns);
    (void)tr_shipper_step(world->shipper, world->now_ns);
    bring_home();
    while (world->first_unseen <= world->unit_seq && world->unseen[world->first_unseen] == 0) {
        world->first_unseen++;
    }
    CHECK(acked_seq() < world->first_unseen);
    const struct tr_error *err = tr_fault_seen(&world->fault);
    if (err != NULL) {
        (void)fprintf(stderr, "fault: %s\n", err->text);
        CHECK(err == NULL);
    }
}

static void check_end(void)
{
    CHECK(tr_shipper_is_idle(world->shipper));
    CHECK(acked_seq() == world->unit_seq);
    CHECK(world->fragment_free_count == FRAGMENTS);
    CHECK(world->shipper->keys.used_count == 0);
    CHECK(world->shipper->parking.used_count == 0);
    CHECK(world->shipper->parked_bucket_count == 0);
    CHECK(world->shipper->held_head == SHIP_NONE);
    CHECK(world->shipper->busy_count == 0);
    for (uint32_t s = 0; s < world->stream_count; s++) {
        const struct ship_stream *stream = &world->shipper->streams[s];
        CHECK(stream->queued_bytes == 0);
        CHECK(stream->resident_count == 0);
        CHECK(stream->flight_slots == 0);
        CHECK(stream->flight_bytes == 0);
        CHECK(stream->partial_slots == 0);
        CHECK(stream->lanes.ready_count == 0);
        CHECK(stream->lanes.flight_mask == 0);
        for (uint32_t n = 0; n <= KEYS_MAX; n++) {
            const struct key_state *key = &world->state[s].keys[n];
            CHECK(key->seen_count == key->made); /* nothing lost */
            CHECK(key->newest == key->made);     /* the last write is the newest */
        }
    }
}

static void run_seed(uint64_t seed)
{
    current_seed = seed;
    open_world(seed);
    const uint32_t rounds = 200 + tr_random_below(&world->random, 1500);
    for (uint32_t round = 0; round < rounds; round++) {
        if (round % 100 == 0) {
            draw_faults();
        }
        if (world->fragment_free_count > 3 && world->unit_seq + 1 < UNITS_MAX &&
            tr_random_chance(&world->random, 500)) {
            make_unit();
        }
        step_all((int64_t)tr_random_below(&world->random, 30) * TR_NS_PER_MS);
    }
    end_faults();
    /* An hour of calm: breakers probe every 30 s, guards and late copies last for a timeout. */
    for (uint32_t round = 0; round < 36000 && !(acked_seq() == world->unit_seq && world->shipper->keys.used_count == 0);
         round++) {
        step_all(100 * TR_NS_PER_MS);
    }
    step_all(100 * TR_NS_PER_S);
    check_end();
    close_world();
}

/* Rare paths that a run of all seeds must have taken: a world without them proves little. */
static void check_marks(void)
{
    static const char *const needed[] = {
        "shipper.outcome_unknown",   "shipper.key_guarded",     "shipper.unsent",           "shipper.deadline",
        "shipper.garbled_answer",    "shipper.relaxed_resend",  "shipper.bisected",         "shipper.suspects_sent",
        "shipper.suspect_guarded",   "shipper.request_shrunk",  "shipper.request_throttled", "shipper.stream_stalled",
        "shipper.parked",            "shipper.breaker_opened",  "shipper.map_applied",      "shipper.map_not_whole",
        "shipper.stream_created",    "shipper.stream_was_created",
        "shipper.control_retried",   "shipper.control_denied",  "shipper.flight_bytes_out", "shipper.keys_all_out",
    };
    uint32_t missing_count = 0;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        uint64_t hit_count = 0;
        for (struct tr_cover_mark *const *mark = __start_tr_cover; mark != __stop_tr_cover; mark++) {
            if (strcmp((*mark)->name, needed[i]) == 0) {
                hit_count += atomic_load_explicit(&(*mark)->hit_count, memory_order_relaxed); /* relaxed: one thread */
            }
        }
        if (hit_count == 0) {
            (void)fprintf(stderr, "test_shipper: no seed came by %s\n", needed[i]);
            missing_count++;
        }
    }
    CHECK(missing_count == 0);
}

int main(int argc, char **argv)
{
    const uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 500;

    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); /* thousands of faults are business as usual here */
    CHECK(nowhere >= 0);
    tr_log_setup(TR_LOG_ERROR, TR_LOG_TEXT, nowhere);
    for (uint64_t seed = first; seed < first + count; seed++) {
        run_seed(seed);
    }
    if (count >= 500) {
        check_marks();
    }
    (void)printf("test_shipper: %llu seeds from %llu passed\n", (unsigned long long)count, (unsigned long long)first);
    return 0;
}
