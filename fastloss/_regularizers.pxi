# SPDX-License-Identifier: BSD-3-Clause
# The base classes of the regularizers, and one function per compiled one. Arrays come checked from _check.py, as rows
# whose last axis is contiguous.

cdef void regularize(int kernel, int type_, fl_regularizer_call *call, double entries) noexcept:
    if entries * fl_regularizers[kernel].cost < GIL_WORK:
        fl_regularizers[kernel].function[type_](call)
    else:
        with nogil:
            fl_regularizers[kernel].function[type_](call)


cdef inline Py_ssize_t step_of(cnp.ndarray a, int axis) noexcept:
    return cnp.PyArray_STRIDE(a, axis) // cnp.PyArray_ITEMSIZE(a)


cdef inline void set_shape(fl_regularizer_call *call, cnp.ndarray rows) noexcept:
    memset(call, 0, sizeof(fl_regularizer_call))
    call.n = cnp.PyArray_DIM(rows, 0)
    call.c = cnp.PyArray_DIM(rows, 1)
    call.k = cnp.PyArray_DIM(rows, 2) if cnp.PyArray_NDIM(rows) == 3 else 1


cdef inline void set_x(fl_regularizer_call *call, cnp.ndarray rows) noexcept:
    call.x = cnp.PyArray_DATA(rows)
    call.x_stride = step_of(rows, 0)
    call.x_step = step_of(rows, 1)


cdef inline void set_dy(fl_regularizer_call *call, cnp.ndarray rows) noexcept:
    call.dy = cnp.PyArray_DATA(rows)
    call.dy_stride = step_of(rows, 0)
    call.dy_step = step_of(rows, 1)


cdef inline void set_y(fl_regularizer_call *call, cnp.ndarray rows) noexcept:
    call.y = cnp.PyArray_DATA(rows)
    call.y_stride = step_of(rows, 0)
    call.y_step = step_of(rows, 1)


cdef double on_rows(int kernel, fl_regularizer_call *call, cnp.ndarray rows) noexcept:
    regularize(kernel, cnp.PyArray_TYPE(rows) == cnp.NPY_FLOAT64, call, <double>cnp.PyArray_SIZE(rows))
    return call.value


cdef class Regularizer:
    """A configured regularizer: immutable, compared by its configuration."""

    cdef dict _config                     # constructor keywords

    def _set(self, config):
        if self._config is not None:
            raise TypeError(f"{type(self).__name__}: a regularizer cannot be configured twice")
        self._config = dict(config)

    def __getattr__(self, name):
        if self._config is not None and name in self._config:
            return self._config[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self):
        return [*object.__dir__(self), *self._keywords()]

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._keywords().items())})"

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return self._config == (<Regularizer>other)._config

    def __hash__(self):
        return hash((type(self), tuple(self._keywords().items())))

    def __reduce__(self):
        return _reduce(self)

    def _keywords(self):
        """The constructor's keywords."""
        return dict(self._config or {})

    def _require_configured(self):
        if self._config is None:
            raise TypeError(f"{type(self).__name__}: the constructor of fastloss's regularizer has not been called")


