/* The loops of the losses over rows of classes: blocks of rows, labels, weights, sums, and the two ways to lay a row
 * into vectors. A loss brings two formulas over these, one for few classes and one for many.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Few classes (a loss says how many): a register holds the same class of V_LANES rows. The rows are transposed into a
 * tile on the stack, [class][row], and every step works on V_LANES rows at once:
 *
 *     pred   row 0:  a0 b0 c0        tile  a0 a1 a2 a3 ...   class 0 of rows 0, 1, 2, 3 ...
 *            row 1:  a1 b1 c1              b0 b1 b2 b3 ...
 *            ...                           c0 c1 c2 c3 ...
 *
 * Many classes: a register holds V_LANES neighbouring classes of one row, and the row's sums are added across lanes at
 * its end. Either way a block of V_GROUP rows leaves its losses side by side, to be weighted and added together. */
#ifndef FL_ROWS_H
#define FL_ROWS_H

#include "elementwise.h"

/* Up to so many classes of floats, or of doubles, a loss is computed over tiles, else along the rows. To measure, build
 * with other numbers and compare: make bench-peers BENCH="--suite crossover --json before.json", then with --against
 * before.json. Found on AVX2: at 16, 24 and 32 classes of floats rows take 1.2, 1.1 and 0.9 times as long as tiles for
 * softmax, 0.8, 0.8 and 0.6 for the hinge; of doubles, at 6, 10 and 16 classes, 1.1, 1.1 and 0.7, and 0.9, 0.8, 0.6. */
#define FL_FEW_CLASSES(floats, doubles) (FL_REAL == 32 ? (floats) : (doubles))
#define FL_TILE_CLASSES FL_FEW_CLASSES(32, 16) /* at most */
#define FL_TILE_ROWS ((FL_TILE_CLASSES + V_LANES - 1) / V_LANES * V_LANES)

/* Rows of up to so many classes are kept on the stack between two walks, in whole registers. */
#define FL_SHORT_CLASSES FL_FEW_CLASSES(128, 64)

/* tile[k][u] holds class k of the rows u V_LANES to (u+1) V_LANES of a block. */
typedef vreal tile_row[V_UNROLL];

/* Up to V_GROUP rows: their labels (-1: none, or to be ignored), as numbers and as floats, their weights, and the
 * factor of their gradient: weight * scale. Rows past `count` have weight 0. */
typedef struct row_block {
    ptrdiff_t row;
    int count;
    ptrdiff_t label[V_GROUP];
    real label_real[V_GROUP], weight[V_GROUP], factor[V_GROUP];
} row_block;

/* What a loss does with a block: writes gradients, and the unweighted losses into `loss`, which is all 0 before. */
typedef void (*row_formula)(const fl_loss_call *call, const row_block *block, real *loss, int level);
/* The same for the `units` times V_LANES rows from `first` on, with units a constant: what is computed for one register
 * of rows fills the waits of another. */
typedef void (*tile_formula)(const fl_loss_call *call, const row_block *block, int first, int units, real *loss,
                             int level);

FL_INLINE int64_t label_at(const fl_loss_call *call, ptrdiff_t row) {
    const ptrdiff_t at = row * call->target_stride;
    return call->label_bits == 32 ? ((const int32_t *)call->target)[at] : ((const int64_t *)call->target)[at];
}
FL_INLINE const real *pred_row(const fl_loss_call *call, ptrdiff_t row) {
    return (const real *)call->pred + row * call->pred_stride;
}
FL_INLINE real *grad_row(const fl_loss_call *call, ptrdiff_t row) {
    return (real *)call->grad + row * call->grad_stride;
}
FL_INLINE real *hess_row(const fl_loss_call *call, ptrdiff_t row) {
    return (real *)call->hess + row * call->hess_stride;
}

/* class_weighted: the class weight multiplies the row's weight (else the formula uses it inside its sum). */
FL_INLINE row_block any_block(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t row_end, int labels,
                              int class_weighted) {
    row_block b;
    b.row = row;
    b.count = row_end - row < V_GROUP ? (int)(row_end - row) : V_GROUP;
    for (int j = 0; j < V_GROUP; j++) {
        b.label[j] = -1;
        b.weight[j] = 0;
        if (j >= b.count) continue;
        b.weight[j] = call->weight ? ((const real *)call->weight)[(row + j) * call->weight_stride] : 1;
        if (!labels || !call->target) continue;
        const int64_t label = label_at(call, row + j);
        if ((call->has_ignore && label == call->ignore_label) || label < 0 || label >= call->c) {
            b.weight[j] = 0; /* out of range: changed by another thread since the check */
            continue;
        }
        b.label[j] = (ptrdiff_t)label;
        if (class_weighted && call->per_column) b.weight[j] *= ((const real *)call->per_column)[label];
    }
    for (int j = 0; j < V_GROUP; j++) {
        b.label_real[j] = (real)b.label[j];
        b.factor[j] = (b.weight[j] * (real)call->scale[0]) * (real)call->scale[1];
    }
    return b;
}

