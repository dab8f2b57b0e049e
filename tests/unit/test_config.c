// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/config.h"
#include "engine/config_table.h"

#include <cmocka.h>

#define MINIMAL                                                                                    \
    "debezium.source.connector.class=io.debezium.connector.mysql.MySqlConnector\n"                 \
    "debezium.source.topic.prefix=tutorial\n"                                                      \
    "debezium.source.database.hostname=db\n"                                                       \
    "debezium.source.database.user=cdc\n"                                                          \
    "debezium.source.database.password=geheim\n"                                                   \
    "debezium.source.database.server.id=5400\n"                                                    \
    "debezium.source.snapshot.mode=no_data\n"                                                      \
    "debezium.source.offset.storage.file.filename=data/offsets.dat\n"                              \
    "debezium.sink.type=kinesis\n"                                                                 \
    "debezium.sink.kinesis.region=eu-central-1\n"

static struct tr_config *config;
static struct tr_error err;
static char path[64];
static char *no_environment[] = {NULL};

static enum tr_code load_text(const char *text, char *const *environment,
                              enum tr_config_purpose purpose)
{
    (void)snprintf(path, sizeof(path), "/tmp/tailrace-test-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd != -1);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    const struct tr_config_request request = {
        .file_path = path, .environment = environment, .purpose = purpose};
    tr_config_close(config);
    const enum tr_code code = tr_config_load(&config, &request, &err);
    assert_int_equal(unlink(path), 0);
    assert_non_null(config);
    return code;
}

static void loads(const char *text)
{
    if (load_text(text, no_environment, TR_CONFIG_FOR_RUN) != TR_OK) {
        fail_msg("%s", config->problems.text);
    }
}

/* The minimal file with one more line is refused with exactly one problem, which contains `want`.
 */
static void refuses(const char *line, const char *want)
{
    char text[8192];
    (void)snprintf(text, sizeof(text), MINIMAL "%s\n", line);
    assert_int_equal(load_text(text, no_environment, TR_CONFIG_FOR_RUN), TR_ERR_CONFIG);
    if (strstr(config->problems.text, want) == NULL || config->problems.count != 1) {
        fail_msg("wanted \"%s\", got %s", want, config->problems.text);
    }
}

static int teardown(void **state)
{
    (void)state;
    tr_config_close(config);
    config = NULL;
    return 0;
}

static void config_of_the_minimal_file_has_defaults(void **state)
{
    (void)state;
    loads(MINIMAL);
    assert_string_equal(config->topic_prefix, "tutorial");
    assert_string_equal(config->database_password, "geheim");
    assert_int_equal(config->database_port, 3306);
    assert_int_equal(config->connector, TR_CONFIG_CONNECTOR_MYSQL);
    assert_int_equal(config->database_ssl_mode, TR_CONFIG_SSL_PREFERRED);
    assert_int_equal(config->snapshot_mode, TR_CONFIG_SNAPSHOT_NO_DATA);
    assert_true(config->tombstones_on_delete);
    assert_true(config->format_key_schemas_enable);
    assert_int_equal(config->skipped_operations_set, TR_CONFIG_SKIP_TRUNCATE);
    assert_int_equal(config->offset_flush_interval_ms, 60000);
    assert_int_equal(config->kinesis_batch_size, 500);
    assert_int_equal(config->replay_max_bytes, UINT64_C(4) << 30);
    assert_int_equal(config->http_port, 8080);
    assert_string_equal(config->http_host, "127.0.0.1");
    assert_int_equal(config->reactor, TR_REACTOR_AUTO);
    assert_int_equal(config->log_level, TR_LOG_INFO);
    assert_string_equal(config->kinesis_endpoint, "");
    assert_int_equal(config->warnings.count, 0);
}

