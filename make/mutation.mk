# SPDX-License-Identifier: MIT
.PHONY: mutate
## mutate: do the tests notice a changed program (MUTANTS=40 SEED=0 MINUTES=10)
mutate:
	tests/mutation/mutate.py $(B)/mutation

GCOVR ?= gcovr

# Its own object folder; the counters of an earlier run would add up.
.PHONY: coverage
## coverage: lines and branches by folder that make check reaches (needs gcovr)
coverage:
	@command -v $(GCOVR) >/dev/null || { echo "no gcovr: scripts/ci-deps.sh"; exit 1; }
	find $(B)/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(MAKE) B=$(B)/coverage CFLAGS="-O1 -g --coverage" \
	    LDFLAGS=--coverage HARDENING= check
	$(GCOVR) --root . --filter 'lib/' --filter 'server/' --json-summary \
	    $(B)/coverage/summary.json --object-directory $(B)/coverage \
	    --exclude-throw-branches --merge-mode-functions=separate $(B)/coverage
	scripts/coverage.py $(B)/coverage/summary.json
