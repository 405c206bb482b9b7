/* The classification losses: their formulas. The loops are in elementwise.h (one score per entry) and rows.h (a row
 * of scores, one per class).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rows.h"

/* ---- one score per entry ---- */

/* What the two labels weigh in a binary cross-entropy: with smoothing s, y' = y (1-s) + s/2 and
 * ones = pos_weight y', zeros = 1 - y', written so that neither cancels. */
typedef struct binary_weights {
    vreal ones, zeros;
} binary_weights;

FL_INLINE vparams binary_params(const double *param) { /* a pos_weight, b 1 - s, c s/2 */
    return (vparams){
        .a = v_set((real)param[0]), .b = v_set((real)(1 - param[1])), .c = v_set((real)(param[1] * 0.5))};
}
FL_INLINE binary_weights binary_smooth(vreal y, const vparams *p) {
    return (binary_weights){p->a * (y * p->b + p->c), (v_set(1) - y) * p->b + p->c};
}

/* -ones log s - zeros log(1-s), s = sigmoid(z). With e = exp(-|z|), q = 1/(1+e): s and 1-s are q and e q (z > 0) or
 * the reverse, -log of them log1p(e), and |z| more for the smaller. Gradient zeros s - ones (1-s), which for a plain
 * label is one product; second derivative (ones + zeros) s (1-s). */
FL_INLINE vpoint binary_cross_entropy(vreal z, vreal y, const vparams *p) {
    const binary_weights w = binary_smooth(y, p);
    const vreal size = v_abs(z), e = v_exp_neg(-size), one = v_set(1);
    const vreal q = one / (one + e), r = e * q;
    const vmask positive = v_gt(z, v_set(0));
    return (vpoint){v_times(v_select(positive, w.zeros, w.ones), size) + (w.ones + w.zeros) * v_log1p_unit(e),
                    w.zeros * v_select(positive, q, r) - w.ones * v_select(positive, r, q),
                    (w.ones + w.zeros) * (q * r)};
}
#define binary_cross_entropy_params binary_params
POINTWISE(binary_cross_entropy, binary_cross_entropy)

/* -ones log f - zeros log(1-f), f the probability of 1; a term whose factor is 0 is 0. Gradient zeros/(1-f) - ones/f,
 * over one denominator where both are there; its numerator is f - y where ones + zeros is 1, which loses nothing.
 * Second derivative ones/f^2 + zeros/(1-f)^2. */
FL_INLINE vpoint probability(vreal f, vreal y, const vparams *p) {
    const binary_weights w = binary_smooth(y, p);
    const vreal zero = v_set(0), rest = v_set(1) - f;
    const vmask number = v_eq(f, f), no_ones = v_and(v_eq(w.ones, zero), number);
    const vmask no_zeros = v_and(v_eq(w.zeros, zero), number);
    const vreal one_slope = v_except(no_ones, w.ones / f), zero_slope = v_except(no_zeros, w.zeros / rest);
    const vmask whole = v_eq(w.ones + w.zeros, v_set(1));
    const vreal both = (v_select(whole, f - w.ones, w.zeros * f - w.ones * rest) / f) / rest;
    return (vpoint){(zero - v_times(w.ones, v_log(f))) - v_times(w.zeros, v_log1p(-f)),
                    v_select(v_or(no_ones, no_zeros), zero_slope - one_slope, both),
                    v_except(no_ones, one_slope / f) + v_except(no_zeros, zero_slope / rest)};
}
#define probability_params binary_params
POINTWISE(binary_cross_entropy_probabilities, probability)

/* max(0, m - y z), y = +1 where the target is above 0, else -1. Gradient -y where m - y z > 0, strictly. */
FL_INLINE vpoint hinge(vreal z, vreal target, const vparams *p) {
    const vreal zero = v_set(0), y = v_select(v_gt(target, zero), v_set(1), v_set(-1));
    const vreal t = p->a - y * z;
    return (vpoint){v_max(zero, t), v_except(v_le(t, zero), v_select(v_isnan(t), t, -y)), zero};
}
#define hinge_params as_given
POINTWISE(hinge, hinge)

/* The square of that: gradient -2 y max(0, m - y z), second derivative 2 where active. */
FL_INLINE vpoint hinge_squared(vreal z, vreal target, const vparams *p) {
    const vreal zero = v_set(0), y = v_select(v_gt(target, zero), v_set(1), v_set(-1));
    const vreal t = p->a - y * z, excess = v_max(zero, t);
    return (vpoint){excess * excess, -y * (excess + excess), v_only(v_gt(t, zero), v_set(2))};
}
#define hinge_squared_params as_given
POINTWISE(hinge_squared, hinge_squared)

/* Focal loss, Lin et al. 2017, eq. 5, from logits. With x = z for class 1 and -z for class 0, p = sigmoid(x) the
 * probability of the true class, u = 1 - p, L = -log p, F = u^gamma:
 *     l = a F L,   dl/dx = -a F B with B = gamma p L + u,   d2l/dx2 = a F p (gamma B - u (gamma L - gamma - 1)).
 * F is u multiplied floor(gamma) times by itself, then by sqrt(u) for a half, or by exp(fraction * log u). */
FL_INLINE vparams focal_params(const double *param) {
    const double whole = param[0] > 0 && param[0] < 16 ? floor(param[0]) : 0, fraction = param[0] - whole;
    return (vparams){.a = v_set((real)param[0]),
                     .b = v_set((real)param[1]),
                     .c = v_set((real)param[2]),
                     .d = v_set((real)fraction),
                     .power = (int)whole,
                     .root = fraction == 0.5 ? 1 : fraction == 0 ? 0 : 2};
}
FL_INLINE vpoint focal(vreal z, vreal y, const vparams *p) {
    const vreal zero = v_set(0), one = v_set(1), gamma = p->a;
    const vmask class_one = v_gt(y, v_set(R(0.5)));
    const vreal x = v_select(class_one, z, -z), weight = v_select(class_one, p->b, p->c);
    const vreal e = v_exp_neg(-v_abs(x)), q = one / (one + e), r = e * q, tail = v_log1p_unit(e);
    const vmask sure = v_gt(x, zero);
    const vreal prob = v_select(sure, q, r), u = v_select(sure, r, q);
    const vreal L = v_max(zero, -x) + tail;
    vreal F = one;
    for (int i = 0; i < p->power; i++) F = F * u;
    if (p->root == 1) F = F * v_sqrt(u);
    if (p->root == 2) F = F * v_exp_neg(-p->d * (v_max(zero, x) + tail));
    const vreal B = gamma * v_times(prob, L) + u;
    const vreal slope = -weight * F * B;
    return (vpoint){v_times(weight, v_times(F, L)), v_select(class_one, slope, -slope),
                    weight * F * v_times(prob, gamma * B - u * (gamma * L - gamma - one))};
}
POINTWISE(focal, focal)