static void config_defaults_pass_their_own_checks(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        char text[4096];
        if (entry->kind == TR_CONFIG_SECTION || strchr(entry->key, '*') != NULL ||
            entry->default_text == NULL || entry->status == TR_CONFIG_RENAMED_STATUS ||
            entry->default_text[0] == '\0') {
            continue;
        }
        (void)snprintf(text, sizeof(text), MINIMAL "%s=%.*s\n", entry->key,
                       (int)strcspn(entry->default_text, "|"), entry->default_text);
        loads(text);
        assert_int_equal(config->warnings.count, 0);
    }
}

static void config_table_has_no_key_twice(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        for (uint32_t j = i + 1; j < tr_config_table_count; j++) {
            if (tr_config_table[i].kind != TR_CONFIG_SECTION &&
                tr_config_table[j].kind != TR_CONFIG_SECTION) {
                assert_string_not_equal(tr_config_table[i].key, tr_config_table[j].key);
            }
        }
    }
}

static void config_missing_options_are_all_named(void **state)
{
    (void)state;
    assert_int_equal(load_text("", no_environment, TR_CONFIG_FOR_RUN), TR_ERR_CONFIG);
    static const char *const keys[] = {
        "debezium.source.connector.class: not set",
        "debezium.source.topic.prefix: not set",
        "debezium.source.database.hostname: not set",
        "debezium.source.database.user: not set",
        "debezium.source.database.server.id: not set",
        "debezium.sink.type: not set",
        "debezium.sink.kinesis.region: not set",
        "debezium.source.offset.storage.file.filename: not set",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_non_null(strstr(config->problems.text, keys[i]));
    }
    assert_int_equal(config->problems.count, sizeof(keys) / sizeof(keys[0]));
    assert_non_null(strstr(err.text, "(and 7 more)"));
}

static void config_asks_only_for_what_the_command_needs(void **state)
{
    (void)state;
    assert_int_equal(load_text("", no_environment, TR_CONFIG_FOR_NOTHING), TR_OK);
    assert_int_equal(load_text("debezium.sink.type=kinesis\ndebezium.sink.kinesis.region=x",
                               no_environment, TR_CONFIG_FOR_SINK),
                     TR_OK);
    assert_int_equal(load_text("debezium.sink.type=kinesis\n", no_environment, TR_CONFIG_FOR_SINK),
                     TR_ERR_CONFIG);
    assert_int_equal(load_text("debezium.sink.type=kinesis\ndebezium.source.topic.prefix=x\n"
                               "debezium.source.offset.storage.file.filename=f",
                               no_environment, TR_CONFIG_FOR_STATE),
                     TR_OK);
}

static void config_unknown_key_names_line_and_nearest(void **state)
{
    (void)state;
    refuses("debezium.source.topic.prefx=x",
            ":11: debezium.source.topic.prefx: unknown property: did you mean "
            "debezium.source.topic.prefix?");
    refuses("debezium.source.databse.port=1", "did you mean debezium.source.database.port?");
    refuses("debezium.source.database.hostnmae=1",
            "did you mean debezium.source.database.hostname?");
    refuses("topic.prefix=x", "did you mean debezium.source.topic.prefix?");
    refuses("tailrace.decoder=1", "did you mean tailrace.decoders?");
    refuses("debezium.sink.redis.adress=1", "did you mean debezium.sink.redis.address?");
    refuses("something.else.entirely=1", "unknown property: remove it");
    refuses("=1", "unknown property");
}

static void config_old_names_name_todays(void **state)
{
    (void)state;
    refuses("debezium.source.database.server.name=x", "rename it to debezium.source.topic.prefix");
    refuses("debezium.source.database.history.file.filename=x",
            "rename it to debezium.source.schema.history.internal.file.filename");
    refuses("debezium.source.table.whitelist=x", "rename it to debezium.source.table.include.list");
}

