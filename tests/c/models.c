/* Linear models row by row, against plain loops in double over the same rows written out densely: each kernel by
 * itself on numbers of full length, many steps on sparse rows, and whole runs on numbers that no operation rounds.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "linear_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "rooms.h"

#define ROWS 5

typedef struct linear_case {
    int type, index_bits, intercept;
    ptrdiff_t c, d;
    double l1, l2;
    int exact; /* numbers of few bits: x is -1, 0 or 1, coefficients are multiples of 1/2 */
} linear_case;

enum { COEF, COEF_SUM, INTERCEPT, INTERCEPT_SUM, X, COLUMN, INDPTR, DERIVATIVE, SCORES, GRAD, TABLES };
static const char *const table_names[] = {"coef",   "coef_sum", "intercept",  "intercept_sum", "x",
                                          "column", "indptr",   "derivative", "scores",        "grad"};

typedef struct linear_run {
    const linear_case *from;
    table t[TABLES];
    double *full; /* ROWS x d: the rows, zeros and all */
    fl_linear model;
    uint64_t hash;
} linear_run;

/* ---- cases ---- */

static double number(const linear_case *from, source *s) {
    return from->exact ? (double)take(s, 8) / 2 - 2 : take_number(s) / 3;
}
static double x_number(const linear_case *from, source *s) {
    return from->exact ? (double)take(s, 3) - 1 : take_number(s) / 3;
}

/* Row 1 is empty; of the others about a third of the columns, in any order. `columns` has room for all. */
static ptrdiff_t choose_columns(ptrdiff_t row, ptrdiff_t d, source *s, ptrdiff_t *columns) {
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < d && row != 1; j++) {
        if (take(s, 3)) continue;
        const ptrdiff_t at = (ptrdiff_t)take(s, (uint64_t)count + 1);
        columns[count++] = columns[at];
        columns[at] = j;
    }
    return count;
}

static void make_sparse(linear_run *run, source *s) {
    const linear_case *from = run->from;
    const ptrdiff_t d = from->d;
    ptrdiff_t *const columns = malloc((size_t)(ROWS * d) * sizeof *columns), begin[ROWS + 1] = {0};
    if (!columns) abort();
    for (ptrdiff_t i = 0; i < ROWS; i++) begin[i + 1] = begin[i] + choose_columns(i, d, s, columns + begin[i]);
    const entry_type type = from->index_bits == 32 ? INT32 : INT64;
    run->t[X] = new_table((entry_type)from->type, 1, begin[ROWS], 0, 1, 0);
    run->t[COLUMN] = new_table(type, 1, begin[ROWS], 0, 1, 0);
    run->t[INDPTR] = new_table(type, 1, ROWS + 1, 0, 1, 0);
    for (ptrdiff_t i = 0; i <= ROWS; i++) set(&run->t[INDPTR], 0, i, (double)begin[i]);
    for (ptrdiff_t i = 0; i < ROWS; i++)
        for (ptrdiff_t at = begin[i]; at < begin[i + 1]; at++) {
            set(&run->t[COLUMN], 0, at, (double)columns[at]);
            set(&run->t[X], 0, at, x_number(from, s));
            run->full[i * d + columns[at]] = get(&run->t[X], 0, at);
        }
    free(columns);
}

static void make_dense(linear_run *run, source *s) {
    const ptrdiff_t d = run->from->d;
    run->t[X] = new_table((entry_type)run->from->type, ROWS, d, 3, 1, 0);
    for (ptrdiff_t i = 0; i < ROWS; i++)
        for (ptrdiff_t j = 0; j < d; j++) {
            set(&run->t[X], i, j, x_number(run->from, s));
            run->full[i * d + j] = get(&run->t[X], i, j);
        }
}

/* The model as it was prepared. */
static void restart(linear_run *run) {
    const linear_case *from = run->from;
    for (int k = 0; k < TABLES; k++) restore(&run->t[k]);
    run->model = (fl_linear){.c = from->c, .d = from->d, .coef = run->t[COEF].base, .coef_sum = run->t[COEF_SUM].base,
                             .intercept = run->t[INTERCEPT].base, .intercept_sum = run->t[INTERCEPT_SUM].base,
                             .l1 = from->l1, .l2 = from->l2, .scale = 1};
}

