# SPDX-License-Identifier: BSD-3-Clause
# The kernels for other Cython modules: `from fastloss.kernels cimport huber_f64`. Every function is inline here and
# calls through the table of fastloss._core, so threads and kernel set are shared; there is no compiled module to this.
#
# Losses: NAME_f32 and NAME_f64(pred, target, grad, weight, parameters, reduction, status). They return the value; the
# gradient is written where grad is not None. weight has one entry per row. What follows target may be left out from
# the end. On an error NaN is returned and nothing is written; *status says which. FL_BAD_SHAPE: shapes that differ, or
# a last axis of a table that is not contiguous.
#
# For anything else (class weights, ignored labels, second derivatives) fill an fl_loss_call and call api.NAME_f64.
#
# All are noexcept nogil and may be called from many threads; what may overlap is said in fastloss.h.
from ._core cimport compiled_for_fastloss_0_1 as api
from ._fastloss cimport *

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

ctypedef fused real:
    float
    double


cdef inline double finish(fl_loss_function function, fl_loss_call *call, fl_status status, double a, double b, double c,
        fl_reduction reduction, fl_status *said) noexcept nogil:
    """Make the call, unless something is wrong with it already. FL_NONE would have no place for its losses."""
    if reduction == FL_NONE:
        status = FL_BAD_SHAPE
    if status == FL_OK:
        call.param[0], call.param[1], call.param[2] = a, b, c
        call.reduction = reduction
        status = function(call)
    if said != NULL:
        said[0] = status
    return call.value if status == FL_OK else NAN


cdef inline Py_ssize_t step(const real[:] a) noexcept nogil:
    """The stride of a vector in entries."""
    return a.strides[0] // <Py_ssize_t>sizeof(real)


cdef inline bint is_table(const real[:, :] a, Py_ssize_t n, Py_ssize_t c) noexcept nogil:
    """Whether this is n rows of c entries, each row contiguous."""
    return a.shape[0] == n and a.shape[1] == c and (a.strides[1] == <Py_ssize_t>sizeof(real) or c <= 1)


cdef inline double entries(fl_loss_function function, const real[:] pred, const real[:] target, real[:] grad,
        const real[:] weight, double a, double b, double c, fl_reduction reduction, fl_status *status) noexcept nogil:
    """One row of n entries if all arrays are contiguous, else n rows of one entry."""
    cdef fl_loss_call call
    cdef Py_ssize_t n = pred.shape[0]
    cdef bint flat = step(pred) == 1 and step(target) == 1
    memset(&call, 0, sizeof(call))
    if target.shape[0] != n or (grad is not None and grad.shape[0] != n):
        return finish(function, &call, FL_BAD_SHAPE, a, b, c, reduction, status)
    if weight is not None and weight.shape[0] != n:
        return finish(function, &call, FL_BAD_SHAPE, a, b, c, reduction, status)
    if n > 0:
        call.pred, call.pred_stride = &pred[0], step(pred)
        call.target, call.target_stride = &target[0], step(target)
        if grad is not None:
            call.grad, call.grad_stride = &grad[0], step(grad)
            flat = flat and step(grad) == 1
        if weight is not None:
            call.weight, call.weight_stride = &weight[0], step(weight)
            flat = flat and step(weight) == 1
    call.n = 1 if flat else n
    call.c = n if flat else 1
    call.weight_step = flat
    return finish(function, &call, FL_OK, a, b, c, reduction, status)


cdef inline fl_status table(fl_loss_call *call, const real[:, :] pred, real[:, :] grad,
        const real[:] weight) noexcept nogil:
    """Point the call at what all losses over rows have."""
    cdef Py_ssize_t n = pred.shape[0], c = pred.shape[1]
    memset(call, 0, sizeof(call[0]))
    if not is_table(pred, n, c) or (grad is not None and not is_table(grad, n, c)):
        return FL_BAD_SHAPE
    if weight is not None and weight.shape[0] != n:
        return FL_BAD_SHAPE
    call.n, call.c = n, c
    if n > 0 and c > 0:
        call.pred, call.pred_stride = &pred[0, 0], pred.strides[0] // <Py_ssize_t>sizeof(real)
        if grad is not None:
            call.grad, call.grad_stride = &grad[0, 0], grad.strides[0] // <Py_ssize_t>sizeof(real)
    if n > 0 and weight is not None:
        call.weight, call.weight_stride = &weight[0], step(weight)
    return FL_OK


