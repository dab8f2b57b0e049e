// SPDX-License-Identifier: Apache-2.0
/*
 * Which tables are captured: Debezium's include and exclude lists (contract §0.3, §3.7).
 *
 * A list is comma separated, `\,` is a comma inside an expression, entries are trimmed. An
 * expression is a regular expression as Java writes them, matched without regard to case against
 * the whole name: database lists see `db`, table lists `db.table`. A table is captured when its
 * database passes and it passes itself.
 */
#ifndef TR_STAGES_SCHEMA_FILTER_H
#define TR_STAGES_SCHEMA_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

/* The lists as configured; empty = not set. Borrowed during open only. */
struct tr_filter_options {
    struct tr_span database_include; /* database.include.list */
    struct tr_span database_exclude;
    struct tr_span table_include;
    struct tr_span table_exclude;
    bool capture_builtin; /* table.ignore.builtin=false: mysql, performance_schema, sys,
                             information_schema too */
};

struct tr_filter; /* opaque */

/*
 * Compiles the lists. Errors: TR_ERR_CONFIG naming the property, the expression and the offset in
 * it, or the two properties that exclude each other; TR_ERR_SYSTEM when memory is refused.
 */
TR_NODISCARD enum tr_code tr_filter_open(struct tr_filter **filter,
                                         const struct tr_filter_options *options,
                                         struct tr_error *err);
/* Accepts NULL. */
void tr_filter_close(struct tr_filter *filter);

/*
 * Whether a table is captured. Allocates a little: called once per table seen, never per event.
 * Errors: TR_ERR_CONFIG when an expression cannot be evaluated on that name (it backtracks without
 * end).
 * @thread one at a time (the application before start, then the sequencer)
 */
TR_NODISCARD enum tr_code tr_filter_match(const struct tr_filter *filter, struct tr_span database,
                                          struct tr_span table, bool *is_captured,
                                          struct tr_error *err);

/* Whether it is one of the servers' own databases, in any case: mysql, sys and the two schemata. */
bool tr_filter_is_builtin(struct tr_span database);

/* Whether any table of that database could be captured: for CREATE DATABASE and snapshots. */
TR_NODISCARD enum tr_code tr_filter_match_database(const struct tr_filter *filter,
                                                   struct tr_span database, bool *is_captured,
                                                   struct tr_error *err);

struct tr_filter_order; /* opaque: a list of table expressions whose order counts */

/*
 * Compiles a list; `property` is the whole name of its property (static: for messages). An empty
 * list has no expression. Errors: as tr_filter_open.
 */
TR_NODISCARD enum tr_code tr_filter_order_open(struct tr_filter_order **order, const char *property,
                                               struct tr_span list, struct tr_error *err);
/* Accepts NULL. */
void tr_filter_order_close(struct tr_filter_order *order);

/* Which expression is the first to match a table: `index` from 0, UINT32_MAX = none. Errors: as
 * tr_filter_match. */
TR_NODISCARD enum tr_code tr_filter_order_find(const struct tr_filter_order *order,
                                               struct tr_span database, struct tr_span table,
                                               uint32_t *index, struct tr_error *err);

/* Remembers which of the expressions match a table: all, not the first alone. Errors: as tr_filter_match. */
TR_NODISCARD enum tr_code tr_filter_order_note(struct tr_filter_order *order,
                                               struct tr_span database, struct tr_span table,
                                               struct tr_error *err);

/* The text of the `number`th expression, from 0, that matched no table noted so far; NULL: no more. */
const char *tr_filter_order_unmatched(const struct tr_filter_order *order, uint32_t number);

#endif