static void prepare(linear_run *run, const linear_case *from, source *s) {
    const ptrdiff_t d = from->d, c = from->c, widths[] = {c * d, c * d, c, c};
    const entry_type type = (entry_type)from->type;
    *run = (linear_run){.from = from, .full = calloc((size_t)(ROWS * d), sizeof(double))};
    if (!run->full) abort();
    for (int k = COEF; k <= (from->intercept ? INTERCEPT_SUM : COEF_SUM); k++) {
        run->t[k] = new_table(type, 1, widths[k], 0, k, 0);
        for (ptrdiff_t i = 0; i < widths[k]; i++) set(&run->t[k], 0, i, number(from, s));
    }
    (from->index_bits ? make_sparse : make_dense)(run, s);
    run->t[SCORES] = new_table(type, 1, c, 0, 1, 0);
    run->t[GRAD] = new_table(type, 1, c * d + (from->intercept ? c : 0), 0, 1, 0);
    run->t[DERIVATIVE] = new_table(type, 1, c, 0, 3, 0);
    for (ptrdiff_t k = 0; k < c; k++) set(&run->t[DERIVATIVE], 0, k, k == 1 ? 0 : number(from, s));
    for (int k = 0; k < TABLES; k++) seal(&run->t[k]);
    restart(run);
}

static void finish(linear_run *run) {
    for (int k = 0; k < TABLES; k++) free_table(&run->t[k]);
    free(run->full);
}

static fl_row row_of(const linear_run *run, ptrdiff_t i) {
    const linear_case *from = run->from;
    const ptrdiff_t size = from->type ? 8 : 4;
    if (!from->index_bits) return (fl_row){.entry = run->t[X].base + i * run->t[X].stride * size};
    const ptrdiff_t begin = (ptrdiff_t)get(&run->t[INDPTR], 0, i), end = (ptrdiff_t)get(&run->t[INDPTR], 0, i + 1);
    return (fl_row){.entry = run->t[X].base + begin * size,
                    .index = run->t[COLUMN].base + begin * (from->index_bits / 8),
                    .index_bits = from->index_bits,
                    .count = end - begin};
}

/* Nothing but the tables in the set `written` has changed; what has is added to the hash. */
static void check_written(linear_run *run, unsigned written) {
    for (int k = 0; k < TABLES; k++) {
        check_table(&run->t[k], (written >> k) & 1, table_names[k]);
        if ((written >> k) & 1) hash_table(&run->hash, &run->t[k]);
    }
}
#define MODEL (1u << COEF | 1u << COEF_SUM | 1u << INTERCEPT | 1u << INTERCEPT_SUM)
#define SUMS (1u << COEF_SUM | 1u << INTERCEPT_SUM)

/* ---- each kernel by itself ---- */

/* Entry i as it was prepared. */
static double before(const linear_run *run, int k, ptrdiff_t i) {
    table first = run->t[k];
    first.base = first.first + (first.base - first.memory);
    return first.memory ? get(&first, 0, i) : 0;
}

/* Dense: a lane adds up to 1,024 / 8 products and a last one, half a unit each, and what is left is added in double or
 * 12 more times; sparse: products are rounded, then added in double. Then two roundings more. In doubles the sums over
 * blocks or entries, and the reference's own, lose up to d units. */
static void compare_scores(const linear_run *run, ptrdiff_t row) {
    const linear_case *from = run->from;
    const double d = (double)from->d;
    const double ulps = 3 + (from->index_bits ? 0 : fmin(d, 140) / 2) + (from->type ? d : 0);
    for (ptrdiff_t k = 0; k < from->c; k++) {
        double z = before(run, INTERCEPT, k), size = fabs(z);
        for (ptrdiff_t j = 0; j < from->d; j++) {
            const double product = before(run, COEF, k * from->d + j) * run->full[row * from->d + j];
            z += product;
            size += fabs(product);
        }
        near(get(&run->t[SCORES], 0, k), z, ulps, size, from->type, "score");
    }
}

/* The gradient of coefficient (k, j), and the sum of the magnitudes it is added up from. */
static double coef_gradient(const linear_run *run, ptrdiff_t row, ptrdiff_t k, ptrdiff_t j, double factor,
                            double *size) {
    const linear_case *from = run->from;
    const double w = before(run, COEF, k * from->d + j);
    const double own = before(run, DERIVATIVE, k) * factor * run->full[row * from->d + j];
    *size = fabs(own) + from->l1 + 2 * from->l2 * fabs(w);
    return own + from->l1 * ((w > 0) - (w < 0)) + 2 * from->l2 * w;
}

