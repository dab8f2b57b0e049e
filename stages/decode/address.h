// SPDX-License-Identifier: Apache-2.0
/*
 * MariaDB's UUID, INET4 and INET6 as text, as the server prints them. The log leaves trailing zero
 * bytes out: a shorter value is filled up.
 *
 * Each writes without quotes and returns the byte after the last, or NULL when the value is longer
 * than its type.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_ADDRESS_H
#define TR_STAGES_DECODE_ADDRESS_H

#include <stdint.h>

#include "engine/bytes.h"

#define TR_ADDRESS_BYTES_MAX 45 /* the longest text of an IPv6 address */

uint8_t *tr_address_put_uuid(uint8_t *out, struct tr_span raw);
uint8_t *tr_address_put_inet4(uint8_t *out, struct tr_span raw);
uint8_t *tr_address_put_inet6(uint8_t *out, struct tr_span raw);

#endif