cdef inline double rows(fl_loss_function function, const real[:, :] pred, const int64_t[:] target, real[:, :] grad,
        const real[:] weight, double a, double b, double c, fl_reduction reduction, fl_status *status) noexcept nogil:
    """One label per row; there must be a class for it even in rows without any."""
    cdef fl_loss_call call
    cdef fl_status shapes = table(&call, pred, grad, weight)
    if target.shape[0] != pred.shape[0]:
        shapes = FL_BAD_SHAPE
    if target.shape[0] > 0:
        call.target, call.target_stride = &target[0], target.strides[0] // 8
    call.label_bits = 64
    return finish(function, &call, shapes, a, b, c, reduction, status)


cdef inline double pairs(fl_loss_function function, const real[:, :] pred, const real[:] target, real[:, :] grad,
        const real[:] weight, double a, double b, double c, fl_reduction reduction, fl_status *status) noexcept nogil:
    """Rows of two, a float each."""
    cdef fl_loss_call call
    cdef fl_status shapes = table(&call, pred, grad, weight)
    if target.shape[0] != pred.shape[0] or pred.shape[1] != 2:
        shapes = FL_BAD_SHAPE
    if target.shape[0] > 0:
        call.target, call.target_stride = &target[0], step(target)
    return finish(function, &call, shapes, a, b, c, reduction, status)


cdef inline double row_pairs(fl_loss_function function, const real[:, :] pred, const real[:, :] target, real[:, :] grad,
        const real[:] weight, double a, double b, double c, fl_reduction reduction, fl_status *status) noexcept nogil:
    """A row of probabilities for each row."""
    cdef fl_loss_call call
    cdef fl_status shapes = table(&call, pred, grad, weight)
    if not is_table(target, pred.shape[0], pred.shape[1]):
        shapes = FL_BAD_SHAPE
    elif call.n > 0 and call.c > 0:
        call.target, call.target_stride = &target[0, 0], target.strides[0] // <Py_ssize_t>sizeof(real)
    return finish(function, &call, shapes, a, b, c, reduction, status)


# ---- entries one by one ----

cdef inline double squared_error_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double factor=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.squared_error_f32, pred, target, grad, weight, factor, 0, 0, reduction, status)
cdef inline double squared_error_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double factor=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.squared_error_f64, pred, target, grad, weight, factor, 0, 0, reduction, status)

cdef inline double root_mean_squared_error_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.root_mean_squared_error_f32, pred, target, grad, weight, 0, 0, 0, reduction, status)
cdef inline double root_mean_squared_error_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.root_mean_squared_error_f64, pred, target, grad, weight, 0, 0, 0, reduction, status)

cdef inline double absolute_error_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.absolute_error_f32, pred, target, grad, weight, 0, 0, 0, reduction, status)
cdef inline double absolute_error_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.absolute_error_f64, pred, target, grad, weight, 0, 0, 0, reduction, status)

cdef inline double huber_f32(const float[:] pred, const float[:] target, float[:] grad=None, const float[:] weight=None,
        double delta=1, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.huber_f32, pred, target, grad, weight, delta, 0, 0, reduction, status)
cdef inline double huber_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double delta=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.huber_f64, pred, target, grad, weight, delta, 0, 0, reduction, status)

cdef inline double log_cosh_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.log_cosh_f32, pred, target, grad, weight, 0, 0, 0, reduction, status)
cdef inline double log_cosh_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.log_cosh_f64, pred, target, grad, weight, 0, 0, 0, reduction, status)

cdef inline double pinball_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double quantile=0.5, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.pinball_f32, pred, target, grad, weight, quantile, 0, 0, reduction, status)
cdef inline double pinball_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double quantile=0.5, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.pinball_f64, pred, target, grad, weight, quantile, 0, 0, reduction, status)

cdef inline double epsilon_insensitive_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double epsilon=0.1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.epsilon_insensitive_f32, pred, target, grad, weight, epsilon, 0, 0, reduction, status)
cdef inline double epsilon_insensitive_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double epsilon=0.1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.epsilon_insensitive_f64, pred, target, grad, weight, epsilon, 0, 0, reduction, status)

cdef inline double epsilon_insensitive_squared_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double epsilon=0.1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.epsilon_insensitive_squared_f32, pred, target, grad, weight, epsilon, 0, 0, reduction, status)
cdef inline double epsilon_insensitive_squared_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double epsilon=0.1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.epsilon_insensitive_squared_f64, pred, target, grad, weight, epsilon, 0, 0, reduction, status)

cdef inline double gaussian_nll_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double variance=1, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.gaussian_nll_f32, pred, target, grad, weight, variance, full, 0, reduction, status)
cdef inline double gaussian_nll_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double variance=1, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.gaussian_nll_f64, pred, target, grad, weight, variance, full, 0, reduction, status)

