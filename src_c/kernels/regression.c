/* The regression losses: their formulas, nothing else. Loops are in elementwise.h, rows of (mean, log-variance) in
 * the last part of this file. In every formula z is the prediction, y the target and r = z - y.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "elementwise.h"

#define HALF_LOG_2PI 0.91893853320467274178 /* log(2 pi) / 2, nearest double */

/* k r^2, gradient 2 k r; k is 1, or 1/2 for half. */
FL_INLINE vpoint squared_error(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y, twice = p->a + p->a;
    return (vpoint){(r * p->a) * r, r * twice, twice};
}
#define squared_error_params as_given
POINTWISE(squared_error, squared_error)

/* The pieces of sqrt(mean r^2): with s = a b both (s r)^2 and s r. First pass: s keeps the squares in range; second
 * pass: s r = r / rmse. s comes as two factors because 1 / rmse may overflow; an infinite r stands for c or -c. */
FL_INLINE vpoint scaled_residual(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y, scaled = (r * p->a) * p->b;
    const vmask infinite = v_eq(v_abs(r), v_set(FL_INFINITY));
    return (vpoint){scaled * scaled, v_select(infinite, v_copysign(p->c, r), scaled), v_set(0)};
}
#define scaled_residual_params as_given
POINTWISE(root_mean_squared_error, scaled_residual)

/* |r|, gradient sign r (0 at 0). */
FL_INLINE vpoint absolute_error(vreal z, vreal y, const vparams *p) {
    (void)p;
    const vreal r = z - y;
    return (vpoint){v_abs(r), v_sign(r), v_set(0)};
}
#define absolute_error_params as_given
POINTWISE(absolute_error, absolute_error)

/* r^2/2 where |r| <= delta, delta (|r| - delta/2) beyond; gradient clip(r, -delta, delta). Huber 1964. */
FL_INLINE vpoint huber(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y, size = v_abs(r), delta = p->a, half = v_set(R(0.5));
    const vmask outside = v_gt(size, delta);
    return (vpoint){v_select(outside, delta * (size - delta * half), (r * half) * r),
                    v_max(-delta, v_min(delta, r)), /* the bounds first: NaN passes */
                    v_except(outside, v_set(1))};
}
#define huber_params as_given
POINTWISE(huber, huber)

/* log cosh r for |r| <= 1 as x P(x), x = r^2: Chebyshev interpolation of (log cosh sqrt x) / x on [0, 1], relative
 * error 5e-11 (float) and 9e-19 (double). */
FL_INLINE vreal log_cosh_small(vreal r) {
#if FL_REAL == 32
    static const real coefficient[] = {
        0.49999999997876921f,   -0.083333329886218716f, 0.022222129250610572f,
        -0.0067450562763526818f, 0.0021817510446276498f, -0.00072271994121803502f,
        0.00022705196455844478f, -5.6739057947233257e-5f, 7.7434217755859768e-6f};
#else
    static const real coefficient[] = {
        0.4999999999999999996,    -0.083333333333333128127, 0.02222222222220471474,   -0.0067460317454394667091,
        0.002186948843058454661,  -0.00073860284660725463591, 0.00025657975920948957103, -9.0985609655536897618e-5,
        3.2764899416536551397e-5, -1.1918687623522829471e-5, 4.3314025716289521866e-6, -1.5281848212875654873e-6,
        4.9245398825434822162e-7, -1.3068157325434964712e-7, 2.4268051367700383398e-8, -2.2764198082727954031e-9};
#endif
    const vreal x = r * r;
    const int terms = (int)(sizeof coefficient / sizeof coefficient[0]);
    vreal sum = v_set(coefficient[terms - 1]);
    FL_UNROLL
    for (int i = terms - 2; i >= 0; i--) sum = v_fma(sum, x, v_set(coefficient[i]));
    return x * sum;
}

/* log cosh r = |r| - log 2 + log1p(e), e = exp(-2|r|); that cancels for |r| <= 1, where the series above stands in.
 * Gradient tanh r, second derivative 1/cosh^2 r = 4e/(1+e)^2. */
