# SPDX-License-Identifier: MIT
# The library's own tests and benchmark.
CHECK_SCRIPTS += tests/unit/check_header.sh tests/vectors/check_random.sh \
    tests/kernel/check_aarch64.sh
check: export O := $(O)
check: export CC := $(CC)

.PHONY: check-bits
## check-bits: the same bits from gcc and clang at -O0, -O2 and -O3
check-bits:
	tests/kernel/check_compilers.sh

.PHONY: golden
## golden: write tests/kernel/golden.txt anew (only where bits may change)
golden: $(O)/tests/kernel/test_bits
	$< --write >$(B)/golden.txt
	mv $(B)/golden.txt tests/kernel/golden.txt

.PHONY: vectors
## vectors: write tests/vectors/vectors.jsonl anew (needs PyTorch 2 in python3)
vectors:
	tests/vectors/make_vectors.py >$(B)/vectors.jsonl
	mv $(B)/vectors.jsonl tests/vectors/vectors.jsonl

# Only the library and the hashes: links with a compiler for another machine.
$(O)/test_bits: $(O)/tests/kernel/test_bits.o $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread
