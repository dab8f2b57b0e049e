// SPDX-License-Identifier: Apache-2.0
/*
 * A model of Kinesis behind the transport port: streams, shards, and faults drawn from a seed.
 *
 * It reads request bodies as the service would, decides at submit what will become of the call, and tells a watcher what
 * was submitted, what became visible, and what was reported as lost. Time is what the caller passes. A request whose
 * outcome is lost may be applied at once, not at all, or up to one timeout after it was given up.
 */
#ifndef TR_TESTS_SUPPORT_MODEL_KINESIS_H
#define TR_TESTS_SUPPORT_MODEL_KINESIS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "stages/ship/transport.h"

#define MODEL_STREAMS_MAX 16
#define MODEL_SLOTS_MAX 17
#define MODEL_SHARDS_MAX 128

/* Chances in a thousand, per call unless said otherwise. */
struct model_faults {
    uint32_t submit_error; /* TR_ERR_SINK_LINK */
    uint32_t unsent;
    uint32_t lost;    /* reset or timeout: applied, not applied, or applied late */
    uint32_t hang;    /* no completion ever: the caller has to give up */
    uint32_t garbage; /* 200 that cannot be believed; applied or not */
    uint32_t error;   /* an error answer: 500, 503, throttling, credentials, access denied, resource in use, 413 */
    uint32_t partial; /* some entries fail */
    uint32_t entry;   /* of a partial request: per entry */
    uint32_t control; /* control calls: errors, and maps with a gap */
};

struct model_watcher {
    void *self;
    void (*on_submit)(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns);
    void (*on_apply)(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns);
    /* The outcome of an entry is unknown to the caller; a copy may be applied until `until_ns`. */
    void (*on_lost)(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t until_ns);
    /* The call is over. */
    void (*on_over)(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns);
};

struct model_stream {
    char name[64];
    bool is_missing;           /* ResourceNotFoundException */
    bool is_absent;            /* the same, until somebody creates it */
    uint32_t creating_count;   /* so many more summaries say CREATING; until then it takes nothing */
    bool is_dead;              /* every call hangs or is lost */
    bool is_denied;            /* control calls are denied */
    uint64_t throttled_shards; /* bit per shard: entries for it are throttled */
    uint32_t shard_count;      /* even division; a change is a reshard */
    uint32_t record_kib_max;
    uint32_t request_bytes_max; /* larger payloads are refused with 400 "size exceeds" */
    char poison[32];            /* data that begins so makes the service refuse the request; empty = none */
};

struct model_kinesis; /* opaque */

struct model_kinesis *model_kinesis_open(uint64_t seed, const struct model_watcher *watcher);
void model_kinesis_close(struct model_kinesis *model);
struct tr_transport *model_kinesis_transport(struct model_kinesis *model);
/* Adds a stream: 1 shard, 1 MiB records, 5 MiB requests. */
struct model_stream *model_kinesis_add_stream(struct model_kinesis *model, const char *name);
struct model_faults *model_kinesis_faults(struct model_kinesis *model);
/* Applies what is due (late copies, calls that hang). Call it before the shipper's step. */
void model_kinesis_step(struct model_kinesis *model, int64_t now_ns);
/* Calls submitted so far, and the most entries seen in one. */
uint64_t model_kinesis_call_count(const struct model_kinesis *model);
uint32_t model_kinesis_entries_max(const struct model_kinesis *model);

#endif