cdef inline double poisson_nll_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, bint full=0, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.poisson_nll_f32, pred, target, grad, weight, full, 0, 0, reduction, status)
cdef inline double poisson_nll_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.poisson_nll_f64, pred, target, grad, weight, full, 0, 0, reduction, status)

cdef inline double poisson_nll_rate_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, bint full=0, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.poisson_nll_rate_f32, pred, target, grad, weight, full, 0, 0, reduction, status)
cdef inline double poisson_nll_rate_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.poisson_nll_rate_f64, pred, target, grad, weight, full, 0, 0, reduction, status)

cdef inline double gamma_nll_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double shape=1, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.gamma_nll_f32, pred, target, grad, weight, shape, full, 0, reduction, status)
cdef inline double gamma_nll_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double shape=1, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.gamma_nll_f64, pred, target, grad, weight, shape, full, 0, reduction, status)

cdef inline double gamma_nll_mean_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double shape=1, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.gamma_nll_mean_f32, pred, target, grad, weight, shape, full, 0, reduction, status)
cdef inline double gamma_nll_mean_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double shape=1, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.gamma_nll_mean_f64, pred, target, grad, weight, shape, full, 0, reduction, status)

cdef inline double tweedie_nll_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double power=1.5, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.tweedie_nll_f32, pred, target, grad, weight, power, 0, 0, reduction, status)
cdef inline double tweedie_nll_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double power=1.5, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.tweedie_nll_f64, pred, target, grad, weight, power, 0, 0, reduction, status)

cdef inline double binary_cross_entropy_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double pos_weight=1, double smoothing=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.binary_cross_entropy_f32, pred, target, grad, weight, pos_weight, smoothing, 0, reduction,
        status)
cdef inline double binary_cross_entropy_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double pos_weight=1, double smoothing=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.binary_cross_entropy_f64, pred, target, grad, weight, pos_weight, smoothing, 0, reduction,
        status)

cdef inline double binary_cross_entropy_probabilities_f32(const float[:] pred, const float[:] target,
        float[:] grad=None, const float[:] weight=None, double pos_weight=1, double smoothing=0,
        fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.binary_cross_entropy_probabilities_f32, pred, target, grad, weight, pos_weight, smoothing, 0,
        reduction, status)
cdef inline double binary_cross_entropy_probabilities_f64(const double[:] pred, const double[:] target,
        double[:] grad=None, const double[:] weight=None, double pos_weight=1, double smoothing=0,
        fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.binary_cross_entropy_probabilities_f64, pred, target, grad, weight, pos_weight, smoothing, 0,
        reduction, status)

cdef inline double hinge_f32(const float[:] pred, const float[:] target, float[:] grad=None, const float[:] weight=None,
        double margin=1, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.hinge_f32, pred, target, grad, weight, margin, 0, 0, reduction, status)
cdef inline double hinge_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.hinge_f64, pred, target, grad, weight, margin, 0, 0, reduction, status)

cdef inline double hinge_squared_f32(const float[:] pred, const float[:] target, float[:] grad=None,
        const float[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.hinge_squared_f32, pred, target, grad, weight, margin, 0, 0, reduction, status)
cdef inline double hinge_squared_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.hinge_squared_f64, pred, target, grad, weight, margin, 0, 0, reduction, status)

