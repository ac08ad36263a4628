// SPDX-License-Identifier: MIT
// unwind: 20
/* The checks of a head: any two lines, of names and values of up to 8 bytes,
 * where the library that splits them may have put any byte but a NUL. */
#include "prove.h"

#include "server/http/framing.c"

int main(void)
{
    struct framing framing;
    framing_begin(&framing, nondet_size() & 1 ? "HTTP/1.1" : "HTTP/1.0",
                  nondet_size() & 1);
    for (int line = 0; line < 2; line++) {
        char *name = any_string(8), *value = any_string(8);
        framing_field(&framing, nondet_size() % (FIELD_TRANSFER_ENCODING + 1),
                      name, strlen(name), value, strlen(value));
    }
    framing_finish(&framing, any_string(0));
    return 0;
}
