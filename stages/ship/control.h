// SPDX-License-Identifier: Apache-2.0
/*
 * The control and reading calls of Kinesis: request bodies, and answers parsed into structs.
 *
 * Nothing here sends: a caller writes a body, hands it to a transport, and parses what comes back.
 * Parsers are total: any bytes give a value or TR_ERR_PROTOCOL. Members that are not known are
 * skipped, a member that is null is absent. Texts in results are borrowed from the answer or the
 * reader until the reader's next begin, or copied where the field is an array.
 *
 * Source: Amazon Kinesis Data Streams API Reference, version 2013-12-02.
 * @thread one at a time per body and reader
 */
#ifndef TR_STAGES_SHIP_CONTROL_H
#define TR_STAGES_SHIP_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "engine/json.h"

#define TR_KINESIS_STREAM_NAME_BYTES_MAX 128
#define TR_KINESIS_SHARD_ID_BYTES_MAX 128
#define TR_KINESIS_ITERATOR_BYTES_MAX 2048 /* documented as 512 */
#define TR_KINESIS_TOKEN_BYTES_MAX 16384   /* of NextToken: documented without a useful limit */
#define TR_KINESIS_SEQUENCE_BYTES_MAX 129
#define TR_LIST_SHARDS_RESULTS 500 /* per page, so that it fits the transport's answer buffer */
#define TR_CONTROL_BODY_BYTES_MAX (TR_KINESIS_TOKEN_BYTES_MAX * 2 + 1024)

/* A point among 2^128: MD5 of a partition key, or an end of a shard's range. (Rule zero: a typedef,
 * because the type cannot be spelled without the extension mark.) */
__extension__ typedef unsigned __int128 tr_hash_key;

#define TR_HASH_KEY_MAX (~(tr_hash_key)0)

/* A request body; its bytes are the caller's until the call is done. */
struct tr_control_body {
    size_t bytes;
    char text[TR_CONTROL_BODY_BYTES_MAX];
};

static inline struct tr_span tr_control_body_span(const struct tr_control_body *body)
{
    return tr_span_of(body->text, body->bytes);
}

/* Whether Kinesis can have a stream of that name: 1..128 of letters, digits, '_', '.', '-'. */
bool tr_kinesis_stream_name_is_valid(const char *name);

enum tr_stream_status {
    TR_STREAM_OTHER = 0, /* a status that is not known */
    TR_STREAM_CREATING,
    TR_STREAM_DELETING,
    TR_STREAM_ACTIVE,
    TR_STREAM_UPDATING,
};

struct tr_stream_summary {
    enum tr_stream_status status;
    bool is_on_demand;
    bool is_encrypted; /* by a key of KMS */
    uint32_t open_shard_count;
    uint32_t retention_hours;
    uint32_t max_record_kib; /* 1024 where the service says nothing */
};

/* What a stream that is created shall be like. */
struct tr_stream_wish {
    uint32_t shard_count;     /* 0: on-demand capacity */
    uint32_t retention_hours; /* 0: the service's 24 */
    const char *
        tags; /* "name=value,name=value", checked with the configuration; NULL or empty: none; borrowed */
};

#define TR_KINESIS_TAGS_MAX 50
#define TR_KINESIS_RETENTION_HOURS_DEFAULT 24

struct tr_shard {
    char id[TR_KINESIS_SHARD_ID_BYTES_MAX + 1];
    char parent_id[TR_KINESIS_SHARD_ID_BYTES_MAX + 1];          /* empty: none */
    char adjacent_parent_id[TR_KINESIS_SHARD_ID_BYTES_MAX + 1]; /* empty: none */
    tr_hash_key first_key;                                      /* of its range, inclusive */
    tr_hash_key last_key;                                       /* inclusive */
    bool is_closed; /* takes no records any more; may still be read */
};

/* Filled page by page. */
struct tr_shard_list {
    struct tr_shard *shards; /* the caller's */
    uint32_t shard_count;
    uint32_t shards_max;
    char next_token[TR_KINESIS_TOKEN_BYTES_MAX + 1]; /* empty: the last page was parsed */
};

enum tr_iterator_type {
    TR_ITERATOR_TRIM_HORIZON = 0,
    TR_ITERATOR_LATEST,
    TR_ITERATOR_AT_TIMESTAMP,
    TR_ITERATOR_AT_SEQUENCE,
    TR_ITERATOR_AFTER_SEQUENCE,
};

struct tr_iterator_request {
    const char *stream;
    const char *shard_id;
    enum tr_iterator_type type;
    const char *sequence;      /* for AT_SEQUENCE and AFTER_SEQUENCE */
    int64_t timestamp_unix_ms; /* for AT_TIMESTAMP */
};

/* One record as it lies in a shard. Borrowed during the callback. */
struct tr_kinesis_record {
    struct tr_span sequence;
    struct tr_span partition_key;
    struct tr_span data_base64;
    double arrival_unix_s;
};