cdef class Penalty(Regularizer):
    """A penalty on weights, ``l1 * sum(abs(w)) + l2 * sum(w**2)``; subclasses say what l1 and l2 are."""

    cdef double _l1, _l2

    def _configure(self, config, *, l1=0.0, l2=0.0):
        """Set everything, once. ``config`` holds the constructor's keywords."""
        self._set(config)
        self._l1 = l1
        self._l2 = l2

    def value(self, w):
        """The penalty of ``w`` (any shape), a Python float."""
        cdef fl_regularizer_call call
        if self._config is None:
            self._require_configured()
        if is_plain(w):
            return self._flat(&call, <cnp.ndarray>w, None, 0)
        _, rows = _check.readable(type(self).__name__, "w", w)
        return self._rows(&call, rows, None, 0)

    def value_and_grad(self, w):
        """``(value, grad)``; ``grad`` is a new array of w's shape and float type."""
        cdef fl_regularizer_call call
        cdef cnp.ndarray grad
        if self._config is None:
            self._require_configured()
        if is_plain(w):
            grad = new_like(<cnp.ndarray>w)
            return self._flat(&call, <cnp.ndarray>w, grad, 0), grad
        array, _ = _check.readable(type(self).__name__, "w", w)
        grad = new_like(array)
        rows, grad_rows = _check.flat_rows(array, grad)
        return self._rows(&call, rows, grad_rows, 0), grad

    def add_grad(self, w, dw):
        """Add the gradient to ``dw`` in place and return the value, in one pass.

        ``dw`` has w's shape and float type, is C-contiguous or row-strided, and shares no byte with ``w``.
        """
        cdef fl_regularizer_call call
        if self._config is None:
            self._require_configured()
        if is_plain(w) and fits(<cnp.ndarray>w, dw):
            return self._flat(&call, <cnp.ndarray>w, dw, 1)
        rows, grad_rows = _check.accumulator(type(self).__name__, w, dw)
        return self._rows(&call, rows, grad_rows, 1)

    def hessp(self, w, v):
        """The Hessian at ``w`` times ``v``: ``2 * l2 * v``, wherever ``w`` is; the kink of abs at 0 is left out.

        ``v`` has w's shape; the result is a new array of v's shape and float type.
        """
        cdef cnp.ndarray move = _check.same_shape_as(type(self).__name__, "w", w, "v", v)
        if self._l2 == 0:
            return cnp.PyArray_ZEROS(cnp.PyArray_NDIM(move), cnp.PyArray_DIMS(move), cnp.PyArray_TYPE(move), 0)
        return move * move.dtype.type(2 * self._l2)

    def prox(self, w, step):
        """Take the proximal step in place: ``w`` becomes the minimizer of ``(u - w)**2 / 2 + step * penalty(u)``.

        ``w`` is float32 or float64, C-contiguous or row-strided; ``step`` (the learning rate) at least 0.
        """
        cdef fl_regularizer_call call
        who = type(self).__name__
        self._require_configured()
        step = _check.number(who, "step", step, low=0)
        rows = _check.flat_rows(_check.writeable(who, "w", w))
        set_shape(&call, rows)
        set_x(&call, rows)
        set_y(&call, rows)
        call.param[0] = step * self._l1
        call.param[1] = 1 + 2 * step * self._l2
        on_rows(FL_REGULARIZER_elastic_net_prox, &call, rows)

    cdef object _flat(self, fl_regularizer_call *call, cnp.ndarray w, grad, int add):
        """The value of an array that C sees as one row, and its gradient if an array for it is given."""
        memset(call, 0, sizeof(fl_regularizer_call))
        call.n = 1
        call.c = cnp.PyArray_SIZE(w)
        call.x = cnp.PyArray_DATA(w)
        if grad is not None:
            call.y = cnp.PyArray_DATA(<cnp.ndarray>grad)
        return self._evaluate(call, w, add)

    cdef object _rows(self, fl_regularizer_call *call, cnp.ndarray w, grad, int add):
        """The same for rows."""
        set_shape(call, w)
        set_x(call, w)
        if grad is not None:
            set_y(call, <cnp.ndarray>grad)
        return self._evaluate(call, w, add)

    cdef object _evaluate(self, fl_regularizer_call *call, cnp.ndarray w, int add):
        call.param[0] = self._l1
        call.param[1] = self._l2
        call.add = add
        return PyFloat_FromDouble(on_rows(FL_REGULARIZER_elastic_net, call, w))


cdef inline bint is_plain(w) noexcept:
    """Whether this is a C-contiguous array of floats."""
    return type(w) is cnp.ndarray and type_index(<cnp.ndarray>w) >= 0


cdef inline bint fits(cnp.ndarray w, dw) noexcept:
    """Whether a gradient can be added to ``dw`` as it is."""
    return (type(dw) is cnp.ndarray and type_index(<cnp.ndarray>dw) == type_index(w)
            and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>dw) and same_shape(w, <cnp.ndarray>dw)
            and apart(w, <cnp.ndarray>dw))


