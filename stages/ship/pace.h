// SPDX-License-Identifier: Apache-2.0
/*
 * When to send: jittered back-off, the pace of a lane, the breaker of a stream. Plain values of one actor; no clock is
 * read here and randomness comes from a seeded generator, so a run is a function of its seed (I11).
 *
 * A lane's pace (kinesis §7.2, AIMD): free until its shard throttles for the first time, since a stream whose shards
 * are unknown, on demand or an emulator's has no limit that we know. From then on two buckets (records and bytes of a
 * second, one second of burst) at a share of the nominal 1,000 records/s and 1 MiB/s per shard: x 0.7 per throttle, at
 * most every 500 ms; + 2 % of nominal per second without one. At 1.5 x nominal the lane is free again.
 */
#ifndef TR_STAGES_SHIP_PACE_H
#define TR_STAGES_SHIP_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Kinesis: a shard takes 1,000 records/s and 1 MiB/s (developer guide, "Quotas and limits"). */
#define TR_SHARD_RECORDS_PER_S 1000.0
#define TR_SHARD_BYTES_PER_S (1024.0 * 1024.0)

/* splitmix64 (Steele, Lea, Flood 2014). */
struct tr_jitter {
    uint64_t state;
};

uint64_t tr_jitter_next(struct tr_jitter *jitter);

/* Full jitter: uniform in [0, min(cap, base * 2^attempt)], attempt from 0. */
int64_t tr_jitter_backoff_ns(struct tr_jitter *jitter, int64_t base_ns, int64_t cap_ns,
                             uint32_t attempt);

struct tr_pace {
    bool is_limited;      /* false: free */
    uint32_t shard_count; /* of the lane: nominal = this x the rates above */
    float share;          /* of nominal, while limited */
    double records;       /* tokens; may be below zero after a large request */
    double bytes;
    int64_t filled_ns; /* when the buckets were last filled */
    int64_t cut_ns;    /* last throttle that counted */
};

/* A free pace for a lane of `shards` shards (a hash lane of an unknown map: 1). */
void tr_pace_init(struct tr_pace *pace, uint32_t shards);

/* Whether a record may go now; fills the buckets. */
bool tr_pace_is_open(struct tr_pace *pace, int64_t now_ns);

/* Takes what goes. */
void tr_pace_spend(struct tr_pace *pace, uint64_t records, uint64_t bytes);

/*
 * A throttle came back. `share_min`: never below this share of nominal (0.05; less for a hash lane, which is a fraction
 * of a shard).
 */
void tr_pace_cut(struct tr_pace *pace, int64_t now_ns, float share_min);

/*
 * The breaker of a stream (kinesis §7.3): open once at least 5 requests in a row and all of the last 10 s have
 * failed; then one request as a probe after 1, 2, 4 ... 30 s. One success closes it.
 */
struct tr_breaker {
    bool is_open;
    uint32_t failure_count;   /* in a row */
    uint32_t probe_count;     /* failed while open */
    int64_t first_failure_ns; /* of the row */
    int64_t probe_due_ns;     /* open: not before */
};

void tr_breaker_on_success(struct tr_breaker *breaker);
/* Returns true when this failure opened it. */
bool tr_breaker_on_failure(struct tr_breaker *breaker, int64_t now_ns);
/* Whether a request may be sent, given how many of the stream are out. */
bool tr_breaker_allows(const struct tr_breaker *breaker, uint32_t in_flight_count, int64_t now_ns);

#endif
