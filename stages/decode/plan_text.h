// SPDX-License-Identifier: Apache-2.0
/*
 * The growing text that a plan is built from. Memory refusal and the ceiling are sticky: append
 * freely, check `refused` once. Places are kept as offsets, since the bytes move while it grows.
 * @thread whoever builds the plan
 */
#ifndef TR_STAGES_DECODE_PLAN_TEXT_H
#define TR_STAGES_DECODE_PLAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"

#define TR_PLAN_TEXT_BYTES_MAX                                                                     \
    (64u * 1024 * 1024)             /* 4,096 columns of long names and defaults stay below */
#define TR_PLAN_TEXT_SLACK_BYTES 64 /* readable behind `used`: literals are copied in blocks */

struct tr_plan_text {
    uint8_t *bytes; /* owns */
    size_t used;
    size_t room;
    bool refused;
};

void tr_plan_text_deinit(struct tr_plan_text *text);
/* Room for `bytes` more behind `used`, or NULL (refused). The caller fills them and moves `used`.
 */
uint8_t *tr_plan_text_reserve(struct tr_plan_text *text, size_t bytes);
/* Gives back the room that was not used; places stay. */
void tr_plan_text_shrink(struct tr_plan_text *text);
void tr_plan_text_add(struct tr_plan_text *text, const char *raw);
void tr_plan_text_add_span(struct tr_plan_text *text, struct tr_span raw);
void tr_plan_text_add_number(struct tr_plan_text *text, int64_t number);
/* UTF-8 as the inside of a JSON string; with quotes around it. */
void tr_plan_text_add_json(struct tr_plan_text *text, struct tr_span utf8);
void tr_plan_text_add_quoted(struct tr_plan_text *text, struct tr_span utf8);
/* Bytes as quoted base64. */
void tr_plan_text_add_base64(struct tr_plan_text *text, const uint8_t *raw, size_t bytes);

#endif
