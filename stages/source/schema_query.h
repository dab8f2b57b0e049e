// SPDX-License-Identifier: Apache-2.0
/*
 * Table models from the server's information_schema: at start, before the first row (design §5
 * "Schemas", source 3). Views, sequences and temporary tables are left out.
 */
#ifndef TR_STAGES_SOURCE_SCHEMA_QUERY_H
#define TR_STAGES_SOURCE_SCHEMA_QUERY_H

#include <stdbool.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/schema/table.h"
#include "stages/source/query.h"

/* Whether that table is captured. An error ends the listing. */
typedef enum tr_code tr_schema_query_filter(void *self, struct tr_span database,
                                            struct tr_span table, bool *is_captured,
                                            struct tr_error *err);

/* Takes over one model. An error ends the listing. */
typedef enum tr_code tr_schema_query_on_table(void *self, struct tr_table *table,
                                              struct tr_error *err);

struct tr_schema_query {
    const struct tr_query_port *port; /* borrowed */
    enum tr_flavor flavor;
    tr_schema_query_filter *filter;
    void *filter_self;
    tr_schema_query_on_table *on_table;
    void *on_table_self;
};

/*
 * Lists the server's tables, ordered by database and name, and hands a model of each captured one
 * to `on_table`. A table that vanishes meanwhile is left out. Errors: the port's, the filter's,
 * on_table's; TR_ERR_SCHEMA, TR_ERR_SYSTEM, TR_ERR_SOURCE_AUTH (not all columns are visible to us).
 */
TR_NODISCARD enum tr_code tr_schema_query_tables(const struct tr_schema_query *query,
                                                 struct tr_error *err);

/* One table. *table = NULL when there is none of that name. */
TR_NODISCARD enum tr_code tr_schema_query_table(const struct tr_query_port *port,
                                                enum tr_flavor flavor, struct tr_span database,
                                                struct tr_span name, struct tr_table **table,
                                                struct tr_error *err);

#endif
