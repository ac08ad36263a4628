# SPDX-License-Identifier: MIT
# Those who call the daemon: generated clients, examples, the Python package.

GENERATORS := $(B)/generators
# Those whose tools are quick to get: Python, Node and a Java to run one of them.
GENERATORS_QUICK := openapi-python-client oag-python oag-typescript-fetch \
	openapi-fetch

$(GENERATORS)/venv/ready: tests/generators/requirements.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install -q -r $<
	@touch $@

$(GENERATORS)/node_modules/ready: tests/generators/package.json
	@mkdir -p $(GENERATORS)
	cp $< $(GENERATORS)/package.json
	cd $(GENERATORS) && npm install --silent --no-audit --no-fund
	@touch $@

# Its own Node: Redocly refuses that of Debian 12.
check-generators lint-openapi: export PATH := \
	$(abspath $(GENERATORS))/node_modules/.bin:$(PATH)

.PHONY: check-generators check-generators-quick
## check-generators: generate clients from openapi.yaml, compile, call (network)
check-generators: $(B)/softmaxd $(GENERATORS)/venv/ready $(GENERATORS)/node_modules/ready
	SOFTMAXD=$(B)/softmaxd python3 tests/generators/run.py $(GENERATORS) $(ONLY)

## check-generators-quick: the same with those that need Python, Node and Java
check-generators-quick:
	$(MAKE) check-generators ONLY='$(GENERATORS_QUICK)'

.PHONY: lint-openapi
## lint-openapi: Spectral and Redocly on openapi.yaml (needs npm once)
lint-openapi: $(GENERATORS)/node_modules/ready
	$(GENERATORS)/node_modules/.bin/spectral lint --fail-severity=warn \
	    -r tests/generators/spectral.yaml openapi.yaml
	tests/generators/redocly.sh $(GENERATORS)/node_modules/.bin/redocly

# That of check-elsewhere, which has PyTorch, JAX and tritonclient already.
EXAMPLES_VENV := $(B)/elsewhere/venv

$(EXAMPLES_VENV)/examples: tests/examples/requirements.txt $(EXAMPLES_VENV)/ready
	$(@D)/bin/pip install -q -r $<
	@touch $@

CHECK_SCRIPTS += tests/examples/check_examples.py
CHECK_NEEDS += $(SHARED)
check: export LIBSOFTMAX = $(SHARED)
# What a program needs that links the library: a trap needs nothing.
check: export SANITIZERS := $(filter-out -fsanitize-trap=%,$(SANFLAGS))

.PHONY: check-examples
## check-examples: run all of examples/ against a daemon (needs PyPI, crates.io)
check-examples: export LIBSOFTMAX = $(SHARED)
check-examples: all shared $(EXAMPLES_VENV)/examples
	SOFTMAXD=$(B)/softmaxd tests/examples/check_examples.py $(B)/examples \
	    $(EXAMPLES_VENV)
