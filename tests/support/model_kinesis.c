// SPDX-License-Identifier: Apache-2.0
#include "tests/support/model_kinesis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base64.h"
#include "engine/clock.h"
#include "engine/json.h"
#include "stages/ship/partition.h"
#include "tests/support/random.h"

#define BODY_BYTES_MAX ((size_t)20 * 1024 * 1024)
#define ANSWER_BYTES ((size_t)256 * 1024)
#define LATE_MAX 64
#define ENTRIES_MAX 500

#define MODEL_CHECK(cond)                                                                      \
    do {                                                                                       \
        if (!(cond)) {                                                                         \
            (void)fprintf(stderr, "model: %s:%d: %s\n", __FILE__, __LINE__, #cond);            \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

struct entry {
    struct tr_span key;
    struct tr_span data;
    uint32_t shard;
};

/* A parsed request with its own memory. */
struct parsed {
    struct model_stream *stream; /* NULL: no such stream */
    char name[256];
    uint32_t entry_count;
    uint64_t payload_bytes;
    uint8_t *bytes; /* owns */
    struct entry entries[ENTRIES_MAX];
};

struct plan {
    enum tr_call_state state;
    int status;
    bool is_hanging;
    bool is_applied;
    bool is_late;
    bool is_garbage;
    bool is_partial;
    const char *error_type;
    const char *message;
};

struct slot {
    bool is_busy;
    bool is_put;
    struct tr_call call;
    uint64_t body_sum; /* the caller must leave the body alone */
    int64_t due_ns;
    struct plan plan;
    struct parsed *parsed; /* owns */
    char *answer;          /* owns */
};

struct late {
    struct parsed *parsed; /* owns; NULL = free */
    int64_t due_ns;
};

struct model_kinesis {
    struct tr_random random;
    struct model_watcher watcher;
    struct model_faults faults;
    struct tr_transport transport;
    struct tr_json_reader *reader;
    struct tr_digest *digest;
    uint32_t stream_count;
    struct model_stream streams[MODEL_STREAMS_MAX];
    struct slot slots[MODEL_SLOTS_MAX];
    struct late late[LATE_MAX];
    uint64_t call_count;
    uint32_t entries_max;
    uint64_t sequence;
};

static bool chance(struct model_kinesis *model, uint32_t per_mille)
{
    return tr_random_below(&model->random, 1000) < per_mille;
}

static uint64_t sum_of(struct tr_span bytes)
{
    uint64_t sum = bytes.bytes;
    for (size_t i = 0; i < bytes.bytes; i++) {
        sum = (sum ^ bytes.data[i]) * UINT64_C(1099511628211);
    }
    return sum;
}

static struct model_stream *find_stream(struct model_kinesis *model, struct tr_span name)
{
    for (uint32_t i = 0; i < model->stream_count; i++) {
        if (tr_span_equals(tr_span_of_text(model->streams[i].name), name)) {
            return &model->streams[i];
        }
    }
    return NULL;
}

/* --- shards: an even division of 0 .. 2^128 - 1 */

static tr_hash_key shard_first(uint32_t index, uint32_t count)
{
    return (~(tr_hash_key)0 / count) * index;
}

static tr_hash_key shard_last(uint32_t index, uint32_t count)
{
    return index + 1 == count ? ~(tr_hash_key)0 : shard_first(index + 1, count) - 1;
}

static uint32_t shard_of(struct model_kinesis *model, const struct model_stream *stream, struct tr_span key)
{
    const tr_hash_key point = tr_digest_md5(model->digest, key);
    uint32_t shard = 0;
    while (point > shard_last(shard, stream->shard_count)) {
        shard++;
    }
    return shard;
}

/* --- requests */

static void parse_entry(struct model_kinesis *model, struct parsed *parsed, uint8_t **out)
{
    struct tr_json_reader *reader = model->reader;
    struct tr_span name;
    MODEL_CHECK(parsed->entry_count < ENTRIES_MAX);
    struct entry *entry = &parsed->entries[parsed->entry_count++];

    MODEL_CHECK(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        const struct tr_span text = tr_json_get_text(reader);
        if (tr_span_equals(name, tr_span_of_text("Data"))) {
            MODEL_CHECK(tr_base64_decode(*out, text, &entry->data.bytes));
            entry->data.data = *out;
            *out += entry->data.bytes;
        } else {
            MODEL_CHECK(tr_span_equals(name, tr_span_of_text("PartitionKey")));
            memcpy(*out, text.data, text.bytes);
            entry->key = tr_span_of(*out, text.bytes);
            *out += text.bytes;
        }
    }
    MODEL_CHECK(entry->key.bytes > 0);
    MODEL_CHECK(!tr_partition_key_is_oversize(entry->key));
    parsed->payload_bytes += entry->key.bytes + entry->data.bytes;
}

static struct parsed *parse_put(struct model_kinesis *model, struct tr_span body)
{
    struct tr_json_reader *reader = model->reader;
    struct parsed *parsed = calloc(1, sizeof(*parsed));
    struct tr_span name;
    MODEL_CHECK(parsed != NULL);
    parsed->bytes = malloc(body.bytes);
    MODEL_CHECK(parsed->bytes != NULL);
    uint8_t *out = parsed->bytes;

    tr_json_begin(reader, body);
    MODEL_CHECK(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (tr_span_equals(name, tr_span_of_text("StreamName"))) {
            const struct tr_span text = tr_json_get_text(reader);
            MODEL_CHECK(text.bytes < sizeof(parsed->name));
            memcpy(parsed->name, text.data, text.bytes);
            parsed->stream = find_stream(model, text);
        } else {
            MODEL_CHECK(tr_span_equals(name, tr_span_of_text("Records")));
            MODEL_CHECK(tr_json_enter_array(reader));
            while (tr_json_next_element(reader)) {
                parse_entry(model, parsed, &out);
            }
        }
    }
    MODEL_CHECK(tr_json_finish(reader, NULL) == TR_OK);
    MODEL_CHECK(parsed->entry_count > 0);
    for (uint32_t i = 0; i < parsed->entry_count && parsed->stream != NULL; i++) {
        parsed->entries[i].shard = shard_of(model, parsed->stream, parsed->entries[i].key);
    }
    if (model->entries_max < parsed->entry_count) {
        model->entries_max = parsed->entry_count;
    }
    return parsed;
}

static void free_parsed(struct parsed *parsed)
{
    if (parsed != NULL) {
        free(parsed->bytes);
        free(parsed);
    }
}

static bool starts_with(struct tr_span data, const char *prefix)
{
    const size_t bytes = strlen(prefix);
    return bytes > 0 && data.bytes >= bytes && memcmp(data.data, prefix, bytes) == 0;
}

/* What the service refuses by its rules, not by chance. */
static bool refuse_by_rule(const struct parsed *parsed, struct plan *plan)
{
    const struct model_stream *stream = parsed->stream;
    *plan = (struct plan){.status = 400, .message = ""};
    if (stream == NULL || stream->is_missing || stream->is_absent || stream->creating_count > 0) {
        plan->error_type = "ResourceNotFoundException";
        plan->message = "Stream not found";
        return true;
    }
    if (parsed->payload_bytes > stream->request_bytes_max) {
        plan->error_type = "InvalidArgumentException";
        plan->message = "Records size exceeds 5 MB limit";
        return true;
    }
    for (uint32_t i = 0; i < parsed->entry_count; i++) {
        const struct entry *entry = &parsed->entries[i];
        if (entry->key.bytes + entry->data.bytes > (size_t)stream->record_kib_max * 1024 ||
            starts_with(entry->data, stream->poison)) {
            plan->error_type = "ValidationException";
            plan->message = "1 validation error detected";
            return true;
        }
    }
    return false;
}

static void plan_lost(struct model_kinesis *model, struct slot *slot, int64_t now_ns)
{
    slot->plan.state = TR_CALL_UNKNOWN;
    slot->plan.is_applied = chance(model, 600);
    slot->plan.is_late = slot->plan.is_applied && chance(model, 500);
    if (chance(model, 300)) {
        slot->due_ns = now_ns + slot->call.timeout_ns;
    }
}

static void plan_error(struct model_kinesis *model, struct plan *plan, uint32_t entry_count)
{
    static const struct {
        int status;
        const char *type;
    } errors[] = {
        {500, "InternalFailure"}, {500, ""}, {502, ""}, {503, "ServiceUnavailable"}, {504, ""},
        {400, "ThrottlingException"}, {400, "ProvisionedThroughputExceededException"},
        {429, ""}, {400, "ExpiredTokenException"}, {400, "AccessDeniedException"}, {400, "KMSThrottlingException"},
        {400, "ResourceInUseException"}, {400, "ResourceNotFoundException"}, {204, ""}, {413, ""}, {400, "ValidationException"},
    };
    uint32_t which = tr_random_below(&model->random, (uint32_t)(sizeof(errors) / sizeof(errors[0])));
    if (entry_count == 1 && (errors[which].status == 413 || strcmp(errors[which].type, "ValidationException") == 0)) {
        which = 0; /* said of one record these would be final */
    }
    plan->status = errors[which].status;
    plan->error_type = errors[which].type;
    plan->message = "by chance";
    plan->is_applied = plan->status >= 500 && chance(model, 500);
}

static void plan_put(struct model_kinesis *model, struct slot *slot, int64_t now_ns)
{
    const struct model_faults *faults = &model->faults;
    struct plan *plan = &slot->plan;

    if (slot->parsed->stream != NULL && slot->parsed->stream->is_dead) {
        *plan = (struct plan){.state = TR_CALL_UNKNOWN, .is_hanging = chance(model, 500)};
        slot->due_ns = now_ns + (chance(model, 500) ? slot->call.timeout_ns : TR_NS_PER_MS);
        return;
    }
    if (refuse_by_rule(slot->parsed, plan)) {
        return;
    }
    *plan = (struct plan){.status = 200, .is_applied = true};
    if (chance(model, faults->unsent)) {
        *plan = (struct plan){.state = TR_CALL_UNSENT};
    } else if (chance(model, faults->lost)) {
        plan_lost(model, slot, now_ns);
    } else if (chance(model, faults->hang)) {
        *plan = (struct plan){.is_hanging = true, .is_applied = chance(model, 500)};
        plan->is_late = plan->is_applied;
    } else if (chance(model, faults->garbage)) {
        plan->is_garbage = true;
        plan->is_applied = chance(model, 500);
    } else if (chance(model, faults->error)) {
        plan_error(model, plan, slot->parsed->entry_count);
    } else {
        plan->is_partial = chance(model, faults->partial);
    }
}

static enum tr_code submit(void *self, const struct tr_call *call, int64_t now_ns, struct tr_error *err)
{
    struct model_kinesis *model = self;
    MODEL_CHECK(call->slot < MODEL_SLOTS_MAX);
    struct slot *slot = &model->slots[call->slot];
    MODEL_CHECK(!slot->is_busy);
    MODEL_CHECK(call->timeout_ns > 0);
    if (chance(model, model->faults.submit_error)) {
        return TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY, "model: no connection");
    }
    free_parsed(slot->parsed);
    slot->parsed = NULL;
    slot->is_busy = true;
    slot->call = *call;
    slot->body_sum = sum_of(call->body);
    slot->is_put = strcmp(call->operation, "PutRecords") == 0;
    slot->due_ns = now_ns + (int64_t)tr_random_below(&model->random, 40) * TR_NS_PER_MS;
    model->call_count++;
    if (!slot->is_put) {
        slot->plan = (struct plan){.status = 200};
        return TR_OK;
    }
    slot->parsed = parse_put(model, call->body);
    plan_put(model, slot, now_ns);
    for (uint32_t i = 0; i < slot->parsed->entry_count && model->watcher.on_submit != NULL; i++) {
        const struct entry *entry = &slot->parsed->entries[i];
        model->watcher.on_submit(model->watcher.self, slot->parsed->name, entry->key, entry->data, now_ns);
    }
    return TR_OK;
}

static void apply_entry(struct model_kinesis *model, const struct parsed *parsed, uint32_t i, int64_t now_ns)
{
    if (model->watcher.on_apply != NULL) {
        model->watcher.on_apply(model->watcher.self, parsed->name, parsed->entries[i].key, parsed->entries[i].data,
                                now_ns);
    }
}

static void apply_all(struct model_kinesis *model, const struct parsed *parsed, int64_t now_ns)
{
    for (uint32_t i = 0; i < parsed->entry_count; i++) {
        apply_entry(model, parsed, i, now_ns);
    }
}

static void apply_later(struct model_kinesis *model, struct slot *slot, int64_t now_ns)
{
    for (uint32_t i = 0; i < LATE_MAX; i++) {
        if (model->late[i].parsed == NULL) {
            model->late[i].parsed = slot->parsed;
            model->late[i].due_ns =
                now_ns + (int64_t)tr_random_below(&model->random, (uint32_t)(slot->call.timeout_ns / TR_NS_PER_MS)) * TR_NS_PER_MS;
            slot->parsed = NULL;
            return;
        }
    }
    apply_all(model, slot->parsed, now_ns);
}

static void tell_over(struct model_kinesis *model, const struct slot *slot, int64_t now_ns)
{
    for (uint32_t i = 0; i < slot->parsed->entry_count && model->watcher.on_over != NULL; i++) {
        const struct entry *entry = &slot->parsed->entries[i];
        model->watcher.on_over(model->watcher.self, slot->parsed->name, entry->key, entry->data, now_ns);
    }
}

static void tell_lost(struct model_kinesis *model, const struct slot *slot, int64_t until_ns)
{
    for (uint32_t i = 0; i < slot->parsed->entry_count && model->watcher.on_lost != NULL; i++) {
        const struct entry *entry = &slot->parsed->entries[i];
        model->watcher.on_lost(model->watcher.self, slot->parsed->name, entry->key, entry->data, until_ns);
    }
}

static void cancel(void *self, uint32_t index)
{
    struct model_kinesis *model = self;
    struct slot *slot = &model->slots[index];
    MODEL_CHECK(slot->is_busy);
    slot->is_busy = false;
    if (slot->is_put) {
        const int64_t now_ns = slot->due_ns; /* moved along by step while it hangs */
        tell_over(model, slot, now_ns);
        tell_lost(model, slot, now_ns + slot->call.timeout_ns);
        if (slot->plan.is_applied) {
            apply_later(model, slot, now_ns);
        }
    }
}

/* --- answers */

static const char *entry_error(struct model_kinesis *model, const struct parsed *parsed, uint32_t i, bool is_partial)
{
    static const char *const codes[] = {"ProvisionedThroughputExceededException", "InternalFailure",
                                        "ProvisionedThroughputExceededException", "SomethingNobodyKnows",
                                        "KMSThrottlingException"};
    if ((parsed->stream->throttled_shards >> (parsed->entries[i].shard & 63) & 1) != 0) {
        return codes[0];
    }
    if (is_partial && chance(model, model->faults.entry)) {
        return codes[tr_random_below(&model->random, (uint32_t)(sizeof(codes) / sizeof(codes[0])))];
    }
    return NULL;
}

static size_t write_put_answer(struct model_kinesis *model, struct slot *slot, int64_t now_ns)
{
    const struct parsed *parsed = slot->parsed;
    char *out = slot->answer;
    size_t at = 0;
    uint32_t failed_count = 0;
    const bool nulls = chance(model, 300);

    at += (size_t)snprintf(out + at, ANSWER_BYTES - at, "{\"Records\":[");
    for (uint32_t i = 0; i < parsed->entry_count; i++) {
        const char *error = entry_error(model, parsed, i, slot->plan.is_partial);
        at += (size_t)snprintf(out + at, ANSWER_BYTES - at, i == 0 ? "" : ",");
        if (error != NULL) {
            failed_count++;
            at += (size_t)snprintf(out + at, ANSWER_BYTES - at,
                                   "{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"Rate exceeded\"}", error);
        } else {
            apply_entry(model, parsed, i, now_ns);
            at += (size_t)snprintf(out + at, ANSWER_BYTES - at,
                                   "{%s\"SequenceNumber\":\"%056llu\",\"ShardId\":\"shardId-%012u\"}",
                                   nulls ? "\"ErrorCode\":null,\"ErrorMessage\":null," : "",
                                   (unsigned long long)++model->sequence, parsed->entries[i].shard);
        }
    }
    at += (size_t)snprintf(out + at, ANSWER_BYTES - at, "],\"FailedRecordCount\":%u}", failed_count);
    MODEL_CHECK(at < ANSWER_BYTES - 64);
    return at;
}

static size_t write_garbage(struct model_kinesis *model, struct slot *slot, int64_t now_ns)
{
    if (!slot->plan.is_applied) {
        return (size_t)snprintf(slot->answer, ANSWER_BYTES, "<html>captive portal</html>");
    }
    slot->plan.is_partial = false;
    const size_t bytes = write_put_answer(model, slot, now_ns);
    switch (tr_random_below(&model->random, 3)) {
    case 0:
        return tr_random_below(&model->random, (uint32_t)bytes); /* cut short */
    case 1:
        return (size_t)snprintf(slot->answer, ANSWER_BYTES, "{\"FailedRecordCount\":0,\"Records\":[]}");
    default:
        return (size_t)snprintf(slot->answer + bytes - 2, ANSWER_BYTES - bytes, "99}") + bytes - 2;
    }
}

static size_t write_shards(struct model_kinesis *model, struct slot *slot, const struct model_stream *stream)
{
    const bool has_gap = chance(model, model->faults.control);
    char *out = slot->answer;
    size_t at = (size_t)snprintf(out, ANSWER_BYTES, "{\"Shards\":[");

    for (uint32_t i = has_gap ? 1 : 0; i < stream->shard_count; i++) {
        char numbers[2][48];
        const tr_hash_key ends[2] = {shard_first(i, stream->shard_count), shard_last(i, stream->shard_count)};
        for (int k = 0; k < 2; k++) {
            char digits[48];
            size_t n = sizeof(digits) - 1;
            tr_hash_key rest = ends[k];
            digits[n] = '\0';
            do {
                digits[--n] = (char)('0' + (int)(rest % 10));
                rest /= 10;
            } while (rest > 0);
            (void)snprintf(numbers[k], sizeof(numbers[k]), "%s", digits + n);
        }
        at += (size_t)snprintf(out + at, ANSWER_BYTES - at,
                               "%s{\"ShardId\":\"shardId-%012u\",\"HashKeyRange\":{\"StartingHashKey\":\"%s\","
                               "\"EndingHashKey\":\"%s\"},\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}",
                               i == (has_gap ? 1U : 0U) ? "" : ",", i, numbers[0], numbers[1]);
    }
    at += (size_t)snprintf(out + at, ANSWER_BYTES - at, "]}");
    return at;
}

static size_t write_control_answer(struct model_kinesis *model, struct slot *slot)
{
    char name[256] = "";
    struct tr_span member;
    tr_json_begin(model->reader, slot->call.body);
    MODEL_CHECK(tr_json_enter_object(model->reader));
    while (tr_json_next_member(model->reader, &member)) {
        if (tr_span_equals(member, tr_span_of_text("StreamName"))) {
            const struct tr_span text = tr_json_get_text(model->reader);
            memcpy(name, text.data, text.bytes < sizeof(name) ? text.bytes : 0);
        }
    }
    MODEL_CHECK(tr_json_finish(model->reader, NULL) == TR_OK);
    struct model_stream *stream = find_stream(model, tr_span_of_text(name));
    const bool is_create = strcmp(slot->call.operation, "CreateStream") == 0;
    slot->plan.status = 400;
    slot->plan.message = "control";
    if (is_create && stream != NULL && !stream->is_absent) {
        slot->plan.error_type = "ResourceInUseException";
    } else if (stream == NULL || stream->is_missing || (stream->is_absent && !is_create)) {
        slot->plan.error_type = "ResourceNotFoundException";
    } else if (stream->is_denied) {
        slot->plan.error_type = "AccessDeniedException";
    } else if (chance(model, model->faults.control)) {
        slot->plan.error_type = "LimitExceededException";
    } else if (is_create) {
        slot->plan.status = 200;
        stream->is_absent = false;
        stream->creating_count = tr_random_below(&model->random, 4);
        return 0;
    } else if (strcmp(slot->call.operation, "ListShards") == 0) {
        slot->plan.status = 200;
        return write_shards(model, slot, stream);
    } else {
        const char *status = stream->creating_count > 0 ? "CREATING" : "ACTIVE";
        stream->creating_count -= stream->creating_count > 0;
        slot->plan.status = 200;
        return (size_t)snprintf(slot->answer, ANSWER_BYTES,
                                "{\"StreamDescriptionSummary\":{\"StreamName\":\"%s\",\"StreamStatus\":\"%s\","
                                "\"OpenShardCount\":%u,\"MaxRecordSizeInKiB\":%u}}",
                                name, status, stream->shard_count, stream->record_kib_max);
    }
    return (size_t)snprintf(slot->answer, ANSWER_BYTES, "{\"__type\":\"com.amazonaws.kinesis#%s\",\"message\":\"no\"}",
                            slot->plan.error_type);
}

static size_t write_answer(struct model_kinesis *model, struct slot *slot, int64_t now_ns)
{
    if (!slot->is_put) {
        return write_control_answer(model, slot);
    }
    if (slot->plan.is_garbage) {
        return write_garbage(model, slot, now_ns);
    }
    if (slot->plan.status == 200) {
        return write_put_answer(model, slot, now_ns);
    }
    if (slot->plan.is_applied) {
        apply_all(model, slot->parsed, now_ns);
    }
    if (slot->plan.status >= 500 || slot->plan.error_type[0] == '\0') {
        return (size_t)snprintf(slot->answer, ANSWER_BYTES, "<html>error</html>");
    }
    return (size_t)snprintf(slot->answer, ANSWER_BYTES, "{\"__type\":\"%s\",\"message\":\"%s\"}", slot->plan.error_type,
                            slot->plan.message);
}

static bool poll_done(void *self, int64_t now_ns, struct tr_call_done *done)
{
    struct model_kinesis *model = self;

    for (uint32_t i = 0; i < MODEL_SLOTS_MAX; i++) {
        struct slot *slot = &model->slots[i];
        if (!slot->is_busy || slot->plan.is_hanging || slot->due_ns > now_ns) {
            continue;
        }
        MODEL_CHECK(sum_of(slot->call.body) == slot->body_sum);
        slot->is_busy = false;
        memset(done, 0, sizeof(*done));
        done->slot = i;
        done->state = slot->plan.state;
        done->status = slot->plan.status;
        const bool is_lost = slot->plan.state == TR_CALL_UNKNOWN || slot->plan.is_garbage ||
                             (slot->plan.status >= 500 && slot->plan.status != 503);
        if (slot->plan.state == TR_CALL_ANSWERED) {
            done->answer = tr_span_of(slot->answer, write_answer(model, slot, now_ns));
            done->status = slot->plan.status; /* of a control call known only now */
        } else {
            (void)TR_FAIL(&done->error, TR_ERR_SINK_LINK, TR_RETRY, "model: connection reset");
        }
        if (slot->is_put) {
            tell_over(model, slot, now_ns);
            if (is_lost) {
                tell_lost(model, slot, now_ns + slot->call.timeout_ns);
            }
            if (slot->plan.state == TR_CALL_UNKNOWN && slot->plan.is_late) {
                apply_later(model, slot, now_ns);
            } else if (slot->plan.state == TR_CALL_UNKNOWN && slot->plan.is_applied) {
                apply_all(model, slot->parsed, now_ns);
            }
        }
        return true;
    }
    return false;
}

static void close_transport(void *self)
{
    (void)self;
}

/* --- the model itself */

struct model_kinesis *model_kinesis_open(uint64_t seed, const struct model_watcher *watcher)
{
    struct tr_error err;
    struct model_kinesis *model = calloc(1, sizeof(*model));
    MODEL_CHECK(model != NULL);
    model->random.state = seed;
    model->watcher = *watcher;
    model->transport = (struct tr_transport){
        .self = model, .submit = submit, .cancel = cancel, .poll = poll_done, .close = close_transport};
    MODEL_CHECK(tr_json_open(&model->reader, BODY_BYTES_MAX, &err) == TR_OK);
    MODEL_CHECK(tr_digest_open(&model->digest, &err) == TR_OK);
    for (uint32_t i = 0; i < MODEL_SLOTS_MAX; i++) {
        model->slots[i].answer = malloc(ANSWER_BYTES);
        MODEL_CHECK(model->slots[i].answer != NULL);
    }
    return model;
}

void model_kinesis_close(struct model_kinesis *model)
{
    for (uint32_t i = 0; i < MODEL_SLOTS_MAX; i++) {
        free_parsed(model->slots[i].parsed);
        free(model->slots[i].answer);
    }
    for (uint32_t i = 0; i < LATE_MAX; i++) {
        free_parsed(model->late[i].parsed);
    }
    tr_digest_close(model->digest);
    tr_json_close(model->reader);
    free(model);
}

struct tr_transport *model_kinesis_transport(struct model_kinesis *model)
{
    return &model->transport;
}

struct model_stream *model_kinesis_add_stream(struct model_kinesis *model, const char *name)
{
    MODEL_CHECK(model->stream_count < MODEL_STREAMS_MAX);
    struct model_stream *stream = &model->streams[model->stream_count++];
    (void)snprintf(stream->name, sizeof(stream->name), "%s", name);
    stream->shard_count = 1;
    stream->record_kib_max = 1024;
    stream->request_bytes_max = 5 * 1024 * 1024;
    return stream;
}

struct model_faults *model_kinesis_faults(struct model_kinesis *model)
{
    return &model->faults;
}

void model_kinesis_step(struct model_kinesis *model, int64_t now_ns)
{
    for (uint32_t i = 0; i < LATE_MAX; i++) {
        struct late *late = &model->late[i];
        if (late->parsed != NULL && late->due_ns <= now_ns) {
            apply_all(model, late->parsed, now_ns);
            free_parsed(late->parsed);
            late->parsed = NULL;
        }
    }
    for (uint32_t i = 0; i < MODEL_SLOTS_MAX; i++) {
        if (model->slots[i].is_busy && model->slots[i].plan.is_hanging) {
            model->slots[i].due_ns = now_ns;
        }
    }
}

uint64_t model_kinesis_call_count(const struct model_kinesis *model)
{
    return model->call_count;
}

uint32_t model_kinesis_entries_max(const struct model_kinesis *model)
{
    return model->entries_max;
}
