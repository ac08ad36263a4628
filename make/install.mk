# SPDX-License-Identifier: MIT
# The shared library, installing, and the release archive.

SOVERSION := $(firstword $(subst ., ,$(VERSION)))
SONAME := libsoftmax.so.$(SOVERSION)
SHARED := $(O)/libsoftmax.so.$(VERSION)
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
# A system has one /etc; a prefix of its own has its own.
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
DEFAULTS = $(DESTDIR)$(SYSCONFDIR)/default/softmaxd
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
DIST := softmaxd-$(VERSION)

# The header is the list of what is exported: nothing else leaves the library.
$(O)/softmax.map: lib/softmax.h
	@mkdir -p $(@D)
	{ echo '{ global:'; $(CC) -E -P $< | grep -o 'smx_[a-z0-9_]*(' | \
	    sort -u | tr '(' ';'; echo 'local: *; };'; } >$@

# The archive for others is one object, of which no other symbol is global; the
# tests, which look inside, link $(O)/libsoftmax.a.
OBJCOPY ?= $(shell $(CC) -print-prog-name=objcopy)
$(O)/softmax.names: lib/softmax.h
	@mkdir -p $(@D)
	$(CC) -E -P $< | grep -o 'smx_[a-z0-9_]*(' | tr -d '(' | sort -u >$@

$(O)/public/libsoftmax.a: $(LIB_OBJ) $(O)/softmax.names
	@mkdir -p $(@D)
	$(CC) -r -nostdlib -o $(@D)/softmax.o $(LIB_OBJ)
	$(OBJCOPY) --keep-global-symbols=$(O)/softmax.names $(@D)/softmax.o
	rm -f $@ && $(AR) rcs $@ $(@D)/softmax.o

