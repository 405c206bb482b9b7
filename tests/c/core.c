/* The test of the C core without Python: every kernel against reference.c, over sizes, layouts and options, on every
 * kernel set of this machine, with threads that fail and processes that fork; and what rooms.h lists. Prints a hash of
 * all results per kernel and set, so that machines can be compared; aborts at the first failure.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * core.exe [quick]   quick: fewer sizes, for emulators and sanitizers. FORKS in the environment: how many; 0 where
 *                    there may be none once there are threads: under ThreadSanitizer, and in qemu's user mode */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* cpu_set_t */
#endif
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "dispatch.h"
#include "reference.h"
#include "rooms.h"

static int quick;

/* ---- what the system may refuse ---- */

#ifdef WRAPPED
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static int threads_left = 1000, threads_made, affinity_fails; /* pthread_create fails once threads_left is 0 */

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    if (threads_left <= 0) return EAGAIN;
    threads_left--;
    threads_made++;
    return __real_pthread_create(thread, attributes, start, argument);
}

/* What a sanitizer's own start calls as well, before its checks may run. */
#if defined(__clang__)
#define UNCHECKED __attribute__((disable_sanitizer_instrumentation))
#else
#define UNCHECKED
#endif

int __real_pthread_atfork(void (*)(void), void (*)(void), void (*)(void));
UNCHECKED int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return getenv("ATFORK_FAILS") ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}

/* Eight processors, wherever this runs. */
UNCHECKED int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {
    volatile unsigned char *byte = (volatile unsigned char *)set; /* no memset: it is replaced, too */
    (void)process;
    if (affinity_fails) return -1;
    for (size_t i = 0; i < size; i++) byte[i] = 0;
    for (int i = 0; i < 8; i++) CPU_SET(i, set);
    return 0;
}
#endif

/* ---- comparing ---- */

/* Errors in units of epsilon times `size`. The promise is 4 ULP for loss and gradient and 12 for the second derivative;
 * weight and the two factors of the mean add half of one each, and the reference, in doubles, up to as much again. */
#define LOSS_ULPS 12
#define HESS_ULPS 30

static uint64_t hashes[3][2][64]; /* family, type, kernel */
static uint64_t linear_hashes[2][2]; /* dense or sparse, type */
static void add_hash(int family, int type, int kernel, uint64_t hash) {
    uint64_t *h = &hashes[family][type][kernel];
    *h = (*h ^ hash) * 0x100000001b3u + 1;
}

/* ---- losses ---- */

typedef struct loss_sums {
    double total, value, value_size;
} loss_sums;

static double weight_at(const loss_run *run, ptrdiff_t i, ptrdiff_t j) {
    return run->weight.memory ? get(&run->weight, i, run->from->weighted == 2 ? j : 0) : 1;
}

static void compare_point(const loss_run *run, const table *grad, ptrdiff_t i, ptrdiff_t j, const point *p,
                          double factor, double more) {
    const int type = run->from->type;
    const double g = factor == 0 ? 0 : p->grad * factor, h = factor == 0 ? 0 : p->hess * factor;
    if (grad->memory) near(get(grad, i, j), g, LOSS_ULPS + more, p->grad_size * factor, type, "grad");
    if (run->hess.memory) near(get(&run->hess, i, j), h, HESS_ULPS + more, p->hess_size * factor, type, "hess");
}

/* Row i of a loss over rows: its results, and the weight of its loss. */
static double row_points(const loss_run *run, const double *param, ptrdiff_t i, point *out) {
    const loss_case *from = run->from;
    const loss_reference *r = &loss_references[from->loss];
    static double z[8192], t[8192];
    const ptrdiff_t c = from->c;
    const int labels = losses[from->loss].kind == LABELS;
    const ptrdiff_t label = labels ? (ptrdiff_t)get(&run->target, i, 0) : -1;
    memset(out, 0, (size_t)c * sizeof *out);
    if (labels && from->ignore && label < 0) return 0;
    const double smooth = r->class_weight_inside ? param[0] : 0;
    for (ptrdiff_t k = 0; k < c; k++) {
        const double hit = labels ? k == label : get(&run->target, i, run->target.columns > 1 ? k : 0);
        const double column = run->column.memory && r->class_weight_inside ? get(&run->column, 0, k) : 1;
        z[k] = get(&run->pred, i, k);
        t[k] = (r->class_weight_inside ? hit * (1 - smooth) + smooth / (double)c : hit) * column;
    }
    r->row(z, t, label, c, param, out);
    const double weight = weight_at(run, i, 0);
    return labels && run->column.memory && !r->class_weight_inside ? weight * get(&run->column, 0, label) : weight;
}

/* Row i: compares its entries, for weights times `scale`, or, where that is 0, only adds up. */
static void compare_row(const loss_run *run, const table *grad, ptrdiff_t i, double scale, loss_sums *sums) {
    const loss_case *from = run->from;
    const loss_reference *r = &loss_references[from->loss];
    static point out[8192];
    const double entries = from->type ? (double)from->n * (double)from->c : 0; /* plain sums of doubles lose as much */
    double param[4];
    memcpy(param, from->param, sizeof param);
    double weight = r->row ? row_points(run, param, i, out) : 0;
    for (ptrdiff_t j = 0; j < (r->row ? 1 : from->c); j++) {
        point p = out[0];
        if (!r->row) {
            if (run->column.memory) param[0] = get(&run->column, 0, j);
            weight = weight_at(run, i, j);
            p = r->point(get(&run->pred, i, j), get(&run->target, i, j), param);
            if (scale != 0) compare_point(run, grad, i, j, &p, weight * scale, 0);
        }
        const double rows = r->row ? (double)from->c : 0;
        sums->value += weight * p.loss;
        sums->value_size += weight * p.loss_size * (LOSS_ULPS + rows + entries);
        if (scale != 0 && run->loss.memory)
            near(get(&run->loss, i, j), weight * p.loss, LOSS_ULPS + rows, weight * p.loss_size, from->type, "loss");
    }
    for (ptrdiff_t k = 0; r->row && scale != 0 && k < from->c; k++)
        compare_point(run, grad, i, k, &out[k], weight * scale, (double)from->c);
}

static double weight_sum(const loss_run *run) {
    const loss_case *from = run->from;
    double total = 0;
    for (ptrdiff_t i = 0; i < from->n; i++)
        for (ptrdiff_t j = 0; j < (losses[from->loss].kind <= ROOT ? from->c : 1); j++) {
            double w = weight_at(run, i, j);
            if (losses[from->loss].kind == LABELS) {
                const ptrdiff_t label = (ptrdiff_t)get(&run->target, i, 0);
                if (label < 0) continue;
                if (run->column.memory) w *= get(&run->column, 0, label);
            }
            total += w;
        }
    return total;
}

