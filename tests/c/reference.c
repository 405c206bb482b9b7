/* Expected results in double, by the plain formulas and obvious loops; none of src_c's code. How they are compared with
 * what the core computes stands in core.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#include <math.h>

/* ---- losses of one entry ---- */

/* Results that are one product or difference each. */
static point plain(double loss, double grad, double hess) {
    return (point){loss, grad, hess, fabs(loss), fabs(grad), fabs(hess)};
}
static double sign_of(double x) { return (x > 0) - (x < 0); }
static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double log_or_0(double factor, double x) { return factor == 0 ? 0 : factor * log(x); }

static point squared_error(double z, double y, const double *p) {
    const double r = z - y;
    return plain(p[0] * r * r, 2 * p[0] * r, 2 * p[0]);
}
static point absolute_error(double z, double y, const double *p) {
    (void)p;
    return plain(fabs(z - y), sign_of(z - y), 0);
}
static point huber(double z, double y, const double *p) {
    const double r = z - y, size = fabs(r), d = p[0];
    const point inside = plain(r * r / 2, r, 1);
    if (size <= d) return inside;
    return (point){d * (size - d / 2), d * sign_of(r), 0, d * (size + d), d, 0};
}
static point log_cosh(double z, double y, const double *p) {
    const double r = z - y;
    (void)p;
    return (point){log(cosh(r)), tanh(r), 1 / (cosh(r) * cosh(r)), 1 + fabs(r), fabs(tanh(r)), 1 / (cosh(r) * cosh(r))};
}
static point pinball(double z, double y, const double *p) {
    const double r = z - y, q = p[0];
    return plain(r > 0 ? (1 - q) * r : -q * r, r > 0 ? 1 - q : r < 0 ? -q : 0, 0);
}
static point epsilon_insensitive(double z, double y, const double *p) {
    const double r = z - y, excess = fabs(r) - p[0];
    return excess > 0 ? plain(excess, sign_of(r), 0) : plain(0, 0, 0);
}
static point epsilon_insensitive_squared(double z, double y, const double *p) {
    const double r = z - y, excess = fabs(r) - p[0];
    return excess > 0 ? plain(excess * excess, 2 * excess * sign_of(r), 2) : plain(0, 0, 0);
}
#define LOG_2PI 1.8378770664093454836
static double gaussian_constant(double full) { return full != 0 ? LOG_2PI / 2 : 0; }
static point gaussian_nll(double z, double y, const double *p) {
    const double r = z - y, v = p[0];
    return (point){r * r / (2 * v) + log(v) / 2 + gaussian_constant(p[1]),
                   r / v,
                   1 / v,
                   r * r / (2 * v) + fabs(log(v)) / 2 + 1,
                   fabs(r) / v,
                   1 / v};
}
static point poisson_nll(double z, double y, const double *p) {
    const double constant = p[0] != 0 ? lgamma(y + 1) : 0, rate = exp(z);
    return (point){rate - y * z + constant, rate - y, rate, rate + fabs(y * z) + constant, rate + y, rate};
}
static point poisson_nll_rate(double mu, double y, const double *p) {
    const double constant = p[0] != 0 ? lgamma(y + 1) : 0, term = log_or_0(y, mu);
    return (point){mu - term + constant,       (mu - y) / mu, y / mu / mu,
                   mu + fabs(term) + constant, (mu + y) / mu, y / mu / mu};
}
static double gamma_constant(double y, const double *p) {
    return p[1] != 0 ? lgamma(p[0]) - p[0] * log(p[0]) - log_or_0(p[0] - 1, y) : 0;
}
static double gamma_size(double y, const double *p) {
    return p[1] != 0 ? fabs(lgamma(p[0])) + fabs(p[0] * log(p[0])) + fabs(log_or_0(p[0] - 1, y)) : 0;
}
static point gamma_nll(double z, double y, const double *p) {
    const double k = p[0], ratio = y * exp(-z);
    return (point){k * (z + ratio) + gamma_constant(y, p),   k * (1 - ratio), k * ratio,
                   k * (fabs(z) + ratio) + gamma_size(y, p), k * (1 + ratio), k * ratio};
}
static point gamma_nll_mean(double mu, double y, const double *p) {
    const double k = p[0];
    return (point){
        k * (log(mu) + y / mu) + gamma_constant(y, p),   k * (mu - y) / mu / mu, k * (2 * y - mu) / mu / mu / mu,
        k * (fabs(log(mu)) + y / mu) + gamma_size(y, p), k * (mu + y) / mu / mu, k * (2 * y + mu) / mu / mu / mu};
}
static point tweedie_nll(double z, double y, const double *p) {
    const double a = 2 - p[0], b = 1 - p[0], first = exp(a * z), second = y * exp(b * z);
    const double steep = 1 + fabs(z); /* a z is rounded before exp */
    return (point){first / a - second / b,   first - second,
                   a * first - b * second,   steep * (first / fabs(a) + second / fabs(b)),
                   steep * (first + second), steep * (fabs(a) * first + fabs(b) * second)};
}
/* p: weight of class 1, smoothing. */
static point binary_cross_entropy(double z, double y, const double *p) {
    const double smooth = y * (1 - p[1]) + p[1] / 2, on = p[0] * smooth, off = 1 - smooth, s = sigmoid(z),
                 u = sigmoid(-z);
    return (point){on * softplus(-z) + off * softplus(z), off * s - on * u, (on + off) * s * u,
                   on * softplus(-z) + off * softplus(z), off * s + on * u, (on + off) * s * u};
}
static point binary_cross_entropy_probabilities(double f, double y, const double *p) {
    const double smooth = y * (1 - p[1]) + p[1] / 2, on = p[0] * smooth, off = 1 - smooth;
    const double loss = -log_or_0(on, f) - log_or_0(off, 1 - f);
    return (point){loss, off / (1 - f) - on / f, on / f / f + off / (1 - f) / (1 - f),
                   loss, off / (1 - f) + on / f, on / f / f + off / (1 - f) / (1 - f)};
}
static point hinge(double z, double y, const double *p) {
    const double s = y > 0 ? 1 : -1, t = p[0] - s * z;
    return t > 0 ? plain(t, -s, 0) : plain(0, 0, 0);
}
static point hinge_squared(double z, double y, const double *p) {
    const double s = y > 0 ? 1 : -1, t = p[0] - s * z;
    return t > 0 ? plain(t * t, -2 * s * t, 2) : plain(0, 0, 0);
}
/* With q the probability of the wrong class: a q^gamma (-log(1 - q)), by the chain rule. */
static point focal(double z, double y, const double *p) {
    const double s = y > 0 ? 1 : -1, a = y > 0 ? p[1] : p[2], gamma = p[0];
    const double q = sigmoid(-s * z), right = sigmoid(s * z), L = softplus(-s * z), F = a * pow(q, gamma);
    const double slope = gamma * right * L + q, bend = right * (gamma * slope - q * (gamma * L - gamma - 1));
    const double bend_size = right * (gamma * slope + q * (gamma * L + gamma + 1));
    const double power = 1 + gamma; /* relative errors of q grow by gamma */
    return (point){F * L, -s * F * slope, F * bend, power * F * L, power * F * slope, power * F * bend_size};
}

