#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a YAML document as JSON on stdout. usage: yaml2json.py FILE"""
import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    document = yaml.safe_load(file)
json.dump(document, sys.stdout, ensure_ascii=False, separators=(",", ":"))
print()
