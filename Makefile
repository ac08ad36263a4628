# SPDX-License-Identifier: MIT
# softmaxd: GNU make. `make help` lists the targets.

VERSION := $(shell sed -n 's/^\#define SMX_VERSION "\(.*\)"/\1/p' lib/softmax.h)
PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
INSTALL ?= install
PKG_CONFIG ?= pkg-config
CC ?= cc
CFLAGS ?= -O2 -g
B ?= build

# Not in a recipe, which would be too late: what follows asks the compiler that
# `make deps ...` may have to install.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
ifneq ($(shell scripts/deps.sh >&2 && echo installed),installed)
$(error scripts/deps.sh failed)
endif
endif
ARCH := $(or $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1),$(shell uname -m))

# One object folder a set of flags: SAN=asan, SAN=tsan, SAN=fuzz, CC=clang ...
# SAN=ubsan stops at what is undefined and needs no runtime; clang sees more of it.
# SAN=cover is SAN=fuzz without what finds stray access: some ten times as fast.
SAN ?=
SANFLAGS :=
ifeq ($(SAN),asan)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(SAN),tsan)
SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(SAN),ubsan)
SANFLAGS := -fsanitize=undefined -fsanitize-trap=undefined
else ifeq ($(SAN),fuzz)
SANFLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
else ifeq ($(SAN),cover)
SANFLAGS := -fsanitize=fuzzer-no-link
endif
sum_of = $(shell echo '$(1)' | cksum | cut -d' ' -f1)
O := $(B)/$(ARCH)-$(notdir $(firstword $(CC)))$(if $(SAN),-$(SAN))$(if $(filter-out -O2 -g,$(CFLAGS)),-$(call sum_of,$(CFLAGS)))$(if $(filter-out undefined,$(origin LTO)),-lto-$(call sum_of,$(LTO)))

# Hardening that the compiler has for this machine and these flags: glibc refuses
# to fortify without optimisation. The sanitizers see more without it.
accepted = $(shell $(CC) $(CFLAGS) -U_FORTIFY_SOURCE $(1) -Werror -Wsystem-headers -include features.h -E -x c /dev/null >/dev/null 2>&1 && echo '$(1)')
ifeq ($(origin HARDENING),undefined)
HARDENING := $(if $(SAN),,-U_FORTIFY_SOURCE $(foreach f,-D_FORTIFY_SOURCE=3 \
    -fstack-protector-strong -fstack-clash-protection -fcf-protection \
    -mbranch-protection=standard,$(call accepted,$f)))
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
# Bits are promised: no contraction of a * b + c, no fast-math, anywhere.
EXACT := -ffp-contract=off -fno-fast-math
# No folder is part of what is built, the package flags in the name of $(O)
# included: the same bytes from anywhere.
ALL_CFLAGS = -std=gnu11 $(WARN) $(EXACT) -fPIC -fno-semantic-interposition -pthread -MMD -MP -Ilib -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(O)=build $(CPPFLAGS) $(CFLAGS) $(HARDENING) $(SANFLAGS)
PACKAGES := libmicrohttpd jansson gnutls zlib
ALL_LIBS = $(LDLIBS) $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lm -pthread
ALL_LDFLAGS = -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS) $(SANFLAGS)

# The daemon is optimised across the files of server/, from objects of its own:
# what tests link, and what is instrumented, stays as each file is compiled alone.
# That of GCC, which needs no other linker.
ifeq ($(origin LTO),undefined)
LTO := $(if $(SAN)$(findstring --coverage,$(CFLAGS) $(LDFLAGS)),,$(call accepted,-flto -flto-partition=one))
endif

# Files named *_tmpl.c are compiled once an instruction set (see lib/simd/vec.h).
ifneq ($(filter x86_64 i%86,$(ARCH)),)
TIERS := base avx2 avx512
else ifeq ($(ARCH),aarch64)
TIERS := base neon
# A constant is loaded by one instruction from beside the code; order is left to
# the machine, as scheduling takes more registers than there are.
NEON_FLAGS := $(foreach f,-mpc-relative-literal-loads -fno-schedule-insns,$(call accepted,$f))
else
TIERS := base
endif
TIER_FLAGS_base := -DSMX_TIER=base -DSMX_TIER_BASE=1
TIER_FLAGS_avx2 := -DSMX_TIER=avx2 -DSMX_TIER_AVX2=1 -mavx2 -mfma -mbmi -mbmi2 -mlzcnt -mpopcnt -mf16c
TIER_FLAGS_avx512 := -DSMX_TIER=avx512 -DSMX_TIER_AVX512=1 -mavx2 -mbmi -mbmi2 -mlzcnt -mpopcnt -mf16c -mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx512cd -mprefer-vector-width=512
TIER_FLAGS_neon := -DSMX_TIER=neon -DSMX_TIER_NEON=1 $(NEON_FLAGS)