/* A gradient is a product of three and up to three terms: at most 3 units, and the step or the sum two roundings more;
 * in doubles the reference as many again. On sparse rows a step moves the coefficients by the whole decay, divides by
 * it, and takes from the sum what it adds again when it settles: sums of size `more`, and 4 roundings more. */
static void compare_gradient(const linear_run *run, ptrdiff_t row, double factor, double lr) {
    const linear_case *from = run->from;
    const int type = from->type;
    for (ptrdiff_t at = 0; at < from->c * from->d; at++) {
        double size;
        const double g = coef_gradient(run, row, at / from->d, at % from->d, factor, &size);
        const double w = before(run, COEF, at), sum = before(run, COEF_SUM, at);
        const double more = lr > 0 && from->index_bits ? 4 * from->l2 * (fabs(w) + 2 * lr * size) : 0;
        near(get(&run->t[COEF_SUM], 0, at), sum + g, 10, fabs(sum) + size + more, type, "coef_sum");
        if (lr > 0)
            near(get(&run->t[COEF], 0, at), w - lr * g, 10, fabs(w) + lr * size, type, "coef");
        else
            near(get(&run->t[GRAD], 0, at), g, 6, size, type, "grad");
    }
    for (ptrdiff_t k = 0; from->intercept && k < from->c; k++) {
        const double g = before(run, DERIVATIVE, k) * factor, b = before(run, INTERCEPT, k);
        const double sum = before(run, INTERCEPT_SUM, k);
        near(get(&run->t[INTERCEPT_SUM], 0, k), sum + g, 4, fabs(sum) + fabs(g), type, "intercept_sum");
        if (lr > 0)
            near(get(&run->t[INTERCEPT], 0, k), b - lr * g, 4, fabs(b) + lr * fabs(g), type, "intercept");
        else
            near(get(&run->t[GRAD], 0, from->c * from->d + k), g, 2, fabs(g), type, "grad");
    }
}

/* Sums in double: off by as many units as there are entries at most, and so is the reference. */
static void compare_penalty(const linear_run *run, double got) {
    const linear_case *from = run->from;
    const ptrdiff_t entries = from->c * from->d;
    double penalty = 0;
    for (ptrdiff_t at = 0; at < entries; at++) {
        const double w = before(run, COEF, at);
        penalty += from->l1 * fabs(w) + from->l2 * w * w;
    }
    near(got, penalty, (double)entries + 6, penalty, DOUBLE, "penalty");
}

static void test_row(linear_run *run, ptrdiff_t row) {
    const linear_case *from = run->from;
    const fl_table *kernels = fl_tables(from->type);
    const double factor = 0.3, lr = 0.07;
    const fl_row at = row_of(run, row);
    kernels->linear_scores(&run->model, &at, run->t[SCORES].base);
    check_written(run, 1u << SCORES);
    compare_scores(run, row);
    restart(run);
    compare_penalty(run, kernels->linear_gradient(&run->model, &at, run->t[DERIVATIVE].base, factor,
                                                  run->t[GRAD].base));
    check_written(run, SUMS | 1u << GRAD);
    compare_gradient(run, row, factor, 0);
    restart(run);
    if (from->index_bits && from->l1 > 0) return; /* such steps go through the gradient */
    if (from->index_bits) kernels->linear_settle(&run->model);
    check_written(run, 0);
    compare_penalty(run, kernels->linear_step(&run->model, &at, run->t[DERIVATIVE].base, factor, lr));
    if (from->index_bits) kernels->linear_settle(&run->model);
    CHECK(run->model.scale == 1, "scale is %g", run->model.scale);
    check_written(run, MODEL);
    compare_gradient(run, row, factor, lr);
    restart(run);
}

