/* Elementary functions over the vector words: exp, log, log1p, expm1, tanh, sigmoid. One source for every target; no
 * branches, no tables. The losses' formulas live in kernels/, the words themselves in vec.h.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Error over all inputs, subnormal results included: at most 1 ULP where v_fma is fused, 2 ULP where it rounds twice;
 * v_log1p_unit in float 1.34 ULP, a word of the losses alone, which are a few ULP from exact anyway.
 * NaN gives NaN, no input is flushed to zero, and the fused targets agree in every bit.
 *
 *     v_exp_neg      exp(x) for x <= 0: no overflow path; v_exp_lifted_each: the same for many, times a power of two
 *     v_exp          exp(x)
 *     v_log          log(x); log(0) = -inf, log(negative) = NaN
 *     v_log1p_unit   log(1 + x) for 0 <= x <= 1
 *     v_log1p_pos    log(1 + x) for x >= 0
 *     v_log1p        log(1 + x); -1 gives -inf, less NaN
 *     v_expm1        exp(x) - 1
 *     v_tanh         tanh(x)
 *     v_sigmoid      1 / (1 + exp(-x))
 *
 * The polynomials are minimax fits (Remez exchange in 45 digits) of the stated function on the stated range; the error
 * given is that of the rounded coefficients below. */
#ifndef FL_VEC_MATH_H
#define FL_VEC_MATH_H

#include "vec.h"

/* log(2) in two parts. The high part ends in enough zero bits that n * ln2_high is exact for every exponent n, and the
 * sum is within 2^-44 (float) or 2^-86 (double) of log(2). Adding shifter to |a| < 2^(mantissa bits - 1) rounds a to
 * an integer, which then stands in the low bits of the sum. */
#if FL_REAL == 32
static const real ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
static const real log2_e = 0x1.715476p+0f; /* 1 / log(2) within 2^-25 */
static const real shifter = 0x1.8p23f;
static const real exp_zero = -104;    /* exp of this and anything less rounds to 0 */
static const real exp_infinite = 89;  /* exp of this and anything more rounds to infinity */
static const real smallest_normal = 0x1p-126f;
#define FL_LIFT 64 /* of lifted exponentials, see v_exp_lifted_each */
static const real lift = 0x1p64f, unlift = 0x1p-64f, lifted_zero = -131;
#else
static const real ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
static const real log2_e = 0x1.71547652b82fep+0; /* 1 / log(2) within 2^-55 */
static const real shifter = 0x1.8p52;
static const real exp_zero = -746;
static const real exp_infinite = 710;
static const real smallest_normal = 0x1p-1022;
#define FL_LIFT 512
static const real lift = 0x1p512, unlift = 0x1p-512, lifted_zero = -1060;
#endif

/* a + b * x */
FL_INLINE vreal v_line(real a, real b, vreal x) { return v_fma(v_set(b), x, v_set(a)); }

/* A word ending in _each works on `count` registers, a constant of at most V_IN_STEP, and takes each step for all of
 * them before the next: one's waits are filled with the others' work; the processor alone looks ahead too little. */
#define V_IN_STEP (2 * V_UNROLL)

/* (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2. What it adds to the error of exp, relative to exp(r):
 * 2^-28.2 (float), 2^-57.8 (double). r2 is r * r. */
#if FL_REAL == 32
static const real exp_poly[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558b0p-5f, 0x1.12399cp-7f, 0x1.6a4eccp-10f};
#endif
FL_INLINE vreal v_exp_poly(vreal r, vreal r2) {
#if FL_REAL == 32
    vreal p = v_line(exp_poly[2], exp_poly[3], r);
    p = v_fma(v_set(exp_poly[4]), r2, p);
    return v_fma(p, r2, v_line(exp_poly[0], exp_poly[1], r));
#else
    vreal p = v_line(0x1.28afd76510a72p-22, 0x1.ae1bfec1d4a4bp-26, r);
    p = v_fma(p, r2, v_line(0x1.a019979d56c75p-16, 0x1.71dece9ada7bfp-19, r));
    p = v_fma(p, r2, v_line(0x1.6c16c184fcb20p-10, 0x1.a01a014b9b2fap-13, r));
    p = v_fma(p, r2, v_line(0x1.5555555550535p-5, 0x1.1111111122a42p-7, r));
    return v_fma(p, r2, v_line(0x1.000000000000ap-1, 0x1.555555555550ap-3, r));
#endif
}
/* The same; with floats in Horner's order, which takes longer for one register, but fewer operations for many. */
FL_INLINE void v_exp_poly_each(const vreal *r, vreal *p, int count) {
#if FL_REAL == 32
    EACH(u, count) p[u] = v_line(exp_poly[3], exp_poly[4], r[u]);
    EACH(u, count) p[u] = v_fma(p[u], r[u], v_set(exp_poly[2]));
    EACH(u, count) p[u] = v_fma(p[u], r[u], v_set(exp_poly[1]));
    EACH(u, count) p[u] = v_fma(p[u], r[u], v_set(exp_poly[0]));
#else
    EACH(u, count) p[u] = v_exp_poly(r[u], r[u] * r[u]);
#endif
}

