// SPDX-License-Identifier: Apache-2.0
/*
 * What /metrics says about the process itself, under the names every Prometheus client uses, read from /proc.
 */
#ifndef TR_ENGINE_METRICS_PROCESS_H
#define TR_ENGINE_METRICS_PROCESS_H

#include <stddef.h>

/* Room that the text needs at most. */
#define TR_METRICS_PROCESS_BYTES 2048

/*
 * Writes resident and virtual memory, open descriptors, CPU seconds, start time and the build's version as exposition
 * lines; returns bytes written. A value that the system refuses to tell is left out. @thread any
 */
size_t tr_metrics_process_write(char *out, size_t room_bytes);

#endif
