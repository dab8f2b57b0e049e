// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated Kinesis: the transport port with faults from a seed, feeding the oracle.
 *
 * A call's fate is drawn when it is submitted: when it is applied (if at all), when it is answered,
 * and with what. A call that the shipper gave up, or that was reported as timed out, may still be
 * applied, at most one request timeout later; that is what the engine is prepared for (design §7).
 * Shards are split and merged meanwhile, each takes so many records a second; control calls are
 * denied, limited, lost, answered in pages or with nonsense. A stream can be dead: nothing of it is
 * answered until it lives again.
 */
#ifndef TR_TESTS_SIM_MODEL_KINESIS_H
#define TR_TESTS_SIM_MODEL_KINESIS_H

#include "stages/ship/partition.h"
#include "stages/ship/transport.h"
#include "tests/sim/model_shards.h"
#include "tests/sim/oracle.h"
#include "tests/support/random.h"

#define TR_MODEL_SLOTS_MAX 64
#define TR_MODEL_LATE_MAX 128
#define TR_MODEL_PORTS_MAX 4
#define TR_MODEL_ENTRIES_MAX 500

enum tr_model_fate {
    TR_FATE_GOOD = 0,
    TR_FATE_PARTIAL,       /* some entries fail with InternalFailure */
    TR_FATE_THROTTLED,     /* some entries are throttled */
    TR_FATE_REFUSED,       /* 400 ThrottlingException */
    TR_FATE_ERROR,         /* 500, not applied */
    TR_FATE_ERROR_APPLIED, /* 500, applied */
    TR_FATE_BUSY,          /* 503, not applied */
    TR_FATE_BUSY_APPLIED,  /* 503, applied */
    TR_FATE_LOST,          /* no answer, not applied */
    TR_FATE_LOST_APPLIED,  /* no answer, applied */
    TR_FATE_TIMEOUT,       /* no answer within the timeout, applied within the next one */
    TR_FATE_GARBAGE,       /* not applied, 200 with nonsense */
    TR_FATE_GARBAGE_APPLIED,
    TR_FATE_SHORT,     /* applied, 200 with an entry too few */
    TR_FATE_LONG,      /* not applied, 200 with an entry too many */
    TR_FATE_MISSING,   /* 400 ResourceNotFoundException */
    TR_FATE_EXPIRED,   /* 400 ExpiredTokenException */
    TR_FATE_INVALID,   /* 400 ValidationException, of a request with many entries */
    TR_FATE_TOO_LARGE, /* 413, likewise */
    TR_FATE_UNSENT,
    TR_FATE_HANG, /* applied late, never answered */
    TR_FATE_COUNT,
    /* Never drawn. */
    TR_FATE_ABSENT, /* a control call for a stream that does not exist */
    TR_FATE_IN_USE, /* for one that does, or will soon */
};

struct tr_model_kinesis_options {
    uint64_t seed;
    uint32_t fault_permille;         /* share of PutRecords calls with a fate other than good */
    uint32_t control_fault_permille; /* the same of control calls */
    uint32_t change_permille;        /* per control call: shards are split or merged */
    uint32_t shard_rate;             /* records a second per shard; 0 = no limit */
    uint32_t delay_us_max;           /* of an answer */
    bool lacks_streams;              /* streams must be created */
    bool never_hangs;                /* no call goes without any answer: for runs in real time */
};

struct tr_model_call {
    bool active;
    bool applied;
    enum tr_model_fate fate;
    uint32_t slot;
    uint32_t table; /* the stream: its table, or TR_MODEL_DDL_STREAM */
    const char *operation;
    struct tr_buffer body;   /* a copy: what is on the wire does not change any more */
    struct tr_buffer answer; /* with padding */
    int64_t apply_ns;
    int64_t answer_ns;
    int64_t timeout_ns;
    uint64_t draw; /* seeds the choice of failing entries */
    uint32_t entry_count;
    struct tr_oracle_key
        *keys[TR_MODEL_ENTRIES_MAX];      /* of the entries; NULL: none of the model's */
    uint32_t items[TR_MODEL_ENTRIES_MAX]; /* of those keys; or TR_ORACLE_NO_ITEM */
    bool is_bad[TR_MODEL_ENTRIES_MAX];    /* the answer says so */
};

struct tr_model_kinesis;

/* One shipper's transport: its slots are calls[first_slot] and following. */
struct tr_model_port {
    struct tr_transport transport;
    struct tr_model_kinesis *kinesis;
    uint32_t first_slot;
    uint32_t slot_count;
};

struct tr_model_kinesis {
    struct tr_model_kinesis_options options;
    struct tr_model_port ports[TR_MODEL_PORTS_MAX];
    struct tr_oracle *oracle; /* borrowed */
    struct tr_digest *digest; /* owns */
    struct tr_random random;
    bool faults_on;
    uint32_t dead_tables; /* a bit each: their streams do not answer */
    int64_t
        active_ns[TR_MODEL_STREAMS_MAX]; /* when a stream can be used; INT64_MAX = does not exist */
    struct tr_model_shards shards[TR_MODEL_STREAMS_MAX];
    struct tr_model_call calls[TR_MODEL_SLOTS_MAX];
    struct tr_model_call late[TR_MODEL_LATE_MAX]; /* given up, may still be applied */
    int64_t now_ns;
    uint64_t request_count;
};

void tr_model_kinesis_init(struct tr_model_kinesis *kinesis, struct tr_oracle *oracle,
                           const struct tr_model_kinesis_options *options);
void tr_model_kinesis_deinit(struct tr_model_kinesis *kinesis);

/* The transport of shipper `index`, with `slot_count` slots of its own. */
struct tr_transport *tr_model_kinesis_port(struct tr_model_kinesis *kinesis, uint32_t index,
                                           uint32_t slot_count);

/* The process on the other side was killed: each call under way is applied now or never. */
void tr_model_kinesis_kill(struct tr_model_kinesis *kinesis);

#endif
