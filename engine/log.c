// SPDX-License-Identifier: Apache-2.0
#include "engine/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/utf8.h"

#define LINE_BYTES 8192
#define LINE_RESERVE_BYTES                                                                         \
    64                 /* what closes a line: a quote, "truncated", "suppressed", brace, newline */
#define BURST_LINES 10 /* let through at once per site; then one per second */
#define ERROR_SITE_COUNT 64  /* errors share sites by the hash of their event name */
#define THREAD_NAME_BYTES 16 /* PR_GET_NAME, prctl(2) */

struct line {
    char text[LINE_BYTES];
    size_t bytes;
    bool cut;
};

/* Process-wide on purpose: logging is reached from everywhere. Written by tr_log_setup before
 * threads start. */
static struct {
    enum tr_log_level level;
    enum tr_log_format format;
    int fd;
    const struct tr_clock *clock; /* NULL: the system's */
} log_state = {.level = TR_LOG_INFO, .format = TR_LOG_TEXT, .fd = STDERR_FILENO};

static const char *const level_names[] = {[TR_LOG_ERROR] = "ERROR",
                                          [TR_LOG_WARN] = "WARN",
                                          [TR_LOG_INFO] = "INFO",
                                          [TR_LOG_DEBUG] = "DEBUG"};

static const struct tr_clock *log_clock(void);
static bool site_lets_through(struct tr_log_site *site, uint64_t *suppressed_count);
static void put_head(struct line *line, enum tr_log_level level, const char *event);
static void put_field(struct line *line, const struct tr_log_field *field);
static void put_escaped(struct line *line, const char *text);
static void put_raw(struct line *line, const char *text);

void tr_log_setup(enum tr_log_level level, enum tr_log_format format, int fd)
{
    log_state.level = level;
    log_state.format = format;
    log_state.fd = fd;
}

void tr_log_set_clock(const struct tr_clock *clock)
{
    log_state.clock = clock;
}

int tr_log_is_on(enum tr_log_level level)
{
    return level <= log_state.level;
}

void tr_log_write(struct tr_log_site *site, enum tr_log_level level, const char *event,
                  const struct tr_log_field *fields, size_t field_count)
{
    uint64_t suppressed_count = 0;
    struct line line;

    if (!tr_log_is_on(level) || !site_lets_through(site, &suppressed_count)) {
        return;
    }
    line.bytes = 0;
    line.cut = false;
    put_head(&line, level, event);
    for (size_t i = 0; i < field_count && !line.cut; i++) {
        put_field(&line, &fields[i]);
    }
    const bool is_json = log_state.format == TR_LOG_JSON;
    const bool was_cut = line.cut;
    char tail[LINE_RESERVE_BYTES] = "";
    if (suppressed_count > 0) {
        (void)snprintf(tail, sizeof(tail),
                       is_json ? ",\"suppressed\":%" PRIu64 : " suppressed=%" PRIu64,
                       suppressed_count);
    }
    /* The reserve is open to the tail only: fields stopped before it. */
    const size_t tail_bytes = strlen(tail);
    memcpy(line.text + line.bytes, tail, tail_bytes);
    line.bytes += tail_bytes;
    const char *end = is_json ? (was_cut ? ",\"cut\":1}\n" : "}\n") : (was_cut ? " cut=1\n" : "\n");
    const size_t end_bytes = strlen(end);
    memcpy(line.text + line.bytes, end, end_bytes);
    line.bytes += end_bytes;
    /* One write per line; a log that cannot be written has nowhere to be reported. */
    const ssize_t written = write(log_state.fd, line.text, line.bytes);
    (void)written;
}

void tr_log_error(enum tr_log_level level, const char *event, const struct tr_error *err)
{
    static struct tr_log_site sites[ERROR_SITE_COUNT];
    static const char *const remedies[] = {
        [TR_STOP] = "stop", [TR_RETRY] = "retry", [TR_RECONNECT] = "reconnect"};
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *at = event; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    }
    const struct tr_log_field fields[] = {TR_TEXT("code", tr_code_name(err->code)),
                                          TR_TEXT("remedy", remedies[err->remedy]),
                                          TR_TEXT("text", err->text)};
    tr_log_write(&sites[hash % ERROR_SITE_COUNT], level, event, fields,
                 sizeof(fields) / sizeof(fields[0]));
}

static const struct tr_clock *log_clock(void)
{
    return log_state.clock == NULL ? tr_clock_system() : log_state.clock;
}

/*
 * A bucket of BURST_LINES tokens, one more per second. Threads may race here: the worst case is a
 * line more or less, which is why relaxed orders are enough throughout.
 */
static bool site_lets_through(struct tr_log_site *site, uint64_t *suppressed_count)
{
    if (site == NULL) {
        return true;
    }
    const int64_t now_ns = tr_clock_monotonic_ns(log_clock());
    int64_t start_ns = atomic_load_explicit(&site->window_start_ns, memory_order_relaxed);
    const int64_t elapsed_s = (now_ns - start_ns) / TR_NS_PER_S;

    if (elapsed_s > 0 && atomic_compare_exchange_strong_explicit(
                             &site->window_start_ns, &start_ns, start_ns + elapsed_s * TR_NS_PER_S,
                             memory_order_relaxed, memory_order_relaxed)) {
        const uint32_t used = atomic_load_explicit(&site->window_count, memory_order_relaxed);
        const uint32_t kept = (int64_t)used > elapsed_s ? used - (uint32_t)elapsed_s : 0;
        atomic_store_explicit(&site->window_count, kept, memory_order_relaxed);
    }
    if (atomic_load_explicit(&site->window_count, memory_order_relaxed) >= BURST_LINES) {
        (void)atomic_fetch_add_explicit(&site->suppressed_count, 1, memory_order_relaxed);
        return false;
    }
    (void)atomic_fetch_add_explicit(&site->window_count, 1, memory_order_relaxed);
    *suppressed_count = atomic_exchange_explicit(&site->suppressed_count, 0, memory_order_relaxed);
    return true;
}