cdef inline double focal_f32(const float[:] pred, const float[:] target, float[:] grad=None, const float[:] weight=None,
        double gamma=2, double weight_of_1=1, double weight_of_0=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return entries(api.focal_f32, pred, target, grad, weight, gamma, weight_of_1, weight_of_0, reduction, status)
cdef inline double focal_f64(const double[:] pred, const double[:] target, double[:] grad=None,
        const double[:] weight=None, double gamma=2, double weight_of_1=1, double weight_of_0=1,
        fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return entries(api.focal_f64, pred, target, grad, weight, gamma, weight_of_1, weight_of_0, reduction, status)


# ---- rows ----

cdef inline double gaussian_nll_learned_f32(const float[:, :] pred, const float[:] target, float[:, :] grad=None,
        const float[:] weight=None, bint full=0, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return pairs(api.gaussian_nll_learned_f32, pred, target, grad, weight, full, 0, 0, reduction, status)
cdef inline double gaussian_nll_learned_f64(const double[:, :] pred, const double[:] target, double[:, :] grad=None,
        const double[:] weight=None, bint full=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return pairs(api.gaussian_nll_learned_f64, pred, target, grad, weight, full, 0, 0, reduction, status)

cdef inline double softmax_cross_entropy_f32(const float[:, :] pred, const int64_t[:] target, float[:, :] grad=None,
        const float[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return rows(api.softmax_cross_entropy_f32, pred, target, grad, weight, 0, 0, 0, reduction, status)
cdef inline double softmax_cross_entropy_f64(const double[:, :] pred, const int64_t[:] target, double[:, :] grad=None,
        const double[:] weight=None, fl_reduction reduction=FL_MEAN, fl_status *status=NULL) noexcept nogil:
    return rows(api.softmax_cross_entropy_f64, pred, target, grad, weight, 0, 0, 0, reduction, status)

cdef inline double softmax_cross_entropy_smooth_f32(const float[:, :] pred, const int64_t[:] target,
        float[:, :] grad=None, const float[:] weight=None, double smoothing=0.1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.softmax_cross_entropy_smooth_f32, pred, target, grad, weight, smoothing, 0, 0, reduction, status)
cdef inline double softmax_cross_entropy_smooth_f64(const double[:, :] pred, const int64_t[:] target,
        double[:, :] grad=None, const double[:] weight=None, double smoothing=0.1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.softmax_cross_entropy_smooth_f64, pred, target, grad, weight, smoothing, 0, 0, reduction, status)

cdef inline double multiclass_hinge_f32(const float[:, :] pred, const int64_t[:] target, float[:, :] grad=None,
        const float[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.multiclass_hinge_f32, pred, target, grad, weight, margin, 0, 0, reduction, status)
cdef inline double multiclass_hinge_f64(const double[:, :] pred, const int64_t[:] target, double[:, :] grad=None,
        const double[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.multiclass_hinge_f64, pred, target, grad, weight, margin, 0, 0, reduction, status)

cdef inline double multiclass_hinge_squared_f32(const float[:, :] pred, const int64_t[:] target, float[:, :] grad=None,
        const float[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.multiclass_hinge_squared_f32, pred, target, grad, weight, margin, 0, 0, reduction, status)
cdef inline double multiclass_hinge_squared_f64(const double[:, :] pred, const int64_t[:] target,
        double[:, :] grad=None, const double[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.multiclass_hinge_squared_f64, pred, target, grad, weight, margin, 0, 0, reduction, status)

cdef inline double crammer_singer_hinge_f32(const float[:, :] pred, const int64_t[:] target, float[:, :] grad=None,
        const float[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.crammer_singer_hinge_f32, pred, target, grad, weight, margin, 0, 0, reduction, status)
cdef inline double crammer_singer_hinge_f64(const double[:, :] pred, const int64_t[:] target, double[:, :] grad=None,
        const double[:] weight=None, double margin=1, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return rows(api.crammer_singer_hinge_f64, pred, target, grad, weight, margin, 0, 0, reduction, status)

cdef inline double softmax_cross_entropy_probabilities_f32(const float[:, :] pred, const float[:, :] target,
        float[:, :] grad=None, const float[:] weight=None, double smoothing=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return row_pairs(api.softmax_cross_entropy_probabilities_f32, pred, target, grad, weight, smoothing, 0, 0,
        reduction, status)
cdef inline double softmax_cross_entropy_probabilities_f64(const double[:, :] pred, const double[:, :] target,
        double[:, :] grad=None, const double[:] weight=None, double smoothing=0, fl_reduction reduction=FL_MEAN,
        fl_status *status=NULL) noexcept nogil:
    return row_pairs(api.softmax_cross_entropy_probabilities_f64, pred, target, grad, weight, smoothing, 0, 0,
        reduction, status)


# ---- optimizers ----
#
# One step for one array: NAME_f32 and NAME_f64(param, grad, state, progress, lr, parameters, weight_decay). state: as
# many rows of param's length as fastloss.h lists states for the optimizer; zeros before the first step. progress: two
# doubles, {0, 1} before the first step and then left alone. All arrays contiguous. For several arrays in one pass,
# clipping and checks fill an fl_update_call and call api.NAME.

cdef inline fl_status update(fl_update_function function, Py_ssize_t states, real[::1] param, const real[::1] grad,
        real[:, ::1] state, double *progress, double lr, double weight_decay, double a, double b, double c, double d,
        double e) noexcept nogil:
    cdef double[5] option
    cdef Py_ssize_t n = param.shape[0]
    cdef void *first = NULL
    option[0], option[1], option[2], option[3], option[4] = a, b, c, d, e
    if grad.shape[0] != n or (states > 0 and (state.shape[0] != states or state.shape[1] != n)):
        return FL_BAD_SHAPE
    if n > 0 and states > 0:
        first = &state[0, 0]
    return api.plain_update(function, sizeof(real) == 8, n, &param[0] if n > 0 else NULL, &grad[0] if n > 0 else NULL,
                            first, lr, weight_decay, option, progress)


cdef inline fl_status sgd_f32(float[::1] param, const float[::1] grad, double *progress, double lr=1e-3,
        double weight_decay=0) noexcept nogil:
    return update[float](api.sgd, 0, param, grad, None, progress, lr, weight_decay, 0, 0, 0, 0, 0)
cdef inline fl_status sgd_f64(double[::1] param, const double[::1] grad, double *progress, double lr=1e-3,
        double weight_decay=0) noexcept nogil:
    return update[double](api.sgd, 0, param, grad, None, progress, lr, weight_decay, 0, 0, 0, 0, 0)

cdef inline fl_status sgd_momentum_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-3, double momentum=0.9, double dampening=0, bint nesterov=0, double weight_decay=0) noexcept nogil:
    return update(api.sgd_momentum, 1, param, grad, state, progress, lr, weight_decay, momentum, dampening, nesterov, 0,
        0)
cdef inline fl_status sgd_momentum_f64(double[::1] param, const double[::1] grad, double[:, ::1] state,
        double *progress, double lr=1e-3, double momentum=0.9, double dampening=0, bint nesterov=0,
        double weight_decay=0) noexcept nogil:
    return update(api.sgd_momentum, 1, param, grad, state, progress, lr, weight_decay, momentum, dampening, nesterov, 0,
        0)

cdef inline fl_status adagrad_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-2, double lr_decay=0, double eps=1e-10, bint eps_inside=0, double weight_decay=0) noexcept nogil:
    return update(api.adagrad, 1, param, grad, state, progress, lr, weight_decay, lr_decay, eps, eps_inside, 0, 0)
cdef inline fl_status adagrad_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=1e-2, double lr_decay=0, double eps=1e-10, bint eps_inside=0, double weight_decay=0) noexcept nogil:
    return update(api.adagrad, 1, param, grad, state, progress, lr, weight_decay, lr_decay, eps, eps_inside, 0, 0)

cdef inline fl_status adadelta_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1, double rho=0.9, double eps=1e-6, double weight_decay=0) noexcept nogil:
    return update(api.adadelta, 2, param, grad, state, progress, lr, weight_decay, rho, eps, 0, 0, 0)
cdef inline fl_status adadelta_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=1, double rho=0.9, double eps=1e-6, double weight_decay=0) noexcept nogil:
    return update(api.adadelta, 2, param, grad, state, progress, lr, weight_decay, rho, eps, 0, 0, 0)

cdef inline fl_status rmsprop_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-2, double alpha=0.99, double eps=1e-8, bint eps_inside=0, double weight_decay=0) noexcept nogil:
    return update(api.rmsprop, 1, param, grad, state, progress, lr, weight_decay, alpha, eps, 0, eps_inside, 0)
cdef inline fl_status rmsprop_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=1e-2, double alpha=0.99, double eps=1e-8, bint eps_inside=0, double weight_decay=0) noexcept nogil:
    return update(api.rmsprop, 1, param, grad, state, progress, lr, weight_decay, alpha, eps, 0, eps_inside, 0)

cdef inline fl_status rmsprop_momentum_f32(float[::1] param, const float[::1] grad, float[:, ::1] state,
        double *progress, double lr=1e-2, double alpha=0.99, double eps=1e-8, double momentum=0.9, bint eps_inside=0,
        double weight_decay=0) noexcept nogil:
    return update(api.rmsprop_momentum, 2, param, grad, state, progress, lr, weight_decay, alpha, eps, momentum,
        eps_inside, 0)
cdef inline fl_status rmsprop_momentum_f64(double[::1] param, const double[::1] grad, double[:, ::1] state,
        double *progress, double lr=1e-2, double alpha=0.99, double eps=1e-8, double momentum=0.9, bint eps_inside=0,
        double weight_decay=0) noexcept nogil:
    return update(api.rmsprop_momentum, 2, param, grad, state, progress, lr, weight_decay, alpha, eps, momentum,
        eps_inside, 0)

cdef inline fl_status rmsprop_centered_f32(float[::1] param, const float[::1] grad, float[:, ::1] state,
        double *progress, double lr=1e-2, double alpha=0.99, double eps=1e-8, bint eps_inside=0,
        double weight_decay=0) noexcept nogil:
    return update(api.rmsprop_centered, 2, param, grad, state, progress, lr, weight_decay, alpha, eps, 0, eps_inside, 0)
cdef inline fl_status rmsprop_centered_f64(double[::1] param, const double[::1] grad, double[:, ::1] state,
        double *progress, double lr=1e-2, double alpha=0.99, double eps=1e-8, bint eps_inside=0,
        double weight_decay=0) noexcept nogil:
    return update(api.rmsprop_centered, 2, param, grad, state, progress, lr, weight_decay, alpha, eps, 0, eps_inside, 0)

cdef inline fl_status rmsprop_centered_momentum_f32(float[::1] param, const float[::1] grad, float[:, ::1] state,
        double *progress, double lr=1e-2, double alpha=0.99, double eps=1e-8, double momentum=0.9, bint eps_inside=0,
        double weight_decay=0) noexcept nogil:
    return update(api.rmsprop_centered_momentum, 3, param, grad, state, progress, lr, weight_decay, alpha, eps,
        momentum, eps_inside, 0)
cdef inline fl_status rmsprop_centered_momentum_f64(double[::1] param, const double[::1] grad, double[:, ::1] state,
        double *progress, double lr=1e-2, double alpha=0.99, double eps=1e-8, double momentum=0.9, bint eps_inside=0,
        double weight_decay=0) noexcept nogil:
    return update(api.rmsprop_centered_momentum, 3, param, grad, state, progress, lr, weight_decay, alpha, eps,
        momentum, eps_inside, 0)

cdef inline fl_status adam_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, bint bias_correction=1, bint decoupled=0,
        double weight_decay=0) noexcept nogil:
    return update(api.adam, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, bias_correction,
        decoupled)
cdef inline fl_status adam_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=1e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, bint bias_correction=1, bint decoupled=0,
        double weight_decay=0) noexcept nogil:
    return update(api.adam, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, bias_correction,
        decoupled)

cdef inline fl_status adam_amsgrad_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, bint bias_correction=1, bint decoupled=0,
        double weight_decay=0) noexcept nogil:
    return update(api.adam_amsgrad, 3, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps,
        bias_correction, decoupled)
cdef inline fl_status adam_amsgrad_f64(double[::1] param, const double[::1] grad, double[:, ::1] state,
        double *progress, double lr=1e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, bint bias_correction=1,
        bint decoupled=0, double weight_decay=0) noexcept nogil:
    return update(api.adam_amsgrad, 3, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps,
        bias_correction, decoupled)

cdef inline fl_status radam_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, double weight_decay=0) noexcept nogil:
    return update(api.radam, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, 0, 0)
cdef inline fl_status radam_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=1e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, double weight_decay=0) noexcept nogil:
    return update(api.radam, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, 0, 0)

cdef inline fl_status nadam_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=2e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, double momentum_decay=4e-3,
        double weight_decay=0) noexcept nogil:
    return update(api.nadam, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, momentum_decay, 0)