static uint64_t test_rows(int type, int index_bits, int quick) {
    static const ptrdiff_t widths[] = {1, 7, 8, 9, 16, 17, 33, 1025}, classes[] = {1, 2, 3, 10};
    source s = {.state = 11};
    uint64_t hash = 0;
    for (int i = 0; i < 8 * 4 * 2 * 4; i++) {
        const linear_case from = {.type = type, .index_bits = index_bits, .d = widths[i % 8],
                                  .c = classes[i / 8 % 4], .intercept = i / 32 % 2, .l1 = i & 64 ? 0.1 : 0,
                                  .l2 = i & 128 ? 0.2 : 0};
        linear_run run;
        in_case("linear f%d index=%d d=%td c=%td intercept=%d l1=%g l2=%g", type ? 64 : 32, index_bits, from.d, from.c,
                from.intercept, from.l1, from.l2);
        if (quick && from.d > 1000 && from.c > 3) continue;
        prepare(&run, &from, &s);
        for (ptrdiff_t row = 0; row < (quick ? 2 : ROWS); row++) test_row(&run, row);
        hash_number(&hash, (double)(run.hash >> 11));
        finish(&run);
    }
    return hash;
}

/* ---- many steps on sparse rows ---- */

#define STEPS 70
#define WIDTH 9

/* The same steps by the plain formula, and what is needed to judge them. */
typedef struct decay_reference {
    double w[2 * WIDTH], sum[2 * WIDTH], penalty;
    double largest, largest_sum; /* of |w| and |sum| so far */
    double all;                  /* the largest |w| before each step, added up */
} decay_reference;

static void reference_step(const linear_run *run, ptrdiff_t row, double factor, double lr, decay_reference *r) {
    double now = 0;
    for (int at = 0; at < 2 * WIDTH; at++) {
        const double own = before(run, DERIVATIVE, at / WIDTH) * factor * run->full[row * WIDTH + at % WIDTH];
        const double g = own + 2 * run->from->l2 * r->w[at];
        now = fmax(now, fabs(r->w[at]));
        r->penalty += run->from->l2 * r->w[at] * r->w[at];
        r->sum[at] += g;
        r->w[at] -= lr * g;
        r->largest_sum = fmax(r->largest_sum, fabs(r->sum[at]));
    }
    r->largest = fmax(r->largest, now);
    r->all += now;
}

/* Coefficients are rounded in the step and where they are settled, in doubles in the move as well: 6 units a step. They
 * shrink or grow as the coefficients do, so that those of 1 / (1 - |decay|) steps count, or of all.
 * Bottou's method adds to the sum S u, which it takes off again when it settles: S, the sum of the scales, is at most
 * 1 / (1 - |decay|), and u = w / scale at most `limit` w; where scale grows, S is at most scale / (1 - 1 / |decay|).
 * The sum is rounded twice a step, and so is the reference. */
static void compare_decay(const linear_run *run, double decay, double penalty, const decay_reference *r) {
    const int type = run->from->type, shrinks = fabs(decay) < 1;
    const double limit = type ? 0x1p20 : 0x1p8, l2 = run->from->l2;
    const double fading = shrinks ? 1 / (1 - fabs(decay)) : STEPS;
    const double amplified = 2 * l2 * (shrinks ? limit * fading : 1 / (1 - 1 / fabs(decay)));
    for (int at = 0; at < 2 * WIDTH; at++) {
        near(get(&run->t[COEF], 0, at), r->w[at], 6 * fading, r->largest, type, "coef");
        near(get(&run->t[COEF_SUM], 0, at), r->sum[at], 2, STEPS * r->largest_sum + amplified * r->all, type,
             "coef_sum");
    }
    near(penalty, r->penalty, 12 * fading + STEPS, 2 * WIDTH * l2 * r->largest * r->all, type, "penalty");
}

/* Each step shrinks, or with too large a rate turns and stretches, all coefficients by `decay`, so that scale leaves
 * its range again and again. */
static void test_decay(int type, int index_bits, double decay, uint64_t *hash) {
    const double lr = 0.125, factor = 0.5;
    const linear_case from = {.type = type, .index_bits = index_bits, .c = 2, .d = WIDTH, .intercept = 1,
                              .l2 = (1 - decay) / 2 / lr};
    const fl_table *kernels = fl_tables(type);
    decay_reference r = {.penalty = 0};
    double penalty = 0;
    source s = {.state = 12};
    linear_run run;
    in_case("linear f%d index=%d, %d steps with decay %g", type ? 64 : 32, index_bits, STEPS, decay);
    prepare(&run, &from, &s);
    for (int at = 0; at < 2 * WIDTH; at++) r.w[at] = before(&run, COEF, at), r.sum[at] = before(&run, COEF_SUM, at);
    kernels->linear_settle(&run.model);
    for (int t = 0; t < STEPS; t++) {
        const fl_row row = row_of(&run, t % ROWS);
        penalty += kernels->linear_step(&run.model, &row, run.t[DERIVATIVE].base, factor, lr);
        reference_step(&run, t % ROWS, factor, lr, &r);
    }
    kernels->linear_settle(&run.model);
    check_written(&run, MODEL);
    CHECK(run.model.scale == 1 && run.model.scale_sum == 0, "scale is %g", run.model.scale);
    compare_decay(&run, decay, penalty, &r);
    hash_number(hash, (double)(run.hash >> 11));
    finish(&run);
}

