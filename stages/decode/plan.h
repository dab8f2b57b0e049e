// SPDX-License-Identifier: Apache-2.0
/*
 * The encoder's plan: everything about a table that is constant, computed once per schema version.
 *
 * The schema block, the field-name literals, the source prefix, per column the reader of its wire
 * form and the writer of its Debezium form (contract §1, §2), defaults printed for nulls, the key's
 * literals.
 */
#ifndef TR_STAGES_DECODE_PLAN_H
#define TR_STAGES_DECODE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/schema/schema.h"

/* What the records look like; constant for the process. Spans borrowed from the configuration. */
struct tr_encode_options {
    enum tr_flavor flavor; /* connector "mysql" or "mariadb" */
    struct tr_span topic_prefix;
    bool key_schemas; /* debezium.format.key.schemas.enable (format.schemas.enable) */
    bool value_schemas;
    bool comments; /* a column's comment is its field's doc */
    bool tombstones_on_delete;
    bool enable_time_adjuster;
    struct tr_span unavailable_value; /* unavailable.value.placeholder; empty: the default */
    uint32_t skipped_ops;             /* bit 1 << enum tr_row_op */
    bool envelope_ts_is_source;       /* tailrace.envelope.ts=source */
    bool gtid_mode;                   /* MySQL with gtid_mode=ON: source.ts_* is the commit time */
    uint64_t row_bytes_max;           /* tailrace.row.max.bytes */
    uint64_t record_bytes_max;        /* sink's record limit */
    bool lenient; /* `tailrace decode`: unknown names and signs are acceptable */
};

#define TR_UNAVAILABLE_VALUE "__debezium_unavailable_value"

struct tr_plan;

/*
 * Builds the plan of a version whose table, wire and stream are set. Allocates (schema objects
 * may). Errors: TR_ERR_UNSUPPORTED naming table, column and type when a column cannot be delivered
 * (promise 5).
 * @thread the sequencer, or the application before start
 */
TR_NODISCARD enum tr_code tr_plan_open(struct tr_plan **plan, const struct tr_schema *schema,
                                       const struct tr_encode_options *options,
                                       struct tr_error *err);
void tr_plan_close(struct tr_plan *plan);
/* Bytes it takes: its share of tailrace.catalog.max.bytes. */
size_t tr_plan_memory_bytes(const struct tr_plan *plan);

#endif