cdef inline fl_status nadam_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=2e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, double momentum_decay=4e-3,
        double weight_decay=0) noexcept nogil:
    return update(api.nadam, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, momentum_decay, 0)

cdef inline fl_status adamax_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=2e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, double weight_decay=0) noexcept nogil:
    return update(api.adamax, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, 0, 0)
cdef inline fl_status adamax_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=2e-3, double beta1=0.9, double beta2=0.999, double eps=1e-8, double weight_decay=0) noexcept nogil:
    return update(api.adamax, 2, param, grad, state, progress, lr, weight_decay, beta1, beta2, eps, 0, 0)

cdef inline fl_status lion_f32(float[::1] param, const float[::1] grad, float[:, ::1] state, double *progress,
        double lr=1e-4, double beta1=0.9, double beta2=0.99, double weight_decay=0) noexcept nogil:
    return update(api.lion, 1, param, grad, state, progress, lr, weight_decay, beta1, beta2, 0, 0, 0)
cdef inline fl_status lion_f64(double[::1] param, const double[::1] grad, double[:, ::1] state, double *progress,
        double lr=1e-4, double beta1=0.9, double beta2=0.99, double weight_decay=0) noexcept nogil:
    return update(api.lion, 1, param, grad, state, progress, lr, weight_decay, beta1, beta2, 0, 0, 0)