def max_norm(cnp.ndarray w not None, double limit):
    """Scale each feature of ``w`` (rows x features x entries) with norm above ``limit`` to it, in place."""
    cdef fl_regularizer_call call
    set_shape(&call, w)
    set_x(&call, w)
    set_y(&call, w)
    call.param[0] = limit
    on_rows(FL_REGULARIZER_max_norm, &call, w)


def dropout(cnp.ndarray x not None, cnp.ndarray y not None, cnp.ndarray mask not None, double rate, uint64_t seed):
    """Write the mask and the kept, scaled entries of the rows ``x``; ``mask`` is contiguous."""
    cdef fl_regularizer_call call
    set_shape(&call, x)
    set_x(&call, x)
    set_y(&call, y)
    call.mask = <uint8_t *>cnp.PyArray_DATA(mask)
    call.mask_stride = call.c
    call.seed = seed
    call.param[0] = rate
    on_rows(FL_REGULARIZER_dropout, &call, x)


def dropout_grad(cnp.ndarray dy not None, cnp.ndarray mask not None, cnp.ndarray dx not None, double rate):
    """Write the kept, scaled entries of the rows ``dy``."""
    cdef fl_regularizer_call call
    set_shape(&call, dy)
    set_dy(&call, dy)
    set_y(&call, dx)
    call.mask = <uint8_t *>cnp.PyArray_DATA(mask)
    call.mask_stride = step_of(mask, 0)
    call.param[0] = rate
    on_rows(FL_REGULARIZER_dropout_grad, &call, dy)


def random_words(uint64_t seed, counter, Py_ssize_t blocks):
    """``4 * blocks`` random words (uint32) from the 128-bit counter ``counter`` (four words, lowest first) on."""
    cdef uint32_t start[4]
    cdef cnp.ndarray words
    for i in range(4):
        start[i] = counter[i]
    if blocks < 0:
        raise ValueError(f"random_words: blocks is {blocks}, but must be at least 0")
    words = cnp.PyArray_EMPTY(1, [4 * blocks], cnp.NPY_UINT32, 0)
    fl_random_words(seed, start, blocks, <uint32_t *>cnp.PyArray_DATA(words))
    return words


cdef void set_features(fl_regularizer_call *call, const double[::1] gamma, double[::1] mean, double[::1] variance,
                       double eps, bint training):
    if call.c > 0:
        call.gamma = &gamma[0]
        call.mean = &mean[0]
        call.variance = &variance[0]
    call.param[0] = eps
    call.param[1] = training


def batch_norm(cnp.ndarray x not None, cnp.ndarray y not None, gamma, const double[::1] beta, mean, variance,
               double eps, bint training):
    """Normalize ``x`` (n x features x k) into ``y``; the moments are written in training, read else."""
    cdef fl_regularizer_call call
    set_shape(&call, x)
    set_x(&call, x)
    set_y(&call, y)
    set_features(&call, gamma, mean, variance, eps, training)
    if call.c > 0:
        call.beta = &beta[0]
    on_rows(FL_REGULARIZER_batch_norm, &call, x)


def batch_norm_grad(cnp.ndarray dy not None, cnp.ndarray x not None, cnp.ndarray dx not None, gamma, mean, variance,
                    double[::1] dgamma, double[::1] dbeta, double eps, bint training):
    """Write ``dx``, ``dgamma`` and ``dbeta`` from ``dy`` and what the forward pass saw."""
    cdef fl_regularizer_call call
    set_shape(&call, x)
    set_x(&call, x)
    set_dy(&call, dy)
    set_y(&call, dx)
    set_features(&call, gamma, mean, variance, eps, training)
    if call.c > 0:
        call.dgamma = &dgamma[0]
        call.dbeta = &dbeta[0]
    on_rows(FL_REGULARIZER_batch_norm_grad, &call, x)
