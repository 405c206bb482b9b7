/* Accuracy of the elementary functions, for one target and float type: the kernels of kernels/elementary.c, compiled
 * into this program, and those words of simd/vec_math.h that only formulas call. Speed is measured elsewhere.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     accuracy ulp [size] [function]      largest error in ULP and its input; exit status 1 if beyond the limit
 *     accuracy special [function]         exact results, in every lane, at every length, in place and misaligned
 *     accuracy bits [size] [function]     a checksum of the results, to compare between targets
 *
 * For float, size k takes every k-th of all 2^32 inputs (default 1). For double it is the number of random inputs per
 * range (default 10^6). Build with the flags and include folders of src_c/flags.mk, -DFL_TARGET= and -DFL_REAL=;
 * optionally with -fopenmp, and with -DWITH_MPFR -lmpfr -lgmp. The error is |got - exact| / ulp(exact). For float, exact is the C
 * library's double result, good to 2^-28 ULP of float. For double it is the long double result; where that might be a
 * new maximum, MPFR is asked for 160 bits, and one input in 1,000 anyway, to know that long double can be trusted. */
#include "elementary.c"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef WITH_MPFR
#include <mpfr.h>
#endif

#if FL_REAL == 32
typedef double wide;
#define WIDE(f) f
#define REAL_MAX FLT_MAX
#else
typedef long double wide;
#define WIDE(f) f##l
#define REAL_MAX DBL_MAX
#endif

/* exp and log where the sign of the argument is known. */
ELEMENTARY(exp_neg)
ELEMENTARY(log1p_unit)
ELEMENTARY(log1p_pos)

/* In ULP. What only the losses use in float has a shorter polynomial; they are a few ULP from exact anyway. */
static double limit_of(const char *name) {
    if (FL_REAL == 32 && !strcmp(name, "log1p_unit")) return FL_HAS_FMA ? 1.34 : 2.0;
    return FL_HAS_FMA ? 1.0 : 2.0;
}
#define BLOCK 4096
#define TRUST 0.01 /* ULP within which the long double result is expected to be right */

static wide exact_exp(wide x) { return WIDE(exp)(x); }
static wide exact_log(wide x) { return WIDE(log)(x); }
static wide exact_log1p(wide x) { return WIDE(log1p)(x); }
static wide exact_expm1(wide x) { return WIDE(expm1)(x); }
static wide exact_tanh(wide x) { return WIDE(tanh)(x); }
static wide exact_sigmoid(wide x) { return 1 / (1 + WIDE(exp)(-x)); }

#ifdef WITH_MPFR
typedef int mpfr_function(mpfr_t, const mpfr_t, mpfr_rnd_t);
static int mpfr_sigmoid(mpfr_t y, const mpfr_t x, mpfr_rnd_t mode) {
    mpfr_neg(y, x, mode);
    mpfr_exp(y, y, mode);
    mpfr_add_ui(y, y, 1, mode);
    return mpfr_ui_div(y, 1, y, mode);
}
#define WITH_REFERENCE(name) exact_##name, mpfr_##name
#else
#define WITH_REFERENCE(name) exact_##name
#endif

typedef struct {
    const char *name;
    fl_function_kernel map;
    real low, high;           /* where it is defined; NaN always is */
    real dense_low, dense_high; /* where the result is neither constant nor nearly x */
    int of_logarithm;         /* breakpoints at 3/4 2^k, not at (k + 1/2) log(2) */
    wide (*exact)(wide x);
#ifdef WITH_MPFR
    mpfr_function *exact_mpfr;
#endif
} function;

