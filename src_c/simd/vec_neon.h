/* The vector words for 64-bit Arm (NEON, always present there): 4 floats or 2 doubles a register.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <arm_neon.h>
#define FL_HAS_FMA 1

#if FL_REAL == 32
#define V_LANES 4
#define V_(op) v##op##q_f32
typedef float32x4_t vreal;
typedef uint32x4_t vmask;
#else
#define V_LANES 2
#define V_(op) v##op##q_f64
typedef float64x2_t vreal;
typedef uint64x2_t vmask;
#endif
typedef lane_int vint __attribute__((vector_size(16)));

FL_INLINE vmask v_first(ptrdiff_t n) {
#if FL_REAL == 32
    const vint lane = {0, 1, 2, 3};
    const vint count = {(lane_int)n, (lane_int)n, (lane_int)n, (lane_int)n};
#else
    const vint lane = {0, 1};
    const vint count = {(lane_int)n, (lane_int)n};
#endif
    return (vmask)(lane < count);
}
FL_INLINE vreal v_load(const real *p) { return V_(ld1)(p); }
FL_INLINE void v_store(real *p, vreal v) { V_(st1)(p, v); }
FL_INLINE vreal v_load_n(const real *p, ptrdiff_t n) {
    real lane[V_LANES] = {0};
    for (ptrdiff_t i = 0; i < n && i < V_LANES; i++) lane[i] = p[i];
    return V_(ld1)(lane);
}
FL_INLINE void v_store_n(real *p, vreal v, ptrdiff_t n) {
    real lane[V_LANES];
    V_(st1)(lane, v);
    for (ptrdiff_t i = 0; i < n && i < V_LANES; i++) p[i] = lane[i];
}
#if FL_REAL == 32
FL_INLINE vreal v_set(real x) { return vdupq_n_f32(x); }
#else
FL_INLINE vreal v_set(real x) { return vdupq_n_f64(x); }
#endif

FL_INLINE vreal v_fma(vreal a, vreal b, vreal c) { return V_(fma)(c, a, b); }
FL_INLINE vreal v_fnma(vreal a, vreal b, vreal c) { return V_(fms)(c, a, b); }
/* Arm's own minimum and maximum return NaN for either operand; these choose as x86 does. */
FL_INLINE vreal v_min(vreal a, vreal b) { return V_(bsl)(V_(clt)(a, b), a, b); }
FL_INLINE vreal v_max(vreal a, vreal b) { return V_(bsl)(V_(cgt)(a, b), a, b); }
FL_INLINE vreal v_sqrt(vreal a) { return V_(sqrt)(a); }
FL_INLINE vreal v_abs(vreal a) { return V_(abs)(a); }
FL_INLINE vreal v_round(vreal a) { return V_(rndn)(a); }

FL_INLINE vint v_bits(vreal a) { return (vint)a; }
FL_INLINE vreal v_from_bits(vint i) { return (vreal)i; }
FL_INLINE vint v_shift_left(vint a, int n) { return (vint)((vmask)a << (lane_uint)n); }
FL_INLINE vint v_shift_right(vint a, int n) { return (vint)((vmask)a >> (lane_uint)n); }
#if FL_REAL == 32
FL_INLINE vint v_to_int(vreal a) { return (vint)vcvtnq_s32_f32(a); }
FL_INLINE vreal v_from_int(vint a) { return vcvtq_f32_s32((int32x4_t)a); }
FL_INLINE vreal v_iota(void) { return (vreal){0, 1, 2, 3}; }
#else
FL_INLINE vint v_to_int(vreal a) { return (vint)vcvtnq_s64_f64(a); }
FL_INLINE vreal v_from_int(vint a) { return vcvtq_f64_s64((int64x2_t)a); }
FL_INLINE vreal v_iota(void) { return (vreal){0, 1}; }
#endif
FL_INLINE vreal v_copysign(vreal size, vreal sign) {
    return V_(bsl)((vmask)v_bits(v_set(R(-0.0))), sign, size);
}
/* a * 2^n for an integral n, |n| at most twice the exponent bias; rounds once, also into the subnormals. */
FL_INLINE vreal v_ldexp(vreal a, vreal n) {
    const vreal half = v_round(n * v_set(R(0.5)));
    const vint first = (v_to_int(half) + FL_EXPONENT_BIAS) << FL_MANTISSA_BITS;
    const vint second = (v_to_int(n - half) + FL_EXPONENT_BIAS) << FL_MANTISSA_BITS;
    return (a * (vreal)first) * (vreal)second;
}

