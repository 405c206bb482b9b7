# SPDX-License-Identifier: BSD-3-Clause
# src_c/dispatch.h and linear_call.h for the compiled module; not installed.
from ._fastloss cimport *


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
    const fl_api fl_api_table
    ctypedef struct fl_public_function:
        const char *name
        void *address

    const fl_public_function fl_public_functions[]


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
