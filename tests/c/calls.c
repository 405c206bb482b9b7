/* Calls of the C core from plain numbers, in guarded memory, and what must hold after each: the right status, nothing
 * written on errors, nothing ever written beside the results.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "calls.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const loss_entry losses[LOSSES] = {
#define FL_LOSS(name, kind, cost) {#name, kind, {fl_##name##_f32, fl_##name##_f64}},
#include "fastloss_kernels.def"
};
const update_entry updates[UPDATES] = {
#define FL_UPDATE(name, states) {#name, states, fl_##name},
#include "fastloss_kernels.def"
};
const regularizer_entry regularizers[REGULARIZERS] = {
#define FL_REGULARIZER(name, kind, cost) {#name, kind, {fl_##name##_f32, fl_##name##_f64}},
#include "fastloss_kernels.def"
};

/* ---- failures ---- */

static char where[1000];

void in_case(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(where, sizeof where, format, list);
    va_end(list);
}

void fail(const char *file, int line, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s:%d: %s, %s: ", file, line, fl_target(), where);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    abort();
}

/* ---- comparing ---- */

void near(double got, double expected, double ulps, double size, int type, const char *what) {
    static const double epsilon[] = {FLT_EPSILON, DBL_EPSILON}, tiniest[] = {0x1p-149, 0x1p-1074};
    const double bound = ulps * epsilon[type] * size + 2 * tiniest[type];
    CHECK(fabs(got - expected) <= bound, "%s is %.17g instead of %.17g: off by %g, but allowed is %g", what, got,
          expected, got - expected, bound);
}

/* ---- values ---- */

