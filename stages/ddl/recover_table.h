// SPDX-License-Identifier: Apache-2.0
/*
 * Tables from history documents; private to recover*.c.
 * @thread the application before start
 */
#ifndef TR_STAGES_DDL_RECOVER_TABLE_H
#define TR_STAGES_DDL_RECOVER_TABLE_H

#include "engine/error.h"
#include "stages/ddl/model.h"
#include "stages/ddl/recover_document.h"

/* Whether the document says the same of the table as far as rows and keys are concerned. */
bool recover_agrees(const struct tr_table *table, const struct recover_change *change,
                    enum tr_flavor flavor);

/*
 * The table as the document has it; the caller takes the share. It is made by the parser from a
 * statement written for it, so that spellings of types mean here what they mean there; what only the
 * document knows is set afterwards. NULL with err: TR_ERR_STATE (columns that no table can have),
 * TR_ERR_SYSTEM.
 */
struct tr_table *recover_build_table(const struct recover_change *change,
                                     const struct tr_ddl_options *options, struct tr_error *err);

#endif
