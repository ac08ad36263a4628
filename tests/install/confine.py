#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a program under a seccomp profile as container engines read them.

usage: confine.py PROFILE PROGRAM [ARGUMENT...]

What the profile does not allow kills the process, so that no test can miss it.
"""
import ctypes
import json
import os
import sys

KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
UNKNOWN = -1  # __NR_SCMP_ERROR: this architecture has no such call


def confine(profile):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(
        ctypes.c_uint32(KILL_PROCESS)))
    for rule in profile["syscalls"]:
        assert rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != UNKNOWN and library.seccomp_rule_add(
                    context, ctypes.c_uint32(ALLOW), number, 0) != 0:
                raise OSError(f"seccomp_rule_add: {name}")
    if library.seccomp_load(context) != 0:
        raise OSError("seccomp_load")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    arguments = sys.argv[2:]
    confine(wanted)
    os.execv(arguments[0], arguments)