# ---- regularizers ----
#
# Over contiguous entries, or over a table with a feature per column. What the arguments mean is said in fastloss.h.

cdef inline double over_entries(fl_regularizer_function function, const real[::1] x, real[::1] y,
        const uint8_t[::1] mask, uint64_t seed, double a, double b, bint add, fl_status *status) noexcept nogil:
    cdef fl_regularizer_call call
    cdef Py_ssize_t n = x.shape[0]
    cdef bint fits = (y is None or y.shape[0] == n) and (mask is None or mask.shape[0] == n)
    if status != NULL:
        status[0] = FL_OK if fits else FL_BAD_SHAPE
    if not fits:
        return NAN
    memset(&call, 0, sizeof(call))
    call.n, call.c, call.seed, call.add = 1, n, seed, add
    call.param[0], call.param[1] = a, b
    if n > 0:
        call.x = call.dy = &x[0]
        if y is not None:
            call.y = &y[0]
        if mask is not None:
            call.mask = <uint8_t *>&mask[0]
    call.x_stride = call.dy_stride = call.y_stride = call.mask_stride = n
    function(&call)
    return call.value


cdef inline bint is_feature(const double[::1] a, Py_ssize_t c) noexcept nogil:
    """Whether this is None or has an entry per feature."""
    return a is None or a.shape[0] == c


