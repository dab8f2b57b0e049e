// SPDX-License-Identifier: Apache-2.0
#include "offsets/redis_error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define REPLY_BYTES_SHOWN 120
#define ADVICE_BYTES_MAX 400

/* By word, anywhere in the reply: inside scripts Redis puts its own words before it. In the advice
 * an @ stands for the beginning of the options, a # for the type of the key. */
static const struct {
    const char *word;
    enum tr_remedy remedy;
    const char *advice;
} known_errors[] = {
    {"WRONGPASS", TR_STOP, "user or password is wrong: correct @.user and .password"},
    {"NOAUTH", TR_STOP, "it wants a password: set @.password"},
    {"without any password configured", TR_STOP,
     "it has no password for that user: remove @.password"},
    {"invalid password", TR_STOP, "the password is wrong: correct @.password"},
    {"NOPERM", TR_STOP,
     "the user lacks a right: allow it +@read +@write +eval +wait on its keys (ACL SETUSER)"},
    {"WRONGTYPE", TR_STOP,
     "the key is not a #: set @.key to another, or delete "
     "what is there"},
    {"MOVED", TR_STOP,
     "it is a Redis Cluster, which this version does not support: use a server without cluster "
     "mode"},
    {"CROSSSLOT", TR_STOP,
     "it is a Redis Cluster, which this version does not support: use a server without cluster "
     "mode"},
    {"CLUSTERDOWN", TR_STOP,
     "it is a Redis Cluster, which this version does not support: use a server without cluster "
     "mode"},
    {"DB index", TR_STOP, "there is no such database: correct @.db.index"},
    {"OOM ", TR_RETRY, "its memory is full: raise maxmemory or make room"},
    {"MISCONF", TR_RETRY, "it cannot write its snapshot: make room on its disk"},
    {"LOADING", TR_RETRY, "it is loading its data"},
    {"BUSY ", TR_RETRY, "a script of someone else is running"},
    {"READONLY", TR_RECONNECT, "it is a replica: give the address of the master"},
    {"MASTERDOWN", TR_RECONNECT, "it is a replica without its master"},
    {"NOREPLICAS", TR_RETRY, "it has not enough replicas to write (min-replicas-to-write)"},
    {"max number of clients", TR_RECONNECT, "it has too many clients: raise maxclients"},
};

/* The advice with its marks replaced. */
static void write_advice(const char *advice, const struct tr_redis_role *role, char *out,
                         size_t room_bytes)
{
    size_t bytes = 0;

    for (const char *at = advice; *at != '\0' && bytes + 1 < room_bytes; at++) {
        const char letter[2] = {*at, '\0'};
        const int put = snprintf(out + bytes, room_bytes - bytes, "%s",
                                 *at == '@'   ? role->properties
                                 : *at == '#' ? role->key_type
                                              : letter);

        bytes += put > 0 ? (size_t)put : 0;
    }
}

enum tr_code tr_redis_error(struct tr_span reply, const char *what,
                            const struct tr_redis_role *role, struct tr_error *err)
{
    char text[REPLY_BYTES_SHOWN + 1];
    char advice[ADVICE_BYTES_MAX] = "";
    size_t bytes = 0;

    for (size_t i = 0; i < reply.bytes && bytes < REPLY_BYTES_SHOWN; i++) {
        const uint8_t c = reply.data[i];

        text[bytes++] = c >= 0x20 && c < 0x7F ? (char)c : '?';
    }
    text[bytes] = '\0';
    for (size_t i = 0; i < sizeof(known_errors) / sizeof(known_errors[0]); i++) {
        if (strstr(text, known_errors[i].word) != NULL) {
            write_advice(known_errors[i].advice, role, advice, sizeof(advice));
            return TR_FAIL(err, TR_ERR_STATE, known_errors[i].remedy, "%s refused (%s): %s", what,
                           text, advice);
        }
    }
    return TR_FAIL(
        err, TR_ERR_STATE, TR_STOP,
        "%s refused (%s): Redis 3.2 or later (for a schema history: 5.0) with EVAL is wanted", what,
        text);
}
