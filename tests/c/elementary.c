/* The elementary functions over arrays, so that the tests can reach them. No loss uses these; the formulas call the
 * words of vec_math.h directly.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vec_math.h"

/* y[i] = f(x[i]) for n contiguous elements; y may be x. Loads past the end read 0, where every f is cheap and quiet. */
#define MAP(name)                                                                                                     \
    void FN(map_##name)(ptrdiff_t n, const real *x, real *y);                                                         \
    void FN(map_##name)(ptrdiff_t n, const real *x, real *y) {                                                        \
        ptrdiff_t i = 0;                                                                                              \
        for (; i + V_LANES <= n; i += V_LANES) v_store(y + i, v_##name(v_load(x + i)));                               \
        if (i < n) v_store_n(y + i, v_##name(v_load_n(x + i, n - i)), n - i);                                         \
    }

MAP(exp_neg)
MAP(exp)
MAP(log)
MAP(log1p_unit)
MAP(log1p_pos)
MAP(log1p)
MAP(expm1)
MAP(tanh)
MAP(sigmoid)
