# SPDX-License-Identifier: BSD-3-Clause
# The C declarations that the compiled module uses: the public header and src_c/dispatch.h.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "fastloss.h" nogil:
    ctypedef enum fl_status:
        FL_OK
        FL_BAD_LABEL
        FL_BAD_WEIGHT
        FL_WEIGHT_OVERFLOW
        FL_NONFINITE

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

    void fl_set_num_threads(int threads)
    int fl_get_num_threads()
    const char *fl_target()


cdef extern from "dispatch.h" nogil:
    int FL_LOSS_COUNT
    int FL_UPDATE_COUNT

    ctypedef enum fl_kind:
        FL_KIND_POINTWISE
        FL_KIND_ROOT
        FL_KIND_PAIRS
        FL_KIND_LABELS
        FL_KIND_PROBABILITIES

    ctypedef struct fl_loss_info:
        const char *name
        fl_kind kind
        int cost
        fl_loss_function function[2]

    const fl_loss_info fl_losses[]
    ctypedef struct fl_update_info:
        const char *name
        int states
        fl_update_function function

    const fl_update_info fl_updates[]
    const char *fl_target_name(int i)
    int fl_use_target(const char *name)
    int fl_has_threads()
    const char *fl_compiler()


# ---- regularizers ----

cdef extern from "fastloss.h" nogil:
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

    void fl_random_words(uint64_t seed, const uint32_t *counter, Py_ssize_t blocks, uint32_t *word)


cdef extern from "dispatch.h" nogil:
    ctypedef struct fl_regularizer_info:
        const char *name
        int cost
        fl_regularizer_function function[2]

    const fl_regularizer_info fl_regularizers[]
    int FL_REGULARIZER_COUNT
    int FL_REGULARIZER_elastic_net
    int FL_REGULARIZER_elastic_net_prox
    int FL_REGULARIZER_dropout
    int FL_REGULARIZER_dropout_grad
    int FL_REGULARIZER_max_norm
    int FL_REGULARIZER_batch_norm
    int FL_REGULARIZER_batch_norm_grad


# ---- linear models ----

cdef extern from "linear_call.h" nogil:
    ctypedef struct fl_linear:
        Py_ssize_t c, d
        void *coef
        void *intercept
        void *coef_sum
        void *intercept_sum
        double l1, l2
        double scale

    ctypedef struct fl_descent:
        int type
        fl_linear model
        const void *x
        Py_ssize_t x_stride
        const void *indptr
        const void *indices
        int index_bits
        const int64_t *order
        Py_ssize_t count
        int loss
        fl_loss_call call
        Py_ssize_t target_bytes, weight_bytes
        double factor
        int root
        void *grad
        int update, skip
        fl_update_call *update_call
        const double *lr
        double loss_sum, penalty_sum
        Py_ssize_t steps

    fl_status fl_run_descent(fl_descent *descent)
    int FL_UPDATE_sgd
