/* The regularizers that see entries one by one: penalties, their proximal step, and dropout with its random numbers.
 * Those that need sums per feature are in features.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "elementwise.h"

/* ---- penalties ---- */

typedef struct penalty {
    vreal l1, twice_l2;
    vmask no_square; /* l2 is 0: adds nothing, even times infinity */
    int add;
} penalty;

/* Up to V_GROUP entries: l1 sign w + 2 l2 w (sign 0 = 0) goes to, or into, grad; |w| and w^2 into the sums. Lanes past
 * `count` read as 0 and add nothing. No fused operation, so that every target agrees. */
FL_INLINE void penalty_group(const penalty *p, const real *w, real *grad, ptrdiff_t count, vacc *size, vacc *square) {
    EACH(u, V_UNROLL) {
        const ptrdiff_t at = u * V_LANES, left = count - at;
        if (left <= 0) continue;
        const vreal x = load_part(w + at, left);
        size[u] = v_acc_add(size[u], v_abs(x));
        square[u] = v_acc_add_product(square[u], x, x);
        if (!grad) continue;
        vreal g = p->l1 * v_sign(x) + v_except(p->no_square, p->twice_l2 * x);
        if (p->add) g = load_part(grad + at, left) + g;
        store_part(grad + at, g, left);
    }
}

/* l1 sum |w| + l2 sum w^2. Zou & Hastie 2005, with l1 and l2 as plain factors. The squares of floats are exact in
 * double and neither overflow nor underflow there. */
double FN(elastic_net)(const fl_regularizer_call *call, fl_part part) {
    const double l1 = call->param[0], l2 = call->param[1];
    const ptrdiff_t n = part.column_end - part.column, whole = n - n % V_GROUP;
    const penalty p = {v_set((real)l1), v_set((real)(2 * l2)), v_eq(v_set((real)l2), v_set(0)), call->add};
    vacc size[V_UNROLL], square[V_UNROLL];
    EACH(u, V_UNROLL) size[u] = square[u] = v_acc_zero();
    for (ptrdiff_t r = part.row; r < part.row_end; r++) {
        const real *w = (const real *)call->x + r * call->x_stride + part.column;
        real *grad = call->y ? (real *)call->y + r * call->y_stride + part.column : NULL;
        for (ptrdiff_t i = 0; i < whole; i += V_GROUP)
            penalty_group(&p, w + i, grad ? grad + i : NULL, V_GROUP, size, square);
        if (whole < n) penalty_group(&p, w + whole, grad ? grad + whole : NULL, n - whole, size, square);
    }
    return (l1 > 0 ? l1 * v_acc_total(size) : 0) + (l2 > 0 ? l2 * v_acc_total(square) : 0);
}

/* The proximal step: argmin_u |u - w|^2 / 2 + step (l1 |u| + l2 u^2) = soft(w, threshold) / divisor, where threshold is
 * step l1 and divisor 1 + 2 step l2. Zero, not just small, where |w| <= threshold; NaN passes. */
double FN(elastic_net_prox)(const fl_regularizer_call *call, fl_part part) {
    const vreal threshold = v_set((real)call->param[0]), divisor = v_set((real)call->param[1]);
    const ptrdiff_t n = part.column_end - part.column;
    for (ptrdiff_t r = part.row; r < part.row_end; r++) {
        const real *w = (const real *)call->x + r * call->x_stride + part.column;
        real *y = (real *)call->y + r * call->y_stride + part.column;
        for (ptrdiff_t i = 0; i < n; i += V_LANES) {
            const vreal x = load_part(w + i, n - i);
            const vreal shrunk = (x - v_copysign(threshold, x)) / divisor;
            store_part(y + i, v_except(v_le(v_abs(x), threshold), shrunk), n - i);
        }
    }
    return 0;
}

/* ---- random numbers ---- */

#define PHILOX_BLOCKS 16 /* blocks of 4 words at a time: plain C over arrays that the compiler turns into vectors */
#define PHILOX_WORDS (4 * PHILOX_BLOCKS)

/* Philox4x32-10, a counter-based generator: word[4 b + i] is word i of block first + b. Each of 10 rounds multiplies
 * two words by constants, and mixes the products' halves with the other two and the key, which then steps on.
 * Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3". */