/* Called for each record in order; false ends the parsing with failure. */
typedef bool tr_on_kinesis_record(void *self, const struct tr_kinesis_record *record);

struct tr_records_page {
    uint32_t record_count;
    int64_t behind_ms; /* MillisBehindLatest */
    bool has_next;     /* false: the shard is closed and was read to its end */
    char next_iterator[TR_KINESIS_ITERATOR_BYTES_MAX + 1];
};

/* An error answer. */
struct tr_kinesis_failure {
    char type[96]; /* bare name; empty: none was sent */
    char message[512];
};

/* --- request bodies: `stream` is a valid name ------------------------------------------------ */

void tr_control_write_describe_stream_summary(struct tr_control_body *body, const char *stream);

/* The first page (`next_token` NULL or empty), or the one of a token. */
void tr_control_write_list_shards(struct tr_control_body *body, const char *stream,
                                  const char *next_token);

/* Mode, shards and tags; the retention has a call of its own. Its tags are valid. */
void tr_control_write_create_stream(struct tr_control_body *body, const char *stream,
                                    const struct tr_stream_wish *wish);

/* IncreaseStreamRetentionPeriod: 24 to 8,760 hours. */
void tr_control_write_increase_retention(struct tr_control_body *body, const char *stream,
                                         uint32_t hours);

/* ListTagsForStream: the first ones, at most TR_KINESIS_TAGS_MAX. */
void tr_control_write_list_tags(struct tr_control_body *body, const char *stream);

/* Names after `start_after` (NULL or empty: from the beginning). */
void tr_control_write_list_streams(struct tr_control_body *body, const char *start_after);

void tr_control_write_get_shard_iterator(struct tr_control_body *body,
                                         const struct tr_iterator_request *request);

/* At most `record_count_max` records, 1..10,000. */
void tr_control_write_get_records(struct tr_control_body *body, const char *iterator,
                                  uint32_t record_count_max);

/* --- answers with status 200 ----------------------------------------------------------------- */

/* Errors of all parsers: TR_ERR_PROTOCOL, TR_RETRY, when the text is not such an answer. */
TR_NODISCARD enum tr_code tr_control_parse_stream_summary(struct tr_json_reader *reader,
                                                          struct tr_span answer,
                                                          struct tr_stream_summary *summary,
                                                          struct tr_error *err);

/* Appends one page to `list` and sets its next_token. Also TR_ERR_MEMORY_LIMIT beyond shards_max.
 */
TR_NODISCARD enum tr_code tr_control_parse_shards(struct tr_json_reader *reader,
                                                  struct tr_span answer, struct tr_shard_list *list,
                                                  struct tr_error *err);

/*
 * Calls `on_name` for each stream, `name` borrowed during the call: for each of the names with
 * `status` NULL, and once more with it where the service sends summaries beside them. `*has_more`
 * says whether a further page exists.
 */
typedef void tr_on_stream_name(void *self, struct tr_span name,
                               const enum tr_stream_status *status);
TR_NODISCARD enum tr_code tr_control_parse_streams(struct tr_json_reader *reader,
                                                   struct tr_span answer,
                                                   tr_on_stream_name *on_name, void *self,
                                                   bool *has_more, struct tr_error *err);

/* Calls `on_tag` for each tag. */
typedef void tr_on_stream_tag(void *self, struct tr_span name, struct tr_span value);
TR_NODISCARD enum tr_code tr_control_parse_tags(struct tr_json_reader *reader,
                                                struct tr_span answer, tr_on_stream_tag *on_tag,
                                                void *self, struct tr_error *err);

/* Copies the iterator into `out`, which has room for TR_KINESIS_ITERATOR_BYTES_MAX + 1. */
TR_NODISCARD enum tr_code tr_control_parse_shard_iterator(struct tr_json_reader *reader,
                                                          struct tr_span answer, char *out,
                                                          struct tr_error *err);

TR_NODISCARD enum tr_code tr_control_parse_records(struct tr_json_reader *reader,
                                                   struct tr_span answer,
                                                   struct tr_records_page *page,
                                                   tr_on_kinesis_record *on_record, void *self,
                                                   struct tr_error *err);

/* --- answers with another status ------------------------------------------------------------- */

/*
 * Name and text of an error; `header_type` is the answer's x-amzn-ErrorType, which outranks the
 * body. Never fails: what cannot be read is empty. Characters that are not printable become '?'.
 */
void tr_control_parse_failure(struct tr_json_reader *reader, struct tr_span answer,
                              const char *header_type, struct tr_kinesis_failure *failure);

/* --- shard maps ------------------------------------------------------------------------------ */

/* A decimal number below 2^128; false for any other text. */
bool tr_hash_key_parse(struct tr_span text, tr_hash_key *key);

/*
 * Drops the closed shards and sorts the others by range. Returns whether they cover all keys
 * without gap or overlap; while a stream is being resharded they may not: keep the old map then and
 * ask again.
 */
bool tr_shard_list_keep_open(struct tr_shard_list *list);

#endif