static void compare_root(const loss_run *run, const table *grad, double total, double squares) {
    const loss_case *from = run->from;
    const double root = total > 0 ? sqrt(squares / total) : 0;
    near(run->call.value, root, LOSS_ULPS, root, from->type, "value");
    for (ptrdiff_t i = 0; i < from->n; i++)
        for (ptrdiff_t j = 0; grad->memory && j < from->c; j++) {
            const double r = get(&run->pred, i, j) - get(&run->target, i, j), w = weight_at(run, i, j);
            const double g = root == 0 ? 0 : w * r / (total * root);
            near(get(grad, i, j), g, LOSS_ULPS, fabs(g), from->type, "grad");
        }
}

/* All results of a run that is not in place. */
static void compare_loss(const loss_run *run) {
    const loss_case *from = run->from;
    const double total = weight_sum(run), scale = from->reduction != FL_MEAN ? 1 : total > 0 ? 1 / total : 0;
    const int root = losses[from->loss].kind == ROOT;
    loss_sums sums = {0};
    CHECK(run->call.weight_total == (from->c > 0 || losses[from->loss].kind == LABELS ? total : 0),
          "weight_total is %g", run->call.weight_total); /* weights are multiples of 1/16: exact */
    for (ptrdiff_t i = 0; i < from->n && from->c > 0; i++) compare_row(run, &run->grad, i, root ? 0 : scale, &sums);
    if (root)
        compare_root(run, &run->grad, total, sums.value);
    else
        near(run->call.value, from->reduction == FL_NONE ? 0 : sums.value * scale, 1, sums.value_size * scale,
             from->type, "value");
}

/* Options of a case from a random number. */
static void choose_options(loss_case *from, source *s) {
    const kind k = losses[from->loss].kind;
    from->weighted = (int)take(s, k <= ROOT ? 3 : 2);
    from->reduction = k == ROOT ? FL_MEAN : (int)take(s, 3);
    from->want = (int)take(s, k == ROOT ? 2 : 3);
    from->keep = k != ROOT && take(s, 4) != 0;
    from->label_bits = take(s, 2) ? 32 : 64;
    from->ignore = k == LABELS && take(s, 3) == 0;
    from->per_column = k >= LABELS && take(s, 3) == 0;
    if (k == POINTWISE && strncmp(losses[from->loss].name, "binary", 6) == 0) from->per_column = (int)take(s, 2);
    from->backwards = (int)take(s, 2);
    from->gap = (int)take(s, 4);
    from->shift = (int)take(s, 4);
}

static void test_loss(loss_case *from, source *s) {
    const loss_reference *r = &loss_references[from->loss];
    loss_run run;
    from->pred = r->pred;
    from->target = r->target;
    memcpy(from->param, r->param[take(s, r->param[1][0] == 0 ? 1 : r->param[2][0] == 0 ? 2 : 3)], sizeof from->param);
    in_case("%s f%d n=%td c=%td weighted=%d column=%d ignore=%d/%d reduction=%d want=%d gap=%d back=%d param=%g,%g",
            losses[from->loss].name, from->type ? 64 : 32, from->n, from->c, from->weighted, from->per_column,
            from->ignore, from->label_bits, from->reduction, from->want, from->gap, from->backwards, from->param[0],
            from->param[1]);
    const source begin = *s;
    prepare_loss(&run, from, s);
    const fl_status status = call_loss(&run);
    if (status == FL_OK) compare_loss(&run);
    const uint64_t hash = run.hash;
    add_hash(0, from->type, from->loss, hash);
    free_loss(&run);
    if (!from->want) return;
    source again = begin;
    from->in_place = 1;
    prepare_loss(&run, from, &again);
    call_loss(&run);
    CHECK(run.hash == hash, "in place: other bits");
    free_loss(&run);
    from->in_place = 0;
}

/* 0 to 2 vectors and one entry, in one and several rows; and for rows of classes sizes around where the method changes
 * (up to 32 classes, 64 doubles or 128 floats, sums of 1,024). */
static void test_losses(void) {
    static const ptrdiff_t rows[] = {0, 1, 2, 3, 17, 33}, long_rows[] = {47, 64, 65, 128, 129, 1023, 1025, 2100};
    enum { LONG_ROWS = sizeof long_rows / sizeof *long_rows };
    source s = {.state = 1};
    for (int k = 0; k < LOSSES; k++)
        for (int type = 0; type < 2; type++)
            for (ptrdiff_t c = 0; c < 35 + LONG_ROWS; c++)
                for (int n = 0; n < (c < 35 ? 6 : 2); n++)
                    for (int option = quick && c % 3 == 2; option < (quick ? 1 : 4); option++) {
                        loss_case from = {.loss = k, .type = type, .n = rows[n], .c = c < 35 ? c : long_rows[c - 35]};
                        if (losses[k].kind == PAIRS) from.c = 2, from.n = c;
                        choose_options(&from, &s);
                        from.bad_label = losses[k].kind == LABELS && take(&s, 16) == 0;
                        from.bad_weight = from.weighted && take(&s, 16) == 0;
                        if (losses[k].kind == LABELS && from.c == 0 && from.n && !from.ignore) from.bad_label = 1;
                        test_loss(&from, &s);
                    }
}

/* Without labels softmax_cross_entropy gives log sum exp, and the shares as its gradient. */
static void test_softmax(void) {
    float z[3 * 144], grad[3 * 144];
    source s = {.state = 2};
    for (ptrdiff_t c = 1; c <= 144; c += 13) {
        in_case("softmax of %td classes", c);
        for (ptrdiff_t i = 0; i < 3 * c; i++) z[i] = (float)take_number(&s);
        fl_loss_call call = {
            .n = 3, .c = c, .pred = z, .pred_stride = c, .grad = grad, .grad_stride = c, .reduction = FL_SUM};
        double value = 0;
        CHECK(fl_softmax_cross_entropy_f32(&call) == FL_OK, "refused");
        for (ptrdiff_t i = 0; i < 3; i++) {
            double sum = 0;
            for (ptrdiff_t k = 0; k < c; k++) sum += exp((double)z[i * c + k]);
            for (ptrdiff_t k = 0; k < c; k++)
                near((double)grad[i * c + k], exp((double)z[i * c + k]) / sum, LOSS_ULPS + (double)c, 1, 0, "share");
            value += log(sum);
        }
        near(call.value, value, LOSS_ULPS + (double)c, 24, 0, "value");
    }
}

