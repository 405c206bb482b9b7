/* fastloss: losses, gradients and optimizer steps on plain arrays. This is the public C interface, for C99 and C++; it
 * needs neither Python nor NumPy. What the formulas are stands in docs/losses.md, docs/optimizers.md and
 * docs/regularizers.md; how to build against it, and what stays as it is, in docs/embedding.md.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Nothing here allocates, prints, or changes the floating-point mode; no function keeps a pointer after it returns.
 * All functions may be called from several threads at once as long as they do not write to the same memory, a struct
 * of arguments included. Strides count elements, not bytes, and may be negative. Pointers to float data are `const
 * void *` in the structs: float for the _f32 functions, double for the _f64 ones. An array with no entries may be NULL.
 */
#ifndef FASTLOSS_H
#define FASTLOSS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FASTLOSS_VERSION_MAJOR 0
#define FASTLOSS_VERSION_MINOR 1
#define FASTLOSS_VERSION_PATCH 0

/* 10203 is version 1.2.3. */
#define FASTLOSS_VERSION (FASTLOSS_VERSION_MAJOR * 10000 + FASTLOSS_VERSION_MINOR * 100 + FASTLOSS_VERSION_PATCH)

/* Whether a library of one version serves a program compiled with the header of another: the same major version and a
 * minor version at least as high; before 1.0 the same minor version. */
#define FASTLOSS_COMPATIBLE(library, header)                                      \
    ((library) / 10000 == (header) / 10000 && (library) / 100 >= (header) / 100 && \
     ((library) >= 10000 || (library) / 100 == (header) / 100))

#ifndef FL_API
#define FL_API /* what the shared library exports: its build says how */
#endif

/* The version of the library that runs, and whether it serves a program compiled with the given one's header:
 *     if (!fl_compatible(FASTLOSS_VERSION)) ... */
FL_API int fl_version(void);
FL_API int fl_compatible(int version);

typedef enum fl_status {
    FL_OK = 0,
    FL_BAD_LABEL,      /* a class out of range; `bad` is its row */
    FL_BAD_WEIGHT,     /* a negative, NaN or infinite weight; `bad` is its position, row by row */
    FL_WEIGHT_OVERFLOW, /* the weights add up to infinity */
    FL_NONFINITE,       /* a gradient is NaN or infinite; `bad_tensor` and `bad` say where */
    FL_BAD_SHAPE        /* arrays that do not fit; only from fastloss.kernels, which knows their shapes */
} fl_status;

typedef enum fl_reduction { FL_MEAN = 0, FL_SUM = 1, FL_NONE = 2 } fl_reduction;

/* One call of a loss: pred is n rows of c entries. Set everything to zero first ({0}), then what is needed.
 *
 * Not checked: pointers, shapes and strides. Checked before anything is written: labels and weights. Aliasing: grad may
 * be exactly pred (same address, same stride); otherwise the written arrays share no byte with any other array. */
typedef struct fl_loss_call {
    ptrdiff_t n, c;        /* rows, and entries of a row (for elementwise losses a flat array is n = 1) */
    const void *pred;      /* n x c */
    ptrdiff_t pred_stride; /* from row to row */
    /* Elementwise losses: n x c floats. Losses over classes: n labels of label_bits bits, or for the _probabilities
     * kernels n x c floats. gaussian_nll_learned: n floats. */
    const void *target;
    ptrdiff_t target_stride;
    int label_bits; /* 32 or 64: signed integers */
    int has_ignore; /* rows whose label is ignore_label count as weight 0 */
    int64_t ignore_label;
    /* Weights, or NULL. weight_step 0: one per row; 1: one per entry (elementwise losses only). */
    const void *weight;
    ptrdiff_t weight_stride, weight_step;
    /* c floats or NULL: class weights, or binary cross-entropy's pos_weight per column. */
    const void *per_column;
    fl_reduction reduction;
    double param[4]; /* the loss's own parameters: see the list below */
    /* Written. loss: with FL_NONE only; one entry per row, for elementwise losses n x c. grad, hess: NULL if unwanted;
     * hess needs grad. */
    void *loss, *grad, *hess;
    ptrdiff_t loss_stride, grad_stride, hess_stride;
    double value;        /* the sum or mean; 0 for FL_NONE */
    double weight_total; /* what the mean divides by */
    ptrdiff_t bad;       /* where a check failed */
    double scale[2];     /* private: the gradient's factor, as a power of two and the rest */
} fl_loss_call;

