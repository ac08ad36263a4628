# SPDX-License-Identifier: MIT
.PHONY: mutate
## mutate: do the tests notice a changed program (MUTANTS=40 SEED=0 MINUTES=10)
mutate:
	tests/mutation/mutate.py $(B)/mutation

# Debian 12's gcovr gives up on functions that are there once a source.
GCOVR := $(B)/gcovr-venv/bin/gcovr

$(GCOVR):
	python3 -m venv $(B)/gcovr-venv
	$(B)/gcovr-venv/bin/pip install -q 'gcovr>=6'

# Its own object folder; the counters of an earlier run would add up.
.PHONY: coverage
## coverage: lines and branches by folder that make check reaches
coverage: $(GCOVR)
	find $(B)/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(MAKE) B=$(B)/coverage CFLAGS="-O1 -g --coverage" \
	    LDFLAGS=--coverage HARDENING= check
	$(GCOVR) --root . --filter 'lib/' --filter 'server/' --json-summary \
	    $(B)/coverage/summary.json --object-directory $(B)/coverage \
	    --exclude-throw-branches --merge-mode-functions=separate $(B)/coverage
	scripts/coverage.py $(B)/coverage/summary.json
