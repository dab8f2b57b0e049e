// SPDX-License-Identifier: Apache-2.0
/*
 * `tailrace tail STREAM`: prints a stream's records, one line each.
 *
 * All shards are read, parents before their children; a shard that is closed is followed to its
 * children. Each shard is asked at most five times a second while it is behind and once a second at
 * its tip: the service's five reads a second are shared with all other consumers of the shard.
 * Needed rights: kinesis:ListShards, kinesis:GetShardIterator, kinesis:GetRecords.
 *
 * @thread the main thread
 */
#ifndef TR_ENGINE_APP_APP_TAIL_H
#define TR_ENGINE_APP_APP_TAIL_H

#include <stdio.h>

#include "engine/app/app_kinesis.h"
#include "stages/ship/control.h"

struct tr_app_tail_options {
    const char *stream;
    enum tr_iterator_type start; /* TRIM_HORIZON, LATEST or AT_TIMESTAMP */
    int64_t start_unix_ms;       /* with AT_TIMESTAMP */
    uint64_t limit;              /* records to print; 0: no limit */
    bool ends_at_tip;            /* --no-follow */
    bool with_keys;              /* --keys: JSON lines with key, shard and sequence number */
    FILE *out;
};

/* A GetRecords answer has up to 10 MiB of data, in base64, with 10,000 keys. */
#define TR_APP_TAIL_ANSWER_BYTES_MAX ((size_t)24 * 1024 * 1024)

/*
 * Prints until the limit, the tip (--no-follow) or until the client is stopping; these are TR_OK.
 * A record is printed as its text, a tombstone (no data) as `null`. With keys a line is
 * {"partitionKey":…,"shardId":…,"sequenceNumber":…,"data":…}, data as JSON if it is an object, else
 * as a string. An aggregate (KPL) is taken apart: each record in it is a line and counts for the limit; with keys it
 * also has its subSequenceNumber.
 * Errors: those of tr_kinesis_call(); TR_ERR_SYSTEM when `out` cannot be written.
 */
TR_NODISCARD enum tr_code tr_app_tail_run(struct tr_kinesis_client *client,
                                          const struct tr_app_tail_options *options,
                                          struct tr_error *err);

/* tr_app_tail_run() with a session of its own. */
TR_NODISCARD enum tr_code tr_app_tail(const struct tr_app_kinesis_options *kinesis,
                                      const struct tr_app_tail_options *options,
                                      struct tr_error *err);

/* A time as --from takes it: 2026-01-15T12:00:00Z, with an optional fraction, or seconds since 1970.
 */
bool tr_app_tail_parse_time(const char *text, int64_t *unix_ms);

#endif
