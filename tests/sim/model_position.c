// SPDX-License-Identifier: Apache-2.0
/* What a saved position means in the model's log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "tests/sim/model_log.h"

#define UUID_BYTES 36

void tr_model_write_gtid(const struct tr_model_log *log, uint32_t transaction,
                         struct tr_buffer *out)
{
    const struct tr_model_transaction *entry = &log->transactions[transaction];
    char text[80];
    const int bytes =
        log->options.flavor == TR_FLAVOR_MARIADB
            ? snprintf(text, sizeof(text), "%u-7-%" PRIu64, entry->source, entry->number)
            : snprintf(text, sizeof(text), "6d6f6465-6c2d-736f-7572-63652d3030%02x:%" PRIu64,
                       '1' + entry->source, entry->number);
    tr_buffer_append(out, text, (size_t)bytes);
}

/* MySQL: the ranges of a source. */
static void write_ranges(const struct tr_model_log *log, uint32_t count, uint32_t source,
                         struct tr_buffer *out)
{
    const uint64_t end = log->number_next[source];
    bool *has = calloc(end + 1, sizeof(*has));
    char text[64];

    TR_ASSERT(has != NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (log->transactions[i].source == source) {
            has[log->transactions[i].number] = true;
        }
    }
    int bytes = snprintf(text, sizeof(text), "%s6d6f6465-6c2d-736f-7572-63652d3030%02x",
                         out->used == 0 ? "" : ",\n", '1' + source);
    tr_buffer_append(out, text, (size_t)bytes);
    for (uint64_t first = 1; first < end; first++) {
        uint64_t last = first;
        while (has[first] && has[last + 1]) {
            last++;
        }
        if (has[first]) {
            bytes = first == last
                        ? snprintf(text, sizeof(text), ":%" PRIu64, first)
                        : snprintf(text, sizeof(text), ":%" PRIu64 "-%" PRIu64, first, last);
            tr_buffer_append(out, text, (size_t)bytes);
        }
        first = last;
    }
    free(has);
}

void tr_model_write_executed(const struct tr_model_log *log, uint32_t count, struct tr_buffer *out)
{
    for (uint32_t source = 0; source < log->options.source_count && !log->options.by_file;
         source++) {
        uint32_t last = count;
        while (last > 0 && log->transactions[last - 1].source != source) {
            last--;
        }
        if (last == 0) {
            continue; /* none of it yet */
        }
        if (log->options.flavor == TR_FLAVOR_MYSQL) {
            write_ranges(log, count, source, out);
        } else {
            tr_buffer_append(out, ",", out->used == 0 ? 0 : 1);
            tr_model_write_gtid(log, last - 1, out);
        }
    }
}

void tr_model_log_write_start(const struct tr_model_log *log, struct tr_buffer *out)
{
    const uint32_t count = log->options.starts_empty ? 0 : log->options.source_count;
    char text[100];
    const int bytes =
        snprintf(text, sizeof(text), "{\"file\":\"%s\",\"pos\":%u", log->file_names[0],
                 count == 0 ? log->start_at : log->transactions[count - 1].end);
    tr_buffer_append(out, text, (size_t)bytes);
    for (uint32_t i = 0; i < count && !log->options.by_file; i++) {
        tr_buffer_append(out, i == 0 ? ",\"gtids\":\"" : ",", i == 0 ? 10 : 1);
        tr_model_write_gtid(log, i, out);
    }
    const bool has_gtids = count > 0 && !log->options.by_file;
    tr_buffer_append(out, has_gtids ? "\"}" : "}", has_gtids ? 2 : 1);
}

static void add_range(struct tr_model_set *set, uint32_t source, uint64_t first, uint64_t last)
{
    set->ranges = realloc(set->ranges, (set->range_count + 1) * sizeof(*set->ranges));
    TR_ASSERT(set->ranges != NULL);
    set->ranges[set->range_count].source = (uint8_t)source;
    set->ranges[set->range_count].first = first;
    set->ranges[set->range_count].last = last;
    set->range_count++;
}

static const char *parse_mysql(struct tr_model_set *set, const char *text)
{
    char *at = NULL;
    TR_ASSERT(strlen(text) > UUID_BYTES && text[UUID_BYTES] == ':');
    const uint32_t source = (uint32_t)(text[UUID_BYTES - 1] - '1');
    text += UUID_BYTES;
    while (*text == ':') {
        const uint64_t first = strtoull(text + 1, &at, 10);
        TR_ASSERT(*at == '-');
        const uint64_t last = strtoull(at + 1, &at, 10);
        add_range(set, source, first, last);
        text = at;
    }
    return text;
}

static const char *parse_mariadb(struct tr_model_set *set, const char *text)
{
    char *at = NULL;
    const uint32_t source = (uint32_t)strtoul(text, &at, 10);
    (void)strtoul(at + 1, &at, 10); /* server */
    const uint64_t last = strtoull(at + 1, &at, 10);
    add_range(set, source, 1, last);
    return at;
}

void tr_model_set_parse(struct tr_model_set *set, enum tr_flavor flavor, const char *text)
{
    *set = (struct tr_model_set){0};
    while (*text != '\0') {
        text = flavor == TR_FLAVOR_MYSQL ? parse_mysql(set, text) : parse_mariadb(set, text);
        TR_ASSERT(*text == ',' || *text == '\0');
        text += *text == ',';
    }
}

void tr_model_set_free(struct tr_model_set *set)
{
    free(set->ranges);
    *set = (struct tr_model_set){0};
}