static uint64_t mix(uint64_t x) { /* the finalizer of SplitMix64, Steele et al. 2014 */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t take(source *s, uint64_t below) {
    if (s->left) {
        s->left--;
        return *s->byte++ % below;
    }
    return (mix(s->state += 0x9e3779b97f4a7c15u) >> 11) % below;
}

/* A number of any kind from the bytes that follow. */
static double odd_number(source *s) {
    static const double special[] = {0,         -0.0,    INFINITY, -INFINITY, NAN,      0x1p-149, -0x1p-1074,
                                     0x1p-126,  FLT_MAX, -FLT_MAX, DBL_MAX,   -DBL_MAX, 1e30,     -1e300,
                                     0x1p-1022, 88.75,   -104,     710,       1,        -1,       0.5,
                                     0x1p24,    0x1p53,  1e-30,    -1e-300};
    const uint64_t which = take(s, 64);
    if (which < sizeof special / sizeof *special) return special[which];
    uint64_t bits = 0;
    double x;
    for (int i = 0; i < 8; i++) bits = bits << 8 | take(s, 256);
    if (which < 48) return ldexp((double)(int64_t)bits, (int)(bits % 200) - 160);
    memcpy(&x, &bits, sizeof x);
    return x;
}

double take_number(source *s) {
    const int from_bytes = s->left > 0;
    const uint64_t x = take(s, 256);
    if (from_bytes && x >= 192) return odd_number(s);
    return ((double)x - 128) / 16;
}

static double number_in(source *s, domain d) {
    const double x = take_number(s);
    switch (s->left ? ANY : d) {
    case POSITIVE: return fabs(x) + 0.0625;
    case COUNTS: return x < 0 ? 0 : floor(x);
    case UNIT: return (fabs(fmod(x, 1)) * 14 + 1) / 16;
    case BINARY: return x > 0;
    case SHARES: return fabs(x) / 16;
    default: return x;
    }
}

/* ---- tables ---- */

#if defined(__SANITIZE_ADDRESS__)
#define GUARD 0 /* malloc has guards of its own, and they see reads as well */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARD 0
#endif
#endif
#ifndef GUARD
#define GUARD 64
#endif

static const size_t sizes[] = {sizeof(float), sizeof(double), sizeof(int32_t), sizeof(int64_t), 1};

static char *place(const table *t, ptrdiff_t i, ptrdiff_t j) {
    return t->base + (i * t->stride + j) * (ptrdiff_t)sizes[t->type];
}

double get(const table *t, ptrdiff_t i, ptrdiff_t j) {
    const void *p = place(t, i, j);
    switch (t->type) {
    case FLOAT: return (double)*(const float *)p;
    case DOUBLE: return *(const double *)p;
    case INT32: return *(const int32_t *)p;
    case INT64: return (double)*(const int64_t *)p;
    default: return *(const uint8_t *)p;
    }
}

static void set_label(table *t, ptrdiff_t i, int64_t label) {
    if (t->type == INT32)
        *(int32_t *)(void *)place(t, i, 0) = (int32_t)label;
    else
        *(int64_t *)(void *)place(t, i, 0) = label;
}
static int64_t label_of(const table *t, ptrdiff_t i) {
    const void *p = place(t, i, 0);
    return t->type == INT32 ? *(const int32_t *)p : *(const int64_t *)p;
}

void set(table *t, ptrdiff_t i, ptrdiff_t j, double x) {
    void *p = place(t, i, j);
    switch (t->type) {
    case FLOAT: *(float *)p = (float)x; break;
    case DOUBLE: *(double *)p = x; break;
    case INT32: *(int32_t *)p = (int32_t)x; break;
    case INT64: *(int64_t *)p = (int64_t)x; break;
    default: *(uint8_t *)p = (uint8_t)x;
    }
}

table new_table(entry_type type, ptrdiff_t rows, ptrdiff_t columns, int gap, int shift, int backwards) {
    const size_t size = sizes[type], front = GUARD + (size_t)shift * size;
    table t = {.type = type, .rows = rows, .columns = columns, .stride = columns + gap};
    const ptrdiff_t span = rows && columns ? (rows - 1) * t.stride + columns : 0;
    t.bytes = front + (size_t)span * size + GUARD;
    t.memory = malloc(t.bytes ? t.bytes : 1);
    t.before = malloc(t.bytes ? t.bytes : 1);
    t.first = malloc(t.bytes ? t.bytes : 1);
    if (!t.memory || !t.before || !t.first) abort();
    memset(t.memory, 0xA5, t.bytes);
    t.base = t.memory + front;
    if (backwards && span) {
        t.base += (size_t)((rows - 1) * t.stride) * size;
        t.stride = -t.stride;
    }
    return t;
}
void seal(table *t) {
    if (t->memory) memcpy(t->first, t->memory, t->bytes);
}
void restore(table *t) {
    if (!t->memory) return;
    memcpy(t->memory, t->first, t->bytes);
    memcpy(t->before, t->first, t->bytes);
}
void free_table(table *t) {
    free(t->memory);
    free(t->before);
    free(t->first);
}

void check_table(const table *t, int written, const char *name) {
    if (!t->memory) return;
    if (written) {
        const size_t width = (size_t)t->columns * sizes[t->type];
        for (ptrdiff_t i = 0; i < t->rows; i++) {
            const ptrdiff_t at = place(t, i, 0) - t->memory;
            memcpy(t->before + at, t->memory + at, width);
        }
    }
    CHECK(!memcmp(t->memory, t->before, t->bytes), "%s: changed where nothing is to be written", name);
}

void fill(table *t, source *s, domain d) {
    for (ptrdiff_t i = 0; i < t->rows; i++)
        for (ptrdiff_t j = 0; j < t->columns; j++) set(t, i, j, number_in(s, d));
}

/* ---- hashes ---- */

void hash_number(uint64_t *hash, double x) {
    uint64_t bits = 0x7ff8000000000000u;
    if (x == x) memcpy(&bits, &x, sizeof bits);
    *hash = mix(*hash ^ bits) + bits;
}
void hash_table(uint64_t *hash, const table *t) {
    for (ptrdiff_t i = 0; t->memory && i < t->rows; i++)
        for (ptrdiff_t j = 0; j < t->columns; j++) hash_number(hash, get(t, i, j));
}

/* ---- losses ---- */

#define IGNORED (-100)

static int is_pointwise(const loss_case *from) { return losses[from->loss].kind <= ROOT; }

static void make_target(loss_run *run, const loss_case *from, source *s) {
    const kind k = losses[from->loss].kind;
    const int labels = k == LABELS;
    const entry_type type = !labels ? (entry_type)from->type : from->label_bits == 32 ? INT32 : INT64;
    const ptrdiff_t width = labels || k == PAIRS ? 1 : from->c;
    run->target = new_table(type, from->n, width, from->gap, from->shift, from->backwards);
    if (!labels) {
        fill(&run->target, s, from->target);
        return;
    }
    for (ptrdiff_t i = 0; i < from->n; i++) {
        const int left_out = from->ignore && take(s, 4) == 0;
        set_label(&run->target, i,
                  left_out || from->c <= 0 ? IGNORED : (int64_t)(take(s, 1 << 30) % (uint64_t)from->c));
    }
    static const int64_t bad[] = {-1, 0, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
    if (from->bad_label && from->n) {
        const int64_t label = bad[take(s, from->label_bits == 32 ? 4 : 6)];
        set_label(&run->target, (ptrdiff_t)(take(s, 1 << 30) % (uint64_t)from->n), label ? label : from->c);
    }
}

static void make_weights(loss_run *run, const loss_case *from, source *s) {
    static const double bad[] = {-1, NAN, INFINITY, -INFINITY, -0x1p-126};
    const ptrdiff_t width = from->weighted == 2 ? from->c : 1;
    if (from->weighted) {
        run->weight = new_table((entry_type)from->type, from->n, width, from->gap, from->shift, from->backwards);
        for (ptrdiff_t i = 0; i < from->n; i++)
            for (ptrdiff_t j = 0; j < width; j++) set(&run->weight, i, j, (double)take(s, 8) / 4);
        if (from->bad_weight && from->n && width) { /* in this order on every machine */
            const ptrdiff_t row = (ptrdiff_t)take(s, 256) % from->n, column = (ptrdiff_t)take(s, 256) % width;
            set(&run->weight, row, column, bad[take(s, 5)]);
        }
    }
    if (from->per_column) {
        run->column = new_table((entry_type)from->type, 1, from->c, 0, from->shift, 0);
        for (ptrdiff_t j = 0; j < from->c; j++) set(&run->column, 0, j, (double)(1 + take(s, 7)) / 4);
    }
}

static void make_results(loss_run *run, const loss_case *from) {
    const entry_type type = (entry_type)from->type;
    const ptrdiff_t width = is_pointwise(from) ? from->c : 1;
    if (from->keep && from->reduction == FL_NONE)
        run->loss = new_table(type, from->n, width, from->gap, from->shift, from->backwards);
    if (from->want && !from->in_place)
        run->grad = new_table(type, from->n, from->c, from->gap, from->shift, from->backwards);
    if (from->want > 1) run->hess = new_table(type, from->n, from->c, from->gap + 1, from->shift, from->backwards);
}

/* What the status must be, by one obvious loop. */
static fl_status expected_status(const loss_run *run, ptrdiff_t *bad) {
    const loss_case *from = run->from;
    const int labels = losses[from->loss].kind == LABELS;
    *bad = -1;
    if (from->n <= 0 || (from->c <= 0 && !labels)) return FL_OK;
    for (ptrdiff_t i = 0; i < from->n; i++) {
        for (ptrdiff_t j = 0; run->weight.memory && j < run->weight.columns; j++) {
            const double w = get(&run->weight, i, j);
            *bad = i * run->weight.columns + j;
            if (!(w >= 0 && w < INFINITY)) return FL_BAD_WEIGHT;
        }
        if (labels) {
            const int64_t label = label_of(&run->target, i);
            *bad = i;
            if (from->ignore && label == IGNORED) continue;
            if (label < 0 || label >= from->c) return FL_BAD_LABEL;
        }
    }
    return FL_OK;
}

static void check_loss(loss_run *run, fl_status status) {
    ptrdiff_t bad;
    const fl_status expected = expected_status(run, &bad);
    const int labels = losses[run->from->loss].kind == LABELS;
    const int written = status == FL_OK && run->from->n > 0 && (run->from->c > 0 || labels);
    if (status != FL_WEIGHT_OVERFLOW) { /* of class weights beyond reason only: not worth a second computation */
        CHECK(status == expected, "status %d instead of %d", status, expected);
        CHECK(expected == FL_OK || run->call.bad == bad, "bad is %td instead of %td", run->call.bad, bad);
    }
    check_table(&run->pred, written && run->from->in_place && run->from->want, "pred");
    check_table(&run->target, 0, "target");
    check_table(&run->weight, 0, "weight");
    check_table(&run->column, 0, "per_column");
    check_table(&run->loss, written, "loss");
    check_table(&run->grad, written, "grad");
    check_table(&run->hess, written, "hess");
    run->hash = (uint64_t)status;
    if (status != FL_OK) return;
    hash_number(&run->hash, run->call.value);
    hash_number(&run->hash, run->call.weight_total);
    hash_table(&run->hash, &run->loss);
    hash_table(&run->hash, run->from->in_place ? &run->pred : &run->grad);
    hash_table(&run->hash, &run->hess);
}

#define LOSS_TABLES(run) \
    {&(run)->pred, &(run)->target, &(run)->weight, &(run)->column, &(run)->loss, &(run)->grad, &(run)->hess}

void prepare_loss(loss_run *run, const loss_case *from, source *s) {
    *run = (loss_run){.from = from};
    make_target(run, from, s);
    make_weights(run, from, s);
    make_results(run, from);
    const int gap = from->in_place ? from->gap : from->gap * 2;
    run->pred = new_table((entry_type)from->type, from->n, from->c, gap, from->shift, from->backwards);
    fill(&run->pred, s, from->pred);
    table *all[] = LOSS_TABLES(run);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) seal(all[k]);
}

fl_status call_loss(loss_run *run) {
    const loss_case *from = run->from;
    const table *grad = from->in_place && from->want ? &run->pred : &run->grad;
    table *all[] = LOSS_TABLES(run);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) restore(all[k]);
    fl_loss_call *call = &run->call;
    *call = (fl_loss_call){.n = from->n,
                           .c = from->c,
                           .pred = run->pred.base,
                           .pred_stride = run->pred.stride,
                           .target = run->target.base,
                           .target_stride = run->target.stride,
                           .label_bits = from->label_bits,
                           .has_ignore = from->ignore,
                           .ignore_label = from->ignore ? IGNORED : 0,
                           .weight = run->weight.base,
                           .weight_stride = run->weight.stride,
                           .weight_step = from->weighted == 2,
                           .per_column = run->column.base,
                           .reduction = (fl_reduction)from->reduction,
                           .loss = run->loss.base,
                           .loss_stride = run->loss.stride,
                           .grad = grad->base,
                           .grad_stride = grad->stride,
                           .hess = run->hess.base,
                           .hess_stride = run->hess.stride};
    memcpy(call->param, from->param, sizeof call->param);
    const fl_status status = losses[from->loss].function[from->type](call);
    check_loss(run, status);
    return status;
}

