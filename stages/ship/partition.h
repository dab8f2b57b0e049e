// SPDX-License-Identifier: Apache-2.0
/*
 * Partition keys: what is sent for a record's key, and where the service will put it.
 *
 * Debezium Server sends the serialized key as it is, and `default` for a record without one. Kinesis takes 1 to 256
 * Unicode characters; a longer key is replaced by the SHA-256 of its bytes in lower-case hex, so that equal keys stay
 * equal.
 *
 * The shard is the one whose range holds the MD5 of the partition key, read as a 128-bit big-endian number (kinesis §5.1).
 */
#ifndef TR_STAGES_SHIP_PARTITION_H
#define TR_STAGES_SHIP_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/ship/control.h"

#define TR_PARTITION_KEY_CHARACTERS_MAX                                                            \
    256                              /* PutRecords: PartitionKey, 1..256 Unicode characters */
#define TR_PARTITION_DIGEST_BYTES 64 /* SHA-256 in hex */

struct tr_digest; /* the two hash functions with a context each; opaque */

/* Errors: TR_ERR_SYSTEM when the crypto library has no MD5 or SHA-256 (a FIPS-only build). */
TR_NODISCARD enum tr_code tr_digest_open(struct tr_digest **digest, struct tr_error *err);
/* Accepts NULL. */
void tr_digest_close(struct tr_digest *digest);

/* MD5 of a partition key. @thread the digest's owner */
tr_hash_key tr_digest_md5(struct tr_digest *digest, struct tr_span bytes);

/* SHA-256 as TR_PARTITION_DIGEST_BYTES lower-case hex digits, without NUL. @thread the digest's owner */
void tr_digest_sha256_hex(struct tr_digest *digest, struct tr_span bytes, char *hex);

/* Whether the key has more characters than Kinesis takes. Bytes that are no UTF-8 count one each. */
bool tr_partition_key_is_oversize(struct tr_span key);

#endif