/* exp(x) * 2^offset for magic = shifter + bias + offset, where neither the result nor 2^(n + offset) may leave the
 * normal numbers. With n the integer nearest x / log(2), exp(x) is 2^n exp(r) and |r| <= log(2) / 2. */
FL_INLINE vreal v_exp_scaled(vreal x, vreal magic) {
    const vreal shifted = v_fma(x, v_set(log2_e), magic);
    const vreal n = shifted - magic;
    vreal r = v_fnma(n, v_set(ln2_high), x); /* exact: the product is, and the difference is small */
    r = v_fnma(n, v_set(ln2_low), r);
    const vreal p = v_fma(v_fma(v_exp_poly(r, r * r), r, v_set(1)), r, v_set(1));
    /* The low bits of shifted are n + offset + bias; moved up they are the exponent of a power of two. A product, not
     * an addition to the exponent of p, lets a NaN through. */
    return p * v_from_bits(v_shift_left(v_bits(shifted), FL_MANTISSA_BITS));
}
/* The same of each x, in its place. */
FL_INLINE void v_exp_scaled_each(vreal *x, vreal magic, int count) {
    vreal shifted[V_IN_STEP], n[V_IN_STEP], r[V_IN_STEP], p[V_IN_STEP];
    EACH(u, count) shifted[u] = v_fma(x[u], v_set(log2_e), magic);
    EACH(u, count) n[u] = shifted[u] - magic;
    EACH(u, count) r[u] = v_fnma(n[u], v_set(ln2_high), x[u]);
    EACH(u, count) r[u] = v_fnma(n[u], v_set(ln2_low), r[u]);
    v_exp_poly_each(r, p, count);
    EACH(u, count) p[u] = v_fma(p[u], r[u], v_set(1));
    EACH(u, count) p[u] = v_fma(p[u], r[u], v_set(1));
    EACH(u, count) x[u] = p[u] * v_from_bits(v_shift_left(v_bits(shifted[u]), FL_MANTISSA_BITS));
}

/* exp(x) * 2^FL_LIFT of each x <= 0, in its place; exp(x) is at least 2^-189 here (float; 2^-1529: double), which is 0
 * beside anything. So nothing is subnormal, which takes many times as long, until the caller multiplies by unlift. */
FL_INLINE void v_exp_lifted_each(vreal *x, int count) {
    EACH(u, count) x[u] = v_max(v_set(lifted_zero), x[u]);
    v_exp_scaled_each(x, v_set(shifter + (FL_EXPONENT_BIAS + FL_LIFT)), count);
}

/* exp(x) for x <= 0. Computed 2^64 too large, where even the smallest result is normal; the last product rounds the
 * subnormal ones and is exact for all others. */
FL_INLINE vreal v_exp_neg(vreal x) {
    const vreal magic = v_set(shifter + (FL_EXPONENT_BIAS + 64));
    return v_exp_scaled(v_max(v_set(exp_zero), x), magic) * v_set(R(0x1p-64));
}

/* exp(x). As v_exp_neg, but 2^64 too small for positive x, so that the last product overflows where exp does. */
FL_INLINE vreal v_exp(vreal x) {
    const vmask negative = v_lt(x, v_set(0));
    const vreal up = v_set(shifter + (FL_EXPONENT_BIAS + 64)), down = v_set(shifter + (FL_EXPONENT_BIAS - 64));
    const vreal inside = v_min(v_set(exp_infinite), v_max(v_set(exp_zero), x));
    const vreal back = v_select(negative, v_set(R(0x1p-64)), v_set(R(0x1p64)));
    return v_exp_scaled(inside, v_select(negative, up, down)) * back;
}