void free_loss(loss_run *run) {
    table *all[] = LOSS_TABLES(run);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free_table(all[k]);
}

/* ---- optimizers ---- */

/* The gradient that a check must report: the first, in the first tensor that has one. */
static fl_status expected_gradients(const update_run *run, ptrdiff_t *tensor, ptrdiff_t *bad) {
    *tensor = *bad = -1;
    for (ptrdiff_t k = 0; run->call.check_finite && k < run->from->count; k++)
        for (ptrdiff_t i = 0; i < run->from->n[k]; i++)
            if (!(fabs(get(&run->grad[k], 0, i)) <= DBL_MAX)) {
                *tensor = k;
                *bad = i;
                return FL_NONFINITE;
            }
    return FL_OK;
}

static void step_update(update_run *run) {
    const update_entry *update = &updates[run->from->update];
    double before[TENSORS];
    ptrdiff_t tensor, bad;
    for (ptrdiff_t k = 0; k < run->from->count; k++) before[k] = run->tensor[k].step;
    const fl_status status = update->function(&run->call), expected = expected_gradients(run, &tensor, &bad);
    CHECK(status == expected, "status %d instead of %d", status, expected);
    CHECK(run->call.bad_tensor == tensor && run->call.bad == bad, "bad is %td in %td instead of %td in %td",
          run->call.bad, run->call.bad_tensor, bad, tensor);
    for (ptrdiff_t k = 0; k < run->from->count; k++) {
        CHECK(run->tensor[k].step == before[k] + (status == FL_OK), "step is %g", run->tensor[k].step);
        check_table(&run->grad[k], 0, "grad");
        check_table(&run->param[k], status == FL_OK, "param");
        for (int j = 0; j < update->states; j++) check_table(&run->state[k][j], status == FL_OK, "state");
    }
    hash_number(&run->hash, run->call.norm);
}

