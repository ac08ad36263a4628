# SPDX-License-Identifier: MIT
"""A wheel for every Python of this machine's kind: it holds libsoftmax, which
has no Python in it. `make python` puts it there; a wheel without it is for
every machine, and looks for the library of the system or asks a daemon."""
import os
import platform
import re

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

LIBRARY = "softmaxd/libsoftmax.so.1"


class Wheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = not os.path.exists(LIBRARY)

    def get_tag(self):
        if self.root_is_pure:
            return "py3", "none", "any"
        # The oldest glibc that has all that it needs (PEP 600).
        with open(LIBRARY, "rb") as file:
            needed = re.findall(rb"GLIBC_2\.(\d+)", file.read())
        minor = max(map(int, needed), default=17)
        return "py3", "none", f"manylinux_2_{minor}_{platform.machine()}"


setup(cmdclass={"bdist_wheel": Wheel})
