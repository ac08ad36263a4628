# SPDX-License-Identifier: MIT
.PHONY: mutate
## mutate: do the tests notice a changed program (MUTANTS=40 SEED=0 MINUTES=10
##         ONLY=server/json/)
mutate:
	tests/mutation/mutate.py $(B)/mutation

# Debian 12's gcovr gives up on functions that are there once a source.
GCOVR := $(B)/gcovr-venv/bin/gcovr

$(GCOVR):
	python3 -m venv $(B)/gcovr-venv
	$(B)/gcovr-venv/bin/pip install -q 'gcovr>=6'

# Counters take time: with less, a long program is given up, and has none then.
COVERAGE_TIMEOUT := 1200
# A branch of an inline function counts once, not once a place that it is in; and
# GCC 12 gives up on some vectors with dominator optimisation then.
COVERAGE_FLAGS := -O1 -g --coverage -fno-early-inlining \
	-finline-small-functions -fno-tree-dominator-opts \
	-Dalways_inline=__unused__ -Wno-psabi

# Its own object folder; the counters of an earlier run would add up.
.PHONY: coverage
## coverage: lines and branches by folder that make check reaches (LIST=server/:
##           each that it does not)
coverage: $(GCOVR)
	find $(B)/coverage -name '*.gcda' -delete 2>/dev/null || true
	TEST_TIMEOUT=$(COVERAGE_TIMEOUT) $(MAKE) B=$(B)/coverage \
	    CFLAGS="$(COVERAGE_FLAGS)" LDFLAGS=--coverage HARDENING= check || \
	    echo "coverage: of a run that failed, which takes what it had reached"
	$(GCOVR) --root . --filter 'lib/' --filter 'server/' --json \
	    $(B)/coverage/coverage.json --object-directory $(B)/coverage \
	    --exclude-throw-branches --merge-mode-functions=separate \
	    --gcov-suspicious-hits-threshold 0 $(B)/coverage
	scripts/coverage.py $(B)/coverage/coverage.json

# What ends by _exit would leave no counters behind.
ifneq ($(filter --coverage,$(LDFLAGS)),)
$(O)/softmaxd: $(O)/tests/mutation/counters_at_exit.o
$(O)/softmaxd: ALL_LDFLAGS += -Wl,--wrap=_exit
endif

# Does each condition of a decision, alone, change what is decided? By the tests
# of these rooms; GCC 14 is the first to count it.
MCDC_ROOMS := json number http
MCDC_UNITS := negotiate framing headers response address
MCDC_BIN = $(filter $(patsubst %,$(O)/tests/%/%,$(MCDC_ROOMS) v2) \
	$(MCDC_UNITS:%=$(O)/tests/unit/test_%),$(TEST_BIN))
MCDC_SCRIPTS := tests/fuzz/check_corpora.sh tests/faults/memory.py \
	tests/faults/calls.py $(patsubst %,tests/http/check_%.py,process connections leaving metrics)
ifneq ($(MCDC),)
$(patsubst %,$(O)/server/%/%.o,$(MCDC_ROOMS)): FILE_CFLAGS += --coverage -fcondition-coverage
endif

.PHONY: coverage-mcdc mcdc-run
## coverage-mcdc: modified condition/decision coverage of json, number and http
coverage-mcdc:
ifeq ($(call accepted,-fcondition-coverage),)
	@echo "coverage-mcdc: skipped, $(CC) is older than GCC 14"
else
	find $(B)/mcdc -name '*.gcda' -delete 2>/dev/null || true
	TEST_TIMEOUT=$(COVERAGE_TIMEOUT) $(MAKE) B=$(B)/mcdc MCDC=1 \
	    CFLAGS=-O1 LDFLAGS=--coverage HARDENING= mcdc-run || \
	    echo "coverage-mcdc: of a run that failed, which takes what it had reached"
	scripts/mcdc.py $(B)/mcdc
endif
mcdc-run: export O := $(O)
mcdc-run: export SOFTMAXD = $(O)/softmaxd
mcdc-run: export FAILING_CALLS_SO = $(O)/failing_calls.so
mcdc-run: $(MCDC_BIN) $(REPLAY) $(O)/softmaxd $(FAILING)
	tests/run.py $(MCDC_BIN) $(MCDC_SCRIPTS)
