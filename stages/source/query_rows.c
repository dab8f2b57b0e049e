// SPDX-License-Identifier: Apache-2.0
#include "stages/source/query_rows.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/assert.h"

#define ROOM_BYTES_FIRST 4096
#define CELLS_FIRST 256

/* One run, for the callback. */
struct keeping {
    struct tr_query_rows *rows;
    const struct tr_query_port *port;
    enum tr_code code;
    struct tr_error *err;
};

static int keep_row(void *self, const struct tr_span *cells, uint32_t count);
static enum tr_code keep_cells(struct tr_query_rows *rows, const struct tr_span *cells,
                               uint32_t count, struct tr_error *err);
static enum tr_code keep_cell(struct tr_query_rows *rows, struct tr_span cell,
                              struct tr_error *err);

enum tr_code tr_query_rows_run(struct tr_query_rows *rows, const struct tr_query_port *port,
                               const char *sql, struct tr_error *err)
{
    struct keeping keeping = {.rows = rows, .port = port, .code = TR_OK, .err = err};

    rows->column_count = 0;
    rows->row_count = 0;
    rows->used_bytes = 0;
    rows->cell_count = 0;
    const enum tr_code code = port->run(port->self, sql, keep_row, &keeping, err);
    return code != TR_OK ? code : keeping.code;
}

void tr_query_rows_deinit(struct tr_query_rows *rows)
{
    free(rows->bytes);
    free(rows->cells);
    *rows = (struct tr_query_rows){0};
}

int tr_query_rows_column(const struct tr_query_rows *rows, const char *name)
{
    const size_t name_bytes = strlen(name);

    for (uint32_t i = 0; i < rows->column_count; i++) {
        const struct tr_query_cell *cell = &rows->cells[i];
        if (cell->bytes == name_bytes &&
            strncasecmp((const char *)rows->bytes + cell->at, name, name_bytes) == 0) {
            return (int)i;
        }
    }
    return -1;
}

struct tr_span tr_query_rows_cell(const struct tr_query_rows *rows, uint32_t row, int column)
{
    if (column < 0) {
        return (struct tr_span){0};
    }
    TR_ASSERT(row < rows->row_count);
    TR_ASSERT((uint32_t)column < rows->column_count);
    const struct tr_query_cell *cell =
        &rows->cells[((size_t)row + 1) * rows->column_count + (size_t)column];
    return cell->at == SIZE_MAX ? (struct tr_span){0}
                                : tr_span_of(rows->bytes + cell->at, cell->bytes);
}

static int keep_row(void *self, const struct tr_span *cells, uint32_t count)
{
    struct keeping *keeping = self;
    struct tr_query_rows *rows = keeping->rows;

    if (rows->column_count == 0) {
        uint32_t name_count = 0;
        const struct tr_span *names = keeping->port->columns(keeping->port->self, &name_count);
        TR_ASSERT(name_count == count);
        rows->column_count = count;
        keeping->code = keep_cells(rows, names, count, keeping->err);
    }
    if (keeping->code == TR_OK) {
        keeping->code = keep_cells(rows, cells, count, keeping->err);
    }
    if (keeping->code != TR_OK) {
        return 1;
    }
    rows->row_count++;
    return 0;
}

static enum tr_code keep_cells(struct tr_query_rows *rows, const struct tr_span *cells,
                               uint32_t count, struct tr_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        const enum tr_code code = keep_cell(rows, cells[i], err);
        if (code != TR_OK) {
            return code;
        }
    }
    return TR_OK;
}

static enum tr_code keep_cell(struct tr_query_rows *rows, struct tr_span cell, struct tr_error *err)
{
    if (rows->cell_count == rows->cell_room) {
        const size_t room = rows->cell_room == 0 ? CELLS_FIRST : 2 * rows->cell_room;
        struct tr_query_cell *cells = realloc(rows->cells, room * sizeof(*cells));
        if (cells == NULL) {
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a query's answer");
        }
        rows->cells = cells;
        rows->cell_room = room;
    }
    if (cell.data == NULL) {
        rows->cells[rows->cell_count++] = (struct tr_query_cell){.at = SIZE_MAX};
        return TR_OK;
    }
    if (cell.bytes > TR_QUERY_ROWS_BYTES_MAX - rows->used_bytes) {
        return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP, "a query's answer: more than %zu bytes",
                       TR_QUERY_ROWS_BYTES_MAX);
    }
    if (cell.bytes > rows->room_bytes - rows->used_bytes) {
        size_t room = rows->room_bytes == 0 ? ROOM_BYTES_FIRST : rows->room_bytes;
        while (room - rows->used_bytes < cell.bytes) {
            room *= 2;
        }
        uint8_t *bytes = realloc(rows->bytes, room);
        if (bytes == NULL) {
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a query's answer");
        }
        rows->bytes = bytes;
        rows->room_bytes = room;
    }
    if (cell.bytes > 0) {
        memcpy(rows->bytes + rows->used_bytes, cell.data, cell.bytes);
    }
    rows->cells[rows->cell_count++] =
        (struct tr_query_cell){.at = rows->used_bytes, .bytes = cell.bytes};
    rows->used_bytes += cell.bytes;
    return TR_OK;
}

void tr_query_quote(char *out, struct tr_span text, char quote)
{
    size_t at = 0;

    out[at++] = quote;
    for (size_t i = 0; i < text.bytes; i++) {
        const char c = (char)text.data[i];
        if (c == quote || (c == '\\' && quote == '\'')) {
            out[at++] = c;
        }
        out[at++] = c;
    }
    out[at++] = quote;
    out[at] = '\0';
}

void tr_query_copy_text(char *out, size_t room_bytes, struct tr_span text)
{
    const size_t bytes = text.bytes < room_bytes - 1 ? text.bytes : room_bytes - 1;

    if (bytes > 0) {
        memcpy(out, text.data, bytes);
    }
    out[bytes] = '\0';
}

uint64_t tr_query_number(struct tr_span text)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.bytes && i < 19 && text.data[i] >= '0' && text.data[i] <= '9';
         i++) {
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return number;
}
