#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The C program on every machine that can be had here, real or emulated, and a comparison of the bits they compute.
# A compiler or emulator that is not installed is named with its Debian package, and that machine is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/c
missing=()

have() { # command package: 1 and a note if the command is not there
    command -v "$1" >/dev/null && return 0
    missing+=("$1 (apt-get install $2)")
    return 1
}
build() { # folder compiler flags...
    local folder=$1 compiler=$2
    shift 2
    make -s -j"$(nproc)" -C tests/c OUT="../../$out/$folder" CC="$compiler" "$@" core
}
run() { # name expected-set command...: runs it, and checks which kernel set was chosen
    local name=$1 set=$2
    shift 2
    echo "== $name"
    "$@" >"$out/$name.txt" 2>"$out/$name.log" || { cat "$out/$name.log"; exit 1; }
    cat "$out/$name.log"
    [ "$set" = any ] || grep -q "chosen: $set\$" "$out/$name.log" || { echo "expected $set"; exit 1; }
}

mkdir -p "$out"
rm -f "$out"/*.txt
with_cache() { command -v ccache >/dev/null && echo "ccache $1" || echo "$1"; }

build native "$(with_cache gcc)"
run native any "$out/native/core.exe"
if [ "$(uname -m)" = x86_64 ] && have qemu-x86_64 qemu-user; then
    run x86_64-without-avx scalar env FORKS=none qemu-x86_64 -cpu Nehalem "$out/native/core.exe" quick
    run x86_64-with-avx2 avx2 env FORKS=none qemu-x86_64 -cpu Haswell "$out/native/core.exe" quick
    echo "avx512 is compiled, but run only where the processor has it: qemu does not emulate it"
fi
if have aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu && have qemu-aarch64 qemu-user; then
    build aarch64 "$(with_cache aarch64-linux-gnu-gcc)" LDFLAGS=-static
    run aarch64 neon env FORKS=none qemu-aarch64 "$out/aarch64/core.exe" quick
fi
if have s390x-linux-gnu-gcc gcc-s390x-linux-gnu && have qemu-s390x qemu-user; then
    build s390x "$(with_cache s390x-linux-gnu-gcc)" LDFLAGS=-static
    run s390x scalar env FORKS=none qemu-s390x "$out/s390x/core.exe" quick
fi
if have clang clang; then
    build clang "$(with_cache clang)"
    run clang any "$out/clang/core.exe" quick
fi
if [ "$(uname -m)" = x86_64 ] && have musl-gcc musl-tools; then
    build musl musl-gcc LDFLAGS=-static TARGETS="scalar avx2"
    run musl any "$out/musl/core.exe" quick
fi
if have x86_64-w64-mingw32-gcc mingw-w64; then
    build mingw "$(with_cache x86_64-w64-mingw32-gcc)"
    echo "== Windows: compiled and linked by mingw-w64, scalar only; not run"
fi

# The same quick run on the native sets, to compare with.
run quick any "$out/native/core.exe" quick
cat "$out"/{quick,x86_64-*,aarch64,s390x,clang,musl}.txt 2>/dev/null | awk '
    { kernel = $2 " " $3 " " $4; fused = $1 != "scalar"; group = kernel (fused ? " fused" : " plain")
      if ($2 == "update") group = kernel
      count[group]++
      if (group in hash && hash[group] != $5) { print "other bits on " $1 ": " kernel; bad = 1 } else hash[group] = $5 }
    END { for (g in count) { groups++; results += count[g] }
          print results " results, " groups " groups of one machine-independent answer each"; exit bad }'
for tool in "${missing[@]:-}"; do [ -z "$tool" ] || echo "LEFT OUT: there is no $tool"; done
