# SPDX-License-Identifier: MIT
# What README.md and openapi.yaml say, held against the daemon.
CHECK_SCRIPTS += tests/http/check_readme.py tests/http/check_openapi.py \
	tests/http/check_openapi_form.py tests/http/check_options.py
check: export SOFTMAXD = $(O)/softmaxd

OPENAPI_VENV := $(B)/openapi-venv

$(OPENAPI_VENV)/bin/openapi-spec-validator:
	python3 -m venv $(OPENAPI_VENV)
	$(OPENAPI_VENV)/bin/pip install -q openapi-spec-validator==0.9.0

.PHONY: check-openapi
## check-openapi: hold openapi.yaml to the specification of OpenAPI 3.1
check-openapi: $(OPENAPI_VENV)/bin/openapi-spec-validator
	$< openapi.yaml

$(OPENAPI_VENV)/bin/schemathesis: $(OPENAPI_VENV)/bin/openapi-spec-validator
	$(OPENAPI_VENV)/bin/pip install -q schemathesis==4.32.5

.PHONY: check-schemathesis
## check-schemathesis: ask the daemon at random what openapi.yaml describes
check-schemathesis: export SOFTMAXD = $(O)/softmaxd
check-schemathesis: $(OPENAPI_VENV)/bin/schemathesis $(O)/softmaxd
	tests/http/check_schemathesis.py $<

.PHONY: figures
## figures: put what the benches measured into README.md and docs/
figures:
	scripts/figures.py $(B) README.md docs/operations.md docs/guide.md
