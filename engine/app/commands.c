// SPDX-License-Identifier: Apache-2.0
#include "engine/app/commands.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/app/version.h"
#include "engine/assert.h"

#define NEAR_BYTES_MAX 32 /* longer words are no slips of ours */

const struct tr_command tr_commands[] = {
#define TR_COMMAND(name_, words_, words_min_, words_max_, help_)                                   \
    {#name_, (words_), (words_min_), (words_max_), (help_), tr_command_##name_},
#define TR_COMMAND_OPTION(name_, option_, value_, help_)
#include "engine/app/commands.def"
#undef TR_COMMAND
#undef TR_COMMAND_OPTION
};

const struct tr_command_option tr_command_options[] = {
#define TR_COMMAND(name_, words_, words_min_, words_max_, help_)
#define TR_COMMAND_OPTION(name_, option_, value_, help_) {#name_, (option_), (value_), (help_)},
#include "engine/app/commands.def"
#undef TR_COMMAND
#undef TR_COMMAND_OPTION
};

#define COMMAND_COUNT (sizeof(tr_commands) / sizeof(tr_commands[0]))
#define OPTION_COUNT (sizeof(tr_command_options) / sizeof(tr_command_options[0]))

const uint32_t tr_commands_count = COMMAND_COUNT;
const uint32_t tr_command_options_count = OPTION_COUNT;

static void print_help(void);
static void print_command_help(const struct tr_command *command);
static const struct tr_command *find_command(const char *name);
static enum tr_code parse_options(struct tr_command_call *call, int argc, char **argv,
                                  struct tr_error *err);

enum tr_code tr_command_parse(struct tr_command_call *call, int argc, char **argv,
                              struct tr_error *err)
{
    const char *name = argc < 2 ? "" : argv[1];

    *call = (struct tr_command_call){0};
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0) {
        tr_version_print();
        return TR_OK;
    }
    if (strcmp(name, "help") == 0 && argc > 2) {
        const struct tr_command *command = find_command(argv[2]);
        if (command != NULL) {
            print_command_help(command);
            return TR_OK;
        }
        name = argv[2];
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
               strcmp(name, "help") == 0) {
        print_help();
        return TR_OK;
    }
    if (name[0] == '\0') {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "no command given: see `tailrace --help`");
    }
    call->command = find_command(name);
    if (call->command == NULL) {
        const char *near = tr_command_nearest(name, NULL);
        return near == NULL
                   ? TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                             "unknown command \"%.100s\": see `tailrace --help`", name)
                   : TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                             "unknown command \"%.100s\": did you mean `tailrace %s`?", name, near);
    }
    return parse_options(call, argc - 2, argv + 2, err);
}

const char *tr_command_value(const struct tr_command_call *call, const char *option)
{
    for (uint32_t i = call->option_count; i > 0; i--) {
        if (strcmp(call->options[i - 1]->name, option) == 0) {
            return call->values[i - 1];
        }
    }
    return NULL;
}

static const struct tr_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(tr_commands[i].name, name) == 0) {
            return &tr_commands[i];
        }
    }
    return NULL;
}

/* The option that begins `word`, as "--name" or "--name=value". */
static const struct tr_command_option *find_option(const struct tr_command *command,
                                                   const char *word)
{
    const size_t bytes = word[1] == '-' ? strcspn(word, "=") : strlen(word);

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(tr_command_options[i].command, command->name) == 0 &&
            strlen(tr_command_options[i].name) == bytes &&
            memcmp(tr_command_options[i].name, word, bytes) == 0) {
            return &tr_command_options[i];
        }
    }
    return NULL;
}

static enum tr_code add_option(struct tr_command_call *call, const struct tr_command_option *option,
                               const char *value, struct tr_error *err)
{
    if (call->option_count == TR_COMMAND_OPTIONS_MAX) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "more than %d options: give each once",
                       TR_COMMAND_OPTIONS_MAX);
    }
    call->options[call->option_count] = option;
    call->values[call->option_count] = value;
    call->option_count++;
    return TR_OK;
}

static enum tr_code fail_option(const struct tr_command *command, const char *word,
                                struct tr_error *err)
{
    const char *near = tr_command_nearest(word, command->name);

    if (near != NULL) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "%s: unknown option \"%.100s\": did you mean %s?", command->name, word,
                       near);
    }
    return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                   "%s: unknown option \"%.100s\": see `tailrace %s --help`", command->name, word,
                   command->name);
}

/* One option at argv[0]; `*taken` is how many words it took. */
static enum tr_code parse_option(struct tr_command_call *call, int argc, char **argv, int *taken,
                                 struct tr_error *err)
{
    const struct tr_command_option *option = find_option(call->command, argv[0]);
    const char *equals = argv[0][1] == '-' ? strchr(argv[0], '=') : NULL;

    *taken = 1;
    if (option == NULL) {
        return fail_option(call->command, argv[0], err);
    }
    if (option->value == NULL) {
        return equals == NULL
                   ? add_option(call, option, "", err)
                   : TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "%s: %s takes no value: give it alone",
                             call->command->name, option->name);
    }
    if (equals != NULL) {
        return add_option(call, option, equals + 1, err);
    }
    if (argc < 2) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "%s: %s without its value: give %s %s",
                       call->command->name, option->name, option->name, option->value);
    }
    *taken = 2;
    return add_option(call, option, argv[1], err);
}