/* ---- a row of scores: softmax cross-entropy ---- */

/* With top = the row's maximum and e_k = exp(z_k - top): s adds the e_k below the top, ties counts the entries at it,
 * r = s + (ties - 1). Then log sum exp z = top + log1p(r) and softmax p_k = e_k / (1 + r), both exact when one class
 * has nearly everything: s is then tiny, not lost beside 1.
 *
 * For a label y: l = (top - z_y) + log1p(r), gradient p_k - [k = y]; where y alone is at the top that is -s/(1 + r).
 * Second derivative p_k (1 - p_k), for the only top entry s/(1+r)^2. */
FL_INLINE void softmax_tile_hess(const tile_row *e, int units, ptrdiff_t c, const vreal *s, const vreal *ties,
                                 const vreal *inverse, const tile_rows *rows, tile_row *hess) {
    const vreal one = v_set(1);
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vreal p = e[k][u] * inverse[u];
            const vmask alone = v_and(v_eq(ties[u], one), v_eq(e[k][u], one));
            const vreal h = v_select(alone, inverse[u] * (s[u] * inverse[u]), p * (one - p));
            hess[k][u] = v_except(rows->dropped[u], h * rows->factor[u]);
        }
}
FL_INLINE void softmax_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss, int level) {
    const vreal zero = v_set(0), one = v_set(1);
    const ptrdiff_t c = call->c, row = b->row + first;
    const int count = b->count - first;
    const tile_rows rows = tile_rows_of(b, first, units);
    tile_row tile[FL_TILE_ROWS], top, s, ties, own, own_z, r, inverse, own_grad;
    tile_load(tile, units, pred_row(call, row), call->pred_stride, count, c);
    EACH(u, units) {
        top[u] = v_set(-FL_INFINITY);
        s[u] = ties[u] = own[u] = zero;
    }
    tile_own(tile, units, c, rows.label, own_z);
    for (ptrdiff_t k = 0; k < c; k++) EACH(u, units) top[u] = v_max(tile[k][u], top[u]);
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vreal d = tile[k][u] - top[u], e = v_exp_neg(d);
            const vmask tie = v_eq(d, zero);
            s[u] = s[u] + v_except(tie, e);
            ties[u] = ties[u] + v_only(tie, one);
            if (level == VALUE) continue;
            own[u] = v_select(v_eq(rows.label[u], class_number(k)), e, own[u]);
            tile[k][u] = e;
        }
    EACH(u, units) {
        r[u] = s[u] + (ties[u] - one);
        v_store(loss + u * V_LANES, (top[u] - own_z[u]) + v_log1p_pos(r[u]));
    }
    if (level == VALUE) return;

    EACH(u, units) {
        const vmask single = v_eq(ties[u], one);
        inverse[u] = one / (one + r[u]);
        const vreal slope = v_select(v_and(single, v_eq(own[u], one)), -(s[u] * inverse[u]), own[u] * inverse[u] - one);
        own_grad[u] = slope * rows.factor[u];
    }
    if (level == VALUE_GRAD_HESS) {
        tile_row hess[FL_TILE_ROWS];
        softmax_tile_hess(tile, units, c, s, ties, inverse, &rows, hess);
        tile_store(hess, units, hess_row(call, row), call->hess_stride, count, c);
    }
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vmask own_class = v_eq(rows.label[u], class_number(k));
            const vreal g = v_select(own_class, own_grad[u], tile[k][u] * (inverse[u] * rows.factor[u]));
            tile[k][u] = v_except(rows.dropped[u], g);
        }
    tile_store(tile, units, grad_row(call, row), call->grad_stride, count, c);
}

/* What is known of a block's rows between their walks. e_k is lifted (vec_math.h) here, so is `own`, and s is not. */
typedef struct softmax_rows {
    real top[V_GROUP], gap[V_GROUP], s[V_GROUP], ties[V_GROUP], own[V_GROUP];
    real r[V_GROUP], inverse[V_GROUP], scale[V_GROUP], own_grad[V_GROUP];
} softmax_rows;

FL_INLINE void softmax_begin(softmax_rows *rows) {
    for (int j = 0; j < V_GROUP; j++) {
        rows->gap[j] = rows->s[j] = rows->own[j] = 0;
        rows->ties[j] = 1;
    }
}

/* A row's maximum, and how far its own entry is below it. */
FL_INLINE void softmax_top(softmax_rows *rows, int j, real top, const real *z, ptrdiff_t label) {
    rows->top[j] = top;
    rows->gap[j] = top - (label >= 0 ? z[label] : 0);
}

/* What the sums of the rows from `first` to `last` make of them; some before these come out the same again. */
FL_INLINE void softmax_ends(softmax_rows *rows, const row_block *b, int first, int last) {
    const vreal one = v_set(1);
    for (int at = first; at < last; at += V_LANES) {
        const int j = at <= V_GROUP - V_LANES ? at : V_GROUP - V_LANES;
        const vreal s = v_load(rows->s + j), ties = v_load(rows->ties + j), own = v_load(rows->own + j);
        const vreal r = s + (ties - one), inverse = one / (one + r), factor = v_load(b->factor + j);
        const vmask alone = v_and(v_eq(ties, one), v_eq(own, v_set(lift)));
        const vreal slope = v_select(alone, -(s * inverse), (own * v_set(unlift)) * inverse - one);
        v_store(rows->r + j, r);
        v_store(rows->inverse + j, inverse);
        v_store(rows->scale + j, inverse * factor);
        v_store(rows->own_grad + j, slope * factor);
    }
}

/* The losses of a block. */
FL_INLINE void softmax_losses(const softmax_rows *rows, real *loss) {
    for (int j = 0; j < V_GROUP; j += V_LANES)
        v_store(loss + j, v_load(rows->gap + j) + v_log1p_pos(v_load(rows->r + j)));
}

