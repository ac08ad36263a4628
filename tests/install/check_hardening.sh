#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program or shared library shows of its hardening, stripped or not.
# usage: check_hardening.sh [FILE...]   (else what make built in $O)
set -u
failed=0
expect() { # NAME COMMAND...
    name=$1
    shift
    if "$@"; then
        echo "[       OK ] hardening: $file: $name"
    else
        echo "[  FAILED  ] hardening: $file: $name"
        failed=1
    fi
}
elf() { LC_ALL=C readelf -W "$@" "$file"; }

relro() { elf -l | grep -q GNU_RELRO; }
bind_now() { elf -d | grep -q 'BIND_NOW'; }
pie() { elf -d | grep -q 'Flags:.* PIE'; }
stack_not_executable() { elf -l | grep -q 'GNU_STACK.* RW '; }
no_writable_code() { ! elf -l | grep -q 'LOAD.* RWE '; }
stack_protector() { elf --dyn-syms | grep -q ' __stack_chk_fail'; }
fortified() { elf --dyn-syms | grep -q ' __[a-z]*_chk'; }
no_search_path() { ! elf -d | grep -qE 'RPATH|RUNPATH'; }
# The marks of a whole file need the C library's own start files, which Debian
# does not mark, so the instructions are counted: an indirect branch lands on
# endbr64, and a frame of more than a page is touched page by page.
instructions() { [ "$(objdump -d --no-show-raw-insn "$file" |
    grep -cE "$1")" -ge "$2" ]; }
branch_targets() { instructions '	endbr64' 20; }
stack_probes() { instructions '	or[qb] +.0x0,.*\(%rsp' 1; }

if [ $# -eq 0 ]; then
    case " ${FLAGS_THAT_HARDEN:-} " in *FORTIFY*) ;; *)
        echo "[  SKIPPED ] hardening: these flags turn it off"
        exit 0
        ;;
    esac
    set -- "$O/softmaxd" "$O"/libsoftmax.so.*
fi
for file in "$@"; do
    expect "relocations are read-only" relro
    expect "bound at start" bind_now
    expect "no executable stack" stack_not_executable
    expect "no writable code" no_writable_code
    expect "no search path of libraries" no_search_path
    expect "stack protector" stack_protector
    expect "fortified" fortified
    case $file in
    *.so*) ;;
    *) expect "position-independent" pie ;;
    esac
    if elf -h | grep -q 'Machine:.*X86-64'; then
        expect "marked branch targets" branch_targets
        case $file in
        *.so*) ;;
        *) expect "large frames are probed" stack_probes ;;
        esac
    fi
done
exit $failed
