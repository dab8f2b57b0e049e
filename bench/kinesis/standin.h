// SPDX-License-Identifier: Apache-2.0
/*
 * The stand-in for Kinesis: an HTTP/1.1 server on the reactor, in one of two modes.
 *
 * sink:  takes PutRecords as fast as they come, counts, answers that all is well. It is never what
 * a benchmark measures. judge: checks signatures, limits and structure, routes by MD5, keeps
 * records for GetRecords, referees order per key, injects faults.
 *
 * Besides the Kinesis operations it answers GET /standin/report (JSON) and POST /standin/faults (a
 * script, chaos.h).
 * @thread one
 */
#ifndef TR_BENCH_KINESIS_STANDIN_H
#define TR_BENCH_KINESIS_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/kinesis/chaos.h"
#include "bench/kinesis/judge.h"
#include "bench/kinesis/store.h"
#include "engine/reactor.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

#define TR_LATENCY_BUCKET_US 10
#define TR_LATENCY_BUCKETS 200000 /* up to 2 s */

struct tr_standin {
    /* Settings. */
    bool judging;
    bool limits; /* enforce 1 MiB/s and 1,000 records/s per shard */
    bool check_signatures;
    struct tr_judge_credentials credentials;
    char latency_column[65]; /* microseconds since the epoch; empty = not measured */
    /* State. */
    struct tr_reactor *reactor;
    struct tr_kinesis_store store;
    struct tr_judge judge;
    struct tr_chaos chaos;
    struct ssl_ctx_st *tls;
    int64_t now_ns;
    uint32_t create_delay_ms; /* how long a created stream stays CREATING */
    /* Counters of the report. */
    uint64_t request_count;
    uint64_t put_count;
    uint64_t record_count;  /* accepted */
    uint64_t record_bytes;  /* accepted: data and keys */
    uint64_t refused_count; /* entries refused one by one */
    uint64_t signature_failure_count;
    uint64_t limit_failure_count; /* requests that broke a limit or the grammar */
    uint64_t connection_count;
    char last_refusal[256];
    uint32_t *latency_counts; /* owns; TR_LATENCY_BUCKETS + 1 */
};

/* A whole request. */
struct tr_standin_request {
    bool is_get;
    struct tr_span path;
    struct tr_judge_request parts; /* headers and body */
};

/* An answer in the making: the body goes into `out`. */
struct tr_standin_answer {
    int status;
    const char *error_type; /* x-amzn-ErrorType; NULL = none */
    int64_t date_shift_s;   /* added to the Date header */
    char *out;              /* room_bytes */
    size_t room_bytes;
    size_t bytes;
};

/* Appends to the answer's body; asserts room (bodies are bounded by what was stored and asked for).
 */
void tr_standin_write(struct tr_standin_answer *answer, const char *format, ...) TR_PRINTF(2, 3);
void tr_standin_write_bytes(struct tr_standin_answer *answer, const void *bytes, size_t count);

/* Sets an error answer of the service's shape. */
void tr_standin_refuse(struct tr_standin_answer *answer, int status, const char *type,
                       const char *message);

/* Serves any operation; `fault` is what was drawn for a PutRecords. Decides nothing about the
 * connection. */
void tr_standin_serve(struct tr_standin *standin, const struct tr_standin_request *request,
                      enum tr_fault_kind fault, uint32_t fault_value,
                      struct tr_standin_answer *answer);

/* PutRecords and PutRecord in judge mode (put.c). */
void tr_standin_put(struct tr_standin *standin, struct tr_span body, enum tr_fault_kind fault,
                    uint32_t fault_value, struct tr_standin_answer *answer);

/* Operations on streams and shards, and reading (operations.c). False = not one of them. */
bool tr_standin_operate(struct tr_standin *standin, struct tr_span operation, struct tr_span body,
                        struct tr_standin_answer *answer);

/* The report's JSON. */
void tr_standin_report(struct tr_standin *standin, struct tr_standin_answer *answer);

/* Listens on loopback `port` (0 = any; the real one is written back). Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_standin_listen(struct tr_standin *standin, uint16_t *port, bool tls,
                                            struct tr_error *err);

/* Frees what the stand-in owns; connections end with the process. */
void tr_standin_deinit(struct tr_standin *standin);

#endif
