/* The vector words for AVX2 with FMA: 8 floats or 4 doubles a register, a mask is a register of all-ones lanes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <immintrin.h>
#define FL_HAS_FMA 1

#if FL_REAL == 32
#define V_LANES 8
#define V_(op) _mm256_##op##_ps
typedef __m256 vreal;
#else
#define V_LANES 4
#define V_(op) _mm256_##op##_pd
typedef __m256d vreal;
#endif
typedef vreal vmask;
typedef lane_int vint __attribute__((vector_size(32)));
typedef lane_uint vuint __attribute__((vector_size(32)));

/* Reading V_LANES entries from n places before the middle gives n set lanes. */
static const lane_int v_first_table[2 * V_LANES] = {
#if FL_REAL == 32
    -1, -1, -1, -1,
#endif
    -1, -1, -1, -1};
FL_INLINE vmask v_first(ptrdiff_t n) {
    const ptrdiff_t k = n < 0 ? 0 : n > V_LANES ? V_LANES : n;
    return V_(loadu)((const real *)(v_first_table + V_LANES - k));
}
FL_INLINE vreal v_load(const real *p) { return V_(loadu)(p); }
FL_INLINE void v_store(real *p, vreal v) { V_(storeu)(p, v); }
FL_INLINE vreal v_load_n(const real *p, ptrdiff_t n) { return V_(maskload)(p, (__m256i)v_first(n)); }
/* By halves, not by a masked store: those take 42 steps on Zen 1 to 3. n changes rarely, so the branches are foreseen. */
FL_INLINE void v_store_n(real *p, vreal v, ptrdiff_t n) {
    if (n >= V_LANES) {
        V_(storeu)(p, v);
        return;
    }
#if FL_REAL == 32
    __m128 part = _mm256_castps256_ps128(v);
    if (n >= 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps(v, 1);
        p += 4;
        n -= 4;
    }
    if (n >= 2) {
        _mm_storel_pi((__m64 *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
        n -= 2;
    }
    if (n > 0) _mm_store_ss(p, part);
#else
    __m128d part = _mm256_castpd256_pd128(v);
    if (n >= 2) {
        _mm_storeu_pd(p, part);
        part = _mm256_extractf128_pd(v, 1);
        p += 2;
        n -= 2;
    }
    if (n > 0) _mm_store_sd(p, part);
#endif
}
FL_INLINE vreal v_set(real x) { return V_(set1)(x); }

FL_INLINE vreal v_fma(vreal a, vreal b, vreal c) { return V_(fmadd)(a, b, c); }
FL_INLINE vreal v_fnma(vreal a, vreal b, vreal c) { return V_(fnmadd)(a, b, c); }
FL_INLINE vreal v_min(vreal a, vreal b) { return V_(min)(a, b); }
FL_INLINE vreal v_max(vreal a, vreal b) { return V_(max)(a, b); }
FL_INLINE vreal v_sqrt(vreal a) { return V_(sqrt)(a); }
FL_INLINE vreal v_round(vreal a) { return V_(round)(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FL_INLINE vreal v_abs(vreal a) { return V_(andnot)(V_(set1)(R(-0.0)), a); }
FL_INLINE vreal v_copysign(vreal size, vreal sign) {
    const vreal top = V_(set1)(R(-0.0));
    return V_(or)(V_(andnot)(top, size), V_(and)(top, sign));
}

FL_INLINE vint v_bits(vreal a) { return (vint)a; }
FL_INLINE vreal v_from_bits(vint i) { return (vreal)i; }
FL_INLINE vint v_shift_left(vint a, int n) { return (vint)((vuint)a << n); }
FL_INLINE vint v_shift_right(vint a, int n) { return (vint)((vuint)a >> n); }
#if FL_REAL == 32
FL_INLINE vint v_to_int(vreal a) { return (vint)_mm256_cvtps_epi32(a); }
FL_INLINE vreal v_from_int(vint a) { return _mm256_cvtepi32_ps((__m256i)a); }
FL_INLINE vreal v_iota(void) { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
#else
/* No 64-bit conversions here: for |a| < 2^51 the sum a + 1.5 * 2^52 holds the integer in its low bits. */
FL_INLINE vint v_to_int(vreal a) {
    const vreal big = _mm256_set1_pd(0x1.8p52);
    return (vint)(a + big) - (vint)big;
}
FL_INLINE vreal v_from_int(vint a) {
    const vreal big = _mm256_set1_pd(0x1.8p52);
    return (vreal)(a + (vint)big) - big;
}
FL_INLINE vreal v_iota(void) { return _mm256_setr_pd(0, 1, 2, 3); }
#endif
/* a * 2^n for an integral n, |n| at most twice the exponent bias; rounds once, also into the subnormals. */
FL_INLINE vreal v_ldexp(vreal a, vreal n) {
    const vreal half = v_round(n * v_set(R(0.5)));
    const vint first = (v_to_int(half) + FL_EXPONENT_BIAS) << FL_MANTISSA_BITS;
    const vint second = (v_to_int(n - half) + FL_EXPONENT_BIAS) << FL_MANTISSA_BITS;
    return (a * (vreal)first) * (vreal)second;
}

FL_INLINE vmask v_lt(vreal a, vreal b) { return V_(cmp)(a, b, _CMP_LT_OQ); }
FL_INLINE vmask v_le(vreal a, vreal b) { return V_(cmp)(a, b, _CMP_LE_OQ); }
FL_INLINE vmask v_gt(vreal a, vreal b) { return V_(cmp)(a, b, _CMP_GT_OQ); }
FL_INLINE vmask v_ge(vreal a, vreal b) { return V_(cmp)(a, b, _CMP_GE_OQ); }
FL_INLINE vmask v_eq(vreal a, vreal b) { return V_(cmp)(a, b, _CMP_EQ_OQ); }
FL_INLINE vmask v_ne(vreal a, vreal b) { return V_(cmp)(a, b, _CMP_NEQ_UQ); }
FL_INLINE vmask v_isnan(vreal a) { return V_(cmp)(a, a, _CMP_UNORD_Q); }
FL_INLINE vmask v_and(vmask a, vmask b) { return V_(and)(a, b); }
FL_INLINE vmask v_or(vmask a, vmask b) { return V_(or)(a, b); }
FL_INLINE vmask v_not(vmask a) { return (vmask)~(vint)a; }
FL_INLINE int v_any(vmask m) { return V_(movemask)(m) != 0; }
FL_INLINE int v_count(vmask m) { return __builtin_popcount((unsigned)V_(movemask)(m)); }
FL_INLINE vreal v_select(vmask m, vreal yes, vreal no) { return V_(blendv)(no, yes, m); }
/* gcc 12 makes two instructions of a v_select, one of these. */
FL_INLINE vreal v_only(vmask m, vreal x) { return V_(and)(m, x); }
FL_INLINE vreal v_except(vmask m, vreal x) { return V_(andnot)(m, x); }
#if FL_REAL == 32
FL_INLINE real v_highest(vreal a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
FL_INLINE real v_total(vreal a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
#else
FL_INLINE real v_highest(vreal a) {
    const __m128d m = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_max_sd(m, _mm_unpackhi_pd(m, m)));
}
FL_INLINE real v_total(vreal a) {
    const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
#endif

#if FL_REAL == 32
typedef struct {
    __m256d low, high;
} vacc;
FL_INLINE vacc v_acc_zero(void) { return (vacc){_mm256_setzero_pd(), _mm256_setzero_pd()}; }
FL_INLINE vacc v_acc_add(vacc s, vreal a) {
    s.low += _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    s.high += _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    return s;
}
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) {
    s.low += _mm256_cvtps_pd(_mm256_castps256_ps128(a)) * _mm256_cvtps_pd(_mm256_castps256_ps128(b));
    s.high += _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)) * _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1));
    return s;
}
FL_INLINE void v_acc_store(double *p, vacc s) {
    _mm256_storeu_pd(p, s.low);
    _mm256_storeu_pd(p + 4, s.high);
}
#else
typedef __m256d vacc;
FL_INLINE vacc v_acc_zero(void) { return _mm256_setzero_pd(); }
FL_INLINE vacc v_acc_add(vacc s, vreal a) { return s + a; }
FL_INLINE vacc v_acc_add_product(vacc s, vreal a, vreal b) { return s + a * b; }
FL_INLINE void v_acc_store(double *p, vacc s) { _mm256_storeu_pd(p, s); }
#endif

#if FL_REAL == 32
FL_INLINE void v_transpose(vreal t[8]) {
    FL_UNROLL
    for (int i = 0; i < 8; i += 4) { /* 4 x 4 blocks inside the 128-bit halves */
        const __m256 a = _mm256_unpacklo_ps(t[i], t[i + 1]), b = _mm256_unpackhi_ps(t[i], t[i + 1]);
        const __m256 c = _mm256_unpacklo_ps(t[i + 2], t[i + 3]), d = _mm256_unpackhi_ps(t[i + 2], t[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    EACH(i, 4) { /* then the halves themselves */
        const __m256 a = t[i], b = t[i + 4];
        t[i] = _mm256_permute2f128_ps(a, b, 0x20);
        t[i + 4] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}
#else
FL_INLINE void v_transpose(vreal t[4]) {
    const __m256d a = _mm256_unpacklo_pd(t[0], t[1]), b = _mm256_unpackhi_pd(t[0], t[1]);
    const __m256d c = _mm256_unpacklo_pd(t[2], t[3]), d = _mm256_unpackhi_pd(t[2], t[3]);
    t[0] = _mm256_permute2f128_pd(a, c, 0x20);
    t[1] = _mm256_permute2f128_pd(b, d, 0x20);
    t[2] = _mm256_permute2f128_pd(a, c, 0x31);
    t[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
#endif