typedef fl_status (*fl_loss_function)(fl_loss_call *call);

/* The losses, each as fl_NAME_f32 and fl_NAME_f64. In brackets: param[0], param[1], ...
 *
 * Elementwise:
 *   squared_error [1, or 0.5 for half]        absolute_error             huber [delta]
 *   root_mean_squared_error (mean only; param is its scratch space)      log_cosh
 *   pinball [quantile]                        epsilon_insensitive [epsilon]
 *   epsilon_insensitive_squared [epsilon]     gaussian_nll [variance, full]
 *   poisson_nll [full]   poisson_nll_rate [full]                         tweedie_nll [power]
 *   gamma_nll [shape, full]   gamma_nll_mean [shape, full]               (exponential: shape 1)
 *   binary_cross_entropy [pos_weight, smoothing]
 *   binary_cross_entropy_probabilities [pos_weight, smoothing]
 *   hinge [margin]   hinge_squared [margin]   focal [gamma, weight of class 1, weight of class 0]
 * Rows of two, (mean, log-variance):
 *   gaussian_nll_learned [full]
 * Rows of classes:
 *   softmax_cross_entropy (labels)            softmax_cross_entropy_smooth [smoothing] (labels)
 *   softmax_cross_entropy_probabilities [smoothing] (n x c targets)
 *   multiclass_hinge [margin]   multiclass_hinge_squared [margin]        crammer_singer_hinge [margin]
 */
#define FL_LOSS(name, kind, cost)                          \
    FL_API fl_status fl_##name##_f32(fl_loss_call *call); \
    FL_API fl_status fl_##name##_f64(fl_loss_call *call);
#include "fastloss_kernels.def"

#define FL_MAX_STATES 3

/* One array of parameters with its gradient and what an optimizer keeps for it; all contiguous, all of one type. */
typedef struct fl_tensor {
    ptrdiff_t n;                /* entries */
    int type;                   /* 0: float, 1: double */
    void *param;                /* read and written */
    const void *grad;           /* read */
    void *state[FL_MAX_STATES]; /* read and written; the list below says which; all zero before the first step */
    double step;                /* steps taken so far; counted up by each call */
    double product;             /* nadam: the product of its momenta, 1 before the first step; updated */
    ptrdiff_t first_part;       /* private */
} fl_tensor;

/* One step of an optimizer for all tensors of a model. Set everything to zero first ({0}), then what is needed.
 *
 * Not checked: pointers, and the ranges of the numbers. Checked before anything is written: gradients, with
 * check_finite. Aliasing: the written arrays share no byte with each other, nor with any gradient; gradients may share
 * theirs. The result has the same bits for every number of threads, every kernel set, and every way to split the same
 * parameters into tensors. */
typedef struct fl_update_call {
    ptrdiff_t count; /* tensors */
    fl_tensor *tensors;
    double lr;
    double weight_decay; /* added to the gradient as weight_decay * param; adam with decoupled, lion: see there */
    int maximize;        /* the gradient's sign is turned */
    double clip_value;   /* the gradient is clipped to +-clip_value; 0: not */
    double clip_norm;    /* then multiplied by min(1, clip_norm / (norm over all tensors + 1e-6)); 0: not */
    int check_finite;    /* FL_NONFINITE if a gradient is not, and nothing is written */
    double param[5];     /* the optimizer's own parameters: see the list below */
    double norm;              /* written: the norm of all gradients, with clip_norm only */
    ptrdiff_t bad_tensor, bad; /* written: where a check failed */
} fl_update_call;

