/* SPDX-License-Identifier: MIT */
/** The inputs and parameters of a message become those of a request. */
#ifndef INPUTS_H
#define INPUTS_H

#include "../api/request.h"
#include "message.h"

/**
 * Give each input to the tensor of its name: JSON data moves there, binary
 * data gets room there, and of what lies in shared memory the shape is known.
 * room is what the body may still hold; more is a 413 before anything is
 * allocated. *bytes: those of all binary data. The logits' datatype becomes the
 * request's dtype.
 */
bool inputs_bind(struct message *message, struct request *request,
                 size_t *bytes, size_t room, enum smx_isa isa,
                 struct problem *problem);

/**
 * Set the options of request by their native names. "include" is its names
 * with commas between them ("logsumexp,argmax"); an output that is asked for
 * by name need not be named there too. What Triton, KServe and MLServer
 * clients send to any server (sequence_id, priority, timeout, headers,
 * content_type ...) is passed over; a name that is neither is refused.
 */
bool inputs_apply_parameters(const struct message *message,
                             struct request *request, struct problem *problem);

/** dtype, should a parameter have set it, is what the logits' datatype says. */
bool inputs_check_dtype(const struct request *request, struct problem *problem);

/**
 * Before the request runs: the data that lie in shared memory. Large ones are
 * used where they lie, the others are copied. Labels, masks and whatever else
 * is an address or has to be checked are always copied first, as their client
 * may change them meanwhile.
 */
bool inputs_read_shared(struct message *message, const struct request *request,
                        struct problem *problem);

/** After it: is all memory still there that was used? 400 if not. */
bool inputs_check_shared(const struct message *message,
                         struct problem *problem);

#endif
