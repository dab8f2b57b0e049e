// SPDX-License-Identifier: Apache-2.0
/*
 * A cut between three connections whose server is a list of answers, with the transcript of what was asked.
 */
#ifndef TR_TESTS_SUPPORT_CUT_RIG_H
#define TR_TESTS_SUPPORT_CUT_RIG_H

#include "stages/source/snapshot_cut.h"
#include "tests/support/answer_rows.h"

#define CUT_RIG_ANSWERS_MAX 48
#define CUT_RIG_LOST 2013 /* the error of a lost connection */
#define CUT_RIG_UUID "8f6e2a4d-e693-11f1-8536-02fc00000001"

/* Given for a statement that begins with `sql` on that connection ('*': any), `times` times (0: always); the first that
 * fits. Rows as in answer_rows.h. */
struct cut_rig_answer {
    char port;
    const char *sql;
    const char *rows;
    uint32_t error;
    uint32_t times;
};

struct cut_rig_server;

struct cut_rig_port {
    struct tr_query_port port;
    struct cut_rig_server *server;
    char name;
    uint32_t last_error;
    struct answer_names names;
};

struct cut_rig_server {
    struct cut_rig_port schema;
    struct cut_rig_port lock;
    struct cut_rig_port view;
    struct cut_rig_answer answers[CUT_RIG_ANSWERS_MAX];
    uint32_t used[CUT_RIG_ANSWERS_MAX];
    char transcript[8192]; /* of what matters: "L FLUSH TABLES WITH READ LOCK\n" … */
};

struct cut_rig {
    struct cut_rig_server server;
    struct tr_server_facts facts;
    struct tr_snapshot_options options;
    struct tr_filter *filter;
    struct tr_gtid_sources *sources;
    struct tr_saved_position position;
    struct tr_snapshot_schema schema;
    struct tr_snapshot_cut cut;
    struct tr_error err;
};

struct cut_rig *cut_rig_open(enum tr_flavor flavor, enum tr_snapshot_locking locking,
                             const char *gtid_mode);
/* Adds an answer behind those that were added before: it comes before what the server usually says. */
void cut_rig_answer(struct cut_rig *cut, struct cut_rig_answer added);
/* Makes the cut. */
enum tr_code cut_rig_make(struct cut_rig *cut);
void cut_rig_close(struct cut_rig *cut);

#endif
