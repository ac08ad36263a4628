/* SPDX-License-Identifier: MIT */
/** The four models: what of the native requests each one is. And which of them,
 *  or what else, a path under /v2 names. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "../api/members.h"
#include "../api/outputs.h"
#include "../problem.h"
#include "../region.h"

#define MODEL_VERSION "1"

/** The rows of models[]. */
#define MODELS(X)                                                              \
    X("softmax", OPERATION_SOFTMAX, false, TASK_SOFTMAX | TASK_LOG_SOFTMAX)    \
    X("log_softmax", OPERATION_SOFTMAX, true, TASK_LOG_SOFTMAX)                \
    X("loss", OPERATION_LOSS, false, TASK_LOSS)                                \
    X("gradient", OPERATION_GRADIENT, false,                                   \
      TASK_LOSS_GRADIENT | TASK_PRODUCT | TASK_JACOBIAN)

struct model {
    const char *name;
    enum operation operation;
    bool log;       /* what the option "log" is unless a parameter says it */
    unsigned tasks; /* bits of enum task: all that it can be asked for */
};

enum { MODEL_COUNT = 4 };

extern const struct model models[MODEL_COUNT];

/** A request as it is before any input and parameter. */
void model_request(const struct model *model, struct request *request,
                   struct budget *budget);

/** Its input of that name; NULL: there is none. */
const struct member *model_input(const struct model *model, const char *name);

bool model_takes(const struct model *model, const struct member *member);
bool model_gives(const struct model *model, const struct output_kind *output);

/** Room for every list. */
enum { MODEL_LIST = 192 };

/** "logits, mask": what it takes, for messages. */
const char *model_list_inputs(const struct model *model,
                              char text[static MODEL_LIST]);

/** What it gives; request: what this one can ask for, NULL: any. */
const char *model_list_outputs(const struct model *model,
                               const struct request *request,
                               char text[static MODEL_LIST]);

enum resource {
    RESOURCE_SERVER,      /* /v2 */
    RESOURCE_LIVE,        /* /v2/health/live */
    RESOURCE_READY,       /* /v2/health/ready */
    RESOURCE_MODELS,      /* /v2/models */
    RESOURCE_STATISTICS,  /* /v2/models/stats */
    RESOURCE_REPOSITORY,  /* /v2/repository/index */
    RESOURCE_REGIONS,     /* /v2/systemsharedmemory[/region/{n}]/status */
    RESOURCE_REGISTER,    /* .../register */
    RESOURCE_UNREGISTER,  /* .../unregister */
    RESOURCE_MODEL,       /* /v2/models/{m}[/versions/{v}], here and below */
    RESOURCE_MODEL_READY, /* .../ready */
    RESOURCE_MODEL_CONFIG,
    RESOURCE_MODEL_STATISTICS,
    RESOURCE_MODEL_INFER
};

struct target {
    enum resource resource;
    const char *method;        /* that it takes, HEAD and OPTIONS aside */
    const struct model *model; /* NULL above RESOURCE_MODEL */
    const char *region;        /* its name, in the path; NULL: none there */
    size_t region_bytes;
    bool cuda; /* it is /v2/cudasharedmemory, of a server without CUDA */
};

/** method: GET or POST; NULL: any. false: a problem is set. 404 names what is
 *  unknown: path, model or version; 405: the resource takes another method. */
bool target_parse(struct target *target, const char *path, const char *method,
                  struct problem *problem);

/** The name of a region in the path; false: it has none, or a longer one than
 *  any. */
bool target_region(const struct target *target,
                   char name[static REGION_NAME_BYTES]);

#endif
