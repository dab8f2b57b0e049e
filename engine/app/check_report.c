// SPDX-License-Identifier: Apache-2.0
#include "engine/app/check_report.h"

#include <inttypes.h>

#include "engine/json_write.h"

#define TEXT_BYTES_MAX TR_ERROR_TEXT_BYTES
#define NAME_BYTES_MAX 64
#define LINE_BYTES_MAX (TR_JSON_ESCAPE_FACTOR * (TEXT_BYTES_MAX + NAME_BYTES_MAX) + 256)

static const char *const words[TR_CHECK_LEVEL_COUNT] = {
    [TR_CHECK_OK] = "ok", [TR_CHECK_WARN] = "warn", [TR_CHECK_FAIL] = "fail"};

void tr_check_report_begin(struct tr_check_report *report)
{
    if (report->as_json) {
        (void)fputs("{\"checks\":[", report->out);
    }
}

static void write_member(struct tr_json_writer *json, const char *name, const char *text)
{
    tr_json_write_literal(json, name);
    tr_json_write_text(json, tr_span_of_text(text));
}

static void print_json(const struct tr_check_report *report, bool is_first, const char *name,
                       enum tr_check_level level, const char *text, enum tr_code code)
{
    static char line[LINE_BYTES_MAX];
    struct tr_json_writer json = tr_json_writer_of(line, sizeof(line));

    tr_json_write_literal(&json, is_first ? "\n" : ",\n");
    write_member(&json, "{\"name\":", name);
    write_member(&json, ",\"level\":", words[level]);
    write_member(&json, ",\"text\":", text);
    write_member(&json, ",\"code\":", code == TR_OK ? "" : tr_code_name(code));
    tr_json_write_literal(&json, "}");
    (void)fwrite(line, 1, json.bytes, report->out);
}

static void add(struct tr_check_report *report, const char *name, enum tr_check_level level,
                const char *text, enum tr_code code)
{
    const bool is_first = report->counts[TR_CHECK_OK] + report->counts[TR_CHECK_WARN] +
                              report->counts[TR_CHECK_FAIL] ==
                          0;
    report->counts[level]++;
    if (level == TR_CHECK_FAIL && report->first_failure == TR_OK) {
        report->first_failure = code;
    }
    if (report->as_json) {
        print_json(report, is_first, name, level, text, code);
    } else {
        (void)fprintf(report->out, "%-4s  %-24s %s\n",
                      level == TR_CHECK_FAIL ? "FAIL" : words[level], name, text);
    }
    (void)fflush(report->out); /* the next one may take its time; main checks the last */
}

void tr_check_report_ok(struct tr_check_report *report, const char *name, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(report, name, TR_CHECK_OK, text, TR_OK);
}

void tr_check_report_warn(struct tr_check_report *report, const char *name, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(report, name, TR_CHECK_WARN, text, TR_OK);
}

void tr_check_report_fail(struct tr_check_report *report, const char *name,
                          const struct tr_error *err)
{
    add(report, name, TR_CHECK_FAIL, err->text, err->code);
}

enum tr_code tr_check_report_end(struct tr_check_report *report, struct tr_error *err)
{
    const uint32_t *counts = report->counts;
    (void)fprintf(report->out,
                  report->as_json ? "\n],\"ok\":%" PRIu32 ",\"warn\":%" PRIu32 ",\"fail\":%" PRIu32
                                  : "%" PRIu32 " ok, %" PRIu32 " to look at, %" PRIu32 " failed",
                  counts[TR_CHECK_OK], counts[TR_CHECK_WARN], counts[TR_CHECK_FAIL]);
    if (report->as_json) {
        (void)fprintf(report->out, ",\"exit_code\":%d}", tr_error_exit_code(report->first_failure));
    }
    (void)fputc('\n', report->out);
    if (report->first_failure == TR_OK) {
        return TR_OK;
    }
    err->code = report->first_failure;
    err->text[0] = '\0'; /* all is said */
    return err->code;
}
