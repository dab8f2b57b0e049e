// SPDX-License-Identifier: Apache-2.0
/*
 * The port to SQL: every statement except the dump goes through it. Real: the MySQL client library,
 * on a thread that may block. Simulated: a model's answers.
 */
#ifndef TR_STAGES_SOURCE_QUERY_H
#define TR_STAGES_SOURCE_QUERY_H

#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

/* One row: `count` text cells; a NULL cell has data == NULL. Return non-zero to stop reading. */
typedef int tr_query_on_row(void *self, const struct tr_span *cells, uint32_t count);

struct tr_query_port {
    void *self;
    /*
     * Runs one statement and calls `on_row` for each row (NULL: rows are not wanted). Connects when
     * needed. Errors: TR_ERR_SOURCE_LINK (retry), TR_ERR_SOURCE_AUTH, TR_ERR_SOURCE_SETUP with the
     * server's code and text.
     */
    enum tr_code (*run)(void *self, const char *sql, tr_query_on_row *on_row, void *row_self,
                        struct tr_error *err);
    /* Names of the columns of the result whose rows are being handed out; valid inside `on_row`
     * only. SHOW statements change their column order between versions: address their cells by
     * name. */
    const struct tr_span *(*columns)(void *self, uint32_t *count);
    /* The server's error number of the last failed run; 0 = none. */
    uint32_t (*last_server_error)(void *self);
    void (*close)(void *self);
};

#endif