typedef fl_status (*fl_update_function)(fl_update_call *call);

/* The optimizers, each as fl_NAME. In brackets: param[0], param[1], ...; in braces: state[0], state[1], ...
 *
 *   sgd                                                sgd_momentum [momentum, dampening, nesterov] {buffer}
 *   adagrad [lr_decay, eps, eps_inside] {sum of squares, which may start above 0}
 *   adadelta [rho, eps] {square average, average of squared updates}
 *   rmsprop [alpha, eps, momentum, eps_inside] {square average}
 *     rmsprop_momentum {square average, buffer}        rmsprop_centered {square average, gradient average}
 *     rmsprop_centered_momentum {square average, gradient average, buffer}
 *   adam [beta1, beta2, eps, bias_correction, decoupled] {average, square average}
 *     adam_amsgrad {average, square average, largest square average}
 *   radam [beta1, beta2, eps], nadam [beta1, beta2, eps, momentum_decay] {average, square average}
 *   adamax [beta1, beta2, eps] {average, largest}      lion [beta1, beta2] {average}; its decay is decoupled
 */
#define FL_UPDATE(name, states) FL_API fl_status fl_##name(fl_update_call *call);
#include "fastloss_kernels.def"

/* regularizers */

/* One call of a regularizer. Set everything to zero first ({0}), then what the list below asks for.
 *
 * Not checked: pointers, shapes, strides, parameters. Aliasing: the written arrays share no byte with any other array,
 * but for the in-place ones, where y is exactly x (same address, same strides). */
typedef struct fl_regularizer_call {
    /* The elementwise ones see n rows of c entries. Those over features see n x c x k: x[i][j][l] belongs to feature j
     * and stands at x[i * x_stride + j * x_step + l]; a table with a feature per column has k = 1 and x_step = 1. */
    ptrdiff_t n, c, k;
    const void *x;
    ptrdiff_t x_stride, x_step;
    const void *dy; /* the gradient that comes back to y; shape of x */
    ptrdiff_t dy_stride, dy_step;
    void *y; /* written; shape of x */
    ptrdiff_t y_stride, y_step;
    uint8_t *mask; /* n x c: 1 where an entry is kept */
    ptrdiff_t mask_stride;
    uint64_t seed;
    double param[4];
    int add; /* elastic_net: add to y what else would replace it */
    /* Per feature, in double for both float types. */
    const double *gamma, *beta;
    double *mean, *variance, *dgamma, *dbeta;
    double value; /* written by elastic_net; else 0 */
} fl_regularizer_call;

typedef void (*fl_regularizer_function)(fl_regularizer_call *call);

/* The regularizers, each as fl_NAME_f32 and fl_NAME_f64. In brackets: param[0], param[1], ... Elementwise:
 *
 *   elastic_net [l1, l2]               value = l1 sum |x| + l2 sum x^2; y (NULL if unwanted) gets its gradient
 *   elastic_net_prox [threshold, d]    y = sign(x) max(0, |x| - threshold) / d; in place
 *   dropout [rate]                     writes mask (contiguous: mask_stride is c) by seed; y = mask x / (1 - rate)
 *   dropout_grad [rate]                y = mask dy / (1 - rate), reads mask
 *
 * Over features:
 *
 *   max_norm [limit]                   a feature whose Euclidean norm is above the limit is scaled to it; in place
 *   batch_norm [eps, training]         y = (x - mean) / sqrt(variance + eps) * gamma + beta; training (1) computes and
 *                                      writes mean and (biased) variance, 0 reads them
 *   batch_norm_grad [eps, training]    from dy, x, gamma, mean, variance: y = dx, dgamma, dbeta */