FL_INLINE vpoint log_cosh(vreal z, vreal y, const vparams *p) {
    (void)p;
    const vreal r = z - y, size = v_abs(r);
    const vreal e = v_exp_neg(size * v_set(-2)), one = v_set(1);
#if FL_REAL == 32
    const real log2_high = 0.693359375f, log2_low = -2.12194440e-4f; /* log 2, the first part in 10 bits */
#else
    const real log2_high = 0.693147180369123816490, log2_low = 1.90821492927058770002e-10; /* log 2, 33 bits first */
#endif
    const vreal large = (size - v_set(log2_high)) + (v_log1p_unit(e) - v_set(log2_low));
    const vreal q = one / (one + e);
    return (vpoint){v_select(v_le(size, one), log_cosh_small(r), large), v_tanh(r), (v_set(4) * e * q) * q};
}
#define log_cosh_params as_given
POINTWISE(log_cosh, log_cosh)

/* max(q (y-z), (q-1) (y-z)); gradient -q below the target, 1-q above, 0 at it. Koenker & Bassett 1978. */
FL_INLINE vparams pinball_params(const double *param) {
    return (vparams){.a = v_set((real)param[0]), .b = v_set((real)(1 - param[0]))};
}
FL_INLINE vpoint pinball(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y;
    const vmask above = v_gt(r, v_set(0)), below = v_lt(r, v_set(0));
    return (vpoint){v_times(v_select(above, p->b, p->a), v_abs(r)), v_select(above, p->b, v_select(below, -p->a, r)),
                    v_set(0)};
}
POINTWISE(pinball, pinball)

/* max(0, |r| - epsilon); gradient sign r outside the tube, 0 in it and at its edge. Vapnik 1995. */
FL_INLINE vpoint epsilon_insensitive(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y, size = v_abs(r), zero = v_set(0);
    return (vpoint){v_max(zero, size - p->a), v_except(v_le(size, p->a), v_sign(r)), zero};
}
#define epsilon_insensitive_params as_given
POINTWISE(epsilon_insensitive, epsilon_insensitive)

/* The square of that. */
FL_INLINE vpoint epsilon_insensitive_squared(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y, size = v_abs(r), zero = v_set(0);
    const vreal excess = v_max(zero, size - p->a);
    return (vpoint){excess * excess, v_copysign(excess + excess, r), v_only(v_gt(size, p->a), v_set(2))};
}
#define epsilon_insensitive_squared_params as_given
POINTWISE(epsilon_insensitive_squared, epsilon_insensitive_squared)

/* r^2/(2v) + log(v)/2 [full: + log(2 pi)/2], gradient r/v: the Gaussian with a known variance v. */
FL_INLINE vparams gaussian_nll_params(const double *param) {
    const double constant = 0.5 * log(param[0]) + (param[1] != 0 ? HALF_LOG_2PI : 0);
    return (vparams){
        .a = v_set((real)(0.5 / param[0])), .b = v_set((real)(1 / param[0])), .c = v_set((real)constant)};
}
FL_INLINE vpoint gaussian_nll(vreal z, vreal y, const vparams *p) {
    const vreal r = z - y;
    return (vpoint){(r * r) * p->a + p->c, r * p->b, p->b};
}
POINTWISE(gaussian_nll, gaussian_nll)

/* log Gamma(y + shift), entry by entry in double: a constant of the data, wanted with `full` only. */
FL_INLINE vreal v_log_gamma(vreal y, double shift) {
    real lane[V_LANES];
    v_store(lane, y);
    for (int j = 0; j < V_LANES; j++) lane[j] = (real)fl_log_gamma((double)lane[j] + shift);
    return v_load(lane);
}

/* exp(z) - y z [full: + log y!], z = log rate; gradient exp(z) - y. y z is 0 where y is 0; exp wins at z = inf. */
FL_INLINE vparams poisson_nll_params(const double *param) { return (vparams){.full = param[0] != 0}; }
FL_INLINE vpoint poisson_nll(vreal z, vreal y, const vparams *p) {
    const vreal rate = v_exp(z);
    vreal loss = rate - v_times(y, z);
    if (p->full) loss = loss + v_log_gamma(y, 1);
    return (vpoint){v_select(v_eq(rate, v_set(FL_INFINITY)), rate, loss), rate - y, rate};
}
POINTWISE(poisson_nll, poisson_nll)