static void config_refuses_what_it_cannot_honour(void **state)
{
    (void)state;
    refuses("debezium.source.snapshot.mode=custom", "`custom` is not supported by this version");
    refuses("quarkus.profile=staging", "`staging` is not supported by this version");
    /* Debezium Server hands these to the engine, which heeds them. */
    refuses("debezium.source.value.converter.schemas.enable=false",
            "rename it to debezium.format.value.schemas.enable");
    refuses("debezium.source.key.converter=org.apache.kafka.connect.storage.StringConverter",
            "is not supported by this version");
    refuses("debezium.source.transforms=unwrap", "`unwrap` is not supported by this version");
    refuses("debezium.source.transforms.unwrap.type=x", "`x` is not supported by this version");
    refuses("debezium.source.heartbeat.interval.ms=5000",
            "`5000` is not supported by this version");
    refuses("debezium.source.provide.transaction.metadata=true", "remove it, or leave it at false");
    refuses("debezium.transforms=unwrap",
            "debezium.transforms: `unwrap` is not supported by this version");
    refuses("debezium.transforms.unwrap.type=x",
            "debezium.transforms.unwrap.type: `x` is not supported");
    refuses("debezium.format.value=avro",
            "`avro` is not supported by this version: set it to json");
    refuses("debezium.source.column.mask.with.5.chars=a", "is not supported");
    refuses("debezium.source.database.ssl.truststore=/a.jks", "set tailrace.source.tls.ca");
    refuses("debezium.source.database.ssl.truststore.password=geheim",
            "`********` is not supported");
    refuses("tailrace.oversize=trim", "`trim` is not supported by this version: set it to fail");
    refuses("debezium.sink.type=pubsub", "`pubsub` is none of its values: set it to kinesis");
}

static void config_refuses_values_out_of_range(void **state)
{
    (void)state;
    refuses("debezium.source.database.port=70000", "`70000`: set it to a number from 1 to 65535");
    refuses("tailrace.decoders=33", "`33`: set it to a number from 0 to 32");
    refuses("tailrace.shippers=33", "`33`: set it to a number from 0 to 32");
    refuses("tailrace.chunks=1", "set 2 or more");
    refuses("debezium.source.database.server.id=0", "from 1 to 4294967295");
    refuses("debezium.sink.kinesis.batch.size=501", "from 1 to 500 records");
    refuses("debezium.source.database.port=-1", "`-1`");
    refuses("debezium.source.database.port=33 06", "`33 06`");
    refuses("debezium.source.database.port=99999999999999999999999", "set it to a number");
    refuses("debezium.source.tombstones.on.delete=yes", "`yes`: set it to true or false");
    refuses("tailrace.row.max.bytes=1X", "`1X`");
    refuses("tailrace.row.max.bytes=99999999999999T", "set it to a number");
    refuses("tailrace.reactor=kqueue",
            "`kqueue` is none of its values: set it to auto | io_uring | epoll");
    refuses("debezium.source.topic.prefix=a b", "letters, digits");
    refuses("debezium.source.skipped.operations=c,x", "set it to such a list");
    refuses("debezium.source.skipped.operations=none,c", "remove one of them");
    refuses("debezium.source.unavailable.value.placeholder=hex:4g",
            "placeholder: `hex:4g`: set pairs of hex digits behind hex:");
    refuses("debezium.source.unavailable.value.placeholder=hex:414", "set pairs of hex digits");
    refuses("debezium.sink.kinesis.endpoint=localhost:4566", "begin it with http:// or https://");
    refuses("tailrace.source.tls.cert=/dev/null", "set tailrace.source.tls.cert and .key both");
    refuses("tailrace.aws.access.key.id=AKIA", "half of the credentials");
    refuses("debezium.source.errors.retry.delay.initial.ms=20000", "lower it");
    refuses(
        "debezium.source.offset.storage=io.debezium.storage.redis.offset.RedisOffsetBackingStore",
        "debezium.source.offset.storage.redis.address: not set");
    refuses("debezium.source.database.include.list=a\ndebezium.source.database.exclude.list=b",
            "remove one of the two");
}

