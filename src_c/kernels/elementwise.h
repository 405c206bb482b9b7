/* The loop of the elementwise losses: blocks, tails, weights, sums, outputs. A loss brings its formula only.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A formula maps one vector of predictions z and targets y to loss, gradient and second derivative; what the caller
 * does not want is dead code there and vanishes, because every function here is inlined into each kernel. */
#ifndef FL_ELEMENTWISE_H
#define FL_ELEMENTWISE_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* lgamma_r */
#endif

#include "vec_math.h"
#include "table.h"

/* A formula's parameters, as vectors. Where a call has per_column values, they replace a. */
typedef struct vparams {
    vreal a, b, c, d, e, f;
    int full, power, root; /* switches that are the same for the whole call */
} vparams;

typedef struct vpoint {
    vreal loss, grad, hess;
} vpoint;

/* -1, 0 or 1; NaN for NaN. */
FL_INLINE vreal v_sign(vreal r) {
    return v_select(v_gt(r, v_set(0)), v_set(1), v_select(v_lt(r, v_set(0)), v_set(-1), r));
}

/* a * b, but 0 wherever a is 0, even times infinity. NaN in b stays NaN. */
FL_INLINE vreal v_times(vreal a, vreal b) {
    return v_except(v_and(v_eq(a, v_set(0)), v_eq(b, b)), a * b);
}

#define FL_INFINITY ((real)INFINITY)

#define FL_SUM_BLOCK 1024 /* so many entries of a row are added in the float type before the sum goes on in double */

/* Adds V_GROUP lanes in one fixed order, in double. */
FL_INLINE double group_total(const vreal *sum) {
    vacc wide[V_UNROLL];
    EACH(u, V_UNROLL) wide[u] = v_acc_add(v_acc_zero(), sum[u]);
    return v_acc_total(wide);
}

/* The same in the float type. */
FL_INLINE real group_sum(const vreal *sum) {
    vreal s[V_UNROLL];
    EACH(u, V_UNROLL) s[u] = sum[u];
    for (int half = V_UNROLL / 2; half > 0; half /= 2)
        for (int u = 0; u < half; u++) s[u] = s[u] + s[u + half];
    return v_total(s[0]);
}

/* log Gamma(x) in double, with no global state written. */
FL_INLINE double fl_log_gamma(double x) {
#if defined(__GLIBC__) || defined(__APPLE__)
    int sign;
    return lgamma_r(x, &sign);
#else
    return lgamma(x);
#endif
}

typedef vpoint (*pointwise_formula)(vreal z, vreal y, const vparams *p);

/* The parameters as they stand in the call. */
FL_INLINE vparams as_given(const double *param) {
    return (vparams){.a = v_set((real)param[0]),
                     .b = v_set((real)param[1]),
                     .c = v_set((real)param[2]),
                     .d = v_set((real)param[3])};
}

/* Exports `name` with this formula; formula_params(call->param) prepares its parameters once per part. */
#define POINTWISE(name, formula)                              \
    double FN(name)(const fl_loss_call *call, fl_part part) { \
        const vparams params = formula##_params(call->param); \
        return pointwise(formula, &params, call, part);       \
    }

enum { VALUE, VALUE_GRAD, VALUE_GRAD_HESS };

/* One row's pointers, at its first wanted entry. */
typedef struct pointwise_row {
    const real *pred, *target, *weight, *per_column;
    real *loss, *grad, *hess;
    vreal row_weight, scale, rest; /* the gradient's factor is (weight * scale) * rest: scale is a power of two */
} pointwise_row;

/* Loads V_LANES entries, or the first `count` of them at a row's end. */
FL_INLINE vreal load_part(const real *p, ptrdiff_t count) { return count < V_LANES ? v_load_n(p, count) : v_load(p); }
FL_INLINE void store_part(real *p, vreal v, ptrdiff_t count) {
    if (count < V_LANES)
        v_store_n(p, v, count);
    else
        v_store(p, v);
}

/* A whole group: writes what is wanted and adds the losses up, those of the `live` lanes only. `general` is the path
 * with weights, per-column values or losses to store; without it every weight is 1. */
FL_INLINE void pointwise_group(pointwise_formula formula, const pointwise_row *row, const vparams *params, int level,
                               int general, const vmask *live, vacc *sums) {
    const vreal zero = v_set(0);
    EACH(u, V_UNROLL) {
        const ptrdiff_t at = u * V_LANES;
        vparams p = *params;
        if (general && row->per_column) p.a = v_load(row->per_column + at);
        vpoint o = formula(v_load(row->pred + at), v_load(row->target + at), &p);
        vreal factor = row->rest;
        if (general) {
            const vreal w = row->weight ? v_load(row->weight + at) : row->row_weight;
            const vmask dropped = v_eq(w, zero); /* whatever such an entry holds, even NaN */
            factor = (w * row->scale) * row->rest;
            o.loss = v_except(dropped, o.loss * w);
            o.grad = v_except(dropped, o.grad * factor);
            o.hess = v_except(dropped, o.hess * factor);
            if (row->loss) v_store(row->loss + at, o.loss);
        } else {
            o.grad = o.grad * factor;
            o.hess = o.hess * factor;
        }
        if (level >= VALUE_GRAD && (!general || row->grad)) v_store(row->grad + at, o.grad);
        if (level >= VALUE_GRAD_HESS) v_store(row->hess + at, o.hess);
        sums[u] = v_acc_add(sums[u], v_only(live[u], o.loss));
    }
}

