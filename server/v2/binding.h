/* SPDX-License-Identifier: MIT */
/** The inputs of a message become the tensors of a request. */
#ifndef BINDING_H
#define BINDING_H

#include "../api/request.h"
#include "intake.h"
#include "message.h"

/** The binary tensors of one request, in the order of their bytes. */
struct cargo {
    struct intake intake[MESSAGE_MAX_INPUTS];
    size_t count;
    size_t bytes; /* of all of them */
};

/**
 * Give each input to the tensor of its name: JSON data moves there, binary
 * data gets room there and a place in cargo. room is what the body may still
 * hold; more is a 413 before anything is allocated. The logits' datatype
 * becomes the request's dtype.
 */
bool binding_inputs(struct message *message, struct request *request,
                    struct cargo *cargo, size_t room, enum smx_isa isa,
                    struct problem *problem);

/** dtype, should a parameter have set it, is what the logits' datatype says. */
bool binding_dtype(const struct request *request, struct problem *problem);

#endif
