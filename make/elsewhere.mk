# SPDX-License-Identifier: MIT
# Suites that others wrote, from their packages; none of their data is kept here.
ELSEWHERE := $(B)/elsewhere
ELSEWHERE_OPTAX := optax==0.2.8

$(ELSEWHERE)/venv/ready: tests/elsewhere/requirements.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install -q -r $<
	@touch $@

# optax's tests are in its source archive only.
$(ELSEWHERE)/optax/ready: make/elsewhere.mk
	rm -rf $(@D) && mkdir -p $(@D)
	python3 -m pip download -q --no-deps --no-binary :all: \
	    -d $(@D) $(ELSEWHERE_OPTAX)
	tar -C $(@D) --strip-components=1 -xzf $(@D)/optax-*.tar.gz
	@touch $@

$(ELSEWHERE)/crates/ready: tests/elsewhere/crates/Cargo.toml
	@mkdir -p $(@D)
	cp $< $(@D) && touch $(@D)/none.rs
	cd $(@D) && cargo vendor -q vendor >/dev/null
	@touch $@

.PHONY: check-elsewhere
## check-elsewhere: suites of ONNX, PyTorch, optax, Keras, JSON, numbers, Triton
##                  against a daemon (PyPI, crates.io; SUITES='json_texts ...')
check-elsewhere: $(O)/softmaxd $(ELSEWHERE)/venv/ready $(ELSEWHERE)/optax/ready \
	    $(ELSEWHERE)/crates/ready
	SOFTMAXD=$(O)/softmaxd PYTHONDONTWRITEBYTECODE=1 \
	    $(ELSEWHERE)/venv/bin/python tests/elsewhere/run.py $(ELSEWHERE) $(SUITES)
