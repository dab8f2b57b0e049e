// SPDX-License-Identifier: Apache-2.0
/*
 * The query port over a MySQL link: connects at the first statement, and again after the link was
 * lost.
 * @thread one at a time: the QUERY actor's, or the main thread before it starts
 */
#ifndef TR_STAGES_SOURCE_MYSQL_QUERY_H
#define TR_STAGES_SOURCE_MYSQL_QUERY_H

#include "engine/error.h"
#include "stages/source/mysql_link.h"
#include "stages/source/query.h"

struct tr_mysql_query {
    struct tr_query_port port;       /* self is this object: it must not move */
    struct tr_mysql_options options; /* texts borrowed for the object's life */
    struct tr_mysql_link *link;      /* owns; NULL = not connected */
    uint32_t last_error;
};

/* Prepares the port; connects to nothing yet. */
void tr_mysql_query_init(struct tr_mysql_query *query, const struct tr_mysql_options *options);

/* Closes the connection, if any; accepts a zeroed object. */
void tr_mysql_query_deinit(struct tr_mysql_query *query);

#endif
