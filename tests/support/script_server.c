// SPDX-License-Identifier: Apache-2.0
#include "tests/support/script_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/assert.h"

#define READ_BYTES 65536
#define STEP_READS_MAX 64

static void drop(struct script_connection *connection, bool with_reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (with_reset) {
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    (void)close(connection->fd);
    connection->fd = -1;
}

void script_server_open(struct script_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(address);
    *server = (struct script_server){.is_reading = true};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < SCRIPT_CONNECTIONS_MAX; i++) {
        server->connections[i].fd = -1;
    }
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    TR_ASSERT(server->listen_fd >= 0);
    TR_ASSERT(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    TR_ASSERT(listen(server->listen_fd, 64) == 0);
    TR_ASSERT(getsockname(server->listen_fd, (struct sockaddr *)&address, &bytes) == 0);
    server->port = ntohs(address.sin_port);
}

void script_server_drop(struct script_server *server)
{
    for (size_t i = 0; i < SCRIPT_CONNECTIONS_MAX; i++) {
        if (server->connections[i].fd != -1) {
            drop(&server->connections[i], false);
        }
    }
}

void script_server_close(struct script_server *server)
{
    script_server_drop(server);
    if (server->listen_fd != -1) {
        (void)close(server->listen_fd);
    }
    server->listen_fd = -1;
}

void script_server_add(struct script_server *server, struct script_step step)
{
    TR_ASSERT(server->step_count < SCRIPT_STEPS_MAX);
    server->steps[server->step_count++] = step;
}

uint32_t script_server_connection_count(const struct script_server *server)
{
    uint32_t count = 0;
    for (size_t i = 0; i < SCRIPT_CONNECTIONS_MAX; i++) {
        count += server->connections[i].fd != -1 ? 1 : 0;
    }
    return count;
}

static bool find_header(const char *head, const char *name, char *out, size_t room_bytes)
{
    const size_t name_bytes = strlen(name);
    const char *line = strstr(head, "\r\n");
    while (line != NULL && line[2] != '\r') {
        line += 2;
        if (strncasecmp(line, name, name_bytes) == 0 && line[name_bytes] == ':') {
            const char *value = line + name_bytes + 1 + strspn(line + name_bytes + 1, " ");
            (void)snprintf(out, room_bytes, "%.*s", (int)strcspn(value, "\r"), value);
            return true;
        }
        line = strstr(line, "\r\n");
    }
    return false;
}

bool script_server_header(const struct script_server *server, const char *name, char *out,
                          size_t room_bytes)
{
    return find_header(server->last_head, name, out, room_bytes);
}

static void write_all(int fd, const char *text, size_t bytes)
{
    while (bytes > 0) { /* answers are small or the client reads; a refused write ends it */
        const ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        text += sent;
        bytes -= (size_t)sent;
    }
}

static void answer(struct script_connection *connection, const struct script_step *step)
{
    char head[1024];
    const char *text = step->text == NULL ? "{}" : step->text;
    const int status = step->status == 0 ? 200 : step->status;
    const char *extra = step->headers == NULL ? "" : step->headers;
    if (step->action == SCRIPT_ANSWER_CHUNKED) {
        const size_t half = strlen(text) / 2;
        char *all = NULL;
        const int bytes =
            asprintf(&all,
                     "HTTP/1.1 %d X\r\n%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n%zx\r\n%s"
                     "\r\n0\r\n\r\n",
                     status, extra, half, (int)half, text, strlen(text) - half, text + half);
        TR_ASSERT(bytes > 0);
        write_all(connection->fd, all, (size_t)bytes);
        free(all);
        return;
    }
    if (step->action == SCRIPT_ANSWER || step->action == SCRIPT_ANSWER_AND_CLOSE) {
        const int bytes =
            snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n", status,
                     extra, strlen(text));
        write_all(connection->fd, head, (size_t)bytes);
    }
    write_all(connection->fd, text, strlen(text));
}

static void on_whole_request(struct script_server *server, struct script_connection *connection)
{
    static const struct script_step plain = {0};
    const struct script_step *step =
        server->request_count < server->step_count ? &server->steps[server->request_count] : &plain;
    server->request_count++;
    memcpy(server->last_head, connection->head, connection->head_bytes + 1);
    connection->head_bytes = 0;
    connection->head_done = false;
    connection->body_bytes = 0;
    switch (step->action) {
    case SCRIPT_ANSWER:
    case SCRIPT_ANSWER_CHUNKED:
    case SCRIPT_RAW:
        answer(connection, step);
        break;
    case SCRIPT_ANSWER_AND_CLOSE:
    case SCRIPT_RAW_AND_CLOSE:
        answer(connection, step);
        drop(connection, false);
        break;
    case SCRIPT_CLOSE:
        drop(connection, false);
        break;
    case SCRIPT_RESET:
        drop(connection, true);
        break;
    case SCRIPT_STALL:
        connection->stalled = true;
        break;
    }
}

static void take_bytes(struct script_server *server, struct script_connection *connection,
                       const char *bytes, size_t count)
{
    while (count > 0 && connection->fd != -1) {
        if (!connection->head_done) {
            TR_ASSERT(connection->head_bytes < SCRIPT_HEAD_BYTES_MAX);
            connection->head[connection->head_bytes++] = *bytes++;
            count--;
            connection->head[connection->head_bytes] = '\0';
            if (connection->head_bytes >= 4 &&
                memcmp(connection->head + connection->head_bytes - 4, "\r\n\r\n", 4) == 0) {
                char length[32];
                TR_ASSERT(find_header(connection->head, "Content-Length", length, sizeof(length)));
                connection->head_done = true;
                connection->body_bytes_wanted = strtoull(length, NULL, 10);
            }
            continue;
        }
        const uint64_t left = connection->body_bytes_wanted - connection->body_bytes;
        const size_t taken = count < left ? count : (size_t)left;
        for (size_t i = 0; i < taken; i++) {
            server->body_checksum += (uint8_t)bytes[i];
        }
        if (connection->body_bytes == 0 && taken > 0) {
            server->last_body_first_byte = (uint8_t)bytes[0];
        }
        connection->body_bytes += taken;
        server->body_bytes_total += taken;
        bytes += taken;
        count -= taken;
        if (server->reset_after_body_bytes > 0 &&
            connection->body_bytes >= server->reset_after_body_bytes) {
            server->reset_after_body_bytes = 0;
            drop(connection, true);
        } else if (connection->body_bytes == connection->body_bytes_wanted) {
            on_whole_request(server, connection);
        }
    }
}

void script_server_step(struct script_server *server)
{
    static char bytes[READ_BYTES];
    const int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd != -1) {
        struct script_connection *connection = server->connections;
        while (connection->fd != -1) {
            connection++;
            TR_ASSERT(connection < server->connections + SCRIPT_CONNECTIONS_MAX);
        }
        *connection = (struct script_connection){.fd = fd};
        server->accept_count++;
    }
    for (size_t i = 0; server->is_reading && i < SCRIPT_CONNECTIONS_MAX; i++) {
        struct script_connection *connection = &server->connections[i];
        for (size_t reads = 0; connection->fd != -1 && reads < STEP_READS_MAX; reads++) {
            const ssize_t got = recv(connection->fd, bytes, sizeof(bytes), 0);
            if (got > 0) {
                take_bytes(server, connection, bytes, (size_t)got);
                continue;
            }
            if (got == 0 || errno == ECONNRESET) {
                server->close_seen_count += got == 0 ? 1 : 0;
                server->reset_seen_count += got != 0 ? 1 : 0;
                drop(connection, false);
            }
            break;
        }
    }
}
