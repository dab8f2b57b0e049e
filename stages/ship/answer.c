// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/answer.h"

#include "engine/json.h"

#define NO_COUNT UINT64_MAX

struct entry {
    bool has_sequence;
    bool has_shard;
    struct tr_span error_code; /* empty = none */
};

static bool is_name(struct tr_span name, const char *literal, size_t bytes)
{
    return name.bytes == bytes && memcmp(name.data, literal, bytes) == 0;
}

#define IS_NAME(name, literal) is_name((name), (literal), sizeof(literal) - 1)

/* The index + 1 of the rule of this error code. */
static uint8_t rule_of(struct tr_answer *answer, struct tr_span code)
{
    for (uint32_t i = 0; i < answer->rule_count; i++) {
        if (tr_span_equals(tr_span_of_text(answer->rules[i].code), code)) {
            return (uint8_t)(i + 1);
        }
    }
    if (answer->rule_count == TR_ANSWER_RULES_MAX) {
        return TR_ANSWER_RULES_MAX;
    }
    const uint32_t i = answer->rule_count++;
    const size_t bytes =
        code.bytes < sizeof(answer->rules[i].code) ? code.bytes : sizeof(answer->rules[i].code) - 1;
    memcpy(answer->rules[i].code, code.data, bytes);
    answer->rules[i].code[bytes] = '\0';
    answer->rules[i].rule = tr_kinesis_classify_record(code);
    if (answer->rules[i].rule.verdict == TR_VERDICT_OK) {
        answer->rules[i].rule.verdict = TR_VERDICT_RETRY; /* there is a code, so it was not taken */
    }
    return (uint8_t)(i + 1);
}

static struct entry parse_entry(struct tr_json_reader *reader)
{
    struct entry entry = {0};
    struct tr_span name;

    if (!tr_json_enter_object(reader)) {
        return entry;
    }
    while (tr_json_next_member(reader, &name)) {
        if (IS_NAME(name, "SequenceNumber")) {
            entry.has_sequence = tr_json_get_text_or_null(reader).bytes > 0;
        } else if (IS_NAME(name, "ShardId")) {
            entry.has_shard = tr_json_get_text_or_null(reader).bytes > 0;
        } else if (IS_NAME(name, "ErrorCode")) {
            entry.error_code = tr_json_get_text_or_null(reader);
        }
    }
    return entry;
}

static void parse_entries(struct tr_answer *answer, struct tr_json_reader *reader,
                          uint32_t entry_count)
{
    if (!tr_json_enter_array(reader)) {
        return;
    }
    while (tr_json_next_element(reader)) {
        if (answer->entry_count == entry_count) {
            tr_json_fail(reader, "more entries than were sent");
            return;
        }
        const struct entry entry = parse_entry(reader);
        uint8_t rule = 0;
        if (entry.error_code.bytes > 0) {
            rule = rule_of(answer, entry.error_code);
            answer->failed_count++;
        } else if (!entry.has_sequence || !entry.has_shard) {
            tr_json_fail(reader, "an entry that is neither a success nor a failure");
            return;
        }
        answer->rule[answer->entry_count++] = rule;
    }
}

bool tr_answer_parse(struct tr_answer *answer, struct tr_json_reader *reader, struct tr_span body,
                     uint32_t entry_count)
{
    uint64_t told_count = NO_COUNT;
    bool has_records = false;
    struct tr_span name;

    answer->entry_count = 0;
    answer->failed_count = 0;
    answer->rule_count = 0;
    tr_json_begin_padded(reader, body);
    if (tr_json_enter_object(reader)) {
        while (tr_json_next_member(reader, &name)) {
            if (IS_NAME(name, "FailedRecordCount") && tr_json_type(reader) == TR_JSON_TYPE_NUMBER) {
                told_count = tr_json_get_uint64(reader);
            } else if (IS_NAME(name, "Records") && !has_records) {
                has_records = true;
                parse_entries(answer, reader, entry_count);
            }
        }
    }
    return tr_json_finish(reader, NULL) == TR_OK && answer->entry_count == entry_count &&
           (told_count == NO_COUNT || told_count == answer->failed_count);
}
