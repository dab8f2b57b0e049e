// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/clock.h"
#include "stages/ship/credentials.h"
#include "stages/ship/profile.h"
#include "tests/check.h"

/* An environment of the test's own: "NAME=value" entries, NULL at the end. */
static const char *variable_of(void *self, const char *name)
{
    const char *const *entries = self;
    const size_t bytes = strlen(name);
    for (size_t i = 0; entries[i] != NULL; i++) {
        if (strncmp(entries[i], name, bytes) == 0 && entries[i][bytes] == '=') {
            return entries[i] + bytes + 1;
        }
    }
    return NULL;
}

struct directory {
    char path[64];
    char home[96]; /* "HOME=..." */
};

static void write_file(const struct directory *directory, const char *name, const char *text)
{
    char path[160];
    char next[160];
    (void)snprintf(path, sizeof(path), "%s/.aws/%s", directory->path, name);
    (void)snprintf(next, sizeof(next), "%s/.aws/%s.next", directory->path, name);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, path), 0); /* as the tools rotate it: another inode */
}

static int make_directory(void **state)
{
    static struct directory directory;
    char command[128];
    (void)snprintf(directory.path, sizeof(directory.path), "/tmp/tr_credentials_XXXXXX");
    if (mkdtemp(directory.path) == NULL) {
        return -1;
    }
    (void)snprintf(directory.home, sizeof(directory.home), "HOME=%s", directory.path);
    (void)snprintf(command, sizeof(command), "%s/.aws", directory.path);
    if (mkdir(command, 0700) != 0) {
        return -1;
    }
    *state = &directory;
    return 0;
}

static int remove_directory(void **state)
{
    const struct directory *directory = *state;
    char path[160];
    static const char *const names[] = {".aws/credentials", ".aws/config", ".aws", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory->path, names[i]);
        (void)remove(path);
    }
    return 0;
}

static enum tr_code open_with(const char **environment, struct tr_credentials_options options,
                              struct tr_credentials_source **source, struct tr_error *err)
{
    options.environment = variable_of;
    options.environment_self = environment;
    return tr_credentials_open(source, &options, err);
}

static void assert_keys(struct tr_credentials_source *source, const char *key_id,
                        const char *secret, const char *token)
{
    struct tr_credentials keys;
    tr_credentials_copy(source, &keys);
    assert_string_equal(keys.key_id, key_id);
    assert_string_equal(keys.secret, secret);
    assert_string_equal(keys.token, token);
}

static void profile_parser_reads_both_kinds_of_file(void **state)
{
    (void)state;
    static const char credentials[] =
        "\xEF\xBB\xBF# comment\r\n[other]\naws_access_key_id = WRONG\r\n"
        "[ one ]\r\n  nested = ignored\naws_access_key_id=KEY1 \r\n"
        "aws_secret_access_key =\tse#cret;x\n; aws_session_token = no\n[two]\nregion=zz\n";
    static const char config[] =
        "[one]\nregion = not-this\n[profile one]\nregion = eu-west-1 # here\n"
        "aws_access_key_id = LATER\nservices =\n  endpoint_url = http://nested\n"
        "endpoint_url = http://localhost:4566\n[sso-session one]\nregion = nope\n";
    struct tr_profile profile = {0};
    tr_profile_parse(tr_span_of_text(credentials), TR_PROFILE_CREDENTIALS, "one", &profile);
    tr_profile_parse(tr_span_of_text(config), TR_PROFILE_CONFIG, "one", &profile);
    assert_true(profile.found);
    assert_string_equal(profile.key_id, "KEY1");
    assert_string_equal(profile.secret, "se#cret;x");
    assert_string_equal(profile.token, "");
    assert_string_equal(profile.region, "eu-west-1");
    assert_string_equal(profile.endpoint_url, "http://localhost:4566");
    assert_null(profile.too_long);
}

static void profile_parser_knows_default_and_missing_sections(void **state)
{
    (void)state;
    struct tr_profile profile = {0};
    tr_profile_parse(tr_span_of_text("[default]\nregion=a-b-1"), TR_PROFILE_CONFIG, "default",
                     &profile);
    assert_true(profile.found);
    assert_string_equal(profile.region, "a-b-1");
    profile = (struct tr_profile){0};
    tr_profile_parse(tr_span_of_text("[defaul]\nregion=a\n[default\nregion=b\n=x\nregion"),
                     TR_PROFILE_CREDENTIALS, "default", &profile);
    assert_false(profile.found);
    assert_string_equal(profile.region, "");
}

