// SPDX-License-Identifier: Apache-2.0
/* Any bytes as any event: a value or an error, and no span outside the input. The input is a whole
 * event without trailer. */
#include <stddef.h>
#include <stdint.h>

#include "engine/assert.h"
#include "stages/sequence/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tr_span input;

static void inside(struct tr_span span)
{
    TR_ASSERT(span.bytes == 0 || (span.data >= input.data && span.bytes <= input.bytes &&
                                  span.data + span.bytes <= input.data + input.bytes));
}

static void parse_query(struct tr_span body, bool is_load)
{
    struct tr_error err;
    struct tr_event_query query;
    if (tr_event_query_parse(&query, body, is_load, &err) == TR_OK) {
        inside(query.sql);
        inside(query.database);
    }
}

static void parse_gtids(struct tr_span body)
{
    struct tr_error err;
    struct tr_event_gtid gtid;
    struct tr_event_mariadb_gtid mariadb;
    struct tr_event_gtid_list list;
    if (tr_event_gtid_parse(&gtid, body, &err) == TR_OK) {
        TR_ASSERT(gtid.tag.bytes == 0);
    }
    if (tr_event_gtid_tagged_parse(&gtid, body, &err) == TR_OK) {
        TR_ASSERT(gtid.tag.bytes <= TR_GTID_TAG_BYTES_MAX);
    }
    (void)tr_event_mariadb_gtid_parse(&mariadb, body, &err);
    if (tr_event_gtid_list_parse(&list, body, &err) == TR_OK) {
        inside(list.entries);
        for (uint32_t i = 0; i < list.count; i++) {
            (void)tr_event_gtid_list_entry(&list, i);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tr_error err;
    if (size < TR_EVENT_HEADER_BYTES) {
        return 0;
    }
    input = tr_span_of(data, size);
    const struct tr_event_header header = tr_event_header_read(data);
    const struct tr_span body =
        tr_span_of(data + TR_EVENT_HEADER_BYTES, size - TR_EVENT_HEADER_BYTES);
    struct tr_event_format format;
    struct tr_event_rotate rotate;
    struct tr_event_heartbeat heartbeat;
    struct tr_event_xa_prepare prepare;
    struct tr_event_payload payload;
    struct tr_event_rows rows;
    struct tr_event_incident incident;

    (void)tr_event_format_parse(&format, input, &err);
    if (tr_event_rotate_parse(&rotate, body, &err) == TR_OK) {
        inside(rotate.file);
    }
    if (tr_event_heartbeat_parse(&heartbeat, &header, body, &err) == TR_OK) {
        inside(heartbeat.file);
    }
    if (tr_event_xa_prepare_parse(&prepare, body, &err) == TR_OK) {
        inside(prepare.gtrid);
        inside(prepare.bqual);
    }
    if (tr_event_payload_parse(&payload, body, &err) == TR_OK) {
        TR_ASSERT(payload.head_bytes <= body.bytes);
    }
    if (tr_event_incident_parse(&incident, body, &err) == TR_OK) {
        inside(incident.message);
    }
    (void)tr_event_rows_parse(&rows, body, &err);
    parse_query(body, false);
    parse_query(body, true);
    parse_gtids(body);
    return 0;
}