cdef inline const double *first_of(const double[::1] a) noexcept nogil:
    return NULL if a is None or a.shape[0] == 0 else &a[0]


cdef inline fl_status over_features(fl_regularizer_function function, const real[:, ::1] x, const real[:, ::1] dy,
        real[:, ::1] y, const double[::1] gamma, const double[::1] beta, double[::1] mean, double[::1] variance,
        double[::1] dgamma, double[::1] dbeta, double a, bint training) noexcept nogil:
    cdef fl_regularizer_call call
    cdef Py_ssize_t n = x.shape[0], c = x.shape[1]
    if y.shape[0] != n or y.shape[1] != c or dy.shape[0] != n or dy.shape[1] != c:
        return FL_BAD_SHAPE
    if not (is_feature(gamma, c) and is_feature(beta, c) and is_feature(mean, c) and is_feature(variance, c) and
            is_feature(dgamma, c) and is_feature(dbeta, c)):
        return FL_BAD_SHAPE
    memset(&call, 0, sizeof(call))
    call.n, call.c, call.k = n, c, 1
    if n > 0 and c > 0:
        call.x, call.dy, call.y = &x[0, 0], &dy[0, 0], &y[0, 0]
    call.x_stride = call.dy_stride = call.y_stride = c
    call.x_step = call.dy_step = call.y_step = 1
    call.gamma, call.beta = first_of(gamma), first_of(beta)
    call.mean, call.variance = <double *>first_of(mean), <double *>first_of(variance)
    call.dgamma, call.dbeta = <double *>first_of(dgamma), <double *>first_of(dbeta)
    call.param[0], call.param[1] = a, training
    function(&call)
    return FL_OK


cdef inline fl_status map_f32(void (*function)(const float *, float *, Py_ssize_t) noexcept nogil, const float[::1] x,
        float[::1] y) noexcept nogil:
    if x.shape[0] != y.shape[0]:
        return FL_BAD_SHAPE
    if x.shape[0] > 0:
        function(&x[0], &y[0], x.shape[0])
    return FL_OK


cdef inline fl_status map_f64(void (*function)(const double *, double *, Py_ssize_t) noexcept nogil,
        const double[::1] x, double[::1] y) noexcept nogil:
    if x.shape[0] != y.shape[0]:
        return FL_BAD_SHAPE
    if x.shape[0] > 0:
        function(&x[0], &y[0], x.shape[0])
    return FL_OK


cdef inline double elastic_net_f32(const float[::1] w, float[::1] grad=None, double l1=0, double l2=0, bint add=False,
        fl_status *status=NULL) noexcept nogil:
    return over_entries[float](api.elastic_net_f32, w, grad, None, 0, l1, l2, add, status)
cdef inline double elastic_net_f64(const double[::1] w, double[::1] grad=None, double l1=0, double l2=0, bint add=False,
        fl_status *status=NULL) noexcept nogil:
    return over_entries[double](api.elastic_net_f64, w, grad, None, 0, l1, l2, add, status)

cdef inline fl_status elastic_net_prox_f32(float[::1] w, double threshold, double divisor=1) noexcept nogil:
    cdef fl_status status
    over_entries[float](api.elastic_net_prox_f32, w, w, None, 0, threshold, divisor, False, &status)
    return status
cdef inline fl_status elastic_net_prox_f64(double[::1] w, double threshold, double divisor=1) noexcept nogil:
    cdef fl_status status
    over_entries[double](api.elastic_net_prox_f64, w, w, None, 0, threshold, divisor, False, &status)
    return status

cdef inline fl_status dropout_f32(const float[::1] x, float[::1] y, uint8_t[::1] mask, double rate,
        uint64_t seed) noexcept nogil:
    cdef fl_status status
    over_entries[float](api.dropout_f32, x, y, mask, seed, rate, 0, False, &status)
    return status
cdef inline fl_status dropout_f64(const double[::1] x, double[::1] y, uint8_t[::1] mask, double rate,
        uint64_t seed) noexcept nogil:
    cdef fl_status status
    over_entries[double](api.dropout_f64, x, y, mask, seed, rate, 0, False, &status)
    return status

