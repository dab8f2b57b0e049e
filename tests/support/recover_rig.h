// SPDX-License-Identifier: Apache-2.0
/* Documents of a history read back into a model: what the tests of recover.h share. */
#ifndef TR_TESTS_SUPPORT_RECOVER_RIG_H
#define TR_TESTS_SUPPORT_RECOVER_RIG_H

#include "stages/ddl/recover.h"

#define RECOVER_RIG_POSITION "\"position\":{\"file\":\"binlog.000003\",\"pos\":100}"

/* Of all positions of the group's tests. */
extern struct tr_gtid_sources *recover_rig_sources;
/* Set-up and tear-down of the group. */
int recover_rig_open_sources(void **state);
int recover_rig_close_sources(void **state);

struct tr_ddl_model *recover_rig_model(enum tr_flavor flavor);
/* Of topic.prefix "p"; `until` NULL: to the end. */
void recover_rig_open(struct tr_recover *recover, struct tr_ddl_model *model, enum tr_flavor flavor,
                      const struct tr_saved_position *until);
/* Reads a document that is right. */
void recover_rig_take(struct tr_recover *recover, const char *document);
const struct tr_table *recover_rig_find(const struct tr_ddl_model *model, const char *database,
                                        const char *name);
/* The document that a statement leaves behind, on a database named d"b; NULL when it makes no table. The caller frees it. */
char *recover_rig_publish(struct tr_ddl_model *model, enum tr_flavor flavor, const char *sql,
                          const struct tr_table **table);

#endif
