/* SPDX-License-Identifier: MIT */
/**
 * The exchanges over libmicrohttpd: mhd.c is the only file that knows it, and
 * what one version or another makes necessary stands there, with the reason.
 */
#ifndef MHD_H
#define MHD_H

#include <stdbool.h>
#include <string.h>

#include "connection.h"

struct MHD_Daemon;

/** Is this libmicrohttpd, as MHD_get_version has it, one that takes a level of
 *  strictness the other way round? */
static inline bool mhd_is_old(const char *version)
{
    return strverscmp(version, "0.9.77") <= 0;
}

/** Serve a listening socket in event loops of its own. tls: speak the TLS of
 *  the list. NULL: they could not be started. */
struct MHD_Daemon *mhd_start(struct connection_list *list, int fd, bool tls);

/** Accept nobody else, and look at the socket no more: a loop that waits for
 * one that is shut down would not wait. NULL is ignored. */
void mhd_quiesce(struct MHD_Daemon *mhd);

/** End it, with all connections; the socket stays open. None may be computing:
 *  it aborts where one is suspended. */
void mhd_stop(struct MHD_Daemon *mhd);

#endif