FL_INLINE vmask v_lt(vreal a, vreal b) { return V_(clt)(a, b); }
FL_INLINE vmask v_le(vreal a, vreal b) { return V_(cle)(a, b); }
FL_INLINE vmask v_gt(vreal a, vreal b) { return V_(cgt)(a, b); }
FL_INLINE vmask v_ge(vreal a, vreal b) { return V_(cge)(a, b); }
FL_INLINE vmask v_eq(vreal a, vreal b) { return V_(ceq)(a, b); }
FL_INLINE vmask v_ne(vreal a, vreal b) { return ~V_(ceq)(a, b); }
FL_INLINE vmask v_isnan(vreal a) { return ~V_(ceq)(a, a); }
FL_INLINE vmask v_and(vmask a, vmask b) { return a & b; }
FL_INLINE vmask v_or(vmask a, vmask b) { return a | b; }
FL_INLINE vmask v_not(vmask a) { return ~a; }
#if FL_REAL == 32
FL_INLINE int v_any(vmask m) { return vmaxvq_u32(m) != 0; }
FL_INLINE int v_count(vmask m) { return (int)vaddvq_u32(m >> 31); }
#else
FL_INLINE int v_any(vmask m) { return (m[0] | m[1]) != 0; }
FL_INLINE int v_count(vmask m) { return (int)vaddvq_u64(m >> 63); }
#endif
FL_INLINE vreal v_select(vmask m, vreal yes, vreal no) { return V_(bsl)(m, yes, no); }
FL_INLINE vreal v_only(vmask m, vreal x) { return v_select(m, x, v_set(0)); }
FL_INLINE vreal v_except(vmask m, vreal x) { return v_select(m, v_set(0), x); }
FL_INLINE real v_highest(vreal a) { return V_(maxv)(a); }
#if FL_REAL == 32
FL_INLINE real v_total(vreal a) {
    const float32x2_t s = vget_low_f32(a) + vget_high_f32(a);
    return s[0] + s[1];
}
#else
FL_INLINE real v_total(vreal a) { return a[0] + a[1]; }
#endif

#if FL_REAL == 32
typedef struct {
    float64x2_t low, high;
} vacc;
FL_INLINE vacc v_acc_zero(void) { return (vacc){{0, 0}, {0, 0}}; }
FL_INLINE vacc v_acc_add(vacc s, vreal a) {
    s.low += vcvt_f64_f32(vget_low_f32(a));
    s.high += vcvt_high_f64_f32(a);
    return s;
}
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) {
    s.low += vcvt_f64_f32(vget_low_f32(a)) * vcvt_f64_f32(vget_low_f32(b));
    s.high += vcvt_high_f64_f32(a) * vcvt_high_f64_f32(b);
    return s;
}
FL_INLINE void v_acc_store(double *p, vacc s) {
    vst1q_f64(p, s.low);
    vst1q_f64(p + 2, s.high);
}
#else
typedef float64x2_t vacc;
FL_INLINE vacc v_acc_zero(void) { return (vacc){0, 0}; }
FL_INLINE vacc v_acc_add(vacc s, vreal a) { return s + a; }
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) { return s + a * b; }
FL_INLINE void v_acc_store(double *p, vacc s) { vst1q_f64(p, s); }
#endif

#if FL_REAL == 32
FL_INLINE void v_transpose(vreal t[4]) {
    const float64x2_t a = (float64x2_t)vtrn1q_f32(t[0], t[1]), b = (float64x2_t)vtrn2q_f32(t[0], t[1]);
    const float64x2_t c = (float64x2_t)vtrn1q_f32(t[2], t[3]), d = (float64x2_t)vtrn2q_f32(t[2], t[3]);
    t[0] = (vreal)vtrn1q_f64(a, c);
    t[1] = (vreal)vtrn1q_f64(b, d);
    t[2] = (vreal)vtrn2q_f64(a, c);
    t[3] = (vreal)vtrn2q_f64(b, d);
}
#else
FL_INLINE void v_transpose(vreal t[2]) {
    const vreal a = vtrn1q_f64(t[0], t[1]), b = vtrn2q_f64(t[0], t[1]);
    t[0] = a;
    t[1] = b;
}
#endif
