// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/wire_column.h"

#include "stages/schema/charset.h"
#include "stages/schema/table_map.h"

/* MariaDB's COMPRESSED columns are not told apart: readers take both forms. */
static const uint8_t wire_types[TR_COLUMN_TYPE_COUNT] = {
    [TR_COLUMN_UNKNOWN] = TR_WIRE_STRING,
    [TR_COLUMN_TINYINT] = TR_WIRE_TINY,
    [TR_COLUMN_SMALLINT] = TR_WIRE_SHORT,
    [TR_COLUMN_MEDIUMINT] = TR_WIRE_INT24,
    [TR_COLUMN_INT] = TR_WIRE_LONG,
    [TR_COLUMN_BIGINT] = TR_WIRE_LONGLONG,
    [TR_COLUMN_FLOAT] = TR_WIRE_FLOAT,
    [TR_COLUMN_DOUBLE] = TR_WIRE_DOUBLE,
    [TR_COLUMN_DECIMAL] = TR_WIRE_NEWDECIMAL,
    [TR_COLUMN_BIT] = TR_WIRE_BIT,
    [TR_COLUMN_YEAR] = TR_WIRE_YEAR,
    [TR_COLUMN_DATE] = TR_WIRE_DATE,
    [TR_COLUMN_TIME] = TR_WIRE_TIME2,
    [TR_COLUMN_DATETIME] = TR_WIRE_DATETIME2,
    [TR_COLUMN_TIMESTAMP] = TR_WIRE_TIMESTAMP2,
    [TR_COLUMN_CHAR] = TR_WIRE_STRING,
    [TR_COLUMN_VARCHAR] = TR_WIRE_VARCHAR,
    [TR_COLUMN_TEXT] = TR_WIRE_BLOB,
    [TR_COLUMN_BINARY] = TR_WIRE_STRING,
    [TR_COLUMN_VARBINARY] = TR_WIRE_VARCHAR,
    [TR_COLUMN_BLOB] = TR_WIRE_BLOB,
    [TR_COLUMN_ENUM] = TR_WIRE_ENUM,
    [TR_COLUMN_SET] = TR_WIRE_SET,
    [TR_COLUMN_JSON] = TR_WIRE_JSON,
    [TR_COLUMN_GEOMETRY] = TR_WIRE_GEOMETRY,
    [TR_COLUMN_VECTOR] = TR_WIRE_VECTOR,
    [TR_COLUMN_UUID] = TR_WIRE_STRING,
    [TR_COLUMN_INET4] = TR_WIRE_STRING,
    [TR_COLUMN_INET6] = TR_WIRE_STRING,
};

static uint32_t declared_bytes(const struct tr_column *column)
{
    const bool is_text = column->type == TR_COLUMN_CHAR || column->type == TR_COLUMN_VARCHAR;
    return is_text ? column->length * tr_charset_of_name(column->charset_name)->character_bytes_max
                   : column->length;
}

static struct tr_wire_column sized(const struct tr_column *column, uint32_t bytes)
{
    return (struct tr_wire_column){.type = wire_types[column->type],
                                   .meta = (uint16_t)bytes,
                                   .pack_bytes = bytes > UINT8_MAX ? 2 : 1};
}

/* TINYBLOB 1, BLOB 2, MEDIUMBLOB 3, LONGBLOB 4; the texts likewise. */
static uint8_t length_bytes(const struct tr_column *column)
{
    if (column->type == TR_COLUMN_JSON || column->type == TR_COLUMN_GEOMETRY ||
        column->type == TR_COLUMN_VECTOR || column->type_text.bytes == 0) {
        return 4;
    }
    switch (column->type_text.data[0]) {
    case 't': /* tinytext, tinyblob; text itself */
        return column->type_text.bytes > 1 && column->type_text.data[1] == 'i' ? 1 : 2;
    case 'm':
        return 3;
    case 'l':
        return 4;
    default:
        return 2;
    }
}

static uint8_t option_bytes(const struct tr_column *column)
{
    const uint32_t bytes = (column->option_count + 7) / 8;
    if (column->type == TR_COLUMN_ENUM) {
        return column->option_count > UINT8_MAX ? 2 : 1;
    }
    return bytes > 4 ? 8 : (uint8_t)(bytes == 0 ? 1 : bytes);
}

struct tr_wire_column tr_wire_column_of(const struct tr_column *column)
{
    struct tr_wire_column wire = {.type = wire_types[column->type]};

    switch (column->type) {
    case TR_COLUMN_DECIMAL:
        wire.meta = (uint16_t)(column->precision | column->scale << 8);
        break;
    case TR_COLUMN_BIT: /* bits of the last byte, then whole bytes */
        wire.meta = (uint16_t)(column->length % 8 | column->length / 8 << 8);
        break;
    case TR_COLUMN_TIME:
    case TR_COLUMN_DATETIME:
    case TR_COLUMN_TIMESTAMP:
        wire.meta = column->scale;
        break;
    case TR_COLUMN_CHAR:
    case TR_COLUMN_VARCHAR:
    case TR_COLUMN_BINARY:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_UNKNOWN:
        wire = sized(column, declared_bytes(column));
        break;
    case TR_COLUMN_UUID:
    case TR_COLUMN_INET6:
        wire = sized(column, 16);
        break;
    case TR_COLUMN_INET4:
        wire = sized(column, 4);
        break;
    case TR_COLUMN_TEXT:
    case TR_COLUMN_BLOB:
    case TR_COLUMN_JSON:
    case TR_COLUMN_GEOMETRY:
    case TR_COLUMN_VECTOR:
        wire.pack_bytes = length_bytes(column);
        wire.meta = wire.pack_bytes;
        break;
    case TR_COLUMN_ENUM:
    case TR_COLUMN_SET:
        wire.pack_bytes = option_bytes(column);
        wire.meta = wire.pack_bytes;
        break;
    case TR_COLUMN_FLOAT:
        wire.meta = 4;
        break;
    case TR_COLUMN_DOUBLE:
        wire.meta = 8;
        break;
    case TR_COLUMN_TINYINT:
    case TR_COLUMN_SMALLINT:
    case TR_COLUMN_MEDIUMINT:
    case TR_COLUMN_INT:
    case TR_COLUMN_BIGINT:
    case TR_COLUMN_YEAR:
    case TR_COLUMN_DATE:
    case TR_COLUMN_TYPE_COUNT:
        break;
    }
    wire.nullable = column->is_nullable;
    return wire;
}
