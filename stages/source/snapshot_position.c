// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot_position.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/cover.h"
#include "stages/source/query_rows.h"

#define GTID_WAITS_MAX 300 /* of 10 ms each */
#define POS_FIRST 4        /* after a log file's magic */

/* Formats the set of "uuid:7#34:8#35" without the threads behind '#'. */
static void drop_owners(char *text)
{
    char *out = text;

    for (const char *at = text; *at != '\0';) {
        if (*at == '#') {
            at++;
            at += strspn(at, "0123456789");
        } else {
            *out++ = *at++;
        }
    }
    *out = '\0';
}

enum tr_code tr_snapshot_position_executed(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    struct tr_gtid_set *owned = NULL;
    bool has_all = false;

    enum tr_code code = tr_gtid_set_open(&owned, TR_FLAVOR_MYSQL, err);
    if (code == TR_OK) {
        code = tr_query_rows_run(&rows, cut->schema, "SELECT @@global.gtid_owned", err);
    }
    if (code == TR_OK && rows.row_count > 0) {
        const struct tr_span cell = tr_query_rows_cell(&rows, 0, 0);
        char *text = calloc(1, cell.bytes + 1);
        if (text == NULL) {
            code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a GTID set: add memory");
        } else {
            memcpy(text, cell.bytes == 0 ? (const uint8_t *)"" : cell.data, cell.bytes);
            drop_owners(text);
            code = tr_gtid_set_parse(owned, cut->sources, tr_span_of_text(text), err);
        }
        free(text);
    }
    for (uint32_t i = 0; code == TR_OK && !has_all && i < GTID_WAITS_MAX; i++) {
        if (i > 0) {
            code = cut->schema->run(cut->schema->self, "DO SLEEP(0.01)", NULL, NULL, err);
        }
        if (code == TR_OK) {
            code = tr_query_rows_run(&rows, cut->schema, "SELECT @@global.gtid_executed", err);
        }
        if (code == TR_OK && rows.row_count > 0) {
            tr_gtid_set_clear(cut->position->gtids);
            code = tr_gtid_set_parse(cut->position->gtids, cut->sources,
                                     tr_query_rows_cell(&rows, 0, 0), err);
            has_all = code == TR_OK && tr_gtid_set_contains_set(cut->position->gtids, owned);
        }
    }
    if (code == TR_OK && !has_all) {
        /* Someone owns a GTID for long (a replica's large transaction). The file's beginning is
         * surely before the set: a file begins when all of the one before is committed. */
        TR_COVER("snapshot.gtid_owned_for_long");
        cut->position->point.pos = POS_FIRST;
    }
    tr_gtid_set_close(owned);
    tr_query_rows_deinit(&rows);
    return code;
}

/* SHOW STATUS of the view's session: its values are those of the moment of START TRANSACTION. */
enum tr_code tr_snapshot_position_of_view(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    struct tr_log_point *point = &cut->position->point;
    struct tr_query_rows rows = {0};

    *point = (struct tr_log_point){0};
    tr_gtid_set_clear(cut->position->gtids);
    enum tr_code code =
        tr_query_rows_run(&rows, cut->view, "SHOW STATUS LIKE 'binlog_snapshot_%'", err);
    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        const struct tr_span name = tr_query_rows_cell(&rows, i, 0);
        const struct tr_span value = tr_query_rows_cell(&rows, i, 1);
        static const char file[] = "binlog_snapshot_file";
        static const char pos[] = "binlog_snapshot_position";
        char text[TR_BINLOG_NAME_BYTES_MAX + 1] = "";
        if (value.bytes >= sizeof(text)) {
            continue;
        }
        memcpy(text, value.bytes == 0 ? (const uint8_t *)"" : value.data, value.bytes);
        if (name.bytes == sizeof(file) - 1 &&
            strncasecmp((const char *)name.data, file, name.bytes) == 0) {
            memcpy(point->file, text, sizeof(text));
        } else if (name.bytes == sizeof(pos) - 1 &&
                   strncasecmp((const char *)name.data, pos, name.bytes) == 0) {
            point->pos = strtoull(text, NULL, 10);
        }
    }
    tr_query_rows_deinit(&rows);
    if (code == TR_OK && (point->file[0] == '\0' || point->pos == 0)) {
        return TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP,
                       "the server reports no binary log: start it with --log-bin and --server-id");
    }
    return code != TR_OK
               ? code
               : tr_server_position_read_gtids(cut->position, cut->schema, cut->sources, err);
}
