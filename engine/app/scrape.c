// SPDX-License-Identifier: Apache-2.0
#include "engine/app/scrape.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/pool.h"

#define TIMEOUT_S 5 /* of each send and receive: it answers at once, or not at all */

static enum tr_code fail(const char *host, uint16_t port, const char *what, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                   "http://%.200s:%u/metrics: %s: is an instance running with this "
                   "configuration? (quarkus.http.host, quarkus.http.port)",
                   host, port, what);
}

/* A connected socket; -1 with errno, or with `what` when the name is not known. */
static int connect_to(const char *host, uint16_t port, const char **what)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    struct addrinfo *list = NULL;
    char service[8];
    int fd = -1;

    (void)snprintf(service, sizeof(service), "%u", port);
    const int found = getaddrinfo(host, service, &hints, &list);
    if (found != 0) {
        *what = gai_strerror(found);
        return -1;
    }
    for (const struct addrinfo *at = list; at != NULL && fd == -1; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == -1 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == -1 ||
            connect(fd, at->ai_addr, at->ai_addrlen) == -1) {
            *what = strerrordesc_np(errno);
            if (fd != -1) {
                (void)close(fd);
            }
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* The whole answer, until the connection ends; NULL, or what went wrong. */
static const char *receive_all(struct tr_scrape *scrape, int fd)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";

    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof(request) - 1)) {
        return "it does not listen";
    }
    while (scrape->bytes < TR_SCRAPE_BYTES_MAX - 1) {
        const ssize_t got =
            recv(fd, scrape->text + scrape->bytes, TR_SCRAPE_BYTES_MAX - 1 - scrape->bytes, 0);
        if (got == 0) {
            return strncmp(scrape->text, "HTTP/1.1 200 ", 13) == 0 ? NULL
                                                                   : "not the answer of Tailrace";
        }
        if (got < 0 && errno != EINTR) {
            return "no answer in time";
        }
        scrape->bytes += got > 0 ? (size_t)got : 0;
    }
    return "an answer without end";
}

enum tr_code tr_scrape_open(struct tr_scrape *scrape, const char *host, uint16_t port,
                            struct tr_error *err)
{
    const char *address = host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : host;
    const char *what = "no address";

    *scrape = (struct tr_scrape){0};
    scrape->text = tr_memory_map(TR_SCRAPE_BYTES_MAX, err);
    if (scrape->text == NULL) {
        return err->code;
    }
    const int fd = connect_to(address, port, &what);
    if (fd != -1) {
        what = receive_all(scrape, fd);
        (void)close(fd);
    }
    if (what != NULL) {
        tr_scrape_close(scrape);
        return fail(address, port, what, err);
    }
    return TR_OK;
}

void tr_scrape_close(struct tr_scrape *scrape)
{
    if (scrape->text != NULL) {
        tr_memory_unmap(scrape->text, TR_SCRAPE_BYTES_MAX);
    }
    *scrape = (struct tr_scrape){0};
}

bool tr_scrape_value(const struct tr_scrape *scrape, const char *metric, const char *stream,
                     double *value)
{
    char wanted[512];
    const int bytes =
        stream == NULL ? snprintf(wanted, sizeof(wanted), "\n%s ", metric)
                       : snprintf(wanted, sizeof(wanted), "\n%s{stream=\"%s\"} ", metric, stream);

    if (bytes < 0 || (size_t)bytes >= sizeof(wanted)) {
        return false;
    }
    const char *line = strstr(scrape->text, wanted);
    if (line == NULL) {
        return false;
    }
    char *end = NULL;
    *value = strtod(line + bytes, &end);
    return *end == '\n';
}
