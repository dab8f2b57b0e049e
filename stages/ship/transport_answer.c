// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/transport_answer.h"

#include <string.h>
#include <strings.h>

#include "engine/clock.h"
#include "stages/ship/classify.h"

#define RETRY_AFTER_MS_MAX                                                                         \
    (60 * 1000) /* a longer demand is cut: the stream is tried once a minute */

static struct tr_span trimmed(struct tr_span text)
{
    while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data += 1;
        text.bytes -= 1;
    }
    while (text.bytes > 0 && text.data[text.bytes - 1] <= ' ') {
        text.bytes -= 1;
    }
    return text;
}

static bool name_is(struct tr_span name, const char *wanted)
{
    return name.bytes == strlen(wanted) &&
           strncasecmp((const char *)name.data, wanted, name.bytes) == 0;
}

/* Copies printable ASCII only, cut to the room: the value goes into logs. */
static void copy_text(char *out, size_t room_bytes, struct tr_span text)
{
    size_t bytes = 0;
    while (bytes < text.bytes && bytes < room_bytes - 1 && text.data[bytes] > ' ' &&
           text.data[bytes] < 0x7F) {
        out[bytes] = (char)text.data[bytes];
        bytes++;
    }
    out[bytes] = '\0';
}

/* A decimal number of at most `digits_max` digits and nothing else, or -1. */
static int64_t number_of(struct tr_span text, size_t digits_max)
{
    int64_t value = 0;
    if (text.bytes == 0 || text.bytes > digits_max) {
        return -1;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static void take_delay(struct tr_span value, int64_t unit_ms, struct tr_call_done *done)
{
    const int64_t count = number_of(value, 9);
    if (count < 0) {
        return;
    }
    const int64_t delay_ms = count * unit_ms;
    done->retry_after_ns =
        (delay_ms < RETRY_AFTER_MS_MAX ? delay_ms : RETRY_AFTER_MS_MAX) * TR_NS_PER_MS;
}

void tr_answer_take_header(struct tr_span line, struct tr_call_done *done)
{
    if (line.bytes >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
        done->error_type[0] = '\0';
        done->request_id[0] = '\0';
        done->date_unix_s = 0;
        done->retry_after_ns = 0;
        return;
    }
    const uint8_t *colon = line.bytes == 0 ? NULL : memchr(line.data, ':', line.bytes);
    if (colon == NULL) {
        return;
    }
    const size_t name_bytes = (size_t)(colon - line.data);
    const struct tr_span name = tr_span_of(line.data, name_bytes);
    const struct tr_span value = trimmed(tr_span_of(colon + 1, line.bytes - name_bytes - 1));
    if (name_is(name, "date")) {
        done->date_unix_s = tr_answer_date_unix_s(value);
    } else if (name_is(name, "x-amzn-errortype")) {
        copy_text(done->error_type, sizeof(done->error_type), tr_kinesis_error_name(value));
    } else if (name_is(name, "x-amzn-requestid")) {
        copy_text(done->request_id, sizeof(done->request_id), value);
    } else if (name_is(name, "x-amz-retry-after")) {
        take_delay(value, 1, done);
    } else if (name_is(name, "retry-after") && done->retry_after_ns == 0) {
        take_delay(value, 1000, done);
    }
}

/* Days since 1970-01-01. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2 ? 1 : 0;
    const int64_t era = year / 400; /* years after 1600 only */
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

int64_t tr_answer_date_unix_s(struct tr_span text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    /* "Thu, 15 Jan 2026 12:00:00 GMT": every field has its place. */
    if (text.bytes != 29 || memcmp(text.data + 3, ", ", 2) != 0 ||
        memcmp(text.data + 25, " GMT", 4) != 0 || text.data[7] != ' ' || text.data[11] != ' ' ||
        text.data[16] != ' ' || text.data[19] != ':' || text.data[22] != ':') {
        return 0;
    }
    int64_t month = 0;
    for (int64_t i = 0; i < 12; i++) {
        month = memcmp(text.data + 8, months + 3 * i, 3) == 0 ? i + 1 : month;
    }
    const int64_t day = number_of(tr_span_of(text.data + 5, 2), 2);
    const int64_t year = number_of(tr_span_of(text.data + 12, 4), 4);
    const int64_t hour = number_of(tr_span_of(text.data + 17, 2), 2);
    const int64_t minute = number_of(tr_span_of(text.data + 20, 2), 2);
    const int64_t second = number_of(tr_span_of(text.data + 23, 2), 2);
    if (month == 0 || day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60) {
        return 0;
    }
    return days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}
