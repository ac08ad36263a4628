/* SPDX-License-Identifier: MIT */
/** Tell the service manager how the daemon is: sd_notify(3). */
#ifndef NOTIFY_H
#define NOTIFY_H

/** state: "READY=1", "STOPPING=1", "RELOADING=1\n..."; does nothing without
 *  NOTIFY_SOCKET in the environment. */
void notify(const char *state);

#endif
