// SPDX-License-Identifier: MIT
// unwind: 12
/* Addresses to listen on: every text of up to 5 characters, into buffers that
 * are smaller than it may need. */
#include "prove.h"

#include "server/address.c"

unsigned long strtoul(const char *text, char **end, int base)
{
    (void)end, (void)base;
    return nondet_uint64() + strlen(text);
}

int main(void)
{
    char *address = any_string(5);
    char host[3], port[2];
    if (address_split(address, host, sizeof host, port, sizeof port)) {
        assert(strlen(host) < sizeof host);
        assert(strlen(port) > 0 && strlen(port) < sizeof port);
    }
    (void)address_valid(address);
    return 0;
}