/* p (1 - p) of a row from its e_k, times factor. */
FL_INLINE void softmax_hess(const real *e, ptrdiff_t c, vreal inverse, int single, vreal top_hess, vreal factor,
                            real *hess) {
    const vreal one = v_set(1);
    for (ptrdiff_t k = 0; k < c; k += V_LANES) {
        const vreal x = load_part(e + k, c - k) * v_set(unlift), p = x * inverse;
        const vreal plain = (p * (one - p)) * factor;
        store_part(hess + k, single ? v_select(v_eq(x, one), top_hess, plain) : plain, c - k);
    }
}

/* The factor of lifted e_k, not negative as no weight is, may have lost digits. */
FL_INLINE int softmax_too_low(real factor) { return factor < smallest_normal; }

/* Row j's gradient from its e_k, and its second derivative; e may be the gradient. */
FL_OUTLINE void softmax_slopes(const fl_loss_call *call, const row_block *b, int j, const softmax_rows *rows,
                              const real *e, int level) {
    const ptrdiff_t c = call->c, label = b->label[j];
    real *grad = grad_row(call, b->row + j);
    real *hess = level >= VALUE_GRAD_HESS ? hess_row(call, b->row + j) : NULL;
    if (b->weight[j] == 0) {
        row_fill(grad, c, 0);
        if (hess) row_fill(hess, c, 0);
        return;
    }
    const real inverse = rows->inverse[j], factor = b->factor[j], scale = rows->scale[j];
    const real lowered = scale * unlift;
    if (hess) {
        const real top_hess = (inverse * (rows->s[j] * inverse)) * factor;
        softmax_hess(e, c, v_set(inverse), rows->ties[j] == 1, v_set(top_hess), v_set(factor), hess);
    }
    if (softmax_too_low(lowered)) {
        row_scale(e, grad, c, v_set(unlift));
        row_scale(grad, grad, c, v_set(scale));
    } else {
        row_scale(e, grad, c, v_set(lowered));
    }
    if (label >= 0) grad[label] = rows->own_grad[j];
}

/* ---- softmax of rows that fit on the stack ---- */

#define FL_ROWS_IN_STEP (V_IN_STEP / V_UNROLL)

/* The group from k on of FL_ROWS_IN_STEP rows: its e_k to e, their sums, and the numbers of entries at the top. `part`:
 * the last group, of which `left` entries belong to the row. What fills it up must not be -infinity: exp would be
 * subnormal or 0, and multiplying by those takes many times as long. */
FL_INLINE void softmax_step(const real *const *z, const real *const *top, real *const *e, ptrdiff_t k, ptrdiff_t left,
                            const vmask *in_row, int part, vreal sum[][V_UNROLL], ptrdiff_t *ties) {
    const vreal zero = v_set(0);
    vreal d[V_IN_STEP], x[V_IN_STEP];
    EACH(i, FL_ROWS_IN_STEP) {
        EACH(u, V_UNROLL) {
            const real *at = z[i] + k + u * V_LANES;
            d[i * V_UNROLL + u] = x[i * V_UNROLL + u] =
                (part ? v_load_n(at, left - u * V_LANES) : v_load(at)) - v_set(*top[i]);
        }
    }
    v_exp_lifted_each(x, V_IN_STEP);
    EACH(i, FL_ROWS_IN_STEP) {
        EACH(u, V_UNROLL) {
            const int at = i * V_UNROLL + u;
            const vmask equal = v_eq(d[at], zero), tie = part ? v_and(in_row[u], equal) : equal;
            if (part) x[at] = v_only(in_row[u], x[at]);
            v_store(e[i] + k + u * V_LANES, x[at]);
            sum[i][u] = sum[i][u] + v_except(tie, x[at]);
            ties[i] += v_count(tie);
        }
    }
}

/* The e_k stay in whole groups on the stack, where no store of a part delays the load of the whole. */
FL_INLINE void softmax_short(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    const ptrdiff_t c = call->c, whole = (c - 1) / V_GROUP * V_GROUP, left = c - whole, width = whole + V_GROUP;
    real buffer[V_GROUP * FL_SHORT_CLASSES];
    vmask in_row[V_UNROLL];
    softmax_rows rows;
    EACH(u, V_UNROLL) in_row[u] = v_first(left - u * V_LANES);
    softmax_begin(&rows);
    for (int j = 0; j < b->count; j++) {
        const real *z = pred_row(call, b->row + j);
        vreal top[V_UNROLL];
        EACH(u, V_UNROLL) {
            const vreal x = v_load_n(z + whole + u * V_LANES, left - u * V_LANES), none = v_set(-FL_INFINITY);
            top[u] = v_max(v_select(in_row[u], x, none), none);
        }
        for (ptrdiff_t k = 0; k < whole; k += V_GROUP)
            EACH(u, V_UNROLL) top[u] = v_max(v_load(z + k + u * V_LANES), top[u]);
        for (int u = 1; u < V_UNROLL; u++) top[0] = v_max(top[u], top[0]);
        softmax_top(&rows, j, v_highest(top[0]), z, b->label[j]);
    }
    for (int j = 0; j < b->count; j += FL_ROWS_IN_STEP) {
        const real *z[FL_ROWS_IN_STEP], *top[FL_ROWS_IN_STEP];
        real *e[FL_ROWS_IN_STEP];
        vreal sum[FL_ROWS_IN_STEP][V_UNROLL];
        ptrdiff_t ties[FL_ROWS_IN_STEP];
        EACH(i, FL_ROWS_IN_STEP) {
            const int at = j + i < b->count ? j + i : j; /* an odd last row twice */
            z[i] = pred_row(call, b->row + at);
            top[i] = rows.top + at;
            e[i] = buffer + at * width;
            ties[i] = 0;
            EACH(u, V_UNROLL) sum[i][u] = v_set(0);
        }
        for (ptrdiff_t k = 0; k < whole; k += V_GROUP) softmax_step(z, top, e, k, 0, in_row, 0, sum, ties);
        softmax_step(z, top, e, whole, left, in_row, 1, sum, ties);
        EACH(i, FL_ROWS_IN_STEP) {
            const int at = j + i < b->count ? j + i : j;
            rows.s[at] = group_sum(sum[i]) * unlift;
            rows.ties[at] = (real)ties[i];
            if (b->label[at] >= 0) rows.own[at] = e[i][b->label[at]];
        }
    }
    softmax_ends(&rows, b, 0, V_GROUP);
    softmax_losses(&rows, loss);
    if (level < VALUE_GRAD) return;
    for (int j = 0; j < b->count; j++) {
        const real factor = rows.scale[j] * unlift, *e = buffer + j * width;
        if (b->weight[j] == 0 || level >= VALUE_GRAD_HESS || softmax_too_low(factor)) {
            softmax_slopes(call, b, j, &rows, e, level);
            continue;
        }
        real *grad = grad_row(call, b->row + j);
        for (ptrdiff_t k = 0; k < whole; k += V_LANES) v_store(grad + k, v_load(e + k) * v_set(factor));
        EACH(u, V_UNROLL) {
            const ptrdiff_t k = whole + u * V_LANES;
            store_part(grad + k, v_load(e + k) * v_set(factor), c - k);
        }
        if (b->label[j] >= 0) grad[b->label[j]] = rows.own_grad[j];
    }
}