/* ---- whole runs ---- */

/* Three steps on numbers of few bits, which no operation rounds: what comes out is exactly what the plain loops give.
 * Only losses are rounded, and sums of them. */
#define TURNS 3
static const int64_t order[TURNS] = {4, 1, 4};
static const double rates[TURNS] = {0.5, 0.25, 0.5};

typedef struct descent_case {
    linear_case model;
    int loss, update, weighted; /* update: -1 for steps without an optimizer */
} descent_case;

typedef struct descent_run {
    linear_run model;
    table target, weight;
    fl_tensor tensor[2];
    double state[2][8 * WIDTH]; /* the optimizer's, as floats or doubles */
    fl_update_call update;
    fl_descent call;
} descent_run;

static void prepare_descent(descent_run *run, const descent_case *from, source *s) {
    const linear_case *model = &from->model;
    const entry_type type = (entry_type)model->type;
    const int labels = losses[from->loss].kind == LABELS;
    *run = (descent_run){.call = {.type = model->type}};
    prepare(&run->model, model, s);
    run->target = new_table(labels ? (model->type ? INT64 : INT32) : type, ROWS, labels ? 1 : model->c, 0, 1, 0);
    for (ptrdiff_t i = 0; i < ROWS; i++)
        for (ptrdiff_t j = 0; j < run->target.columns; j++)
            set(&run->target, i, j, labels ? (double)take(s, (uint64_t)model->c) : number(model, s));
    seal(&run->target);
    restore(&run->target);
    if (!from->weighted) return;
    run->weight = new_table(type, ROWS, 1, 2, 1, 0);
    for (ptrdiff_t i = 0; i < ROWS; i++) set(&run->weight, i, 0, (double)(1 + take(s, 3)) / 2);
    seal(&run->weight);
    restore(&run->weight);
}

static void call_descent(descent_run *run, const descent_case *from) {
    linear_run *m = &run->model;
    const ptrdiff_t c = from->model.c, d = from->model.d, size = from->model.type ? 8 : 4;
    fl_descent *call = &run->call;
    call->model = m->model;
    call->x = m->t[X].base;
    call->x_stride = m->t[X].stride;
    call->indptr = m->t[INDPTR].base;
    call->indices = m->t[COLUMN].base;
    call->index_bits = from->model.index_bits;
    call->order = order;
    call->count = TURNS;
    call->loss = from->loss;
    call->call = (fl_loss_call){.n = 1, .c = c, .pred = m->t[SCORES].base, .pred_stride = c,
                                .grad = m->t[SCORES].base, .grad_stride = c, .target = run->target.base,
                                .target_stride = run->target.columns, .label_bits = from->model.type ? 64 : 32,
                                .weight = run->weight.base, .weight_stride = 1, .reduction = FL_SUM, .param = {1}};
    call->target_bytes = run->target.columns * (run->target.type == FLOAT || run->target.type == INT32 ? 4 : 8);
    call->weight_bytes = run->weight.stride * size;
    call->factor = 0.5;
    call->lr = rates;
    if (from->update < 0) return;
    for (int k = 0; k < 2; k++)
        run->tensor[k] = (fl_tensor){.n = k ? c : c * d, .type = from->model.type,
                                     .param = m->t[k ? INTERCEPT : COEF].base,
                                     .grad = m->t[GRAD].base + (k ? c * d * size : 0), .state = {run->state[k]}};
    run->update = (fl_update_call){.count = 2, .tensors = run->tensor};
    memcpy(run->update.param, update_references[from->update].param[0], sizeof run->update.param);
    call->grad = m->t[GRAD].base;
    call->update = from->update;
    call->update_call = &run->update;
}