static void profile_parser_notes_a_value_that_is_too_long(void **state)
{
    (void)state;
    char text[TR_AWS_KEY_ID_BYTES_MAX + 64] = "[p]\naws_access_key_id=";
    const size_t bytes = strlen(text);
    memset(text + bytes, 'A', TR_AWS_KEY_ID_BYTES_MAX + 1);
    struct tr_profile profile = {0};
    tr_profile_parse(tr_span_of_text(text), TR_PROFILE_CREDENTIALS, "p", &profile);
    assert_string_equal(profile.too_long, "aws_access_key_id");
    assert_string_equal(profile.key_id, "");
}

static void settings_outrank_the_environment(void **state)
{
    const struct directory *directory = *state;
    const char *environment[] = {"AWS_ACCESS_KEY_ID=ENVKEY", "AWS_SECRET_ACCESS_KEY=envsecret",
                                 directory->home, NULL};
    struct tr_credentials_source *source = NULL;
    struct tr_error err;
    assert_int_equal(open_with(environment,
                               (struct tr_credentials_options){.access_key_id = "SETKEY",
                                                               .secret_access_key = "setsecret",
                                                               .session_token = "t"},
                               &source, &err),
                     TR_OK);
    assert_keys(source, "SETKEY", "setsecret", "t");
    assert_string_equal(tr_credentials_origin(source), "settings");
    assert_false(tr_credentials_refresh(source, 1, 0));
    tr_credentials_close(source);

    assert_int_equal(open_with(environment,
                               (struct tr_credentials_options){.access_key_id = "SETKEY"}, &source,
                               &err),
                     TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "secret access key"));
    assert_null(source);
}

static void environment_counts_only_with_both_keys(void **state)
{
    const struct directory *directory = *state;
    struct tr_credentials_source *source = NULL;
    struct tr_error err;
    const char *both[] = {"AWS_ACCESS_KEY_ID=ENVKEY", "AWS_SECRET_ACCESS_KEY=envsecret",
                          "AWS_SESSION_TOKEN=tok+/=", directory->home, NULL};
    assert_int_equal(open_with(both, (struct tr_credentials_options){0}, &source, &err), TR_OK);
    assert_keys(source, "ENVKEY", "envsecret", "tok+/=");
    assert_string_equal(tr_credentials_origin(source), "environment");
    tr_credentials_close(source);

    const char *half[] = {"AWS_ACCESS_KEY_ID=ENVKEY", "AWS_SECRET_ACCESS_KEY=", directory->home,
                          NULL};
    assert_int_equal(open_with(half, (struct tr_credentials_options){0}, &source, &err),
                     TR_ERR_SINK_AUTH);
    assert_non_null(strstr(err.text, "AWS_SECRET_ACCESS_KEY"));
}

static void profile_is_found_by_setting_variable_and_default(void **state)
{
    const struct directory *directory = *state;
    struct tr_credentials_source *source = NULL;
    struct tr_error err;
    write_file(directory, "credentials",
               "[default]\naws_access_key_id=D\naws_secret_access_key=d\n"
               "[p]\naws_access_key_id=P\naws_secret_access_key=p\naws_session_token=pt\n");
    write_file(directory, "config", "[profile q]\naws_access_key_id=Q\naws_secret_access_key=q\n");
    const char *plain[] = {directory->home, NULL};
    const char *named[] = {directory->home, "AWS_PROFILE=p", NULL};
    const char *keyed[] = {directory->home, "AWS_ACCESS_KEY_ID=ENVKEY", "AWS_SECRET_ACCESS_KEY=s",
                           NULL};

    assert_int_equal(open_with(plain, (struct tr_credentials_options){0}, &source, &err), TR_OK);
    assert_keys(source, "D", "d", "");
    assert_string_equal(tr_credentials_origin(source), "profile default");
    tr_credentials_close(source);
    assert_int_equal(open_with(named, (struct tr_credentials_options){0}, &source, &err), TR_OK);
    assert_keys(source, "P", "p", "pt");
    tr_credentials_close(source);
    /* An explicit profile outranks the environment's keys. */
    assert_int_equal(
        open_with(keyed, (struct tr_credentials_options){.profile = "q"}, &source, &err), TR_OK);
    assert_keys(source, "Q", "q", "");
    tr_credentials_close(source);
    assert_int_equal(
        open_with(plain, (struct tr_credentials_options){.profile = "none"}, &source, &err),
        TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "\"none\""));
}

