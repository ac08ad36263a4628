# SPDX-License-Identifier: MIT
"""Schemathesis is to know what the document says in words (strict.py)."""
import os
import sys

import schemathesis

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from strict import strict  # noqa: E402


@schemathesis.hook
def before_load_schema(_context, document):
    document.update(strict(document))