/* Weights so small that the factor of an exponential is subnormal, or would be on its way. */
static void test_tiny_weights(void) {
    static const float weight[3] = {1e-30f, 1e-37f, 1};
    float z[3 * 144], grad[3 * 144];
    const int64_t label[3] = {0, 1, 2};
    source s = {.state = 3};
    for (ptrdiff_t c = 14; c <= 144; c += 13) {
        in_case("softmax of %td classes, tiny weights", c);
        for (ptrdiff_t i = 0; i < 3 * c; i++) z[i] = (float)(take(&s, 5));
        fl_loss_call call = {.n = 3, .c = c, .pred = z, .pred_stride = c, .target = label, .target_stride = 1,
                             .label_bits = 64, .weight = weight, .weight_stride = 1, .grad = grad, .grad_stride = c,
                             .reduction = FL_SUM};
        CHECK(fl_softmax_cross_entropy_f32(&call) == FL_OK, "refused");
        for (ptrdiff_t i = 0; i < 3; i++) {
            const double w = (double)weight[i];
            double sum = 0;
            for (ptrdiff_t k = 0; k < c; k++) sum += exp((double)z[i * c + k]);
            for (ptrdiff_t k = 0; k < c; k++) {
                const double slope = w * (exp((double)z[i * c + k]) / sum - (k == label[i]));
                near((double)grad[i * c + k], slope, LOSS_ULPS + (double)c, fabs(slope), 0, "grad");
            }
        }
    }
}

/* Blocks of long rows, of which as many take turns as fit into a cache, with and without some of weight 0. */
static void test_long_rows(void) {
    enum { ROWS = 17, MOST = 5000 };
    static float z[ROWS * MOST], grad[ROWS * MOST], all_grad[ROWS * MOST];
    static const ptrdiff_t classes[] = {200, 1100, MOST};
    float weight[ROWS];
    int64_t label[ROWS];
    source s = {.state = 4};
    for (int k = 0; k < 3; k++) {
        const ptrdiff_t c = classes[k];
        in_case("softmax of %td classes, some rows dropped", c);
        for (ptrdiff_t i = 0; i < ROWS * c; i++) z[i] = (float)take_number(&s);
        for (int i = 0; i < ROWS; i++) {
            label[i] = (int64_t)take(&s, (uint64_t)c);
            weight[i] = i % 3 != 1;
        }
        fl_loss_call call = {.n = ROWS, .c = c, .pred = z, .pred_stride = c, .target = label, .target_stride = 1,
                             .label_bits = 64, .grad = all_grad, .grad_stride = c, .reduction = FL_SUM};
        CHECK(fl_softmax_cross_entropy_f32(&call) == FL_OK, "refused");
        call.weight = weight;
        call.weight_stride = 1;
        call.grad = grad;
        CHECK(fl_softmax_cross_entropy_f32(&call) == FL_OK, "refused");
        for (ptrdiff_t i = 0; i < ROWS * c; i++)
            CHECK(grad[i] == (weight[i / c] == 0 ? 0 : all_grad[i]), "gradient %td is %g", i, (double)grad[i]);
        double sum = 0;
        const ptrdiff_t kept = ROWS - 2;
        const float *row = z + kept * c;
        for (ptrdiff_t j = 0; j < c; j++) sum += exp((double)row[j]);
        const ptrdiff_t other = label[kept] == 0;
        near((double)grad[kept * c + other], exp((double)row[other]) / sum, LOSS_ULPS, 1, 0, "grad");
    }
}

/* Weights that are each finite, but not their sum. */
static void test_weight_overflow(void) {
    const double z[4] = {1, 2, 3, 4}, y[2] = {0}, weight[2] = {1.5e308, 1e308};
    const int64_t label[2] = {0, 1};
    double grad[4] = {7, 7, 7, 7};
    fl_loss_call call = {.n = 1, .c = 2, .pred = z, .target = y, .weight = weight, .weight_step = 1, .grad = grad};
    in_case("weights whose sum overflows");
    CHECK(fl_squared_error_f64(&call) == FL_WEIGHT_OVERFLOW, "taken");
    call = (fl_loss_call){.n = 2, .c = 2, .pred = z, .pred_stride = 2, .target = label, .target_stride = 1,
                          .label_bits = 64, .weight = weight, .weight_stride = 1, .grad = grad, .grad_stride = 2};
    CHECK(fl_softmax_cross_entropy_f64(&call) == FL_WEIGHT_OVERFLOW, "taken");
    for (int i = 0; i < 4; i++) CHECK(grad[i] == 7, "written");
}

/* The root mean square of numbers whose squares leave the range, and of 0. */
static void test_root_range(void) {
    static const double sizes[] = {1e-320, 1e-200, 1e200, 1.5e308, 0, 1e-40};
    for (int k = 0; k < 6; k++) {
        in_case("rmse of %g", sizes[k]);
        double z[3] = {sizes[k], -sizes[k], sizes[k]}, y[3] = {0}, grad[3];
        fl_loss_call call = {.n = 1, .c = 3, .pred = z, .target = y, .grad = grad};
        CHECK(fl_root_mean_squared_error_f64(&call) == FL_OK, "refused");
        near(call.value, sizes[k], LOSS_ULPS, sizes[k], 1, "value");
        near(grad[1], sizes[k] == 0 ? 0 : -1.0 / 3, LOSS_ULPS, 1, 1, "grad");
        float small[2] = {(float)fmin(sizes[k], 1e38), 0}, zero[2] = {0};
        call = (fl_loss_call){.n = 1, .c = 2, .pred = small, .target = zero};
        CHECK(fl_root_mean_squared_error_f32(&call) == FL_OK, "refused");
        near(call.value, (double)small[0] / sqrt(2), LOSS_ULPS, (double)small[0], 0, "value");
    }
}

/* Parameters that the header does not allow: whatever comes out, nothing undefined happens on the way. */
static void test_parameters(void) {
    static const double odd[] = {-1e300, -0.5, 1e300, NAN, INFINITY, -INFINITY};
    source s = {.state = 8};
    for (int k = 0; k < LOSSES + REGULARIZERS; k++)
        for (int i = 0; i < 12; i++) {
            const double p = odd[i / 2];
            if (k < LOSSES) {
                const loss_case from = {.loss = k, .type = i % 2, .n = 3, .c = losses[k].kind == PAIRS ? 2 : 5,
                                        .label_bits = 64, .want = 2 - (losses[k].kind == ROOT), .param = {p, p, p, p}};
                loss_run run;
                in_case("%s of parameters %g", losses[k].name, p);
                prepare_loss(&run, &from, &s);
                call_loss(&run);
                free_loss(&run);
            } else {
                const regularizer_case from = {.regularizer = k - LOSSES, .type = i % 2, .n = 3, .c = 5, .k = 1,
                                               .in_place = k == LOSSES + 1 || k == LOSSES + 4, .param = {p, p, p, p}};
                regularizer_run run;
                in_case("%s of parameters %g", regularizers[k - LOSSES].name, p);
                prepare_regularizer(&run, &from, &s);
                call_regularizer(&run);
                free_regularizer(&run);
            }
        }
}

