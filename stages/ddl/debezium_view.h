// SPDX-License-Identifier: Apache-2.0
/*
 * A column as Debezium's table model prints it: in the schema history, in schema-change events, in
 * source type parameters. Derived from what the model holds of the server's table; every oddity
 * here is one that its records show (contract §2.1, §5.1).
 */
#ifndef TR_STAGES_DDL_DEBEZIUM_VIEW_H
#define TR_STAGES_DDL_DEBEZIUM_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"
#include "stages/schema/table.h"

#define TR_DEBEZIUM_TYPE_BYTES_MAX 160

struct tr_debezium_column {
    int32_t jdbc_type;                          /* java.sql.Types */
    char type_name[TR_DEBEZIUM_TYPE_BYTES_MAX]; /* typeName and typeExpression, e.g. "INT UNSIGNED"
                                                 */
    bool has_length;
    bool has_scale;
    uint32_t length;
    uint32_t scale;
    struct tr_span charset_name; /* empty = null; borrowed from the column, or static */
    bool is_optional;
    bool is_auto_incremented;
    bool is_generated; /* Debezium says so of AUTO_INCREMENT columns, and of no generated one */
    bool has_default;  /* without default_expression: an implicit NULL */
    bool has_default_expression;
    struct tr_span default_expression; /* borrowed from the column, or static */
};

/* `flavor` of the server: the two parsers of Debezium differ. */
void tr_debezium_view(struct tr_debezium_column *view, const struct tr_column *column,
                      enum tr_flavor flavor);

#endif
