// SPDX-License-Identifier: Apache-2.0
/*
 * Which region, which host: an AWS regional endpoint by partition, or an override.
 *
 * Region:   setting, AWS_REGION, AWS_DEFAULT_REGION, the profile's region; without one it is an
 * error. Endpoint: setting, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, the profile's endpoint_url;
 * else kinesis[-fips].REGION.SUFFIX. Plain HTTP only where the override itself says http://.
 *
 * Source: AWS endpoint partitions (botocore's partitions.json); AWS SDKs and Tools Reference Guide,
 * "Service-specific endpoints".
 */
#ifndef TR_STAGES_SHIP_ENDPOINT_H
#define TR_STAGES_SHIP_ENDPOINT_H

#include <stdbool.h>

#include "engine/error.h"
#include "stages/ship/credentials.h"
#include "stages/ship/profile_files.h"

#define TR_REGION_BYTES_MAX 63
#define TR_HOST_BYTES_MAX 270 /* a name of 253 bytes, or an address in brackets, and ":65535" */

struct tr_endpoint_options {
    const char *region;   /* setting; NULL or empty = not set */
    const char *endpoint; /* setting: "http[s]://host[:port]"; NULL or empty = not set */
    const char
        *profile; /* setting: profile to take region and endpoint_url from; NULL = by environment */
    tr_environment_get *environment; /* read during the call only */
    void *environment_self;
};

struct tr_endpoint {
    char region[TR_REGION_BYTES_MAX + 1];
    char host[TR_HOST_BYTES_MAX +
              1]; /* as in the Host header: the port is shown unless it is the default */
    char url[TR_HOST_BYTES_MAX + 16]; /* scheme://host/ */
    bool is_tls;
    bool is_override;
};

/*
 * Resolves region and host. Errors: TR_ERR_CONFIG, TR_STOP (no region; a malformed region or
 * endpoint; a combination that does not exist: FIPS or dual-stack in a partition without), and
 * those of reading the profile.
 */
TR_NODISCARD enum tr_code tr_endpoint_resolve(struct tr_endpoint *endpoint,
                                              const struct tr_endpoint_options *options,
                                              struct tr_error *err);

#endif
