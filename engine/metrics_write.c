// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/actor.h"
#include "engine/assert.h"
#include "engine/health.h"
#include "engine/metrics_parts.h"
#include "engine/pool.h"

void tr_metrics_put(struct tr_metrics_writer *w, const char *format, ...)
{
    va_list args;

    if (w->is_full) {
        return;
    }
    va_start(args, format);
    const int bytes = vsnprintf(w->out + w->bytes, w->room_bytes - w->bytes, format, args);
    va_end(args);
    if (bytes < 0 || (size_t)bytes >= w->room_bytes - w->bytes) {
        w->is_full = true;
        return;
    }
    w->bytes += (size_t)bytes;
}

/* Backslash and line end are escaped in help texts and label values, quotes in the latter
 * (exposition format 0.0.4). */
static void put_escaped(struct tr_metrics_writer *w, const char *text, bool is_label)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\') {
            tr_metrics_put(w, "\\\\");
        } else if (*at == '\n') {
            tr_metrics_put(w, "\\n");
        } else if (*at == '"' && is_label) {
            tr_metrics_put(w, "\\\"");
        } else {
            tr_metrics_put(w, "%c", *at);
        }
    }
}

void tr_metrics_put_head(struct tr_metrics_writer *w, const char *name, const char *type,
                         const char *help)
{
    tr_metrics_put(w, "# HELP %s ", name);
    put_escaped(w, help, false);
    tr_metrics_put(w, "\n# TYPE %s %s\n", name, type);
}

void tr_metrics_put_label(struct tr_metrics_writer *w, const char *label_name, const char *value)
{
    tr_metrics_put(w, "{%s=\"", label_name);
    put_escaped(w, value, true);
    tr_metrics_put(w, "\"");
}

/* `value` units of `unit_per_second` as seconds, without the rounding of a double. */
static void put_seconds(struct tr_metrics_writer *w, uint64_t value, uint64_t unit_per_second,
                        int digits)
{
    tr_metrics_put(w, " %" PRIu64 ".%0*" PRIu64 "\n", value / unit_per_second, digits,
                   value % unit_per_second);
}

void tr_metrics_put_value(struct tr_metrics_writer *w, enum tr_metric_type type, uint64_t value)
{
    if (value >= TR_METRIC_UNKNOWN) {
        tr_metrics_put(w, value == TR_METRIC_INFINITE ? " +Inf\n" : " NaN\n");
        return;
    }
    switch (type) {
    case COUNTER:
    case GAUGE:
        tr_metrics_put(w, " %" PRIu64 "\n", value);
        return;
    case GAUGE_MS:
        put_seconds(w, value, 1000, 3);
        return;
    case COUNTER_US:
    case GAUGE_US:
        put_seconds(w, value, 1000000, 6);
        return;
    case COUNTER_NS:
        put_seconds(w, value, 1000000000, 9);
        return;
    }
}

bool tr_metrics_put_runner_line(struct tr_metrics *metrics, uint32_t section, uint32_t line,
                                struct tr_metrics_writer *w)
{
    static const struct {
        const char *name;
        const char *type;
        const char *help;
    } heads[] = {
        {"tailrace_runner_longest_cycle_seconds", "gauge",
         "Longest duty cycle of a thread since start."},
        {"tailrace_runner_slow_cycles_total", "counter",
         "Duty cycles of a thread that took more than 20 ms."},
        {"tailrace_runner_busy_seconds_total", "counter",
         "Time a thread spent in cycles that did work."},
    };
    const uint32_t kind = section - SECTION_RUNNER_LONGEST;
    /* Acquire, pairs with the release in tr_metrics_add_runner(). */
    const uint32_t count = atomic_load_explicit(&metrics->runner_count, memory_order_acquire);

    if (line == 0) {
        tr_metrics_put_head(w, heads[kind].name, heads[kind].type, heads[kind].help);
        return count > 0;
    }
    const struct tr_runner *runner = metrics->runners[line - 1];
    tr_metrics_put(w, "%s", heads[kind].name);
    tr_metrics_put_label(w, "runner", runner->name);
    tr_metrics_put(w, "}");
    /* Relaxed: statistics. */
    if (section == SECTION_RUNNER_LONGEST) {
        const int64_t longest_ns =
            atomic_load_explicit(&runner->longest_cycle_ns, memory_order_relaxed);
        tr_metrics_put_value(w, COUNTER_NS, (uint64_t)longest_ns);
    } else if (section == SECTION_RUNNER_SLOW) {
        tr_metrics_put_value(w, COUNTER,
                             atomic_load_explicit(&runner->slow_cycle_count, memory_order_relaxed));
    } else {
        const int64_t busy_ns = atomic_load_explicit(&runner->busy_ns, memory_order_relaxed);
        tr_metrics_put_value(w, COUNTER_NS, (uint64_t)busy_ns);
    }
    return line < count;
}

/* Line 0 is the head; line n + 1 is state n: 1 for the one that is. */
bool tr_metrics_put_health_line(struct tr_metrics *metrics, uint32_t line,
                                struct tr_metrics_writer *w)
{
    /* Acquire, pairs with the release in tr_metrics_set_health(). */
    const struct tr_health *health = atomic_load_explicit(&metrics->health, memory_order_acquire);

    if (health == NULL) {
        return false;
    }
    if (line == 0) {
        tr_metrics_put_head(w, "tailrace_health_state", "gauge",
                            "1 for the state that /q/health says.");
        return true;
    }
    const enum tr_health_state state = (enum tr_health_state)(line - 1);
    tr_metrics_put(w, "tailrace_health_state");
    tr_metrics_put_label(w, "state", tr_health_state_name(state));
    tr_metrics_put(w, "} %d\n", tr_health_state_of(health) == state ? 1 : 0);
    return line < TR_HEALTH_STATE_COUNT;
}

bool tr_metrics_put_memory_line(struct tr_metrics *metrics, uint32_t line,
                                struct tr_metrics_writer *w)
{
    /* Acquire, pairs with the release in tr_metrics_set_memory_sum(). */
    const struct tr_memory_sum *sum =
        atomic_load_explicit(&metrics->memory_sum, memory_order_acquire);

    if (sum == NULL) {
        return false;
    }
    if (line == 0) {
        tr_metrics_put_head(w, "tailrace_memory_limit_bytes", "gauge",
                            "Ceiling of each pool, ring and table: the sum printed at start.");
        return sum->term_count > 0;
    }
    tr_metrics_put(w, "tailrace_memory_limit_bytes");
    tr_metrics_put_label(w, "term", sum->terms[line - 1].name);
    tr_metrics_put(w, "} %" PRIu64 "\n", sum->terms[line - 1].bytes);
    return line < sum->term_count;
}
