// SPDX-License-Identifier: Apache-2.0
/* What `tailrace --version` says. */
#ifndef TR_ENGINE_APP_VERSION_H
#define TR_ENGINE_APP_VERSION_H

#define TR_DEBEZIUM_FORMAT "3.6.0.Final" /* whose records are written */

/* Version, record format, client library, build: on stdout. */
void tr_version_print(void);

#endif
