# SPDX-License-Identifier: MIT
"""Which calls of a daemon with failing_calls.c preloaded fail."""
import mmap
import os
import struct
import tempfile

PRELOAD = os.environ.get("FAILING_CALLS_SO", "build/failing_calls.so")


class Plan:
    """What the preloaded library is to do (failing_calls.c)."""

    FORMAT, PLANS = "qqqii48s", 2

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(bytes(self.PLANS * struct.calcsize(self.FORMAT)))
        self.file.flush()
        self.map = mmap.mmap(self.file.fileno(), 0)
        self.environment = {"LD_PRELOAD": os.path.abspath(PRELOAD),
                            "FAILING_CALLS": self.file.name,
                            # a sanitizer's library would be the first otherwise
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def fail(self, name, error, first=1, last=None, fd=-1, plan=0):
        at = plan * struct.calcsize(self.FORMAT)
        text = struct.pack(self.FORMAT, first, 0, last or first, error, fd,
                           name.encode())
        self.map[at:at + 8] = bytes(8)
        self.map[at + 8:at + len(text)] = text[8:]
        self.map[at:at + 8] = text[:8]  # which begins it

    def seen(self):
        return struct.unpack("q", self.map[8:16])[0]

    def end(self):
        """No call fails any more. Did one?"""
        first = struct.unpack("q", self.map[:8])[0]
        for plan in range(self.PLANS):
            at = plan * struct.calcsize(self.FORMAT)
            self.map[at:at + 8] = bytes(8)
        return 0 < first <= self.seen()