static const real infinite = INFINITY;
static const real tiniest = FL_REAL == 32 ? (real)FLT_TRUE_MIN : (real)DBL_TRUE_MIN;
#define FUNCTION_COUNT 9
static void functions_fill(function *f) {
    const real most = FL_REAL == 32 ? 89 : 710, least = FL_REAL == 32 ? -105 : -747;
    const real flat = FL_REAL == 32 ? 20 : 40;
    const function all[FUNCTION_COUNT] = {
        {"exp_neg", FN(exp_neg), -infinite, 0, least, 0, 0, WITH_REFERENCE(exp)},
        {"exp", FN(exp), -infinite, infinite, least, most, 0, WITH_REFERENCE(exp)},
        {"log", FN(log), -infinite, infinite, 0, 4, 1, WITH_REFERENCE(log)},
        {"log1p_unit", FN(log1p_unit), 0, 1, 0, 1, 1, WITH_REFERENCE(log1p)},
        {"log1p_pos", FN(log1p_pos), 0, infinite, 0, 4, 1, WITH_REFERENCE(log1p)},
        {"log1p", FN(log1p), -infinite, infinite, -1, 4, 1, WITH_REFERENCE(log1p)},
        {"expm1", FN(expm1), -infinite, infinite, -flat, most, 0, WITH_REFERENCE(expm1)},
        {"tanh", FN(tanh), -infinite, infinite, -flat / 2, flat / 2, 0, WITH_REFERENCE(tanh)},
        {"sigmoid", FN(sigmoid), -infinite, infinite, least, flat, 0, WITH_REFERENCE(sigmoid)},
    };
    memcpy(f, all, sizeof all);
}

static lane_uint bits_of(real a) {
    lane_uint i;
    memcpy(&i, &a, sizeof i);
    return i;
}
static real real_of(lane_uint i) {
    real a;
    memcpy(&a, &i, sizeof a);
    return a;
}

/* ---- errors ---- */

static wide ulp(wide exact) {
    if (exact == 0) return tiniest;
    int e = WIDE(ilogb)(exact);
    if (e < 1 - FL_EXPONENT_BIAS) e = 1 - FL_EXPONENT_BIAS;
    if (e > FL_EXPONENT_BIAS) e = FL_EXPONENT_BIAS;
    return WIDE(ldexp)(1, e - FL_MANTISSA_BITS);
}

/* In ULP. Infinity counts as the power of two after the largest number, and is right wherever it is the nearest. */
static double error_of(real got, wide exact) {
    const wide top = 2 * WIDE(ldexp)(1, FL_EXPONENT_BIAS), unit = isfinite(exact) ? ulp(exact) : ulp(REAL_MAX);
    if (isnan(exact) || isnan(got)) return isnan(exact) && isnan(got) ? 0 : HUGE_VAL;
    if (isinf(got) && WIDE(fabs)(exact) >= top - ulp(REAL_MAX) / 2 && (got > 0) == (exact > 0)) return 0;
    const wide value = isinf(got) ? (got > 0 ? top : -top) : (wide)got;
    return (double)(WIDE(fabs)(value - exact) / unit);
}

#ifdef WITH_MPFR
/* The error against 160 bits. The difference is small and exact before it is converted. */
static double error_mpfr(const function *f, real x, real got) {
    mpfr_t value;
    mpfr_init2(value, 160);
    mpfr_set_d(value, x, MPFR_RNDN);
    f->exact_mpfr(value, value, MPFR_RNDN);
    const wide exact = mpfr_get_ld(value, MPFR_RNDN);
    double error = error_of(got, exact);
    if (isfinite(exact) && isfinite(got)) {
        mpfr_sub_d(value, value, got, MPFR_RNDN);
        error = (double)fabsl(mpfr_get_ld(value, MPFR_RNDN) / ulp(exact));
    }
    mpfr_clear(value);
    return error;
}
#endif

typedef struct {
    double error;
    real x, got;
    int untrusted; /* inputs where long double and MPFR disagreed */
} worst;

static void worst_merge(worst *into, worst w) {
    const int untrusted = into->untrusted + w.untrusted;
    if (w.error > into->error || (w.error == into->error && bits_of(w.x) < bits_of(into->x))) *into = w;
    into->untrusted = untrusted;
}

