/* The vector words for AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles a register, masks in mask registers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <immintrin.h>
#define FL_HAS_FMA 1

#if FL_REAL == 32
#define V_LANES 16
#define V_(op) _mm512_##op##_ps
#define V_MASK_(op) _mm512_##op##_ps_mask
typedef __m512 vreal;
typedef __mmask16 vmask;
#else
#define V_LANES 8
#define V_(op) _mm512_##op##_pd
#define V_MASK_(op) _mm512_##op##_pd_mask
typedef __m512d vreal;
typedef __mmask8 vmask;
#endif
typedef lane_int vint __attribute__((vector_size(64)));
typedef lane_uint vuint __attribute__((vector_size(64)));

FL_INLINE vmask v_first(ptrdiff_t n) { return n >= V_LANES ? (vmask)-1 : (vmask)((1u << (n > 0 ? n : 0)) - 1u); }
FL_INLINE vreal v_load(const real *p) { return V_(loadu)(p); }
FL_INLINE void v_store(real *p, vreal v) { V_(storeu)(p, v); }
FL_INLINE vreal v_load_n(const real *p, ptrdiff_t n) { return V_(maskz_loadu)(v_first(n), p); }
FL_INLINE void v_store_n(real *p, vreal v, ptrdiff_t n) { V_(mask_storeu)(p, v_first(n), v); }
FL_INLINE vreal v_set(real x) { return V_(set1)(x); }

FL_INLINE vreal v_fma(vreal a, vreal b, vreal c) { return V_(fmadd)(a, b, c); }
FL_INLINE vreal v_fnma(vreal a, vreal b, vreal c) { return V_(fnmadd)(a, b, c); }
FL_INLINE vreal v_min(vreal a, vreal b) { return V_(min)(a, b); }
FL_INLINE vreal v_max(vreal a, vreal b) { return V_(max)(a, b); }
FL_INLINE vreal v_sqrt(vreal a) { return V_(sqrt)(a); }
FL_INLINE vreal v_abs(vreal a) { return V_(abs)(a); }
FL_INLINE vreal v_round(vreal a) { return V_(roundscale)(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FL_INLINE vreal v_ldexp(vreal a, vreal n) { return V_(scalef)(a, n); }

FL_INLINE vint v_bits(vreal a) { return (vint)a; }
FL_INLINE vreal v_from_bits(vint i) { return (vreal)i; }
FL_INLINE vint v_shift_left(vint a, int n) { return (vint)((vuint)a << n); }
FL_INLINE vint v_shift_right(vint a, int n) { return (vint)((vuint)a >> n); }
#if FL_REAL == 32
FL_INLINE vint v_to_int(vreal a) { return (vint)_mm512_cvtps_epi32(a); }
FL_INLINE vreal v_from_int(vint a) { return _mm512_cvtepi32_ps((__m512i)a); }
FL_INLINE vreal v_iota(void) { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
#else
FL_INLINE vint v_to_int(vreal a) { return (vint)_mm512_cvtpd_epi64(a); }
FL_INLINE vreal v_from_int(vint a) { return _mm512_cvtepi64_pd((__m512i)a); }
FL_INLINE vreal v_iota(void) { return _mm512_setr_pd(0, 1, 2, 3, 4, 5, 6, 7); }
#endif
FL_INLINE vreal v_copysign(vreal size, vreal sign) {
    const vint top = (vint)V_(set1)(R(-0.0));
    return (vreal)(((vint)size & ~top) | ((vint)sign & top));
}

/* Words of this target only, for the logarithms; none depends on a table or an approximation. */
/* The integral k and the m in [3/4, 3/2) of a = +-2^k m, subnormal a included; m is NaN where a < 0. */
FL_INLINE vreal v_exponent(vreal a) { return V_(getexp)(a); }
FL_INLINE vreal v_mantissa_from_3_4(vreal a) { return V_(getmant)(a, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan); }
/* y, but log(u) where u is not a positive number: -inf at 0, inf at inf, NaN at NaN or below 0. The constant holds a
 * digit per class of u, from the right: quiet NaN, signalling NaN, 0, 1, -inf, inf, other negative, other positive. */
FL_INLINE vreal v_log_ends_512(vreal y, vreal u) {
#if FL_REAL == 32
    return _mm512_fixupimm_ps(y, u, _mm512_set1_epi32(0x03530422), 0);
#else
    return _mm512_fixupimm_pd(y, u, _mm512_set1_epi64(0x03530422), 0);
#endif
}

