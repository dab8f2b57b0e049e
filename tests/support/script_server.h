// SPDX-License-Identifier: Apache-2.0
/*
 * A small HTTP server for tests that does what a script says with each whole request. It runs in
 * the test's own thread: the test calls script_server_step() between its reactor's polls. It counts
 * what it received, so that a request that was sent twice cannot hide.
 */
#ifndef TR_TESTS_SUPPORT_SCRIPT_SERVER_H
#define TR_TESTS_SUPPORT_SCRIPT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_action {
    SCRIPT_ANSWER = 0,       /* status and text, connection kept */
    SCRIPT_ANSWER_AND_CLOSE, /* the same, then a close that the headers do not announce */
    SCRIPT_ANSWER_CHUNKED,   /* the text in two chunks */
    SCRIPT_RAW,              /* the text as it is, without any header of ours */
    SCRIPT_RAW_AND_CLOSE,
    SCRIPT_CLOSE, /* no byte of an answer */
    SCRIPT_RESET, /* no byte of an answer, and a reset */
    SCRIPT_STALL, /* nothing, for ever */
};

struct script_step {
    enum script_action action;
    int status;          /* 0: 200 */
    const char *headers; /* extra header lines, each with CR LF; NULL: none */
    const char *text;    /* NULL: "{}" */
};

#define SCRIPT_CONNECTIONS_MAX 32
#define SCRIPT_STEPS_MAX 32
#define SCRIPT_HEAD_BYTES_MAX 16384

struct script_connection {
    int fd; /* -1 = free */
    bool stalled;
    bool head_done;
    size_t head_bytes;
    char head[SCRIPT_HEAD_BYTES_MAX + 1];
    uint64_t body_bytes_wanted;
    uint64_t body_bytes;
};

struct script_server {
    int listen_fd;
    uint16_t port;
    struct script_step
        steps[SCRIPT_STEPS_MAX]; /* one per whole request, in order; then plain answers */
    uint32_t step_count;
    uint64_t reset_after_body_bytes; /* 0 = never: resets one connection after that much */
    bool is_reading;                 /* false: bytes stay in the kernel, windows close */
    struct script_connection connections[SCRIPT_CONNECTIONS_MAX];
    /* What was seen. */
    uint32_t accept_count;
    uint32_t request_count;    /* whole requests */
    uint32_t reset_seen_count; /* connections that the client reset */
    uint32_t close_seen_count; /* connections that the client closed */
    uint64_t body_bytes_total;
    uint8_t last_body_first_byte;
    uint64_t body_checksum; /* sum of all body bytes */
    char last_head[SCRIPT_HEAD_BYTES_MAX + 1];
};

/* Listens on a free port of 127.0.0.1; asserts success. */
void script_server_open(struct script_server *server);
void script_server_close(struct script_server *server);
void script_server_add(struct script_server *server, struct script_step step);
/* Accepts, reads and answers what is there, without waiting. */
void script_server_step(struct script_server *server);
/* Closes all connections from our side. */
void script_server_drop(struct script_server *server);
uint32_t script_server_connection_count(const struct script_server *server);
/* The value of a header of the last whole request in `out`, or false. */
bool script_server_header(const struct script_server *server, const char *name, char *out,
                          size_t room_bytes);

#endif