$(SHARED): $(LIB_OBJ) $(O)/softmax.map
	$(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,$(SONAME) \
	    -Wl,--version-script,$(O)/softmax.map -Wl,-z,defs \
	    -o $@ $(LIB_OBJ) -lm -pthread

.PHONY: shared
## shared: the shared library, exporting what lib/softmax.h declares
shared: $(SHARED)

CHECK_SCRIPTS += tests/install/check_hardening.sh
CHECK_NEEDS += $(SHARED)
check: export FLAGS_THAT_HARDEN := $(HARDENING)

$(O)/softmax.pc: lib/softmax.h make/install.mk FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' \
	    'includedir=$(INCLUDEDIR)' '' 'Name: softmax' \
	    'Description: softmax, cross-entropy loss and their gradients' \
	    'Version: $(VERSION)' 'Libs: -L$${libdir} -lsoftmax' \
	    'Libs.private: -lm -pthread' 'Cflags: -I$${includedir}' >$@

$(O)/softmaxd.service: server/softmaxd.service FORCE
	@mkdir -p $(@D)
	@sed 's|@SBINDIR@|$(SBINDIR)|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' $< >$@

.PHONY: FORCE
FORCE:

.PHONY: install install-lib install-daemon
## install: daemon, libraries, header, man page, units (PREFIX, DESTDIR)
install: install-lib install-daemon

install-lib: $(O)/public/libsoftmax.a $(SHARED) $(O)/softmax.pc
	$(INSTALL) -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) \
	    $(DESTDIR)$(PKGCONFIGDIR) $(DESTDIR)$(MANDIR)/man3
	$(INSTALL) -m 644 lib/softmax.3 $(DESTDIR)$(MANDIR)/man3/
	$(INSTALL) -m 644 $(O)/public/libsoftmax.a $(DESTDIR)$(LIBDIR)/
	$(INSTALL) -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)/
	ln -sf $(notdir $(SHARED)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libsoftmax.so
	$(INSTALL) -m 644 lib/softmax.h $(DESTDIR)$(INCLUDEDIR)/
	$(INSTALL) -m 644 $(O)/softmax.pc $(DESTDIR)$(PKGCONFIGDIR)/

install-daemon: $(O)/softmaxd $(O)/softmaxd.service
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man8 \
	    $(DESTDIR)$(SYSTEMDDIR) $(dir $(DEFAULTS))
	$(INSTALL) -m 755 $(O)/softmaxd $(DESTDIR)$(SBINDIR)/
	$(INSTALL) -m 644 server/softmaxd.8 $(DESTDIR)$(MANDIR)/man8/
	$(INSTALL) -m 644 $(O)/softmaxd.service server/softmaxd.socket \
	    $(DESTDIR)$(SYSTEMDDIR)/
	[ -e $(DEFAULTS) ] || \
	    $(INSTALL) -m 644 server/softmaxd.default $(DEFAULTS)

.PHONY: uninstall
## uninstall: remove what install put there, and nobody has changed
uninstall:
	! cmp -s server/softmaxd.default $(DEFAULTS) || rm -f $(DEFAULTS)
	rm -f $(DESTDIR)$(SBINDIR)/softmaxd $(DESTDIR)$(MANDIR)/man8/softmaxd.8 \
	    $(DESTDIR)$(MANDIR)/man3/softmax.3 \
	    $(DESTDIR)$(SYSTEMDDIR)/softmaxd.service \
	    $(DESTDIR)$(SYSTEMDDIR)/softmaxd.socket \
	    $(DESTDIR)$(LIBDIR)/libsoftmax.a $(DESTDIR)$(LIBDIR)/libsoftmax.so \
	    $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(notdir $(SHARED)) \
	    $(DESTDIR)$(INCLUDEDIR)/softmax.h $(DESTDIR)$(PKGCONFIGDIR)/softmax.pc

.PHONY: installcheck
## installcheck: install into build/, compile a C program against it, run it
installcheck:
	tests/install/installcheck.sh $(abspath $(B)/installed)

.PHONY: dist
## dist: the release archive of the last commit, build/softmaxd-VERSION.tar.gz,
##       with SHA256SUMS and its provenance
dist: $(B)/$(DIST).tar.gz
	scripts/provenance.py $(B) $<
$(B)/$(DIST).tar.gz: FORCE
	@mkdir -p $(@D)
	git archive --format=tar --prefix=$(DIST)/ HEAD | gzip -n >$@

.PHONY: distcheck
## distcheck: unpack the archive elsewhere; build, check, install, uninstall
distcheck: dist
	rm -rf $(B)/distcheck && mkdir -p $(B)/distcheck
	tar -C $(B)/distcheck -xzf $(B)/$(DIST).tar.gz
	$(MAKE) -C $(B)/distcheck/$(DIST) check installcheck

.PHONY: deb
## deb: Debian packages of the last commit, build/deb/*.deb (needs debhelper)
deb: dist
	rm -rf $(B)/deb && mkdir -p $(B)/deb
	tar -C $(B)/deb -xzf $(B)/$(DIST).tar.gz
	cd $(B)/deb/$(DIST) && dpkg-buildpackage -b -us -uc
	scripts/provenance.py $(B)/deb $(B)/deb/*.deb

.PHONY: lint-deb
## lint-deb: what lintian says of build/deb/*.deb, which must be nothing (make deb)
lint-deb:
	lintian --allow-root --fail-on error,warning --display-info $(B)/deb/*.deb

SBOM_VENV := $(B)/sbom-venv

.PHONY: sbom
## sbom: what the daemon runs with, SPDX and CycloneDX: build/sbom
sbom: $(O)/softmaxd
	scripts/sbom.py $(B)/sbom $<

$(SBOM_VENV)/ready: make/install.mk
	python3 -m venv $(@D)
	$(@D)/bin/pip install -q spdx-tools==0.8.5 'cyclonedx-python-lib[json-validation]==11.12.0'
	@touch $@

.PHONY: check-sbom
## check-sbom: hold it to the schemas of SPDX and CycloneDX, and to ldd (PyPI)
check-sbom: sbom $(SBOM_VENV)/ready
	$(SBOM_VENV)/bin/python tests/install/check_sbom.py $(B)/sbom $(O)/softmaxd

.PHONY: check-deb
## check-deb: build, install, run and purge the packages in a fresh root (root)
check-deb:
	tests/install/deb.sh

.PHONY: check-arm64
## check-arm64: cross-build the daemon for arm64 and ask it under qemu (root)
check-arm64:
	tests/install/arm64.sh

.PHONY: check-fresh
## check-fresh: make deps check and deps run in fresh roots of RELEASES (root)
RELEASES ?= bookworm trixie
check-fresh:
	for r in $(RELEASES); do tests/install/fresh_root.sh $$r || exit 1; done

.PHONY: check-newcomer
## check-newcomer: README's way from git clone to three answers in a fresh root
check-newcomer:
	tests/install/newcomer.sh

CHECK_SCRIPTS += tests/install/check_confined.py tests/install/check_units.py

.PHONY: check-confined
## check-confined: the daemon's tests under docker/seccomp.json (a minute)
check-confined: $(O)/softmaxd
	SOFTMAXD=$(O)/softmaxd tests/install/check_confined.py --all

.PHONY: check-reproducible
## check-reproducible: archive, binaries and packages twice, the same bytes
check-reproducible:
	tests/install/reproducible.sh
