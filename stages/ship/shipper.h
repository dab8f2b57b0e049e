// SPDX-License-Identifier: Apache-2.0
/*
 * The shipper: the records of its streams, in order per key, into PutRecords requests; one actor for many streams.
 *
 *   buckets --> key queues --> lanes --> request slots --> transport
 *                  ^             ^            |
 *                  |             +-- failed --+-- acknowledged --> bucket returned, acked_seq published
 *                  +-- parking: records of a stream without progress are copied out of their fragments
 *
 * What it keeps (I1, I3, design §7):
 *   - one unacknowledged request per lane, one entry per key in it. A failed entry goes back to the head of its lane.
 *   - unknown outcome (timeout, reset, garbled answer, 5xx): the same entries of each key again, first in their lanes and
 *     without newer ones of these keys, until acknowledged; nothing newer of these keys until one more request timeout
 *     has passed since the request was given up, so that a copy still under way cannot land on top of it.
 *   - a hot key (more than 64 queued, or the key of keyless records) under `relax`: several entries of it in one request;
 *     after a partial failure from the first failed one on, so that the last write wins.
 *   - throttles and transient errors are retried without limit. A stream's breaker, pace and slots are its own.
 *   - acked_seq never passes a record that was not acknowledged (I4).
 *
 * A request is packed from the lanes in turn: as full as can be when there is a queue, sent at once when there is none. A
 * stream may have two part-filled requests out, the others wait for a full one.
 *
 * Deterministic: no clock but the step's `now_ns`, own seeded generator, lists in a fixed order (I11).
 */
#ifndef TR_STAGES_SHIP_SHIPPER_H
#define TR_STAGES_SHIP_SHIPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/doorbell.h"
#include "engine/error.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/pool.h"
#include "engine/ring.h"
#include "stages/progress.h"
#include "stages/ship/control.h"
#include "stages/ship/transport.h"
#include "stages/stream.h"

#define TR_SHIPPER_SLOTS_MAX 16
#define TR_SHIPPER_STREAMS_DEFAULT 1024
#define TR_SHIPPER_SHARE_BYTES                                                                     \
    ((size_t)1024 * 1024)         /* a stream with nothing out may always send so much */
#define TR_SHIPPER_HOT_RECORDS 64 /* a key with more queued is hot (design §7) */

enum tr_order_hot { TR_ORDER_HOT_RELAX = 0, TR_ORDER_HOT_WAIT };
enum tr_order_scope { TR_ORDER_KEY = 0, TR_ORDER_STREAM };
enum tr_key_oversize { TR_KEY_OVERSIZE_HASH = 0, TR_KEY_OVERSIZE_FAIL, TR_KEY_OVERSIZE_SEND };

/* Pointers are borrowed until close; bells may be NULL (plan `single`). Zero takes the default where one is named. */
struct tr_shipper_options {
    uint32_t index;          /* which shipper: its acked_seq in `progress` */
    uint32_t shipper_count;  /* streams with id % shipper_count == index are ours */
    struct tr_ring *buckets; /* struct tr_bucket, from the collector */
    struct tr_ring *returns; /* struct tr_bucket_return, to the collector */
    struct tr_doorbell *returns_bell;
    struct tr_doorbell *acked_bell; /* the coordinator's */
    const struct tr_streams *streams;
    struct tr_progress *progress;
    struct tr_fault *fault;
    struct tr_transport
        *transport;               /* with slot_count + 1 slots; the last one is for control calls */
    const struct tr_clock *clock; /* wall time of an answer, for the commit-to-accepted histogram */
    struct tr_metrics *metrics;   /* a block per stream is added at its first record */
    struct tr_metric_block
        *actor_metrics; /* the shipper's own; also of streams for which the registry has no room */
    uint64_t seed;

    uint32_t slot_count;     /* requests at once; 8 */
    uint32_t parallel_max;   /* requests at once per stream; 4 */
    uint32_t batch_size_max; /* records per request, 1..500; 500 */
    uint32_t
        request_bytes_max; /* payload per request; 10 MiB (5 while the stream's records are limited to 1 MiB) */
    uint32_t
        flight_bytes_max; /* payload of all requests out at once, a stream may take half of it; 16 MiB */
    uint32_t keys_max;    /* keys with records, or guarded; at least TR_SHIPPER_KEYS_MIN; 262,144 */
    uint32_t buckets_max; /* that can be out to this shipper: slots of the ring `buckets` */
    uint32_t streams_max; /* of this shipper; TR_SHIPPER_STREAMS_DEFAULT */
    uint64_t parking_bytes; /* 16 MiB */

    bool creates_streams;       /* a stream that does not exist is created at its first record */
    struct tr_stream_wish wish; /* what it shall be like; borrows its tags */

    const char *null_key; /* partition key of records without one; "default" */
    enum tr_order_scope
        order_scope; /* STREAM: all records of a stream in log order, one request of it at a time */
    enum tr_order_hot order_hot;
    enum tr_key_oversize key_oversize;

    int64_t request_timeout_ns;     /* 10 s; with a lease at most a quarter of it */
    int64_t request_timeout_ns_max; /* after timeouts in a row it doubles up to here; 40 s */
    int64_t stream_grace_ns;        /* a stream that worked and is gone, or access denied; 15 min */
    int64_t start_grace_ns;         /* the same for a stream that never took a record; 5 s */
    int64_t control_interval_ns;    /* between two control calls; shipper_count * 100 ms */
    int64_t map_refresh_ns;         /* shard maps are asked for again; 5 min */
    int64_t stall_ns;               /* a stream without progress for so long is parked; 500 ms */

    /* Called when the service refused credentials of that generation; whether newer ones are there. NULL: never. */
    bool (*refresh_credentials)(void *self, uint64_t generation, int64_t now_ns);
    void *refresh_self;
};

/* Every record of a fragment can have a key of its own. */
#define TR_SHIPPER_KEYS_MIN (TR_FRAGMENT_BYTES / sizeof(struct tr_record) + 1)

struct tr_shipper; /* opaque */

/*
 * Takes all memory and adds its terms to `sum` (may be NULL). Options are copied, null_key too.
 * Errors: TR_ERR_CONFIG (a value out of range, named), TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_shipper_open(struct tr_shipper **shipper,
                                          const struct tr_shipper_options *options,
                                          struct tr_memory_sum *sum, struct tr_error *err);

/* Cancels what is out and frees. Accepts NULL. The transport stays its owner's. */
void tr_shipper_close(struct tr_shipper *shipper);

/*
 * Takes buckets, settles answers, sends requests, publishes acked_seq; returns items of work done. What cannot go on
 * is raised as a fault: TR_ERR_SINK_RECORD, TR_ERR_SINK_STREAM, TR_ERR_SINK_AUTH; everything else goes on beside it.
 * @thread the shipper's
 */
uint32_t tr_shipper_step(void *self, int64_t now_ns);

/* Whether the bucket ring holds something. @thread the shipper's */
bool tr_shipper_has_work(void *self);

/* Whether no record is unacknowledged: drained, once nothing new arrives. @thread any; a moment old */
bool tr_shipper_is_idle(const struct tr_shipper *shipper);

/* Records that are unacknowledged. @thread any; a moment old */
uint64_t tr_shipper_queued_count(const struct tr_shipper *shipper);

#endif
