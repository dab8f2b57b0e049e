// SPDX-License-Identifier: Apache-2.0
/*
 * The schema blocks of schema-change records (contract §4.9): what stands before the payload when
 * schemas are on. The caller closes the object that they open.
 * @thread the sequencer
 */
#ifndef TR_STAGES_DDL_PUBLISH_SCHEMA_H
#define TR_STAGES_DDL_PUBLISH_SCHEMA_H

#include "offsets/gtid.h"
#include "stages/ddl/publish_json.h"

/* {"schema":…,"payload": */
void ddl_text_add_value_schema(struct ddl_text *text, enum tr_flavor flavor);
void ddl_text_add_key_schema(struct ddl_text *text, enum tr_flavor flavor);

#endif
