# SPDX-License-Identifier: MIT
# The Python package: built in a copy, so that nothing is written into python/.

PYTHON_BUILD := $(B)/python
PYTHON_VENV := $(B)/python-venv

$(PYTHON_BUILD)/tools/ready: make/python.mk
	python3 -m venv $(@D)
	$(@D)/bin/pip install -q build==1.5.1 setuptools==80.9.0 mypy==1.18.2 numpy typing_extensions
	@touch $@

.PHONY: python
## python: sdist and wheel of python/, with libsoftmax: build/python/dist
python: $(SHARED) $(PYTHON_BUILD)/tools/ready
	rm -rf $(PYTHON_BUILD)/source $(PYTHON_BUILD)/dist
	cp -r python $(PYTHON_BUILD)/source
	cp LICENSE $(PYTHON_BUILD)/source/
	cp $(SHARED) $(PYTHON_BUILD)/source/softmaxd/$(SONAME)
	strip --strip-unneeded $(PYTHON_BUILD)/source/softmaxd/$(SONAME)
	$(PYTHON_BUILD)/tools/bin/python -m build --no-isolation -w \
	    -o $(PYTHON_BUILD)/dist $(PYTHON_BUILD)/source
	rm $(PYTHON_BUILD)/source/softmaxd/$(SONAME)
	$(PYTHON_BUILD)/tools/bin/python -m build --no-isolation -s \
	    -o $(PYTHON_BUILD)/dist $(PYTHON_BUILD)/source

.PHONY: check-python
## check-python: install the wheel in a fresh venv, both ways bit for bit (PyPI)
check-python: python $(B)/softmaxd
	rm -rf $(PYTHON_VENV)
	python3 -m venv $(PYTHON_VENV)
	$(PYTHON_VENV)/bin/pip install -q $(PYTHON_BUILD)/dist/*.whl
	SOFTMAXD=$(B)/softmaxd PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON_VENV)/bin/python tests/python/check_package.py $(VERSION)
	$(PYTHON_BUILD)/tools/bin/mypy --strict --no-warn-return-any python/softmaxd \
	    && echo "[       OK ] mypy --strict"