/* The last, incomplete group of a row: copied here and back, so that formulas are compiled for whole groups only. */
typedef struct pointwise_tail {
    real pred[V_GROUP], target[V_GROUP], weight[V_GROUP], per_column[V_GROUP];
    real loss[V_GROUP], grad[V_GROUP], hess[V_GROUP];
} pointwise_tail;

FL_OUTLINE const real *tail_copy(real *buffer, const real *p, ptrdiff_t count) {
    if (!p) return NULL;
    memset(buffer, 0, V_GROUP * sizeof *buffer);
    memcpy(buffer, p, (size_t)count * sizeof *p);
    return buffer;
}
FL_OUTLINE pointwise_row tail_row(pointwise_tail *tail, const pointwise_row *home, ptrdiff_t count) {
    pointwise_row row = *home;
    row.pred = tail_copy(tail->pred, home->pred, count);
    row.target = tail_copy(tail->target, home->target, count);
    row.weight = tail_copy(tail->weight, home->weight, count);
    row.per_column = tail_copy(tail->per_column, home->per_column, count);
    row.loss = home->loss ? tail->loss : NULL;
    row.grad = home->grad ? tail->grad : NULL;
    row.hess = home->hess ? tail->hess : NULL;
    return row;
}
FL_OUTLINE void tail_store(const pointwise_tail *tail, const pointwise_row *home, ptrdiff_t count) {
    const size_t size = (size_t)count * sizeof(real);
    if (home->loss) memcpy(home->loss, tail->loss, size);
    if (home->grad) memcpy(home->grad, tail->grad, size);
    if (home->hess) memcpy(home->hess, tail->hess, size);
}

FL_INLINE pointwise_row row_skip(pointwise_row row, ptrdiff_t n) {
    row.pred += n;
    row.target += n;
    if (row.weight) row.weight += n;
    if (row.per_column) row.per_column += n;
    if (row.loss) row.loss += n;
    if (row.grad) row.grad += n;
    if (row.hess) row.hess += n;
    return row;
}

/* A row: its whole groups, then the same loop once more over the tail's copy. */
FL_INLINE void pointwise_entries(pointwise_formula formula, const pointwise_row *row, const vparams *params,
                                 ptrdiff_t n, int level, int general, vacc *sums) {
    const ptrdiff_t left = n % V_GROUP;
    pointwise_row at = *row;
    pointwise_tail tail;
    ptrdiff_t end = n - left;
    vmask live[V_UNROLL];
    EACH(u, V_UNROLL) live[u] = v_first(V_LANES);
    FL_NO_UNROLL
    for (int pass = 0; pass < 2; pass++) {
        for (ptrdiff_t i = 0; i < end; i += V_GROUP) {
            const pointwise_row group = row_skip(at, i);
            pointwise_group(formula, &group, params, level, general, live, sums);
        }
        if (pass || !left) break;
        const pointwise_row home = row_skip(*row, end);
        at = tail_row(&tail, &home, left);
        end = V_GROUP;
        EACH(u, V_UNROLL) live[u] = v_first(left - u * V_LANES);
    }
    if (left) {
        const pointwise_row home = row_skip(*row, n - left);
        tail_store(&tail, &home, left);
    }
}

FL_INLINE double pointwise_rows(pointwise_formula formula, const vparams *params, const fl_loss_call *call,
                                fl_part part, int level, int general) {
    const ptrdiff_t n = part.column_end - part.column;
    vacc sums[V_UNROLL];
    EACH(u, V_UNROLL) sums[u] = v_acc_zero();
    for (ptrdiff_t r = part.row; r < part.row_end; r++) {
        const ptrdiff_t at = part.column;
        const real *weight = (const real *)call->weight;
        const pointwise_row row = {
            .pred = (const real *)call->pred + r * call->pred_stride + at,
            .target = (const real *)call->target + r * call->target_stride + at,
            .weight = weight && call->weight_step ? weight + r * call->weight_stride + at : NULL,
            .per_column = call->per_column ? (const real *)call->per_column + at : NULL,
            .loss = call->loss ? (real *)call->loss + r * call->loss_stride + at : NULL,
            .grad = level >= VALUE_GRAD && call->grad ? (real *)call->grad + r * call->grad_stride + at : NULL,
            .hess = level >= VALUE_GRAD_HESS ? (real *)call->hess + r * call->hess_stride + at : NULL,
            .row_weight = v_set(weight && !call->weight_step ? weight[r * call->weight_stride] : 1),
            .scale = v_set((real)call->scale[0]),
            .rest = v_set((real)call->scale[1]),
        };
        pointwise_entries(formula, &row, params, n, level, general, sums);
    }
    return v_acc_total(sums);
}

/* Five loops per loss: what is wanted; and with weights and the like, whether second derivatives are. Plain C makes do
 * with the last two, whose weights are 1 then: it is what runs where nothing better does, and module size is a promise. */
FL_INLINE double pointwise(pointwise_formula formula, const vparams *params, const fl_loss_call *call, fl_part part) {
    if (FL_TARGET_ID == FL_TARGET_IS_scalar || call->weight || call->per_column || call->loss)
        return call->hess ? pointwise_rows(formula, params, call, part, VALUE_GRAD_HESS, 1)
                          : pointwise_rows(formula, params, call, part, VALUE_GRAD, 1);
    if (call->hess) return pointwise_rows(formula, params, call, part, VALUE_GRAD_HESS, 0);
    if (call->grad) return pointwise_rows(formula, params, call, part, VALUE_GRAD, 0);
    return pointwise_rows(formula, params, call, part, VALUE, 0);
}

#endif
