// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "engine/assert.h"

/* Longest prefix first where one is the beginning of another. Source: botocore partitions.json. */
static const struct partition {
    const char *prefix;
    const char *suffix;
    const char *dual_suffix; /* NULL = none published for Kinesis */
} partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"us-gov-", "amazonaws.com", "api.aws"},
    {"us-isob-", "sc2s.sgov.gov", NULL},
    {"us-isof-", "csp.hci.ic.gov", NULL},
    {"us-iso-", "c2s.ic.gov", NULL},
    {"eu-isoe-", "cloud.adc-e.uk", NULL},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"", "amazonaws.com", "api.aws"}, /* partition aws, and regions newer than this table */
};

static enum tr_code find_region(struct tr_endpoint *endpoint,
                                const struct tr_endpoint_options *options,
                                const struct tr_profile *profile, struct tr_error *err);
static const char *find_override(const struct tr_endpoint_options *options,
                                 const struct tr_profile *profile, const char **origin);
static enum tr_code take_override(struct tr_endpoint *endpoint, const char *url, const char *origin,
                                  struct tr_error *err);
static enum tr_code take_regional(struct tr_endpoint *endpoint,
                                  const struct tr_endpoint_options *options, struct tr_error *err);

static const char *variable(const struct tr_endpoint_options *options, const char *name)
{
    const char *value = options->environment(options->environment_self, name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool variable_is_true(const struct tr_endpoint_options *options, const char *name)
{
    const char *value = variable(options, name);
    return value != NULL && strcasecmp(value, "true") == 0;
}

enum tr_code tr_endpoint_resolve(struct tr_endpoint *endpoint,
                                 const struct tr_endpoint_options *options, struct tr_error *err)
{
    struct tr_profile_files files;
    struct tr_profile profile;
    const char *origin = NULL;

    TR_ASSERT(options->environment != NULL);
    *endpoint = (struct tr_endpoint){0};
    if (tr_profile_files_find(&files, options->profile, options->environment,
                              options->environment_self, err) != TR_OK ||
        tr_profile_files_read(&files, &profile, err) != TR_OK) {
        return err->code;
    }
    enum tr_code code = find_region(endpoint, options, &profile, err);
    if (code == TR_OK) {
        const char *override = find_override(options, &profile, &origin);
        code = override != NULL ? take_override(endpoint, override, origin, err)
                                : take_regional(endpoint, options, err);
    }
    explicit_bzero(&profile, sizeof(profile)); /* it holds keys too */
    return code;
}

static enum tr_code find_region(struct tr_endpoint *endpoint,
                                const struct tr_endpoint_options *options,
                                const struct tr_profile *profile, struct tr_error *err)
{
    const char *region =
        options->region != NULL && options->region[0] != '\0' ? options->region : NULL;
    region = region != NULL ? region : variable(options, "AWS_REGION");
    region = region != NULL ? region : variable(options, "AWS_DEFAULT_REGION");
    region = region != NULL ? region : profile->region;
    const size_t bytes = strlen(region);
    if (bytes == 0) {
        return TR_FAIL(
            err, TR_ERR_CONFIG, TR_STOP,
            "AWS region: not set: set debezium.sink.kinesis.region, AWS_REGION or the profile's "
            "region, for example "
            "eu-central-1");
    }
    if (bytes > TR_REGION_BYTES_MAX ||
        strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != bytes) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "AWS region = \"%.80s\": want lower-case letters, digits and '-', for "
                       "example eu-central-1",
                       region);
    }
    memcpy(endpoint->region, region, bytes + 1);
    return TR_OK;
}

/* The override that counts, or NULL; `origin` names it. */
static const char *find_override(const struct tr_endpoint_options *options,
                                 const struct tr_profile *profile, const char **origin)
{
    static const char *const variables[] = {"AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL"};
    if (options->endpoint != NULL && options->endpoint[0] != '\0') {
        *origin = "debezium.sink.kinesis.endpoint";
        return options->endpoint;
    }
    if (variable_is_true(options, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *url = variable(options, variables[i]);
        if (url != NULL) {
            *origin = variables[i];
            return url;
        }
    }
    *origin = "endpoint_url of the AWS profile";
    return profile->endpoint_url[0] != '\0' ? profile->endpoint_url : NULL;
}

static enum tr_code refuse_override(const char *url, const char *origin, struct tr_error *err)
{
    /* A user name or password in a URL is a secret: nothing of such a value is shown. */
    return TR_FAIL(
        err, TR_ERR_CONFIG, TR_STOP,
        "%s = \"%.120s\": want http://host:port or https://host[:port], without path or user",
        origin, strchr(url, '@') != NULL ? "***" : url);
}

/* 1..65535, or 0 for anything else. */
static unsigned port_of(const char *text)
{
    unsigned port = 0;
    if (text[0] == '\0' || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text)) {
        return 0;
    }
    for (const char *digit = text; *digit != '\0'; digit++) {
        port = port * 10 + (unsigned)(*digit - '0');
    }
    return port <= 65535 ? port : 0;
}

