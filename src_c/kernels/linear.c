/* Linear models, one row at a time: the scores of a row, and what its derivative in them does to the coefficients.
 * Which row comes when, losses and optimizers are the business of ../linear_call.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "elementwise.h"

double FN(linear_gradient)(fl_linear *model, const fl_row *row, const void *derivative, double factor, void *grad);
double FN(linear_step)(fl_linear *model, const fl_row *row, const void *derivative, double factor, double lr);
void FN(linear_scores)(const fl_linear *model, const fl_row *row, void *scores);
void FN(linear_settle)(fl_linear *model);

FL_INLINE ptrdiff_t column_at(const fl_row *row, ptrdiff_t i) { return fl_index_at(row->index, row->index_bits, i); }

/* ---- scores ---- */

/* sum of w_j x_j in V_GROUP lanes. */
FL_INLINE double dot(const real *w, const real *x, ptrdiff_t n) {
    double total = 0;
    for (ptrdiff_t begin = 0; begin < n; begin += FL_SUM_BLOCK) {
        const ptrdiff_t end = n - begin < FL_SUM_BLOCK ? n : begin + FL_SUM_BLOCK;
        const ptrdiff_t whole = end - (end - begin) % V_GROUP;
        vreal sum[V_UNROLL];
        EACH(u, V_UNROLL) sum[u] = v_set(0);
        for (ptrdiff_t j = begin; j < whole; j += V_GROUP) {
            EACH(u, V_UNROLL)
                sum[u] = v_fma(v_load(w + j + u * V_LANES), v_load(x + j + u * V_LANES), sum[u]);
        }
        EACH(u, V_UNROLL) {
            const ptrdiff_t at = whole + u * V_LANES, left = end - at;
            if (left > 0) sum[u] = v_fma(load_part(w + at, left), load_part(x + at, left), sum[u]);
        }
        total += group_total(sum);
    }
    return total;
}

FL_INLINE double sparse_dot(const real *w, const fl_row *row) {
    const real *x = (const real *)row->entry;
    double total = 0;
    for (ptrdiff_t i = 0; i < row->count; i++) total += (double)(w[column_at(row, i)] * x[i]);
    return total;
}

/* scores[k] = coef[k] . x + intercept[k]. */
void FN(linear_scores)(const fl_linear *model, const fl_row *row, void *scores) {
    const real *intercept = (const real *)model->intercept;
    for (ptrdiff_t k = 0; k < model->c; k++) {
        const real *w = (const real *)model->coef + k * model->d;
        const double z = row->index ? model->scale * sparse_dot(w, row) : dot(w, (const real *)row->entry, model->d);
        ((real *)scores)[k] = (real)z + (intercept ? intercept[k] : 0);
    }
}

/* ---- gradients and steps ---- */

/* What a penalty is made of; known when the loops are compiled. */
enum { NO_PENALTY, WITH_L2, WITH_L1 };

typedef struct shrinkage {
    vreal l1, twice_l2;
    vacc size[V_UNROLL], square[V_UNROLL]; /* of |w| and w^2, for the penalty's value */
} shrinkage;

FL_INLINE shrinkage shrinkage_of(const fl_linear *model) {
    shrinkage s = {.l1 = v_set((real)model->l1), .twice_l2 = v_set((real)(2 * model->l2))};
    EACH(u, V_UNROLL) s.size[u] = s.square[u] = v_acc_zero();
    return s;
}
FL_INLINE double shrinkage_value(const fl_linear *model, const shrinkage *s) {
    return (model->l1 > 0 ? model->l1 * v_acc_total(s->size) : 0) +
           (model->l2 > 0 ? model->l2 * v_acc_total(s->square) : 0);
}

/* The coefficients of one class: their gradient g = a x + l1 sign w + 2 l2 w is added to `sum`; then it goes to `grad`,
 * or with step the step w - rate g is taken. No fused operation, as in the optimizers. */
