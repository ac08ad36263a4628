# SPDX-License-Identifier: MIT
# Fuzz targets: with libFuzzer for a while, or their corpora once in make check.
# Those of JSON have a mutator that knows it; the others are bytes.
FUZZ_JSON := reader request infer npy regions
FUZZ_TARGETS := $(FUZZ_JSON) number numbers write base64 accept
FUZZ_SECONDS ?= 60
FUZZING_ENGINE ?= -fsanitize=fuzzer
FUZZERS := $(FUZZ_TARGETS:%=$(O)/tests/fuzz/fuzz_%)
REPLAY := $(FUZZ_TARGETS:%=$(O)/tests/fuzz/replay_%)
CHECK_NEEDS += $(REPLAY)
CHECK_SCRIPTS += tests/fuzz/check_corpora.sh

$(O)/tests/fuzz/replay_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay.o $(TEST_LIBS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka libcurl)

$(FUZZ_JSON:%=$(O)/tests/fuzz/fuzz_%): $(O)/tests/fuzz/mutate.o
$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(TEST_LIBS)
	$(CC) $(FUZZING_ENGINE) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka libcurl)

.PHONY: fuzz fuzz-run fuzzers
## fuzz: each fuzz target for FUZZ_SECONDS (60) with clang's libFuzzer
fuzz:
	@command -v clang >/dev/null || { echo "skipped: no clang"; exit 0; }; \
	$(MAKE) --no-print-directory CC=clang SAN=fuzz fuzz-run
fuzzers: $(FUZZERS) $(O)/openapi.json
fuzz-run: fuzzers
	tests/fuzz/dictionary.py $(O)/openapi.json >$(B)/fuzz.dict
	tests/fuzz/run.sh $(O)/tests/fuzz $(B)/corpus $(B)/fuzz.dict \
	    $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.PHONY: fuzz-merge
## fuzz-merge: keep in tests/fuzz/corpus what adds coverage of what make fuzz found
fuzz-merge:
	for target in $(FUZZ_TARGETS); do \
	    $(B)/$(ARCH)-clang-fuzz/tests/fuzz/fuzz_$$target -set_cover_merge=1 -use_counters=0 -max_len=1024 \
	        tests/fuzz/corpus/$$target $(B)/corpus/$$target || exit 1; \
	done

.PHONY: check-oss-fuzz
## check-oss-fuzz: what OSS-Fuzz would build, each target for FUZZ_SECONDS
check-oss-fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/oss-fuzz/check.sh $(B)/oss-fuzz