static enum tr_code take_override(struct tr_endpoint *endpoint, const char *url, const char *origin,
                                  struct tr_error *err)
{
    char authority[TR_HOST_BYTES_MAX + 1];
    const char *rest = NULL;
    if (strncasecmp(url, "https://", 8) == 0) {
        endpoint->is_tls = true;
        rest = url + 8;
    } else if (strncasecmp(url, "http://", 7) == 0) {
        rest = url + 7;
    } else {
        return refuse_override(url, origin, err);
    }
    size_t bytes = strlen(rest);
    if (bytes > 0 && rest[bytes - 1] == '/') {
        bytes--;
    }
    if (bytes == 0 || bytes >= sizeof(authority)) {
        return refuse_override(url, origin, err);
    }
    memcpy(authority, rest, bytes);
    authority[bytes] = '\0';

    /* host, or [address]; then an optional port */
    char *port_text = NULL;
    size_t host_bytes = 0;
    if (authority[0] == '[') {
        host_bytes = 1 + strspn(authority + 1, "0123456789abcdefABCDEF:.");
        if (host_bytes < 3 || authority[host_bytes] != ']') {
            return refuse_override(url, origin, err);
        }
        host_bytes++;
    } else {
        host_bytes =
            strspn(authority, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    }
    if (host_bytes == 0 || (authority[host_bytes] != '\0' && authority[host_bytes] != ':')) {
        return refuse_override(url, origin, err);
    }
    if (authority[host_bytes] == ':') {
        authority[host_bytes] = '\0';
        port_text = authority + host_bytes + 1;
    }
    for (size_t i = 0; i < host_bytes; i++) {
        if (authority[i] >= 'A' && authority[i] <= 'Z') {
            authority[i] = (char)(authority[i] - 'A' + 'a');
        }
    }
    const unsigned default_port = endpoint->is_tls ? 443 : 80;
    const unsigned port = port_text == NULL ? default_port : port_of(port_text);
    if (port == 0) {
        return refuse_override(url, origin, err);
    }
    int written = 0;
    if (port == default_port) {
        written = snprintf(endpoint->host, sizeof(endpoint->host), "%s", authority);
    } else {
        written = snprintf(endpoint->host, sizeof(endpoint->host), "%s:%u", authority, port);
    }
    if (written < 0 || (size_t)written >= sizeof(endpoint->host)) {
        return refuse_override(url, origin, err);
    }
    (void)snprintf(endpoint->url, sizeof(endpoint->url), "%s://%s/",
                   endpoint->is_tls ? "https" : "http", endpoint->host);
    endpoint->is_override = true;
    return TR_OK;
}

static enum tr_code take_regional(struct tr_endpoint *endpoint,
                                  const struct tr_endpoint_options *options, struct tr_error *err)
{
    const struct partition *partition = partitions;
    while (strncmp(endpoint->region, partition->prefix, strlen(partition->prefix)) != 0) {
        partition++; /* ends: the last prefix is empty */
    }
    const bool is_dual = variable_is_true(options, "AWS_USE_DUALSTACK_ENDPOINT");
    const bool is_gov = strcmp(partition->prefix, "us-gov-") == 0;
    /* In GovCloud the plain host is the FIPS host. */
    const bool is_fips = variable_is_true(options, "AWS_USE_FIPS_ENDPOINT") && !is_gov;
    const char *suffix = is_dual ? partition->dual_suffix : partition->suffix;
    if (suffix == NULL) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "AWS_USE_DUALSTACK_ENDPOINT = true: region %s has no dual-stack endpoint: "
                       "unset it, or set "
                       "debezium.sink.kinesis.endpoint",
                       endpoint->region);
    }
    (void)snprintf(endpoint->host, sizeof(endpoint->host), "%s.%s.%s",
                   is_fips ? "kinesis-fips" : "kinesis", endpoint->region, suffix);
    (void)snprintf(endpoint->url, sizeof(endpoint->url), "https://%s/", endpoint->host);
    endpoint->is_tls = true;
    return TR_OK;
}