/* (log(1 + f) - f) / f^2 for -1/4 <= f <= 1/2. What it adds to the error of log, relative to log(1 + f):
 * 2^-27.6 (float), 2^-56.5 (double). f2 is f * f. The last step is Horner's as its rounding matters most. */
FL_INLINE vreal v_log_poly(vreal f, vreal f2) {
#if FL_REAL == 32
    vreal p = v_line(0x1.acf4bap-4f, -0x1.71e354p-5f, f);
    p = v_fma(p, f2, v_line(0x1.28807ap-3f, -0x1.0d98f2p-3f, f));
    p = v_fma(p, f2, v_line(0x1.99699ep-3f, -0x1.54ed96p-3f, f));
    p = v_fma(p, f2, v_line(0x1.5555a4p-2f, -0x1.00004ap-2f, f));
    return v_fma(p, f, v_set(-0.5f));
#else
    vreal p = v_fma(v_set(0x1.07fd0e13cd46bp-7), f2, v_line(0x1.9fafc38134ddcp-5, -0x1.e0ea847d306c7p-6, f));
    p = v_fma(p, f2, v_line(0x1.f2aaa55df65cdp-5, -0x1.e9a73a1169b20p-5, f));
    p = v_fma(p, f2, v_line(0x1.101198b86545ep-4, -0x1.ffef2284d95d6p-5, f));
    p = v_fma(p, f2, v_line(0x1.3b1ff68d767fbp-4, -0x1.2463c2aee9737p-4, f));
    p = v_fma(p, f2, v_line(0x1.745ce3741e3e5p-4, -0x1.5559832853338p-4, f));
    p = v_fma(p, f2, v_line(0x1.c71c70eda88eep-4, -0x1.99996e0b5f052p-4, f));
    p = v_fma(p, f2, v_line(0x1.24924929f778fp-3, -0x1.0000007806fb1p-3, f));
    p = v_fma(p, f2, v_line(0x1.9999999989696p-3, -0x1.55555553fdbc8p-3, f));
    p = v_fma(p, f2, v_line(0x1.55555555555c4p-2, -0x1.0000000000dc6p-2, f));
    return v_fma(p, f, v_set(-0x1.ffffffffffffbp-2));
#endif
}

/* k * log(2) + log(1 + f) + low, with -1/4 <= f <= 1/2 and a low that is at most an ULP of f. */
FL_INLINE vreal v_log_sum(vreal k, vreal f, vreal low) {
    const vreal f2 = f * f;
    const vreal big = k * v_set(ln2_high); /* exact */
    const vreal sum = big + f;
    vreal rest = (f - (sum - big)) + low; /* what sum lost in rounding: |big| > |f| or big = 0 */
    rest = v_fma(k, v_set(ln2_low), rest);
    rest = v_fma(v_log_poly(f, f2), f2, rest);
    return sum + rest;
}

/* y = 2^k m with 3/4 <= m < 3/2, for normal y > 0 (AVX-512: subnormal too); nothing of use, but no overflow, for any
 * other y. inverse is 2^-k, or 0 where that would be subnormal. */
FL_INLINE vreal v_log_split(vreal y, vreal *k, vreal *inverse) {
#if FL_TARGET_ID == FL_TARGET_IS_avx512
    const vreal m = v_mantissa_from_3_4(y);
    *k = v_exponent(y) - v_exponent(m);
    *inverse = v_ldexp(v_set(1), -*k);
    return m;
#else
    const vint bits = v_bits(v_max(y, v_set(0))); /* negative and NaN would overflow below */
    const vint quarter = v_bits(v_set(1)) - v_bits(v_set(R(0.75)));
    const vint exponent = v_shift_right(bits + quarter, FL_MANTISSA_BITS); /* biased; from 3/4 on it is that of 1 */
    const vint power = v_shift_left(exponent, FL_MANTISSA_BITS);
    *k = v_from_int(exponent) - v_set(FL_EXPONENT_BIAS);
    *inverse = v_max(v_from_bits(v_bits(v_set(2 / smallest_normal)) - power), v_set(0));
    return v_from_bits(bits - power + v_bits(v_set(1)));
#endif
}

