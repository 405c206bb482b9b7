/* What a step may have to know of all gradients before it writes anything: whether they are finite, how large, and
 * the sum of their squares. No updates here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "update.h"

#define LANES 32 /* sums side by side, so that the additions need not wait for each other */

void FN(grad_limits)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum);
void FN(grad_squares)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, const double scale[2],
                      fl_grad_summary *sum);

/* The largest |g|, infinity included, NaN apart. */
void FN(grad_limits)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum) {
    const real *grad = (const real *)tensor->grad + begin;
    const ptrdiff_t n = end - begin;
    vreal largest = v_set(0);
    vmask odd = v_isnan(largest);
    for (ptrdiff_t i = 0; i < n; i += V_LANES) {
        const vreal g = n - i < V_LANES ? v_load_n(grad + i, n - i) : v_load(grad + i);
        odd = v_or(odd, v_isnan(g));
        largest = v_max(v_abs(g), largest); /* the second operand where g is NaN */
    }
    const double highest = (double)v_highest(largest);
    if (highest > sum->largest) sum->largest = highest;
    sum->nan |= !!v_any(odd);
}

/* The sum of (s g)^2 for |s g| < 1, such that no addition rounds, whatever the order: each square is cut into a
 * multiple of 2^-38 and the rest, that into a multiple of 2^-76; 2^14 of either add up to 52 bits. What is left below
 * 2^-77 is dropped. Adding and subtracting 1.5 * 2^(52-k) rounds to a multiple of 2^-k. */
FL_INLINE void add_squares(const double *g, double scale, double *high, double *low) {
    FL_NO_UNROLL /* as a loop the compiler makes vectors of it */
    for (int j = 0; j < LANES; j++) {
        const double x = g[j] * scale, square = x * x;
        const double top = (square + 0x1.8p14) - 0x1.8p14;
        high[j] += top;
        low[j] += ((square - top) + 0x1.8p-24) - 0x1.8p-24;
    }
}

/* LANES clipped entries as doubles, 0 past the n-th. */
FL_INLINE void widen(const real *grad, ptrdiff_t n, vreal limit, double *out) {
    for (int j = 0; j < LANES; j += V_LANES) {
        const ptrdiff_t left = n - j;
        const vreal g = left < V_LANES ? v_load_n(grad + j, left) : v_load(grad + j);
        v_acc_store(out + j, v_acc_add(v_acc_zero(), v_max(-limit, v_min(limit, g))));
    }
}

void FN(grad_squares)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, const double scale[2],
                      fl_grad_summary *sum) {
    const real *grad = (const real *)tensor->grad;
    const vreal limit = v_set((real)scale[0]);
    double wide[LANES], high[LANES] = {0}, low[LANES] = {0};
    for (ptrdiff_t i = begin; i < end; i += LANES) {
        widen(grad + i, end - i, limit, wide);
        add_squares(wide, scale[1], high, low);
    }
    for (int j = 1; j < LANES; j++) {
        high[0] += high[j];
        low[0] += low[j];
    }
    /* Halves again, so that the sums over 2^28 such parts do not round either. */
    const double top = (high[0] + 0x1.8p40) - 0x1.8p40, middle = (low[0] + 0x1.8p2) - 0x1.8p2;
    sum->squares[0] += top;
    sum->squares[1] += high[0] - top;
    sum->squares[2] += middle;
    sum->squares[3] += low[0] - middle;
}
