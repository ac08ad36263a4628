# SPDX-License-Identifier: MIT
# The specification inside the daemon, as it stands and as JSON.

$(O)/openapi.json: openapi.yaml scripts/yaml2json.py
	@mkdir -p $(@D)
	python3 scripts/yaml2json.py $< >$@

$(O)/server/http/pages.o: openapi.yaml $(O)/openapi.json
$(O)/server/http/pages.o: FILE_CFLAGS += -DOPENAPI_JSON='"$(O)/openapi.json"'

# heads.py is short here, and runs for HEADS_MINUTES in check-faults.
CHECK_SCRIPTS += tests/http/check_process.py tests/http/check_connections.py \
	tests/http/check_leaving.py tests/http/check_metrics.py tests/faults/heads.py

FAULTS := heads many_clients big_bodies drain failover files memory exposition growth \
	mixed

FAILING := $(O)/failing_calls.so

$(FAILING): $(O)/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(CC) $(filter-out $(SANFLAGS),$(ALL_CFLAGS)) -shared -o $@ $<

ifeq ($(SAN),)
CHECK_NEEDS += $(FAILING)
CHECK_SCRIPTS += tests/faults/memory.py tests/faults/calls.py
endif
check check-faults: export FAILING_CALLS_SO = $(O)/failing_calls.so

.PHONY: check-faults
## check-faults: load, bad clients, kills, full disks (SAN=..., DURATION=30 s,
##               HEADS_MINUTES=2 of malformed heads)
check-faults: export SOFTMAXD = $(O)/softmaxd
check-faults: export HEADS_MINUTES ?= 2
check-faults: export TEST_TIMEOUT = 3000
check-faults: all $(FAILING)
	TEST_JOBS=1 tests/run.py $(FAULTS:%=tests/faults/%.py)

.PHONY: soak
## soak: SOAK_MINUTES (60) of restarts, reloads and bad clients behind HAProxy,
##       SOAK_RATE (3000) requests a second; build/soak.svg
soak: $(O)/softmaxd
	SOFTMAXD=$(O)/softmaxd tests/faults/soak.py $(B)/soak.svg

$(O)/peer_echo: $(O)/tests/bench/peer_echo.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lmicrohttpd

.PHONY: bench-http
## bench-http: softmaxd beside a bare echo, nginx, FastAPI; build/bench-http.json
bench-http: $(O)/softmaxd $(O)/peer_echo $(O)/tests/bench/bench_binary
	python3 tests/bench/bench_http.py $(B) $(wordlist 2,3,$^) $< $(BENCH_PYTHON)

.PHONY: bench-request
## bench-request: instructions of a small request beside a bare echo (valgrind)
bench-request: $(O)/softmaxd $(O)/peer_echo
	tests/bench/bench_request.py $^ $(B)/bench-request.json

.PHONY: bench-http-deps
## bench-http-deps: FastAPI and PyTorch in build/bench-venv, for bench-http
bench-http-deps: bench-deps
	$(BENCH_VENV)/bin/pip install -q fastapi uvicorn uvloop httptools
