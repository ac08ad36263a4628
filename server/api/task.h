/* SPDX-License-Identifier: MIT */
/** Which of the tasks of enum task a request is. */
#ifndef TASK_H
#define TASK_H

#include "request.h"

/** The task, as far as the members that are there by now decide it. */
enum task request_task(const struct request *request);

/** What floats of the request and its answer are. */
static inline enum tensor_type request_float_type(const struct request *request)
{
    return request->dtype == SMX_FLOAT32 ? TENSOR_FLOAT32 : TENSOR_FLOAT64;
}

/** Every task of an operation: bits of enum task. */
unsigned operation_tasks(enum operation operation);

#endif
