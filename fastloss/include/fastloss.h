/* fastloss: losses, gradients and optimizer steps on plain arrays. This is the public C interface; it needs neither
 * Python nor NumPy. What the formulas are stands in docs/losses.md, docs/optimizers.md and docs/regularizers.md.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Nothing here allocates, prints, or changes the floating-point mode. All functions may be called from several threads
 * at once as long as they do not write to the same memory. Strides count elements, not bytes, and may be negative.
 * Pointers to float data are `const void *` in the structs: float for the _f32 functions, double for the _f64 ones. */
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

typedef enum fl_status {
    FL_OK = 0,
    FL_BAD_LABEL,      /* a class out of range; `bad` is its row */
    FL_BAD_WEIGHT,     /* a negative, NaN or infinite weight; `bad` is its position, row by row */
    FL_WEIGHT_OVERFLOW, /* the weights add up to infinity */
    FL_NONFINITE        /* a gradient is NaN or infinite; `bad_tensor` and `bad` say where */
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
#define FL_LOSS(name, kind, cost)                   \
    fl_status fl_##name##_f32(fl_loss_call *call); \
    fl_status fl_##name##_f64(fl_loss_call *call);
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
#define FL_UPDATE(name, states) fl_status fl_##name(fl_update_call *call);
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
#define FL_REGULARIZER(name, kind, cost)              \
    void fl_##name##_f32(fl_regularizer_call *call); \
    void fl_##name##_f64(fl_regularizer_call *call);
#include "fastloss_kernels.def"

/* The random numbers of dropout: Philox4x32-10, key = seed (low word first). Block b of 4 words is the image of the
 * counter plus b, where only the first two words of the counter count on. Dropout's entry i, in row-major order, takes
 * word i of counter 0 and is kept if that is at least rate * 2^32, rounded. */
void fl_random_words(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word);

/* Threads that a call may use, the calling one included: an upper bound, 1 at first. They are started when first
 * needed, never more than there are processors; little work is done by the calling thread alone. */
void fl_set_num_threads(int threads);
int fl_get_num_threads(void);

/* The kernel set in use: "scalar", "avx2", "avx512" or "neon". */
const char *fl_target(void);

#ifdef __cplusplus
}
#endif

#endif
