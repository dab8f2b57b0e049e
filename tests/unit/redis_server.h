// SPDX-License-Identifier: Apache-2.0
/* A redis-server of the test's own: a child process, ended by its pid. */
#ifndef TR_TESTS_REDIS_SERVER_H
#define TR_TESTS_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0 = not running */
    int port;
    char folder[64];
};

/* Whether the program is installed: without it these tests are skipped. */
bool redis_server_is_installed(void);
/* Starts it with further arguments (NULL ends them) on `port`; it answers a little later. Empty
 * data. */
void redis_server_start(struct redis_server *server, int port, const char *const *arguments);
/* Kills it and waits for its end. */
void redis_server_kill(struct redis_server *server);
/* Stops (true) or continues its process: a server that does not answer. */
void redis_server_freeze(const struct redis_server *server, bool stop);
/* One command over a connection of its own, waited for; NULL ends the words. A text, status or error
 * as it is, a number in digits, a list as the number of its elements. Borrowed until the next call. */
const char *redis_server_ask(const struct redis_server *server, const char *const *words);
/* Runs a program to its end; whether it ended well. */
bool run_program(const char *const *arguments);

#endif