#define FL_REGULARIZER(name, kind, cost)                     \
    FL_API void fl_##name##_f32(fl_regularizer_call *call); \
    FL_API void fl_##name##_f64(fl_regularizer_call *call);
#include "fastloss_kernels.def"

/* The elementary functions, each as fl_NAME_f32 and fl_NAME_f64: y[i] = NAME(x[i]) for n contiguous entries.
 *
 *   exp   log   log1p: log(1 + x)   expm1: exp(x) - 1   tanh   sigmoid: 1 / (1 + exp(-x))
 *
 * Within 1 ULP of the exact value, 2 on the kernel set "scalar", over all inputs, subnormal results included; the sets
 * with FMA agree in every bit, whatever n and the alignment. NaN gives NaN; log(0) = log1p(-1) = -infinity, below that
 * NaN. Not checked: pointers. Aliasing: y may be exactly x, else the two share no byte. */
#define FL_FUNCTION(name, cost)                                            \
    FL_API void fl_##name##_f32(const float *x, float *y, ptrdiff_t n);    \
    FL_API void fl_##name##_f64(const double *x, double *y, ptrdiff_t n);
#include "fastloss_kernels.def"

/* ---- calls without a struct, for languages that cannot fill one ----
 *
 * The kernel comes as a function, so one of these serves them all: fl_plain_loss(fl_huber_f64, ...). All arrays are
 * contiguous. What is checked, what may overlap and what comes back is as for the structs.
 *
 * plain_loss         n rows of c entries; target as in fl_loss_call, label_bits 0 where it holds floats. param: four
 *                    doubles, or NULL for zeros. grad (n x c) and value may be NULL. No weights.
 * plain_update       one array of n entries; type 0: float, 1: double. state: the optimizer's states, one after the
 *                    other (s x n), or NULL where it has none. option: five doubles, or NULL for zeros. progress: two
 *                    doubles, {0, 1} before the first step and then left alone: the steps taken, and nadam's product.
 * plain_regularizer  the elementwise ones, over n entries, x and y as there; dropout_grad's dy is x; mask may be NULL
 *                    for the others. param: four doubles. Returns the value.
 *
 * ---- numbers and settings ----
 *
 * random_words       the random numbers of dropout: Philox4x32-10, key = seed (low word first). Block b of 4 words is
 *                    the image of the counter plus b, where only the first two words of the counter count on. Dropout's
 *                    entry i, in row-major order, takes word i of counter 0 and is kept if that is at least
 *                    rate * 2^32, rounded.
 * set_num_threads    threads that a call may use, the calling one included: an upper bound, 1 at first. They are
 *                    started when first needed, never more than there are processors; little work is done by the
 *                    calling thread alone.
 * target             the kernel set in use: "scalar", "avx2", "avx512" or "neon". The best that runs here, or what the
 *                    environment variable FASTLOSS_TARGET names. */
#define FL_OTHER(result, name, arguments) FL_API result fl_##name arguments;
#include "fastloss_kernels.def"

/* All of the above as one table, for those who meet the library at run time (fastloss_capi.h): fl_huber_f32 is the
 * member huber_f32. New members only ever come at the end; `size` is what the table at hand has. */
typedef struct fl_api {
    int version; /* FASTLOSS_VERSION of the library */
    ptrdiff_t size;
#define FL_LOSS(name, kind, cost) fl_loss_function name##_f32, name##_f64;
#define FL_UPDATE(name, states) fl_update_function name;
#define FL_REGULARIZER(name, kind, cost) fl_regularizer_function name##_f32, name##_f64;
#define FL_FUNCTION(name, cost)                             \
    void (*name##_f32)(const float *x, float *y, ptrdiff_t n); \
    void (*name##_f64)(const double *x, double *y, ptrdiff_t n);
#define FL_OTHER(result, name, arguments) result(*name) arguments;
#include "fastloss_kernels.def"
} fl_api;

#ifdef __cplusplus
}
#endif

#endif
