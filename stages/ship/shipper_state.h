// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of a shipper: its state, and what its source files share. Included by shipper*.c only.
 *
 *   shipper.c          open, step, streams, acked_seq
 *   shipper_queue.c    buckets in, records acknowledged, guards, parking
 *   shipper_pack.c     keys out of lanes into requests
 *   shipper_settle.c   answers: entry by entry, or of a whole request
 *   shipper_refuse.c   what a refused request does to its stream; errors by name
 *   shipper_control.c  record limit and shard map
 *
 * @thread one shipper
 */
#ifndef TR_STAGES_SHIP_SHIPPER_STATE_H
#define TR_STAGES_SHIP_SHIPPER_STATE_H

#include <stdatomic.h>

#include "engine/json.h"
#include "stages/ship/answer.h"
#include "stages/ship/classify.h"
#include "stages/ship/control.h"
#include "stages/ship/keytable.h"
#include "stages/ship/lanes.h"
#include "stages/ship/pace.h"
#include "stages/ship/parking.h"
#include "stages/ship/partition.h"
#include "stages/ship/request.h"
#include "stages/ship/shipper.h"

#define SHIP_NONE UINT32_MAX
#define SHIP_RECORD_PARKED 0x80000000U /* in tr_record.flags: a copy in the parking buffer */
#define SHIP_RECORD_BYTES_DEFAULT (1024U * 1024)
#define SHIP_PARTIAL_MAX 2   /* part-filled requests of one stream out at once */
#define SHIP_FAILING_COUNT 3 /* failures in a row from which a stream is kept to one request */
#define SHIP_SHARDS_MAX 4096 /* of one stream; above: hash lanes */

/* A bucket that was taken: from the ring until its last record is acknowledged. */
struct ship_held {
    struct tr_fragment *fragment;
    uint64_t unit_seq;
    uint32_t outstanding_count; /* records not acknowledged */
    uint32_t
        resident_count; /* of those, the ones still in the fragment; at 0 the bucket is returned */
    uint32_t previous;  /* in order of arrival, which is the order of units */
    uint32_t next;
};

enum ship_control_need {
    SHIP_NEED_SUMMARY = 0,
    SHIP_NEED_CREATE,
    SHIP_NEED_RETENTION, /* of one that we created */
    SHIP_NEED_SHARDS,
    SHIP_NEED_NOTHING
};

struct ship_stream {
    const struct tr_stream *stream; /* NULL: no record yet */
    struct tr_metric_block *metrics;
    uint32_t next_busy; /* list of streams with unacknowledged records */
    bool is_busy;
    bool is_stopped;    /* a fault was raised for it: nothing is sent any more */
    bool has_worked;    /* took a record since the start */
    bool is_creating;   /* it is being made: that it cannot be found is no refusal */
    bool is_unfinished; /* we made it, and its retention is still to be set */

    uint64_t queued_count; /* records unacknowledged */
    uint64_t queued_bytes;
    uint64_t resident_count; /* of those, in fragments */
    uint64_t flight_bytes;
    uint32_t flight_slots;
    uint32_t partial_slots;

    /* When to send. */
    int64_t not_before_ns;
    uint32_t attempt_count; /* whole requests failed in a row */
    uint32_t timeout_level; /* the timeout is doubled so many times */
    struct tr_breaker breaker;
    int64_t refused_since_ns; /* 0 = not refused */
    uint32_t refused_count;

    /* Limits. */
    bool is_limit_known;
    uint32_t record_bytes_max;
    uint32_t request_bytes_max;

    /* Parking. */
    int64_t progress_ns; /* last acknowledgement, or when it became busy */
    bool is_stalled;
    uint32_t
        parked_held; /* the newest bucket of which all that is left was parked; SHIP_NONE = none */
    int64_t park_due_ns;