void prepare_update(update_run *run, const update_case *from, source *s) {
    *run = (update_run){.from = from};
    for (ptrdiff_t k = 0; k < from->count; k++) {
        const entry_type type = (entry_type)from->type[k];
        run->param[k] = new_table(type, 1, from->n[k], 0, from->shift, 0);
        run->grad[k] = new_table(type, 1, from->n[k], 0, from->shift, 0);
        fill(&run->param[k], s, ANY);
        fill(&run->grad[k], s, ANY);
        if (from->bad_gradient && from->n[k]) {
            const ptrdiff_t at = (ptrdiff_t)take(s, 256) % from->n[k];
            set(&run->grad[k], 0, at, take(s, 2) ? NAN : -INFINITY);
        }
        seal(&run->param[k]);
        seal(&run->grad[k]);
        for (int j = 0; j < updates[from->update].states; j++) {
            run->state[k][j] = new_table(type, 1, from->n[k], 0, from->shift, 0);
            fill(&run->state[k][j], s, SHARES);
            for (ptrdiff_t i = 0; from->step[k] == 0 && i < from->n[k]; i++) set(&run->state[k][j], 0, i, 0);
            seal(&run->state[k][j]);
        }
    }
}

void call_update(update_run *run, int steps) {
    const update_case *from = run->from;
    const int states = updates[from->update].states;
    run->call = from->call;
    run->call.count = from->count;
    run->call.tensors = run->tensor;
    run->hash = 0;
    for (ptrdiff_t k = 0; k < from->count; k++) {
        restore(&run->param[k]);
        restore(&run->grad[k]);
        run->tensor[k] = (fl_tensor){.n = from->n[k],
                                     .type = from->type[k],
                                     .param = run->param[k].base,
                                     .grad = run->grad[k].base,
                                     .step = from->step[k],
                                     .product = 1};
        for (int j = 0; j < states; j++) {
            restore(&run->state[k][j]);
            run->tensor[k].state[j] = run->state[k][j].base;
        }
    }
    for (int i = 0; i < steps; i++) step_update(run);
    for (ptrdiff_t k = 0; k < from->count; k++) {
        hash_number(&run->hash, run->tensor[k].product);
        hash_table(&run->hash, &run->param[k]);
        for (int j = 0; j < states; j++) hash_table(&run->hash, &run->state[k][j]);
    }
}

