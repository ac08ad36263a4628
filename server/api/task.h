/* SPDX-License-Identifier: MIT */
/** Which of the tasks of enum task a request is. */
#ifndef TASK_H
#define TASK_H

#include "request.h"

/** The task, as far as the members that are there by now decide it. */
enum task request_task(const struct request *request);

/** Every task of an operation: bits of enum task. */
unsigned operation_tasks(enum operation operation);

#endif
