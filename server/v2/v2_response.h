/* SPDX-License-Identifier: MIT */
/** An answer in the protocol's words: JSON, and binary tensors behind it. */
#ifndef V2_RESPONSE_H
#define V2_RESPONSE_H

#include "../api/request.h"
#include "../endpoint.h"
#include "message.h"

/** Give the outputs that go out as bytes the byte order of the wire. */
void response_order_bytes(const struct message *message, struct answer *answer);

/**
 * Describe the outputs that the message asks for, in its order; all that the
 * answer has where it asks for none. reply borrows from both.
 *
 * @return false: out of memory.
 */
bool response_describe(const struct message *message,
                       const struct answer *answer, struct reply *reply,
                       struct problem *problem);

#endif