/* ---- optimizers ---- */

/* The table as it was before the call. */
static table as_first(const table *t) {
    table copy = *t;
    copy.base = t->first + (t->base - t->memory);
    return copy;
}

static double clipped(double g, const fl_update_call *call, double factor) {
    if (call->clip_value > 0) g = fmax(-call->clip_value, fmin(call->clip_value, g));
    return (call->maximize ? -g : g) * factor;
}

static double norm_factor(const update_run *run, double *norm) {
    double squares = 0;
    for (ptrdiff_t k = 0; k < run->from->count; k++)
        for (ptrdiff_t i = 0; i < run->from->n[k]; i++) {
            const double g = clipped(get(&run->grad[k], 0, i), &run->call, 1);
            squares += g * g;
        }
    *norm = run->call.clip_norm > 0 ? sqrt(squares) : 0;
    return run->call.clip_norm > 0 ? fmin(1, run->call.clip_norm / (sqrt(squares) + 1e-6)) : 1;
}

/* One tensor after `steps` steps. Each state is rounded up to 5 times a step, and what becomes of that is multiplied by
 * at most 1 / (2 sqrt eps) = 16 where a root divides: 60 units a step of the largest numbers around, 8 + 8 / eps / 16.
 */
static void compare_tensor(const update_run *run, ptrdiff_t k, int steps, double factor) {
    const update_case *from = run->from;
    const update_reference *r = &update_references[from->update];
    const int states = updates[from->update].states, type = from->type[k];
    const int decoupled = (!strncmp(updates[from->update].name, "adam", 4) && from->call.param[4] != 0 &&
                           strcmp(updates[from->update].name, "adamax")) ||
                          !strcmp(updates[from->update].name, "lion");
    for (ptrdiff_t i = 0; i < from->n[k]; i++) {
        double s[FL_MAX_STATES] = {0}, product = 1;
        table first = as_first(&run->param[k]);
        double w = get(&first, 0, i);
        for (int j = 0; j < states; j++) {
            first = as_first(&run->state[k][j]);
            s[j] = get(&first, 0, i);
        }
        for (int t = 1; t <= steps; t++) {
            double g = clipped(get(&run->grad[k], 0, i), &from->call, factor);
            if (!decoupled) g += from->call.weight_decay * w;
            r->step(&w, g, s, from->call.lr, from->call.weight_decay, from->step[k] + t, from->call.param, &product);
        }
        near(get(&run->param[k], 0, i), w, 60 * steps, 40, type, "param");
        for (int j = 0; j < states; j++) near(get(&run->state[k][j], 0, i), s[j], 60 * steps, 200, type, "state");
    }
}

static void test_update(update_case *from, source *s) {
    update_run run;
    double norm;
    const int steps = from->bad_gradient ? 1 : 3;
    in_case("%s count=%td n=%td,%td,%td types=%d,%d,%d step=%d,%d decay=%g clip=%g,%g max=%d param=%g,%g,%g,%g,%g",
            updates[from->update].name, from->count, from->n[0], from->n[1], from->n[2], from->type[0], from->type[1],
            from->type[2], from->step[0], from->step[1], from->call.weight_decay, from->call.clip_value,
            from->call.clip_norm, from->call.maximize, from->call.param[0], from->call.param[1], from->call.param[2],
            from->call.param[3], from->call.param[4]);
    prepare_update(&run, from, s);
    call_update(&run, steps);
    add_hash(1, from->type[0], from->update, run.hash);
    const double factor = norm_factor(&run, &norm);
    if (!from->bad_gradient) {
        near(run.call.norm, norm, 20, norm, 1, "norm");
        for (ptrdiff_t k = 0; k < from->count; k++) compare_tensor(&run, k, steps, factor);
    }
    free_update(&run);
}

static void test_updates(void) {
    source s = {.state = 3};
    for (int k = 0; k < UPDATES; k++)
        for (int type = 0; type < 2; type++)
            for (ptrdiff_t n = 0; n < 35; n++)
                for (int option = 0; option < (quick ? 1 : 6); option++) {
                    update_case from = {.update = k, .count = (ptrdiff_t)take(&s, 4), .shift = (int)take(&s, 4)};
                    for (int i = 0; i < 3; i++) {
                        from.n[i] = i ? (ptrdiff_t)take(&s, 20) : n;
                        from.type[i] = i && take(&s, 4) == 0 ? !type : type;
                        from.step[i] = take(&s, 3) == 0 ? (int)take(&s, 9) : 0;
                    }
                    from.call.lr = 0.015625;
                    from.call.weight_decay = take(&s, 2) ? 0.125 : 0;
                    from.call.maximize = (int)take(&s, 2);
                    from.call.clip_value = take(&s, 3) ? 0 : 2;
                    from.call.clip_norm = take(&s, 3) ? 0 : 1.5;
                    from.bad_gradient = take(&s, 16) == 0;
                    from.call.check_finite = from.bad_gradient || take(&s, 2);
                    memcpy(from.call.param, update_references[k].param[take(&s, 2)], sizeof from.call.param);
                    test_update(&from, &s);
                }
}

/* Norms beyond the range of squares, of NaN and of nothing. */
static void test_norms(void) {
    static const double gradients[] = {1e200, 1e-200, INFINITY, NAN, 0, 1e-310};
    for (int k = 0; k < 6; k++) {
        in_case("norm of gradient %g", gradients[k]);
        double w[2] = {1, 1}, g[2] = {gradients[k], gradients[k]};
        fl_tensor tensor = {.n = 2, .type = 1, .param = w, .grad = g, .product = 1};
        fl_update_call call = {.count = 1, .tensors = &tensor, .lr = 1, .clip_norm = 1};
        CHECK(fl_sgd(&call) == FL_OK, "refused");
        if (k < 2)
            near(call.norm, gradients[k] * sqrt(2), 4, gradients[k], 1, "norm");
        else if (k < 5)
            CHECK(call.norm == gradients[k] || k == 3, "norm is %g", call.norm);
        else
            CHECK(call.norm < 1e-260, "norm is %g", call.norm); /* 0 beside 1e-6: need not be exact */
        CHECK(k != 3 || (call.norm != call.norm && w[0] != w[0]), "NaN is lost");
    }
}