    /* Bisection after the service refused a whole request for one bad record. */
    uint32_t suspect_head;
    uint32_t suspect_tail;
    uint32_t suspect_entries_max; /* per request; 0 = no suspects */
    uint64_t suspect_lanes;       /* held until no suspect is left */
    bool is_suspect_out;
    int64_t suspect_not_before_ns;

    /* Control calls. */
    enum ship_control_need need;
    int64_t control_due_ns;
    uint32_t control_attempt_count;
    uint32_t next_control;
    bool is_control_queued;
    bool is_frozen; /* a new map waits for the last request */

    uint32_t lane_next; /* where packing starts */
    struct tr_lanes lanes;
};

struct ship_slot {
    struct tr_request request;
    bool is_out;
    bool is_partial;
    bool is_suspect;
    bool is_large; /* one record beyond the payload it was granted */
    uint32_t stream;
    uint32_t payload_bytes_max; /* granted when packing began */
    uint64_t lanes_mask;
    int64_t sent_ns;
    int64_t timeout_ns;
    uint32_t key_count;
    uint32_t keys[TR_REQUEST_RECORDS_MAX]; /* in order; key i has flight_count entries */
};

enum ship_control_state {
    SHIP_CONTROL_IDLE = 0,
    SHIP_CONTROL_SUMMARY, /* a call is out */
    SHIP_CONTROL_CREATE,
    SHIP_CONTROL_RETENTION,
    SHIP_CONTROL_SHARDS,
    SHIP_CONTROL_NEXT,  /* the next call of this turn waits for its pace */
    SHIP_CONTROL_APPLY, /* a whole map waits for the last request of the stream */
};

struct ship_control {
    enum ship_control_state state;
    uint32_t stream;
    uint32_t queue_head;
    uint32_t queue_tail;
    int64_t next_ns;              /* pace of control calls */
    int64_t deadline_ns;          /* of the call, or of the wait for the stream's last request */
    struct tr_control_body *body; /* owns */
    struct tr_shard_list *list;   /* owns, with SHIP_SHARDS_MAX shards */
};

struct tr_shipper {
    struct tr_shipper_options options;
    char null_key[TR_PARTITION_KEY_CHARACTERS_MAX * 4 + 1];
    struct tr_jitter jitter;
    struct tr_digest *digest;
    struct tr_json_reader *reader;
    struct tr_keytable keys;
    struct tr_parking parking;
    struct ship_stream *streams; /* owns: streams_max mapped, touched at the first record of each */
    struct ship_held *held;      /* owns: held_max */
    struct ship_slot *slots;     /* owns */
    uint32_t held_max;
    uint32_t held_free;
    uint32_t held_head; /* oldest */
    uint32_t held_tail;
    uint32_t parked_bucket_count; /* returned before they were acknowledged */
    uint32_t busy_head;           /* streams, circular by moving head to tail */
    uint32_t busy_tail;
    uint32_t busy_count;
    uint32_t guard_head; /* keys, in order of guard_until_ns */
    uint32_t guard_tail;
    uint64_t routed_seq; /* as loaded before the last drain */
    uint64_t acked_seq;  /* as published */
    bool is_stuck;       /* a bucket that cannot be taken; a fault was raised */
    bool is_collector_due;
    uint64_t flight_bytes; /* payload of all requests out */
    bool is_large_out;     /* one of them is a large record beyond what was granted */
    uint64_t queued_now;   /* records unacknowledged */
    _Atomic uint64_t
        queued_count; /* the same, published when buckets are taken and at the end of each step */
    struct tr_answer answer; /* of the request being settled */
    struct ship_control control;
};

/* --- shipper.c */

/* Opens the stream at its first record; false when it cannot be had: a fault was raised. */
bool ship_stream_ready(struct tr_shipper *shipper, uint32_t stream_id, int64_t now_ns);

/* --- shipper_queue.c */

