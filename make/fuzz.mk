# SPDX-License-Identifier: MIT
# Fuzz targets: with libFuzzer for a while, or their corpora once in make check.
FUZZ_TARGETS := reader number request infer
FUZZ_SECONDS ?= 60
REPLAY := $(FUZZ_TARGETS:%=$(O)/tests/fuzz/replay_%)
CHECK_NEEDS += $(REPLAY)
CHECK_SCRIPTS += tests/fuzz/check_corpora.sh

$(O)/tests/fuzz/replay_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay.o $(SUPPORT_OBJ) $(O)/libserver.a $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka libcurl)

$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(SUPPORT_OBJ) $(O)/libserver.a $(O)/libsoftmax.a
	$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka libcurl)

.PHONY: fuzz fuzz-run
## fuzz: each fuzz target for FUZZ_SECONDS (60) with clang's libFuzzer
fuzz:
	@command -v clang >/dev/null || { echo "skipped: no clang"; exit 0; }; \
	$(MAKE) --no-print-directory CC=clang SAN=fuzz fuzz-run
fuzz-run: $(FUZZ_TARGETS:%=$(O)/tests/fuzz/fuzz_%)
	for target in $(FUZZ_TARGETS); do \
	    mkdir -p $(B)/corpus/$$target && \
	    $(O)/tests/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) \
	        -max_len=4096 -timeout=10 -print_final_stats=1 \
	        -artifact_prefix=$(B)/corpus/crash-$$target- \
	        $(B)/corpus/$$target tests/fuzz/corpus/$$target || exit 1; \
	done

.PHONY: fuzz-merge
## fuzz-merge: keep in tests/fuzz/corpus what adds coverage of what make fuzz found
fuzz-merge:
	for target in $(FUZZ_TARGETS); do \
	    $(B)/$(ARCH)-clang-fuzz/tests/fuzz/fuzz_$$target -set_cover_merge=1 -use_counters=0 -max_len=1024 \
	        tests/fuzz/corpus/$$target $(B)/corpus/$$target || exit 1; \
	done
