// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/config_table.h"

#define AT(field) offsetof(struct tr_config, field)
#define PLACEHOLDER_DIGITS_MAX 2048 /* what a plan of a table takes: 1024 bytes */
#define TAGS_MAX 50                 /* of a stream, as are the next two */
#define TAG_NAME_BYTES_MAX 128
#define TAG_VALUE_BYTES_MAX 256

static void problem_at(struct tr_config *config, size_t offset, const char *text)
{
    tr_config_problem(config, tr_config_origin_of(config, offset), tr_config_key_of(offset), "%s",
                      text);
}

static bool is_set(const struct tr_config *config, size_t offset)
{
    return tr_config_origin_of(config, offset)->from != TR_CONFIG_FROM_DEFAULT;
}

/* Takes another option's word for one that is not set, and says so in the effective configuration.
 */
static void follow(struct tr_config *config, size_t offset, size_t followed, const char *text)
{
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind != TR_CONFIG_SECTION && entry->kind != TR_CONFIG_KNOWN &&
            entry->offset == offset) {
            config->hidden->origins[i] = (struct tr_config_origin){
                .from = TR_CONFIG_FROM_OPTION, .name = tr_config_key_of(followed)};
            config->hidden->texts[i] = tr_config_keep(config, text, strlen(text));
        }
    }
}

static void check_pairs(struct tr_config *config)
{
    if (config->database_include_list[0] != '\0' && config->database_exclude_list[0] != '\0') {
        problem_at(config, AT(database_exclude_list),
                   "set together with database.include.list: remove one of the two");
    }
    if (config->table_include_list[0] != '\0' && config->table_exclude_list[0] != '\0') {
        problem_at(config, AT(table_exclude_list),
                   "set together with table.include.list: remove one of the two");
    }
    if ((config->source_tls_cert[0] == '\0') != (config->source_tls_key[0] == '\0')) {
        problem_at(config,
                   config->source_tls_cert[0] == '\0' ? AT(source_tls_key) : AT(source_tls_cert),
                   "a certificate needs its key and a key its certificate: set "
                   "tailrace.source.tls.cert and .key both");
    }
    if ((config->aws_access_key_id[0] == '\0') != (config->aws_secret_access_key[0] == '\0')) {
        problem_at(config,
                   config->aws_access_key_id[0] == '\0' ? AT(aws_secret_access_key)
                                                        : AT(aws_access_key_id),
                   "half of the credentials: set tailrace.aws.access.key.id and "
                   "tailrace.aws.secret.access.key both");
    }
    if (config->aws_session_token[0] != '\0' && config->aws_access_key_id[0] == '\0') {
        problem_at(config, AT(aws_session_token),
                   "a token without keys: set tailrace.aws.access.key.id too");
    }
}

static void check_topic_prefix(struct tr_config *config)
{
    for (const char *at = config->topic_prefix; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && *at != '.' && *at != '_' && *at != '-') {
            problem_at(config, AT(topic_prefix),
                       "a character that stream names cannot have: use letters, digits, `.`, `_` "
                       "and `-` only");
            return;
        }
    }
}

/* The name of the tag at `at`, "name=value" up to a comma; 0 bytes where Kinesis would not take it. */
static size_t tag_name_bytes(const char *at)
{
    const size_t bytes = strcspn(at, ",");
    const size_t name_bytes = strcspn(at, "=,");
    const bool is_whole = name_bytes < bytes && name_bytes <= TAG_NAME_BYTES_MAX &&
                          bytes - name_bytes - 1 <= TAG_VALUE_BYTES_MAX;

    for (size_t i = 0; i < bytes; i++) {
        if (!isalnum((unsigned char)at[i]) && strchr(" _./=+-@:", at[i]) == NULL) {
            return 0;
        }
    }
    return is_whole ? name_bytes : 0;
}

static bool has_tag(const char *tags, const char *end, const char *name, size_t name_bytes)
{
    while (tags < end) {
        if (strcspn(tags, "=") == name_bytes && memcmp(tags, name, name_bytes) == 0) {
            return true;
        }
        tags += strcspn(tags, ",") + 1;
    }
    return false;
}

