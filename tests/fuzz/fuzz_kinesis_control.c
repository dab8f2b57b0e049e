// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "stages/ship/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool on_record(void *self, const struct tr_kinesis_record *record)
{
    size_t *sum = self;
    for (size_t i = 0; i < record->data_base64.bytes; i++) {
        *sum += record->data_base64.data[i];
    }
    return true;
}

static void on_name(void *self, struct tr_span name, const enum tr_stream_status *status)
{
    size_t *sum = self;
    *sum += status == NULL ? 0 : *status;
    *sum += name.bytes > 0 ? name.data[name.bytes - 1] : 0;
}

static void on_tag(void *self, struct tr_span name, struct tr_span value)
{
    on_name(self, name, NULL);
    on_name(self, value, NULL);
}

/* The first byte chooses the answer's kind, the rest is the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tr_json_reader *reader;
    static struct tr_shard shards[16];
    static struct tr_shard_list list = {.shards = shards, .shards_max = 16};
    static char iterator[TR_KINESIS_ITERATOR_BYTES_MAX + 1];
    struct tr_stream_summary summary;
    struct tr_records_page page;
    struct tr_kinesis_failure failure;
    bool has_more = false;
    size_t sum = 0;
    enum tr_code code = TR_OK;
    if (reader == NULL && tr_json_open(&reader, 1024 * 1024, NULL) != TR_OK) {
        abort();
    }
    if (bytes == 0) {
        return 0;
    }
    const struct tr_span answer = tr_span_of(data + 1, bytes - 1);
    switch (data[0] % 7) {
    case 0:
        code = tr_control_parse_stream_summary(reader, answer, &summary, NULL);
        break;
    case 1:
        list.shard_count = 0;
        code = tr_control_parse_shards(reader, answer, &list, NULL);
        (void)tr_shard_list_keep_open(&list);
        break;
    case 2:
        code = tr_control_parse_streams(reader, answer, on_name, &sum, &has_more, NULL);
        break;
    case 3:
        code = tr_control_parse_shard_iterator(reader, answer, iterator, NULL);
        break;
    case 6:
        code = tr_control_parse_tags(reader, answer, on_tag, &sum, NULL);
        break;
    case 4:
        code = tr_control_parse_records(reader, answer, &page, on_record, &sum, NULL);
        break;
    default:
        tr_control_parse_failure(reader, answer, "", &failure);
        break;
    }
    (void)code;
    return 0;
}
