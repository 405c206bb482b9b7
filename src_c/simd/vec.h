/* The vector vocabulary: `real` is the float type of this compilation, `vreal` a register of V_LANES of them, and
 * the v_ words below mean the same on every target. Formulas and loops use these words only; no kernel lives here.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every kernel file is compiled once per target and float type:
 *     -DFL_TARGET=avx2 -DFL_REAL=32 -mavx2 -mfma
 * Types      vreal  vint (signed integers as wide as a real)  vmask (one truth value per lane)  vacc (sums in double)
 * Operators  + - * / and unary minus work on vreal; + - & | << >> on vint (>> is arithmetic, v_shift_right logical)
 * Memory     v_load v_store (any alignment)   v_load_n v_store_n (first n lanes only; the rest reads as 0)
 * Make       v_set v_iota v_first
 * Arithmetic v_fma(a,b,c) = a*b+c, v_fnma = c-a*b (fused where FL_HAS_FMA, else rounded twice)   v_sqrt v_abs v_round
 * Choose     v_min v_max: the SECOND operand where either is NaN, so write v_max(bound, data)   v_select(mask, yes, no)
 *            v_only(mask, x) = v_select(mask, x, 0)   v_except(mask, x) = v_select(mask, 0, x)
 *            v_highest: the largest lane, for registers without NaN   v_total: the lanes' sum, halves onto halves
 * Compare    v_lt v_le v_gt v_ge v_eq (false on NaN)   v_ne v_isnan   v_and v_or v_not v_any v_count (on masks)
 * Bits       v_bits v_from_bits v_to_int v_from_int v_shift_left (bits may fall off) v_shift_right v_ldexp v_copysign
 * Sums       v_acc_zero v_acc_add v_acc_store   v_acc_add_product(s,a,b) = s+a*b in double, never fused
 * Layout     v_transpose: V_LANES registers as a square, rows become columns
 *
 * A loop works on groups of V_GROUP elements, V_UNROLL registers each: 16 floats or 8 doubles on every target. Lane j
 * of a group always adds into sum j, which makes sums the same bits whatever the register width. */
#ifndef FL_VEC_H
#define FL_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef FL_TARGET /* so that an editor can read a kernel file */
#define FL_TARGET scalar
#endif
#ifndef FL_REAL
#define FL_REAL 32
#endif

#define FL_PASTE_(a, b) a##b
#define FL_PASTE(a, b) FL_PASTE_(a, b)
/* FN(huber) is fl_huber_f32_avx2: the name under which this compilation exports its huber. */
#define FN(name) FL_PASTE(FL_PASTE(FL_PASTE(fl_##name, _f), FL_REAL), FL_PASTE(_, FL_TARGET))

#define FL_TARGET_IS_scalar 1
#define FL_TARGET_IS_avx2 2
#define FL_TARGET_IS_avx512 3
#define FL_TARGET_IS_neon 4
#define FL_TARGET_ID FL_PASTE(FL_TARGET_IS_, FL_TARGET)

#if FL_REAL == 32
typedef float real;
typedef int32_t lane_int;
typedef uint32_t lane_uint;
#define V_GROUP 16
#define FL_MANTISSA_BITS 23
#define FL_EXPONENT_BIAS 127
#define R(x) x##f /* a literal in the float type: R(0.5) */
#else
typedef double real;
typedef int64_t lane_int;
typedef uint64_t lane_uint;
#define V_GROUP 8
#define FL_MANTISSA_BITS 52
#define FL_EXPONENT_BIAS 1023
#define R(x) x
#endif

#if defined(__GNUC__)
#define FL_INLINE static inline __attribute__((always_inline, unused))
#define FL_OUTLINE static __attribute__((noinline, unused))
#else
#define FL_INLINE static inline
#define FL_OUTLINE static
#endif

/* Before a loop with a small constant count. The compiler then keeps arrays indexed by its counter in registers; plain
 * C has no registers to fill and is better left as a loop. */
#if defined(__clang__)
#define FL_NO_UNROLL _Pragma("nounroll")
#define FL_UNROLL_ALL _Pragma("unroll")
#elif defined(__GNUC__)
#define FL_NO_UNROLL _Pragma("GCC unroll 1")
#define FL_UNROLL_ALL _Pragma("GCC unroll 16")
#else
#define FL_NO_UNROLL
#define FL_UNROLL_ALL
#endif
#if FL_TARGET_ID == FL_TARGET_IS_scalar
#define FL_UNROLL FL_NO_UNROLL
#else
#define FL_UNROLL FL_UNROLL_ALL
#endif
/* EACH(u, V_UNROLL) statement; for a count known when compiling. */
#define EACH(u, count) FL_UNROLL for (int u = 0; u < (count); u++)

#if FL_TARGET_ID == FL_TARGET_IS_avx512
#include "vec_avx512.h"
#elif FL_TARGET_ID == FL_TARGET_IS_avx2
#include "vec_avx2.h"
#elif FL_TARGET_ID == FL_TARGET_IS_neon
#include "vec_neon.h"
#else
#include "vec_scalar.h"
#endif

#define V_UNROLL (V_GROUP / V_LANES)

/* Adds the V_GROUP double lanes of a group in one fixed order: halves onto halves. */
FL_INLINE double v_acc_total(const vacc *acc) {
    double lane[V_GROUP];
    EACH(u, V_UNROLL) v_acc_store(lane + u * V_LANES, acc[u]);
    for (int half = V_GROUP / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

#endif