/* ---- regularizers ---- */

static double feature(const regularizer_run *run, const table *t, ptrdiff_t i, ptrdiff_t j, ptrdiff_t l) {
    return get(t, feature_row(run->from, i, j), feature_column(run->from, i, j, l));
}
#define EACH_OF_FEATURE \
    for (ptrdiff_t i = 0; i < run->from->n; i++) \
        for (ptrdiff_t l = 0; l < run->from->k; l++)

/* Sums of m entries in double are off by m units of their size at most; the float type rounds some 8 times. */
static void compare_batch_norm(const regularizer_run *run, ptrdiff_t j, int backward) {
    const regularizer_case *from = run->from;
    const double m = (double)(from->n * from->k), *param = from->param;
    const int training = param[1] != 0, type = from->type;
    double mean = 0, variance = 0, dbeta = 0, dgamma = 0, g_size = 0;
    EACH_OF_FEATURE mean += feature(run, &run->x, i, j, l) / m;
    if (training) near(get(&run->mean, 0, j), backward ? get(&run->mean, 0, j) : mean, m + 4, 8, 1, "mean");
    if (!training || backward) mean = get(&run->mean, 0, j);
    EACH_OF_FEATURE variance += pow(feature(run, &run->x, i, j, l) - mean, 2) / m;
    if (training && !backward) near(get(&run->variance, 0, j), variance, 2 * m + 60, 64, type, "variance");
    if (!training || backward) variance = get(&run->variance, 0, j);
    const double sigma = sqrt(variance + param[0]), gamma = get(&run->gamma, 0, j), beta = get(&run->beta, 0, j);
    if (!backward) {
        const double size = fabs(gamma) * 16 / sigma * (1 + 64 / (sigma * sigma) * (type ? m : 1)) + fabs(beta);
        EACH_OF_FEATURE near(feature(run, &run->y, i, j, l),
                             (feature(run, &run->x, i, j, l) - mean) / sigma * gamma + beta, 10, size, type, "y");
        return;
    }
    EACH_OF_FEATURE {
        const double g = feature(run, &run->dy, i, j, l);
        dbeta += g;
        dgamma += g * (feature(run, &run->x, i, j, l) - mean) / sigma;
        g_size += fabs(g * 16 / sigma);
    }
    near(get(&run->dbeta, 0, j), dbeta, m + 4, 8 * m, 1, "dbeta");
    near(get(&run->dgamma, 0, j), dgamma, type ? m + 8 : 8, g_size, type, "dgamma");
    EACH_OF_FEATURE {
        const double h = (feature(run, &run->x, i, j, l) - mean) / sigma, g = feature(run, &run->dy, i, j, l);
        const double dx = gamma / sigma * (training ? g - dbeta / m - h * dgamma / m : g);
        const double size = fabs(gamma) / sigma * (16 + 16 / sigma * (g_size / m + 1));
        near(feature(run, &run->y, i, j, l), dx, type ? 10 + m : 12, size, type, "dx");
    }
}

static void compare_max_norm(const regularizer_run *run, ptrdiff_t j) {
    const table x = as_first(&run->x);
    double squares = 0;
    EACH_OF_FEATURE squares += pow(feature(run, &x, i, j, l), 2);
    const double norm = sqrt(squares), factor = norm > run->from->param[0] ? run->from->param[0] / norm : 1;
    EACH_OF_FEATURE near(feature(run, &run->x, i, j, l), feature(run, &x, i, j, l) * factor, 8,
                         fabs(feature(run, &x, i, j, l)), run->from->type, "y");
}

static void compare_entry(const regularizer_run *run, ptrdiff_t i, ptrdiff_t j, double *penalty) {
    const regularizer_case *from = run->from;
    const char *name = regularizers[from->regularizer].name;
    const table first = as_first(&run->x), y_first = run->y.memory ? as_first(&run->y) : run->y;
    const double x = get(&first, i, j), size = fabs(x), *p = from->param;
    double expected, most = 20;
    if (!strcmp(name, "elastic_net")) {
        *penalty += p[0] * size + p[1] * x * x;
        if (!run->y.memory) return;
        expected = p[0] * ((x > 0) - (x < 0)) + 2 * p[1] * x + (from->add ? get(&y_first, i, j) : 0);
    } else if (!strcmp(name, "elastic_net_prox")) {
        expected = size <= p[0] ? 0 : (x - copysign(p[0], x)) / p[1];
    } else {
        const uint64_t at = (uint64_t)(i * from->c + j);
        const int forward = !strcmp(name, "dropout");
        uint32_t word[4];
        reference_words(from->seed, at / 4, 0, 0, word);
        if (forward)
            CHECK(get(&run->mask, i, j) == (word[at % 4] >= floor(p[0] * 0x1p32 + 0.5)), "mask of entry %d", (int)at);
        expected = get(&run->mask, i, j) != 0 ? (forward ? x : get(&run->dy, i, j)) / (1 - p[0]) : 0;
        most = 4 * fabs(expected);
    }
    near(get(from->in_place ? &run->x : &run->y, i, j), expected, 3, most, from->type, "y");
}

static void compare_regularizer(const regularizer_run *run) {
    const regularizer_case *from = run->from;
    const char *name = regularizers[from->regularizer].name;
    double penalty = 0;
    if (regularizers[from->regularizer].kind == ENTRIES) {
        for (ptrdiff_t i = 0; i < from->n; i++)
            for (ptrdiff_t j = 0; j < from->c; j++) compare_entry(run, i, j, &penalty);
        near(run->call.value, penalty, 10, penalty, 1, "value"); /* entries are multiples of 1/16: sums are exact */
        return;
    }
    for (ptrdiff_t j = 0; j < from->c && from->n * from->k > 0; j++) {
        if (!strcmp(name, "max_norm"))
            compare_max_norm(run, j);
        else
            compare_batch_norm(run, j, !strcmp(name, "batch_norm_grad"));
    }
}