/* A whole block of plain rows: no weights, nothing to ignore. */
FL_INLINE row_block plain_block(const fl_loss_call *call, ptrdiff_t row) {
    row_block b;
    b.row = row;
    b.count = V_GROUP;
    const real factor = (real)call->scale[0] * (real)call->scale[1];
    uint64_t bad = 0;
    for (int j = 0; j < V_GROUP; j++) {
        b.label[j] = call->label_bits == 32 ? ((const int32_t *)call->target)[row + j]
                                            : (ptrdiff_t)((const int64_t *)call->target)[row + j];
        b.label_real[j] = (real)b.label[j];
        b.weight[j] = 1;
        b.factor[j] = factor;
    }
    for (int j = 0; j < V_GROUP; j++) bad |= (uint64_t)b.label[j] >= (uint64_t)call->c;
    return bad ? any_block(call, row, row + V_GROUP, 1, 0) : b;
}

/* Whole blocks at once where there are registers to fill, what is left register by register. */
#define FL_UNITS (FL_TARGET_ID == FL_TARGET_IS_scalar ? 1 : V_UNROLL)
FL_INLINE void tiles(tile_formula formula, const fl_loss_call *call, const row_block *b, real *loss, int level) {
    if (FL_UNITS > 1 && b->count == V_GROUP && level < VALUE_GRAD_HESS) {
        formula(call, b, 0, FL_UNITS, loss, level);
        return;
    }
    for (int first = 0; first < b->count; first += V_LANES) formula(call, b, first, 1, loss + first, level);
}

FL_INLINE double rows_blocks(tile_formula few, row_formula many, const fl_loss_call *call, fl_part part, int labels,
                             int class_weighted, int level) {
    const vreal zero = v_set(0);
    vacc sums[V_UNROLL];
    EACH(u, V_UNROLL) sums[u] = v_acc_zero();
    const int plain = labels && call->target && call->target_stride == 1 && !call->weight && !call->per_column &&
                      !call->has_ignore;
    for (ptrdiff_t row = part.row; row < part.row_end; row += V_GROUP) {
        const row_block block = plain && row + V_GROUP <= part.row_end
                                    ? plain_block(call, row)
                                    : any_block(call, row, part.row_end, labels, class_weighted);
        real loss[V_GROUP] = {0};
        if (few)
            tiles(few, call, &block, loss, level);
        else
            many(call, &block, loss, level);
        EACH(u, V_UNROLL) {
            const vreal w = v_load(block.weight + u * V_LANES);
            const vreal weighted = v_except(v_eq(w, zero), v_load(loss + u * V_LANES) * w);
            sums[u] = v_acc_add(sums[u], weighted);
            v_store(loss + u * V_LANES, weighted);
        }
        if (call->loss)
            for (int j = 0; j < block.count; j++) ((real *)call->loss)[(row + j) * call->loss_stride] = loss[j];
    }
    return v_acc_total(sums);
}

/* One loop for each layout; what is wanted is asked inside, where the answer never changes. */
FL_INLINE double rows(tile_formula few, row_formula many, const fl_loss_call *call, fl_part part, int labels,
                      int class_weighted, ptrdiff_t few_classes) {
    const int level = call->hess ? VALUE_GRAD_HESS : call->grad ? VALUE_GRAD : VALUE;
    if (call->c <= few_classes) return rows_blocks(few, NULL, call, part, labels, class_weighted, level);
    return rows_blocks(NULL, many, call, part, labels, class_weighted, level);
}

/* ---- few classes: tiles ---- */

/* `units` times V_LANES rows of c entries, from p on, `stride` apart, become the tile; rows past `count` read as 0. */
FL_INLINE void tile_load(tile_row *tile, int units, const real *p, ptrdiff_t stride, int count, ptrdiff_t c) {
    for (ptrdiff_t k = 0; k < c; k += V_LANES) {
        EACH(u, units) {
            const real *from = p + u * V_LANES * stride;
            const int left = count - u * V_LANES;
            vreal square[V_LANES];
            if (left >= V_LANES) {
                EACH(j, V_LANES) square[j] = v_load_n(from + j * stride + k, c - k);
            } else {
                EACH(j, V_LANES) square[j] = v_load_n(from + (j < left ? j * stride + k : 0), j < left ? c - k : 0);
            }
            v_transpose(square);
            EACH(j, V_LANES) tile[k + j][u] = square[j];
        }
    }
}
FL_INLINE void tile_store(tile_row *tile, int units, real *p, ptrdiff_t stride, int count, ptrdiff_t c) {
    for (ptrdiff_t k = 0; k < c; k += V_LANES) {
        EACH(u, units) {
            real *to = p + u * V_LANES * stride;
            const int left = count - u * V_LANES;
            vreal square[V_LANES];
            EACH(j, V_LANES) square[j] = tile[k + j][u];
            v_transpose(square);
            if (left >= V_LANES) {
                EACH(j, V_LANES) v_store_n(to + j * stride + k, square[j], c - k);
            } else {
                EACH(j, V_LANES) if (j < left) v_store_n(to + j * stride + k, square[j], c - k);
            }
        }
    }
}