/* The logarithm y of u, mended where u is not positive and finite. */
FL_INLINE vreal v_log_ends(vreal y, vreal u) {
#if FL_TARGET_ID == FL_TARGET_IS_avx512
    return v_log_ends_512(y, u);
#else
    const vreal outside = v_select(v_eq(u, v_set(0)), v_set(-INFINITY), v_set(NAN));
    y = v_select(v_gt(u, v_set(0)), y, outside);
    return v_select(v_lt(u, v_set(INFINITY)), y, u);
#endif
}

/* log(x) = k log(2) + log(m) */
FL_INLINE vreal v_log(vreal x) {
    vreal k, inverse;
#if FL_TARGET_ID == FL_TARGET_IS_avx512
    const vreal m = v_log_split(x, &k, &inverse);
#else
    const real up = (real)((lane_int)2 << FL_MANTISSA_BITS); /* makes subnormals normal */
    const vmask tiny = v_lt(x, v_set(smallest_normal));
    const vreal m = v_log_split(v_select(tiny, x * v_set(up), x), &k, &inverse);
    k = k - v_only(tiny, v_set(FL_MANTISSA_BITS + 1));
#endif
    return v_log_ends(v_log_sum(k, m - v_set(1), v_set(0)), x);
}

/* log(1 + x) for 0 <= x <= 1. float: x + x^2 times a polynomial, which adds 2^-27.5 to the error; in Estrin's order, as
 * its length decides how fast the losses are. double: from 1/2 on as log(2) + log((1 + x) / 2), whose f = (x - 1) / 2
 * is exact. */
FL_INLINE vreal v_log1p_unit(vreal x) {
#if FL_REAL == 32
    const vreal x2 = x * x;
    vreal p = v_fma(v_set(-0x1.af49cep-9f), x2, v_line(-0x1.d6b08cp-5f, 0x1.4917cep-6f, x));
    p = v_fma(p, x2, v_line(-0x1.3a435ep-3f, 0x1.b4ae08p-4f, x));
    const vreal low = v_line(-0x1.ffffd2p-2f, 0x1.554dd0p-2f, x);
    p = v_fma(p, x2 * x2, v_fma(v_line(-0x1.ff23e6p-3f, 0x1.934b54p-3f, x), x2, low));
    return v_fma(p, x2, x);
#else
    const vmask upper = v_gt(x, v_set(R(0.5)));
    const vreal f = v_select(upper, v_fma(x, v_set(R(0.5)), v_set(R(-0.5))), x);
    return v_log_sum(v_only(upper, v_set(1)), f, v_set(0));
#endif
}

/* log(1 + x) for -1 < x < inf. With u the rounded 1 + x and c what the rounding lost, u + c = 2^k (m + c / 2^k). */
FL_INLINE vreal v_log1p_inside(vreal x, vreal u) {
    const vreal c = x - (u - v_set(1)); /* exact where |x| < 2^mantissa bits, negligible beyond */
    vreal k, inverse;
    const vreal m1 = v_log_split(u, &k, &inverse) - v_set(1);
    const vreal f = v_fma(c, inverse, m1); /* x itself where k = 0 */
    return v_log_sum(k, f, v_fma(c, inverse, m1 - f));
}

/* log(1 + x) for x >= 0 */
FL_INLINE vreal v_log1p_pos(vreal x) {
    return v_select(v_lt(x, v_set(INFINITY)), v_log1p_inside(x, x + v_set(1)), x);
}

/* log(1 + x), with the sign of x: log1p(-0) is -0 */
FL_INLINE vreal v_log1p(vreal x) {
    const vreal u = x + v_set(1);
    return v_log_ends(v_copysign(v_log1p_inside(x, u), x), u);
}

/* exp(x) = power * (1 + high + low + r_low * exp(r)) * 2^offset for magic as in v_exp_scaled; the rounding errors of
 * high and of r are in low and r_low. */
FL_INLINE vreal v_exp_parts(vreal x, vreal magic, vreal *high, vreal *low, vreal *r_low) {
    const vreal shifted = v_fma(x, v_set(log2_e), magic);
    const vreal n = shifted - magic;
    const vreal x1 = v_fnma(n, v_set(ln2_high), x);
    const vreal r = v_fnma(n, v_set(ln2_low), x1);
    *r_low = v_fnma(n, v_set(ln2_low), x1 - r);
    const vreal r2 = r * r, curve = v_exp_poly(r, r2); /* exp(r) - 1 = r + curve r2 */
    *high = v_fma(curve, r2, r);
    *low = v_fma(curve, r2, r - *high);
    return v_from_bits(v_shift_left(v_bits(shifted), FL_MANTISSA_BITS));
}