static void config_values_are_parsed(void **state)
{
    (void)state;
    loads(MINIMAL
          "debezium.source.connector.class=io.debezium.connector.mariadb.MariaDbConnector\n"
          "tailrace.row.max.bytes=32MiB\ntailrace.replay.max.bytes= 8G \n"
          "debezium.source.skipped.operations=c, u,d\ndebezium.source.snapshot.mode=SCHEMA_ONLY\n"
          "quarkus.log.level=FINE\ntailrace.key.oversize=send\nquarkus.log.console.json.enabled="
          "true\n"
          "debezium.source.offset.storage=io.debezium.server.redis.RedisOffsetBackingStore\n"
          "debezium.sink.redis.address=r:6379\ndebezium.sink.redis.password=p\n"
          "debezium.source.offset.storage.redis.password=q\n"
          "debezium.format.schemas.enable=false\ndebezium.format.key.schemas.enable=true\n"
          "debezium.source.offset.commit.policy=io.debezium.engine.spi.OffsetCommitPolicy$$"
          "AlwaysCommitOffsetPolicy\n"
          "debezium.termination.wait=3\n");
    assert_int_equal(config->connector, TR_CONFIG_CONNECTOR_MARIADB);
    assert_int_equal(config->database_ssl_mode,
                     TR_CONFIG_SSL_DISABLED); /* that connector's default */
    assert_int_equal(config->row_max_bytes, 32 << 20);
    assert_int_equal(config->replay_max_bytes, UINT64_C(8) << 30);
    assert_int_equal(config->skipped_operations_set,
                     TR_CONFIG_SKIP_CREATE | TR_CONFIG_SKIP_UPDATE | TR_CONFIG_SKIP_DELETE);
    assert_int_equal(config->log_level, TR_LOG_DEBUG);
    assert_int_equal(config->key_oversize, TR_CONFIG_KEY_OVERSIZE_SEND);
    assert_true(config->log_json);
    assert_int_equal(config->offset_storage, TR_CONFIG_OFFSET_REDIS);
    assert_string_equal(config->redis_address, "r:6379");
    assert_string_equal(config->redis_password, "q");
    assert_false(config->format_value_schemas_enable);
    assert_true(config->format_key_schemas_enable);
    assert_int_equal(config->offset_flush_interval_ms, 0);
    assert_int_equal(config->shutdown_timeout_ms, 3000);
}

#define HISTORY "debezium.source.schema.history.internal"

static void config_of_the_schema_history_is_debeziums(void **state)
{
    (void)state;
    loads(MINIMAL);
    assert_int_equal(config->history_storage, TR_CONFIG_HISTORY_NONE);
    assert_int_equal(config->ddl_on_error, TR_CONFIG_DDL_FAIL);
    assert_string_equal(config->history_redis_key, "metadata:debezium:schema_history");
    loads(MINIMAL HISTORY "=io.debezium.storage.file.history.FileSchemaHistory\n" HISTORY
                          ".file.filename=data/history.dat\n" HISTORY
                          ".skip.unparseable.ddl=true\n" HISTORY
                          ".store.only.captured.tables.ddl=true\n");
    assert_int_equal(config->history_storage, TR_CONFIG_HISTORY_FILE);
    assert_string_equal(config->history_file, "data/history.dat");
    assert_true(config->history_only_captured_tables);
    assert_false(config->history_only_captured_databases);
    assert_int_equal(config->ddl_on_error, TR_CONFIG_DDL_SKIP);
    loads(MINIMAL HISTORY "=io.debezium.server.redis.RedisSchemaHistory\n" HISTORY
                          ".redis.password=q\n" HISTORY ".skip.unparseable.ddl=true\n"
                          "tailrace.ddl.on.error=fail\n"
                          "debezium.sink.redis.address=r:6379\ndebezium.sink.redis.password=p\n");
    assert_int_equal(config->history_storage, TR_CONFIG_HISTORY_REDIS);
    assert_string_equal(config->history_redis_address, "r:6379");
    assert_string_equal(config->history_redis_password, "q");
    assert_string_equal(config->redis_password, "p");
    assert_int_equal(config->ddl_on_error, TR_CONFIG_DDL_FAIL); /* ours outranks Debezium's */
    loads(MINIMAL HISTORY "=io.debezium.relational.history.MemorySchemaHistory\n");
    assert_int_equal(config->history_storage, TR_CONFIG_HISTORY_MEMORY);
}