static void choose_regularizer(regularizer_case *from, source *s) {
    static const double param[REGULARIZERS][2] = {{0.5, 0.25}, {0.5, 1.25}, {0.25},    {0.25},
                                                  {2},         {0.125, 1},  {0.125, 1}};
    const char *name = regularizers[from->regularizer].name;
    memcpy(from->param, param[from->regularizer], sizeof param[0]);
    if (take(s, 2)) from->param[1] = from->regularizer == 1 ? 1 : 0; /* no l2; no training */
    from->seed = 0x0123456789abcdefu * (1 + take(s, 100));
    from->transposed = (int)take(s, 2);
    from->in_place = !strcmp(name, "max_norm") || !strcmp(name, "elastic_net_prox");
    if (!strcmp(name, "elastic_net")) {
        from->no_y = take(s, 3) == 0;
        from->add = !from->no_y && take(s, 2);
    }
    from->backwards = (int)take(s, 2);
    from->gap = (int)take(s, 3);
    from->shift = (int)take(s, 4);
}

static void test_regularizer(regularizer_case *from, source *s) {
    regularizer_run run;
    in_case("%s f%d n=%td c=%td k=%td transposed=%d add=%d back=%d gap=%d param=%g,%g",
            regularizers[from->regularizer].name, from->type ? 64 : 32, from->n, from->c, from->k, from->transposed,
            from->add, from->backwards, from->gap, from->param[0], from->param[1]);
    prepare_regularizer(&run, from, s);
    call_regularizer(&run);
    compare_regularizer(&run);
    add_hash(2, from->type, from->regularizer, run.hash);
    free_regularizer(&run);
}

static void test_regularizers(void) {
    static const ptrdiff_t rows[] = {0, 1, 2, 7, 33}, widths[] = {0, 1, 1, 1, 5, 16, 35};
    source s = {.state = 4};
    for (int k = 0; k < REGULARIZERS; k++)
        for (int type = 0; type < 2; type++)
            for (ptrdiff_t c = 0; c < 36; c++)
                for (int n = 0; n < 5; n++)
                    for (int option = 0; option < (quick ? 1 : 4); option++) {
                        regularizer_case from = {.regularizer = k, .type = type, .n = rows[n], .k = 1};
                        from.c = c < 35 ? c : 300;
                        if (regularizers[k].kind == FEATURES) from.k = widths[take(&s, 7)];
                        choose_regularizer(&from, &s);
                        test_regularizer(&from, &s);
                    }
}

/* Norms beyond the range of squares. */
static void test_norm_range(void) {
    static const double sizes[] = {1e-310, 1e-200, 1e200, 1.5e308};
    for (int k = 0; k < 4; k++) {
        double x[2] = {sizes[k], sizes[k]};
        fl_regularizer_call call = {.n = 2,
                                    .c = 1,
                                    .k = 1,
                                    .x = x,
                                    .x_stride = 1,
                                    .x_step = 1,
                                    .y = x,
                                    .y_stride = 1,
                                    .y_step = 1,
                                    .param = {sizes[k]}};
        in_case("max_norm of %g", sizes[k]);
        fl_max_norm_f64(&call);
        near(x[1], sizes[k] / sqrt(2), 8, sizes[k], 1, "y");
    }
}

static void test_words(void) {
    static const uint32_t counters[][4] = {{0}, {0xfffffff0u, 7, 3, 0xffffffffu}, {0xffffffffu, 0xffffffffu, 1, 2}};
    static uint32_t word[4 * 70], expected[4];
    in_case("fl_random_words");
    for (ptrdiff_t blocks = 0; blocks < 70; blocks++)
        for (int k = 0; k < 3; k++) {
            const uint32_t *c = counters[k];
            memset(word, 0xA5, sizeof word);
            fl_random_words(0xfedcba9876543210u, c, blocks, word);
            for (ptrdiff_t b = 0; b < blocks; b++) {
                reference_words(0xfedcba9876543210u, (c[0] | (uint64_t)c[1] << 32) + (uint64_t)b, c[2], c[3], expected);
                CHECK(!memcmp(word + 4 * b, expected, sizeof expected), "block %td of %td", b, blocks);
            }
            CHECK(word[4 * 69] == 0xA5A5A5A5u, "written past the end");
        }
}

/* ---- threads ---- */

/* The same bits for any number of threads; a few rows, and many. */
static void test_threads(void) {
    static const int counts[] = {1, 2, 3, 5, 8};
    static const ptrdiff_t shapes[][2] = {{3, 45001}, {35000, 3}, {1700, 61}};
    source s = {.state = 5};
    for (int k = 0; k < LOSSES; k++)
        for (int shape = 0; shape < 3; shape++)
            for (int type = 0; type < 2; type++) {
                const kind kind = losses[k].kind;
                if (kind >= PAIRS && shape == 0) continue;
                loss_case from = {
                    .loss = k, .type = type, .n = shapes[shape][0], .c = kind == PAIRS ? 2 : shapes[shape][1]};
                if (quick && (shape + type + k) % 6) continue;
                loss_run run;
                uint64_t hash = 0;
                from.want = kind == ROOT ? 1 : 2;
                from.weighted = shape == 2;
                from.label_bits = 32;
                from.pred = loss_references[k].pred;
                from.target = loss_references[k].target;
                memcpy(from.param, loss_references[k].param[0], sizeof from.param);
                prepare_loss(&run, &from, &s);
                for (int i = 0; i < 5; i += 1 + quick) {
                    in_case("%s f%d of %td x %td on %d threads", losses[k].name, type ? 64 : 32, from.n, from.c,
                            counts[i]);
                    fl_set_num_threads(counts[i]);
                    CHECK(call_loss(&run) == FL_OK, "refused");
                    CHECK(i == 0 || run.hash == hash, "other bits");
                    hash = run.hash;
                }
                add_hash(0, type, k, hash);
                free_loss(&run);
            }
    for (int k = 0; k < UPDATES; k++) {
        update_case from = {.update = k, .count = 3, .n = {270001, 0, 40000}, .type = {0, 1, 1}, .step = {1, 1, 4}};
        update_run run;
        uint64_t hash = 0;
        if (quick && k % 5) continue;
        from.call = (fl_update_call){.lr = 0.125, .clip_norm = 100, .check_finite = 1};
        memcpy(from.call.param, update_references[k].param[0], sizeof from.call.param);
        prepare_update(&run, &from, &s);
        for (int i = 0; i < 5; i += 1 + quick) {
            in_case("%s on %d threads", updates[k].name, counts[i]);
            fl_set_num_threads(counts[i]);
            call_update(&run, 1);
            CHECK(i == 0 || run.hash == hash, "other bits");
            hash = run.hash;
        }
        add_hash(1, 0, k, hash);
        free_update(&run);
    }
    for (int k = 0; k < 2 * REGULARIZERS; k++) {
        const int features = regularizers[k / 2].kind == FEATURES;
        regularizer_case from = {.regularizer = k / 2, .n = k % 2 ? 45 : 700, .c = k % 2 ? 20000 : 301, .k = 1};
        regularizer_run run;
        uint64_t hash = 0;
        if (quick && k % 3) continue;
        if (features && k % 2) from.c = 200, from.k = 80;
        choose_regularizer(&from, &s);
        prepare_regularizer(&run, &from, &s);
        for (int i = 0; i < 5; i += 1 + quick) {
            in_case("%s on %d threads", regularizers[k / 2].name, counts[i]);
            fl_set_num_threads(counts[i]);
            call_regularizer(&run);
            CHECK(i == 0 || run.hash == hash, "other bits");
            hash = run.hash;
        }
        add_hash(2, 0, k / 2, hash);
        free_regularizer(&run);
    }
    fl_set_num_threads(-3);
    CHECK(fl_get_num_threads() == 1, "fewer than one thread");
}