void free_update(update_run *run) {
    for (ptrdiff_t k = 0; k < TENSORS; k++) {
        free_table(&run->param[k]);
        free_table(&run->grad[k]);
        for (int j = 0; j < FL_MAX_STATES; j++) free_table(&run->state[k][j]);
    }
}

/* ---- regularizers ---- */

ptrdiff_t feature_row(const regularizer_case *from, ptrdiff_t i, ptrdiff_t j) { return from->transposed ? j : i; }
ptrdiff_t feature_column(const regularizer_case *from, ptrdiff_t i, ptrdiff_t j, ptrdiff_t l) {
    return (from->transposed ? i : j) * from->k + l;
}

#define REGULARIZER_TABLES(run) \
    {&(run)->x,    &(run)->dy,   &(run)->y,        &(run)->mask,   &(run)->gamma, \
     &(run)->beta, &(run)->mean, &(run)->variance, &(run)->dgamma, &(run)->dbeta}

static int is(const regularizer_case *from, const char *name) {
    return !strcmp(regularizers[from->regularizer].name, name);
}

void prepare_regularizer(regularizer_run *run, const regularizer_case *from, source *s) {
    const entry_type type = (entry_type)from->type;
    const int features = regularizers[from->regularizer].kind == FEATURES, over = features && from->transposed;
    const ptrdiff_t rows = over ? from->c : from->n, columns = (over ? from->n : from->c) * (features ? from->k : 1);
    *run = (regularizer_run){.from = from};
    const int gap = from->gap, shift = from->shift, back = from->backwards;
    run->x = new_table(type, rows, columns, gap, shift, back);
    fill(&run->x, s, ANY);
    if (is(from, "dropout_grad") || is(from, "batch_norm_grad")) {
        run->dy = new_table(type, rows, columns, gap * 2, shift, back);
        fill(&run->dy, s, ANY);
    }
    if (!from->in_place && !from->no_y) {
        run->y = new_table(type, rows, columns, gap + 1, shift, back);
        if (from->add) fill(&run->y, s, ANY);
    }
    if (is(from, "dropout") || is(from, "dropout_grad")) {
        run->mask = new_table(BYTE, rows, columns, is(from, "dropout") ? 0 : gap, shift, 0);
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < columns; j++) set(&run->mask, i, j, (double)take(s, 2));
    }
    table *per_feature[] = {&run->gamma, &run->beta, &run->mean, &run->variance, &run->dgamma, &run->dbeta};
    for (int k = 0; features && k < 6; k++) {
        *per_feature[k] = new_table(DOUBLE, 1, from->c, 0, 0, 0);
        fill(per_feature[k], s, k == 3 ? POSITIVE : ANY);
    }
    table *all[] = REGULARIZER_TABLES(run);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) seal(all[k]);
}

