// SPDX-License-Identifier: Apache-2.0
/*
 * The words of options that choose one of several values: W(word, value); words are compared without case.
 *
 * A word whose value is TR_CONFIG_NOT_YET is known (Debezium's or ours) but not served by this version: choosing it is
 * an error that says so. Several words may mean one value (the vocabularies of two versions or two connectors).
 */
#ifndef TR_ENGINE_CONFIG_WORDS_H
#define TR_ENGINE_CONFIG_WORDS_H

#include <stdint.h>

#include "engine/log.h"
#include "engine/reactor.h"

#define TR_CONFIG_NOT_YET UINT32_MAX

enum tr_config_connector { TR_CONFIG_CONNECTOR_MYSQL = 0, TR_CONFIG_CONNECTOR_MARIADB };
#define TR_WORDS_CONNECTOR(W)                                                                      \
    W("io.debezium.connector.mysql.MySqlConnector", TR_CONFIG_CONNECTOR_MYSQL)                     \
    W("io.debezium.connector.mariadb.MariaDbConnector", TR_CONFIG_CONNECTOR_MARIADB)

/* As in the servers' manuals; `required` encrypts without checking the certificate (contract §4.1). */
enum tr_config_ssl_mode {
    TR_CONFIG_SSL_DISABLED = 0,
    TR_CONFIG_SSL_PREFERRED,
    TR_CONFIG_SSL_REQUIRED,
    TR_CONFIG_SSL_VERIFY_CA,
    TR_CONFIG_SSL_VERIFY_IDENTITY
};
#define TR_WORDS_SSL_MODE(W)                                                                       \
    W("disabled", TR_CONFIG_SSL_DISABLED)                                                          \
    W("preferred", TR_CONFIG_SSL_PREFERRED)                                                        \
    W("required", TR_CONFIG_SSL_REQUIRED)                                                          \
    W("verify_ca", TR_CONFIG_SSL_VERIFY_CA)                                                        \
    W("verify_identity", TR_CONFIG_SSL_VERIFY_IDENTITY)                                            \
    W("disable", TR_CONFIG_SSL_DISABLED)                                                           \
    W("trust", TR_CONFIG_SSL_REQUIRED)                                                             \
    W("verify-ca", TR_CONFIG_SSL_VERIFY_CA)                                                        \
    W("verify-full", TR_CONFIG_SSL_VERIFY_IDENTITY)

enum tr_config_snapshot {
    TR_CONFIG_SNAPSHOT_INITIAL = 0,
    TR_CONFIG_SNAPSHOT_INITIAL_ONLY,
    TR_CONFIG_SNAPSHOT_NO_DATA,
    TR_CONFIG_SNAPSHOT_ALWAYS,
    TR_CONFIG_SNAPSHOT_WHEN_NEEDED,
    TR_CONFIG_SNAPSHOT_RECOVERY
};
#define TR_WORDS_SNAPSHOT(W)                                                                       \
    W("initial", TR_CONFIG_SNAPSHOT_INITIAL)                                                       \
    W("initial_only", TR_CONFIG_SNAPSHOT_INITIAL_ONLY)                                             \
    W("no_data", TR_CONFIG_SNAPSHOT_NO_DATA)                                                       \
    W("schema_only", TR_CONFIG_SNAPSHOT_NO_DATA)                                                   \
    W("always", TR_CONFIG_SNAPSHOT_ALWAYS)                                                         \
    W("when_needed", TR_CONFIG_SNAPSHOT_WHEN_NEEDED)                                               \
    W("recovery", TR_CONFIG_SNAPSHOT_RECOVERY)                                                     \
    W("schema_only_recovery", TR_CONFIG_SNAPSHOT_RECOVERY)                                         \
    W("never", TR_CONFIG_NOT_YET)                                                                  \
    W("configuration_based", TR_CONFIG_NOT_YET)                                                    \
    W("custom", TR_CONFIG_NOT_YET)