/* Takes buckets off the ring and queues their records by key. Returns buckets taken. */
uint32_t ship_take_buckets(struct tr_shipper *shipper, int64_t now_ns);
/* Acknowledges the oldest record of a key. */
void ship_ack_head(struct tr_shipper *shipper, struct ship_stream *stream, struct tr_key *key);
/* A key is out of flight and nothing of it has to be repeated: guard, ready, or gone. */
void ship_key_rest(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key,
                   int64_t now_ns);
/* Puts a key that has records into its lane. */
void ship_key_ready(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key,
                    bool at_head);
/* Lets keys go whose guard is over. */
uint32_t ship_expire_guards(struct tr_shipper *shipper, int64_t now_ns);
/* Copies records of a stalled stream into the parking buffer, some per call. */
uint32_t ship_park(struct tr_shipper *shipper, struct ship_stream *stream, int64_t now_ns);
/* The partition key that is sent for a record; `hex` takes TR_PARTITION_DIGEST_BYTES where one is made. */
struct tr_span ship_partition_key(const struct tr_shipper *shipper, const struct tr_record *record,
                                  char *hex);

/* --- shipper_pack.c */

/* Sends what the stream may send now. Returns requests sent. */
uint32_t ship_send(struct tr_shipper *shipper, uint32_t stream, int64_t now_ns);
/* Frees the slot and puts its keys back where they came from, in order. `guard_until_ns` > 0: their outcome is unknown. */
void ship_give_back(struct tr_shipper *shipper, struct ship_slot *slot, int64_t guard_until_ns);
/* Puts `count` keys back to the head of their lanes, or of the suspects, keeping their order. */
void ship_put_back(struct tr_shipper *shipper, const struct ship_slot *slot, const uint32_t *keys,
                   uint32_t count);
/* The slot's request is over: counters, lanes, memory. Its keys are the caller's. */
void ship_slot_free(struct tr_shipper *shipper, struct ship_slot *slot);

/* Puts a key at the head of the suspects. */
void ship_suspect_push_head(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key);
/* Thaws the lanes of the suspects once there are none. */
void ship_suspects_end(struct ship_stream *stream);

/* --- shipper_settle.c */

/* Polls the transport, gives up what is too late. Returns completions. */
uint32_t ship_settle(struct tr_shipper *shipper, int64_t now_ns);

/* --- shipper_refuse.c */

/* The service answered with an error. */
void ship_refuse(struct tr_shipper *shipper, struct ship_slot *slot,
                 const struct tr_call_done *done, int64_t now_ns);
/* Nothing came back that can be believed: the same again, guarded. */
void ship_unknown(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns);
/* Nothing was sent. */
void ship_unsent(struct tr_shipper *shipper, struct ship_slot *slot, const struct tr_error *err,
                 int64_t now_ns);
/* A verdict that needs an operator or patience: grace, then a fault. */
void ship_stream_refused(struct tr_shipper *shipper, struct ship_stream *stream,
                         struct tr_verdict_rule rule, const char *type, const char *message,
                         int64_t now_ns);
/* The key's first record can never be delivered: raises TR_ERR_SINK_RECORD. */
void ship_record_refused(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key,
                         const char *why);
/* A record came back accepted: forget failures. */
void ship_stream_works(struct ship_stream *stream, int64_t now_ns);

/* --- shipper_control.c */

TR_NODISCARD enum tr_code ship_control_open(struct ship_control *control, struct tr_error *err);
/* Accepts a half-open one. */
void ship_control_close(struct ship_control *control);
size_t ship_control_memory_bytes(void);

/* Queues the stream for a control call when one is due. */
void ship_control_want(struct tr_shipper *shipper, uint32_t stream, int64_t now_ns);
/* Sends, gives up, applies. */
uint32_t ship_control_step(struct tr_shipper *shipper, int64_t now_ns);
/* The answer of the control call. */
void ship_control_done(struct tr_shipper *shipper, const struct tr_call_done *done, int64_t now_ns);

static inline struct ship_stream *ship_stream_of(const struct tr_shipper *shipper, uint32_t index)
{
    return &shipper->streams[index];
}

#endif