static void config_of_histories_that_cannot_be_kept_is_refused(void **state)
{
    (void)state;
    refuses(HISTORY "=io.debezium.storage.kafka.history.KafkaSchemaHistory",
            "`io.debezium.storage.kafka.history.KafkaSchemaHistory` is not supported by this "
            "version: set it to io.debezium.storage.file.history.FileSchemaHistory | ");
    refuses(HISTORY "=io.debezium.storage.s3.history.S3SchemaHistory", "not supported");
    refuses(HISTORY "=io.debezium.storage.azure.blob.history.AzureBlobSchemaHistory",
            "not supported");
    refuses(HISTORY "=io.debezium.storage.rocketmq.history.RocketMqSchemaHistory", "not supported");
    refuses(HISTORY "=io.debezium.storage.jdbc.history.JdbcSchemaHistory", "not supported");
    refuses(HISTORY "=FileSchemaHistory", "is none of its values");
    refuses(HISTORY "=io.debezium.storage.file.history.FileSchemaHistory",
            HISTORY ".file.filename: not set");
    refuses(HISTORY "=io.debezium.storage.file.history.FileSchemaHistory\n" HISTORY
                    ".file.filename=same.dat\n"
                    "debezium.source.offset.storage.file.filename=same.dat",
            "one of its own");
    refuses(HISTORY "=io.debezium.storage.redis.history.RedisSchemaHistory",
            HISTORY ".redis.address: not set");
    refuses(HISTORY ".redis.retry.initial.delay.ms=20000", "lower it");
    refuses(HISTORY ".prefer.ddl=true", "remove it, or leave it at false");
    refuses("tailrace.ddl.on.error=ignore", "set it to fail | skip");
}

static void config_tags_are_those_that_kinesis_takes(void **state)
{
    static const char *const wrong[] = {"a",        "=b",      "a=b,", ",a=b",
                                        "a=b,,c=d", "a=b,a=c", "a=b*", "a={"};
    char text[1024];
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(text, sizeof(text), "tailrace.streams.tags=%s", wrong[i]);
        refuses(text, "not a list of tags");
    }
    (void)snprintf(text, sizeof(text), "tailrace.streams.tags=%0129d=x", 1);
    refuses(text, "not a list of tags");
    loads(MINIMAL "tailrace.streams.tags=team=data platform,cost:center=4/2,empty=,eq=a=b\n"
                  "tailrace.streams.mode=on-demand\ntailrace.streams.retention.hours=8760\n");
    assert_int_equal(config->streams_mode, TR_CONFIG_STREAMS_ON_DEMAND);
}

static void config_words_of_tls_are_those_of_both_connectors(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        uint32_t mode;
    } cases[] = {{"disabled", TR_CONFIG_SSL_DISABLED},
                 {"disable", TR_CONFIG_SSL_DISABLED},
                 {"preferred", TR_CONFIG_SSL_PREFERRED},
                 {"required", TR_CONFIG_SSL_REQUIRED},
                 {"trust", TR_CONFIG_SSL_REQUIRED},
                 {"verify_ca", TR_CONFIG_SSL_VERIFY_CA},
                 {"verify-ca", TR_CONFIG_SSL_VERIFY_CA},
                 {"verify_identity", TR_CONFIG_SSL_VERIFY_IDENTITY},
                 {"verify-full", TR_CONFIG_SSL_VERIFY_IDENTITY}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[4096];
        (void)snprintf(text, sizeof(text), MINIMAL "debezium.source.database.ssl.mode=%s",
                       cases[i].word);
        loads(text);
        assert_int_equal(config->database_ssl_mode, cases[i].mode);
    }
}

#define OVERRIDES "debezium.source.snapshot.select.statement.overrides"

