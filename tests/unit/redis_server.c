// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "offsets/redis_resp.h"

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

/* Connected, or -1 when it does not answer within five seconds. */
static int connect_to(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};

    for (int i = 0; i < 500; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd == -1 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
            return fd;
        }
        (void)close(fd);
        (void)poll(NULL, 0, 10); /* it needs a moment to start */
    }
    return -1;
}

const char *redis_server_ask(const struct redis_server *server, const char *const *words)
{
    static char answer[4096];
    struct tr_redis_resp *resp = tr_redis_resp_open();
    struct tr_redis_reply reply = {0};
    struct tr_span spans[TR_REDIS_WORDS_MAX];
    struct tr_error err;
    char *command;
    char bytes[4096];
    bool is_there = false;
    uint32_t count = 0;
    const int fd = connect_to(server->port);

    for (; words[count] != NULL && count < TR_REDIS_WORDS_MAX; count++) {
        spans[count] = tr_span_of_text(words[count]);
    }
    const size_t command_bytes = tr_redis_command_format(spans, count, &command);
    if (fd == -1 || send(fd, command, command_bytes, MSG_NOSIGNAL) != (ssize_t)command_bytes) {
        abort();
    }
    tr_redis_command_free(command);
    while (!is_there) {
        const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

        if (got <= 0 || tr_redis_resp_feed(resp, tr_span_of(bytes, (size_t)got), &err) != TR_OK ||
            tr_redis_resp_take(resp, &reply, &is_there, &err) != TR_OK) {
            abort();
        }
    }
    if (reply.kind == TR_REDIS_INTEGER) {
        (void)snprintf(answer, sizeof(answer), "%lld", (long long)reply.integer);
    } else if (reply.kind == TR_REDIS_ARRAY) {
        (void)snprintf(answer, sizeof(answer), "%u", reply.element_count);
    } else {
        (void)snprintf(answer, sizeof(answer), "%.*s", (int)reply.text.bytes,
                       reply.text.bytes == 0 ? "" : (const char *)reply.text.data);
    }
    tr_redis_resp_close(resp);
    (void)close(fd);
    return answer;
}
