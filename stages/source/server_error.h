// SPDX-License-Identifier: Apache-2.0
/*
 * What a server's error means for us: its number and text become one of our errors with the remedy.
 *
 * Error 1236 covers retryable and fatal cases, so the text's family decides; the server's own words
 * are always kept. Source: mysql-binlog.md §1.13; the servers' errmsg files.
 */
#ifndef TR_STAGES_SOURCE_SERVER_ERROR_H
#define TR_STAGES_SOURCE_SERVER_ERROR_H

#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_SERVER_ERROR_ACCESS_DENIED 1045
#define TR_SERVER_ERROR_PRIVILEGE 1227

/*
 * An ERR packet inside the dump stream. Sets err and returns its code: TR_ERR_SOURCE_GONE (position
 * not there), _CLASH (another replica has our server id), _AUTH (privilege), _SETUP, _LINK
 * (TR_RECONNECT), TR_ERR_PROTOCOL.
 */
enum tr_code tr_server_error_of_dump(uint32_t number, struct tr_span text, struct tr_error *err);

/*
 * An error of login or of a statement. `what` names it ("login as debezium@db:3306", "SHOW BINARY
 * LOG STATUS"). Sets err and returns its code: TR_ERR_SOURCE_AUTH, _LINK (TR_RETRY), else _SETUP.
 */
enum tr_code tr_server_error_of_query(uint32_t number, const char *text, const char *what,
                                      struct tr_error *err);

#endif