/* ---- losses of a row ---- */

static void gaussian_nll_learned(const double *z, const double *t, ptrdiff_t label, ptrdiff_t c, const double *p,
                                 point *out) {
    const double r = z[0] - t[0], precision = exp(-z[1]), square = r * r * precision;
    (void)label, (void)c;
    out[0] = (point){square / 2 + z[1] / 2 + gaussian_constant(p[0]),
                     r * precision,
                     precision,
                     square / 2 + fabs(z[1]) / 2 + 1,
                     fabs(r) * precision,
                     precision};
    out[1] = (point){0, (1 - square) / 2, square / 2, 0, (1 + square) / 2, square / 2};
}

/* sum over k of t_k (log sum exp z - z_k). */
static void softmax(const double *z, const double *t, ptrdiff_t label, ptrdiff_t c, const double *p, point *out) {
    double top = -INFINITY, sum = 0, total = 0, loss = 0, size = 0;
    (void)label, (void)p;
    for (ptrdiff_t k = 0; k < c; k++) top = fmax(top, z[k]), total += t[k];
    for (ptrdiff_t k = 0; k < c; k++) sum += exp(z[k] - top);
    for (ptrdiff_t k = 0; k < c; k++) {
        loss += t[k] * (top - z[k] + log(sum));
        size += t[k] * (fabs(top) + fabs(z[k]) + log(sum));
    }
    for (ptrdiff_t k = 0; k < c; k++) {
        const double share = exp(z[k] - top) / sum, rest = 1 - share;
        out[k] = (point){loss, total * share - t[k], total * share * rest, size, total * share + t[k], total * share};
    }
}

