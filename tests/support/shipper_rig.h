// SPDX-License-Identifier: Apache-2.0
/*
 * One shipper before the model of Kinesis: what the tests of one cause and one behaviour share.
 * Everything is checked with cmocka assertions.
 */
#ifndef TR_TESTS_SUPPORT_SHIPPER_RIG_H
#define TR_TESTS_SUPPORT_SHIPPER_RIG_H

#include "engine/metrics.h"
#include "stages/ship/shipper_state.h"
#include "tests/support/model_kinesis.h"

#define SHIPPER_RIG_FRAGMENTS_MAX 64
#define SHIPPER_RIG_APPLIED_MAX 4000

/* What the service took. */
struct rig_applied {
    char stream[8];
    char key[40]; /* cut */
    size_t key_bytes;
    char data[16]; /* cut */
    size_t data_bytes;
};

struct shipper_rig {
    int64_t now_ns;
    struct model_kinesis *model;
    struct tr_shipper *shipper;
    struct tr_shipper_options options;
    struct tr_streams *streams;
    struct tr_metrics *metrics;
    struct tr_metric_block block;
    struct tr_progress progress;
    struct tr_fault fault;
    struct tr_clock clock;
    struct tr_ring buckets;
    struct tr_ring returns;
    struct model_stream *stream[3]; /* "a", "b", "c" */
    struct tr_fragment *fragments[SHIPPER_RIG_FRAGMENTS_MAX];
    uint32_t fragment_count;
    uint32_t returned_count;
    uint64_t unit_seq;
    struct rig_applied applied[SHIPPER_RIG_APPLIED_MAX];
    uint32_t applied_count;
    uint32_t submitted_count;
    uint32_t refresh_count;
    bool refresh_helps;
};

extern struct shipper_rig *rig;

/* Set-up and tear-down for cmocka; the shipper is opened by start, with rig->options. */
int shipper_rig_open(void **state);
int shipper_rig_close(void **state);
void shipper_rig_start(void);

/* A unit of one fragment for one stream: begin, add records, end. A key of no bytes: none. */
struct tr_fragment *shipper_rig_begin_unit(uint32_t stream_id);
void shipper_rig_add_bytes(struct tr_fragment *fragment, struct tr_span key, struct tr_span value);
void shipper_rig_add(struct tr_fragment *fragment, const char *key, const char *value);
void shipper_rig_end_unit(struct tr_fragment *fragment);

/* Steps model and shipper, 5 ms at a time. */
void shipper_rig_run_ms(uint32_t ms);

/* What the shipper has published, counted and reported. */
uint64_t shipper_rig_acked(void);
uint64_t shipper_rig_metric(uint32_t stream, enum tr_metric which);
void shipper_rig_expect_fault(enum tr_code code, const char *part);

/* The causes log what they should: to nowhere. */
void shipper_rig_silence(void);

#endif