/* mu - y log mu [full: + log y!], mu = the rate itself; gradient (mu - y)/mu, 1 where y is 0 or mu infinite. */
#define poisson_nll_rate_params poisson_nll_params
FL_INLINE vpoint poisson_nll_rate(vreal mu, vreal y, const vparams *p) {
    const vreal one = v_set(1);
    const vmask infinite = v_eq(mu, v_set(FL_INFINITY)), none = v_eq(y, v_set(0));
    const vreal grad = v_select(v_or(infinite, none), v_select(v_isnan(mu), mu, one), (mu - y) / mu);
    vreal loss = mu - v_times(y, v_log(mu));
    if (p->full) loss = loss + v_log_gamma(y, 1);
    const vreal hess = v_select(none, v_only(v_isnan(mu), mu), (y / mu) / mu);
    return (vpoint){v_select(infinite, mu, loss), grad, hess};
}
POINTWISE(poisson_nll_rate, poisson_nll_rate)

/* k (z + y exp(-z)), z = log mean; gradient k (1 - y exp(-z)). McCullagh & Nelder 1989, ch. 8. k = 1: exponential.
 * full: + log Gamma(k) - k log k - (k-1) log y. */
FL_INLINE vparams gamma_nll_params(const double *param) {
    const double k = param[0];
    return (vparams){.a = v_set((real)k),
                     .b = v_set((real)(k - 1)),
                     .c = v_set((real)(fl_log_gamma(k) - k * log(k))),
                     .full = param[1] != 0};
}
FL_INLINE vreal gamma_full(vreal loss, vreal y, const vparams *p) {
    if (p->full) loss = (loss + p->c) - v_times(p->b, v_log(y));
    return loss;
}
FL_INLINE vpoint gamma_nll(vreal z, vreal y, const vparams *p) {
    const vreal ratio = v_times(y, v_exp(-z)), k = p->a;
    const vmask infinite = v_eq(ratio, v_set(FL_INFINITY));
    return (vpoint){gamma_full(k * v_select(infinite, ratio, z + ratio), y, p), k * (v_set(1) - ratio), k * ratio};
}
POINTWISE(gamma_nll, gamma_nll)

/* k (log mu + y/mu), mu = the mean itself; gradient k (mu - y)/mu^2, second derivative k (2y - mu)/mu^3. */
FL_INLINE vpoint gamma_nll_mean(vreal mu, vreal y, const vparams *p) {
    const vreal k = p->a, zero = v_set(0), infinity = v_set(FL_INFINITY);
    const vreal ratio = v_except(v_eq(y, zero), y / mu);
    const vmask infinite = v_eq(mu, infinity), none = v_eq(y, zero); /* y = 0: k log mu alone, also at mu = 0 */
    const vreal one = v_set(1), share = v_select(none, one, (mu - y) / mu);
    const vreal grad = share / mu, hess = v_select(none, -one, ((y - mu) + y) / mu) / mu / mu;
    const vreal loss = k * v_select(v_eq(ratio, infinity), ratio, v_log(mu) + ratio);
    return (vpoint){gamma_full(loss, y, p), v_except(infinite, k * grad), v_except(infinite, k * hess)};
}
#define gamma_nll_mean_params gamma_nll_params
POINTWISE(gamma_nll_mean, gamma_nll_mean)

/* exp(a z) for the exact product of z and a = high + low: the rounding of high * z, which exp would blow up, goes into
 * a correction factor. Without FMA only low is corrected for. */
FL_INLINE vreal v_exp_multiple(vreal z, vreal high, vreal low) {
    const vreal x = high * z, e = v_exp(x);
    const vreal error = v_fma(low, z, v_fma(high, z, -x));
    const vmask usable = v_and(v_lt(v_abs(error), v_set(1)), v_lt(e, v_set(FL_INFINITY)));
    return v_select(usable, v_fma(e, error, e), e);
}

/* exp((2-p) z)/(2-p) - y exp((1-p) z)/(1-p), z = log mean, power p in (1, 2) or above; Jorgensen 1987. Where the
 * second term overflows it decides: it grows faster than the first as z falls. */
