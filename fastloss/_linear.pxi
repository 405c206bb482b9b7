# SPDX-License-Identifier: BSD-3-Clause
# Single-sample descent of linear models: one C call for many steps. Its arrays come checked from linear/.


cdef class Descent:
    """What steps on single rows need, kept between calls: an objective's data, its loss, penalty and optimizer."""

    cdef fl_descent _call
    cdef Stepper _optimizer
    cdef object _arrays           # kept alive
    cdef cnp.ndarray _w
    cdef void *_param

    def __init__(self, Loss loss not None, Stepper optimizer not None, x, y, weight, w, grad_sum, Py_ssize_t c,
                 Py_ssize_t d, penalty, double factor, bint root):
        """``loss`` sums. ``x``: rows with a contiguous last axis, or (indptr, indices, entries). ``w``, ``grad_sum``:
        flat, contiguous; the intercept stands in them if there is room for it."""
        cdef cnp.ndarray scores, flat = w, total = grad_sum, grad
        cdef int type_ = type_index(flat)
        cdef Py_ssize_t item = cnp.PyArray_ITEMSIZE(flat), split = c * d
        memset(&self._call, 0, sizeof(fl_descent))
        pred = _check.row_of_scores(loss, y, w.dtype, c)
        prepared = _check.arguments(loss, pred, y[:1], None if weight is None else weight[:1], pred, LEVEL_GRAD)
        self._call.loss = loss._prepare_call(prepared, &self._call.call)
        self._call.call.reduction = FL_SUM
        scores = pred
        self._call.type = type_
        self._call.call.pred = self._call.call.grad = cnp.PyArray_DATA(scores)
        self._call.call.target = cnp.PyArray_DATA(<cnp.ndarray>y)
        self._call.target_bytes = cnp.PyArray_STRIDE(<cnp.ndarray>y, 0)
        if weight is not None:
            self._call.call.weight = cnp.PyArray_DATA(<cnp.ndarray>weight)
            self._call.weight_bytes = cnp.PyArray_STRIDE(<cnp.ndarray>weight, 0)
        self._call.factor = factor
        self._call.root = root
        self._set_rows(x)
        self._call.model.c = c
        self._call.model.d = d
        self._call.model.scale = 1
        self._call.model.coef = cnp.PyArray_DATA(flat)
        self._call.model.coef_sum = cnp.PyArray_DATA(total)
        if cnp.PyArray_SIZE(flat) > split:
            self._call.model.intercept = <char *>cnp.PyArray_DATA(flat) + split * item
            self._call.model.intercept_sum = <char *>cnp.PyArray_DATA(total) + split * item
        if penalty is not None:
            self._call.model.l1 = (<Penalty>penalty)._l1
            self._call.model.l2 = (<Penalty>penalty)._l2
        self._w = flat
        self._param = cnp.PyArray_DATA(flat)
        self._optimizer = optimizer
        self._arrays = (x, y, weight, total, pred, prepared)
        self._set_optimizer()

    cdef _set_rows(self, x):
        cdef cnp.ndarray indptr, indices, entries
        if isinstance(x, tuple):
            indptr, indices, entries = x
            self._call.indptr = cnp.PyArray_DATA(indptr)
            self._call.indices = cnp.PyArray_DATA(indices)
            self._call.index_bits = 8 * <int>cnp.PyArray_ITEMSIZE(indices)
            self._call.x = cnp.PyArray_DATA(entries)
        else:
            self._call.x = cnp.PyArray_DATA(<cnp.ndarray>x)
            self._call.x_stride = step_of(<cnp.ndarray>x, 0)

    cdef _set_optimizer(self):
        """Plain gradient descent goes without a gradient array, but for l1 on sparse rows, which touches all entries."""
        cdef fl_update_call *update = &self._optimizer._call
        cdef bint plain = (self._optimizer._kernel == FL_UPDATE_sgd and update.weight_decay == 0
                           and not update.maximize and update.clip_value == 0 and update.clip_norm == 0
                           and not update.check_finite)
        self._call.update = self._optimizer._kernel
        self._call.update_call = update
        self._call.skip = self._optimizer._on_nonfinite == 2
        if not plain or (self._call.indptr != NULL and self._call.model.l1 > 0):
            grad = new_like(self._w)
            self._arrays += (grad,)
            self._call.grad = cnp.PyArray_DATA(<cnp.ndarray>grad)

    @property
    def fused(self):
        """Whether steps go without a gradient array."""
        return self._call.grad == NULL

    def run(self, cnp.ndarray order not None):
        """A step for each row in ``order`` (int64, contiguous); the sums of losses and penalties, each before its
        step."""
        cdef cnp.ndarray rates
        cdef fl_status status
        cdef Stepper optimizer = self._optimizer
        cdef bint busy
        optimizer._require_intact()
        if cnp.PyArray_DATA(self._w) != self._param or optimizer._call.tensors[0].param != self._param:
            raise _check.changed_parameter(optimizer, optimizer._params, optimizer._keys)
        rates = _check.learning_rates(optimizer, cnp.PyArray_SIZE(order))
        with cython.critical_section(optimizer):
            busy = optimizer._busy
            optimizer._busy = True
        if busy:
            raise _check.busy(optimizer)
        self._call.order = <const int64_t *>cnp.PyArray_DATA(order)
        self._call.count = cnp.PyArray_SIZE(order)
        self._call.lr = <const double *>cnp.PyArray_DATA(rates)
        optimizer._call.tensors[0].grad = self._call.grad
        with nogil:
            status = fl_run_descent(&self._call)
        optimizer._busy = False
        optimizer._t += self._call.steps
        if self._call.grad == NULL:
            optimizer._call.tensors[0].step += self._call.steps
        if status == FL_NONFINITE:
            grad = self._arrays[len(self._arrays) - 1]
            raise _check.nonfinite(optimizer, (grad,), optimizer._keys, 0, optimizer._call.bad)
        return self._call.loss_sum, self._call.penalty_sum