/* ---- softmax of longer rows ---- */

typedef struct softmax_sums {
    double s;
    ptrdiff_t ties;
} softmax_sums;

/* The registers of a long row that are worked on in step. */
#define FL_LONG_STEP (V_UNROLL > 1 ? V_UNROLL : 2)

/* `registers` registers from z on; `part`: the last has `left` entries of the row. */
FL_INLINE void softmax_exp_group(const real *z, vreal top, int registers, int part, ptrdiff_t left, real *e, vreal *sum,
                                 ptrdiff_t *ties) {
    const vreal zero = v_set(0);
    vreal d[V_IN_STEP], x[V_IN_STEP];
    EACH(u, registers) {
        const real *at = z + u * V_LANES;
        d[u] = x[u] = (part && u == registers - 1 ? v_load_n(at, left) : v_load(at)) - top;
    }
    v_exp_lifted_each(x, registers);
    EACH(u, registers) {
        vmask tie = v_eq(d[u], zero);
        if (part && u == registers - 1) {
            if (e) v_store_n(e + u * V_LANES, x[u], left);
            tie = v_and(tie, v_first(left));
            x[u] = v_only(v_first(left), x[u]);
        } else if (e) {
            v_store(e + u * V_LANES, x[u]);
        }
        sum[u % V_UNROLL] = sum[u % V_UNROLL] + v_except(tie, x[u]);
        *ties += v_count(tie);
    }
}
/* One row: writes the lifted exp(z - top) to e unless that is NULL (e may be z). */
FL_INLINE softmax_sums softmax_exp(const real *z, vreal top, ptrdiff_t c, real *e) {
    softmax_sums total = {0, 0};
    for (ptrdiff_t start = 0; start < c; start += FL_SUM_BLOCK) {
        const ptrdiff_t end = c - start < FL_SUM_BLOCK ? c : start + FL_SUM_BLOCK;
        vreal sum[V_UNROLL];
        EACH(u, V_UNROLL) sum[u] = v_set(0);
        ptrdiff_t k = start;
        for (; k + FL_LONG_STEP * V_LANES <= end; k += FL_LONG_STEP * V_LANES)
            softmax_exp_group(z + k, top, FL_LONG_STEP, 0, 0, e ? e + k : NULL, sum, &total.ties);
        const ptrdiff_t left = end - k;
        EACH(u, FL_LONG_STEP) {
            const ptrdiff_t last = left - u * V_LANES;
            if (last > 0 && last <= V_LANES)
                softmax_exp_group(z + k, top, u + 1, 1, last, e ? e + k : NULL, sum, &total.ties);
        }
        total.s += (double)(group_sum(sum) * unlift);
    }
    return total;
}

/* Rows of many classes are walked along in turn, as many as have this many entries: half of a first cache, as the
 * gradients lie there too. From 1,024 to 8,192 entries it makes no difference beyond 3 % (float, AVX2; make bench-peers
 * BENCH="-k SoftmaxCrossEntropy"). */
#define FL_AT_ONCE ((ptrdiff_t)(16384 / sizeof(real)))

/* Several rows take each walk before any takes the next, so that a row's entries are worked on while the sums and
 * quotients at another's end are waited for. */
FL_INLINE void softmax_long(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    const ptrdiff_t c = call->c, fit = FL_AT_ONCE / c;
    const int at_once = fit < 1 ? 1 : fit > V_GROUP ? V_GROUP : (int)fit;
    softmax_rows rows;
    softmax_begin(&rows);
    for (int first = 0; first < b->count; first += at_once) {
        const int last = b->count - first < at_once ? b->count : first + at_once;
        for (int j = first; j < last; j++) {
            const real *z = pred_row(call, b->row + j);
            if (b->weight[j] != 0) softmax_top(&rows, j, row_max(z, c), z, b->label[j]);
        }
        for (int j = first; j < last; j++) {
            if (b->weight[j] == 0) continue;
            real *e = level >= VALUE_GRAD ? grad_row(call, b->row + j) : NULL;
            const softmax_sums sums = softmax_exp(pred_row(call, b->row + j), v_set(rows.top[j]), c, e);
            rows.s[j] = (real)sums.s;
            rows.ties[j] = (real)sums.ties;
            if (e && b->label[j] >= 0) rows.own[j] = e[b->label[j]];
        }
        softmax_ends(&rows, b, first, last);
        if (level < VALUE_GRAD) continue;
        for (int j = first; j < last; j++) softmax_slopes(call, b, j, &rows, grad_row(call, b->row + j), level);
    }
    softmax_losses(&rows, loss);
}

FL_INLINE void softmax_many(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    if (call->c <= FL_SHORT_CLASSES)
        softmax_short(call, b, loss, level);
    else
        softmax_long(call, b, loss, level);
}

double FN(softmax_cross_entropy)(const fl_loss_call *call, fl_part part) {
    return rows(softmax_tile, softmax_many, call, part, 1, 1, FL_FEW_CLASSES(24, 10));
}

/* The same for a row of target weights t_k, T their sum: l = sum t_k (top - z_k) + T log1p(r), gradient T p_k - t_k,
 * second derivative T p_k (1 - p_k). For a single top entry T p - t = (sum of the other t) - T s/(1+r), which does not
 * cancel for a one-hot row. t_k = w_k ((1-a) q_k + a/c): q the probabilities or the label, a the smoothing, w the
 * class weights (inside the sum, as in PyTorch). */