FL_INLINE void class_entries(real *w, const real *x, real *sum, real *grad, ptrdiff_t n, real a, real rate, int step,
                             int penalized, shrinkage *s) {
    const vreal slope = v_set(a), lr = v_set(rate);
    for (ptrdiff_t j = 0; j < n; j += V_GROUP) {
        EACH(u, V_UNROLL) {
            const ptrdiff_t at = j + u * V_LANES, left = n - at;
            if (left <= 0) continue;
            const vreal old = load_part(w + at, left);
            vreal g = slope * load_part(x + at, left);
            if (penalized) {
                vreal pull = s->twice_l2 * old;
                s->square[u] = v_acc_add_product(s->square[u], old, old);
                if (penalized == WITH_L1) {
                    s->size[u] = v_acc_add(s->size[u], v_abs(old));
                    pull = s->l1 * v_sign(old) + pull;
                }
                g = g + pull;
            }
            store_part(sum + at, load_part(sum + at, left) + g, left);
            if (step)
                store_part(w + at, old - lr * g, left);
            else
                store_part(grad + at, g, left);
        }
    }
}

/* All classes of a dense row. Without a penalty, a step with derivative 0 changes nothing. */
FL_INLINE double dense_row(fl_linear *model, const fl_row *row, const real *derivative, real factor, real *grad,
                           real rate, int step, int penalized) {
    shrinkage s = shrinkage_of(model);
    for (ptrdiff_t k = 0; k < model->c; k++) {
        const ptrdiff_t at = k * model->d;
        const real a = derivative[k] * factor;
        if (step && !penalized && a == 0) continue;
        class_entries((real *)model->coef + at, (const real *)row->entry, (real *)model->coef_sum + at,
                      step ? NULL : grad + at, model->d, a, rate, step, penalized, &s);
    }
    return penalized ? shrinkage_value(model, &s) : 0;
}

FL_INLINE int penalty_of(const fl_linear *model) {
    return model->l1 > 0 ? WITH_L1 : model->l2 > 0 ? WITH_L2 : NO_PENALTY;
}
FL_INLINE double any_dense_row(fl_linear *model, const fl_row *row, const real *derivative, real factor, real *grad,
                               real rate, int step) {
    const int penalized = penalty_of(model);
    if (penalized == NO_PENALTY) return dense_row(model, row, derivative, factor, grad, rate, step, NO_PENALTY);
    if (penalized == WITH_L2) return dense_row(model, row, derivative, factor, grad, rate, step, WITH_L2);
    return dense_row(model, row, derivative, factor, grad, rate, step, WITH_L1);
}

FL_INLINE void intercept_gradient(fl_linear *model, const real *derivative, real factor, real *grad) {
    if (!model->intercept) return;
    for (ptrdiff_t k = 0; k < model->c; k++) {
        grad[k] = derivative[k] * factor;
        ((real *)model->intercept_sum)[k] += grad[k];
    }
}
FL_INLINE void intercept_step(fl_linear *model, const real *derivative, real factor, real rate) {
    if (!model->intercept) return;
    for (ptrdiff_t k = 0; k < model->c; k++) {
        const real g = derivative[k] * factor;
        ((real *)model->intercept_sum)[k] += g;
        ((real *)model->intercept)[k] -= rate * g;
    }
}

/* The gradient of a sparse row as a dense array: 0 but for its columns and the penalty. */
FL_INLINE double sparse_gradient(fl_linear *model, const fl_row *row, const real *derivative, real factor, real *grad) {
    const int penalized = penalty_of(model);
    const real *x = (const real *)row->entry;
    shrinkage s = shrinkage_of(model);
    memset(grad, 0, (size_t)(model->c * model->d) * sizeof(real));
    for (ptrdiff_t k = 0; k < model->c; k++) {
        const ptrdiff_t at = k * model->d;
        const real a = derivative[k] * factor;
        real *const sum = (real *)model->coef_sum + at;
        if (penalized) /* with x = 0: the penalty alone; grad is still 0 and stands for x */
            class_entries((real *)model->coef + at, grad + at, sum, grad + at, model->d, 0, 0, 0, WITH_L1, &s);
        for (ptrdiff_t i = 0; i < row->count; i++) {
            grad[at + column_at(row, i)] += a * x[i];
            sum[column_at(row, i)] += a * x[i];
        }
    }
    return penalized ? shrinkage_value(model, &s) : 0;
}

