# SPDX-License-Identifier: MIT
# page.c includes the pages in few bytes, and what a browser may run of them.
PAGES := server/page/index.html server/page/docs.html

$(O)/page/page_csp.h: $(PAGES) scripts/page.py
	scripts/page.py $(@D) $(PAGES)

$(O)/server/page/page.o: $(O)/page/page_csp.h
$(O)/server/page/page.o: FILE_CFLAGS = -I$(O)/page -DPAGE_FOLDER='"$(O)/page"'

CHECK_SCRIPTS += tests/page/check_compact.py

PAGE_NODE := $(B)/page-node

$(PAGE_NODE)/node_modules/axe-core/axe.min.js: make/page.mk
	@mkdir -p $(PAGE_NODE)
	cd $(PAGE_NODE) && npm init -y >/dev/null && npm install --silent \
	    --ignore-scripts playwright-core@1.64.1 axe-core@4.14.1
	@touch $@

.PHONY: check-page
## check-page: the pages in headless Chromium, with axe (needs node, chromium)
check-page: $(PAGE_NODE)/node_modules/axe-core/axe.min.js $(O)/softmaxd
	SOFTMAXD=$(O)/softmaxd PAGE_NODE=$(PAGE_NODE) tests/page/check_page.mjs