typedef struct target_rule {
    int labels;
    real keep, spread; /* 1 - a and a/c */
    const real *class_weight;
} target_rule;

FL_INLINE target_rule target_rule_of(const fl_loss_call *call, int labels) {
    const double a = call->param[0];
    return (target_rule){labels, (real)(1 - a), (real)(a / (double)call->c), (const real *)call->per_column};
}

/* Target weights of the V_LANES classes from k on. */
FL_INLINE vreal target_many(const target_rule *rule, const real *q, ptrdiff_t label, ptrdiff_t k, ptrdiff_t count) {
    const vreal keep = v_set(rule->keep), spread = v_set(rule->spread);
    const vreal hit = rule->labels ? v_only(is_class(k, label), v_set(1)) : load_part(q + k, count);
    const vreal class_weight = rule->class_weight ? load_part(rule->class_weight + k, count) : v_set(1);
    const vreal weighted = (hit * keep + spread) * class_weight;
    return count < V_LANES ? v_only(v_first(count), weighted) : weighted;
}

/* The tile of target weights. */
FL_INLINE void target_tile(tile_row *t, const target_rule *rule, const fl_loss_call *call, const row_block *b,
                           int first, int units) {
    const vreal keep = v_set(rule->keep), spread = v_set(rule->spread);
    if (!rule->labels)
        tile_load(t, units, (const real *)call->target + (b->row + first) * call->target_stride, call->target_stride,
                  b->count - first, call->c);
    for (ptrdiff_t k = 0; k < call->c; k++)
        EACH(u, units) {
            const vreal label = v_load(b->label_real + first + u * V_LANES);
            const vreal hit = rule->labels ? v_only(v_eq(label, class_number(k)), v_set(1)) : t[k][u];
            t[k][u] = (hit * keep + spread) * v_set(rule->class_weight ? rule->class_weight[k] : 1);
        }
}

FL_INLINE void softmax_target_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss,
                                   int level, int labels) {
    const vreal zero = v_set(0), one = v_set(1);
    const ptrdiff_t c = call->c, row = b->row + first;
    const int count = b->count - first;
    const target_rule rule = target_rule_of(call, labels);
    const tile_rows rows = tile_rows_of(b, first, units);
    tile_row tile[FL_TILE_ROWS], target[FL_TILE_ROWS], top, s, ties, total, others, cross, top_at, r;
    tile_load(tile, units, pred_row(call, row), call->pred_stride, count, c);
    target_tile(target, &rule, call, b, first, units);
    EACH(u, units) {
        top[u] = v_set(-FL_INFINITY);
        s[u] = ties[u] = total[u] = others[u] = cross[u] = zero;
        top_at[u] = v_set(-1);
    }
    for (ptrdiff_t k = 0; k < c; k++) EACH(u, units) top[u] = v_max(tile[k][u], top[u]);
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vreal d = tile[k][u] - top[u], e = v_exp_neg(d), t = target[k][u];
            const vmask tie = v_eq(d, zero);
            s[u] = s[u] + v_except(tie, e);
            ties[u] = ties[u] + v_only(tie, one);
            /* by its place: e may round to 1 just below the top */
            top_at[u] = v_select(tie, class_number(k), top_at[u]);
            total[u] = total[u] + t;
            others[u] = others[u] + v_except(tie, t);
            cross[u] = cross[u] - v_times(t, d);
            tile[k][u] = e;
        }
    EACH(u, units) {
        r[u] = s[u] + (ties[u] - one);
        v_store(loss + u * V_LANES, cross[u] + total[u] * v_log1p_pos(r[u]));
    }
    if (level == VALUE) return;

    tile_row inverse, share, top_grad, top_hess;
    EACH(u, units) {
        inverse[u] = one / (one + r[u]);
        share[u] = total[u] * inverse[u];
        top_grad[u] = others[u] - share[u] * s[u];
        top_hess[u] = (share[u] * (s[u] * inverse[u])) * rows.factor[u];
        top_at[u] = v_select(v_eq(ties[u], one), top_at[u], v_set(-1));
    }
    for (ptrdiff_t k = 0; k < c; k++) /* the gradient over e, the second derivative over the target */
        EACH(u, units) {
            const vreal e = tile[k][u], t = target[k][u], factor = rows.factor[u];
            const vmask at_top = v_eq(top_at[u], class_number(k));
            const vreal g = v_select(at_top, top_grad[u], e * share[u] - t) * factor;
            const vreal h = v_select(at_top, top_hess[u], ((e * share[u]) * (one - e * inverse[u])) * factor);
            tile[k][u] = v_except(rows.dropped[u], g);
            if (level == VALUE_GRAD_HESS) target[k][u] = v_except(rows.dropped[u], h);
        }
    tile_store(tile, units, grad_row(call, row), call->grad_stride, count, c);
    if (level == VALUE_GRAD_HESS) tile_store(target, units, hess_row(call, row), call->hess_stride, count, c);
}

typedef struct target_sums {
    double total, others, cross;
} target_sums;

/* The sums over a row of t_k, of those below the top, and of t_k (top - z_k). */
FL_INLINE target_sums softmax_targets(const real *z, vreal top, ptrdiff_t c, const target_rule *rule, const real *q,
                                      ptrdiff_t label) {
    const vreal zero = v_set(0);
    target_sums all = {0, 0, 0};
    for (ptrdiff_t start = 0; start < c; start += FL_SUM_BLOCK) {
        const ptrdiff_t end = c - start < FL_SUM_BLOCK ? c : start + FL_SUM_BLOCK;
        vreal total[V_UNROLL], others[V_UNROLL], cross[V_UNROLL];
        EACH(u, V_UNROLL) total[u] = others[u] = cross[u] = zero;
        for (ptrdiff_t k = start; k < end; k += V_GROUP) {
            EACH(u, V_UNROLL) {
                const ptrdiff_t at = k + u * V_LANES, count = end - at;
                if (count <= 0) break;
                const vreal d = load_part(z + at, count) - top, t = target_many(rule, q, label, at, count);
                total[u] = total[u] + t;
                others[u] = others[u] + v_except(v_eq(d, zero), t);
                const vreal term = v_times(t, d);
                cross[u] = cross[u] - (count < V_LANES ? v_only(v_first(count), term) : term);
            }
        }
        all.total += group_total(total);
        all.others += group_total(others);
        all.cross += group_total(cross);
    }
    return all;
}

