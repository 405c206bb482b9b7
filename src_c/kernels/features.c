/* The regularizers that need sums per feature: the max-norm constraint and batch normalization. Sums are in double, and
 * one part holds all entries of its features.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A strip is what one pass walks over: either up to STRIP_LANES neighbouring columns of a table, a lane each,
 *
 *     x[0][j] x[0][j+1] ...  x[0][j+STRIP_LANES-1]
 *     x[1][j] x[1][j+1] ...  x[1][j+STRIP_LANES-1]
 *
 * or a single feature, whose k entries per row are spread over V_GROUP lanes; their sums are then added together. Half
 * a kilobyte of each row at a time keeps the memory streaming, and the lanes' sums in the first cache. */
#include <float.h>

#include "elementwise.h"

#define STRIP_GROUPS 8
#define STRIP_LANES (STRIP_GROUPS * V_GROUP)
#define STRIP_SUMS (STRIP_LANES / V_LANES)

typedef struct strip {
    const fl_regularizer_call *call;
    ptrdiff_t feature, width; /* the first feature, and entries per row */
    int features, shared;     /* lanes that are features of their own; shared: all lanes are one feature */
    real a[STRIP_LANES], b[STRIP_LANES], c[STRIP_LANES], d[STRIP_LANES], e[STRIP_LANES]; /* parameters of the lanes */
} strip;

/* What a pass does with the register at x (and dy, y), whose first lane is `lane`; entries past `count` are not there.
 * sums[0] is this register's first sum, sums[STRIP_SUMS] its second. */
typedef void (*strip_step)(const strip *s, const real *x, const real *dy, real *y, int lane, ptrdiff_t count,
                           vacc *sums);

/* The sums from place i on; a walk that only writes has none. */
FL_INLINE vacc *sums_at(vacc *sums, ptrdiff_t i) { return sums ? sums + i : NULL; }

/* A row of a table: every lane has sums of its own, in memory. */
FL_INLINE void table_row(const strip *s, strip_step step, const real *x, const real *dy, real *y, vacc *sums) {
    const ptrdiff_t whole = s->width - s->width % V_LANES;
    FL_NO_UNROLL
    for (ptrdiff_t i = 0; i < whole; i += V_LANES)
        step(s, x + i, dy + i, y + i, (int)i, V_LANES, sums_at(sums, i / V_LANES));
    if (whole < s->width)
        step(s, x + whole, dy + whole, y + whole, (int)whole, s->width - whole, sums_at(sums, whole / V_LANES));
}

/* A row of one feature, group by group: the sums stay in registers. */
FL_INLINE void shared_row(const strip *s, strip_step step, const real *x, const real *dy, real *y, vacc *sums) {
    const ptrdiff_t whole = s->width - s->width % V_GROUP;
    FL_NO_UNROLL
    for (ptrdiff_t i = 0; i < whole; i += V_GROUP) {
        FL_UNROLL
        for (int j = 0; j < V_GROUP; j += V_LANES)
            step(s, x + i + j, dy + i + j, y + i + j, j, V_LANES, sums_at(sums, j / V_LANES));
    }
    FL_UNROLL
    for (int j = 0; j < V_GROUP; j += V_LANES) {
        const ptrdiff_t i = whole + j;
        if (i < s->width) step(s, x + i, dy + i, y + i, j, s->width - i, sums_at(sums, j / V_LANES));
    }
}

FL_INLINE void strip_walk(const strip *s, strip_step step, vacc *sums) {
    const fl_regularizer_call *call = s->call;
    for (ptrdiff_t r = 0; r < call->n; r++) {
        const real *x = (const real *)call->x + r * call->x_stride + s->feature * call->x_step;
        const real *dy = call->dy ? (const real *)call->dy + r * call->dy_stride + s->feature * call->dy_step : x;
        real *y = (real *)call->y + r * call->y_stride + s->feature * call->y_step;
        if (s->shared)
            shared_row(s, step, x, dy, y, sums);
        else
            table_row(s, step, x, dy, y, sums);
    }
}

/* Walks once and gives the sums of each feature, one or two (in shared strips the first lane's). */
FL_INLINE void strip_sums(const strip *s, strip_step step, int count, double total[][STRIP_LANES]) {
    vacc sums[2 * STRIP_SUMS];
    const int used = s->shared ? V_UNROLL : (s->features + V_LANES - 1) / V_LANES;
    for (int i = 0; i < count; i++)
        for (int u = 0; u < used; u++) sums[i * STRIP_SUMS + u] = v_acc_zero();
    strip_walk(s, step, sums);
    for (int i = 0; i < count; i++) {
        if (s->shared) total[i][0] = v_acc_total(sums + i * STRIP_SUMS);
        for (int u = 0; !s->shared && u < used; u++) v_acc_store(total[i] + u * V_LANES, sums[i * STRIP_SUMS + u]);
    }
}

