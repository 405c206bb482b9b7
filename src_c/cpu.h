/* What this machine can run.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_CPU_H
#define FL_CPU_H

int fl_cpu_has_avx2(void);   /* AVX2 and FMA */
int fl_cpu_has_avx512(void); /* F, BW, DQ and VL on top of those */

#endif
