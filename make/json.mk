# SPDX-License-Identifier: MIT
# How fast the codec is, and every float32 there is through it.

BENCH_JSON := $(O)/tests/bench/bench_json
BENCH_JSON_NEEDS := simdjson.h fmt/compile.h jansson.h
BENCH_JSON_YYJSON := $(wildcard /usr/include/yyjson.h)
ROUNDS ?= 15

# Today's crates, linked in where cargo is there; their versions stand in
# json_peers/Cargo.toml. The copy keeps what cargo writes out of the tree.
ifneq ($(shell command -v cargo),)
JSON_PEERS := $(B)/json_peers/target/release/libjson_peers.a
endif

$(B)/json_peers/target/release/libjson_peers.a: $(wildcard tests/bench/json_peers/* tests/bench/json_peers/src/*)
	@mkdir -p $(B)/json_peers && cp -r tests/bench/json_peers/. $(B)/json_peers
	cd $(B)/json_peers && RUSTFLAGS="-C target-cpu=native" cargo build --quiet --release
	@touch $@

$(BENCH_JSON): $(BENCH_JSON).o $(O)/tests/bench/bench_json_codec.o $(JSON_PEERS) $(O)/libserver.a $(O)/libsoftmax.a
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ -lsimdjson -lfmt $(if $(BENCH_JSON_YYJSON),-lyyjson) -ldl $(ALL_LIBS)
$(BENCH_JSON).o: tests/bench/bench_json.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -Wall -Wextra -MMD -MP -O2 -g $(if $(JSON_PEERS),-DRUST_PEERS) -c -o $@ $<

.PHONY: bench-json
## bench-json: numbers to and from JSON beside simdjson, yyjson, zmij, sonic-rs, ryu ...
bench-json:
	@command -v cargo >/dev/null || echo "skipped: Rust's crates, no cargo"
	@$(if $(BENCH_JSON_YYJSON),:,echo "skipped: yyjson, no yyjson.h (libyyjson-dev of Debian 13)")
	@for header in $(BENCH_JSON_NEEDS); do \
	    echo "#include <$$header>" | $(CXX) -std=c++17 -E -xc++ - >/dev/null 2>&1 || \
	    { echo "skipped: no $$header (libsimdjson-dev libfmt-dev libjansson-dev)"; exit 0; }; \
	done; $(MAKE) --no-print-directory $(BENCH_JSON) && \
	$(BENCH_JSON) $(ROUNDS) $(B)/bench-json.json

EXCHANGE_MILLION := $(O)/tests/bench/exchange_million

$(EXCHANGE_MILLION): $(EXCHANGE_MILLION).o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libcurl)

.PHONY: bench-million
## bench-million: a million logits through /softmax, beside Python's json
bench-million: $(EXCHANGE_MILLION) $(O)/softmaxd
	SOFTMAXD=$(O)/softmaxd tests/bench/bench_million.py $(EXCHANGE_MILLION)

ALL_FLOAT32 := $(O)/tests/number/all_float32
NUMBER_OBJ := $(filter $(O)/server/number/read% $(O)/server/number/write% %/number/isa.o $(O)/tables/%,$(SERVER_OBJ))

# Only the numbers: links with a compiler for another machine.
$(ALL_FLOAT32): $(ALL_FLOAT32).o $(NUMBER_OBJ) $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread

CHECK_NEEDS += $(ALL_FLOAT32)
CHECK_SCRIPTS += tests/number/check_float32_sample.sh \
    tests/number/check_aarch64.sh tests/number/check_distances.py \
    tests/json/check_memory.py
check: export ALL_FLOAT32_PROGRAM = $(ALL_FLOAT32)

.PHONY: check-float32-all
## check-float32-all: write and read back every float32 (minutes, all cores)
check-float32-all: $(ALL_FLOAT32)
	$(ALL_FLOAT32)

# Without cmocka: they link with a compiler for another machine.
$(O)/base64_twins: $(O)/tests/number/base64_twins.o $(filter $(O)/server/number/base64% %/number/isa.o,$(SERVER_OBJ)) $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread

$(O)/scan_twins: $(O)/tests/number/scan_twins.o $(filter $(O)/server/number/scan% %/number/isa.o %/powers_of_ten.o,$(SERVER_OBJ)) $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread

$(O)/half_twins: $(O)/tests/number/half_twins.o $(O)/server/number/half.o $(O)/libsoftmax.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -pthread
