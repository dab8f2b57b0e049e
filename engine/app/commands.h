// SPDX-License-Identifier: Apache-2.0
/*
 * The command line: `tailrace COMMAND [option…] [word…]`, out of the table in commands.def.
 *
 * To add a command: a line in commands.def, a function tr_command_<name> in <name>.c, the file in
 * CMakeLists.txt. A command returns TR_OK or fails with an error; main prints it in one line and
 * exits with its code.
 */
#ifndef TR_ENGINE_APP_COMMANDS_H
#define TR_ENGINE_APP_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/config.h"
#include "engine/error.h"

#define TR_COMMAND_OPTIONS_MAX 16

struct tr_command_option {
    const char *command;
    const char *name;  /* "-c", "--create" */
    const char *value; /* what follows it: "FILE"; NULL = a flag */
    const char *help;
};

struct tr_command_call;

struct tr_command {
    const char *name;
    const char *words; /* what follows the options: "FILE…" */
    int words_min;
    int words_max;
    const char *help;
    enum tr_code (*run)(struct tr_command_call *call, struct tr_error *err);
};

/* One use of a command. */
struct tr_command_call {
    const struct tr_command *command;
    const struct tr_command_option *options[TR_COMMAND_OPTIONS_MAX]; /* those given, in order */
    const char *values[TR_COMMAND_OPTIONS_MAX]; /* theirs; "" for a flag; borrows argv */
    uint32_t option_count;
    char **words; /* borrows argv */
    int word_count;
    bool is_error_logged; /* set by a command whose error goes to the log (TR_LOG_ERROR) instead of
                             plainly to stderr */
};

/* The tables of commands.def: for completions and manual pages. */
extern const struct tr_command tr_commands[];
extern const uint32_t tr_commands_count;
extern const struct tr_command_option tr_command_options[];
extern const uint32_t tr_command_options_count;

/* The value of an option ("" for a flag that was given), the last one if repeated; NULL if it was
 * not given. */
const char *tr_command_value(const struct tr_command_call *call, const char *option);

/*
 * Reads the configuration of -c and the environment. Problems are printed on stderr, one line each
 * (err's text is then empty, since all is said); warnings too, unless `purpose` is
 * TR_CONFIG_FOR_RUN (the engine logs them). Errors: as tr_config_load. The caller owns `*config`,
 * which is NULL after an error.
 */
TR_NODISCARD enum tr_code tr_command_load_config(const struct tr_command_call *call,
                                                 enum tr_config_purpose purpose,
                                                 struct tr_config **config, struct tr_error *err);

/* The configuration's problems and its warnings on stderr, one line each. */
void tr_command_print_problems(const struct tr_config *config);
void tr_command_print_warnings(const struct tr_config *config);

/* The command nearest to `word`, or with `command` given its option nearest to it; NULL when none
 * is near. */
const char *tr_command_nearest(const char *word, const char *command);

/*
 * Finds the command in argv and parses its options (argv is reordered: words move to the front of
 * what is left).
 * `*call` has no command when help or the version was asked for and printed.
 * Errors: TR_ERR_USAGE naming the nearest command or option.
 */
TR_NODISCARD enum tr_code tr_command_parse(struct tr_command_call *call, int argc, char **argv,
                                           struct tr_error *err);

#define TR_COMMAND(name, words, words_min, words_max, help)                                        \
    enum tr_code tr_command_##name(struct tr_command_call *call, struct tr_error *err);
#define TR_COMMAND_OPTION(name, option, value, help)
#include "engine/app/commands.def"
#undef TR_COMMAND
#undef TR_COMMAND_OPTION

#endif
