// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/envelope.h"

#include "engine/assert.h"
#include "engine/json_write.h"

#define PUT(out, literal)                                                                          \
    (memcpy((out), (literal), sizeof(literal) - 1), (out) + sizeof(literal) - 1)

_Static_assert(TR_GTID_TEXT_BYTES_MAX + 6 * (TR_BINLOG_NAME_BYTES_MAX + 3) + 256 <=
                   TR_PLAN_SOURCE_BYTES_MAX / 2,
               "GTID, file and numbers fit beside the constant half of source");

static uint8_t *put_literal(const struct tr_plan *plan, uint8_t *out,
                            struct tr_plan_literal literal)
{
    memcpy(out, plan->text.bytes + literal.at, literal.bytes);
    return out + literal.bytes;
}

static uint8_t *put_times(uint8_t *out, int64_t unix_ns)
{
    out = tr_digits_put_i64(PUT(out, "\",\"ts_ms\":"), unix_ns / 1000000);
    out = tr_digits_put_i64(PUT(out, ",\"ts_us\":"), unix_ns / 1000);
    return tr_digits_put_i64(PUT(out, ",\"ts_ns\":"), unix_ns);
}

void tr_envelope_begin_unit(struct tr_envelope *envelope, const struct tr_unit *unit)
{
    const size_t bytes = strnlen(unit->file, TR_BINLOG_NAME_BYTES_MAX);
    uint8_t *out = PUT(envelope->file, ",\"file\":\"");

    out += tr_json_escape(out, tr_span_of(unit->file, bytes));
    out = PUT(out, "\",\"pos\":");
    envelope->file_bytes = (uint32_t)(out - envelope->file);
    envelope->times_bytes =
        (uint32_t)(put_times(envelope->times, unit->wall_unix_ns) - envelope->times);
}

void tr_envelope_begin_item(struct tr_envelope *envelope, const struct tr_unit_item *item,
                            const struct tr_plan *plan, const char *snapshot)
{
    const size_t snapshot_bytes = strlen(snapshot);
    uint8_t *out = put_literal(plan, envelope->head, plan->source[0]);

    out = tr_digits_put_i64(out, item->ts_us / 1000);
    out = PUT(out, ",\"snapshot\":\"");
    memcpy(out, snapshot, snapshot_bytes);
    out += snapshot_bytes;
    out = tr_digits_put_i64(put_literal(plan, out, plan->source[1]), item->ts_us);
    out = tr_digits_put_i64(PUT(out, ",\"ts_ns\":"), (int64_t)((uint64_t)item->ts_us * 1000));
    out = tr_digits_put_u32(put_literal(plan, out, plan->source[2]), item->server_id);
    if (item->gtid.source == NULL) {
        out = PUT(out, ",\"gtid\":null");
    } else {
        out = PUT(out, ",\"gtid\":\"");
        out += tr_gtid_write((char *)(void *)out, &item->gtid);
        *out++ = '"';
    }
    memcpy(out, envelope->file, envelope->file_bytes);
    out = tr_digits_put_u64(out + envelope->file_bytes, item->pos);
    out = PUT(out, ",\"row\":");
    envelope->head_bytes = (uint32_t)(out - envelope->head);
    TR_ASSERT(envelope->head_bytes <= sizeof(envelope->head));

    if (item->thread_id < 0) {
        out = PUT(envelope->tail, ",\"thread\":null");
    } else {
        out = tr_digits_put_i64(PUT(envelope->tail, ",\"thread\":"), item->thread_id);
    }
    out = PUT(out, ",\"query\":null},\"transaction\":null,\"op\":\"");
    envelope->op_at = (uint32_t)(out - envelope->tail);
    out++;
    if (plan->options.envelope_ts_is_source) {
        out = put_times(out, (int64_t)((uint64_t)item->ts_us * 1000));
    } else {
        memcpy(out, envelope->times, envelope->times_bytes);
        out += envelope->times_bytes;
    }
    *out++ = '}';
    if (plan->options.value_schemas) {
        *out++ = '}';
    }
    envelope->tail_bytes = (uint32_t)(out - envelope->tail);
}
