/* SPDX-License-Identifier: MIT */
/**
 * Tensors in shared memory: large ones are used where they lie, the others are
 * copied. Labels, masks and whatever else is an address or has to be checked
 * are always copied first, as their client may change them meanwhile.
 */
#ifndef SHARED_TENSORS_H
#define SHARED_TENSORS_H

#include "../api/request.h"
#include "message.h"

/** Give the input's tensor its type and shape, and no data yet. */
void shared_input_shape(struct message_input *input);

/** The request is checked: has each output room in its region? 400 if not. */
bool shared_outputs_check(const struct message *message,
                          const struct request *request,
                          struct problem *problem);

/** Before the request runs: the inputs' data, and where the outputs may be
 *  written at once. */
bool shared_inputs_read(struct message *message, struct request *request,
                        enum smx_isa isa, struct problem *problem);

/** After it: put the other outputs where they belong. Then is all memory still
 *  there that was used? 400 if not. */
bool shared_outputs_write(struct message *message, struct answer *answer,
                          struct problem *problem);

/** Give the budget back what outputs were charged. */
void shared_outputs_end(struct message *message, struct budget *budget);

#endif