bool tr_model_set_contains(const struct tr_model_set *set, const struct tr_model_log *log,
                           uint32_t transaction)
{
    const struct tr_model_transaction *entry = &log->transactions[transaction];
    for (uint32_t i = 0; i < set->range_count; i++) {
        if (set->ranges[i].source == entry->source && set->ranges[i].first <= entry->number &&
            entry->number <= set->ranges[i].last) {
            return true;
        }
    }
    return false;
}

static uint32_t file_index(const struct tr_model_log *log, const char *name)
{
    uint32_t file = 0;
    while (file < log->file_count && strcmp(log->file_names[file], name) != 0) {
        file++;
    }
    return file;
}

/* Groups that end at or before the place. */
static uint32_t groups_before(const struct tr_model_log *log, uint32_t file, uint64_t pos)
{
    uint32_t count = 0;
    while (count < log->transaction_count &&
           (log->transactions[count].file < file ||
            (log->transactions[count].file == file && log->transactions[count].end <= pos))) {
        count++;
    }
    return count;
}

/* The groups that the set holds, when they are the first ones of the log; else -1. */
static int64_t groups_of_set(const struct tr_model_log *log, const struct tr_gtid_set *gtids,
                             char *why)
{
    struct tr_model_set set;
    char *text = malloc(tr_gtid_set_text_bytes(gtids) + 1);
    TR_ASSERT(text != NULL);
    tr_gtid_set_write_text(gtids, text);
    tr_model_set_parse(&set, log->options.flavor, text);
    int64_t count = 0;
    while (count < log->transaction_count && tr_model_set_contains(&set, log, (uint32_t)count)) {
        count++;
    }
    for (uint32_t i = (uint32_t)count; i < log->transaction_count; i++) {
        if (tr_model_set_contains(&set, log, i)) {
            (void)snprintf(why, TR_MODEL_WHY_BYTES,
                           "the GTIDs %.150s have group %u, but not group %u before it", text, i,
                           (uint32_t)count);
            count = -1;
            break;
        }
    }
    tr_model_set_free(&set);
    free(text);
    return count;
}

/* Inside a group: what its events and rows come to. */
static int64_t rows_in_group(const struct tr_model_log *log, uint32_t index,
                             const struct tr_saved_position *position, char *why)
{
    const struct tr_log_point *point = &position->point;
    if (index == log->transaction_count) {
        (void)snprintf(why, TR_MODEL_WHY_BYTES,
                       "%" PRIu64 " events of a group that was not committed", point->event_count);
        return -1;
    }
    const struct tr_model_transaction *group = &log->transactions[index];
    /* With no GTIDs to ask for, reading must begin at the event that has the group's. */
    const bool is_first = !log->options.by_file && tr_gtid_set_is_empty(position->gtids);
    if (group->is_xa || point->event_count > group->event_count ||
        point->pos != (is_first ? group->at : group->begin_at) ||
        file_index(log, point->file) != group->file) {
        (void)snprintf(
            why, TR_MODEL_WHY_BYTES,
            "%" PRIu64 " events behind %s:%" PRIu64 ", but group %u has %u, begins at %s:%u%s",
            point->event_count, point->file, point->pos, index, group->event_count,
            log->file_names[group->file], group->begin_at, group->is_xa ? ", is XA" : "");
        return -1;
    }
    const uint32_t *rows = &log->event_rows[group->event_first];
    const uint32_t done = rows[point->event_count - 1];
    const uint32_t next = point->event_count < group->event_count ? rows[point->event_count] : done;
    if (point->row_count > next - done) {
        (void)snprintf(why, TR_MODEL_WHY_BYTES,
                       "%" PRIu64 " rows of event %" PRIu64 " of group %u, which has %u",
                       point->row_count, point->event_count, index, next - done);
        return -1;
    }
    return (int64_t)(done + point->row_count);
}

int64_t tr_model_log_rows_before(const struct tr_model_log *log,
                                 const struct tr_saved_position *position, char *why)
{
    const struct tr_log_point *point = &position->point;
    const uint32_t file = file_index(log, point->file);
    if (file == log->file_count) {
        (void)snprintf(why, TR_MODEL_WHY_BYTES, "file %s does not exist", point->file);
        return -1;
    }
    const uint32_t by_place = groups_before(log, file, point->pos);
    int64_t count = by_place;
    if (!log->options.by_file) {
        count = groups_of_set(log, position->gtids, why);
        if (count < 0) {
            return -1;
        }
    }
    /* Groups that were left out for their GTIDs may lie behind the place still: then the GTIDs
     * count. */
    if (count < by_place) {
        (void)snprintf(why, TR_MODEL_WHY_BYTES,
                       "GTIDs of %" PRId64 " groups, but %u lie before %s:%" PRIu64, count,
                       by_place, point->file, point->pos);
        return -1;
    }
    const uint32_t next = (uint32_t)count;
    if (point->event_count > 0) {
        return rows_in_group(log, next, position, why);
    }
    if (next < log->transaction_count && log->transactions[next].file == file &&
        log->transactions[next].at < point->pos) {
        (void)snprintf(why, TR_MODEL_WHY_BYTES,
                       "%s:%" PRIu64 " lies inside group %u, without events", point->file,
                       point->pos, next);
        return -1;
    }
    return next < log->transaction_count ? log->transactions[next].row_first : log->row_count;
}

uint32_t tr_model_log_groups_before(const struct tr_model_log *log,
                                    const struct tr_saved_position *position)
{
    char why[TR_MODEL_WHY_BYTES];
    const struct tr_log_point *point = &position->point;
    const int64_t count = log->options.by_file
                              ? groups_before(log, file_index(log, point->file), point->pos)
                              : groups_of_set(log, position->gtids, why);
    TR_ASSERT(count >= 0);
    return (uint32_t)count;
}