/* Source: Amazon Kinesis Data Streams, "Tag your resources": tag restrictions. */
static void check_tags(struct tr_config *config)
{
    const char *tags = config->streams_tags;
    uint32_t count = 0;

    for (const char *at = tags; *at != '\0';) {
        const size_t name_bytes = tag_name_bytes(at);
        const size_t bytes = strcspn(at, ",");
        if (name_bytes == 0 || ++count > TAGS_MAX || has_tag(tags, at, at, name_bytes) ||
            (at[bytes] == ',' && at[bytes + 1] == '\0')) {
            problem_at(config, AT(streams_tags),
                       "not a list of tags: give name=value,name=value, at most 50, each name "
                       "once, up to 128 "
                       "and 256 letters, digits, blanks and _ . : / + - @");
            return;
        }
        at += bytes + (at[bytes] == ',');
    }
}

/* A library that cannot read its file says so in its own words, mostly without the path. */
static void check_tls_files(struct tr_config *config)
{
    const size_t offsets[] = {AT(source_tls_ca), AT(source_tls_cert), AT(source_tls_key),
                              AT(redis_tls_ca), AT(sink_tls_ca)};

    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        const char *path = *(char *const *)((const char *)config + offsets[i]);
        if (path[0] != '\0' && access(path, R_OK) == -1) {
            tr_config_problem(
                config, tr_config_origin_of(config, offsets[i]), tr_config_key_of(offsets[i]),
                "%.300s: %s; give a PEM file that can be read", path, strerrordesc_np(errno));
        }
    }
}

static void read_skipped_operations(struct tr_config *config)
{
    bool has_none = false;
    uint32_t count = 0;

    for (const char *at = config->skipped_operations; *at != '\0';) {
        const size_t bytes = strcspn(at, ", \t");
        uint32_t skip = 0;
        if (bytes == 1) {
            skip = *at == 'c'   ? TR_CONFIG_SKIP_CREATE
                   : *at == 'u' ? TR_CONFIG_SKIP_UPDATE
                   : *at == 'd' ? TR_CONFIG_SKIP_DELETE
                   : *at == 't' ? TR_CONFIG_SKIP_TRUNCATE
                                : 0;
        }
        const bool is_none = bytes == 4 && memcmp(at, "none", 4) == 0;
        if (bytes > 0 && skip == 0 && !is_none) {
            problem_at(config, AT(skipped_operations),
                       "not a list of c, u, d and t, or none: set it to such a list");
            return;
        }
        count += bytes > 0;
        has_none = has_none || is_none;
        config->skipped_operations_set |= skip;
        at += bytes + (at[bytes] != '\0');
    }
    if (has_none && count > 1) {
        problem_at(config, AT(skipped_operations),
                   "none beside other operations: remove one of them");
    }
}

static void check_store(struct tr_config *config)
{
    if (config->offset_storage == TR_CONFIG_OFFSET_FILE && config->offset_file[0] == '\0') {
        tr_config_problem(
            config, NULL, tr_config_key_of(AT(offset_file)),
            "not set, and the file store needs it: set it to a path on a disk that is kept");
    }
    if (config->offset_storage == TR_CONFIG_OFFSET_REDIS && config->redis_address[0] == '\0') {
        tr_config_problem(config, NULL, tr_config_key_of(AT(redis_address)),
                          "not set, and the Redis store needs it: set it to host:port");
    }
    if (config->redis_retry_initial_delay_ms > config->redis_retry_max_delay_ms) {
        problem_at(config, AT(redis_retry_initial_delay_ms), "above retry.max.delay.ms: lower it");
    }
}

static void check_history(struct tr_config *config)
{
    if (config->history_storage == TR_CONFIG_HISTORY_FILE && config->history_file[0] == '\0') {
        tr_config_problem(
            config, NULL, tr_config_key_of(AT(history_file)),
            "not set, and the file store needs it: set it to a path on a disk that is kept");
    }
    if (config->history_storage == TR_CONFIG_HISTORY_FILE &&
        config->offset_storage == TR_CONFIG_OFFSET_FILE && config->history_file[0] != '\0' &&
        strcmp(config->history_file, config->offset_file) == 0) {
        problem_at(config, AT(history_file),
                   "the same file as offset.storage.file.filename: give it one of its own");
    }
    if (config->history_storage == TR_CONFIG_HISTORY_REDIS &&
        config->history_redis_address[0] == '\0') {
        tr_config_problem(config, NULL, tr_config_key_of(AT(history_redis_address)),
                          "not set, and the Redis store needs it: set it to host:port");
    }
    if (config->history_redis_retry_initial_delay_ms > config->history_redis_retry_max_delay_ms) {
        problem_at(config, AT(history_redis_retry_initial_delay_ms),
                   "above retry.max.delay.ms: lower it");
    }
}

