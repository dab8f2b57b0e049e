// SPDX-License-Identifier: Apache-2.0
/*
 * A history document, read; private to recover*.c. Members in any order, those not known passed over.
 * @thread the application before start
 */
#ifndef TR_STAGES_DDL_RECOVER_DOCUMENT_H
#define TR_STAGES_DDL_RECOVER_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "engine/json.h"
#include "stages/schema/table.h"

/* Spans: borrowed from the reader until its next document, or from the arena. */
struct recover_document {
    struct tr_span server;        /* source.server; data NULL: none */
    struct tr_span position;      /* JSON */
    struct tr_span database;      /* of the session; empty = none */
    struct tr_span ddl;           /* empty = none */
    struct tr_span table_changes; /* JSON; empty = none */
};

enum recover_change_type { RECOVER_CREATE = 0, RECOVER_ALTER, RECOVER_DROP };

struct recover_column {
    struct tr_span name;
    struct tr_span type_name;
    struct tr_span charset; /* empty = null */
    struct tr_span default_text;
    struct tr_span comment;
    struct tr_span *options; /* SQL literals, quotes included */
    uint32_t option_count;
    uint32_t length;
    uint32_t scale;
    bool has_length;
    bool has_scale;
    bool is_optional;
    bool is_auto_incremented;
    bool has_default_text;
};

/* One of tableChanges; everything in the arena. */
struct recover_change {
    enum recover_change_type type;
    struct tr_span database;
    struct tr_span name;
    struct tr_span previous_database;
    struct tr_span previous_name; /* empty = none */
    bool has_table;
    struct tr_span charset;
    struct tr_span comment;
    struct recover_column *columns;
    uint32_t column_count;
    struct tr_span *keys;
    uint32_t key_count;
};

/* Errors: TR_ERR_PROTOCOL, without a remedy: callers have one. */
TR_NODISCARD enum tr_code recover_read_document(struct tr_json_reader *reader, struct tr_span text,
                                                struct recover_document *document,
                                                struct tr_error *err);

/* All of tableChanges, in `arena` (whose memory refusal is sticky). Errors: as above. */
TR_NODISCARD enum tr_code recover_read_changes(struct tr_json_reader *reader, struct tr_span text,
                                               struct tr_table *arena,
                                               struct recover_change **changes, uint32_t *count,
                                               struct tr_error *err);

#endif