/* The class k < FL_TILE_CLASSES in all lanes, to compare labels with: from memory, cheaper than converting k. */
static const real class_numbers[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                     16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
FL_INLINE vreal class_number(ptrdiff_t k) { return v_set(class_numbers[k]); }

/* Lane by lane the entry of the row's own class; 0 where it has none. */
FL_INLINE void tile_own(tile_row *tile, int units, ptrdiff_t c, const vreal *label, vreal *own) {
    EACH(u, units) own[u] = v_set(0);
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) own[u] = v_select(v_eq(label[u], class_number(k)), tile[k][u], own[u]);
}

/* What a block says of the rows from `first` on, V_LANES rows a register. */
typedef struct tile_rows {
    vreal label[V_UNROLL], factor[V_UNROLL];
    vmask dropped[V_UNROLL]; /* of weight 0 */
} tile_rows;
FL_INLINE tile_rows tile_rows_of(const row_block *b, int first, int units) {
    tile_rows rows;
    EACH(u, units) {
        const int at = first + u * V_LANES;
        rows.label[u] = v_load(b->label_real + at);
        rows.factor[u] = v_load(b->factor + at);
        rows.dropped[u] = v_eq(v_load(b->weight + at), v_set(0));
    }
    return rows;
}

/* ---- many classes: walks along one row ---- */

/* The lanes of the V_LANES classes from k on that are class `label`. */
FL_INLINE vmask is_class(ptrdiff_t k, ptrdiff_t label) {
    return v_eq(v_iota(), v_set((real)(label - k)));
}

FL_INLINE void row_fill(real *p, ptrdiff_t c, real x) {
    for (ptrdiff_t k = 0; k < c; k++) p[k] = x;
}

/* A row times factor, from `from` to `to`, which may be the same. */
FL_INLINE void row_scale(const real *from, real *to, ptrdiff_t c, vreal factor) {
    ptrdiff_t k = 0;
    for (; k + 4 * V_LANES <= c; k += 4 * V_LANES) {
        EACH(u, 4) v_store(to + k + u * V_LANES, v_load(from + k + u * V_LANES) * factor);
    }
    for (; k < c; k += V_LANES) store_part(to + k, load_part(from + k, c - k) * factor, c - k);
}

/* One row: writes grad and hess unless they are NULL, and returns the unweighted loss. */
typedef real (*row_walk)(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real factor, real *grad, real *hess);

/* A block, row by row; rows of weight 0 are not looked at. */
FL_INLINE void each_row(row_walk walk, const fl_loss_call *call, const row_block *b, real *loss, int level) {
    for (int j = 0; j < b->count; j++) {
        const ptrdiff_t row = b->row + j;
        real *grad = level >= VALUE_GRAD ? grad_row(call, row) : NULL;
        real *hess = level >= VALUE_GRAD_HESS ? hess_row(call, row) : NULL;
        if (b->weight[j] != 0) {
            loss[j] = walk(call, row, b->label[j], b->factor[j], grad, hess);
            continue;
        }
        if (grad) row_fill(grad, call->c, 0);
        if (hess) row_fill(hess, call->c, 0);
    }
}

/* The largest entry. A NaN may be lost here: every user adds up functions of all entries afterwards, and keeps it. */
FL_INLINE real row_max(const real *z, ptrdiff_t c) {
    vreal top[4] = {v_set(-FL_INFINITY), v_set(-FL_INFINITY), v_set(-FL_INFINITY), v_set(-FL_INFINITY)};
    ptrdiff_t k = 0;
    for (; k + 4 * V_LANES <= c; k += 4 * V_LANES) {
        EACH(u, 4) top[u] = v_max(v_load(z + k + u * V_LANES), top[u]);
    }
    for (; k < c; k += V_LANES) {
        const ptrdiff_t count = c - k;
        const vreal x = load_part(z + k, count);
        top[0] = v_max(count < V_LANES ? v_select(v_first(count), x, v_set(-FL_INFINITY)) : x, top[0]);
    }
    return v_highest(v_max(v_max(top[0], top[1]), v_max(top[2], top[3])));
}

#endif
