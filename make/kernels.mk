# SPDX-License-Identifier: MIT
# The library's own tests and benchmark.
CHECK_SCRIPTS += tests/vectors/check_random.sh tests/kernel/check_constants.sh
ifeq ($(SAN),)
CHECK_SCRIPTS += tests/unit/check_header.sh tests/kernel/check_aarch64.sh \
    tests/kernel/check_times.sh
CHECK_SCRIPTS += tests/unit/check_report.py
endif
# What has one thread races with nobody; test_bits and test_pool bring the others.
ifeq ($(SAN),tsan)
TEST_BIN := $(filter-out $(O)/tests/number/% %/test_kernels %/test_split_exp \
    %/test_reader_json,$(TEST_BIN))
CHECK_SCRIPTS := $(filter-out tests/number/% tests/kernel/% tests/vectors/%,$(CHECK_SCRIPTS))
endif
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
## vectors: write tests/vectors/*.jsonl anew (PyTorch 2, mpmath: make bench-deps)
vectors:
	for v in vectors exact; do \
	    $(BENCH_PYTHON) tests/vectors/make_$$v.py >$(B)/$$v.jsonl && \
	    mv $(B)/$$v.jsonl tests/vectors/$$v.jsonl || exit 1; done

# Only the library and the hashes: links with a compiler for another machine.
$(O)/test_bits: $(O)/tests/kernel/test_bits.o $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread

# Peers of the benchmark that are built; PyTorch's are not.
PEERS := $(O)/peer_softmaxd $(O)/peer_memory

$(O)/peer_softmaxd: $(O)/tests/bench/peer_softmaxd.o $(O)/tests/bench/peer.o $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread
$(O)/peer_memory: $(O)/tests/bench/peer_memory.o $(O)/tests/bench/peer.o
	$(CC) $(ALL_LDFLAGS) -fopenmp -o $@ $^ -lm
$(O)/tests/bench/peer_memory.o: FILE_CFLAGS = -O3 -fopenmp

BENCH_VENV := $(B)/bench-venv
BENCH_PYTHON ?= $(or $(wildcard $(BENCH_VENV)/bin/python),python3)

.PHONY: bench-kernels
## bench-kernels: the compute core beside PyTorch, oneDNN, memcpy (BENCH_OPS=options: each)
bench-kernels: $(PEERS)
	BENCH_PYTHON=$(BENCH_PYTHON) python3 tests/bench/bench_kernels.py $(O) $(BENCH_OPS)

.PHONY: bench-bounds
## bench-bounds: ns an element of each kernel on each instruction set, beside its bound
bench-bounds: $(O)/tests/kernel/test_bounds $(O)/tests/kernel/test_dd_bounds
	for t in $^; do BENCH=1 $$t >$$t.times || exit 1; grep -E 'bound|element' $$t.times; done

$(O)/tests/bench/bench_limits: $(O)/tests/bench/bench_limits.o $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -fopenmp -o $@ $^ -lm -pthread
$(O)/tests/bench/bench_limits.o: FILE_CFLAGS = -fopenmp

.PHONY: bench-limits
## bench-limits: softmax beside what it cannot beat, copies and its kernels alone
bench-limits: $(O)/tests/bench/bench_limits
	$<

.PHONY: bench-selection
## bench-selection: chosen classes and statistics beside the loss of a label
bench-selection: $(O)/tests/bench/bench_selection
	$<

.PHONY: bench-deps
## bench-deps: PyTorch in build/bench-venv, for bench-kernels
bench-deps:
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install -q torch numpy mpmath

# Both programs run under qemu-user, which counts for both in the same way.
COUNT_INSNS_OBJ := $(filter $(O)/server/number/% $(O)/tables/%,$(SERVER_OBJ))
COUNT_INSNS_PLUGIN := $(B)/count_insns_plugin.so

$(O)/count_insns: $(O)/tests/bench/count_insns.o $(COUNT_INSNS_OBJ) $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread

# qemu 9 understands version 2 of its interface and no longer 1.
$(COUNT_INSNS_PLUGIN): tests/bench/count_insns_plugin.c
	@mkdir -p $(@D)
	$(CC) -O2 -shared -fPIC -DCOUNT_VERSION=$$(qemu-x86_64 --version | awk 'NR == 1 { print 1 + ($$3 >= 9) }') -o $@ $<

.PHONY: check-instructions
## check-instructions: NEON takes at most twice as many as AVX2, under qemu-user
check-instructions: $(O)/count_insns $(COUNT_INSNS_PLUGIN)
	env -u MAKEFLAGS -u MAKELEVEL $(MAKE) -s CC=aarch64-linux-gnu-gcc O=$(B)/aarch64 $(B)/aarch64/count_insns
	tests/bench/count_insns.py $(O)/count_insns $(B)/aarch64/count_insns $(COUNT_INSNS_PLUGIN)