/* Fills the lanes that are no features of their own: shared ones, or the last register's. */
FL_OUTLINE void spread(const strip *s, real *parameter) {
    const int end = s->shared ? V_GROUP : (s->features + V_LANES - 1) / V_LANES * V_LANES;
    for (int j = s->features; j < end; j++) parameter[j] = parameter[0];
}

FL_INLINE vreal at_lane(const real *parameter, int lane) { return v_load(parameter + lane); }

/* Calls `body` for every strip of a part. */
FL_INLINE double strips(void (*body)(strip *s), const fl_regularizer_call *call, fl_part part) {
    const int table = fl_is_table(call);
    strip s;
    s.call = call;
    s.shared = !table;
    for (s.feature = part.column; s.feature < part.column_end; s.feature += s.features) {
        const ptrdiff_t left = part.column_end - s.feature;
        s.features = !table ? 1 : left < STRIP_LANES ? (int)left : STRIP_LANES;
        s.width = table ? s.features : call->k;
        body(&s);
    }
    return 0;
}

/* ---- max norm ---- */

/* (s x)^2, a = s. */
FL_INLINE void add_square(const strip *s, const real *x, const real *dy, real *y, int lane,
                          ptrdiff_t count, vacc *sums) {
    (void)dy, (void)y;
    const vreal scaled = load_part(x, count) * at_lane(s->a, lane);
    sums[0] = v_acc_add_product(sums[0], scaled, scaled);
}
/* x a b c: two powers of two, exact, and the rest. */
FL_INLINE void shrink(const strip *s, const real *x, const real *dy, real *y, int lane,
                      ptrdiff_t count, vacc *sums) {
    (void)dy, (void)sums;
    store_part(y, load_part(x, count) * at_lane(s->a, lane) * at_lane(s->b, lane) * at_lane(s->c, lane), count);
}

/* The sums of squares, of doubles with a power of two where they overflow or underflow. Squares of floats do neither in
 * double. shift: that power's exponent, per lane. */
FL_INLINE void safe_squares(strip *s, double total[][STRIP_LANES], int *shift) {
    for (int j = 0; j < s->features; j++) s->a[j] = 1, shift[j] = 0;
    spread(s, s->a);
    strip_sums(s, add_square, 1, total);
#if FL_REAL == 64
    int again = 0;
    for (int j = 0; j < s->features; j++) {
        if (total[0][j] > DBL_MAX) shift[j] = -560; /* 2^96 squares of 2^464 fit */
        if (total[0][j] < 0x1p-900) shift[j] = 600; /* the least double becomes 2^-474 */
        again |= shift[j] != 0;
    }
    if (!again) return;
    for (int j = 0; j < s->features; j++) s->a[j] = ldexp(1, shift[j]);
    spread(s, s->a);
    strip_sums(s, add_square, 1, total);
#endif
}

/* Scales a feature with |x| > limit to limit. The factor limit / |x| is kept as mantissa and exponent, for in the float
 * type it may underflow where the products do not. NaN compares false: such a feature stays as it is. */
FL_INLINE void max_norm_strip(strip *s) {
    double total[1][STRIP_LANES];
    int shift[STRIP_LANES], any = 0, limit_exponent;
    const double limit = frexp(s->call->param[0], &limit_exponent);
    safe_squares(s, total, shift);
    for (int j = 0; j < s->features; j++) {
        int exponent = 0;
        const double root = sqrt(total[0][j]), mantissa = isfinite(root) ? frexp(root, &exponent) : root;
        const double ratio = root == 0 ? 1 : limit / mantissa; /* limit / |x| = ratio * 2^power */
        const int power = root == 0 ? 0 : limit_exponent - exponent + shift[j];
        const int above = ldexp(ratio, power) < 1;
        s->a[j] = above ? (real)ldexp(1, power / 2) : 1;
        s->b[j] = above ? (real)ldexp(1, power - power / 2) : 1;
        s->c[j] = above ? (real)ratio : 1;
        any |= above;
    }
    if (!any) return;
    spread(s, s->a);
    spread(s, s->b);
    spread(s, s->c);
    strip_walk(s, shrink, NULL);
}
double FN(max_norm)(const fl_regularizer_call *call, fl_part part) { return strips(max_norm_strip, call, part); }

/* ---- batch normalization ---- */

