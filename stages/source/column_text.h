// SPDX-License-Identifier: Apache-2.0
/*
 * What information_schema says of a column, as text, into the table model: "int(10) unsigned",
 * "enum('a','b''c')", defaults with each server's own quoting.
 *
 * Both parsers are total: a type nobody knows becomes TR_COLUMN_UNKNOWN, which is refused by name
 * when its table is captured.
 */
#ifndef TR_STAGES_SOURCE_COLUMN_TEXT_H
#define TR_STAGES_SOURCE_COLUMN_TEXT_H

#include <stdbool.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/schema/table.h"

/* The decoding that a character set's name stands for; data == NULL: none. */
enum tr_charset tr_column_charset(struct tr_span name);

/*
 * Sets type_text, type, length, precision, scale, geometry, sign and options of `column` from
 * column_type. TEXT and BLOB have their capacity in bytes as length, integers their display width.
 * Memory comes from the table's arena (its refusal is sticky there). Errors: TR_ERR_SCHEMA when a
 * member list is not closed.
 */
TR_NODISCARD enum tr_code tr_column_text_parse_type(struct tr_table *table,
                                                    struct tr_column *column, struct tr_span text,
                                                    struct tr_error *err);

/*
 * Sets has_default, default_is_expression, default_text from column_default and extra; the type
 * must be set before. MariaDB quotes literals and says NULL in words; MySQL shows bare values,
 * marks expressions in `extra`, and writes defaults of binary columns as 0x…. The text kept is what
 * stands between the quotes in SHOW CREATE TABLE, with its SQL escapes, on both (contract §2.9).
 */
TR_NODISCARD enum tr_code tr_column_text_parse_default(struct tr_table *table,
                                                       struct tr_column *column,
                                                       enum tr_flavor flavor, struct tr_span text,
                                                       struct tr_span extra, struct tr_error *err);

/* Whether `text` contains `word` (ASCII, lower case), in any case. */
bool tr_column_text_has(struct tr_span text, const char *word);

#endif
