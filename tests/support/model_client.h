// SPDX-License-Identifier: Apache-2.0
/*
 * A client whose Kinesis is a function of the test: a model behind the transport's port, a clock
 * that moves by itself, a reactor that never waits.
 */
#ifndef TR_TESTS_SUPPORT_MODEL_CLIENT_H
#define TR_TESTS_SUPPORT_MODEL_CLIENT_H

#include "stages/ship/call.h"

/* ANSWERED with a status and a text; or another state, whose status 1 is an error with TR_STOP.
 * Status -1: never done. */
struct model_answer {
    enum tr_call_state state;
    int status;
    const char *text;
};

#define MODEL_CALLS_MAX 128

struct model {
    struct model_answer (*answer)(struct model *model, const char *operation, const char *body);
    char calls[MODEL_CALLS_MAX][300]; /* "operation body" */
    int64_t call_ns[MODEL_CALLS_MAX];
    uint32_t call_count;
    uint32_t cancel_count;
    bool has_call;
    struct tr_call_done done;
    char answer_text[4096];    /* padded as the port demands */
    int64_t now_ns;            /* each look at the clock is 5 ms later */
    uint32_t stop_after_looks; /* 0 = never */
    uint32_t looks;
    uint32_t create_count;
};

extern struct model model;
extern struct tr_kinesis_client client;
extern struct tr_error err;

/* Set-up and tear-down for cmocka. */
int open_client(void **state);
int close_client(void **state);

#define OK(body) ((struct model_answer){.status = 200, .text = (body)})
#define REFUSED(type)                                                                              \
    ((struct model_answer){.status = 400,                                                          \
                           .text = "{\"__type\":\"" type "\",\"message\":\"because\"}"})

#endif
