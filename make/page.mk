# SPDX-License-Identifier: MIT
# page.c includes the page as it stands.
$(O)/server/page/page.o: server/page/index.html
