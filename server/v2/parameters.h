/* SPDX-License-Identifier: MIT */
/** The parameters of an inference request: native options, scalars only. */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include "message.h"

/**
 * Set the options of request by their native names. "include" is its names
 * with commas between them ("logsumexp,argmax"); an output that is asked for
 * by name need not be named there too. What Triton, KServe and MLServer
 * clients send to any server (sequence_id, priority, timeout, headers,
 * content_type ...) is passed over; a name that is neither is refused.
 */
bool parameters_apply(const struct message *message, struct request *request,
                      struct problem *problem);

#endif