enum tr_config_locking {
    TR_CONFIG_LOCKING_MINIMAL = 0,
    TR_CONFIG_LOCKING_EXTENDED,
    TR_CONFIG_LOCKING_NONE
};
#define TR_WORDS_LOCKING(W)                                                                        \
    W("minimal", TR_CONFIG_LOCKING_MINIMAL)                                                        \
    W("minimal_percona", TR_CONFIG_LOCKING_MINIMAL)                                                \
    W("minimal_percona_no_table_locks", TR_CONFIG_LOCKING_MINIMAL)                                 \
    W("extended", TR_CONFIG_LOCKING_EXTENDED)                                                      \
    W("none", TR_CONFIG_LOCKING_NONE)                                                              \
    W("custom", TR_CONFIG_NOT_YET)

enum tr_config_row_count_order {
    TR_CONFIG_ROW_COUNT_DISABLED = 0,
    TR_CONFIG_ROW_COUNT_ASCENDING,
    TR_CONFIG_ROW_COUNT_DESCENDING
};
#define TR_WORDS_ROW_COUNT_ORDER(W)                                                                \
    W("disabled", TR_CONFIG_ROW_COUNT_DISABLED)                                                    \
    W("ascending", TR_CONFIG_ROW_COUNT_ASCENDING)                                                  \
    W("descending", TR_CONFIG_ROW_COUNT_DESCENDING)

/* The classes of Kafka Connect, of Debezium's storage modules, and their older subclasses in the server. */
enum tr_config_offset_storage {
    TR_CONFIG_OFFSET_FILE = 0,
    TR_CONFIG_OFFSET_MEMORY,
    TR_CONFIG_OFFSET_REDIS
};
#define TR_WORDS_OFFSET_STORAGE(W)                                                                 \
    W("org.apache.kafka.connect.storage.FileOffsetBackingStore", TR_CONFIG_OFFSET_FILE)            \
    W("io.debezium.storage.redis.offset.RedisOffsetBackingStore", TR_CONFIG_OFFSET_REDIS)          \
    W("io.debezium.server.redis.RedisOffsetBackingStore", TR_CONFIG_OFFSET_REDIS)                  \
    W("org.apache.kafka.connect.storage.MemoryOffsetBackingStore", TR_CONFIG_OFFSET_MEMORY)        \
    W("org.apache.kafka.connect.storage.KafkaOffsetBackingStore", TR_CONFIG_NOT_YET)               \
    W("io.debezium.storage.jdbc.offset.JdbcOffsetBackingStore", TR_CONFIG_NOT_YET)                 \
    W("io.debezium.storage.configmap.ConfigMapOffsetStore", TR_CONFIG_NOT_YET)

enum tr_config_commit_policy { TR_CONFIG_COMMIT_PERIODIC = 0, TR_CONFIG_COMMIT_ALWAYS };
#define TR_WORDS_COMMIT_POLICY(W)                                                                  \
    W("io.debezium.engine.spi.OffsetCommitPolicy.PeriodicCommitOffsetPolicy",                      \
      TR_CONFIG_COMMIT_PERIODIC)                                                                   \
    W("io.debezium.engine.spi.OffsetCommitPolicy$PeriodicCommitOffsetPolicy",                      \
      TR_CONFIG_COMMIT_PERIODIC)                                                                   \
    W("io.debezium.embedded.spi.OffsetCommitPolicy$PeriodicCommitOffsetPolicy",                    \
      TR_CONFIG_COMMIT_PERIODIC)                                                                   \
    W("io.debezium.engine.spi.OffsetCommitPolicy.AlwaysCommitOffsetPolicy",                        \
      TR_CONFIG_COMMIT_ALWAYS)                                                                     \
    W("io.debezium.engine.spi.OffsetCommitPolicy$AlwaysCommitOffsetPolicy",                        \
      TR_CONFIG_COMMIT_ALWAYS)                                                                     \
    W("io.debezium.embedded.spi.OffsetCommitPolicy$AlwaysCommitOffsetPolicy",                      \
      TR_CONFIG_COMMIT_ALWAYS)

