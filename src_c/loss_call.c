/* What every loss does around its kernel: check labels and weights, find the gradient's factor, cut the work into
 * parts, and turn the sum into a value. The parts are fixed by the shape alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_call.h"

#include <float.h>
#include <math.h>

#include "parts.h"
#include "threads.h"

typedef struct run {
    const fl_loss_call *call;
    fl_loss_kernel kernel;
    fl_grid grid;
} run;

/* Parts are several whole rows, or, for long rows of an elementwise loss, pieces of one. */
static run plan(const fl_loss_info *loss, int type, const fl_loss_call *call) {
    run r = {call, fl_tables(type)->loss[loss - fl_losses], {1, 1, call->c}};
    const int whole_rows = loss->kind != FL_KIND_POINTWISE && loss->kind != FL_KIND_ROOT;
    if (call->c <= FL_PART_ENTRIES)
        r.grid.rows_per_part = call->c > 0 ? FL_PART_ENTRIES / call->c : 1;
    else if (!whole_rows) {
        r.grid.parts_per_row = (call->c + FL_PART_ENTRIES - 1) / FL_PART_ENTRIES;
        r.grid.columns_per_part = FL_PART_ENTRIES;
    }
    return r;
}

static double run_part(const void *context, ptrdiff_t item) {
    const run *r = (const run *)context;
    return r->kernel(r->call, fl_part_at(&r->grid, r->call->n, r->call->c, item));
}

static double run_all(const fl_loss_info *loss, int type, const fl_loss_call *call) {
    const run r = plan(loss, type, call);
    const ptrdiff_t rows = r.grid.rows_per_part, items = (call->n + rows - 1) / rows * r.grid.parts_per_row;
    return fl_sum_items(run_part, &r, items, (double)call->n * (double)call->c * loss->cost);
}

/* weight_total, or an error. */
static fl_status scan(const fl_loss_info *loss, int type, fl_loss_call *call) {
    const int pointwise = loss->kind == FL_KIND_POINTWISE || loss->kind == FL_KIND_ROOT;
    if (loss->kind == FL_KIND_LABELS && call->target) return fl_tables(type)->scan_labels(call);
    if (!call->weight) {
        call->weight_total = (double)call->n * (pointwise ? (double)call->c : 1);
        return FL_OK;
    }
    const fl_status status = fl_tables(type)->scan_weights(call);
    if (status == FL_OK && pointwise && !call->weight_step) call->weight_total *= (double)call->c;
    return status;
}

/* 1 / total as a power of two that the float type holds, and a rest; so weight * power is exact. */
static void set_scale(fl_loss_call *call, int type, double total) {
    call->scale[0] = call->scale[1] = 1;
    if (call->reduction != FL_MEAN) return;
    if (!(total > 0)) {
        call->scale[1] = 0;
        return;
    }
    if (!call->weight && !call->per_column) { /* weights are 1: nothing to keep exact */
        call->scale[1] = 1 / total;
        return;
    }
    const int limit = type == 0 ? FLT_MAX_EXP - 2 : DBL_MAX_EXP - 2;
    int exponent;
    const double mantissa = frexp(total, &exponent); /* total = mantissa * 2^exponent */
    const int clipped = exponent > limit ? limit : exponent < -limit ? -limit : exponent;
    call->scale[0] = ldexp(1, -clipped);
    call->scale[1] = ldexp(1 / mantissa, clipped - exponent);
}

/* sum of w (s r)^2 with s = 2^shift. */
static double sum_of_squares(const fl_loss_info *loss, int type, fl_loss_call *call, int shift) {
    call->param[0] = ldexp(1, shift / 2);
    call->param[1] = ldexp(1, shift - shift / 2);
    return run_all(loss, type, call);
}

/* The root of the weighted mean square: first the mean of (s r)^2, s a power of two that keeps the squares in range
 * and in most cases 1; then, if wanted, the gradient r / (total * rmse), as the kernel's (s r) / (s rmse). */
static void run_root(const fl_loss_info *loss, int type, fl_loss_call *call) {
    static const int down[2] = {-70, -520}, up[2][2] = {{63, 126}, {500, 1000}};
    const double least = type == 0 ? 0x1p-60 : 0x1p-900; /* smaller sums may have lost squares to underflow */
    void *const grad = call->grad;
    int shift = 0;
    call->grad = call->hess = NULL;
    double sum = sum_of_squares(loss, type, call, shift);
    if (sum > DBL_MAX) sum = sum_of_squares(loss, type, call, shift = down[type]);
    for (int i = 0; i < 2 && sum < least && shift >= 0; i++)
        sum = sum_of_squares(loss, type, call, shift = up[type][i]);
    const double root = call->weight_total > 0 ? sqrt(sum / call->weight_total) : 0; /* s rmse */
    call->value = ldexp(root, -shift);
    if (!grad) return;
    call->grad = grad;
    call->param[0] = root == 0 ? 0 : ldexp(1, shift);
    call->param[1] = root == 0 ? 0 : 1 / root;
    /* an infinite residual: r / (n rmse) tends to 1 / sqrt(n), with weights to no limit that the others leave alone */
    call->param[2] = call->weight ? (double)NAN : sqrt(call->weight_total);
    run_all(loss, type, call);
}

fl_status fl_run_loss(const fl_loss_info *loss, int type, fl_loss_call *call) {
    call->bad = -1;
    call->value = 0;
    call->weight_total = 0;
    if (call->n <= 0 || (call->c <= 0 && loss->kind != FL_KIND_LABELS)) return FL_OK;
    const fl_status status = scan(loss, type, call);
    if (status != FL_OK) return status;
    set_scale(call, type, call->weight_total);
    if (loss->kind == FL_KIND_ROOT) {
        run_root(loss, type, call);
        return FL_OK;
    }
    const double sum = run_all(loss, type, call);
    if (call->reduction == FL_SUM) call->value = sum;
    if (call->reduction == FL_MEAN && call->weight_total > 0) call->value = sum / call->weight_total;
    return FL_OK;
}
