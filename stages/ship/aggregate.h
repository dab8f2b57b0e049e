// SPDX-License-Identifier: Apache-2.0
/*
 * KPL aggregates: several records of producers in one record of a stream.
 *
 *   F3 89 9A C2 | AggregatedRecord (protobuf) | MD5 of the protobuf, 16 bytes
 *
 *   AggregatedRecord: 1 repeated string partition keys, 2 repeated string explicit hash keys, 3 repeated Record
 *   Record:           1 uint64 index of its partition key, 2 uint64 index of its hash key, 3 bytes data, 4 tags
 *
 * Fields may come in any order, and unknown ones are skipped.
 * Source: amazon-kinesis-producer, aggregation-format.md.
 * @thread any
 */
#ifndef TR_STAGES_SHIP_AGGREGATE_H
#define TR_STAGES_SHIP_AGGREGATE_H

#include <stdbool.h>

#include "engine/bytes.h"
#include "engine/error.h"

/* Called for each inner record in order; borrowed from the aggregate. False ends the reading. */
typedef bool tr_on_inner_record(void *self, struct tr_span partition_key, struct tr_span data);

/* Whether these bytes are an aggregate: magic, digest, and a protobuf that can be read to its end. Anything else is
 * an ordinary record, also in the eyes of Amazon's client library. */
bool tr_aggregate_is_whole(struct tr_span record);

/*
 * Reads an aggregate that is whole. Errors: TR_ERR_SYSTEM when memory for its table of keys is refused.
 * Returns TR_OK too when `on_record` has ended it.
 */
TR_NODISCARD enum tr_code tr_aggregate_read(struct tr_span record, tr_on_inner_record *on_record,
                                            void *self, struct tr_error *err);

#endif
