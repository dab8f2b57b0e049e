// SPDX-License-Identifier: Apache-2.0
/* What a request costs: its body, its signature, its answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro/micro.h"
#include "engine/json.h"
#include "stages/ship/answer.h"
#include "stages/ship/request.h"
#include "stages/ship/sigv4.h"

#define ANSWER_SLACK_BYTES 64
#define ANSWER_ENTRY_BYTES_MAX 160
#define KEY_BYTES_MAX 40

struct ship_case {
    struct tr_request request;
    struct tr_sigv4 *signer;
    struct tr_credentials credentials;
    struct tr_json_reader *reader;
    struct tr_answer answer;
    uint8_t *value; /* owns: of one record */
    char keys[TR_REQUEST_RECORDS_MAX][KEY_BYTES_MAX];
    uint32_t record_bytes;
    char *answer_text; /* owns */
    size_t answer_bytes;
};

static void build(struct ship_case *state)
{
    tr_request_begin(&state->request, tr_span_of_text("prefix.database.table"));
    for (uint32_t i = 0; i < TR_REQUEST_RECORDS_MAX; i++) {
        if (!tr_request_add(&state->request, tr_span_of_text(state->keys[i]),
                            tr_span_of(state->value, state->record_bytes))) {
            tr_micro_die("a request has no room for 500 records");
        }
    }
    tr_request_finish(&state->request);
}

static void write_answer(struct ship_case *state)
{
    const size_t room = 128 + TR_REQUEST_RECORDS_MAX * ANSWER_ENTRY_BYTES_MAX;
    state->answer_text = calloc(1, room + ANSWER_SLACK_BYTES);
    if (state->answer_text == NULL) {
        tr_micro_die("no memory");
    }
    size_t at = (size_t)snprintf(state->answer_text, room,
                                 "{\"EncryptionType\":\"KMS\",\"FailedRecordCount\":0,"
                                 "\"Records\":[");
    for (uint32_t i = 0; i < TR_REQUEST_RECORDS_MAX; i++) {
        at += (size_t)snprintf(
            state->answer_text + at, room - at,
            "%s{\"SequenceNumber\":\"49680461484395224469823996382465192952400290711118%06u\","
            "\"ShardId\":\"shardId-%012u\"}",
            i == 0 ? "" : ",", i, i % 64);
    }
    at += (size_t)snprintf(state->answer_text + at, room - at, "]}");
    state->answer_bytes = at;
}

static void *ship_open(const struct tr_micro_case *self)
{
    struct tr_error err;
    struct ship_case *state = calloc(1, sizeof(*state));
    const struct tr_sigv4_options options = {.service = "kinesis",
                                             .region = "eu-central-1",
                                             .host = "kinesis.eu-central-1.amazonaws.com",
                                             .content_type = "application/x-amz-json-1.1"};
    if (state == NULL || (state->value = calloc(1, self->argument)) == NULL) {
        tr_micro_die("%s: no memory", self->name);
    }
    state->record_bytes = self->argument;
    memset(state->value, 'x', self->argument);
    state->credentials = (struct tr_credentials){
        .generation = 1, .key_id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"};
    for (uint32_t i = 0; i < TR_REQUEST_RECORDS_MAX; i++) {
        (void)snprintf(state->keys[i], KEY_BYTES_MAX, "{\"id\":%u}", 100000000 + i);
    }
    if (tr_request_open(&state->request, &err) != TR_OK ||
        tr_sigv4_open(&state->signer, &options, &err) != TR_OK ||
        tr_json_open(&state->reader, TR_ANSWER_BYTES_MAX, &err) != TR_OK) {
        tr_micro_die("%s: %s", self->name, err.text);
    }
    build(state);
    write_answer(state);
    return state;
}

static void ship_close(void *self)
{
    struct ship_case *state = self;
    tr_request_close(&state->request);
    tr_sigv4_close(state->signer);
    tr_json_close(state->reader);
    free(state->value);
    free(state->answer_text);
    free(state);
}

static struct tr_micro_work build_run(void *self)
{
    struct ship_case *state = self;
    build(state);
    tr_micro_keep(state->request.body_bytes);
    return (struct tr_micro_work){.items = TR_REQUEST_RECORDS_MAX,
                                  .bytes = (uint64_t)TR_REQUEST_RECORDS_MAX * state->record_bytes};
}

static struct tr_micro_work sign_run(void *self)
{
    struct ship_case *state = self;
    struct tr_sigv4_headers headers;
    struct tr_error err;
    const struct tr_sigv4_request request = {
        .target = "Kinesis_20131202.PutRecords",
        .body = tr_span_of(state->request.body, state->request.body_bytes),
        .unix_s = 1768478400};
    if (tr_sigv4_sign(state->signer, &state->credentials, &request, &headers, &err) != TR_OK) {
        tr_micro_die("signing: %s", err.text);
    }
    tr_micro_keep((uint64_t)headers.authorization[100]);
    return (struct tr_micro_work){.items = TR_REQUEST_RECORDS_MAX,
                                  .bytes = (uint64_t)TR_REQUEST_RECORDS_MAX * state->record_bytes};
}

static struct tr_micro_work sign_empty_run(void *self)
{
    struct ship_case *state = self;
    state->request.body_bytes = 2;
    (void)sign_run(state);
    return (struct tr_micro_work){.items = 1, .bytes = 2};
}

static struct tr_micro_work parse_run(void *self)
{
    struct ship_case *state = self;
    if (!tr_answer_parse(&state->answer, state->reader,
                         tr_span_of(state->answer_text, state->answer_bytes),
                         TR_REQUEST_RECORDS_MAX) ||
        state->answer.failed_count != 0) {
        tr_micro_die("the answer was not believed");
    }
    return (struct tr_micro_work){.items = TR_REQUEST_RECORDS_MAX, .bytes = state->answer_bytes};
}

#define SHIP(text, what, count, runner)                                                            \
    {                                                                                              \
        .name = text, .item = what, .argument = (count), .open = ship_open, .run = runner,         \
        .close = ship_close                                                                        \
    }

const struct tr_micro_case tr_micro_ship_cases[] = {
    SHIP("request body, 500 records of 600 B", "records", 600, build_run),
    SHIP("request body, 500 records of 2.5 KB", "records", 2500, build_run),
    SHIP("signature and hash, 500 records of 600 B", "records", 600, sign_run),
    SHIP("signature and hash, 500 records of 2.5 KB", "records", 2500, sign_run),
    SHIP("signature alone", "requests", 600, sign_empty_run),
    SHIP("answer of 500 entries", "records", 600, parse_run),
    {.name = NULL}};