/* Writes the gradient of a row's loss, whose derivative in the scores is factor * derivative, and of the penalty:
 * coefficients, then intercept. Returns the penalty. */
double FN(linear_gradient)(fl_linear *model, const fl_row *row, const void *derivative, double factor, void *grad) {
    const real *g = (const real *)derivative, f = (real)factor;
    real *const to = (real *)grad;
    intercept_gradient(model, g, f, to + model->c * model->d);
    if (row->index) return sparse_gradient(model, row, g, f, to);
    return any_dense_row(model, row, g, f, to, 0, 0);
}

/* ---- steps on sparse rows: coef stands for scale * coef ---- */

FL_INLINE double all_squares(const fl_linear *model) {
    const real *w = (const real *)model->coef;
    double square = 0;
    for (ptrdiff_t i = 0; i < model->c * model->d; i++) square += (double)w[i] * (double)w[i];
    return square;
}

/* Brings scale back to 1: the coefficients become what they stand for, times `decay`; and the sum of gradients gets
 * what the penalty of the steps since the last time brings. */
FL_INLINE void settle(fl_linear *model, double decay) {
    real *const w = (real *)model->coef, *const sum = (real *)model->coef_sum;
    const double scale = model->scale * decay, pulled = 2 * model->l2 * model->scale_sum;
    for (ptrdiff_t i = 0; i < model->c * model->d; i++) {
        sum[i] = (real)((double)sum[i] + pulled * (double)w[i]);
        w[i] = (real)(scale * (double)w[i]);
    }
    model->scale = 1;
    model->scale_sum = 0;
    model->square = all_squares(model);
}

void FN(linear_settle)(fl_linear *model) {
    if (model->l2 > 0) settle(model, 1);
}

/* How far scale may go from 1. The closer to 0, the larger what the sum below holds and later loses again, and so its
 * rounding: of floats, at most 8 of their 24 bits. */
#define SCALE_LIMIT (FL_REAL == 32 ? 0x1p8 : 0x1p20)

/* w - lr (a x + 2 l2 w), touching only the columns of x: with w = s u the decay multiplies s, and u moves by d =
 * -lr a x / s. The gradients' sum needs sum over steps of s u, which is S u minus the sum of S d, S being the sum of s
 * so far (Bottou 2012, Stochastic Gradient Descent Tricks, sections 5.1 and 5.4). */
FL_INLINE double sparse_step(fl_linear *model, const fl_row *row, const real *derivative, real factor, double lr) {
    const real *x = (const real *)row->entry;
    const double decay = 1 - 2 * model->l2 * lr, penalty = model->l2 * model->scale * model->scale * model->square;
    const double next = fabs(model->scale * decay);
    model->scale_sum += model->scale;
    if (next >= 1 / SCALE_LIMIT && next <= SCALE_LIMIT)
        model->scale *= decay;
    else
        settle(model, decay);
    const double pulled = 2 * model->l2 * model->scale_sum;
    for (ptrdiff_t k = 0; k < model->c; k++) {
        real *const w = (real *)model->coef + k * model->d, *const sum = (real *)model->coef_sum + k * model->d;
        const real a = derivative[k] * factor;
        const double move = -lr * (double)a / model->scale;
        if (a == 0) continue;
        for (ptrdiff_t i = 0; i < row->count; i++) {
            const ptrdiff_t j = column_at(row, i);
            const double old = (double)w[j];
            w[j] = (real)(old + move * (double)x[i]);
            const double delta = (double)w[j] - old;
            model->square += delta * (old + (double)w[j]);
            sum[j] = (real)((double)sum[j] + (double)(a * x[i]) - pulled * delta);
        }
    }
    return penalty;
}

/* The same gradient, taken off the parameters at once: w - lr g. Of a sparse row without l1. */
double FN(linear_step)(fl_linear *model, const fl_row *row, const void *derivative, double factor, double lr) {
    const real *g = (const real *)derivative, f = (real)factor;
    intercept_step(model, g, f, (real)lr);
    if (row->index) return sparse_step(model, row, g, f, lr);
    return any_dense_row(model, row, g, f, NULL, (real)lr, 1);
}