static void config_overrides_are_read_by_the_names_of_their_list(void **state)
{
    char *environment[] = {"DEBEZIUM_SOURCE_SNAPSHOT_SELECT_STATEMENT_OVERRIDES_SHOP_B=SELECT 2",
                           NULL};

    (void)state;
    assert_int_equal(
        load_text(
            MINIMAL OVERRIDES
            "= shop.a,shop.b ,,shop.c d,\n" OVERRIDES
            ".shop.a=SELECT * FROM shop.a WHERE v = '${debezium.source.topic.prefix}'\n" OVERRIDES
            ".shop.c\\ d=SELECT 3\n",
            environment, TR_CONFIG_FOR_RUN),
        TR_OK);
    assert_int_equal(config->select_override_count, 3);
    assert_string_equal(config->select_overrides[0].table, "shop.a");
    assert_string_equal(config->select_overrides[0].select,
                        "SELECT * FROM shop.a WHERE v = 'tutorial'");
    assert_string_equal(config->select_overrides[1].select, "SELECT 2");
    assert_string_equal(config->select_overrides[2].table, "shop.c d");
    assert_string_equal(config->select_overrides[2].select, "SELECT 3");
    assert_int_equal(config->warnings.count, 0);
}

static void config_overrides_without_a_partner_give_a_warning(void **state)
{
    (void)state;
    loads(MINIMAL OVERRIDES "=shop.a\n" OVERRIDES ".shop.b=SELECT 1\n");
    assert_int_equal(config->select_override_count, 0);
    assert_non_null(strstr(config->warnings.text, OVERRIDES ".shop.a: not set"));
    assert_non_null(strstr(config->warnings.text, "without effect: " OVERRIDES ".shop.b\n"));
}

static void config_environment_outranks_the_file(void **state)
{
    (void)state;
    char *environment[] = {"PATH=/bin",
                           "DEBEZIUM_SOURCE_TOPIC_PREFIX=from_env",
                           "Debezium_Source_Topic_Prefix=any_case",
                           "debezium.sink.kinesis.batch.size=100",
                           "QUARKUS_HTTP_PORT=9000",
                           "TAILRACE_STREAMS_CREATE=true",
                           "DEBEZIUM_SOURCE_DATABASE_PASSWORD=",
                           NULL};
    assert_int_equal(load_text(MINIMAL, environment, TR_CONFIG_FOR_RUN), TR_OK);
    assert_string_equal(config->topic_prefix, "from_env");
    assert_int_equal(config->kinesis_batch_size, 100);
    assert_int_equal(config->http_port, 9000);
    assert_true(config->streams_create);
    assert_string_equal(config->database_password, ""); /* set to nothing: absent */
    assert_int_equal(config->warnings.count, 0);
}

static void config_unknown_variables_give_one_warning(void **state)
{
    (void)state;
    char *environment[] = {"DEBEZIUM_SOURCE_NO_SUCH=1", "TAILRACE_NO_SUCH=1",
                           "DEBEZIUM_OPTS=-Xmx1g", "DEBEZIUMX=1", NULL};
    assert_int_equal(load_text(MINIMAL, environment, TR_CONFIG_FOR_RUN), TR_OK);
    assert_string_equal(config->warnings.text,
                        "environment variables that name no option, without effect: "
                        "DEBEZIUM_SOURCE_NO_SUCH, TAILRACE_NO_SUCH\n");
    char *transform[] = {"DEBEZIUM_TRANSFORMS_UNWRAP_TYPE=x", NULL};
    assert_int_equal(load_text(MINIMAL, transform, TR_CONFIG_FOR_RUN), TR_ERR_CONFIG);
    assert_non_null(strstr(
        err.text, "environment DEBEZIUM_TRANSFORMS_UNWRAP_TYPE: debezium.transforms.unwrap.type: "
                  "`x` is not supported"));
}

static void config_region_comes_from_aws_variables_last(void **state)
{
    (void)state;
    char *environment[] = {"AWS_DEFAULT_REGION=us-east-2", "AWS_REGION=us-east-1",
                           "DEBEZIUM_SINK_KINESIS_REGION=", NULL};
    assert_int_equal(load_text(MINIMAL, environment, TR_CONFIG_FOR_RUN), TR_OK);
    assert_string_equal(config->kinesis_region, "us-east-1");
    environment[2] = NULL;
    assert_int_equal(load_text(MINIMAL, environment, TR_CONFIG_FOR_RUN), TR_OK);
    assert_string_equal(config->kinesis_region, "eu-central-1");
}