cdef inline fl_status dropout_grad_f32(const float[::1] dy, float[::1] dx, const uint8_t[::1] mask,
        double rate) noexcept nogil:
    cdef fl_status status
    over_entries[float](api.dropout_grad_f32, dy, dx, mask, 0, rate, 0, False, &status)
    return status
cdef inline fl_status dropout_grad_f64(const double[::1] dy, double[::1] dx, const uint8_t[::1] mask,
        double rate) noexcept nogil:
    cdef fl_status status
    over_entries[double](api.dropout_grad_f64, dy, dx, mask, 0, rate, 0, False, &status)
    return status

cdef inline fl_status max_norm_f32(float[:, ::1] w, double limit) noexcept nogil:
    return over_features[float](api.max_norm_f32, w, w, w, None, None, None, None, None, None, limit, False)
cdef inline fl_status max_norm_f64(double[:, ::1] w, double limit) noexcept nogil:
    return over_features[double](api.max_norm_f64, w, w, w, None, None, None, None, None, None, limit, False)

cdef inline fl_status batch_norm_f32(const float[:, ::1] x, float[:, ::1] y, const double[::1] gamma,
        const double[::1] beta, double[::1] mean, double[::1] variance, bint training, double eps=1e-5) noexcept nogil:
    return over_features[float](api.batch_norm_f32, x, x, y, gamma, beta, mean, variance, None, None, eps, training)
cdef inline fl_status batch_norm_f64(const double[:, ::1] x, double[:, ::1] y, const double[::1] gamma,
        const double[::1] beta, double[::1] mean, double[::1] variance, bint training, double eps=1e-5) noexcept nogil:
    return over_features[double](api.batch_norm_f64, x, x, y, gamma, beta, mean, variance, None, None, eps, training)

cdef inline fl_status batch_norm_grad_f32(const float[:, ::1] dy, const float[:, ::1] x, float[:, ::1] dx,
        const double[::1] gamma, double[::1] mean, double[::1] variance, double[::1] dgamma, double[::1] dbeta,
        bint training, double eps=1e-5) noexcept nogil:
    return over_features[float](api.batch_norm_grad_f32, x, dy, dx, gamma, None, mean, variance, dgamma, dbeta, eps,
        training)
cdef inline fl_status batch_norm_grad_f64(const double[:, ::1] dy, const double[:, ::1] x, double[:, ::1] dx,
        const double[::1] gamma, double[::1] mean, double[::1] variance, double[::1] dgamma, double[::1] dbeta,
        bint training, double eps=1e-5) noexcept nogil:
    return over_features[double](api.batch_norm_grad_f64, x, dy, dx, gamma, None, mean, variance, dgamma, dbeta, eps,
        training)


# ---- elementary functions: y[i] = f(x[i]); y may be x ----

cdef inline fl_status exp_f32(const float[::1] x, float[::1] y) noexcept nogil:
    return map_f32(api.exp_f32, x, y)
cdef inline fl_status exp_f64(const double[::1] x, double[::1] y) noexcept nogil:
    return map_f64(api.exp_f64, x, y)

cdef inline fl_status log_f32(const float[::1] x, float[::1] y) noexcept nogil:
    return map_f32(api.log_f32, x, y)
cdef inline fl_status log_f64(const double[::1] x, double[::1] y) noexcept nogil:
    return map_f64(api.log_f64, x, y)

cdef inline fl_status log1p_f32(const float[::1] x, float[::1] y) noexcept nogil:
    return map_f32(api.log1p_f32, x, y)
cdef inline fl_status log1p_f64(const double[::1] x, double[::1] y) noexcept nogil:
    return map_f64(api.log1p_f64, x, y)

cdef inline fl_status expm1_f32(const float[::1] x, float[::1] y) noexcept nogil:
    return map_f32(api.expm1_f32, x, y)
cdef inline fl_status expm1_f64(const double[::1] x, double[::1] y) noexcept nogil:
    return map_f64(api.expm1_f64, x, y)

cdef inline fl_status tanh_f32(const float[::1] x, float[::1] y) noexcept nogil:
    return map_f32(api.tanh_f32, x, y)
cdef inline fl_status tanh_f64(const double[::1] x, double[::1] y) noexcept nogil:
    return map_f64(api.tanh_f64, x, y)

cdef inline fl_status sigmoid_f32(const float[::1] x, float[::1] y) noexcept nogil:
    return map_f32(api.sigmoid_f32, x, y)
cdef inline fl_status sigmoid_f64(const double[::1] x, double[::1] y) noexcept nogil:
    return map_f64(api.sigmoid_f64, x, y)
