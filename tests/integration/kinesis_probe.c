// SPDX-License-Identifier: Apache-2.0
/*
 * Kinesis calls from the command line, for integration tests. Region, endpoint and keys come from
 * the environment (AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...), a CA from PROBE_CA.
 *
 *   kinesis_probe streams NAME...            list them; exit code of tr_app_streams()
 *   kinesis_probe create SHARDS NAME...      create the missing ones
 *   kinesis_probe names                      ListStreams
 *   kinesis_probe shards STREAM              open shards, and whether they cover all keys
 *   kinesis_probe put STREAM KEY TEXT...     one PutRecords; prints the answer
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/app/app_streams.h"
#include "engine/base64.h"

#define SHARDS_MAX 1000

static enum tr_code list_or_create(const struct tr_app_kinesis_options *kinesis, int count,
                                   char **words, bool create, struct tr_error *err)
{
    const struct tr_app_streams_options options = {
        .kinesis = kinesis,
        .names = (const char *const *)(create ? words + 1 : words),
        .name_count = (uint32_t)(create ? count - 1 : count),
        .create = create,
        .wish = {.shard_count = create ? (uint32_t)strtoul(words[0], NULL, 10) : 0},
        .out = stdout,
    };
    return tr_app_streams(&options, err);
}

static void print_name(void *self, struct tr_span name, const enum tr_stream_status *status)
{
    if (status != NULL) {
        return; /* named before */
    }
    (void)snprintf(self, TR_KINESIS_STREAM_NAME_BYTES_MAX + 1, "%.*s", (int)name.bytes,
                   (const char *)name.data);
    (void)printf("%.*s\n", (int)name.bytes, (const char *)name.data);
}

static enum tr_code list_names(struct tr_kinesis_client *client, struct tr_control_body *body,
                               struct tr_error *err)
{
    char last[TR_KINESIS_STREAM_NAME_BYTES_MAX + 1] = "";
    bool has_more = true;
    while (has_more) {
        struct tr_span answer;
        tr_control_write_list_streams(body, last);
        if (tr_kinesis_call(client, "ListStreams", body, &answer, NULL, err) != TR_OK ||
            tr_control_parse_streams(client->reader, answer, print_name, last, &has_more, err) !=
                TR_OK) {
            return err->code;
        }
    }
    return TR_OK;
}

static enum tr_code list_shards(struct tr_kinesis_client *client, struct tr_control_body *body,
                                const char *stream, struct tr_error *err)
{
    static struct tr_shard shards[SHARDS_MAX];
    static struct tr_shard_list list = {.shards = shards, .shards_max = SHARDS_MAX};
    do {
        struct tr_span answer;
        tr_control_write_list_shards(body, stream, list.next_token);
        if (tr_kinesis_call(client, "ListShards", body, &answer, NULL, err) != TR_OK ||
            tr_control_parse_shards(client->reader, answer, &list, err) != TR_OK) {
            return err->code;
        }
    } while (list.next_token[0] != '\0');
    const uint32_t all_count = list.shard_count;
    const bool is_whole = tr_shard_list_keep_open(&list);
    for (uint32_t i = 0; i < list.shard_count; i++) {
        (void)printf("%s %016" PRIx64 "\n", shards[i].id, (uint64_t)(shards[i].first_key >> 64));
    }
    (void)printf("open %u of %u, %s\n", list.shard_count, all_count,
                 is_whole ? "whole" : "not whole");
    return TR_OK;
}

static enum tr_code put(struct tr_kinesis_client *client, struct tr_control_body *body,
                        char **words, struct tr_error *err)
{
    struct tr_span answer;
    size_t bytes = (size_t)snprintf(body->text, sizeof(body->text),
                                    "{\"StreamName\":\"%s\",\"Records\":[", words[0]);
    for (char **text = words + 2; *text != NULL; text++) {
        uint8_t data[4096];
        const size_t data_bytes = tr_base64_encode(data, tr_span_of_text(*text));
        bytes += (size_t)snprintf(body->text + bytes, sizeof(body->text) - bytes,
                                  "%s{\"Data\":\"%.*s\",\"PartitionKey\":\"%s\"}",
                                  text == words + 2 ? "" : ",", (int)data_bytes, (const char *)data,
                                  words[1]);
    }
    bytes += (size_t)snprintf(body->text + bytes, sizeof(body->text) - bytes, "]}");
    body->bytes = bytes;
    if (tr_kinesis_call(client, "PutRecords", body, &answer, NULL, err) != TR_OK) {
        return err->code;
    }
    (void)printf("%.*s\n", (int)answer.bytes, (const char *)answer.data);
    return TR_OK;
}

static enum tr_code run(const struct tr_app_kinesis_options *kinesis, int count, char **words,
                        struct tr_error *err)
{
    static struct tr_control_body body;
    const char *command = count > 0 ? words[0] : "";
    if (strcmp(command, "streams") == 0) {
        return list_or_create(kinesis, count - 1, words + 1, false, err);
    }
    if (strcmp(command, "create") == 0 && count > 1) {
        return list_or_create(kinesis, count - 1, words + 1, true, err);
    }
    struct tr_app_kinesis session;
    enum tr_code code = tr_app_kinesis_open(&session, kinesis, err);
    if (code != TR_OK) {
        return code;
    }
    if (strcmp(command, "names") == 0) {
        code = list_names(&session.client, &body, err);
    } else if (strcmp(command, "shards") == 0 && count == 2) {
        code = list_shards(&session.client, &body, words[1], err);
    } else if (strcmp(command, "put") == 0 && count > 3) {
        code = put(&session.client, &body, words + 1, err);
    } else {
        code = TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "kinesis_probe: see the head of its source");
    }
    tr_app_kinesis_close(&session);
    return code;
}

int main(int argc, char **argv)
{
    struct tr_error err = {0};
    const struct tr_app_kinesis_options kinesis = {.ca_file = getenv("PROBE_CA")};
    const enum tr_code code = run(&kinesis, argc - 1, argv + 1, &err);
    if (code != TR_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    return tr_error_exit_code(code);
}