static void multiclass(const double *z, ptrdiff_t label, ptrdiff_t c, double margin, int squared, point *out) {
    double loss = 0, slopes = 0, active = 0;
    for (ptrdiff_t k = 0; k < c; k++) {
        const double t = z[k] - z[label] + margin, on = k != label && t > 0;
        const double slope = squared ? 2 * t * on : on, bend = squared ? 2 * on : 0;
        loss += on * (squared ? t * t : t);
        slopes += slope;
        active += bend;
        out[k] = plain(0, slope, bend);
    }
    out[label] = plain(0, -slopes, active);
    out[0].loss = out[0].loss_size = loss;
}
static void multiclass_hinge(const double *z, const double *t, ptrdiff_t label, ptrdiff_t c, const double *p,
                             point *out) {
    (void)t;
    multiclass(z, label, c, p[0], 0, out);
}
static void multiclass_hinge_squared(const double *z, const double *t, ptrdiff_t label, ptrdiff_t c, const double *p,
                                     point *out) {
    (void)t;
    multiclass(z, label, c, p[0], 1, out);
}
static void crammer_singer_hinge(const double *z, const double *t, ptrdiff_t label, ptrdiff_t c, const double *p,
                                 point *out) {
    ptrdiff_t worst = -1;
    (void)t;
    for (ptrdiff_t k = 0; k < c; k++) {
        out[k] = plain(0, 0, 0);
        if (k != label && (worst < 0 || z[k] > z[worst])) worst = k;
    }
    const double excess = worst < 0 ? 0 : p[0] + z[worst] - z[label];
    if (!(excess > 0)) return;
    out[worst] = plain(0, 1, 0);
    out[label] = plain(0, -1, 0);
    out[0].loss = out[0].loss_size = excess;
}

enum { /* places in the tables below */
#define FL_LOSS(name, kind, cost) LOSS_##name,
#include "fastloss_kernels.def"
#define FL_UPDATE(name, states) UPDATE_##name,
#include "fastloss_kernels.def"
       UPDATE_FIRST = UPDATE_sgd
};

#define POINT(name, pred, target, ...) [LOSS_##name] = {pred, target, name, NULL, 0, {__VA_ARGS__}}
#define ROW(name, function, inside, ...) [LOSS_##name] = {ANY, SHARES, NULL, function, inside, {__VA_ARGS__}}
const loss_reference loss_references[LOSSES] = {
    POINT(squared_error, ANY, ANY, {1}, {0.5}),
    [LOSS_root_mean_squared_error] = {ANY, ANY, squared_error, NULL, 0, {{1}}},
    POINT(absolute_error, ANY, ANY, {0}),
    POINT(huber, ANY, ANY, {1}, {0.75}),
    POINT(log_cosh, ANY, ANY, {0}),
    POINT(pinball, ANY, ANY, {0.5}, {0.875}),
    POINT(epsilon_insensitive, ANY, ANY, {0.25}, {0}),
    POINT(epsilon_insensitive_squared, ANY, ANY, {0.25}, {0}),
    POINT(gaussian_nll, ANY, ANY, {1, 0}, {0.5, 1}),
    [LOSS_gaussian_nll_learned] = {ANY, ANY, NULL, gaussian_nll_learned, 0, {{0}, {1}}},
    POINT(poisson_nll, ANY, COUNTS, {0}, {1}),
    POINT(poisson_nll_rate, POSITIVE, COUNTS, {0}, {1}),
    POINT(gamma_nll, ANY, POSITIVE, {1, 0}, {2.5, 1}),
    POINT(gamma_nll_mean, POSITIVE, POSITIVE, {1, 0}, {2.5, 1}),
    POINT(tweedie_nll, ANY, COUNTS, {1.5}, {2.5}),
    POINT(binary_cross_entropy, ANY, BINARY, {1, 0}, {2, 0.25}),
    POINT(binary_cross_entropy_probabilities, UNIT, BINARY, {1, 0}, {2, 0.25}),
    POINT(hinge, ANY, BINARY, {1}, {0.5}),
    POINT(hinge_squared, ANY, BINARY, {1}, {0.5}),
    POINT(focal, ANY, BINARY, {2, 1, 1}, {0.5, 0.25, 0.75}, {1.25, 0.5, 0.5}),
    ROW(softmax_cross_entropy, softmax, 0, {0}),
    ROW(softmax_cross_entropy_smooth, softmax, 1, {0.25}),
    ROW(softmax_cross_entropy_probabilities, softmax, 1, {0}, {0.25}),
    ROW(multiclass_hinge, multiclass_hinge, 0, {1}, {0.5}),
    ROW(multiclass_hinge_squared, multiclass_hinge_squared, 0, {1}, {0.5}),
    ROW(crammer_singer_hinge, crammer_singer_hinge, 0, {1}, {0.5}),
};