TEMPLATES := $(wildcard lib/*/*_tmpl.c server/number/*_tmpl.c)
tmpl_objects = $(foreach t,$(TIERS),$(patsubst %.c,$(O)/%.$(t).o,$(filter $(1)/%,$(TEMPLATES))))
LIB_SRC := $(filter-out %_tmpl.c,$(wildcard lib/*/*.c))
SERVER_SRC := $(filter-out %_tmpl.c server/main.c,$(wildcard server/*.c server/*/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(O)/%.o) $(call tmpl_objects,lib)
# Names that are defined in assembly are not seen across files.
ASSEMBLED := $(O)/server/http/pages.o $(O)/server/page/page.o
TABLES := $(O)/tables/powers_of_ten.c $(patsubst %,$(O)/tables/write_%.c,scales layouts32 layouts64)
SERVER_OBJ := $(SERVER_SRC:%.c=$(O)/%.o) $(call tmpl_objects,server) $(TABLES:.c=.o)
LTO_OBJ := $(patsubst $(O)/%,$(O)/lto/%,$(filter-out $(ASSEMBLED),$(SERVER_SRC:%.c=$(O)/%.o) $(O)/server/main.o))
DAEMON_OBJ := $(if $(LTO),$(LTO_OBJ) $(ASSEMBLED) $(filter-out $(SERVER_SRC:%.c=$(O)/%.o),$(SERVER_OBJ)),$(O)/server/main.o $(O)/libserver.a)

# Every tests/ROOM/test_NAME.c is a program of its own.
TEST_SRC := $(wildcard tests/*/test_*.c)
TEST_BIN := $(TEST_SRC:%.c=$(O)/%)
SUPPORT_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/support/*.c))
# What a test or a fuzz target links: of an archive, what it uses.
TEST_LIBS := $(O)/libsupport.a $(O)/libserver.a $(O)/libsoftmax.a

.DEFAULT_GOAL := all
.SECONDARY: $(SUPPORT_OBJ) $(TEST_SRC:%.c=$(O)/%.o)
.DELETE_ON_ERROR:
.PHONY: all
## all: the daemon, build/softmaxd, and the library, build/libsoftmax.a
all: $(B)/softmaxd $(B)/libsoftmax.a

# What build/ holds follows the flags asked for, whichever is newer.
$(B)/softmaxd: $(O)/softmaxd FORCE
	@mkdir -p $(@D) && { cmp -s $< $@ || cp -f $< $@; }
$(B)/libsoftmax.a: $(O)/public/libsoftmax.a FORCE
	@mkdir -p $(@D) && { cmp -s $< $@ || cp -f $< $@; }

$(O)/libsoftmax.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcsD $@ $^
$(O)/libserver.a: $(SERVER_OBJ)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcsD $@ $^
$(O)/libsupport.a: $(SUPPORT_OBJ)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcsD $@ $^
$(O)/softmaxd: $(DAEMON_OBJ) $(O)/libsoftmax.a
	$(CC) -pie $(if $(LTO),$(ALL_CFLAGS) $(LTO)) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(FILE_CFLAGS) -c -o $@ $<

$(O)/lto/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO) -c -o $@ $<

# The tables of server/number/, which follow from a page of arithmetic each.
$(O)/tables/powers_of_ten.c: scripts/powers_of_ten.py
	@mkdir -p $(@D)
	python3 $< >$@
$(filter-out %_ten.c,$(TABLES)): $(O)/tables/write_%.c: scripts/number_tables.py
	@mkdir -p $(@D)
	python3 $< $* >$@
$(TABLES:.c=.o): %.o: %.c Makefile
	$(CC) $(ALL_CFLAGS) -Iserver/number -c -o $@ $<

define tier_rule
$(O)/%_tmpl.$(1).o: %_tmpl.c Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(FILE_CFLAGS) $$(TIER_FLAGS_$(1)) -c -o $$@ $$<
endef
$(foreach t,$(TIERS),$(eval $(call tier_rule,$(t))))

$(O)/tests/%: $(O)/tests/%.o $(O)/tests/support/filter.o $(TEST_LIBS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka libcurl)

include $(wildcard make/*.mk)

# TEST=http/limits: tests/http/test_limits.c, or the script check_limits.
ifneq ($(TEST),)
TEST_BIN := $(filter %/tests/$(dir $(TEST))test_$(notdir $(TEST)),$(TEST_BIN))
CHECK_SCRIPTS := $(filter tests/$(dir $(TEST))check_$(notdir $(TEST)).%,$(CHECK_SCRIPTS))
ifeq ($(TEST_BIN)$(CHECK_SCRIPTS),)
$(error TEST: got $(TEST), must be FOLDER/NAME of a tests/FOLDER/test_NAME.c or check_NAME)
endif
endif

.PHONY: check
## check: build and pass every test (SAN=asan|tsan|ubsan, TEST=http/limits, CASE='test_*')
check: export TEST_CASE = $(CASE)
check: $(TEST_BIN) $(if $(CHECK_SCRIPTS),$(CHECK_NEEDS)) $(O)/softmaxd all
	tests/run.py $(TEST_BIN) $(CHECK_SCRIPTS)

.PHONY: run
## run: serve on 127.0.0.1:8080 and print a curl line to try
run: all
	@echo "try:  curl -s http://127.0.0.1:8080/softmax -H 'Content-Type: application/json' -d '{\"logits\":[1,2,3]}'"
	exec $(B)/softmaxd

.PHONY: deps
## deps: install what building and testing needs (apt; sudo when not root)
deps:
	@:

.PHONY: clean
## clean: remove what was built
clean:
	rm -rf $(B)

.PHONY: help
## help: this list
help:
	@sed -n 's/^## \([a-z0-9-]*\): \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | expand -t 20

-include $(shell find $(O) -name '*.d' 2>/dev/null)