#ifdef WRAPPED
static double pred[200000], target[200000];

/* A call large enough for eight threads; its value. */
static double work(void) {
    fl_loss_call call = {.n = 1, .c = 200000, .pred = pred, .target = target, .reduction = FL_SUM, .param = {1}};
    fl_huber_f64(&call);
    return call.value;
}

/* _exit would lose a child's counts. */
#if defined(COVERAGE) && defined(__clang__)
int __llvm_profile_write_file(void);
#define save_counts() __llvm_profile_write_file()
#elif defined(COVERAGE)
void __gcov_dump(void);
#define save_counts() __gcov_dump()
#else
#define save_counts()
#endif

static void in_new_process(int (*task)(void), const char *what) {
    int status;
    in_case("%s", what);
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0, "no process");
    if (child == 0) {
        alarm(120); /* a hang ends as a failure */
        const int result = task();
        save_counts();
        _exit(result);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0, "status %x", (unsigned)status);
}

static double expected_work;

/* In a child the pool is empty: pthread_create fails at once, then later and later. */
static int with_failing_threads(void) {
    for (int left = 0; left < 9; left++) {
        threads_left = left ? 1 : 0; /* one more at a time, the next fails */
        threads_made = 0;
        fl_set_num_threads(8);
        for (int again = 0; again < 3; again++)
            if (work() != expected_work) return 1;
        if (threads_made > 1) return 2;
    }
    return 0;
}
static int without_affinity(void) {
    affinity_fails = 1;
    return work() != expected_work;
}
static int in_child(void) {
    threads_made = 0;
    for (int again = 0; again < 3; again++)
        if (work() != expected_work) return 1;
    return threads_made == 7 || getenv("ATFORK_FAILS") ? 0 : 2;
}

static void *call_often(void *wrong) {
    for (int i = 0; i < (quick ? 20 : 200); i++) *(int *)wrong |= work() != expected_work;
    return NULL;
}

/* The threads of the program call at the same time, and one of them switches sets and limits as well. */
static void test_callers(void) {
    pthread_t thread[3];
    int wrong[3] = {0};
    in_case("calls from four threads at once");
    for (int i = 0; i < 3; i++) CHECK(!__real_pthread_create(&thread[i], NULL, call_often, &wrong[i]), "no thread");
    for (int i = 0; i < (quick ? 20 : 200); i++) {
        fl_set_num_threads(1 + i % 8);
        CHECK(fl_use_target(fl_target()), "the set in use is refused");
    }
    for (int i = 0; i < 3; i++) CHECK(!pthread_join(thread[i], NULL) && !wrong[i], "other bits");
}

static void test_system(void) {
    if (!fl_has_threads()) return;
    for (int i = 0; i < 200000; i++) pred[i] = (double)(i % 97) / 16 - 3;
    fl_set_num_threads(1);
    expected_work = work();
    fl_set_num_threads(8);
    const int forks = getenv("FORKS") ? atoi(getenv("FORKS")) : quick ? 20 : 1000;
    if (forks == 0) {
        fprintf(stderr, "LEFT OUT: forks, as FORKS=0\n");
    } else {
        in_new_process(with_failing_threads, "pthread_create fails");
        in_new_process(without_affinity, "sched_getaffinity fails");
        CHECK(work() == expected_work, "other bits");
        for (int i = 0; i < forks; i++) in_new_process(in_child, "a fork after threads were used");
    }
    test_callers();
    fl_set_num_threads(1);
}
#else
static void test_system(void) {}
#endif

/* ---- the floating-point environment ---- */

/* Everything but the flags of past operations. */
static uint64_t mode(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & ~0x3fu;
#elif defined(__aarch64__)
    uint64_t x;
    __asm__ volatile("mrs %0, fpcr" : "=r"(x));
    return x;
#else
    return (uint64_t)fegetround();
#endif
}

static void call_everything(source *s) {
    for (int type = 0; type < 2; type++) {
        for (int k = 0; k < LOSSES; k++) {
            loss_case from = {.loss = k, .type = type, .n = 5, .c = losses[k].kind == PAIRS ? 2 : 37, .label_bits = 64};
            loss_run run;
            from.want = losses[k].kind == ROOT ? 1 : 2;
            from.pred = loss_references[k].pred;
            from.target = loss_references[k].target;
            memcpy(from.param, loss_references[k].param[0], sizeof from.param);
            prepare_loss(&run, &from, s);
            CHECK(call_loss(&run) == FL_OK && isfinite(run.call.value), "%s: %g", losses[k].name, run.call.value);
            free_loss(&run);
        }
        for (int k = 0; k < UPDATES; k++) {
            update_case from = {
                .update = k, .count = 1, .n = {37}, .type = {type}, .call = {.lr = 0.5, .clip_norm = 1}};
            update_run run;
            memcpy(from.call.param, update_references[k].param[0], sizeof from.call.param);
            prepare_update(&run, &from, s);
            call_update(&run, 2);
            for (ptrdiff_t i = 0; i < 37; i++) CHECK(isfinite(get(&run.param[0], 0, i)), "%s", updates[k].name);
            free_update(&run);
        }
        for (int k = 0; k < REGULARIZERS; k++) {
            regularizer_case from = {.regularizer = k, .type = type, .n = 5, .c = 37, .k = 1};
            regularizer_run run;
            choose_regularizer(&from, s);
            prepare_regularizer(&run, &from, s);
            call_regularizer(&run);
            free_regularizer(&run);
        }
    }
}

