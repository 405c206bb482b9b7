#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The C program on every machine that can be had here, real or emulated, and a comparison of the bits they compute.
#     machines.sh [native] [x86_64] [aarch64] [s390x] [clang] [musl] [windows]      (all of them if none is named)
# A compiler or emulator that is not installed is named with its Debian package, and that machine is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/c
wanted=" ${*:-native x86_64 aarch64 s390x clang musl windows} "
left_out=()

want() { [[ $wanted == *" $1 "* ]]; }
have() { # command package: a note and 1 if the command is not there
    command -v "$1" >/dev/null && return 0
    left_out+=("$1 is not installed (apt-get install $2)")
    return 1
}
build() { # folder compiler options...
    local folder=$1 compiler=$2
    shift 2
    command -v ccache >/dev/null && compiler="ccache $compiler"
    make -s -j"$(nproc)" -C tests/c OUT="../../$out/$folder" CC="$compiler" "$@" core
}
run() { # name expected-set command...: in the background; finish waits
    local name=$1 forks=1000
    [[ $3 == qemu-* ]] && forks=0
    {
        FORKS=$forks "${@:3}" quick >"$out/$name.txt" 2>"$out/$name.log" || echo "FAILED" >>"$out/$name.log"
        sed -i '/^qemu.*TCG doesn.t support/d' "$out/$name.log" # bits of the model that no code here asks for
        [ "$2" = any ] || grep -q "chosen: $2\$" "$out/$name.log" || echo "FAILED: expected $2" >>"$out/$name.log"
    } &
    ran+=("$name")
}

mkdir -p "$out"
rm -f "$out"/*.txt "$out"/*.log
ran=()
build native gcc
run native any "$out/native/core.exe"
if want x86_64 && [ "$(uname -m)" = x86_64 ] && have qemu-x86_64 qemu-user; then
    run x86_64-without-avx scalar qemu-x86_64 -cpu Nehalem "$out/native/core.exe"
    run x86_64-with-avx2 avx2 qemu-x86_64 -cpu Haswell "$out/native/core.exe"
    grep -q avx512vl /proc/cpuinfo || left_out+=("avx512 is compiled only: neither this processor nor qemu has it")
fi
if want aarch64 && have aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu && have qemu-aarch64 qemu-user; then
    build aarch64 aarch64-linux-gnu-gcc LDFLAGS=-static
    run aarch64 neon qemu-aarch64 "$out/aarch64/core.exe"
fi
if want s390x && have s390x-linux-gnu-gcc gcc-s390x-linux-gnu && have qemu-s390x qemu-user; then
    build s390x s390x-linux-gnu-gcc LDFLAGS=-static
    run s390x scalar qemu-s390x "$out/s390x/core.exe"
fi
if want clang && have clang clang; then
    build clang clang
    run clang any "$out/clang/core.exe"
fi
if want musl && [ "$(uname -m)" = x86_64 ] && have musl-gcc musl-tools; then
    build musl musl-gcc LDFLAGS=-static TARGETS="scalar avx2"
    run musl any "$out/musl/core.exe"
fi
if want windows && have x86_64-w64-mingw32-gcc mingw-w64; then
    build windows x86_64-w64-mingw32-gcc
    left_out+=("Windows: compiled and linked (plain C, without threads), not run")
fi

wait
for name in "${ran[@]}"; do
    echo "== $name"
    cat "$out/$name.log"
done
! grep -l FAILED "$out"/*.log || exit 1
# One answer from all sets with FMA, one from plain C; optimizers: one answer from all.
cat "$out"/*.txt | awk '
    { group = $2 " " $3 " " $4 ($2 == "update" ? "" : $1 == "scalar" ? " plain" : " fused"); results++
      if (!(group in hash)) { hash[group] = $5; groups++ }
      if (hash[group] != $5) { print "OTHER BITS: " $0; bad++ } }
    END { print results " hashes of " groups " results; " bad + 0 " differ"; exit bad > 0 }'
for note in "${left_out[@]:-}"; do [ -z "$note" ] || echo "LEFT OUT: $note"; done
