/* SPDX-License-Identifier: MIT */
/** An answer in the protocol's words: JSON, and tensors behind it or in shared
 *  memory. */
#ifndef V2_RESPONSE_H
#define V2_RESPONSE_H

#include "../api/request.h"
#include "../endpoint.h"
#include "message.h"

/**
 * Describe the outputs that the message asks for, in its order; all that the
 * answer has where it asks for none. reply borrows from both; those that go out
 * as bytes get the byte order of the wire.
 *
 * @return false: out of memory.
 */
bool response_describe(const struct message *message, struct answer *answer,
                       struct reply *reply, struct problem *problem);

/** The request is checked: has each output room in its region? 400 if not. */
bool response_check_room(const struct message *message,
                         const struct request *request,
                         struct problem *problem);

/** The inputs are there: may an output be written in its region at once? */
bool response_place(struct message *message, struct request *request,
                    struct problem *problem);

/** After the request ran: put the other outputs into their regions. Then is all
 *  memory still there that was used? 400 if not. */
bool response_store(const struct message *message, struct answer *answer,
                    struct problem *problem);

/** Give the budget back what outputs in regions were charged. */
void response_release(const struct message *message, struct budget *budget);

#endif
