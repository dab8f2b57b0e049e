// SPDX-License-Identifier: Apache-2.0
/*
 * The catalog: every table seen, the version of its schema that rows are read with, and the table
 * ids of the log.
 *
 *   TABLE_MAP --bind--> table id -> table -> version (struct tr_schema: model, wire, stream, plan)
 *   rows event --find--> version, pinned by the unit that carries the rows
 *
 * A map whose bytes equal those of the table's current version is recognised by memcmp; only a new
 * one is parsed. Where a version comes from: the model that statements made (stages/ddl) as long as
 * the log does not contradict it, for it has what no map has (defaults, type texts, a key made of a
 * unique index); where it does, FULL metadata in the log wins. Without FULL metadata the model must
 * fit the wire, else the engine stops with table, column and remedy. A replaced version is freed
 * once the last unit that pinned it was routed.
 *
 * Bounded by `bytes_max`. Allocates when a table or version is new, never per event.
 * @thread the sequencer (the application before start)
 */
#ifndef TR_STAGES_SCHEMA_CATALOG_H
#define TR_STAGES_SCHEMA_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/decode/plan.h"
#include "stages/schema/filter.h"
#include "stages/schema/schema.h"
#include "stages/schema/table.h"
#include "stages/schema/topic.h"
#include "stages/stream.h"

#define TR_CATALOG_IDS_MAX 32768 /* different table ids in one transaction */

/* Who makes the encoder's plans: tr_plan_open, tr_plan_close, tr_plan_memory_bytes. All NULL:
 * versions have no plan. */
struct tr_plan_port {
    enum tr_code (*open)(struct tr_plan **plan, const struct tr_schema *schema,
                         const struct tr_encode_options *options, struct tr_error *err);
    void (*close)(struct tr_plan *plan);
    size_t (*memory_bytes)(const struct tr_plan *plan);
};

struct tr_catalog_options {
    enum tr_flavor flavor;                  /* of the server that wrote the log */
    const struct tr_filter *filter;         /* borrowed */
    struct tr_streams *streams;             /* borrowed */
    struct tr_topic_options topic;          /* spans borrowed */
    const struct tr_encode_options *encode; /* borrowed; handed to the plans */
    struct tr_plan_port plans;
    uint64_t bytes_max;    /* tailrace.catalog.max.bytes */
    bool metadata_is_full; /* @@binlog_row_metadata=FULL at start: decides about DDL on tables that
                              the log has not shown yet */
    bool fold_names; /* lower_case_table_names is not 0: names in statements are compared without
                        case */
    bool lenient; /* `tailrace decode`: tables without metadata get invented names, DDL never stops
                   */
};

struct tr_catalog; /* opaque */

TR_NODISCARD enum tr_code tr_catalog_open(struct tr_catalog **catalog,
                                          const struct tr_catalog_options *options,
                                          struct tr_error *err);
/* Frees all versions: after the decoders ended. Accepts NULL. */
void tr_catalog_close(struct tr_catalog *catalog);

/*
 * From now on the table is `model`, of which the catalog takes a share; NULL: nothing is known of
 * it any more. What statements, the history or information_schema made of it; units keep the versions
 * that they have. Its bytes count against the bound of whoever made it. Nothing when the table is
 * not captured. Errors: TR_ERR_MEMORY_LIMIT, TR_ERR_SYSTEM, those of the filter.
 */
TR_NODISCARD enum tr_code tr_catalog_set_model(struct tr_catalog *catalog, struct tr_span database,
                                               struct tr_span name, struct tr_table *model,
                                               struct tr_error *err);

/* Nothing is known any more of any table of that database. */
void tr_catalog_forget_database(struct tr_catalog *catalog, struct tr_span database);

/* Whether the table is captured. Errors: as above. */
TR_NODISCARD enum tr_code tr_catalog_is_captured(struct tr_catalog *catalog,
                                                 struct tr_span database, struct tr_span name,
                                                 bool *captured, struct tr_error *err);

/* Whether the next map of the table will describe its columns by itself (FULL metadata), as far as
 * can be told. */
bool tr_catalog_log_describes(const struct tr_catalog *catalog, struct tr_span database,
                              struct tr_span name);