/* Debezium's storage modules, and their older subclass in the server. */
enum tr_config_history_storage {
    TR_CONFIG_HISTORY_NONE = 0, /* not set */
    TR_CONFIG_HISTORY_FILE,
    TR_CONFIG_HISTORY_REDIS,
    TR_CONFIG_HISTORY_MEMORY
};
#define TR_WORDS_HISTORY_STORAGE(W)                                                                \
    W("io.debezium.storage.file.history.FileSchemaHistory", TR_CONFIG_HISTORY_FILE)                \
    W("io.debezium.storage.redis.history.RedisSchemaHistory", TR_CONFIG_HISTORY_REDIS)             \
    W("io.debezium.server.redis.RedisSchemaHistory", TR_CONFIG_HISTORY_REDIS)                      \
    W("io.debezium.relational.history.MemorySchemaHistory", TR_CONFIG_HISTORY_MEMORY)              \
    W("io.debezium.storage.kafka.history.KafkaSchemaHistory", TR_CONFIG_NOT_YET)                   \
    W("io.debezium.storage.s3.history.S3SchemaHistory", TR_CONFIG_NOT_YET)                         \
    W("io.debezium.storage.azure.blob.history.AzureBlobSchemaHistory", TR_CONFIG_NOT_YET)          \
    W("io.debezium.storage.rocketmq.history.RocketMqSchemaHistory", TR_CONFIG_NOT_YET)             \
    W("io.debezium.storage.jdbc.history.JdbcSchemaHistory", TR_CONFIG_NOT_YET)

enum tr_config_ddl_on_error { TR_CONFIG_DDL_FAIL = 0, TR_CONFIG_DDL_SKIP };
#define TR_WORDS_DDL_ON_ERROR(W)                                                                   \
    W("fail", TR_CONFIG_DDL_FAIL)                                                                  \
    W("skip", TR_CONFIG_DDL_SKIP)

enum tr_config_sink { TR_CONFIG_SINK_KINESIS = 0 };
#define TR_WORDS_SINK(W) W("kinesis", TR_CONFIG_SINK_KINESIS)

enum tr_config_format { TR_CONFIG_FORMAT_JSON = 0 };
#define TR_WORDS_KEY_FORMAT(W)                                                                     \
    W("json", TR_CONFIG_FORMAT_JSON)                                                               \
    W("jsonbytearray", TR_CONFIG_NOT_YET)                                                          \
    W("avro", TR_CONFIG_NOT_YET)                                                                   \
    W("protobuf", TR_CONFIG_NOT_YET)                                                               \
    W("cloudevents", TR_CONFIG_NOT_YET)                                                            \
    W("simplestring", TR_CONFIG_NOT_YET)                                                           \
    W("binary", TR_CONFIG_NOT_YET)                                                                 \
    W("connect", TR_CONFIG_NOT_YET)                                                                \
    W("clientprovided", TR_CONFIG_NOT_YET)
/* jsonbytearray gives the same bytes in a value. */
#define TR_WORDS_VALUE_FORMAT(W)                                                                   \
    W("json", TR_CONFIG_FORMAT_JSON)                                                               \
    W("jsonbytearray", TR_CONFIG_FORMAT_JSON)                                                      \
    W("avro", TR_CONFIG_NOT_YET)                                                                   \
    W("protobuf", TR_CONFIG_NOT_YET)                                                               \
    W("cloudevents", TR_CONFIG_NOT_YET)                                                            \
    W("simplestring", TR_CONFIG_NOT_YET)                                                           \
    W("binary", TR_CONFIG_NOT_YET)                                                                 \
    W("connect", TR_CONFIG_NOT_YET)                                                                \
    W("clientprovided", TR_CONFIG_NOT_YET)

#define TR_WORDS_LOG_LEVEL(W)                                                                      \
    W("INFO", TR_LOG_INFO)                                                                         \
    W("ERROR", TR_LOG_ERROR)                                                                       \
    W("WARN", TR_LOG_WARN)                                                                         \
    W("DEBUG", TR_LOG_DEBUG)                                                                       \
    W("TRACE", TR_LOG_DEBUG)                                                                       \
    W("ALL", TR_LOG_DEBUG)                                                                         \
    W("FATAL", TR_LOG_ERROR)                                                                       \
    W("OFF", TR_LOG_ERROR)                                                                         \
    W("SEVERE", TR_LOG_ERROR)                                                                      \
    W("WARNING", TR_LOG_WARN)                                                                      \
    W("CONFIG", TR_LOG_INFO)                                                                       \
    W("FINE", TR_LOG_DEBUG)                                                                        \
    W("FINER", TR_LOG_DEBUG)                                                                       \
    W("FINEST", TR_LOG_DEBUG)