/* exp(x) - 1 = (p - 1) + p (high + low), computed at half its size because the largest p = 2^n is out of range. */
FL_INLINE vreal v_expm1(vreal x) {
    const real least = FL_REAL == 32 ? -18 : -38; /* exp(x) is less than half an ULP of 1 */
    const vreal inside = v_min(v_set(exp_infinite), v_max(v_set(least), x));
    vreal high, low, r_low;
    const vreal p = v_exp_parts(inside, v_set(shifter + (FL_EXPONENT_BIAS - 1)), &high, &low, &r_low);
    const vreal half = v_set(R(0.5)), base = p - half, sum = v_fma(p, high, base);
    vreal rest = v_fma(p, high, base - sum) + ((p - base) - half); /* what sum and base lost */
    rest = v_fma(p, low + v_fma(r_low, high, r_low), rest);
    const vreal y = v_set(2) * (sum + rest);
    /* x itself where x^2 / 2 is below half an ULP: there half the size might be subnormal, and -0 be lost */
    const real same = (real)1 / (real)((lane_int)4 << FL_MANTISSA_BITS);
    return v_select(v_lt(v_abs(x), v_set(same)), x, y);
}

/* tanh(a) = N / (N + 2) with N = exp(2 a) - 1 = (p - 1) + p (high + low), for a = |x|. */
FL_INLINE vreal v_tanh(vreal x) {
    const real one_from = FL_REAL == 32 ? 10 : 20; /* tanh rounds to 1 */
    const vreal a = v_min(v_set(one_from), v_abs(x));
    vreal high, low, r_low;
    const vreal p = v_exp_parts(a + a, v_set(shifter + FL_EXPONENT_BIAS), &high, &low, &r_low);
    const vreal base = p - v_set(1), top = v_fma(p, high, base);
    low = low + v_fma(r_low, high, r_low);
    const vreal top_low = v_fma(p, low, v_fma(p, high, base - top));
    const vreal two = v_set(2), bottom = top + two;
    const vreal bottom_low = (v_min(top, two) - (bottom - v_max(top, two))) + top_low;
    /* One Newton step mends the rounding of the quotient and adds the low parts. It needs 1 / bottom within 6 %, which
     * is what a difference of bits gives: they are nearly a logarithm. */
    const vreal y = top / bottom;
    const vreal left = FL_HAS_FMA ? v_fnma(y, bottom, top) : v_set(0);
    const vreal inverse = v_from_bits(v_bits(v_set(1)) + v_bits(v_set(R(0.9415))) - v_bits(bottom));
    return v_copysign(v_fma(v_fnma(y, bottom_low, left + top_low), inverse, y), x);
}

/* 1 / (1 + exp(-x)), computed 2^64 too large as the result may be subnormal: 1 / d with d = 2^-64 + p + p (high + low).
 * r_low would change the result by a quarter ULP at most. */
FL_INLINE vreal v_sigmoid(vreal x) {
    const real one_from = FL_REAL == 32 ? -20 : -40; /* 1 / (1 + exp) rounds to 1 */
    const vreal z = v_max(v_set(one_from), v_min(v_set(-exp_zero), -x));
    vreal high, low, r_low;
    const vreal p = v_exp_parts(z, v_set(shifter + (FL_EXPONENT_BIAS - 64)), &high, &low, &r_low);
    const vreal one = v_set(R(0x1p-64));
    const vreal base = p + one, d = v_fma(p, high, base);
    const vreal base_low = v_min(p, one) - (base - v_max(p, one)); /* what base and d lost */
    const vreal d_low = v_fma(p, low, v_fma(p, high, base - d) + base_low);
    /* one Newton step mends the rounding of the quotient and adds the low part */
    const vreal y = v_set(1) / d;
    const vreal left = FL_HAS_FMA ? v_fnma(y, d, v_set(1)) : v_set(0);
    return v_fma(v_fnma(y, d_low, left), y, y) * v_set(R(0x1p-64));
}

#endif