FL_OUTLINE void philox(uint64_t seed, uint64_t first, uint32_t third, uint32_t fourth, uint32_t *restrict word) {
    uint32_t c0[PHILOX_BLOCKS], c1[PHILOX_BLOCKS], c2[PHILOX_BLOCKS], c3[PHILOX_BLOCKS];
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int b = 0; b < PHILOX_BLOCKS; b++) {
        c0[b] = (uint32_t)(first + (uint64_t)b);
        c1[b] = (uint32_t)((first + (uint64_t)b) >> 32);
        c2[b] = third;
        c3[b] = fourth;
    }
    for (int round = 0; round < 10; round++) {
        FL_NO_UNROLL /* gcc would unroll before it looks for vectors, and find none */
        for (int b = 0; b < PHILOX_BLOCKS; b++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * c0[b], p1 = (uint64_t)0xCD9E8D57u * c2[b];
            c0[b] = (uint32_t)(p1 >> 32) ^ c1[b] ^ key0;
            c1[b] = (uint32_t)p1;
            c2[b] = (uint32_t)(p0 >> 32) ^ c3[b] ^ key1;
            c3[b] = (uint32_t)p0;
        }
        key0 += 0x9E3779B9u; /* golden ratio */
        key1 += 0xBB67AE85u; /* sqrt 3 - 1 */
    }
    for (int b = 0; b < PHILOX_BLOCKS; b++) {
        word[4 * b] = c0[b];
        word[4 * b + 1] = c1[b];
        word[4 * b + 2] = c2[b];
        word[4 * b + 3] = c3[b];
    }
}

void FN(random_words)(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word);
void FN(random_words)(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word) {
    const uint64_t first = counter[0] | (uint64_t)counter[1] << 32;
    for (ptrdiff_t b = 0; b < blocks; b += PHILOX_BLOCKS) {
        uint32_t part[PHILOX_WORDS];
        const ptrdiff_t count = blocks - b < PHILOX_BLOCKS ? blocks - b : PHILOX_BLOCKS;
        philox(seed, first + (uint64_t)b, counter[2], counter[3], part);
        memcpy(word + 4 * b, part, (size_t)count * 4 * sizeof *word);
    }
}

/* ---- dropout ---- */

/* The mask of the entries [begin, end), counted in row-major order over the whole array: 1 where word i is at least
 * `least`. Wherever a part begins, an entry's word is the same. */
FL_INLINE void dropout_mask(uint64_t seed, uint32_t least, ptrdiff_t begin, ptrdiff_t end, uint8_t *mask) {
    for (ptrdiff_t at = begin - begin % PHILOX_WORDS; at < end; at += PHILOX_WORDS) {
        const ptrdiff_t from = at < begin ? begin - at : 0, to = end - at < PHILOX_WORDS ? end - at : PHILOX_WORDS;
        uint32_t word[PHILOX_WORDS];
        uint8_t keep[PHILOX_WORDS];
        philox(seed, (uint64_t)at / 4, 0, 0, word);
        for (int i = 0; i < PHILOX_WORDS; i++) keep[i] = word[i] >= least;
        memcpy(mask + at + from, keep + from, (size_t)(to - from));
    }
}

/* Kept entries times the factor, exactly 0 elsewhere, whatever stands there. */
FL_OUTLINE void dropout_apply(const uint8_t *restrict mask, const real *restrict x, real *restrict y, ptrdiff_t n,
                              real factor) {
    for (ptrdiff_t i = 0; i < n; i++) {
        const real kept = x[i] * factor;
        y[i] = mask[i] ? kept : 0;
    }
}

/* Inverted dropout: kept with probability 1 - rate and then divided by that. Srivastava et al. 2014. */
double FN(dropout)(const fl_regularizer_call *call, fl_part part) {
    const double rate = call->param[0], steps = floor(rate * 0x1p32 + 0.5);
    const uint32_t least = !(steps > 0) ? 0 : steps < 0xffffffffu ? (uint32_t)steps : 0xffffffffu;
    const ptrdiff_t n = part.column_end - part.column;
    dropout_mask(call->seed, least, part.row * call->c + part.column, (part.row_end - 1) * call->c + part.column_end,
                 call->mask);
    for (ptrdiff_t r = part.row; r < part.row_end; r++)
        dropout_apply(call->mask + r * call->c + part.column,
                      (const real *)call->x + r * call->x_stride + part.column,
                      (real *)call->y + r * call->y_stride + part.column, n, (real)(1 / (1 - rate)));
    return 0;
}

double FN(dropout_grad)(const fl_regularizer_call *call, fl_part part) {
    const ptrdiff_t n = part.column_end - part.column;
    for (ptrdiff_t r = part.row; r < part.row_end; r++)
        dropout_apply(call->mask + r * call->mask_stride + part.column,
                      (const real *)call->dy + r * call->dy_stride + part.column,
                      (real *)call->y + r * call->y_stride + part.column, n, (real)(1 / (1 - call->param[0])));
    return 0;
}