#define TR_WORDS_REACTOR(W)                                                                        \
    W("auto", TR_REACTOR_AUTO)                                                                     \
    W("io_uring", TR_REACTOR_IO_URING)                                                             \
    W("epoll", TR_REACTOR_EPOLL)

enum tr_config_plan {
    TR_CONFIG_PLAN_AUTO = 0,
    TR_CONFIG_PLAN_COMPACT,
    TR_CONFIG_PLAN_SPREAD,
    TR_CONFIG_PLAN_SINGLE
};
#define TR_WORDS_PLAN(W)                                                                           \
    W("auto", TR_CONFIG_PLAN_AUTO)                                                                 \
    W("compact", TR_CONFIG_PLAN_COMPACT)                                                           \
    W("spread", TR_CONFIG_PLAN_SPREAD)                                                             \
    W("single", TR_CONFIG_PLAN_SINGLE)

enum tr_config_order { TR_CONFIG_ORDER_KEY = 0, TR_CONFIG_ORDER_STREAM };
#define TR_WORDS_ORDER(W)                                                                          \
    W("key", TR_CONFIG_ORDER_KEY)                                                                  \
    W("stream", TR_CONFIG_ORDER_STREAM)

enum tr_config_streams_mode { TR_CONFIG_STREAMS_PROVISIONED = 0, TR_CONFIG_STREAMS_ON_DEMAND };
#define TR_WORDS_STREAMS_MODE(W)                                                                   \
    W("provisioned", TR_CONFIG_STREAMS_PROVISIONED)                                                \
    W("on-demand", TR_CONFIG_STREAMS_ON_DEMAND)                                                    \
    W("on_demand", TR_CONFIG_STREAMS_ON_DEMAND)

enum tr_config_hot_keys { TR_CONFIG_HOT_KEYS_RELAX = 0 };
#define TR_WORDS_HOT_KEYS(W)                                                                       \
    W("relax", TR_CONFIG_HOT_KEYS_RELAX)                                                           \
    W("aggregate", TR_CONFIG_NOT_YET)                                                              \
    W("wait", TR_CONFIG_NOT_YET)

enum tr_config_keyless { TR_CONFIG_KEYLESS_DEBEZIUM = 0 };
#define TR_WORDS_KEYLESS(W)                                                                        \
    W("debezium", TR_CONFIG_KEYLESS_DEBEZIUM)                                                      \
    W("table", TR_CONFIG_NOT_YET)                                                                  \
    W("row", TR_CONFIG_NOT_YET)

enum tr_config_key_oversize {
    TR_CONFIG_KEY_OVERSIZE_HASH = 0,
    TR_CONFIG_KEY_OVERSIZE_FAIL,
    TR_CONFIG_KEY_OVERSIZE_SEND
};
#define TR_WORDS_KEY_OVERSIZE(W)                                                                   \
    W("hash", TR_CONFIG_KEY_OVERSIZE_HASH)                                                         \
    W("fail", TR_CONFIG_KEY_OVERSIZE_FAIL)                                                         \
    W("send", TR_CONFIG_KEY_OVERSIZE_SEND)

enum tr_config_oversize { TR_CONFIG_OVERSIZE_FAIL = 0 };
#define TR_WORDS_OVERSIZE(W)                                                                       \
    W("fail", TR_CONFIG_OVERSIZE_FAIL)                                                             \
    W("trim", TR_CONFIG_NOT_YET)                                                                   \
    W("claim-check", TR_CONFIG_NOT_YET)                                                            \
    W("dead-letter", TR_CONFIG_NOT_YET)

enum tr_config_envelope_ts { TR_CONFIG_ENVELOPE_TS_WALL = 0, TR_CONFIG_ENVELOPE_TS_SOURCE };
#define TR_WORDS_ENVELOPE_TS(W)                                                                    \
    W("wall", TR_CONFIG_ENVELOPE_TS_WALL)                                                          \
    W("source", TR_CONFIG_ENVELOPE_TS_SOURCE)

enum tr_config_compat { TR_CONFIG_COMPAT_3_6 = 0 };
#define TR_WORDS_COMPAT(W)                                                                         \
    W("3.6", TR_CONFIG_COMPAT_3_6)                                                                 \
    W("3.0", TR_CONFIG_NOT_YET)                                                                    \
    W("2.3", TR_CONFIG_NOT_YET)

#endif