/* ---- optimizers ---- */

#define STEP(name) \
    static void name(double *w, double g, double *s, double lr, double decay, double t, const double *p, \
                     double *product)
#define UNUSED (void)w, (void)g, (void)s, (void)lr, (void)decay, (void)t, (void)p, (void)product

STEP(sgd) {
    UNUSED;
    *w -= lr * g;
}
STEP(sgd_momentum) {
    UNUSED;
    s[0] = p[0] * s[0] + (t == 1 ? 1 : 1 - p[1]) * g;
    *w -= lr * (p[2] != 0 ? g + p[0] * s[0] : s[0]);
}
STEP(adagrad) {
    UNUSED;
    s[0] += g * g;
    *w -= lr / (1 + (t - 1) * p[0]) * g / (p[2] != 0 ? sqrt(s[0] + p[1]) : sqrt(s[0]) + p[1]);
}
STEP(adadelta) {
    UNUSED;
    s[0] = p[0] * s[0] + (1 - p[0]) * g * g;
    const double d = sqrt(s[1] + p[1]) / sqrt(s[0] + p[1]) * g;
    s[1] = p[0] * s[1] + (1 - p[0]) * d * d;
    *w -= lr * d;
}
static void rms(double *w, double g, double *s, double lr, const double *p, int centered, int momentum) {
    s[0] = p[0] * s[0] + (1 - p[0]) * g * g;
    double spread = s[0];
    if (centered) {
        s[1] = p[0] * s[1] + (1 - p[0]) * g;
        spread = fmax(0, spread - s[1] * s[1]);
    }
    const double size = p[3] != 0 ? sqrt(spread + p[1]) : sqrt(spread) + p[1];
    if (!momentum) {
        *w -= lr * g / size;
        return;
    }
    s[1 + centered] = p[2] * s[1 + centered] + g / size;
    *w -= lr * s[1 + centered];
}
STEP(rmsprop) {
    UNUSED;
    rms(w, g, s, lr, p, 0, 0);
}
STEP(rmsprop_momentum) {
    UNUSED;
    rms(w, g, s, lr, p, 0, 1);
}
STEP(rmsprop_centered) {
    UNUSED;
    rms(w, g, s, lr, p, 1, 0);
}
STEP(rmsprop_centered_momentum) {
    UNUSED;
    rms(w, g, s, lr, p, 1, 1);
}
static void moments(double g, double *s, const double *p) {
    s[0] = p[0] * s[0] + (1 - p[0]) * g;
    s[1] = p[1] * s[1] + (1 - p[1]) * g * g;
}
static void adam_from(double *w, double *s, double v, double lr, double decay, double t, const double *p) {
    const double m_factor = p[3] != 0 ? 1 - pow(p[0], t) : 1, v_factor = p[3] != 0 ? 1 - pow(p[1], t) : 1;
    if (p[4] != 0) *w *= 1 - lr * decay;
    *w -= lr * (s[0] / m_factor) / (sqrt(v / v_factor) + p[2]);
}
STEP(adam) {
    UNUSED;
    moments(g, s, p);
    adam_from(w, s, s[1], lr, decay, t, p);
}
STEP(adam_amsgrad) {
    UNUSED;
    moments(g, s, p);
    s[2] = fmax(s[2], s[1]);
    adam_from(w, s, s[2], lr, decay, t, p);
}
STEP(radam) {
    UNUSED;
    moments(g, s, p);
    const double power = pow(p[1], t), most = 2 / (1 - p[1]) - 1, rho = most - 2 * t * power / (1 - power);
    double move = s[0] / (1 - pow(p[0], t));
    if (rho > 5)
        move *= sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) * sqrt(1 - power) /
                (sqrt(s[1]) + p[2]);
    *w -= lr * move;
}
STEP(nadam) {
    UNUSED;
    moments(g, s, p);
    const double mu = p[0] * (1 - 0.5 * pow(0.96, t * p[3])), next = p[0] * (1 - 0.5 * pow(0.96, (t + 1) * p[3]));
    *product *= mu;
    const double size = sqrt(s[1] / (1 - pow(p[1], t))) + p[2];
    *w -= lr * (1 - mu) / (1 - *product) * g / size + lr * next / (1 - *product * next) * s[0] / size;
}
STEP(adamax) {
    UNUSED;
    s[0] = p[0] * s[0] + (1 - p[0]) * g;
    s[1] = fmax(p[1] * s[1], fabs(g) + p[2]);
    *w -= lr / (1 - pow(p[0], t)) * s[0] / s[1];
}
STEP(lion) {
    UNUSED;
    *w *= 1 - lr * decay;
    *w -= lr * sign_of(p[0] * s[0] + (1 - p[0]) * g);
    s[0] = p[1] * s[0] + (1 - p[1]) * g;
}

