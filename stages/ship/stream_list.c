// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/stream_list.h"

#include <stdlib.h>
#include <string.h>

#include "engine/log.h"

#define LIST_INTERVAL_NS (TR_NS_PER_S / 4) /* the account has 5 a second */
/* A page takes as long as so many paced calls of DescribeStreamSummary. */
#define DESCRIBES_PER_PAGE 4

struct tr_listed_stream {
    const char *name; /* borrows */
    bool is_usable;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct tr_listed_stream *)a)->name,
                  ((const struct tr_listed_stream *)b)->name);
}

static struct tr_listed_stream *find(const struct tr_stream_list *list, const char *name)
{
    const struct tr_listed_stream wanted = {.name = name};

    return list->stream_count == 0
               ? NULL
               : bsearch(&wanted, list->streams, list->stream_count, sizeof(wanted), compare);
}

static void on_name(void *self, struct tr_span name, const enum tr_stream_status *status)
{
    struct tr_stream_list *list = self;
    char text[TR_KINESIS_STREAM_NAME_BYTES_MAX + 1];

    if (name.bytes >= sizeof(text)) {
        return; /* no name of Kinesis's */
    }
    memcpy(text, name.data, name.bytes);
    text[name.bytes] = '\0';
    if (status == NULL) {
        memcpy(list->last, text, name.bytes + 1);
        return;
    }
    struct tr_listed_stream *stream = find(list, text);
    if (stream != NULL && !stream->is_usable &&
        (*status == TR_STREAM_ACTIVE || *status == TR_STREAM_UPDATING)) {
        stream->is_usable = true;
        list->usable_count++;
    }
}

/* One page; `*has_more` is false after the last one, and when the list may not be read. */
static enum tr_code read_page(struct tr_stream_list *list, struct tr_kinesis_client *client,
                              bool *has_more, struct tr_error *err)
{
    struct tr_control_body body;
    struct tr_kinesis_refusal refusal;
    struct tr_span answer;

    *has_more = false;
    tr_control_write_list_streams(&body, list->last);
    enum tr_code code = tr_kinesis_call(client, "ListStreams", &body, &answer, &refusal, err);
    if (code == TR_OK) {
        char before[sizeof(list->last)];
        memcpy(before, list->last, sizeof(before));
        code = tr_control_parse_streams(client->reader, answer, on_name, list, has_more, err);
        *has_more = *has_more && strcmp(before, list->last) != 0;
    }
    if (code == TR_OK || code == TR_ERR_INTERRUPTED || code == TR_ERR_SINK_LINK) {
        return code;
    }
    tr_log_error(TR_LOG_INFO, "streams.list_refused", err); /* each name is asked for then */
    *has_more = false;
    return TR_OK;
}

enum tr_code tr_stream_list_read(struct tr_stream_list *list, struct tr_kinesis_client *client,
                                 const char *const *names, uint32_t name_count,
                                 struct tr_error *err)
{
    const uint32_t pages_max = name_count / DESCRIBES_PER_PAGE;
    bool has_more = true;

    *list = (struct tr_stream_list){.streams = calloc(name_count + 1, sizeof(*list->streams))};
    if (list->streams == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for %u streams: add memory",
                       name_count);
    }
    for (uint32_t i = 0; i < name_count; i++) {
        list->streams[i].name = names[i];
    }
    list->stream_count = name_count;
    qsort(list->streams, name_count, sizeof(*list->streams), compare);
    for (uint32_t page = 0; page < pages_max && has_more && list->usable_count < name_count;
         page++) {
        const int64_t next_ns = tr_clock_monotonic_ns(client->clock) + LIST_INTERVAL_NS;
        if (read_page(list, client, &has_more, err) != TR_OK ||
            (has_more && tr_kinesis_wait_until(client, next_ns, err) != TR_OK)) {
            return err->code;
        }
    }
    return TR_OK;
}

bool tr_stream_list_is_usable(const struct tr_stream_list *list, const char *name)
{
    const struct tr_listed_stream *stream = find(list, name);

    return stream != NULL && stream->is_usable;
}

void tr_stream_list_deinit(struct tr_stream_list *list)
{
    free(list->streams);
    *list = (struct tr_stream_list){0};
}