/* Whatever rounding the caller has set is his, and stays. */
static void test_environment(void) {
    static const int directions[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    source s = {.state = 6};
    for (int k = 0; k < 4; k++) {
        in_case("rounding mode %d", k);
        if (fesetround(directions[k])) continue; /* this machine or emulator has none but the first */
        const uint64_t before = mode();
        call_everything(&s);
        CHECK(mode() == before, "mode %llx instead of %llx", (unsigned long long)mode(), (unsigned long long)before);
    }
    fesetround(FE_TONEAREST);
}

/* 2 r for the least r there is, kept where a flush to zero would take it. */
static void test_subnormals(void) {
    float z[17], y[17], g[17];
    double zd[17], yd[17], gd[17];
    in_case("subnormals");
    for (int i = 0; i < 17; i++) z[i] = 0x1p-149f, zd[i] = 0x1p-1074, y[i] = 0, yd[i] = 0;
    fl_loss_call call = {.n = 1, .c = 17, .pred = z, .target = y, .grad = g, .reduction = FL_SUM, .param = {1}};
    fl_loss_call wide = {.n = 1, .c = 17, .pred = zd, .target = yd, .grad = gd, .reduction = FL_SUM, .param = {1}};
    CHECK(fl_squared_error_f32(&call) == FL_OK && fl_squared_error_f64(&wide) == FL_OK, "refused");
    for (int i = 0; i < 17; i++) CHECK(g[i] == 0x1p-148f && gd[i] == 0x1p-1073, "%g and %g", (double)g[i], gd[i]);
}

/* ---- elementary functions ---- */

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

typedef struct function_entry {
    const char *name;
    void (*f32)(const float *x, float *y, ptrdiff_t n);
    void (*f64)(const double *x, double *y, ptrdiff_t n);
    double (*expected)(double x);
} function_entry;

static const function_entry functions[] = {
#undef FL_FUNCTION
#define FL_FUNCTION(name, cost) {#name, fl_##name##_f32, fl_##name##_f64, name},
#include "fastloss_kernels.def"
#undef FL_FUNCTION
    {"", NULL, NULL, sigmoid}};

/* Against the C library's, which is as good: 3 units for both. How exact they are tests/c/accuracy.c measures. */
static void test_functions(void) {
    source s = {.state = 7};
    for (const function_entry *f = functions; f->f32; f++)
        for (ptrdiff_t n = 0; n < 220; n += n < 35 ? 1 : 61) { /* in the end several parts, where those are small */
            float small[220];
            double wide[220], x[220];
            in_case("%s of %td", f->name, n);
            for (ptrdiff_t i = 0; i < 220; i++) {
                x[i] = take_number(&s) + (strncmp(f->name, "log", 3) ? 0 : 8.0625);
                small[i] = (float)x[i];
                wide[i] = x[i];
            }
            f->f32(small, small, n);
            f->f64(wide, wide, n);
            for (ptrdiff_t i = 0; i < n; i++) {
                const double expected = f->expected(x[i]);
                near((double)small[i], expected, 3, fabs(expected), 0, "f32");
                near(wide[i], expected, 4, fabs(expected), 1, "f64");
            }
            CHECK((double)small[n] == x[n] && wide[n] == x[n], "written past the end");
        }
}

/* ---- linear models ---- */

static void test_linear_models(void) {
    for (int type = 0; type < 2; type++) {
        linear_hashes[0][type] = test_linear(type, 0, quick);
        linear_hashes[1][type] = test_linear(type, 32, quick);
        CHECK(test_linear(type, 64, quick) == linear_hashes[1][type], "other bits with indices of 64 bits");
    }
}

/* ---- versions ---- */

/* Before 1.0 a minor version is as good as a major one. */
static void test_versions(void) {
    const int version = fl_version(), minor = version / 100 * 100;
    in_case("versions");
    CHECK(version == FASTLOSS_VERSION_MAJOR * 10000 + FASTLOSS_VERSION_MINOR * 100 + FASTLOSS_VERSION_PATCH, "%d",
          version);
    CHECK(fl_compatible(version) && fl_compatible(minor), "its own header does not fit");
    CHECK(!fl_compatible(minor + 100) && !fl_compatible(version + 10000), "a later header fits");
}

/* ---- kernel sets ---- */

static void test_everything(void) {
    memset(hashes, 0, sizeof hashes);
    test_losses();
    test_softmax();
    test_tiny_weights();
    test_long_rows();
    test_weight_overflow();
    test_root_range();
    test_parameters();
    test_updates();
    test_norms();
    test_regularizers();
    test_norm_range();
    test_words();
    test_threads();
    test_system();
    test_environment();
    test_subnormals();
    test_functions();
    test_linear_models();
    test_plain_calls();
    test_versions();
}

static void print_hashes(void) {
    for (int type = 0; type < 2; type++) {
        const int bits = type ? 64 : 32;
        for (int k = 0; k < LOSSES; k++)
            printf("%s loss %s f%d %016llx\n", fl_target(), losses[k].name, bits,
                   (unsigned long long)hashes[0][type][k]);
        for (int k = 0; k < UPDATES; k++)
            printf("%s update %s f%d %016llx\n", fl_target(), updates[k].name, bits,
                   (unsigned long long)hashes[1][type][k]);
        for (int k = 0; k < REGULARIZERS; k++)
            printf("%s regularizer %s f%d %016llx\n", fl_target(), regularizers[k].name, bits,
                   (unsigned long long)hashes[2][type][k]);
        for (int sparse = 0; sparse < 2; sparse++)
            printf("%s linear %s f%d %016llx\n", fl_target(), sparse ? "sparse" : "dense", bits,
                   (unsigned long long)linear_hashes[sparse][type]);
    }
    fflush(stdout);
}

int main(int count, char **argument) {
    const char *wanted = getenv("FASTLOSS_TARGET");
    quick = count > 1 && strcmp(argument[1], "quick") == 0;
    in_case("dispatch");
    CHECK(!fl_use_target("no such set"), "a set that is not there");
    CHECK(fl_cpu_has_avx512() <= fl_cpu_has_avx2(), "AVX-512 without AVX2");
    CHECK(!wanted || !fl_use_target(wanted) || !strcmp(fl_target(), wanted), "FASTLOSS_TARGET=%s is ignored", wanted);
    fprintf(stderr, "built by %s; this machine runs", fl_compiler());
    for (int i = 0; fl_target_name(i); i++) fprintf(stderr, " %s", fl_target_name(i));
    fprintf(stderr, "; chosen: %s\n", fl_target());
    for (int i = 0; fl_target_name(i); i++) {
        if (wanted && strcmp(wanted, fl_target_name(i)) != 0) continue;
        CHECK(fl_use_target(fl_target_name(i)), "%s is refused", fl_target_name(i));
        test_everything();
        print_hashes();
    }
    return 0;
}
