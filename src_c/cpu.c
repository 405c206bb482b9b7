/* What this machine can run. No choice is made here: dispatch.c chooses.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cpu.h"

#if defined(__x86_64__) && defined(__GNUC__)
int fl_cpu_has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
int fl_cpu_has_avx512(void) {
    return fl_cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
int fl_cpu_has_avx2(void) { return 0; }
int fl_cpu_has_avx512(void) { return 0; }
#endif
