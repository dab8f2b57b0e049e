// SPDX-License-Identifier: Apache-2.0
/*
 * Which documents and records a statement leaves behind; private to publish*.c.
 *
 * Debezium's rules: a statement is either a list of events (tables made, altered, dropped; databases,
 * USE, SET), walked by runs of the same database, or, when it has none, one raw text of the session's
 * database (contract §4.9, §5.2, §9.4).
 * @thread the sequencer
 */
#ifndef TR_STAGES_DDL_PUBLISH_PLAN_H
#define TR_STAGES_DDL_PUBLISH_PLAN_H

#include "stages/ddl/publish.h"

enum ddl_entry_type { DDL_ENTRY_CREATE = 0, DDL_ENTRY_ALTER, DDL_ENTRY_DROP, DDL_ENTRY_DATABASE };

/* One document and one record, or one of them. */
struct ddl_entry {
    enum ddl_entry_type type;
    const struct tr_ddl_change *change; /* NULL: the statement's raw text */
    const struct tr_table *table;       /* as it is after the statement; NULL: none, or not known */
    struct tr_span database;
    struct tr_span text;
    struct tr_span source_tables; /* names joined with commas; data NULL: null */
    bool is_rename;               /* by RENAME TABLE: only that tells the name before */
    bool is_stored;
    bool is_sent;
};

struct ddl_plan {
    struct ddl_entry *entries; /* owns */
    uint32_t entry_count;
    struct tr_table *arena; /* owns: joined names */
};

/* Errors: TR_ERR_SYSTEM, those of the filter; the plan is empty then. */
TR_NODISCARD enum tr_code ddl_plan_make(struct ddl_plan *plan,
                                        const struct tr_ddl_publisher *publisher,
                                        const struct tr_ddl_event *event,
                                        const struct tr_ddl_result *result, struct tr_error *err);
/* Accepts a zeroed one. */
void ddl_plan_free(struct ddl_plan *plan);

#endif