static void check_block(const function *f, int n, const real *x, worst *w) {
    real y[BLOCK];
    f->map(x, y, n);
    for (int i = 0; i < n; i++) {
        const wide exact = f->exact(x[i]);
        if ((real)exact == y[i] && w->error >= 0.5) continue; /* an error of at most 0.5 */
        double error = error_of(y[i], exact);
#ifdef WITH_MPFR
        if (FL_REAL == 64 && (i % 1000 == 0 || error + TRUST >= w->error)) {
            const double better = error_mpfr(f, x[i], y[i]);
            if (!(fabs(better - error) <= TRUST) && better != error) w->untrusted++;
            error = better;
        }
#endif
        const worst here = {error, x[i], y[i], 0};
        if (error > w->error) worst_merge(w, here);
    }
}

/* ---- inputs ---- */

static real into_domain(const function *f, real x) { return x < f->low || x > f->high ? f->high : x; }

/* SplitMix64. The inputs must be the same on every target and for any number of threads, so only exact functions of
 * the C library help to make them. */
static uint64_t mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static double between(uint64_t random, double low, double high) {
    return low + (high - low) * (double)(random >> 11) * 0x1p-53;
}

/* A random input of a range of the double tests; the float tests need none. */
enum { ANY_BITS, DENSE, NEAR_ZERO, NEAR_BREAK, NEAR_ENDS, RANGE_COUNT };
static const char *const range_name[RANGE_COUNT + 1] = {"any bits", "dense", "near 0", "near breaks", "near ends",
                                                        "hard to round"};
static real draw(const function *f, int range, uint64_t seed) {
    const uint64_t a = mix(seed), b = mix(a), c = mix(b);
    const double sign = c & 1 ? 1 : -1, offset = (double)((int64_t)(b % 2001) - 1000);
    double x = real_of((lane_uint)a);
    if (range == DENSE) x = between(a, f->dense_low, f->dense_high);
    if (range == NEAR_ZERO) x = sign * ldexp(between(a, 1, 2), (int)(b % 62) - 60);
    if (range == NEAR_BREAK && !f->of_logarithm) { /* a multiple of log(2) / 4, and some ULP more */
        const double step = 0.25 * (double)ln2_high;
        x = step * floor(between(a, f->dense_low, f->dense_high) / step);
        x += offset * (c & 2 ? 0x1p-52 * fabs(x) : 0x1p-30 * fabs(x));
    }
    if (range == NEAR_BREAK && f->of_logarithm) { /* near 1, 3/4, 1/2 times a power of two; or 1 less, for log1p */
        x = ldexp(c & 2 ? 1 : 0.75, (int)(c >> 8) % 64 - (c & 4 ? 0 : 32));
        x *= 1 + offset * (c & 8 ? 0x1p-52 : 0x1p-30);
        if (f->exact == exact_log1p) x -= 1;
    }
    if (range == NEAR_ENDS) { /* the ends of the domain, of the dense range and of the numbers */
        const double end[4] = {f->low, f->dense_low, f->dense_high, f->high};
        x = end[c >> 60 & 3];
        if (isinf(x)) x = x > 0 ? REAL_MAX : -REAL_MAX;
        if (x == 0) x = sign * (double)real_of((lane_uint)1 << (a % 53));
        x *= 1 - (a & 1 ? 0x1p-52 * (double)(b % 4096) : between(b, 0, 0.06));
    }
    return into_domain(f, (real)x);
}

/* Of some random inputs the one whose result is nearest the middle between two numbers. */
static real draw_hard(const function *f, uint64_t seed) {
    real best = f->dense_high;
    wide nearest = 1;
    for (uint64_t i = 0; i < 64; i++) {
        const real x = draw(f, DENSE, seed * 64 + i);
        const wide exact = f->exact(x), part = exact / ulp(exact);
        const wide distance = WIDE(fabs)(part - WIDE(floor)(part) - (wide)0.5);
        if (distance < nearest) {
            nearest = distance;
            best = x;
        }
    }
    return best;
}

/* Fills x with inputs first ... first + n - 1 of the given size and range. */
static void fill_block(const function *f, int range, uint64_t size, uint64_t first, int n, real *x) {
    for (int i = 0; i < n; i++) {
        const uint64_t at = first + (uint64_t)i;
        if (FL_REAL == 32)
            x[i] = into_domain(f, real_of((lane_uint)(at * size)));
        else
            x[i] = range == RANGE_COUNT ? draw_hard(f, at) : draw(f, range, at * RANGE_COUNT + (uint64_t)range);
    }
}