/* Centred entries x - mean, where a + b is the mean: of a float the second part takes what the first rounds off. */
FL_INLINE vreal centred(const strip *s, const real *x, int lane, ptrdiff_t count) {
    return (load_part(x, count) - at_lane(s->a, lane)) - at_lane(s->b, lane);
}
FL_INLINE void add_entry(const strip *s, const real *x, const real *dy, real *y, int lane,
                         ptrdiff_t count, vacc *sums) {
    (void)s, (void)dy, (void)y, (void)lane;
    sums[0] = v_acc_add(sums[0], load_part(x, count));
}
FL_INLINE void add_deviation(const strip *s, const real *x, const real *dy, real *y, int lane,
                             ptrdiff_t count, vacc *sums) {
    (void)dy, (void)y;
    const vreal d = v_only(v_first(count), centred(s, x, lane, count));
    sums[0] = v_acc_add_product(sums[0], d, d);
}
/* c = gamma / sqrt(variance + eps), d = beta. */
FL_INLINE void normalize(const strip *s, const real *x, const real *dy, real *y, int lane,
                         ptrdiff_t count, vacc *sums) {
    (void)dy, (void)sums;
    store_part(y, centred(s, x, lane, count) * at_lane(s->c, lane) + at_lane(s->d, lane), count);
}

FL_INLINE void set_mean(strip *s, int j, double mean) {
    s->a[j] = (real)mean;
    s->b[j] = isfinite(mean) ? (real)(mean - (double)s->a[j]) : 0;
}

/* y = (x - mean) / sqrt(variance + eps) * gamma + beta. Two passes for the moments: mean, then mean square of the
 * deviations. Ioffe & Szegedy 2015. */
FL_INLINE void batch_norm_strip(strip *s) {
    const fl_regularizer_call *call = s->call;
    const double m = (double)call->n * (double)call->k;
    double *mean = call->mean + s->feature, *variance = call->variance + s->feature;
    double total[1][STRIP_LANES];
    const int training = call->param[1] != 0;
    if (training) strip_sums(s, add_entry, 1, total);
    for (int j = 0; j < s->features; j++) {
        if (training) mean[j] = total[0][j] / m;
        set_mean(s, j, mean[j]);
    }
    spread(s, s->a);
    spread(s, s->b);
    if (training) strip_sums(s, add_deviation, 1, total);
    for (int j = 0; j < s->features; j++) {
        if (training) variance[j] = total[0][j] / m;
        s->c[j] = (real)(call->gamma[s->feature + j] / sqrt(variance[j] + call->param[0]));
        s->d[j] = (real)call->beta[s->feature + j];
    }
    spread(s, s->c);
    spread(s, s->d);
    strip_walk(s, normalize, NULL);
}
double FN(batch_norm)(const fl_regularizer_call *call, fl_part part) { return strips(batch_norm_strip, call, part); }

/* dy, and dy (x - mean). Past `count` dy is 0. */
FL_INLINE void add_gradients(const strip *s, const real *x, const real *dy, real *y, int lane,
                             ptrdiff_t count, vacc *sums) {
    (void)y;
    const vreal g = load_part(dy, count);
    sums[0] = v_acc_add(sums[0], g);
    sums[STRIP_SUMS] = v_acc_add_product(sums[STRIP_SUMS], g, centred(s, x, lane, count));
}
/* c = gamma / sqrt(variance + eps), d = mean of dy, e = mean of dy (x - mean), divided by variance + eps. */
FL_INLINE void normalize_grad(const strip *s, const real *x, const real *dy, real *y, int lane,
                              ptrdiff_t count, vacc *sums) {
    (void)sums;
    const vreal g = load_part(dy, count) - at_lane(s->d, lane);
    store_part(y, (g - centred(s, x, lane, count) * at_lane(s->e, lane)) * at_lane(s->c, lane), count);
}

/* With h = (x - mean) / sigma, sigma = sqrt(variance + eps): dbeta = sum dy, dgamma = sum dy h, and in training, where
 * the moments depend on x, dx = gamma / sigma (dy - mean dy - h mean(dy h)); else gamma / sigma dy. */
FL_INLINE void batch_norm_grad_strip(strip *s) {
    const fl_regularizer_call *call = s->call;
    const double m = (double)call->n * (double)call->k;
    const int training = call->param[1] != 0;
    double total[2][STRIP_LANES];
    for (int j = 0; j < s->features; j++) set_mean(s, j, call->mean[s->feature + j]);
    spread(s, s->a);
    spread(s, s->b);
    strip_sums(s, add_gradients, 2, total);
    for (int j = 0; j < s->features; j++) {
        const double variance = call->variance[s->feature + j] + call->param[0], sigma = sqrt(variance);
        call->dbeta[s->feature + j] = total[0][j];
        call->dgamma[s->feature + j] = total[1][j] / sigma;
        s->c[j] = (real)(call->gamma[s->feature + j] / sigma);
        s->d[j] = training ? (real)(total[0][j] / m) : 0;
        s->e[j] = training ? (real)(total[1][j] / m / variance) : 0;
    }
    spread(s, s->c);
    spread(s, s->d);
    spread(s, s->e);
    strip_walk(s, normalize_grad, NULL);
}
double FN(batch_norm_grad)(const fl_regularizer_call *call, fl_part part) {
    return strips(batch_norm_grad_strip, call, part);
}
