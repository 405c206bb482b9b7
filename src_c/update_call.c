/* What every optimizer does around its kernel: look at the gradients where that is wanted, find the factor of their
 * norm, and run one parallel region over the parts of all tensors. Parts never depend on the number of threads.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "update_call.h"

#include <float.h>
#include <math.h>

#include "threads.h"
#include "update_rates.h"

#define FL_UPDATE_COST 0.25 /* what an entry counts when threads are considered: they start from 262,144 entries */
#define FL_NORM_EPS 1e-6    /* added to the norm that divides, as PyTorch does */

typedef struct run {
    fl_update_call *call;
    const fl_table *table[2];
    int update;
    ptrdiff_t parts;
    double work, factor, scale[2];
    fl_rates rates; /* the first tensor's, and so of all that have taken as many steps */
    fl_grad_summary *groups;
} run;

/* Numbers the parts of all tensors. */
static run plan(int update, fl_update_call *call) {
    run r = {.call = call, .table = {fl_tables(0), fl_tables(1)}, .update = update, .factor = 1};
    for (ptrdiff_t k = 0; k < call->count; k++) {
        fl_tensor *t = &call->tensors[k];
        t->first_part = r.parts;
        r.parts += (t->n + FL_UPDATE_PART - 1) / FL_UPDATE_PART;
        r.work += (double)t->n * FL_UPDATE_COST;
    }
    return r;
}

/* The tensor that holds a part: the last whose first part is not above it, passing by empty ones. */
static const fl_tensor *tensor_of(const run *r, ptrdiff_t part) {
    const fl_tensor *tensors = r->call->tensors;
    ptrdiff_t low = 0, high = r->call->count;
    while (high - low > 1) {
        const ptrdiff_t middle = low + (high - low) / 2;
        if (tensors[middle].first_part <= part)
            low = middle;
        else
            high = middle;
    }
    return &tensors[low];
}

typedef void (*part_task)(run *r, const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum);

static inline void each_part(part_task task, run *r, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end) {
    const fl_tensor *t = tensor_of(r, begin);
    for (ptrdiff_t part = begin; part < end; part++) {
        ptrdiff_t at = (part - t->first_part) * FL_UPDATE_PART;
        if (at >= t->n) {
            t = tensor_of(r, part);
            at = (part - t->first_part) * FL_UPDATE_PART;
        }
        const ptrdiff_t stop = t->n - at < FL_UPDATE_PART ? t->n : at + FL_UPDATE_PART;
        task(r, t, at, stop, r->groups ? &r->groups[group] : NULL);
    }
}

static void limits_part(run *r, const fl_tensor *t, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum) {
    r->table[t->type]->grad_limits(t, begin, end, sum);
}
static void squares_part(run *r, const fl_tensor *t, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum) {
    r->table[t->type]->grad_squares(t, begin, end, r->scale, sum);
}
static void update_part(run *r, const fl_tensor *t, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum) {
    const fl_tensor *first = r->call->tensors;
    const fl_update_kernel kernel = r->table[t->type]->update[r->update];
    (void)sum;
    if (t->step == first->step && t->product == first->product) {
        kernel(t, &r->rates, begin, end);
        return;
    }
    fl_rates own;
    fl_update_rates(r->update, r->call, t, r->factor, &own);
    kernel(t, &own, begin, end);
}

static void limits_group(void *context, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end) {
    each_part(limits_part, (run *)context, group, begin, end);
}
static void squares_group(void *context, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end) {
    each_part(squares_part, (run *)context, group, begin, end);
}
static void update_group(void *context, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end) {
    each_part(update_part, (run *)context, group, begin, end);
}

/* One pass over the gradients. */
static fl_grad_summary look(run *r, fl_group_task task) {
    const ptrdiff_t used = r->parts < FL_GROUPS ? r->parts : FL_GROUPS;
    fl_grad_summary groups[FL_GROUPS], all = {0};
    for (ptrdiff_t g = 0; g < used; g++) groups[g] = all;
    r->groups = groups;
    fl_run_groups(task, r, r->parts, r->work);
    r->groups = NULL;
    for (ptrdiff_t g = 0; g < used; g++) {
        if (groups[g].largest > all.largest) all.largest = groups[g].largest;
        all.nan |= groups[g].nan;
        for (int k = 0; k < 4; k++) all.squares[k] += groups[g].squares[k];
    }
    return all;
}

/* The Euclidean norm of all gradients, clipped by value, whose largest entry is known. */
static double norm_of(run *r, const fl_grad_summary *limits) {
    const double clip = r->call->clip_value > 0 ? r->call->clip_value : INFINITY;
    const double largest = limits->largest < clip ? limits->largest : clip;
    int exponent;
    if (limits->nan) return NAN;
    if (largest > DBL_MAX || largest == 0) return largest;
    frexp(largest, &exponent);
    /* One more than needed, as clipping may round up; not below what a double can scale by, where the norm is 0 beside
     * FL_NORM_EPS anyway. */
    exponent = exponent < -900 ? -900 : exponent + 1;
    r->scale[0] = clip;
    r->scale[1] = ldexp(1, -exponent);
    const fl_grad_summary sum = look(r, squares_group);
    return ldexp(sqrt((sum.squares[0] + sum.squares[1]) + (sum.squares[2] + sum.squares[3])), exponent);
}

/* Where the first NaN or infinity stands. */
static void find_bad(fl_update_call *call) {
    for (ptrdiff_t k = 0; k < call->count; k++)
        for (ptrdiff_t i = 0; i < call->tensors[k].n; i++) {
            const fl_tensor *t = &call->tensors[k];
            const double g = t->type == 0 ? (double)((const float *)t->grad)[i] : ((const double *)t->grad)[i];
            if (fabs(g) <= DBL_MAX) continue;
            call->bad_tensor = k;
            call->bad = i;
            return;
        }
}

/* Counts the step. Tensors that have taken as many steps as the first share its numbers. */
static void advance(const run *r, double product) {
    const double step = r->call->tensors->step, before = r->call->tensors->product;
    for (ptrdiff_t k = 0; k < r->call->count; k++) {
        fl_tensor *t = &r->call->tensors[k];
        fl_rates unused;
        const int shared = t->step == step && t->product == before;
        t->product = shared ? product : fl_update_rates(r->update, r->call, t, r->factor, &unused);
        t->step += 1;
    }
}

fl_status fl_run_update(int update, fl_update_call *call) {
    call->bad_tensor = call->bad = -1;
    call->norm = 0;
    if (call->count <= 0) return FL_OK;
    run r = plan(update, call);
    if (call->check_finite || call->clip_norm > 0) {
        const fl_grad_summary limits = look(&r, limits_group);
        if (call->check_finite && (limits.nan || limits.largest > DBL_MAX)) {
            find_bad(call);
            return FL_NONFINITE;
        }
        if (call->clip_norm > 0) {
            call->norm = norm_of(&r, &limits);
            const double factor = call->clip_norm / (call->norm + FL_NORM_EPS);
            r.factor = factor > 1 ? 1 : factor; /* NaN stays NaN */
        }
    }
    const double product = fl_update_rates(update, call, call->tensors, r.factor, &r.rates);
    fl_run_groups(update_group, &r, r.parts, r.work);
    advance(&r, product);
    return FL_OK;
}
