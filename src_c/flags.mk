# SPDX-License-Identifier: BSD-3-Clause
# How the C code is compiled. Read by src_c/Makefile and by setup.py, so nothing but lines `NAME = words`.

# Everything. No flag here may let the compiler change a result. -fwrapv: integers as wide as a float, signed ones too,
# overflow on purpose when exponents are made.
BASE = -O3 -g0 -std=c11 -fwrapv -ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden -fno-asynchronous-unwind-tables
# gcc computes there with doubles where C11 lets it, for floats, too.
BASE_s390x = -fexcess-precision=fast
INCLUDES = fastloss/include src_c src_c/kernels src_c/simd
THREADS = -pthread

# The kernel sets of a machine, and what makes the compiler emit their instructions. For plain C, -O3 makes code half as
# large again, and no faster.
SETS_x86_64 = scalar avx2 avx512
SETS_amd64 = scalar avx2 avx512
SETS_aarch64 = scalar neon
SETS_arm64 = scalar neon
FLAGS_scalar = -O2 -ftree-vectorize
FLAGS_avx2 = -mavx2 -mfma
FLAGS_avx512 = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
FLAGS_neon =
