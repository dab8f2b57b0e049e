// SPDX-License-Identifier: Apache-2.0
/*
 * The findings of `tailrace check`: a line each as they come, or one JSON document; and the exit
 * code, which is the first failure's.
 * @thread main
 */
#ifndef TR_ENGINE_APP_CHECK_REPORT_H
#define TR_ENGINE_APP_CHECK_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/error.h"

enum tr_check_level { TR_CHECK_OK = 0, TR_CHECK_WARN, TR_CHECK_FAIL, TR_CHECK_LEVEL_COUNT };

struct tr_check_report {
    FILE *out;
    bool as_json;
    uint32_t counts[TR_CHECK_LEVEL_COUNT];
    enum tr_code first_failure; /* TR_OK: none */
};

void tr_check_report_begin(struct tr_check_report *report);

/* One finding that is well, or worth a look. `name` is "area.thing"; the text says what mends it.
 */
void tr_check_report_ok(struct tr_check_report *report, const char *name, const char *format, ...)
    TR_PRINTF(3, 4);
void tr_check_report_warn(struct tr_check_report *report, const char *name, const char *format, ...)
    TR_PRINTF(3, 4);

/* One that keeps the engine from starting or delivering. */
void tr_check_report_fail(struct tr_check_report *report, const char *name,
                          const struct tr_error *err);

/* The sum; TR_OK, or the first failure's code (err's text is empty: all is said). */
TR_NODISCARD enum tr_code tr_check_report_end(struct tr_check_report *report, struct tr_error *err);

#endif
