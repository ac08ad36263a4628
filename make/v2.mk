# SPDX-License-Identifier: MIT
# The Open Inference Protocol against stock clients, and its binary figures.

# PyPI packages; the versions that were tested.
TRITONCLIENT := tritonclient[http]==2.73.0 ml_dtypes==0.5.4
KSERVE := kserve==0.21.0

$(B)/venv/triton: make/v2.mk
	@mkdir -p $(@D)
	python3 -m venv $(B)/venv
	$(B)/venv/bin/pip install -q $(TRITONCLIENT)
	@touch $@

# Of its own: the two pin packages that exclude each other. It is large and may
# be missing: the test is skipped with a word then.
$(B)/venv-kserve/kserve: make/v2.mk
	@mkdir -p $(@D)
	-python3 -m venv $(B)/venv-kserve && \
	    $(B)/venv-kserve/bin/pip install -q '$(KSERVE)' && touch $@

# Triton's load generator: the last wheel that carries the program and runs on
# Debian 12, and the CUDA library that it links. It needs libb64-0d as well.
PERF_ANALYZER := tritonclient==2.48.0 nvidia-cuda-runtime-cu12==12.9.79

$(B)/venv-perf/perf_analyzer: make/v2.mk
	@mkdir -p $(@D)
	-python3 -m venv $(B)/venv-perf && \
	    $(B)/venv-perf/bin/pip install -q --no-deps $(PERF_ANALYZER) && touch $@

.PHONY: check-clients
## check-clients: stock Triton and KServe clients, Node and Go (needs PyPI once)
check-clients: $(B)/softmaxd $(B)/venv/triton $(B)/venv-kserve/kserve \
	    $(B)/venv-perf/perf_analyzer
	KSERVE_PYTHON=$(B)/venv-kserve/bin/python PERF_VENV=$(B)/venv-perf \
	    PYTHONDONTWRITEBYTECODE=1 SOFTMAXD=$(B)/softmaxd $(B)/venv/bin/python tests/v2/clients.py

$(O)/tests/bench/bench_binary: $(O)/tests/bench/bench_binary.o $(O)/tests/bench/large_echo.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libmicrohttpd libcurl) -lm -pthread

.PHONY: bench-binary
## bench-binary: a million logits in each form beside a bare echo; build/bench-binary.json
bench-binary: $(B)/softmaxd $(O)/tests/bench/bench_binary
	$(O)/tests/bench/bench_binary $(B)/softmaxd $(B)/bench-binary.json