static void unsupported_sources_are_refused_by_name(void **state)
{
    const struct directory *directory = *state;
    struct tr_credentials_source *source = NULL;
    struct tr_error err;
    write_file(directory, "credentials", "[half]\naws_access_key_id=H\n[empty]\n");
    write_file(
        directory, "config",
        "[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n"
        "[profile web]\nweb_identity_token_file = /x\n[profile sso]\nsso_start_url = https://x\n"
        "[profile process]\ncredential_process = /bin/x\n");
    static const char *const cases[][2] = {
        {"role", "role_arn"},
        {"web", "web_identity_token_file"},
        {"sso", "SSO"},
        {"process", "credential_process"},
        {"half", "aws_secret_access_key is missing"},
        {"empty", "has no keys"},
    };
    const char *plain[] = {directory->home, NULL};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(open_with(plain, (struct tr_credentials_options){.profile = cases[i][0]},
                                   &source, &err),
                         TR_ERR_CONFIG);
        assert_non_null(strstr(err.text, cases[i][1]));
        assert_int_equal(err.remedy, TR_STOP);
    }
    const char *web[] = {directory->home, "AWS_WEB_IDENTITY_TOKEN_FILE=/x", NULL};
    assert_int_equal(open_with(web, (struct tr_credentials_options){0}, &source, &err),
                     TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "AWS_WEB_IDENTITY_TOKEN_FILE"));
    const char *container[] = {directory->home, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://x",
                               NULL};
    assert_int_equal(open_with(container, (struct tr_credentials_options){0}, &source, &err),
                     TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "AWS_CONTAINER_CREDENTIALS_FULL_URI"));
}

static void rotated_file_is_read_again_after_a_refusal(void **state)
{
    const struct directory *directory = *state;
    struct tr_credentials_source *source = NULL;
    struct tr_error err;
    write_file(directory, "credentials",
               "[default]\naws_access_key_id=A\naws_secret_access_key=a\n");
    const char *plain[] = {directory->home, NULL};
    assert_int_equal(open_with(plain, (struct tr_credentials_options){0}, &source, &err), TR_OK);
    assert_int_equal(tr_credentials_generation(source), 1);
    assert_false(tr_credentials_refresh(source, 1, 10 * TR_NS_PER_S)); /* nothing has changed */

    write_file(directory, "credentials",
               "[default]\naws_access_key_id=B\naws_secret_access_key=bb\n");
    assert_false(
        tr_credentials_refresh(source, 1, 10 * TR_NS_PER_S + 1)); /* at most once a second */
    assert_true(tr_credentials_refresh(source, 1, 11 * TR_NS_PER_S));
    assert_int_equal(tr_credentials_generation(source), 2);
    assert_keys(source, "B", "bb", "");
    /* Another signer that still holds generation 1 needs no further read. */
    assert_true(tr_credentials_refresh(source, 1, 11 * TR_NS_PER_S + 1));
    assert_int_equal(tr_credentials_generation(source), 2);

    write_file(directory, "credentials", "[default]\naws_access_key_id=C\n");
    assert_false(
        tr_credentials_refresh(source, 2, 20 * TR_NS_PER_S)); /* broken: the old keys stay */
    assert_keys(source, "B", "bb", "");
    tr_credentials_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_parser_reads_both_kinds_of_file),
        cmocka_unit_test(profile_parser_knows_default_and_missing_sections),
        cmocka_unit_test(profile_parser_notes_a_value_that_is_too_long),
        cmocka_unit_test_setup_teardown(settings_outrank_the_environment, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(environment_counts_only_with_both_keys, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(profile_is_found_by_setting_variable_and_default,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(unsupported_sources_are_refused_by_name, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(rotated_file_is_read_again_after_a_refusal, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
