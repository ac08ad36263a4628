/* SPDX-License-Identifier: MIT */
/** What a path under /v2 names. */
#ifndef TARGET_H
#define TARGET_H

#include "../problem.h"
#include "model.h"

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
    const struct model *model; /* NULL above RESOURCE_MODEL */
    const char *region;        /* its name, in the path; NULL: none there */
    size_t region_bytes;
    bool cuda; /* it is /v2/cudasharedmemory, of a server without CUDA */
};

/** false: a 404 problem names what is unknown: path, model or version. */
bool target_parse(struct target *target, const char *path,
                  struct problem *problem);

/** The method of a resource, HEAD and OPTIONS aside. */
const char *target_method(enum resource resource);

/** 405 unless the resource takes POST (post) or GET (not post). */
bool target_takes(const struct target *target, bool post,
                  struct problem *problem);

#endif