static void check_regularizer(regularizer_run *run) {
    const regularizer_case *from = run->from;
    const int some = from->n > 0 && from->c > 0 && (regularizers[from->regularizer].kind == ENTRIES || from->k > 0);
    const int grad = is(from, "batch_norm_grad"), moments = is(from, "batch_norm") && from->param[1] != 0;
    const int written[] = {from->in_place, 0, 1, is(from, "dropout"), 0, 0, moments, moments, grad, grad};
    table *all[] = REGULARIZER_TABLES(run);
    run->hash = 0;
    hash_number(&run->hash, run->call.value);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        static const char *const name[] = {"x",    "dy",   "y",        "mask",   "gamma",
                                           "beta", "mean", "variance", "dgamma", "dbeta"};
        check_table(all[k], some && written[k], name[k]);
        if (written[k]) hash_table(&run->hash, all[k]);
    }
}

void call_regularizer(regularizer_run *run) {
    const regularizer_case *from = run->from;
    const table *y = from->in_place ? &run->x : &run->y;
    table *all[] = REGULARIZER_TABLES(run);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) restore(all[k]);
    const int over = from->transposed && regularizers[from->regularizer].kind == FEATURES;
#define STRIDE(t) (over ? from->k : (t)->stride)
#define STEP(t) (over ? (t)->stride : from->k)
    run->call = (fl_regularizer_call){.n = from->n,
                                      .c = from->c,
                                      .k = from->k,
                                      .x = run->x.base,
                                      .x_stride = STRIDE(&run->x),
                                      .x_step = STEP(&run->x),
                                      .dy = run->dy.base,
                                      .dy_stride = STRIDE(&run->dy),
                                      .dy_step = STEP(&run->dy),
                                      .y = y->base,
                                      .y_stride = STRIDE(y),
                                      .y_step = STEP(y),
                                      .mask = (uint8_t *)run->mask.base,
                                      .mask_stride = run->mask.stride,
                                      .seed = from->seed,
                                      .add = from->add,
                                      .gamma = (double *)(void *)run->gamma.base,
                                      .beta = (double *)(void *)run->beta.base,
                                      .mean = (double *)(void *)run->mean.base,
                                      .variance = (double *)(void *)run->variance.base,
                                      .dgamma = (double *)(void *)run->dgamma.base,
                                      .dbeta = (double *)(void *)run->dbeta.base};
    memcpy(run->call.param, from->param, sizeof from->param);
    regularizers[from->regularizer].function[from->type](&run->call);
    check_regularizer(run);
}

void free_regularizer(regularizer_run *run) {
    table *all[] = REGULARIZER_TABLES(run);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free_table(all[k]);
}