static uint64_t input_count(int range, uint64_t size) {
    if (FL_REAL == 32) return (((uint64_t)1 << 32) + size - 1) / size;
    return range == RANGE_COUNT ? (size + 63) / 64 : size;
}

/* ---- modes ---- */

static int mode_ulp(const function *f, uint64_t size) {
    int failed = 0;
    for (int range = 0; range <= (FL_REAL == 32 ? 0 : RANGE_COUNT); range++) {
        worst all = {-1, 0, 0, 0};
        const int64_t count = (int64_t)input_count(range, size), blocks = (count + BLOCK - 1) / BLOCK;
#ifdef _OPENMP
#pragma omp parallel
#endif
        {
            worst mine = {-1, 0, 0, 0};
#ifdef _OPENMP
#pragma omp for schedule(dynamic, 16)
#endif
            for (int64_t b = 0; b < blocks; b++) {
                real x[BLOCK];
                const int n = (int)(count - b * BLOCK < BLOCK ? count - b * BLOCK : BLOCK);
                fill_block(f, range, size, (uint64_t)(b * BLOCK), n, x);
                check_block(f, n, x, &mine);
            }
#ifdef _OPENMP
#pragma omp critical
#endif
            worst_merge(&all, mine);
        }
        const int wrong = !(all.error <= limit_of(f->name)) || all.untrusted;
        printf("%-10s %-13s %.4f ULP at %.17g (%a) = %a%s%s\n", f->name, FL_REAL == 32 ? "all" : range_name[range],
               all.error, (double)all.x, (double)all.x, (double)all.got, wrong ? "  FAILED" : "",
               all.untrusted ? ": long double and MPFR differ" : "");
        fflush(stdout);
        failed |= wrong;
    }
    return failed;
}

static int mode_bits(const function *f, uint64_t size) {
    uint64_t sum = 0;
    for (int range = 0; range < (FL_REAL == 32 ? 1 : RANGE_COUNT); range++) {
        const int64_t count = (int64_t)input_count(range, size), blocks = (count + BLOCK - 1) / BLOCK;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 16) reduction(+ : sum)
#endif
        for (int64_t b = 0; b < blocks; b++) {
            real x[BLOCK];
            const int n = (int)(count - b * BLOCK < BLOCK ? count - b * BLOCK : BLOCK);
            fill_block(f, range, size, (uint64_t)(b * BLOCK), n, x);
            f->map(x, x, n);
            for (int i = 0; i < n; i++) /* machines differ in the sign and payload of a NaN they make */
                sum += mix((uint64_t)(b * BLOCK + i) ^ mix(isnan(x[i]) ? 1 : (uint64_t)bits_of(x[i]) + 2));
        }
    }
    printf("%-10s f%d %016llx\n", f->name, FL_REAL, (unsigned long long)sum);
    return 0;
}

/* x, then f(x) for the functions in the order of the table; NaN stands for NaN of any kind, and skip for inputs that
 * the function does not take. */
