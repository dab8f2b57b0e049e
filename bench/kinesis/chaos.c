// SPDX-License-Identifier: Apache-2.0
#include "bench/kinesis/chaos.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
    const char *name;
    const char *help;
    bool drawn;
} fault_table[TR_CHAOS_KIND_COUNT] = {[TR_CHAOS_NONE] = {"none", "", false},
#define X(id, name, drawn, help) [TR_CHAOS_##id] = {name, help, drawn},
                                      TR_FAULTS(X)
#undef X
};

const char *tr_chaos_name(enum tr_fault_kind kind)
{
    return fault_table[kind].name;
}

const char *tr_chaos_help(enum tr_fault_kind kind)
{
    return fault_table[kind].help;
}

static struct tr_span next_word(struct tr_span *line)
{
    while (line->bytes > 0 && (line->data[0] == ' ' || line->data[0] == '\t')) {
        line->data++;
        line->bytes--;
    }
    size_t bytes = 0;
    while (bytes < line->bytes && line->data[bytes] > ' ') {
        bytes++;
    }
    const struct tr_span word = tr_span_of(line->data, bytes);
    line->data += bytes;
    line->bytes -= bytes;
    return word;
}

/* A whole decimal number; false for anything else. */
static bool read_number(struct tr_span text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *number > UINT64_MAX / 10 - 1) {
            return false;
        }
        *number = *number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.bytes > 0;
}

static enum tr_fault_kind kind_of(struct tr_span name)
{
    for (int kind = TR_CHAOS_NONE + 1; kind < TR_CHAOS_KIND_COUNT; kind++) {
        if (tr_span_equals(name, tr_span_of_text(fault_table[kind].name))) {
            return (enum tr_fault_kind)kind;
        }
    }
    return TR_CHAOS_NONE;
}

static bool parse_line(struct tr_span line, struct tr_chaos_rule *rule)
{
    const struct tr_span range = next_word(&line);
    const struct tr_span name = next_word(&line);
    const struct tr_span value = next_word(&line);
    const uint8_t *dash = memchr(range.data, '-', range.bytes);
    const size_t first_bytes = dash == NULL ? range.bytes : (size_t)(dash - range.data);
    uint64_t number = UINT32_MAX; /* none: the kind's default */

    *rule = (struct tr_chaos_rule){.kind = kind_of(name)};
    if (rule->kind == TR_CHAOS_NONE ||
        !read_number(tr_span_of(range.data, first_bytes), &rule->first)) {
        return false;
    }
    rule->last = rule->first;
    if (dash != NULL &&
        !read_number(tr_span_of(dash + 1, range.bytes - first_bytes - 1), &rule->last)) {
        return false;
    }
    if (value.bytes > 0 && (!read_number(value, &number) || number >= UINT32_MAX)) {
        return false;
    }
    rule->value = (uint32_t)number;
    return rule->first >= 1 && rule->first <= rule->last;
}

enum tr_code tr_chaos_parse(struct tr_chaos *chaos, struct tr_span script, struct tr_error *err)
{
    unsigned line_number = 0;
    while (script.bytes > 0) {
        const uint8_t *newline = memchr(script.data, '\n', script.bytes);
        const size_t bytes = newline == NULL ? script.bytes : (size_t)(newline - script.data);
        struct tr_span line = tr_span_of(script.data, bytes);
        const size_t step = bytes + (newline == NULL ? 0 : 1);
        script = tr_span_of(script.data + step, script.bytes - step);
        line_number++;
        struct tr_span look = line;
        const struct tr_span word = next_word(&look);
        if (word.bytes == 0 || word.data[0] == '#') {
            continue;
        }
        if (chaos->rule_count == TR_CHAOS_RULES_MAX ||
            !parse_line(line, &chaos->rules[chaos->rule_count])) {
            return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                           "fault script line %u = \"%.*s\": want `<request>[-<last>] <fault> "
                           "[value]`, at most %d lines",
                           line_number, (int)line.bytes, (const char *)line.data,
                           TR_CHAOS_RULES_MAX);
        }
        chaos->rule_count++;
    }
    return TR_OK;
}

uint32_t tr_chaos_random(struct tr_chaos *chaos, uint32_t bound)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = chaos->random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (uint32_t)((z >> 32) * bound >> 32);
}

static uint32_t default_value(enum tr_fault_kind kind)
{
    switch (kind) {
    case TR_CHAOS_PARTIAL:
        return 10;
    case TR_CHAOS_THROTTLE:
        return 50;
    case TR_CHAOS_STALL:
        return 1000;
    case TR_CHAOS_CLOCK:
        return 600;
    default:
        return 0;
    }
}

enum tr_fault_kind tr_chaos_next(struct tr_chaos *chaos, uint32_t *value)
{
    const uint64_t request = ++chaos->request_count;
    enum tr_fault_kind kind = TR_CHAOS_NONE;
    *value = UINT32_MAX;
    for (uint32_t i = 0; i < chaos->rule_count && kind == TR_CHAOS_NONE; i++) {
        if (request >= chaos->rules[i].first && request <= chaos->rules[i].last) {
            kind = chaos->rules[i].kind;
            *value = chaos->rules[i].value;
        }
    }
    if (kind == TR_CHAOS_NONE && tr_chaos_random(chaos, 1000) < chaos->rate_permille) {
        do { /* ends: most kinds are drawn */
            kind = (enum tr_fault_kind)(1 + tr_chaos_random(chaos, TR_CHAOS_KIND_COUNT - 1));
        } while (!fault_table[kind].drawn);
    }
    if (*value == UINT32_MAX) {
        *value = default_value(kind);
    }
    chaos->fired[kind]++;
    return kind;
}
