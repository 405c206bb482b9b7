# SPDX-License-Identifier: BSD-3-Clause
# The C declarations that the compiled module uses: the public header and src_c/dispatch.h.
from libc.stdint cimport int64_t


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
    int fl_has_openmp()
    const char *fl_compiler()
