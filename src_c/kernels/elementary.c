/* The elementary functions over arrays. How they are computed is in simd/vec_math.h; the losses' formulas call those
 * words directly and do not pass here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "elementwise.h"

/* Exports `name` over n contiguous entries; y may be x. Lanes past the end read 0, where every function is cheap. */
#define ELEMENTARY(name)                                                        \
    void FN(name)(const void *x, void *y, ptrdiff_t n);                         \
    void FN(name)(const void *x, void *y, ptrdiff_t n) {                        \
        const real *from = (const real *)x;                                     \
        real *to = (real *)y;                                                   \
        for (ptrdiff_t i = 0; i < n; i += V_LANES)                              \
            store_part(to + i, v_##name(load_part(from + i, n - i)), n - i);    \
    }

#define FL_FUNCTION(name, cost) ELEMENTARY(name)
#include "fastloss_kernels.def"