static enum tr_code parse_options(struct tr_command_call *call, int argc, char **argv,
                                  struct tr_error *err)
{
    const struct tr_command *command = call->command;
    bool is_words_only = false;

    call->words = argv;
    for (int i = 0; i < argc;) {
        const bool is_option = !is_words_only && argv[i][0] == '-' && argv[i][1] != '\0';
        int taken = 1;
        if (!is_option) {
            call->words[call->word_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            is_words_only = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_command_help(command);
            call->command = NULL;
            return TR_OK;
        } else if (parse_option(call, argc - i, argv + i, &taken, err) != TR_OK) {
            return err->code;
        }
        i += taken;
    }
    if (call->word_count > command->words_max) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "%s: unexpected \"%.100s\": see `tailrace %s --help`", command->name,
                       call->words[command->words_max], command->name);
    }
    if (call->word_count < command->words_min) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "%s: give %s: see `tailrace %s --help`",
                       command->name, command->words, command->name);
    }
    return TR_OK;
}

/* Edit distance, without case, of two short words. */
static uint32_t distance_of(const char *a, const char *b)
{
    uint32_t row[NEAR_BYTES_MAX + 1];
    const size_t a_bytes = strlen(a);
    const size_t b_bytes = strlen(b);

    if (a_bytes > NEAR_BYTES_MAX || b_bytes > NEAR_BYTES_MAX) {
        return UINT32_MAX;
    }
    for (uint32_t j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= a_bytes; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b_bytes; j++) {
            const uint32_t above = row[j];
            const uint32_t change =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            const uint32_t insert = (above < row[j - 1] ? above : row[j - 1]) + 1;
            row[j] = change < insert ? change : insert;
            diagonal = above;
        }
    }
    return row[b_bytes];
}

const char *tr_command_nearest(const char *word, const char *command)
{
    const char *best = NULL;
    uint32_t best_distance = strlen(word) < 4 ? 2 : 4; /* at most one or three slips */

    for (size_t i = 0; i < (command == NULL ? COMMAND_COUNT : OPTION_COUNT); i++) {
        const char *name = command == NULL ? tr_commands[i].name : tr_command_options[i].name;
        if (command != NULL && strcmp(tr_command_options[i].command, command) != 0) {
            continue;
        }
        const uint32_t distance = distance_of(word, name);
        if (distance < best_distance) {
            best_distance = distance;
            best = name;
        }
    }
    return best;
}

/* The text in a column of its own; below what is too wide for the first one. */
static void print_row(const char *usage, int width, const char *text)
{
    const bool is_wide = strlen(usage) > (size_t)width;

    (void)printf("  %-*s%s%*s%s\n", width, usage, is_wide ? "\n" : "", is_wide ? width + 3 : 1, "",
                 text);
}

static void print_help(void)
{
    (void)printf(
        "Tailrace: changes of a MySQL or MariaDB server to AWS Kinesis, as Debezium's events.\n\n"
        "Usage: tailrace COMMAND [option...]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[64];
        (void)snprintf(usage, sizeof(usage), "%s %s", tr_commands[i].name, tr_commands[i].words);
        print_row(usage, 18, tr_commands[i].help);
    }
    (void)printf("  %-18s %s\n  %-18s %s\n\n", "--version", "Show the version.", "COMMAND --help",
                 "Show a command's options.");
    (void)printf(
        "Options are read from Debezium Server's application.properties and from the environment;\n"
        "`tailrace config --defaults` lists them.\n");
}

static void print_command_help(const struct tr_command *command)
{
    (void)printf("Usage: tailrace %s [option...]%s%s\n\n%s\n\n", command->name,
                 command->words[0] == '\0' ? "" : " ", command->words, command->help);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(tr_command_options[i].command, command->name) == 0) {
            char usage[64];
            (void)snprintf(usage, sizeof(usage), "%s %s", tr_command_options[i].name,
                           tr_command_options[i].value == NULL ? "" : tr_command_options[i].value);
            print_row(usage, 22, tr_command_options[i].help);
        }
    }
    (void)printf("  %-22s %s\n", "--help", "Show this.");
}

/* Every line of `lines` on stderr, with `before` in front. */
static void print_lines(const struct tr_config_lines *lines, const char *before)
{
    for (const char *at = lines->text; *at != '\0';) {
        const size_t bytes = strcspn(at, "\n");
        (void)fprintf(stderr, "tailrace: %s%.*s\n", before, (int)bytes, at);
        at += bytes + (at[bytes] == '\n');
    }
}

void tr_command_print_problems(const struct tr_config *config)
{
    print_lines(&config->problems, "");
}

void tr_command_print_warnings(const struct tr_config *config)
{
    print_lines(&config->warnings, "warning: ");
}

enum tr_code tr_command_load_config(const struct tr_command_call *call,
                                    enum tr_config_purpose purpose, struct tr_config **config,
                                    struct tr_error *err)
{
    const struct tr_config_request request = {
        .file_path = tr_command_value(call, "-c"), .environment = environ, .purpose = purpose};
    const enum tr_code code = tr_config_load(config, &request, err);

    if (*config != NULL && (code != TR_OK || purpose != TR_CONFIG_FOR_RUN)) {
        tr_command_print_warnings(*config);
    }
    if (code != TR_OK && *config != NULL) {
        tr_command_print_problems(*config);
        err->text[0] = '\0'; /* all is said */
        tr_config_close(*config);
        *config = NULL;
    }
    return code;
}