FL_INLINE vparams tweedie_nll_params(const double *param) {
    const double first = 2 - param[0], second = 1 - param[0];
    return (vparams){.a = v_set((real)first),
                     .b = v_set((real)second),
                     .c = v_set((real)(1 / first)),
                     .d = v_set((real)(-1 / second)),
                     .e = v_set((real)(first - (double)(real)first)),
                     .f = v_set((real)(second - (double)(real)second))};
}
FL_INLINE vpoint tweedie_nll(vreal z, vreal y, const vparams *p) {
    const vreal infinity = v_set(FL_INFINITY);
    const vreal first = v_exp_multiple(z, p->a, p->e), second = v_times(y, v_exp_multiple(z, p->b, p->f));
    const vmask second_wins = v_eq(second, infinity);
    return (vpoint){v_select(second_wins, infinity, first * p->c + second * p->d),
                    v_select(second_wins, -infinity, first - second),
                    v_select(second_wins, infinity, p->a * first - p->b * second)};
}
POINTWISE(tweedie_nll, tweedie_nll)

/* The Gaussian with a learned variance: pred rows (m, k), k = log variance, and r = m - y:
 *     l = (r^2 exp(-k) + k)/2 [full: + log(2 pi)/2],  dm = r exp(-k),  dk = (1 - r^2 exp(-k))/2,
 *     second derivatives exp(-k) and r^2 exp(-k)/2.
 * r = 0 gives 0 even times exp(inf); exp wins over k at k = -inf. */
typedef struct vpair {
    vreal loss, grad_mean, grad_log, hess_mean, hess_log;
} vpair;

FL_INLINE vpair gaussian_pair(vreal m, vreal k, vreal y, vreal constant) {
    const vreal half = v_set(R(0.5)), infinity = v_set(FL_INFINITY);
    const vreal r = m - y, precision = v_exp(-k);
    const vreal scaled = v_times(r, precision), square = v_times(r, scaled);
    const vreal loss = v_select(v_eq(square, infinity), infinity, (square + k) * half + constant);
    return (vpair){loss, scaled, (v_set(1) - square) * half, precision, square * half};
}

double FN(gaussian_nll_learned)(const fl_loss_call *call, fl_part part) {
    const vreal zero = v_set(0), constant = v_set((real)(call->param[0] != 0 ? HALF_LOG_2PI : 0));
    const real *weight = (const real *)call->weight;
    vacc sums[V_UNROLL];
    for (int u = 0; u < V_UNROLL; u++) sums[u] = v_acc_zero();
    for (ptrdiff_t row = part.row; row < part.row_end; row += V_LANES) {
        const int count = part.row_end - row < V_LANES ? (int)(part.row_end - row) : V_LANES;
        const int u = (int)((row - part.row) / V_LANES % V_UNROLL);
        real m[V_LANES] = {0}, k[V_LANES] = {0}, y[V_LANES] = {0}, w[V_LANES] = {0};
        for (int j = 0; j < count; j++) { /* from rows of two to one register each */
            const real *pair = (const real *)call->pred + (row + j) * call->pred_stride;
            m[j] = pair[0];
            k[j] = pair[1];
            y[j] = ((const real *)call->target)[(row + j) * call->target_stride];
            w[j] = weight ? weight[(row + j) * call->weight_stride] : 1;
        }
        const vreal vw = v_load(w), factor = (vw * v_set((real)call->scale[0])) * v_set((real)call->scale[1]);
        const vmask dropped = v_eq(vw, zero);
        const vpair o = gaussian_pair(v_load(m), v_load(k), v_load(y), constant);
        const vreal loss = v_except(dropped, o.loss * vw);
        sums[u] = v_acc_add(sums[u], loss);
        real out[5][V_LANES];
        v_store(out[0], loss);
        v_store(out[1], v_except(dropped, o.grad_mean * factor));
        v_store(out[2], v_except(dropped, o.grad_log * factor));
        v_store(out[3], v_except(dropped, o.hess_mean * factor));
        v_store(out[4], v_except(dropped, o.hess_log * factor));
        for (int j = 0; j < count; j++) {
            if (call->loss) ((real *)call->loss)[(row + j) * call->loss_stride] = out[0][j];
            for (int side = 0; side < 2; side++) {
                if (call->grad) ((real *)call->grad)[(row + j) * call->grad_stride + side] = out[1 + side][j];
                if (call->hess) ((real *)call->hess)[(row + j) * call->hess_stride + side] = out[3 + side][j];
            }
        }
    }
    return v_acc_total(sums);
}