FL_INLINE vmask v_lt(vreal a, vreal b) { return V_MASK_(cmp)(a, b, _CMP_LT_OQ); }
FL_INLINE vmask v_le(vreal a, vreal b) { return V_MASK_(cmp)(a, b, _CMP_LE_OQ); }
FL_INLINE vmask v_gt(vreal a, vreal b) { return V_MASK_(cmp)(a, b, _CMP_GT_OQ); }
FL_INLINE vmask v_ge(vreal a, vreal b) { return V_MASK_(cmp)(a, b, _CMP_GE_OQ); }
FL_INLINE vmask v_eq(vreal a, vreal b) { return V_MASK_(cmp)(a, b, _CMP_EQ_OQ); }
FL_INLINE vmask v_ne(vreal a, vreal b) { return V_MASK_(cmp)(a, b, _CMP_NEQ_UQ); }
FL_INLINE vmask v_isnan(vreal a) { return V_MASK_(cmp)(a, a, _CMP_UNORD_Q); }
FL_INLINE vmask v_and(vmask a, vmask b) { return a & b; }
FL_INLINE vmask v_or(vmask a, vmask b) { return a | b; }
FL_INLINE vmask v_not(vmask a) { return (vmask)~a; }
FL_INLINE int v_any(vmask m) { return m != 0; }
FL_INLINE int v_count(vmask m) { return __builtin_popcount(m); }
FL_INLINE vreal v_select(vmask m, vreal yes, vreal no) { return V_(mask_blend)(m, no, yes); }
FL_INLINE vreal v_only(vmask m, vreal x) { return V_(maskz_mov)(m, x); }
FL_INLINE vreal v_except(vmask m, vreal x) { return V_(mask_blend)(m, x, v_set(0)); }
FL_INLINE real v_highest(vreal a) { return V_(reduce_max)(a); }
#if FL_REAL == 32
FL_INLINE real v_total(vreal a) {
    const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
#else
FL_INLINE real v_total(vreal a) {
    const __m256d s4 = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
    const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
#endif

#if FL_REAL == 32
typedef struct {
    __m512d low, high;
} vacc;
FL_INLINE vacc v_acc_zero(void) { return (vacc){_mm512_setzero_pd(), _mm512_setzero_pd()}; }
FL_INLINE vacc v_acc_add(vacc s, vreal a) {
    s.low += _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    s.high += _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    return s;
}
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) {
    s.low += _mm512_cvtps_pd(_mm512_castps512_ps256(a)) * _mm512_cvtps_pd(_mm512_castps512_ps256(b));
    s.high += _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)) * _mm512_cvtps_pd(_mm512_extractf32x8_ps(b, 1));
    return s;
}
FL_INLINE void v_acc_store(double *p, vacc s) {
    _mm512_storeu_pd(p, s.low);
    _mm512_storeu_pd(p + 8, s.high);
}
#else
typedef __m512d vacc;
FL_INLINE vacc v_acc_zero(void) { return _mm512_setzero_pd(); }
FL_INLINE vacc v_acc_add(vacc s, vreal a) { return s + a; }
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) { return s + a * b; }
FL_INLINE void v_acc_store(double *p, vacc s) { _mm512_storeu_pd(p, s); }
#endif

/* Rows become columns in log2(V_LANES) rounds; a round exchanges the off-diagonal halves of ever larger blocks. */
#if FL_REAL == 32
FL_INLINE void v_transpose(vreal t[16]) {
    FL_UNROLL
    for (int i = 0; i < 16; i += 4) { /* 4 x 4 blocks inside the 128-bit quarters */
        const __m512 a = _mm512_unpacklo_ps(t[i], t[i + 1]), b = _mm512_unpackhi_ps(t[i], t[i + 1]);
        const __m512 c = _mm512_unpacklo_ps(t[i + 2], t[i + 3]), d = _mm512_unpackhi_ps(t[i + 2], t[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    EACH(i, 4) { /* then the quarters themselves: a 4 x 4 transpose of blocks */
        const __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
        const __m512 c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        t[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        t[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        t[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}
#else
FL_INLINE void v_transpose(vreal t[8]) {
    FL_UNROLL
    for (int i = 0; i < 8; i += 2) { /* 2 x 2 blocks inside the 128-bit quarters */
        const __m512d a = t[i], b = t[i + 1];
        t[i] = _mm512_unpacklo_pd(a, b);
        t[i + 1] = _mm512_unpackhi_pd(a, b);
    }
    EACH(i, 2) { /* then the quarters themselves: a 4 x 4 transpose of blocks */
        const __m512d a = _mm512_shuffle_f64x2(t[i], t[i + 2], 0x88), b = _mm512_shuffle_f64x2(t[i], t[i + 2], 0xdd);
        const __m512d c = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0x88);
        const __m512d d = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0xdd);
        t[i] = _mm512_shuffle_f64x2(a, c, 0x88);
        t[i + 4] = _mm512_shuffle_f64x2(a, c, 0xdd);
        t[i + 2] = _mm512_shuffle_f64x2(b, d, 0x88);
        t[i + 6] = _mm512_shuffle_f64x2(b, d, 0xdd);
    }
}
#endif
