# SPDX-License-Identifier: MIT
# Bounded proofs with CBMC: no input up to a bound leads out of bounds.
.PHONY: prove
## prove: prove parsers free of overflow and stray access (CBMC; Debian 12: root)
prove:
	tests/prove/prove.sh $(B)/prove $(PROOFS)
