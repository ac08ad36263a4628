// SPDX-License-Identifier: MIT
#include "model.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define LOGITS {"logits", "FP32", 2, true, false, 0}
#define MASK {"mask", "BOOL", 2, false, true, 0}
#define UPSTREAM {"upstream", "FP32", 1, false, true, 0}
#define LABELS {"labels", "INT64", 1, true, true, 0}
#define TARGETS {"targets", "FP32", 2, false, true, 0}
#define WEIGHTS {"weights", "FP32", 1, false, true, 0}
#define LOSS {"loss", "FP32", 1, true, false, 0}
#define DIVISOR {"divisor", "FP64", 1, true, false, 0}
#define ROWS {"rows", "INT64", 1, true, false, 0}
#define LOGSUMEXP {"logsumexp", "FP32", 1, true, true, INCLUDE_LOGSUMEXP}
#define ENTROPY {"entropy", "FP32", 1, true, true, INCLUDE_ENTROPY}
#define ARGMAX {"argmax", "INT64", 1, true, true, INCLUDE_ARGMAX}
#define ACCURACY {"accuracy", "FP64", 1, true, true, INCLUDE_ACCURACY}
#define INDICES {"indices", "INT64", 2, false, true, 0}
#define END {NULL, NULL, 0, false, false, 0}
/* clang-format on */

static const struct model_tensor softmax_inputs[] = {LOGITS, MASK, END};
static const struct model_tensor loss_inputs[] = {LOGITS,  LABELS, TARGETS,
                                                  WEIGHTS, MASK,   END};
static const struct model_tensor gradient_inputs[] = {
    LOGITS, LABELS, TARGETS, WEIGHTS, MASK, UPSTREAM, END};

static const struct model_tensor softmax_outputs[] = {
    {"probabilities", "FP32", 2, true, false, 0},
    INDICES,
    LOGSUMEXP,
    ENTROPY,
    ARGMAX,
    END};
static const struct model_tensor log_softmax_outputs[] = {
    {"log_probabilities", "FP32", 2, true, false, 0},
    INDICES,
    LOGSUMEXP,
    ENTROPY,
    ARGMAX,
    END};
static const struct model_tensor loss_outputs[] = {
    LOSS, DIVISOR, ROWS, LOGSUMEXP, ARGMAX, ACCURACY, END};
static const struct model_tensor gradient_outputs[] = {
    {"gradient", "FP32", 2, true, false, 0},
    LOSS,
    DIVISOR,
    ROWS,
    {"jacobian", "FP32", 3, false, true, 0},
    LOGSUMEXP,
    ARGMAX,
    ACCURACY,
    END};

const struct model models[MODEL_COUNT] = {
    {"softmax", OPERATION_SOFTMAX, false, softmax_inputs, softmax_outputs},
    {"log_softmax", OPERATION_SOFTMAX, true, softmax_inputs,
     log_softmax_outputs},
    {"loss", OPERATION_LOSS, false, loss_inputs, loss_outputs},
    {"gradient", OPERATION_GRADIENT, false, gradient_inputs, gradient_outputs},
};

const struct model *model_find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < MODEL_COUNT; i++)
        if (strlen(models[i].name) == bytes &&
            memcmp(models[i].name, name, bytes) == 0)
            return &models[i];
    return NULL;
}

void model_list(const struct model_tensor *tensors, char *text, size_t bytes)
{
    size_t used = 0;
    for (const struct model_tensor *t = tensors; t->name && used < bytes; t++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s",
                                 t == tensors ? "" : ", ", t->name);
}

const struct model_tensor *model_output(const struct model *model,
                                        const char *name)
{
    for (const struct model_tensor *o = model->outputs; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}