static void put_head(struct line *line, enum tr_log_level level, const char *event)
{
    const int64_t now_ms = tr_clock_wall_unix_ns(log_clock()) / TR_NS_PER_MS;
    const time_t now_s = (time_t)(now_ms / 1000);
    char thread_name[THREAD_NAME_BYTES] = "";
    char when[64];
    struct tm utc;

    (void)gmtime_r(&now_s, &utc);
    (void)snprintf(when, sizeof(when), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   (int)(now_ms % 1000));
    if (prctl(PR_GET_NAME, thread_name) == -1) {
        thread_name[0] = '\0';
    }
    if (log_state.format == TR_LOG_JSON) {
        put_raw(line, "{\"timestamp\":\"");
        put_raw(line, when);
        put_raw(line, "\",\"level\":\"");
        put_raw(line, level_names[level]);
        put_raw(line, "\",\"thread\":\"");
        put_escaped(line, thread_name);
        put_raw(line, "\",\"event\":\"");
        put_escaped(line, event);
        put_raw(line, "\"");
        return;
    }
    put_raw(line, when);
    put_raw(line, " ");
    put_raw(line, level_names[level]);
    put_raw(line, " ");
    put_raw(line, thread_name);
    put_raw(line, " ");
    put_raw(line, event);
}

/* Whether a text value reads unambiguously without quotes. */
static bool is_plain(const char *text)
{
    if (*text == '\0') {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        const unsigned char c = (unsigned char)*at;
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

static void put_field(struct line *line, const struct tr_log_field *field)
{
    const bool is_json = log_state.format == TR_LOG_JSON;
    char number[64];

    if (line->bytes + strlen(field->key) + 2 * LINE_RESERVE_BYTES + sizeof(number) > LINE_BYTES) {
        line->cut = true;
        return;
    }
    put_raw(line, is_json ? ",\"" : " ");
    put_raw(line, field->key);
    put_raw(line, is_json ? "\":" : "=");
    switch (field->kind) {
    case TR_LOG_FIELD_TEXT: {
        const char *text = field->text == NULL ? "" : field->text;
        if (!is_json && is_plain(text)) {
            put_escaped(line, text); /* nothing to escape, but cut at a character */
            return;
        }
        put_raw(line, "\"");
        put_escaped(line, text);
        line->text[line->bytes++] = '"'; /* out of the reserve if the text was cut */
        return;
    }
    case TR_LOG_FIELD_INT:
        (void)snprintf(number, sizeof(number), "%" PRId64, field->sint);
        break;
    case TR_LOG_FIELD_UINT:
        (void)snprintf(number, sizeof(number), "%" PRIu64, field->uint);
        break;
    case TR_LOG_FIELD_DOUBLE:
        /* Not-a-number and infinities are no JSON; their words are quoted. */
        (void)snprintf(number, sizeof(number), __builtin_isfinite(field->real) ? "%.6g" : "\"%g\"",
                       field->real);
        break;
    }
    put_raw(line, number);
}

/* JSON string escapes in both formats: a line stays one line, and bytes that are not UTF-8 become
 * U+FFFD. */
static void put_escaped(struct line *line, const char *text)
{
    const size_t text_bytes = strlen(text);
    char escape[8];

    for (size_t at = 0; at < text_bytes && !line->cut;) {
        const unsigned char c = (unsigned char)text[at];
        const size_t char_bytes = tr_utf8_char_bytes((const uint8_t *)text + at, text_bytes - at);
        size_t escape_bytes;
        if (char_bytes == 0) {
            memcpy(escape, "\xef\xbf\xbd", 4);
            escape_bytes = 3;
        } else if (c == '"' || c == '\\') {
            escape_bytes = (size_t)snprintf(escape, sizeof(escape), "\\%c", c);
        } else if (c == '\n') {
            escape_bytes = (size_t)snprintf(escape, sizeof(escape), "\\n");
        } else if (c < ' ' || c == 0x7f) {
            escape_bytes = (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c);
        } else {
            memcpy(escape, text + at, char_bytes);
            escape_bytes = char_bytes;
        }
        escape[escape_bytes] = '\0';
        put_raw(line, escape);
        at += char_bytes == 0 ? 1 : char_bytes;
    }
}

/* Appends all of `text`, or what fits before the reserve. */
static void put_raw(struct line *line, const char *text)
{
    const size_t text_bytes = strlen(text);
    const size_t room_bytes = LINE_BYTES - 2 * LINE_RESERVE_BYTES - line->bytes;

    if (line->bytes + 2 * LINE_RESERVE_BYTES > LINE_BYTES || text_bytes > room_bytes) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->bytes, text, text_bytes);
    line->bytes += text_bytes;
}
