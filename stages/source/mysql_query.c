// SPDX-License-Identifier: Apache-2.0
#include "stages/source/mysql_query.h"

#include "engine/cover.h"

/* TIMESTAMP texts depend on the zone; statements of ours must not die of a server's execution
 * limit. */
static const char *const session_statements[] = {"SET time_zone = '+00:00'"};

static enum tr_code connect_link(struct tr_mysql_query *query, struct tr_error *err);
static enum tr_code run(void *self, const char *sql, tr_query_on_row *on_row, void *row_self,
                        struct tr_error *err);
static const struct tr_span *columns(void *self, uint32_t *count);
static uint32_t last_server_error(void *self);
static void close_link(void *self);

void tr_mysql_query_init(struct tr_mysql_query *query, const struct tr_mysql_options *options)
{
    *query = (struct tr_mysql_query){
        .port = {.self = query,
                 .run = run,
                 .columns = columns,
                 .last_server_error = last_server_error,
                 .close = close_link},
        .options = *options,
    };
}

void tr_mysql_query_deinit(struct tr_mysql_query *query)
{
    close_link(query);
    *query = (struct tr_mysql_query){0};
}

static enum tr_code connect_link(struct tr_mysql_query *query, struct tr_error *err)
{
    enum tr_code code = tr_mysql_link_open(&query->link, &query->options, err);

    for (size_t i = 0;
         code == TR_OK && i < sizeof(session_statements) / sizeof(session_statements[0]); i++) {
        code = tr_mysql_link_query(query->link, session_statements[i], NULL, NULL, err);
    }
    if (code != TR_OK) {
        close_link(query);
    }
    return code;
}

static enum tr_code run(void *self, const char *sql, tr_query_on_row *on_row, void *row_self,
                        struct tr_error *err)
{
    struct tr_mysql_query *query = self;

    query->last_error = 0;
    if (query->link == NULL) {
        const enum tr_code code = connect_link(query, err);
        if (code != TR_OK) {
            return code;
        }
    }
    const enum tr_code code = tr_mysql_link_query(query->link, sql, on_row, row_self, err);
    query->last_error = tr_mysql_link_last_error(query->link);
    if (code == TR_ERR_SOURCE_LINK) {
        TR_COVER("mysql_query.link_lost");
        close_link(query); /* the next statement connects anew; whether this one may be repeated,
                              the caller knows */
    }
    return code;
}

static const struct tr_span *columns(void *self, uint32_t *count)
{
    const struct tr_mysql_query *query = self;

    return tr_mysql_link_columns(query->link, count);
}

static uint32_t last_server_error(void *self)
{
    return ((const struct tr_mysql_query *)self)->last_error;
}

static void close_link(void *self)
{
    struct tr_mysql_query *query = self;

    tr_mysql_link_close(query->link);
    query->link = NULL;
}