/* The first entry equal to the maximum. Its value will not do to find it later: exp rounds to 1 just below, too. */
FL_INLINE ptrdiff_t place_of(const real *z, real top, ptrdiff_t c) {
    ptrdiff_t k = 0;
    while (k + V_LANES <= c && !v_any(v_eq(v_load(z + k), v_set(top)))) k += V_LANES;
    while (k < c && z[k] != top) k++;
    return k;
}

FL_INLINE real softmax_target_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real f, real *grad,
                                  real *hess, int labels) {
    const vreal one = v_set(1);
    const ptrdiff_t c = call->c;
    const target_rule rule = target_rule_of(call, labels);
    const real *z = pred_row(call, row);
    const real *q = labels ? NULL : (const real *)call->target + row * call->target_stride;
    const real highest = row_max(z, c);
    const vreal top = v_set(highest);
    const target_sums t = softmax_targets(z, top, c, &rule, q, label);
    const ptrdiff_t top_at = grad ? place_of(z, highest, c) : 0;
    const softmax_sums sums = softmax_exp(z, top, c, grad);
    const double r = sums.s + (double)(sums.ties - 1), inverse = 1 / (1 + r), share = t.total * inverse;
    real rest[V_LANES];
    v_store(rest, v_log1p_pos(v_set((real)r)));
    const real loss = (real)(t.cross + t.total * (double)rest[0]);
    if (!grad) return loss;

    const vreal factor = v_set(f), vshare = v_set((real)share), vinverse = v_set((real)inverse);
    const vreal top_grad = v_set((real)((t.others - share * sums.s) * (double)f));
    const vreal top_hess = v_set((real)(share * (sums.s * inverse) * (double)f));
    for (ptrdiff_t k = 0; k < c; k += V_LANES) {
        const ptrdiff_t count = c - k;
        const vreal e = load_part(grad + k, count) * v_set(unlift), target = target_many(&rule, q, label, k, count);
        const vmask at_top = is_class(k, sums.ties == 1 ? top_at : -1);
        store_part(grad + k, v_select(at_top, top_grad, (e * vshare - target) * factor), count);
        if (hess)
            store_part(hess + k, v_select(at_top, top_hess, ((e * vshare) * (one - e * vinverse)) * factor), count);
    }
    return loss;
}

FL_INLINE void softmax_smooth_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss,
                                   int level) {
    softmax_target_tile(call, b, first, units, loss, level, 1);
}
FL_INLINE real softmax_smooth_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real factor, real *grad,
                                  real *hess) {
    return softmax_target_row(call, row, label, factor, grad, hess, 1);
}
FL_INLINE void softmax_smooth_many(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    each_row(softmax_smooth_row, call, b, loss, level);
}
double FN(softmax_cross_entropy_smooth)(const fl_loss_call *call, fl_part part) {
    return rows(softmax_smooth_tile, softmax_smooth_many, call, part, 1, 0, FL_TILE_CLASSES);
}

FL_INLINE void softmax_probabilities_tile(const fl_loss_call *call, const row_block *b, int first, int units,
                                          real *loss, int level) {
    softmax_target_tile(call, b, first, units, loss, level, 0);
}
FL_INLINE real softmax_probabilities_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real factor,
                                         real *grad, real *hess) {
    return softmax_target_row(call, row, label, factor, grad, hess, 0);
}
FL_INLINE void softmax_probabilities_many(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    each_row(softmax_probabilities_row, call, b, loss, level);
}
double FN(softmax_cross_entropy_probabilities)(const fl_loss_call *call, fl_part part) {
    return rows(softmax_probabilities_tile, softmax_probabilities_many, call, part, 0, 0, FL_TILE_CLASSES);
}

/* ---- a row of scores: the multiclass hinges ---- */

/* Weston & Watkins 1999: l = sum over k != y of h(t_k), t_k = (z_k - z_y) + margin, h(t) = max(0, t) or its square.
 * Gradient h'(t_k), and minus the sum of those at y. A NaN anywhere makes l NaN, and then the whole gradient row. */
FL_INLINE void hinge_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss, int level,
                          int squared) {
    const vreal zero = v_set(0), one = v_set(1), two = v_set(2), margin = v_set((real)call->param[0]);
    const ptrdiff_t c = call->c, row = b->row + first;
    const int count = b->count - first;
    const tile_rows rows = tile_rows_of(b, first, units);
    tile_row tile[FL_TILE_ROWS], hess[FL_TILE_ROWS], own, own_nan, sum, slopes, active;
    tile_load(tile, units, pred_row(call, row), call->pred_stride, count, c);
    tile_own(tile, units, c, rows.label, own);
    EACH(u, units) {
        own_nan[u] = v_only(v_isnan(own[u]), own[u]);
        sum[u] = slopes[u] = active[u] = zero;
    }
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vreal t = (tile[k][u] - own[u]) + margin;
            const vreal excess = v_select(v_eq(rows.label[u], class_number(k)), own_nan[u], v_max(zero, t));
            const vreal on = v_only(v_gt(excess, zero), one), twice = excess + excess, square = excess * excess;
            sum[u] = sum[u] + (squared ? square : excess);
            slopes[u] = slopes[u] + (squared ? twice : on);
            tile[k][u] = squared ? twice : on;
            if (!squared || level < VALUE_GRAD_HESS) continue;
            active[u] = active[u] + on;
            hess[k][u] = two * on;
        }
    EACH(u, units) v_store(loss + u * V_LANES, sum[u]);
    if (level == VALUE) return;
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vmask own_class = v_eq(rows.label[u], class_number(k));
            const vreal g = v_select(own_class, -slopes[u], tile[k][u]) * rows.factor[u];
            tile[k][u] = v_except(rows.dropped[u], v_select(v_isnan(sum[u]), sum[u], g));
            if (level < VALUE_GRAD_HESS) continue;
            const vreal h = v_select(own_class, two * active[u], hess[k][u]) * rows.factor[u];
            hess[k][u] = squared ? v_except(rows.dropped[u], h) : zero;
        }
    tile_store(tile, units, grad_row(call, row), call->grad_stride, count, c);
    if (level == VALUE_GRAD_HESS) tile_store(hess, units, hess_row(call, row), call->hess_stride, count, c);
}