typedef struct descent_reference {
    double w[4 * 8], sum[4 * 8], state[4 * 8]; /* c x d, then the intercept */
    double loss, loss_size, penalty;
} descent_reference;

/* The derivatives of row i's loss in its scores, weight and factor included. */
static void reference_loss(const descent_run *run, const descent_case *from, ptrdiff_t i, descent_reference *r,
                           double *derivative) {
    const ptrdiff_t c = from->model.c, d = from->model.d;
    const double param[4] = {1}, times = 0.5 * (from->weighted ? get(&run->weight, i, 0) : 1);
    const int rows = losses[from->loss].kind == LABELS;
    double z[4];
    point out[4];
    for (ptrdiff_t k = 0; k < c; k++) {
        z[k] = r->w[c * d + k];
        for (ptrdiff_t j = 0; j < d; j++) z[k] += r->w[k * d + j] * run->model.full[i * d + j];
        if (!rows) out[k] = loss_references[from->loss].point(z[k], get(&run->target, i, k), param);
    }
    if (rows) loss_references[from->loss].row(z, NULL, (ptrdiff_t)get(&run->target, i, 0), c, param, out);
    for (ptrdiff_t k = 0; k < c; k++) {
        r->loss += times * out[k].loss;
        r->loss_size += times * out[k].loss_size;
        derivative[k] = times * out[k].grad;
    }
}

static void reference_turn(const descent_run *run, const descent_case *from, int t, descent_reference *r) {
    const linear_case *model = &from->model;
    const ptrdiff_t c = model->c, d = model->d, i = order[t];
    const int update = from->update < 0 ? FL_UPDATE_sgd : from->update;
    double derivative[4], product = 1;
    reference_loss(run, from, i, r, derivative);
    for (ptrdiff_t at = 0; at < c * d + c; at++) {
        double *w = &r->w[at], g = at < c * d ? derivative[at / d] * run->model.full[i * d + at % d]
                                              : derivative[at - c * d];
        if (at < c * d) {
            r->penalty += model->l1 * fabs(*w) + model->l2 * *w * *w;
            g += model->l1 * ((*w > 0) - (*w < 0)) + 2 * model->l2 * *w;
        }
        r->sum[at] += g;
        update_references[update].step(w, g, &r->state[at], rates[t], 0, t + 1, update_references[update].param[0],
                                       &product);
    }
}

static void test_descent(const descent_case *from, source *s, uint64_t *hash) {
    const linear_case *model = &from->model;
    const ptrdiff_t split = model->c * model->d;
    descent_reference r = {.loss = 0};
    descent_run run;
    in_case("descent f%d index=%d %s update=%d weighted=%d l1=%g l2=%g", model->type ? 64 : 32, model->index_bits,
            losses[from->loss].name, from->update, from->weighted, model->l1, model->l2);
    prepare_descent(&run, from, s);
    for (ptrdiff_t at = 0; at < split + model->c; at++) {
        r.w[at] = before(&run.model, at < split ? COEF : INTERCEPT, at < split ? at : at - split);
        r.sum[at] = before(&run.model, at < split ? COEF_SUM : INTERCEPT_SUM, at < split ? at : at - split);
    }
    call_descent(&run, from);
    CHECK(fl_run_descent(&run.call) == FL_OK && run.call.steps == TURNS, "%td steps", run.call.steps);
    for (int t = 0; t < TURNS; t++) reference_turn(&run, from, t, &r);
    check_written(&run.model, MODEL | 1u << SCORES | (unsigned)(from->update >= 0) << GRAD);
    check_table(&run.target, 0, "target");
    check_table(&run.weight, 0, "weight");
    for (ptrdiff_t at = 0; at < split + model->c; at++) {
        const int k = at < split ? COEF : INTERCEPT;
        const ptrdiff_t i = at < split ? at : at - split;
        const double w = get(&run.model.t[k], 0, i), sum = get(&run.model.t[k + 1], 0, i);
        CHECK(w == r.w[at], "%s %td is %.17g instead of %.17g", table_names[k], i, w, r.w[at]);
        CHECK(sum == r.sum[at], "%s %td is %.17g instead of %.17g", table_names[k + 1], i, sum, r.sum[at]);
    }
    near(run.call.loss_sum, r.loss, 12, r.loss_size, model->type, "loss_sum"); /* the losses' own units: see core.c */
    CHECK(run.call.penalty_sum == r.penalty, "penalty_sum is %g instead of %g", run.call.penalty_sum, r.penalty);
    hash_number(hash, (double)(run.model.hash >> 11));
    finish(&run.model);
    free_table(&run.target);
    free_table(&run.weight);
}

