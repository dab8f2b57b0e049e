// SPDX-License-Identifier: Apache-2.0
/*
 * What the log will say of a column before it has said anything: the wire form that servers since
 * 5.6 write for it (mysql-binlog.md §3.11). For checks ahead of the first row; what is decoded goes
 * by the log itself.
 */
#ifndef TR_STAGES_SCHEMA_WIRE_COLUMN_H
#define TR_STAGES_SCHEMA_WIRE_COLUMN_H

#include "stages/schema/schema.h"

/* Types that this version does not know get the form of a CHAR: their plan names them. */
struct tr_wire_column tr_wire_column_of(const struct tr_column *column);

#endif
