/* SPDX-License-Identifier: MIT */
/** What Prometheus' client libraries tell of every process, under their names:
 *  CPU time, memory, file descriptors, start. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdio.h>

/** In the text format; without what the system does not tell.
 *  started: seconds since 1970. */
void process_write(FILE *out, double started);

#endif