static void check_endpoint(struct tr_config *config)
{
    const char *url = config->kinesis_endpoint;

    if (url[0] != '\0' && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        problem_at(config, AT(kinesis_endpoint), "not a URL: begin it with http:// or https://");
    }
}

static void check_placeholder(struct tr_config *config)
{
    const char *text = config->unavailable_value_placeholder;

    if (strncmp(text, "hex:", 4) != 0) {
        return;
    }
    const size_t digits = strspn(text + 4, "0123456789abcdefABCDEF");
    if (text[4 + digits] != '\0' || digits % 2 != 0 || digits > PLACEHOLDER_DIGITS_MAX) {
        tr_config_problem(config, tr_config_origin_of(config, AT(unavailable_value_placeholder)),
                          tr_config_key_of(AT(unavailable_value_placeholder)),
                          "`%.100s`: set pairs of hex digits behind hex:, at most %d digits", text,
                          PLACEHOLDER_DIGITS_MAX);
    }
}

/* AWS's own variables, when the property is not set. */
static void find_region(struct tr_config *config, bool is_needed)
{
    static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};

    for (size_t i = 0;
         i < sizeof(variables) / sizeof(variables[0]) && config->kinesis_region[0] == '\0'; i++) {
        const struct tr_config_raw raw = tr_config_lookup(config, variables[i]);
        if (raw.value == NULL || raw.origin.from != TR_CONFIG_FROM_ENVIRONMENT) {
            continue;
        }
        const char *kept = tr_config_keep(config, raw.value, strlen(raw.value));
        if (kept == NULL) {
            return;
        }
        config->kinesis_region = kept;
        for (uint32_t row = 0; row < tr_config_table_count; row++) {
            if (tr_config_table[row].kind == TR_CONFIG_TEXT &&
                tr_config_table[row].offset == AT(kinesis_region)) {
                config->hidden->texts[row] = kept;
                config->hidden->origins[row] = raw.origin;
            }
        }
    }
    if (is_needed && config->kinesis_region[0] == '\0') {
        tr_config_problem(
            config, NULL, tr_config_key_of(AT(kinesis_region)),
            "not set, and neither is AWS_REGION: set it, for example to eu-central-1");
    }
}

/* Defaults that depend on other options. */
static void follow_others(struct tr_config *config)
{
    char text[32];

    if (config->connector == TR_CONFIG_CONNECTOR_MARIADB &&
        !is_set(config, AT(database_ssl_mode))) {
        config->database_ssl_mode = TR_CONFIG_SSL_DISABLED;
        follow(config, AT(database_ssl_mode), AT(connector), "disable");
    }
    if (config->offset_commit_policy == TR_CONFIG_COMMIT_ALWAYS) {
        config->offset_flush_interval_ms = 0;
        follow(config, AT(offset_flush_interval_ms), AT(offset_commit_policy), "0");
    }
    if (config->history_skip_unparseable_ddl && !is_set(config, AT(ddl_on_error))) {
        config->ddl_on_error = TR_CONFIG_DDL_SKIP;
        follow(config, AT(ddl_on_error), AT(history_skip_unparseable_ddl), "skip");
    }
    if (is_set(config, AT(termination_wait_s)) && !is_set(config, AT(shutdown_timeout_ms))) {
        config->shutdown_timeout_ms = config->termination_wait_s * 1000;
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)config->shutdown_timeout_ms);
        follow(config, AT(shutdown_timeout_ms), AT(termination_wait_s), text);
    }
}

void tr_config_check(struct tr_config *config, enum tr_config_purpose purpose)
{
    find_region(config, purpose == TR_CONFIG_FOR_SINK || purpose == TR_CONFIG_FOR_RUN);
    follow_others(config);
    read_skipped_operations(config);
    check_pairs(config);
    check_tags(config);
    check_topic_prefix(config);
    check_endpoint(config);
    check_placeholder(config);
    if (purpose == TR_CONFIG_FOR_RUN || purpose == TR_CONFIG_FOR_STATE) {
        check_store(config);
        check_history(config);
    }
    if (config->chunks == 1) {
        problem_at(config, AT(chunks),
                   "one buffer cannot be filled while it is read: set 2 or more");
    }
    if (purpose == TR_CONFIG_FOR_RUN) {
        check_tls_files(config);
    }
    if (config->source_retry_delay_initial_ms > config->source_retry_delay_max_ms) {
        problem_at(config, AT(source_retry_delay_initial_ms),
                   "above errors.retry.delay.max.ms: lower it");
    }
}
