// SPDX-License-Identifier: Apache-2.0
/*
 * How far everything is: single-writer atomics on lines of their own.
 *
 * How a stream without traffic never holds the position back: the collector fills all buckets of unit k and then stores
 * routed_seq = k (release). A shipper loads it (acquire) BEFORE it drains its ring; if it then has nothing
 * unacknowledged it publishes that value, else the sequence before its oldest unacknowledged record.
 * safe sequence = min(acked_seq[*], history_seq).
 */
#ifndef TR_STAGES_PROGRESS_H
#define TR_STAGES_PROGRESS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "engine/ring.h"

#define TR_SHIPPERS_MAX 32
#define TR_DECODERS_MAX 32

struct tr_progress {
    /* Written by the sequencer (release), read by coordinator and metrics (acquire). Units count from 1. */
    alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t sequenced_seq;
    _Atomic uint64_t sequenced_log_bytes; /* bytes of log sequenced since start */
    _Atomic int64_t
        source_heard_unix_us; /* newest source time seen (events or heartbeats); lag is measured by it */
    _Atomic int64_t sequenced_unix_us; /* source time of the newest event sequenced */
    /* Written by the collector. */
    alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t routed_seq;
    /* Written by the coordinator: log bytes at the safe position; the sequencer stops reading by it. */
    alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t safe_log_bytes;
    _Atomic uint64_t safe_seq;
    _Atomic uint64_t saved_seq;
    /* Written by the historian: every schema change of units up to it is stored. UINT64_MAX: there is no history. */
    alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t history_seq;
    _Atomic uint64_t history_bytes; /* of documents stored since start */
    /* One line each, written by shipper s. */
    struct {
        alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t acked_seq;
    } shippers[TR_SHIPPERS_MAX];
};

#endif
