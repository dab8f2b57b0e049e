// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "stages/ship/endpoint.h"
#include "tests/check.h"

static const char *const nothing[] = {NULL};

static const char *variable_of(void *self, const char *name)
{
    const char *const *const *entries = self;
    const size_t bytes = strlen(name);
    for (size_t i = 0; (*entries)[i] != NULL; i++) {
        if (strncmp((*entries)[i], name, bytes) == 0 && (*entries)[i][bytes] == '=') {
            return (*entries)[i] + bytes + 1;
        }
    }
    return NULL;
}

static enum tr_code resolve(const char *const *environment, const char *region, const char *url,
                            struct tr_endpoint *endpoint, struct tr_error *err)
{
    const struct tr_endpoint_options options = {.region = region,
                                                .endpoint = url,
                                                .environment = variable_of,
                                                .environment_self = &environment};
    return tr_endpoint_resolve(endpoint, &options, err);
}

static void regional_hosts_follow_the_partition(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"eu-central-1", "kinesis.eu-central-1.amazonaws.com"},
        {"cn-north-1", "kinesis.cn-north-1.amazonaws.com.cn"},
        {"us-gov-west-1", "kinesis.us-gov-west-1.amazonaws.com"},
        {"us-iso-east-1", "kinesis.us-iso-east-1.c2s.ic.gov"},
        {"us-isob-east-1", "kinesis.us-isob-east-1.sc2s.sgov.gov"},
        {"us-isof-south-1", "kinesis.us-isof-south-1.csp.hci.ic.gov"},
        {"eu-isoe-west-1", "kinesis.eu-isoe-west-1.cloud.adc-e.uk"},
        {"eusc-de-east-1", "kinesis.eusc-de-east-1.amazonaws.eu"},
        {"zz-new-9", "kinesis.zz-new-9.amazonaws.com"},
    };
    struct tr_endpoint endpoint;
    struct tr_error err;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(resolve(nothing, expected[i][0], NULL, &endpoint, &err), TR_OK);
        assert_string_equal(endpoint.host, expected[i][1]);
        assert_string_equal(endpoint.region, expected[i][0]);
        assert_true(endpoint.is_tls);
        assert_false(endpoint.is_override);
    }
    assert_string_equal(endpoint.url, "https://kinesis.zz-new-9.amazonaws.com/");
}

static void fips_and_dual_stack_are_honoured_where_they_exist(void **state)
{
    (void)state;
    static const char *const fips[] = {"AWS_USE_FIPS_ENDPOINT=true", NULL};
    static const char *const dual[] = {"AWS_USE_DUALSTACK_ENDPOINT=TRUE",
                                       "AWS_USE_FIPS_ENDPOINT=false", NULL};
    struct tr_endpoint endpoint;
    struct tr_error err;
    assert_int_equal(resolve(fips, "us-east-1", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.host, "kinesis-fips.us-east-1.amazonaws.com");
    assert_int_equal(resolve(fips, "us-gov-east-1", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.host, "kinesis.us-gov-east-1.amazonaws.com");
    assert_int_equal(resolve(dual, "us-east-1", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.host, "kinesis.us-east-1.api.aws");
    assert_int_equal(resolve(dual, "us-iso-east-1", NULL, &endpoint, &err), TR_ERR_CONFIG);
}

static void region_comes_from_setting_then_environment_and_is_required(void **state)
{
    (void)state;
    static const char *const both[] = {"AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-1",
                                       NULL};
    static const char *const older[] = {"AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=", NULL};
    struct tr_endpoint endpoint;
    struct tr_error err;
    assert_int_equal(resolve(both, "eu-west-3", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.region, "eu-west-3");
    assert_int_equal(resolve(both, "", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.region, "eu-west-1");
    assert_int_equal(resolve(older, NULL, NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.region, "eu-west-2");
    assert_int_equal(resolve(nothing, NULL, NULL, &endpoint, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "sink.kinesis.region"));
    assert_int_equal(resolve(nothing, "eu west", NULL, &endpoint, &err), TR_ERR_CONFIG);
    assert_int_equal(resolve(nothing, "evil.example/", NULL, &endpoint, &err), TR_ERR_CONFIG);
}

static void override_shows_the_port_unless_it_is_the_default(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *host;
        bool is_tls;
    } expected[] = {
        {"http://localhost:4566", "localhost:4566", false},
        {"http://LOCALSTACK:80/", "localstack", false},
        {"https://vpce-1.example:443", "vpce-1.example", true},
        {"HTTPS://a.b", "a.b", true},
        {"https://127.0.0.1:80", "127.0.0.1:80", true},
        {"http://[::1]:4567/", "[::1]:4567", false},
    };
    struct tr_endpoint endpoint;
    struct tr_error err;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(resolve(nothing, "eu-west-1", expected[i].url, &endpoint, &err), TR_OK);
        assert_string_equal(endpoint.host, expected[i].host);
        assert_int_equal(endpoint.is_tls, expected[i].is_tls);
        assert_true(endpoint.is_override);
    }
    assert_string_equal(endpoint.url, "http://[::1]:4567/");
}

static void malformed_overrides_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "localhost:4566", "ftp://a",        "http://",      "http:///",
        "http://a:0",     "http://a:65536", "http://a:b",   "http://a:",
        "http://a/path",  "http://a?x=1",   "http://[::1",  "http://user:secret@a",
        "http://a b",     "http://a//",     "http://[]:80", "http://a:000080",
    };
    struct tr_endpoint endpoint;
    struct tr_error err;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(resolve(nothing, "eu-west-1", urls[i], &endpoint, &err), TR_ERR_CONFIG);
        assert_non_null(strstr(err.text, "sink.kinesis.endpoint"));
        assert_null(strstr(err.text, "secret"));
    }
}

static void override_comes_from_setting_then_environment(void **state)
{
    (void)state;
    static const char *const both[] = {"AWS_ENDPOINT_URL=http://all:1",
                                       "AWS_ENDPOINT_URL_KINESIS=http://one:2", NULL};
    static const char *const all[] = {"AWS_ENDPOINT_URL=http://all:1", NULL};
    static const char *const ignored[] = {"AWS_ENDPOINT_URL=http://all:1",
                                          "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", NULL};
    struct tr_endpoint endpoint;
    struct tr_error err;
    assert_int_equal(resolve(both, "eu-west-1", "http://set:3", &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.host, "set:3");
    assert_int_equal(resolve(both, "eu-west-1", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.host, "one:2");
    assert_int_equal(resolve(all, "eu-west-1", NULL, &endpoint, &err), TR_OK);
    assert_string_equal(endpoint.host, "all:1");
    assert_int_equal(resolve(ignored, "eu-west-1", NULL, &endpoint, &err), TR_OK);
    assert_false(endpoint.is_override);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regional_hosts_follow_the_partition),
        cmocka_unit_test(fips_and_dual_stack_are_honoured_where_they_exist),
        cmocka_unit_test(region_comes_from_setting_then_environment_and_is_required),
        cmocka_unit_test(override_shows_the_port_unless_it_is_the_default),
        cmocka_unit_test(malformed_overrides_are_refused_by_name),
        cmocka_unit_test(override_comes_from_setting_then_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