/*
 * Takes a TABLE_MAP (the event behind its header, without checksum): from now on its table id
 * stands for that table. `captured`: whether its rows are wanted. Errors: TR_ERR_SCHEMA with table,
 * column, what the log has, what the schema has, and the remedy; TR_ERR_UNSUPPORTED from the plan;
 * TR_ERR_MEMORY_LIMIT; TR_ERR_PROTOCOL.
 */
TR_NODISCARD enum tr_code tr_catalog_bind(struct tr_catalog *catalog, struct tr_span map_body,
                                          bool *captured, struct tr_error *err);

/* The same for the first piece of a map that is larger than a chunk: only tables that are not
 * captured pass. */
TR_NODISCARD enum tr_code tr_catalog_bind_cut(struct tr_catalog *catalog, struct tr_span map_head,
                                              struct tr_error *err);

/*
 * The version that rows of the snapshot are read with, and TRUNCATEs are sent with: made of the table's model, no map of the log
 * comes into it, and no row of the log is read with it. One table has one at a time: the one before
 * is retired by the next table's, by tr_catalog_drop_text and by the table's first map. `captured`:
 * whether its rows are wanted; `schema` only then. Without a model it is the version of the table's
 * last map, since a TRUNCATE has no columns. Errors: TR_ERR_SCHEMA when nothing is known of the table;
 * TR_ERR_UNSUPPORTED from the plan; TR_ERR_MEMORY_LIMIT, TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_catalog_bind_text(struct tr_catalog *catalog, struct tr_span database,
                                               struct tr_span name, struct tr_schema **schema,
                                               bool *captured, struct tr_error *err);

/* The snapshot has ended; units keep the versions that they have. */
void tr_catalog_drop_text(struct tr_catalog *catalog);

enum tr_find { TR_FIND_NOT_BOUND = 0, TR_FIND_IGNORED, TR_FIND_CAPTURED };

/* What a rows event's table id stands for; CAPTURED sets `schema`. The hot path. */
enum tr_find tr_catalog_find(struct tr_catalog *catalog, uint64_t table_id,
                             struct tr_schema **schema);

/* No table id of before is valid any more: another file, another connection. */
void tr_catalog_forget_ids(struct tr_catalog *catalog);

/*
 * A transaction begins: ids of before are not needed for it; drops them when there are many, and
 * tables that are not captured when they take much of the bound: a server may make and drop tables
 * for ever. Cheap.
 */
void tr_catalog_begin_group(struct tr_catalog *catalog);

/* Frees replaced versions that no unit after `routed_seq` can hold. Cheap when there is none. */
void tr_catalog_collect(struct tr_catalog *catalog, uint64_t routed_seq);

/* How a statement touches a table's columns; what tr_catalog_apply is told. */
enum tr_table_change {
    TR_CHANGE_COLUMNS = 0, /* ALTER, RENAME, CREATE OR REPLACE: the columns may be others now */
    TR_CHANGE_KEY,         /* CREATE UNIQUE INDEX */
    TR_CHANGE_CREATE,      /* CREATE TABLE: new, or nothing at all (IF NOT EXISTS) */
    TR_CHANGE_DROP,
    TR_CHANGE_DROP_DATABASE, /* the table's name is empty */
    TR_CHANGE_ROWS, /* INSERT, UPDATE, DELETE … as text: rows that the log does not hold */
};

/*
 * Takes note of a statement on a table, before anything after it is read. Under FULL metadata the
 * current version is dropped, so that the next map makes a new one. Errors: TR_ERR_UNSUPPORTED with
 * table and remedy for a change that cannot be followed on a captured table (no FULL metadata; rows
 * as text); nothing was changed then.
 */
TR_NODISCARD enum tr_code tr_catalog_apply(struct tr_catalog *catalog, enum tr_table_change change,
                                           const char *statement_name, struct tr_span database,
                                           struct tr_span table, struct tr_error *err);

/* Whether tables without metadata and statements that cannot be followed are acceptable: `tailrace
 * decode`. */
bool tr_catalog_is_lenient(const struct tr_catalog *catalog);

/* Bytes taken by all tables, maps, versions and plans. */
uint64_t tr_catalog_memory_bytes(const struct tr_catalog *catalog);

#endif
