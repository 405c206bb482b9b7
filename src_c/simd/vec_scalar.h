/* The vector words for plain C: a vector is one `real`. Any compiler, any machine; rounds twice in v_fma.
 * SPDX-License-Identifier: BSD-3-Clause */
#define V_LANES 1
#define FL_HAS_FMA 0

typedef real vreal;
typedef lane_int vint;
typedef int vmask;
typedef double vacc;

FL_INLINE vreal v_load(const real *p) { return *p; }
FL_INLINE void v_store(real *p, vreal v) { *p = v; }
FL_INLINE vreal v_load_n(const real *p, ptrdiff_t n) { return n > 0 ? *p : 0; }
FL_INLINE void v_store_n(real *p, vreal v, ptrdiff_t n) {
    if (n > 0) *p = v;
}
FL_INLINE vreal v_set(real x) { return x; }
FL_INLINE vreal v_iota(void) { return 0; }
FL_INLINE vmask v_first(ptrdiff_t n) { return n > 0; }

FL_INLINE vreal v_fma(vreal a, vreal b, vreal c) { return a * b + c; }
FL_INLINE vreal v_fnma(vreal a, vreal b, vreal c) { return c - a * b; }
FL_INLINE vreal v_min(vreal a, vreal b) { return a < b ? a : b; }
FL_INLINE vreal v_max(vreal a, vreal b) { return a > b ? a : b; }

FL_INLINE vint v_bits(vreal a) {
    vint i;
    memcpy(&i, &a, sizeof i);
    return i;
}
FL_INLINE vreal v_from_bits(vint i) {
    vreal a;
    memcpy(&a, &i, sizeof a);
    return a;
}
FL_INLINE vint v_shift_left(vint a, int n) { return (vint)((lane_uint)a << n); }
FL_INLINE vint v_shift_right(vint a, int n) { return (vint)((lane_uint)a >> n); }
FL_INLINE vint v_to_int(vreal a) { return (vint)a; }
#if FL_REAL == 32
FL_INLINE vreal v_from_int(vint a) { return (vreal)a; }
#else
/* Without the conversion of 64-bit integers, which most machines lack in vectors and compilers therefore leave in a
 * loop: for |a| < 2^51 the sum a + 1.5 * 2^52 is the same in integers and in doubles. */
FL_INLINE vreal v_from_int(vint a) { return v_from_bits(a + v_bits(0x1.8p52)) - 0x1.8p52; }
#endif

#if FL_REAL == 32
FL_INLINE vreal v_sqrt(vreal a) { return sqrtf(a); }
FL_INLINE vreal v_abs(vreal a) { return fabsf(a); }
FL_INLINE vreal v_copysign(vreal size, vreal sign) { return copysignf(size, sign); }
#else
FL_INLINE vreal v_sqrt(vreal a) { return sqrt(a); }
FL_INLINE vreal v_abs(vreal a) { return fabs(a); }
FL_INLINE vreal v_copysign(vreal size, vreal sign) { return copysign(size, sign); }
#endif
/* To the nearest integer, ties to even, for |a| < 2^(mantissa bits - 1): adding 1.5 * 2^mantissa drops the fraction. */
FL_INLINE vreal v_round(vreal a) {
    const real big = (real)((lane_int)3 << (FL_MANTISSA_BITS - 1));
    return (a + big) - big;
}
/* a * 2^n for an integral n, |n| at most twice the exponent bias; rounds once, also into the subnormals. */
FL_INLINE vreal v_ldexp(vreal a, vreal n) {
    const lane_int k = (lane_int)n, half = k / 2;
    const vreal first = v_from_bits((half + FL_EXPONENT_BIAS) << FL_MANTISSA_BITS);
    const vreal second = v_from_bits((k - half + FL_EXPONENT_BIAS) << FL_MANTISSA_BITS);
    return (a * first) * second;
}

FL_INLINE vmask v_lt(vreal a, vreal b) { return a < b; }
FL_INLINE vmask v_le(vreal a, vreal b) { return a <= b; }
FL_INLINE vmask v_gt(vreal a, vreal b) { return a > b; }
FL_INLINE vmask v_ge(vreal a, vreal b) { return a >= b; }
FL_INLINE vmask v_eq(vreal a, vreal b) { return a == b; }
FL_INLINE vmask v_ne(vreal a, vreal b) { return a != b; }
FL_INLINE vmask v_isnan(vreal a) { return a != a; }
FL_INLINE vmask v_and(vmask a, vmask b) { return a & b; }
FL_INLINE vmask v_or(vmask a, vmask b) { return a | b; }
FL_INLINE vmask v_not(vmask a) { return !a; }
FL_INLINE int v_any(vmask m) { return m; }
FL_INLINE int v_count(vmask m) { return m; }
FL_INLINE vreal v_select(vmask m, vreal yes, vreal no) { return m ? yes : no; }
FL_INLINE vreal v_only(vmask m, vreal x) { return m ? x : 0; }
FL_INLINE vreal v_except(vmask m, vreal x) { return m ? 0 : x; }
FL_INLINE real v_highest(vreal a) { return a; }
FL_INLINE real v_total(vreal a) { return a; }

FL_INLINE vacc v_acc_zero(void) { return 0; }
FL_INLINE vacc v_acc_add(vacc s, vreal a) { return s + (double)a; }
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) { return s + (double)a * (double)b; }
FL_INLINE void v_acc_store(double *p, vacc s) { *p = s; }

FL_INLINE void v_transpose(vreal *t) { (void)t; }