static void config_expressions_are_expanded(void **state)
{
    (void)state;
    char *environment[] = {"DB_PASSWORD=s3$$cret", "DB_HOST=h1", NULL};
    const char *text =
        MINIMAL "my.own=own\ndebezium.source.database.password=${DB_PASSWORD}\n"
                "debezium.source.database.hostname=${db.host}.${my.own}\n"
                "debezium.source.database.user=${NOPE:${ALSO:a}-${my.own}}\n"
                "debezium.source.table.include.list=shop\\\\.o$,\\\\${x},$$y,$z,a{2}$\n"
                "debezium.sink.kinesis.null.key=${my.own\n"
                "debezium.sink.kinesis.endpoint=${E:http://x:80/}\n"
                "%prod.debezium.source.topic.prefix=profiled\n"
                "%dev.debezium.source.topic.prefix=other\n";
    assert_int_equal(load_text(text, environment, TR_CONFIG_FOR_RUN), TR_OK);
    assert_string_equal(config->database_password, "s3$cret");
    assert_string_equal(config->database_hostname, "h1.own");
    assert_string_equal(config->database_user, "a-own");
    assert_string_equal(config->table_include_list, "shop\\.o$,${x},$y,$z,a{2}$");
    assert_string_equal(config->kinesis_null_key, "own");
    assert_string_equal(config->kinesis_endpoint, "http://x:80/");
    assert_string_equal(config->topic_prefix, "profiled");
}

static void config_expressions_that_fail_are_named(void **state)
{
    (void)state;
    refuses("debezium.source.database.user=${NOPE}",
            "debezium.source.database.user: ${NOPE} is set nowhere: set it");
    refuses("a.a=${b.b}\nb.b=${a.a}\ndebezium.source.database.user=${a.a}", "break the circle");
    refuses("debezium.source.database.user=${aes::x}", "secret handler");
    char doubling[4096] = "";
    for (int i = 0; i < 25; i++) { /* 2^25 expressions, and no text at all */
        char line[64];
        (void)snprintf(line, sizeof(line), "a.%d=${a.%d:}${a.%d:}\n", i, i + 1, i + 1);
        (void)strncat(doubling, line, sizeof(doubling) - strlen(doubling) - 1);
    }
    (void)strncat(doubling, "debezium.source.database.user=x${a.0}",
                  sizeof(doubling) - strlen(doubling) - 1);
    refuses(doubling, "more than 10000 expressions");
}

static void config_without_meaning_gives_one_warning(void **state)
{
    (void)state;
    loads(MINIMAL
          "debezium.source.max.batch.size=4096\nquarkus.http.cors=true\n"
          "debezium.source.driver.useSSL=true\ndebezium.source.database.connectionTimeZone=UTC\n"
          "debezium.source.poll.interval.ms=500\n"
          "debezium.source.schema.history.internal.kafka.topic=h\n");
    assert_string_equal(
        config->warnings.text,
        "properties that have no meaning here, without effect: debezium.source.max.batch.size, "
        "quarkus.http.cors, debezium.source.driver.useSSL, "
        "debezium.source.database.connectionTimeZone, "
        "debezium.source.schema.history.internal.kafka.topic\n");
}

static char out[65536];

static void collect(void *self, const char *line)
{
    (void)self;
    (void)strncat(out, line, sizeof(out) - strlen(out) - 2);
    (void)strncat(out, "\n", sizeof(out) - strlen(out) - 1);
}

