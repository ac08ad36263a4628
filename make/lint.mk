# SPDX-License-Identifier: MIT
LINT_SRC := $(wildcard lib/*.[ch] lib/*/*.[ch] server/*.[ch] server/*/*.[ch] tests/*/*.[ch])

.PHONY: lint
## lint: format, banned functions, sizes, structure, analysers, -Werror
lint: lint-text lint-analyse lint-werror

.PHONY: lint-text
lint-text:
	@clang-format --dry-run -Werror $(LINT_SRC)
	@scripts/lint.sh $(LINT_SRC)
	@scripts/structure.py $(LINT_SRC)
	shellcheck -x -e SC2317 scripts/*.sh tests/*/*.sh docker/*.sh .ci/run

# cppcheck knows no vector types and follows no pointer inside a struct: arrays
# that the library fills look unset to it.
.PHONY: lint-analyse
lint-analyse:
	@cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
	    --enable=warning,performance,portability -Ilib \
	    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
    --suppress=uninitvar:lib/simd/vec.h --suppress=uninitvar:lib/simd/vec_plain.h --suppress=bufferAccessOutOfBounds:lib/simd/vec.h \
    --suppress=uninitvar:server/number/lanes.h --suppress=uninitvar:lib/engine/summary.c \
    --suppress=uninitvar:lib/engine/summary_tmpl.c --suppress='uninitvar:tests/*' \
	    -j2 $(filter %.c,$(LINT_SRC))

.PHONY: lint-werror
lint-werror:
	@$(MAKE) -s CC=gcc CFLAGS="-O2 -g -Werror" B=$(B)/lint all shared
	@$(MAKE) -s CC=clang CFLAGS="-O2 -g -Werror" B=$(B)/lint all shared
