// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/redis_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 40

static pid_t spawn(const char *const *arguments)
{
    char *argv[ARGUMENTS_MAX + 1] = {0};

    for (int i = 0; i < ARGUMENTS_MAX && arguments[i] != NULL; i++) {
        argv[i] = strdup(arguments[i]);
    }
    const pid_t pid = fork();

    if (pid == 0) {
        const int null_fd = open("/dev/null", O_RDWR);

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nothing behind */
        (void)dup2(null_fd, STDOUT_FILENO);
        (void)dup2(null_fd, STDERR_FILENO);
        (void)execvp(argv[0], argv);
        _exit(127);
    }
    for (int i = 0; argv[i] != NULL; i++) {
        free(argv[i]);
    }
    return pid;
}

bool run_program(const char *const *arguments)
{
    const pid_t pid = spawn(arguments);
    int status = 0;

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

bool redis_server_is_installed(void)
{
    static const char *const arguments[] = {"redis-server", "--version", NULL};

    return run_program(arguments);
}

void redis_server_start(struct redis_server *server, int port, const char *const *arguments)
{
    char port_text[16];
    const char *all[ARGUMENTS_MAX + 1] = {
        "redis-server", "--port", port_text, "--bind",      "127.0.0.1", "--save", "",
        "--appendonly", "no",     "--dir",   server->folder};
    int count = 11;

    (void)snprintf(port_text, sizeof(port_text), "%d", port);
    if (server->folder[0] == '\0') {
        (void)snprintf(server->folder, sizeof(server->folder), "/tmp/tailrace-redis-XXXXXX");
        if (mkdtemp(server->folder) == NULL) {
            abort();
        }
    }
    for (int i = 0; arguments != NULL && arguments[i] != NULL && count < ARGUMENTS_MAX; i++) {
        all[count++] = arguments[i];
    }
    server->port = port;
    server->pid = spawn(all);
    if (server->pid <= 0) {
        abort();
    }
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

void redis_server_freeze(const struct redis_server *server, bool stop)
{
    (void)kill(server->pid, stop ? SIGSTOP : SIGCONT);
}