static void config_effective_names_origins_and_masks_secrets(void **state)
{
    (void)state;
    char *environment[] = {"DEBEZIUM_SOURCE_DATABASE_PORT=3307", NULL};
    assert_int_equal(load_text(MINIMAL
                               "debezium.termination.wait=3\ndebezium.sink.redis.password=hidden\n",
                               environment, TR_CONFIG_FOR_RUN),
                     TR_OK);
    out[0] = '\0';
    tr_config_write_effective(config, collect, NULL);
    assert_null(strstr(out, "geheim"));
    assert_null(strstr(out, "hidden"));
    assert_non_null(strstr(out, "debezium.source.database.password=******** "));
    assert_non_null(strstr(out, ":2\n"));
    assert_non_null(strstr(out, "# environment DEBEZIUM_SOURCE_DATABASE_PORT\n"));
    assert_non_null(strstr(out, "# by debezium.termination.wait\n"));
    assert_non_null(strstr(out, "(debezium.sink.redis.password)\n"));
    assert_non_null(strstr(out, "# default\n"));
}

static void config_reference_lists_every_key(void **state)
{
    (void)state;
    out[0] = '\0';
    tr_config_write_reference(collect, NULL);
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        assert_non_null(strstr(out, tr_config_table[i].key));
    }
}

static void config_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    const struct tr_config_request missing = {.file_path = "/nonexistent/a.properties",
                                              .environment = no_environment,
                                              .purpose = TR_CONFIG_FOR_RUN};
    assert_int_equal(tr_config_load(&config, &missing, &err), TR_ERR_CONFIG);
    assert_non_null(
        strstr(err.text, "/nonexistent/a.properties: No such file or directory: check the path"));
    assert_int_equal(config->problems.count, 1); /* not also everything that it would have set */
    tr_config_close(config);
    const struct tr_config_request folder = {
        .file_path = "/tmp", .environment = no_environment, .purpose = TR_CONFIG_FOR_RUN};
    assert_int_equal(tr_config_load(&config, &folder, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "/tmp: not a file"));
    assert_int_equal(load_text("a=\\uZZZZ", no_environment, TR_CONFIG_FOR_RUN), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "line 1: malformed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(config_of_the_minimal_file_has_defaults, teardown),
        cmocka_unit_test_teardown(config_defaults_pass_their_own_checks, teardown),
        cmocka_unit_test_teardown(config_table_has_no_key_twice, teardown),
        cmocka_unit_test_teardown(config_missing_options_are_all_named, teardown),
        cmocka_unit_test_teardown(config_asks_only_for_what_the_command_needs, teardown),
        cmocka_unit_test_teardown(config_unknown_key_names_line_and_nearest, teardown),
        cmocka_unit_test_teardown(config_old_names_name_todays, teardown),
        cmocka_unit_test_teardown(config_refuses_what_it_cannot_honour, teardown),
        cmocka_unit_test_teardown(config_refuses_values_out_of_range, teardown),
        cmocka_unit_test_teardown(config_values_are_parsed, teardown),
        cmocka_unit_test_teardown(config_of_the_schema_history_is_debeziums, teardown),
        cmocka_unit_test_teardown(config_of_histories_that_cannot_be_kept_is_refused, teardown),
        cmocka_unit_test_teardown(config_tags_are_those_that_kinesis_takes, teardown),
        cmocka_unit_test_teardown(config_words_of_tls_are_those_of_both_connectors, teardown),
        cmocka_unit_test_teardown(config_overrides_are_read_by_the_names_of_their_list, teardown),
        cmocka_unit_test_teardown(config_overrides_without_a_partner_give_a_warning, teardown),
        cmocka_unit_test_teardown(config_environment_outranks_the_file, teardown),
        cmocka_unit_test_teardown(config_unknown_variables_give_one_warning, teardown),
        cmocka_unit_test_teardown(config_region_comes_from_aws_variables_last, teardown),
        cmocka_unit_test_teardown(config_expressions_are_expanded, teardown),
        cmocka_unit_test_teardown(config_expressions_that_fail_are_named, teardown),
        cmocka_unit_test_teardown(config_without_meaning_gives_one_warning, teardown),
        cmocka_unit_test_teardown(config_effective_names_origins_and_masks_secrets, teardown),
        cmocka_unit_test_teardown(config_reference_lists_every_key, teardown),
        cmocka_unit_test_teardown(config_file_that_cannot_be_read_is_named, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