/* What one row's walk needs and adds up. */
typedef struct hinge_walk {
    const real *z;
    real *grad, *hess;
    ptrdiff_t label, active;
    vreal own, margin, factor;
    vreal sums[V_UNROLL], slopes[V_UNROLL];
} hinge_walk;

/* The `registers` registers from k on; `part`: the last has `left` entries of the row; `mine`: y may be among them. */
FL_INLINE void hinge_group(hinge_walk *w, ptrdiff_t k, int registers, int part, ptrdiff_t left, int mine, int squared) {
    const vreal zero = v_set(0);
    EACH(u, registers) {
        const ptrdiff_t at = k + u * V_LANES;
        const int end = part && u == registers - 1;
        const vreal t = ((end ? v_load_n(w->z + at, left) : v_load(w->z + at)) - w->own) + w->margin;
        vreal excess = v_max(zero, t);
        if (mine) excess = v_except(is_class(at, w->label), excess);
        if (end) excess = v_only(v_first(left), excess);
        const vmask on = v_gt(excess, zero);
        const vreal square = excess * excess, twice = excess + excess;
        const vreal steep = twice * w->factor, even = v_only(on, w->factor), bend = w->factor + w->factor;
        w->sums[u] = w->sums[u] + (squared ? square : excess);
        if (squared) w->slopes[u] = w->slopes[u] + twice;
        if (!squared || w->hess) w->active += v_count(on);
        if (w->grad) store_part(w->grad + at, squared ? steep : even, end ? left : V_LANES);
        if (w->hess) store_part(w->hess + at, squared ? v_only(on, bend) : zero, end ? left : V_LANES);
    }
}

/* One row in one walk; only the entry of y has to wait for the sums. */
FL_INLINE real hinge_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real f, real *grad, real *hess,
                         int squared) {
    const ptrdiff_t c = call->c;
    const real *z = pred_row(call, row), own = z[label]; /* grad may lie on z */
    hinge_walk w = {.z = z,
                    .grad = grad,
                    .hess = hess,
                    .label = label,
                    .own = v_set(own),
                    .margin = v_set((real)call->param[0]),
                    .factor = v_set(f)};
    /* Where y is is foreseen too rarely in short rows to be worth a branch, but in plain C. */
    const int foreseen = V_LANES == 1 || c > FL_SHORT_CLASSES;
    double sum = 0, slopes = 0;
    for (ptrdiff_t start = 0; start < c; start += FL_SUM_BLOCK) {
        const ptrdiff_t end = c - start < FL_SUM_BLOCK ? c : start + FL_SUM_BLOCK;
        EACH(u, V_UNROLL) w.sums[u] = w.slopes[u] = v_set(0);
        ptrdiff_t k = start;
        for (; k + V_GROUP <= end; k += V_GROUP) {
            if (foreseen && (size_t)(label - k) >= V_GROUP)
                hinge_group(&w, k, V_UNROLL, 0, 0, 0, squared);
            else
                hinge_group(&w, k, V_UNROLL, 0, 0, 1, squared);
        }
        EACH(u, V_UNROLL) {
            const ptrdiff_t left = end - k - u * V_LANES;
            if (left > 0 && left <= V_LANES) hinge_group(&w, k, u + 1, 1, left, 1, squared);
        }
        sum += (double)group_sum(w.sums);
        if (squared) slopes += (double)group_sum(w.slopes);
    }
    if (own != own) sum = (double)own;
    if (!squared) slopes = (double)w.active;
    if (grad) grad[label] = (real)(-slopes * (double)f);
    if (hess) hess[label] = squared ? (real)(2 * (double)w.active * (double)f) : 0;
    if (grad && sum != sum) row_fill(grad, c, (real)sum);
    return (real)sum;
}

/* A block of rows of one or two groups, a constant: no loop along the row, no branches but for what is wanted. Half as
 * long as walks at 32 floats. */
FL_INLINE void hinge_short(const fl_loss_call *call, const row_block *b, real *loss, int level, int squared,
                           int groups) {
    const vreal zero = v_set(0), margin = v_set((real)call->param[0]);
    const ptrdiff_t c = call->c, whole = (groups - 1) * V_GROUP;
    vmask in_row[V_UNROLL];
    EACH(u, V_UNROLL) in_row[u] = v_first(c - whole - u * V_LANES);
    for (int j = 0; j < b->count; j++) {
        const ptrdiff_t row = b->row + j, label = b->label[j];
        real *grad = level >= VALUE_GRAD ? grad_row(call, row) : NULL;
        if (b->weight[j] == 0) {
            if (grad) row_fill(grad, c, 0);
            continue;
        }
        const real *z = pred_row(call, row), own = z[label];
        const vreal own_z = v_set(own), own_class = v_set(b->label_real[j]), factor = v_set(b->factor[j]);
        vreal sums[V_UNROLL], slopes[V_UNROLL], slope[2 * V_UNROLL];
        int active = 0;
        EACH(r, groups * V_UNROLL) {
            const ptrdiff_t at = r * V_LANES;
            const int u = r % V_UNROLL, last = at >= whole;
            const vreal t = ((last ? v_load_n(z + at, c - at) : v_load(z + at)) - own_z) + margin;
            const vmask mine = v_eq(v_iota() + v_set((real)at), own_class);
            vreal excess = v_except(mine, v_max(zero, t));
            if (last) excess = v_only(in_row[u], excess);
            const vreal square = excess * excess, twice = excess + excess;
            const vmask on = v_gt(excess, zero);
            const vreal steep = twice * factor, even = v_only(on, factor), first = squared ? square : excess;
            sums[u] = first + (r < V_UNROLL ? zero : sums[u]);
            if (squared) slopes[u] = twice + (r < V_UNROLL ? zero : slopes[u]);
            if (!squared) active += v_count(on);
            slope[r] = squared ? steep : even;
        }
        const real sum = own == own ? group_sum(sums) : own;
        loss[j] = sum;
        if (!grad) continue;
        EACH(r, groups * V_UNROLL) {
            const ptrdiff_t at = r * V_LANES;
            store_part(grad + at, slope[r], at >= whole ? c - at : V_LANES);
        }
        grad[label] = -(squared ? group_sum(slopes) : (real)active) * b->factor[j];
        if (sum != sum) row_fill(grad, c, sum);
    }
}
FL_INLINE void hinge_many(row_walk walk, const fl_loss_call *call, const row_block *b, real *loss, int level,
                          int squared) {
    if (call->c > 2 * V_GROUP || level >= VALUE_GRAD_HESS)
        each_row(walk, call, b, loss, level);
    else if (call->c > V_GROUP)
        hinge_short(call, b, loss, level, squared, 2);
    else
        hinge_short(call, b, loss, level, squared, 1);
}

