# SPDX-License-Identifier: MIT
# The library's own tests and benchmark.
CHECK_SCRIPTS += tests/unit/check_header.sh tests/vectors/check_random.sh
check: export O := $(O)
check: export CC := $(CC)

.PHONY: vectors
## vectors: write tests/vectors/vectors.jsonl anew (needs PyTorch 2 in python3)
vectors:
	tests/vectors/make_vectors.py >$(B)/vectors.jsonl
	mv $(B)/vectors.jsonl tests/vectors/vectors.jsonl
