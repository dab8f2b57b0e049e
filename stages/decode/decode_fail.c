// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/decode_fail.h"

#include "engine/cover.h"
#include "stages/prepared.h"

static struct tr_span bad_column_name(const struct tr_decode *decode)
{
    const struct tr_table *table = tr_decode_item(decode)->schema->table;
    const uint32_t column = decode->row.run.bad_column;

    return column < table->column_count ? table->columns[column].name : tr_span_of_text("(none)");
}

/* The setting of the row's session: the server's is looked at on connecting. */
static enum tr_code fail_lacking(const struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_table *table = tr_decode_item(decode)->schema->table;
    const uint32_t number = decode->row.run.bad_column;
    const struct tr_span column = bad_column_name(decode);
    const bool is_generated = number < table->column_count && table->columns[number].is_generated;

    TR_COVER("decode.lacking");
    return TR_FAIL(
        err, TR_ERR_UNSUPPORTED, TR_STOP,
        FORMAT_PLACE ", row %" PRIu32
                     ", column %.*s: %s: its session had another binlog_row_image than FULL%s; set "
                     "binlog_row_image=FULL on the server and in every session, then restart after "
                     "this event, or exclude the table",
        PLACE(decode), decode->row.number, (int)column.bytes, (const char *)column.data,
        decode->row.run.bad_reason,
        is_generated ? ", or the server logs no generated columns: make it nullable" : "");
}

static enum tr_code fail_bad(const struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_span column = bad_column_name(decode);

    if (decode->item_is_text) {
        const struct tr_table *table = tr_decode_item(decode)->schema->table;
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                       "table %.*s.%.*s, column %.*s: a row of the snapshot does not fit the "
                       "schema: %s; mend the value, or exclude the table",
                       (int)table->database.bytes, (const char *)table->database.data,
                       (int)table->name.bytes, (const char *)table->name.data, (int)column.bytes,
                       (const char *)column.data, decode->row.run.bad_reason);
    }
    return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                   FORMAT_PLACE
                   ", row %" PRIu32
                   ", column %.*s: %s: the row does not fit the schema; restart after it, or "
                   "exclude the table",
                   PLACE(decode), decode->row.number, (int)column.bytes, (const char *)column.data,
                   decode->row.run.bad_reason);
}

static enum tr_code fail_too_large(const struct tr_decode *decode, struct tr_error *err)
{
    const uint64_t limit = decode->row.plan->options.record_bytes_max;

    return TR_FAIL(
        err, TR_ERR_SINK_RECORD, TR_STOP,
        FORMAT_PLACE ", row %" PRIu32 ": its record is larger than the sink takes (%" PRIu64
                     " bytes): raise the stream's record limit, or exclude the table",
        PLACE(decode), decode->row.number, limit != 0 ? limit : decode->row.fragment->room_bytes);
}

enum tr_code tr_decode_fail_row(const struct tr_decode *decode, enum tr_write_outcome outcome,
                                struct tr_error *err)
{
    if (outcome == TR_WRITE_BAD) {
        return fail_bad(decode, err);
    }
    return outcome == TR_WRITE_LACKING ? fail_lacking(decode, err) : fail_too_large(decode, err);
}

enum tr_code tr_decode_fail_prepared(const struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_prepared *prepared = tr_decode_item(decode)->prepared;

    return TR_FAIL(err, TR_ERR_SINK_RECORD, TR_STOP,
                   "stream %s: the record of a schema change at %s:%" PRIu64 " has %" PRIu32
                   " bytes, more than the sink takes: raise the stream's record limit, or set "
                   "debezium.source.include.schema.changes=false",
                   prepared->stream->name, decode->unit->file, tr_decode_item(decode)->pos,
                   prepared->value_bytes);
}
