// SPDX-License-Identifier: Apache-2.0
/*
 * The texts of a publication: a growing text, and tables as Debezium prints them in documents and in
 * schema-change records. Private to publish*.c, but for the property tests of recovery.
 * @thread the sequencer
 */
#ifndef TR_STAGES_DDL_PUBLISH_JSON_H
#define TR_STAGES_DDL_PUBLISH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"
#include "stages/schema/table.h"

/* Memory refusal is sticky: append freely, check `refused` once. */
struct ddl_text {
    uint8_t *bytes; /* owns */
    size_t used;
    size_t room;
    bool refused;
};

/* Which of Debezium's two serialisers writes. */
enum ddl_form {
    DDL_FORM_DOCUMENT = 0, /* history: characters above U+FFFF raw, absent members left out */
    DDL_FORM_RECORD,       /* Connect: they are escaped, absent members are null */
};

void ddl_text_free(struct ddl_text *text);
void ddl_text_add(struct ddl_text *text, const char *literal);
void ddl_text_add_span(struct ddl_text *text, struct tr_span raw);
void ddl_text_add_number(struct ddl_text *text, int64_t number);
/* UTF-8 as a JSON string with its quotes. */
void ddl_text_add_string(struct ddl_text *text, struct tr_span utf8, enum ddl_form form);

/* How tables are printed. */
struct ddl_print {
    enum tr_flavor flavor;
    enum ddl_form form;
    bool comments; /* of tables and columns are told */
};

/* "\"db\".\"table\"": an id of tableChanges. */
void ddl_text_add_id(struct ddl_text *text, struct tr_span database, struct tr_span name,
                     enum ddl_form form);
/* The member `table`'s object. */
void ddl_text_add_table(struct ddl_text *text, const struct tr_table *table,
                        const struct ddl_print *print);
/* The table's comment as Debezium knows it; data NULL: null. */
struct tr_span ddl_visible_comment(const struct tr_table *table, const struct ddl_print *print);

#endif