FL_INLINE void hinge_plain_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss,
                              int level) {
    hinge_tile(call, b, first, units, loss, level, 0);
}
FL_INLINE real hinge_plain_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real factor, real *grad,
                               real *hess) {
    return hinge_row(call, row, label, factor, grad, hess, 0);
}
FL_INLINE void hinge_plain_many(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    hinge_many(hinge_plain_row, call, b, loss, level, 0);
}
double FN(multiclass_hinge)(const fl_loss_call *call, fl_part part) {
    return rows(hinge_plain_tile, hinge_plain_many, call, part, 1, 1, FL_FEW_CLASSES(11, 5));
}

FL_INLINE void hinge_squared_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss,
                              int level) {
    hinge_tile(call, b, first, units, loss, level, 1);
}
FL_INLINE real hinge_squared_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real factor, real *grad,
                               real *hess) {
    return hinge_row(call, row, label, factor, grad, hess, 1);
}
FL_INLINE void hinge_squared_many(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    hinge_many(hinge_squared_row, call, b, loss, level, 1);
}
double FN(multiclass_hinge_squared)(const fl_loss_call *call, fl_part part) {
    return rows(hinge_squared_tile, hinge_squared_many, call, part, 1, 1, FL_FEW_CLASSES(24, 10));
}

/* Crammer & Singer 2001: l = max(0, margin + z_j - z_y), j the first of the largest wrong scores. Gradient +1 at j and
 * -1 at y where that is above 0, NaN in the whole row where anything in it is NaN. */
FL_INLINE void crammer_singer_tile(const fl_loss_call *call, const row_block *b, int first, int units, real *loss,
                                   int level) {
    const vreal zero = v_set(0), margin = v_set((real)call->param[0]);
    const ptrdiff_t c = call->c, row = b->row + first;
    const int count = b->count - first;
    const tile_rows rows = tile_rows_of(b, first, units);
    tile_row tile[FL_TILE_ROWS], own, worst, at, poison, value, on;
    tile_load(tile, units, pred_row(call, row), call->pred_stride, count, c);
    tile_own(tile, units, c, rows.label, own);
    EACH(u, units) {
        worst[u] = v_set(-FL_INFINITY);
        at[u] = v_set(-2);
        poison[u] = zero;
    }
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vreal z = tile[k][u];
            const vmask wrong = v_not(v_eq(rows.label[u], class_number(k))), better = v_and(v_gt(z, worst[u]), wrong);
            worst[u] = v_select(better, z, worst[u]);
            at[u] = v_select(better, class_number(k), at[u]);
            poison[u] = v_select(v_isnan(z), z, poison[u]);
        }
    EACH(u, units) {
        const vreal t = (worst[u] - own[u]) + margin;
        value[u] = v_select(v_isnan(poison[u]), poison[u], v_max(zero, t));
        on[u] = v_only(v_gt(t, zero), rows.factor[u]);
        v_store(loss + u * V_LANES, value[u]);
    }
    if (level == VALUE) return;
    for (ptrdiff_t k = 0; k < c; k++)
        EACH(u, units) {
            const vreal vk = class_number(k);
            const vreal g = v_select(v_eq(at[u], vk), on[u], v_only(v_eq(rows.label[u], vk), -on[u]));
            tile[k][u] = v_except(rows.dropped[u], v_select(v_isnan(value[u]), value[u], g));
        }
    tile_store(tile, units, grad_row(call, row), call->grad_stride, count, c);
    if (level < VALUE_GRAD_HESS) return;
    for (int j = 0; j < count && j < units * V_LANES; j++) row_fill(hess_row(call, row + j), c, 0);
}

/* The largest wrong score of a row, -infinity if there is none; NaN if anything in the row is. */
FL_INLINE real worst_wrong(const real *z, ptrdiff_t c, ptrdiff_t label) {
    vreal worst = v_set(-FL_INFINITY), poison = v_set(0);
    for (ptrdiff_t k = 0; k < c; k += V_LANES) {
        const vmask in_row = v_first(c - k);
        const vreal x = load_part(z + k, c - k);
        worst = v_max(v_select(v_and(in_row, v_not(is_class(k, label))), x, v_set(-FL_INFINITY)), worst);
        poison = v_select(v_isnan(x), x, poison);
    }
    real bad[V_LANES];
    v_store(bad, poison);
    for (int j = 0; j < V_LANES; j++)
        if (bad[j] != bad[j]) return bad[j];
    return v_highest(worst);
}

FL_INLINE real crammer_singer_row(const fl_loss_call *call, ptrdiff_t row, ptrdiff_t label, real factor, real *grad,
                                  real *hess) {
    const ptrdiff_t c = call->c;
    const real *z = pred_row(call, row);
    const real worst = worst_wrong(z, c, label), t = (worst - z[label]) + (real)call->param[0];
    const real loss = t <= 0 ? 0 : t;
    if (hess) row_fill(hess, c, 0);
    if (!grad) return loss;
    ptrdiff_t at = 0;
    while (at < c && (at == label || z[at] != worst)) at++;
    row_fill(grad, c, t != t ? t : 0); /* z is gone now, if grad lies on it */
    if (t > 0 && at < c) {
        grad[at] = factor;
        grad[label] = -factor;
    }
    return loss;
}
FL_INLINE void crammer_singer_many(const fl_loss_call *call, const row_block *b, real *loss, int level) {
    each_row(crammer_singer_row, call, b, loss, level);
}

double FN(crammer_singer_hinge)(const fl_loss_call *call, fl_part part) {
    return rows(crammer_singer_tile, crammer_singer_many, call, part, 1, 1, FL_TILE_CLASSES);
}