/* Numbers of few bits, whose powers are exact: pow is the C library's, and not the same everywhere. */
#define TINY 0x1p-10 /* eps: large enough that errors where a root is near 0 stay small */
#define STEPS(name, ...) [UPDATE_##name - UPDATE_FIRST] = {name, {__VA_ARGS__}}
const update_reference update_references[UPDATES] = {
    STEPS(sgd, {0}, {0}),
    STEPS(sgd_momentum, {0.5, 0.25, 0}, {0.75, 0, 1}),
    STEPS(adagrad, {0, TINY, 0}, {0.25, TINY, 1}),
    STEPS(adadelta, {0.75, TINY}, {0.25, TINY}),
    STEPS(rmsprop, {0.75, TINY, 0, 0}, {0.25, TINY, 0, 1}),
    STEPS(rmsprop_momentum, {0.75, TINY, 0.5, 0}, {0.25, TINY, 0.5, 1}),
    STEPS(rmsprop_centered, {0.75, TINY, 0, 0}, {0.25, TINY, 0, 1}),
    STEPS(rmsprop_centered_momentum, {0.75, TINY, 0.5, 0}, {0.25, TINY, 0.5, 1}),
    STEPS(adam, {0.5, 0.75, TINY, 1, 0}, {0.25, 0.5, TINY, 0, 1}),
    STEPS(adam_amsgrad, {0.5, 0.75, TINY, 1, 1}, {0.25, 0.5, TINY, 0, 0}),
    STEPS(radam, {0.5, 0.75, TINY}, {0.5, 0.9375, TINY}),
    STEPS(nadam, {0.5, 0.75, TINY, 0.25}, {0.25, 0.5, TINY, 0}),
    STEPS(adamax, {0.5, 0.75, TINY}, {0.25, 0.5, TINY}),
    STEPS(lion, {0.5, 0.75}, {0.25, 0.5}),
};

/* ---- random numbers ---- */

void reference_words(uint64_t seed, uint64_t block, uint32_t third, uint32_t fourth, uint32_t word[4]) {
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), third, fourth};
    for (int round = 0; round < 10; round++) {
        const uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ key[1],
                                  (uint32_t)a};
        for (int i = 0; i < 4; i++) c[i] = next[i];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; i++) word[i] = c[i];
}
