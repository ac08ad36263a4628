# SPDX-License-Identifier: MIT
# The specification inside the daemon, as it stands and as JSON.

$(O)/openapi.json: openapi.yaml scripts/yaml2json.py
	@mkdir -p $(@D)
	python3 scripts/yaml2json.py $< >$@

$(O)/server/http/pages.o: openapi.yaml $(O)/openapi.json
$(O)/server/http/pages.o: FILE_CFLAGS = -DOPENAPI_JSON='"$(O)/openapi.json"'

CHECK_SCRIPTS += tests/http/check_process.py
