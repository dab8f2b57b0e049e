// SPDX-License-Identifier: Apache-2.0
#include "engine/app/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tr_command_call call;
static struct tr_error err;

/* Parses words that end with NULL; they must outlive the call's use. */
static enum tr_code parse(char **words)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return tr_command_parse(&call, count, words, &err);
}

static void command_options_take_values_in_both_spellings(void **state)
{
    (void)state;
    char *separate[] = {"tailrace", "config", "-c", "a.properties", "--defaults", NULL};
    assert_int_equal(parse(separate), TR_OK);
    assert_string_equal(call.command->name, "config");
    assert_string_equal(tr_command_value(&call, "-c"), "a.properties");
    assert_string_equal(tr_command_value(&call, "--defaults"), "");
    char *repeated[] = {"tailrace", "config", "-c", "a", "-c", "b", NULL};
    assert_int_equal(parse(repeated), TR_OK);
    assert_string_equal(tr_command_value(&call, "-c"), "b");
    assert_null(tr_command_value(&call, "--defaults"));
}

static void refused(char **words, const char *want)
{
    assert_int_equal(parse(words), TR_ERR_USAGE);
    assert_int_equal(tr_error_exit_code(err.code), 2);
    if (strstr(err.text, want) == NULL) {
        fail_msg("wanted \"%s\", got %s", want, err.text);
    }
}

static void command_mistakes_name_the_nearest(void **state)
{
    (void)state;
    char *none[] = {"tailrace", NULL};
    refused(none, "no command given: see `tailrace --help`");
    char *slip[] = {"tailrace", "confg", NULL};
    refused(slip, "unknown command \"confg\": did you mean `tailrace config`?");
    char *far[] = {"tailrace", "xyzzy", NULL};
    refused(far, "unknown command \"xyzzy\": see `tailrace --help`");
    char *option[] = {"tailrace", "config", "--default", NULL};
    refused(option, "config: unknown option \"--default\": did you mean --defaults?");
    char *strange[] = {"tailrace", "config", "--xyzzyxyzzy", NULL};
    refused(strange, "see `tailrace config --help`");
    char *valueless[] = {"tailrace", "config", "-c", NULL};
    refused(valueless, "-c without its value: give -c FILE");
    char *flag[] = {"tailrace", "config", "--defaults=1", NULL};
    refused(flag, "--defaults takes no value");
    char *extra[] = {"tailrace", "config", "--", "-c", NULL};
    refused(extra, "unexpected \"-c\"");
}

static void command_configuration_problems_are_said_once(void **state)
{
    (void)state;
    struct tr_config *config;
    char *words[] = {"tailrace", "config", "-c", "/nonexistent/file", NULL};
    assert_int_equal(parse(words), TR_OK);
    assert_int_equal(tr_command_load_config(&call, TR_CONFIG_FOR_NOTHING, &config, &err),
                     TR_ERR_CONFIG);
    assert_null(config);
    assert_string_equal(err.text, "");
    assert_int_equal(tr_error_exit_code(err.code), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_options_take_values_in_both_spellings),
        cmocka_unit_test(command_mistakes_name_the_nearest),
        cmocka_unit_test(command_configuration_problems_are_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
