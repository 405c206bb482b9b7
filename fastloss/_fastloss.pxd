# SPDX-License-Identifier: BSD-3-Clause
# The public header for Cython: the types, the table of functions, and the few that the compiled module calls by name.
# Users take these names from fastloss.kernels.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "fastloss.h" nogil:
    int FASTLOSS_VERSION

    ctypedef enum fl_status:
        FL_OK
        FL_BAD_LABEL
        FL_BAD_WEIGHT
        FL_WEIGHT_OVERFLOW
        FL_NONFINITE
        FL_BAD_SHAPE

    ctypedef enum fl_reduction:
        FL_MEAN
        FL_SUM
        FL_NONE

    ctypedef struct fl_loss_call:
        Py_ssize_t n, c
        const void *pred
        Py_ssize_t pred_stride
        const void *target
        Py_ssize_t target_stride
        int label_bits
        int has_ignore
        int64_t ignore_label
        const void *weight
        Py_ssize_t weight_stride, weight_step
        const void *per_column
        fl_reduction reduction
        double param[4]
        void *loss
        void *grad
        void *hess
        Py_ssize_t loss_stride, grad_stride, hess_stride
        double value
        double weight_total
        Py_ssize_t bad

    ctypedef fl_status (*fl_loss_function)(fl_loss_call *call) noexcept

    int FL_MAX_STATES

    ctypedef struct fl_tensor:
        Py_ssize_t n
        int type
        void *param
        const void *grad
        void *state[3]
        double step
        double product

    ctypedef struct fl_update_call:
        Py_ssize_t count
        fl_tensor *tensors
        double lr
        double weight_decay
        int maximize
        double clip_value
        double clip_norm
        int check_finite
        double param[5]
        double norm
        Py_ssize_t bad_tensor, bad

    ctypedef fl_status (*fl_update_function)(fl_update_call *call) noexcept

    ctypedef struct fl_regularizer_call:
        Py_ssize_t n, c, k
        const void *x
        Py_ssize_t x_stride, x_step
        const void *dy
        Py_ssize_t dy_stride, dy_step
        void *y
        Py_ssize_t y_stride, y_step
        uint8_t *mask
        Py_ssize_t mask_stride
        uint64_t seed
        double param[4]
        int add
        const double *gamma
        const double *beta
        double *mean
        double *variance
        double *dgamma
        double *dbeta
        double value

    ctypedef void (*fl_regularizer_function)(fl_regularizer_call *call) noexcept

    # one line per line of fastloss_kernels.def
    ctypedef struct fl_api:
        int version
        Py_ssize_t size
        fl_loss_function squared_error_f32, squared_error_f64
        fl_loss_function root_mean_squared_error_f32, root_mean_squared_error_f64
        fl_loss_function absolute_error_f32, absolute_error_f64
        fl_loss_function huber_f32, huber_f64
        fl_loss_function log_cosh_f32, log_cosh_f64
        fl_loss_function pinball_f32, pinball_f64
        fl_loss_function epsilon_insensitive_f32, epsilon_insensitive_f64
        fl_loss_function epsilon_insensitive_squared_f32, epsilon_insensitive_squared_f64
        fl_loss_function gaussian_nll_f32, gaussian_nll_f64
        fl_loss_function gaussian_nll_learned_f32, gaussian_nll_learned_f64
        fl_loss_function poisson_nll_f32, poisson_nll_f64
        fl_loss_function poisson_nll_rate_f32, poisson_nll_rate_f64
        fl_loss_function gamma_nll_f32, gamma_nll_f64
        fl_loss_function gamma_nll_mean_f32, gamma_nll_mean_f64
        fl_loss_function tweedie_nll_f32, tweedie_nll_f64
        fl_loss_function binary_cross_entropy_f32, binary_cross_entropy_f64
        fl_loss_function binary_cross_entropy_probabilities_f32, binary_cross_entropy_probabilities_f64
        fl_loss_function hinge_f32, hinge_f64
        fl_loss_function hinge_squared_f32, hinge_squared_f64
        fl_loss_function focal_f32, focal_f64
        fl_loss_function softmax_cross_entropy_f32, softmax_cross_entropy_f64
        fl_loss_function softmax_cross_entropy_smooth_f32, softmax_cross_entropy_smooth_f64
        fl_loss_function softmax_cross_entropy_probabilities_f32, softmax_cross_entropy_probabilities_f64
        fl_loss_function multiclass_hinge_f32, multiclass_hinge_f64
        fl_loss_function multiclass_hinge_squared_f32, multiclass_hinge_squared_f64
        fl_loss_function crammer_singer_hinge_f32, crammer_singer_hinge_f64
        fl_update_function sgd, sgd_momentum, adagrad, adadelta, rmsprop, rmsprop_momentum, rmsprop_centered
        fl_update_function rmsprop_centered_momentum, adam, adam_amsgrad, radam, nadam, adamax, lion
        fl_regularizer_function elastic_net_f32, elastic_net_f64
        fl_regularizer_function elastic_net_prox_f32, elastic_net_prox_f64
        fl_regularizer_function dropout_f32, dropout_f64
        fl_regularizer_function dropout_grad_f32, dropout_grad_f64
        fl_regularizer_function max_norm_f32, max_norm_f64
        fl_regularizer_function batch_norm_f32, batch_norm_f64
        fl_regularizer_function batch_norm_grad_f32, batch_norm_grad_f64
        void (*exp_f32)(const float *x, float *y, Py_ssize_t n) noexcept nogil
        void (*exp_f64)(const double *x, double *y, Py_ssize_t n) noexcept nogil
        void (*log_f32)(const float *x, float *y, Py_ssize_t n) noexcept nogil
        void (*log_f64)(const double *x, double *y, Py_ssize_t n) noexcept nogil
        void (*log1p_f32)(const float *x, float *y, Py_ssize_t n) noexcept nogil
        void (*log1p_f64)(const double *x, double *y, Py_ssize_t n) noexcept nogil
        void (*expm1_f32)(const float *x, float *y, Py_ssize_t n) noexcept nogil
        void (*expm1_f64)(const double *x, double *y, Py_ssize_t n) noexcept nogil
        void (*tanh_f32)(const float *x, float *y, Py_ssize_t n) noexcept nogil
        void (*tanh_f64)(const double *x, double *y, Py_ssize_t n) noexcept nogil
        void (*sigmoid_f32)(const float *x, float *y, Py_ssize_t n) noexcept nogil
        void (*sigmoid_f64)(const double *x, double *y, Py_ssize_t n) noexcept nogil
        int (*compatible)(int version) noexcept nogil
        fl_status (*plain_loss)(fl_loss_function loss, Py_ssize_t n, Py_ssize_t c, const void *pred, const void *target,
                                int label_bits, const double *param, fl_reduction reduction, void *grad,
                                double *value) noexcept nogil
        fl_status (*plain_update)(fl_update_function update, int type, Py_ssize_t n, void *param, const void *grad,
                                  void *state, double lr, double weight_decay, const double *option,
                                  double *progress) noexcept nogil
        double (*plain_regularizer)(fl_regularizer_function regularizer, Py_ssize_t n, const void *x, void *y,
                                    uint8_t *mask, uint64_t seed, const double *param) noexcept nogil
        void (*random_words)(uint64_t seed, const uint32_t *counter, Py_ssize_t blocks, uint32_t *word) noexcept nogil
        void (*set_num_threads)(int threads) noexcept nogil
        int (*get_num_threads)() noexcept nogil
        const char *(*target)() noexcept nogil

    int fl_version()
    void fl_set_num_threads(int threads)
    int fl_get_num_threads()
    const char *fl_target()
    void fl_random_words(uint64_t seed, const uint32_t *counter, Py_ssize_t blocks, uint32_t *word)
