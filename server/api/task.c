// SPDX-License-Identifier: MIT
#include "task.h"

unsigned operation_tasks(enum operation operation)
{
    static const unsigned tasks[] = {
        [OPERATION_SOFTMAX] = TASK_SOFTMAX | TASK_LOG_SOFTMAX,
        [OPERATION_LOSS] = TASK_LOSS,
        [OPERATION_GRADIENT] =
            TASK_LOSS_GRADIENT | TASK_PRODUCT | TASK_JACOBIAN,
    };
    return tasks[operation];
}

enum task request_task(const struct request *request)
{
    switch (request->operation) {
    case OPERATION_SOFTMAX:
        return request->log ? TASK_LOG_SOFTMAX : TASK_SOFTMAX;
    case OPERATION_LOSS:
        return TASK_LOSS;
    case OPERATION_GRADIENT:
        break;
    }
    if (request->of == OF_LOSS)
        return TASK_LOSS_GRADIENT;
    return request->upstream.type == TENSOR_NONE ? TASK_JACOBIAN : TASK_PRODUCT;
}