static void test_descents(int type, int index_bits, uint64_t *hash) {
    static const int tried[] = {FL_LOSS_squared_error, FL_LOSS_multiclass_hinge};
    source s = {.state = 13};
    for (int i = 0; i < 2 * 2 * 2 * 4; i++) {
        descent_case from = {.model = {.type = type, .index_bits = index_bits, .c = 3, .d = 7, .intercept = 1,
                                       .l1 = i & 8 ? 0.5 : 0, .l2 = i & 16 ? 1 : 0, .exact = 1},
                             .loss = tried[i & 1], .update = i & 2 ? FL_UPDATE_sgd_momentum : -1,
                             .weighted = (i >> 2) & 1};
        if (from.update < 0 && index_bits && from.model.l1 > 0) from.update = FL_UPDATE_sgd;
        test_descent(&from, &s, hash);
    }
}

/* The root of a square is the distance, whose derivative is the sign, and 0 at 0. */
static void test_root(void) {
    double x = 1, w = 1.5, sum = 0, y = 1, score;
    const int64_t twice[] = {0, 0};
    const double lr[] = {0.5, 0.5};
    in_case("descent with the root");
    fl_descent call = {.type = 1, .x = &x, .x_stride = 1, .order = twice, .count = 2, .lr = lr, .factor = 1, .root = 1,
                       .loss = FL_LOSS_squared_error,
                       .model = {.c = 1, .d = 1, .coef = &w, .coef_sum = &sum, .scale = 1}};
    call.call = (fl_loss_call){.n = 1, .c = 1, .pred = &score, .grad = &score, .target = &y, .reduction = FL_SUM,
                               .param = {1}};
    CHECK(fl_run_descent(&call) == FL_OK && call.steps == 2, "%td steps", call.steps);
    CHECK(w == 1 && sum == 1 && call.loss_sum == 0.5, "w=%g sum=%g loss=%g", w, sum, call.loss_sum);
}

/* A gradient that is not finite ends the run there; with `skip` its row makes no step, and uses up no rate. */
static void test_nonfinite(int skip) {
    float x[] = {1, NAN, 2}, w = 0, sum = 0, y[] = {-1, 0, 8}, score, grad;
    const int64_t all[] = {0, 1, 2};
    const double lr[] = {1, 0.5, 9};
    in_case("descent over NaN, skip=%d", skip);
    fl_tensor tensor = {.n = 1, .param = &w, .grad = &grad};
    fl_update_call update = {.count = 1, .tensors = &tensor, .check_finite = 1};
    fl_descent call = {.x = x, .x_stride = 1, .order = all, .count = 3, .lr = lr, .factor = 1, .skip = skip,
                       .loss = FL_LOSS_squared_error, .target_bytes = sizeof *y, .grad = &grad,
                       .update = FL_UPDATE_sgd, .update_call = &update,
                       .model = {.c = 1, .d = 1, .coef = &w, .coef_sum = &sum, .scale = 1}};
    call.call = (fl_loss_call){.n = 1, .c = 1, .pred = &score, .grad = &score, .target = y, .reduction = FL_SUM,
                               .param = {0.5}};
    const fl_status status = fl_run_descent(&call);
    CHECK(status == (skip ? FL_OK : FL_NONFINITE) && call.steps == 1 + skip, "status %d, %td steps", status,
          call.steps);
    CHECK(skip || (update.bad == 0 && update.bad_tensor == 0), "bad is %td", update.bad);
    /* To -1 first; then by half of the gradient 2 (2 w - 8) = -20 to 9. */
    CHECK(w == (skip ? 9 : -1) && tensor.step == 1 + skip, "w=%g after %g steps", (double)w, tensor.step);
}

uint64_t test_linear(int type, int index_bits, int quick) {
    static const double decays[] = {0.5, 0.875, -0.25, -1.5, 0};
    uint64_t hash = test_rows(type, index_bits, quick);
    for (int k = 0; index_bits && k < 5; k++) test_decay(type, index_bits, decays[k], &hash);
    test_descents(type, index_bits, &hash);
    test_root();
    test_nonfinite(0);
    test_nonfinite(1);
    return hash;
}