#define SPECIAL_COUNT 13
static const double skip = -12345;
static void special_fill(double s[SPECIAL_COUNT][FUNCTION_COUNT + 1]) {
    const double inf = HUGE_VAL, nan = NAN, t = tiniest, big = REAL_MAX, less = FL_REAL == 32 ? 0x1p-149 : 0x1p-1074;
    const double log_tiniest = (double)(real)log(t), log_big = (double)(real)log(big);
    const double table[SPECIAL_COUNT][FUNCTION_COUNT + 1] = {
        /* x   exp_neg  exp   log  l_unit  l_pos log1p expm1 tanh sigmoid */
        {0.0, 1, 1, -inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5},
        {-0.0, 1, 1, -inf, skip, skip, -0.0, -0.0, -0.0, 0.5},
        {inf, skip, inf, inf, skip, inf, inf, inf, 1, 1},
        {-inf, 0, 0, nan, skip, skip, nan, -1, -1, 0},
        {nan, nan, nan, nan, nan, nan, nan, nan, nan, nan},
        {-nan, nan, nan, nan, nan, nan, nan, nan, nan, nan},
        {t, skip, 1, log_tiniest, t, t, t, t, t, 0.5},
        {-t, 1, 1, nan, skip, skip, -t, -t, -t, 0.5},
        {big, skip, inf, log_big, skip, log_big, log_big, inf, 1, 1},
        {-big, 0, 0, nan, skip, skip, nan, -1, -1, 0},
        {1, skip, skip, 0.0, skip, skip, skip, skip, skip, skip},
        {-1, skip, skip, nan, skip, skip, -inf, skip, skip, skip},
        {FL_REAL == 32 ? -103.5 : -745, less, less, nan, skip, skip, nan, -1, -1, less},
    };
    memcpy(s, table, sizeof table);
}

/* Every length and misalignment around the register width, in place: the same bits as one element alone gives, and
 * nothing written beyond the end. */
static int lengths_differ(const function *f) {
    enum { most = 2 * V_GROUP + 2 };
    real x[most], y[most], buffer[most + 4];
    const real mark = R(-7.5);
    int wrong = 0;
    for (int i = 0; i < most; i++) x[i] = into_domain(f, R(0.03125) * (real)i);
    for (int i = 0; i < most; i++) f->map(x + i, y + i, 1);
    for (int n = 0; n <= most; n++) {
        for (int shift = 0; shift < 3; shift++) {
            for (int i = 0; i < most + 4; i++) buffer[i] = mark;
            memcpy(buffer + shift, x, (size_t)n * sizeof *x);
            f->map(buffer + shift, buffer + shift, n);
            wrong |= memcmp(buffer + shift, y, (size_t)n * sizeof *y) != 0 || buffer[shift + n] != mark;
            wrong |= shift > 0 && buffer[shift - 1] != mark;
        }
    }
    return wrong;
}

static int mode_special(const function *f, int column) {
    double special[SPECIAL_COUNT][FUNCTION_COUNT + 1];
    special_fill(special);
    int wrong = lengths_differ(f);
    if (wrong) printf("%s: results depend on length, place or alignment\n", f->name);
    for (int row = 0; row < SPECIAL_COUNT; row++) {
        const real x = (real)special[row][0], expected = (real)special[row][column + 1];
        if (special[row][column + 1] == skip) continue;
        for (int lane = 0; lane < V_LANES; lane++) { /* its neighbours in the register must not matter */
            real y[V_LANES];
            for (int i = 0; i < V_LANES; i++) y[i] = i == lane ? x : f->dense_high;
            f->map(y, y, V_LANES);
            const int same = isnan(expected) ? isnan(y[lane]) : bits_of(y[lane]) == bits_of(expected);
            if (!same) printf("%s(%a) = %a, not %a\n", f->name, (double)x, (double)y[lane], (double)expected);
            wrong |= !same;
        }
    }
    printf("%-10s special values %s\n", f->name, wrong ? "FAILED" : "right");
    return wrong;
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "ulp";
    const uint64_t given = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    const uint64_t size = given ? given : FL_REAL == 32 ? 1 : 1000000;
    const char *only = argc > 2 && (!given || argc > 3) ? argv[argc - 1] : NULL;
    function functions[FUNCTION_COUNT];
    functions_fill(functions);
    int failed = 0, run = 0;
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        const function *f = functions + i;
        if (only && strcmp(only, f->name) != 0) continue;
        run++;
        if (!strcmp(mode, "ulp")) failed |= mode_ulp(f, size);
        else if (!strcmp(mode, "bits")) failed |= mode_bits(f, size);
        else if (!strcmp(mode, "special")) failed |= mode_special(f, i);
        else run = -FUNCTION_COUNT;
    }
    if (run <= 0) fprintf(stderr, "usage: accuracy ulp|bits [size] [function]  or  accuracy special [function]\n");
    return run <= 0 ? 2 : failed;
}
