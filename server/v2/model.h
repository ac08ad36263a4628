/* SPDX-License-Identifier: MIT */
/** The four models: what each computes, takes and gives. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "../api/request.h"

#define MODEL_VERSION "1"

/** For metadata; the rules themselves are those of api/request.h. */
struct model_tensor {
    const char *name;     /* native; NULL ends a list */
    const char *datatype; /* the one that stands for its kind */
    int rank;             /* with rows x classes; other ranks are accepted */
    bool listed;          /* named in metadata, whose readers send every input
                             that it names and ask for every output */
    bool optional;        /* as an input need not be sent; as an output is
                             not given by default */
    unsigned include;     /* outputs: the bit that asks for it; 0: none */
};

struct model {
    const char *name;
    enum operation operation;
    bool log;
    const struct model_tensor *inputs, *outputs;
};

enum { MODEL_COUNT = 4 };

extern const struct model models[MODEL_COUNT];

/** The model of that name (bytes long); NULL: there is none. */
const struct model *model_find(const char *name, size_t bytes);

/** "logits, mask"; cut to fit. */
void model_list(const struct model_tensor *tensors, char *text, size_t bytes);

/** Its output of that name; NULL: there is none. */
const struct model_tensor *model_output(const struct model *model,
                                        const char *name);

#endif
