/* What a step may have to know of all gradients before it writes anything: whether they are finite, how large, and
 * the sum of their squares. No updates here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "update.h"

#define LANES 8 /* sums side by side, so that the additions need not wait for each other */

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
    real lane[V_LANES];
    v_store(lane, largest);
    for (int j = 0; j < V_LANES; j++)
        if ((double)lane[j] > sum->largest) sum->largest = (double)lane[j];
    sum->nan |= !!v_any(odd);
}

/* The sum of (s g)^2 for |s g| < 1, such that no addition rounds, whatever the order: each square is cut into a
 * multiple of 2^-38 and the rest, that into a multiple of 2^-76; 2^14 of either add up to 52 bits. What is left below
 * 2^-77 is dropped. Adding and subtracting 1.5 * 2^(52-k) rounds to a multiple of 2^-k. */
FL_INLINE void add_square(double g, double limit, double scale, double *high, double *low) {
    const double clipped = g > limit ? limit : g < -limit ? -limit : g;
    const double x = clipped * scale, square = x * x;
    const double top = (square + 0x1.8p14) - 0x1.8p14;
    *high += top;
    *low += ((square - top) + 0x1.8p-24) - 0x1.8p-24;
}

void FN(grad_squares)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, const double scale[2],
                      fl_grad_summary *sum) {
    const real *grad = (const real *)tensor->grad + begin;
    const double limit = (double)(real)scale[0], s = scale[1];
    const ptrdiff_t n = end - begin, whole = n - n % LANES;
    double high[LANES] = {0}, low[LANES] = {0};
    for (ptrdiff_t i = 0; i < whole; i += LANES)
        for (int j = 0; j < LANES; j++) add_square((double)grad[i + j], limit, s, &high[j], &low[j]);
    for (ptrdiff_t i = whole; i < n; i++) add_square((double)grad[i], limit, s, &high[0], &low[0]);
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
