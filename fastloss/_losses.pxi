# SPDX-License-Identifier: BSD-3-Clause
# The base class of all losses. A call with plain, matching arrays goes straight to the C function; anything else goes
# through _check.py, which converts or refuses it, and then through typed memoryviews.

cdef enum:
    LEVEL_VALUE = 0
    LEVEL_GRAD = 1
    LEVEL_HESS = 2

cdef double GIL_WORK = 4096  # cheap entries; below this, releasing the GIL costs more than it gives

from libc.math cimport INFINITY

_REDUCTIONS = {"mean": FL_MEAN, "sum": FL_SUM, "none": FL_NONE}


cdef int find_kernel(str name) except -1:
    for i in range(FL_LOSS_COUNT):
        if fl_losses[i].name.decode() == name:
            return i
    raise ValueError(f"no kernel is called {name}")


cdef inline int type_index(cnp.ndarray a) noexcept:
    """0 for float, 1 for double, -1 for anything else or what C cannot walk as it is."""
    if not cnp.PyArray_ISCARRAY_RO(a):
        return -1
    cdef int t = cnp.PyArray_TYPE(a)
    return 0 if t == cnp.NPY_FLOAT32 else 1 if t == cnp.NPY_FLOAT64 else -1


cdef inline bint same_shape(cnp.ndarray a, cnp.ndarray b) noexcept:
    cdef int i
    if cnp.PyArray_NDIM(a) != cnp.PyArray_NDIM(b):
        return False
    for i in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIM(a, i) != cnp.PyArray_DIM(b, i):
            return False
    return True


cdef inline bint apart(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two C-contiguous arrays share no byte."""
    cdef char *p = <char *>cnp.PyArray_DATA(a)
    cdef char *q = <char *>cnp.PyArray_DATA(b)
    return p + cnp.PyArray_NBYTES(a) <= q or q + cnp.PyArray_NBYTES(b) <= p


cdef struct memory:
    void *data
    Py_ssize_t bytes
    void *dtype


cdef inline memory memory_of(cnp.ndarray a) noexcept:
    """Where an array lies and what it holds, to be compared later."""
    return memory(cnp.PyArray_DATA(a), cnp.PyArray_NBYTES(a), <void *>cnp.PyArray_DESCR(a))


cdef inline bint is_still(cnp.ndarray a, const memory *was) noexcept:
    return (cnp.PyArray_DATA(a) == was.data and cnp.PyArray_NBYTES(a) == was.bytes
            and <void *>cnp.PyArray_DESCR(a) == was.dtype)


cdef cnp.ndarray owner_of(cnp.ndarray a):
    """The array whose memory this is a view of; resizing that one leaves the view with memory that is no more."""
    while cnp.PyArray_BASE(a) != NULL and isinstance(<object>cnp.PyArray_BASE(a), cnp.ndarray):
        a = <cnp.ndarray>cnp.PyArray_BASE(a)
    return a


cdef inline cnp.ndarray new_like(cnp.ndarray a):
    return <cnp.ndarray>cnp.PyArray_EMPTY(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.PyArray_TYPE(a), 0)


cdef inline Py_ssize_t row_stride(const real[:, :] a) noexcept:
    return a.strides[0] // <Py_ssize_t>sizeof(real)


cdef int fill(fl_loss_call *call, const real[:, :] pred, const real[:, :] target, const real[:, :] weight,
              const real[::1] per_column, real[:, :] loss, real[:, :] grad, real[:, :] hess) except -1:
    """Point the call at its float arrays; the wanted ones are not None, their last axis is contiguous."""
    call.n = pred.shape[0]
    call.c = pred.shape[1]
    if call.n == 0 or call.c == 0:
        return 0
    call.pred = &pred[0, 0]
    call.pred_stride = row_stride(pred)
    if target is not None:
        call.target = &target[0, 0]
        call.target_stride = row_stride(target)
    if weight is not None:
        call.weight = &weight[0, 0]
        call.weight_stride = row_stride(weight)
        call.weight_step = weight.shape[1] == call.c and call.c > 1
    if per_column is not None:
        call.per_column = &per_column[0]
    if loss is not None:
        call.loss = &loss[0, 0]
        call.loss_stride = loss.strides[0] // <Py_ssize_t>sizeof(real)
    if grad is not None:
        call.grad = &grad[0, 0]
        call.grad_stride = grad.strides[0] // <Py_ssize_t>sizeof(real)
    if hess is not None:
        call.hess = &hess[0, 0]
        call.hess_stride = hess.strides[0] // <Py_ssize_t>sizeof(real)
    return 0


cdef int fill_labels(fl_loss_call *call, labels) except -1:
    cdef const int32_t[:] narrow
    cdef const int64_t[:] wide
    if labels.size == 0:
        return 0
    if labels.dtype.itemsize == 4:
        narrow = labels
        call.target = &narrow[0]
        call.target_stride = narrow.strides[0] // 4
        call.label_bits = 32
    else:
        wide = labels
        call.target = &wide[0]
        call.target_stride = wide.strides[0] // 8
        call.label_bits = 64
    return 0


cdef fl_status run(fl_loss_function function, fl_loss_call *call, double work) noexcept:
    cdef fl_status status
    if work < GIL_WORK:
        return function(call)
    with nogil:
        status = function(call)
    return status


cdef class Loss:
    """A configured loss: immutable, compared by its configuration, called often.

    Subclasses set the parameters; see ``fastloss.losses``.
    """

    cdef readonly str reduction
    cdef dict _config                     # constructor keywords, reduction included
    cdef int _kernel, _dense_kernel       # the second for targets that are rows of probabilities; -1: none
    cdef fl_reduction _reduction
    cdef double _param[4]
    cdef int _has_ignore
    cdef int64_t _ignore
    cdef tuple _per_column                # (float32, float64) arrays, or None

    def __cinit__(self, *args, **kwargs):
        self._kernel = -1

    def _configure(self, kernel, param, config, *, dense_kernel=None, per_column=None, ignore_index=None):
        """Set everything, once. ``config`` holds the constructor's keywords."""
        if self._kernel != -1:
            raise TypeError(f"{type(self).__name__}: a loss cannot be configured twice")
        if len(param) > 4:
            raise ValueError(f"{type(self).__name__}: a kernel takes at most 4 parameters")
        self.reduction = _check.choice(type(self).__name__, "reduction", config["reduction"], _REDUCTIONS)
        self._reduction = _REDUCTIONS[self.reduction]
        self._config = dict(config)
        for i, value in enumerate(param):
            self._param[i] = value
        self._per_column = per_column
        if ignore_index is not None:
            self._has_ignore, self._ignore = 1, ignore_index
        self._dense_kernel = -1 if dense_kernel is None else find_kernel(dense_kernel)
        self._kernel = find_kernel(kernel)

    # -- what users call --

    def __call__(self, pred, target, *, sample_weight=None, out=None):
        """Same as :meth:`value`."""
        return self._evaluate(pred, target, sample_weight, out, LEVEL_VALUE)

    def value(self, pred, target, *, sample_weight=None, out=None):
        """The loss: a float, or one entry per sample for ``reduction="none"``."""
        return self._evaluate(pred, target, sample_weight, out, LEVEL_VALUE)

    def value_and_grad(self, pred, target, *, sample_weight=None, out=None):
        """The loss and its gradient in ``pred``: ``(value, grad)``."""
        return self._evaluate(pred, target, sample_weight, out, LEVEL_GRAD)

    def value_grad_hess(self, pred, target, *, sample_weight=None, out=None):
        """The loss, its gradient, and the diagonal of its Hessian in ``pred``: ``(value, grad, hess)``."""
        return self._evaluate(pred, target, sample_weight, out, LEVEL_HESS)

    def predict(self, pred):
        """The point estimate that ``pred`` stands for; here ``pred`` itself."""
        return _check.as_floats(type(self).__name__, "pred", pred)

    def bind(self, pred, target, *, sample_weight=None, out=None):
        """Keep the arrays for a loop: the result, called without arguments, computes on what they hold then.

        It writes the gradient into ``out`` (allocated if None; attribute ``grad``) and returns the value. Shapes and
        layouts are checked here, labels and weights at every call. An array that needs converting (dtype, layout) is
        converted again at every call.
        """
        return BoundLoss(self, pred, target, sample_weight, out)

    def check(self, pred, target):
        """Scan the arguments for what calls do not look for: NaN, and targets outside the loss's domain.

        Raises what a call would raise, and ValueError naming the first offender.
        """
        _check.scan(self, pred, target)

    # -- what _check.py asks; subclasses say otherwise where they differ --

    _target_kind = "real"         # real, binary: pred's shape; pairs: (n,) for rows of two; classes: labels
    _takes_probabilities = False
    _columns_name = "class_weight"
    _no_hess = None               # why there is no diagonal Hessian
    _pred_words = "in the domain"

    @property
    def _columns(self):
        return self._per_column

    @property
    def _config_ignore_index(self):
        return self._config.get("ignore_index")

    def _domain(self, dense):
        """Targets allowed by ``check``: lowest, highest, the only values (or None), and words for the message."""
        return -INFINITY, INFINITY, None, "a real number"

    def _bad_pred(self, pred):
        """Which predictions ``check`` refuses."""
        return False

    # -- identity --

    def _keywords(self):
        """The constructor's keywords."""
        return dict(self._config or {})

    def __getattr__(self, name):
        if self._config is not None and name in self._config:
            return self._config[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self):
        return [*object.__dir__(self), *self._keywords()]

    def __repr__(self):
        changed = (f"{k}={v!r}" for k, v in self._keywords().items())
        return f"{type(self).__name__}({', '.join(changed)})"

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return self._config == (<Loss>other)._config

    def __hash__(self):
        return hash((type(self), tuple(self._keywords().items())))

    def __reduce__(self):
        return _reduce(self)

    def _replace(self, **changes):
        """The same loss, of the same class, but for some of the constructor's keywords."""
        loss = _rebuild(type(self), {**self._keywords(), **changes})
        attributes, slots = _added_by_subclass(self)
        for name, value in {**attributes, **slots}.items():
            setattr(loss, name, value)
        return loss

    def _require_configured(self):
        if self._kernel < 0:
            raise TypeError(f"{type(self).__name__}: the constructor of fastloss's loss has not been called")

    # -- the way to C --

    cdef object _evaluate(self, pred, target, weight, out, int level):
        cdef fl_loss_call call
        cdef object grad, loss
        if weight is None and level < LEVEL_HESS and self._kernel >= 0:
            grad = self._fast(&call, pred, target, out, level)
            if grad is not None:
                loss = PyFloat_FromDouble(call.value)
                return (loss, grad) if level == LEVEL_GRAD else loss
        self._require_configured()
        prepared = _check.arguments(self, pred, target, weight, out, level)
        self._run(prepared, &call)
        loss = prepared.results[0] if self._reduction == FL_NONE else PyFloat_FromDouble(call.value)
        if level == LEVEL_VALUE:
            return loss
        return (loss, *prepared.results[1:level + 1])

    cdef object _fast(self, fl_loss_call *call, pred, target, out, int level):
        """Run the call if all arrays are C-contiguous, of one float type, and fit; the gradient, True or None."""
        cdef cnp.ndarray z, y, g = None
        cdef int type_, bits, kind = fl_losses[self._kernel].kind
        if type(pred) is not cnp.ndarray or type(target) is not cnp.ndarray or self._per_column is not None:
            return None
        z = <cnp.ndarray>pred
        y = <cnp.ndarray>target
        type_ = type_index(z)
        if type_ < 0 or self._reduction == FL_NONE or cnp.PyArray_NDIM(z) == 0:
            return None
        memset(call, 0, sizeof(fl_loss_call))
        if kind == FL_KIND_LABELS:
            if cnp.PyArray_NDIM(z) != 2 or cnp.PyArray_NDIM(y) != 1 or not cnp.PyArray_ISCARRAY_RO(y):
                return None
            bits = cnp.PyArray_TYPE(y)
            if bits == cnp.NPY_INT64:
                call.label_bits = 64
            elif bits == cnp.NPY_INT32:
                call.label_bits = 32
            else:
                return None
            if cnp.PyArray_DIM(z, 0) != cnp.PyArray_DIM(y, 0):
                return None
            call.n = cnp.PyArray_DIM(z, 0)
            call.c = cnp.PyArray_DIM(z, 1)
            call.target_stride = 1
        elif kind == FL_KIND_POINTWISE or kind == FL_KIND_ROOT:
            if type_index(y) != type_ or not same_shape(z, y):
                return None
            call.n = 1
            call.c = cnp.PyArray_SIZE(z)
        else:
            return None
        if level == LEVEL_GRAD:
            if out is None:
                g = new_like(z)
            elif type(out) is cnp.ndarray:
                g = <cnp.ndarray>out
                if type_index(g) != type_ or not cnp.PyArray_ISWRITEABLE(g) or not same_shape(z, g):
                    return None
                if not (apart(g, z) or cnp.PyArray_DATA(g) == cnp.PyArray_DATA(z)) or not apart(g, y):
                    return None
            else:
                return None
            call.grad = cnp.PyArray_DATA(g)
            call.grad_stride = call.c
        elif out is not None:
            return None
        call.pred = cnp.PyArray_DATA(z)
        call.pred_stride = call.c
        call.target = cnp.PyArray_DATA(y)
        call.reduction = self._reduction
        call.param = self._param
        call.has_ignore = self._has_ignore
        call.ignore_label = self._ignore
        status = run(fl_losses[self._kernel].function[type_], call,
                     <double>call.n * call.c * fl_losses[self._kernel].cost)
        if status != FL_OK:
            raise _check.failure(self, status, call.bad, target, None, call.c)
        return g if level == LEVEL_GRAD else True

    cdef int _prepare_call(self, prepared, fl_loss_call *call) except -1:
        """Fill a call from _check.Prepared, through typed memoryviews."""
        cdef int kernel = self._dense_kernel if prepared.dense else self._kernel
        cdef int kind = fl_losses[kernel].kind
        memset(call, 0, sizeof(fl_loss_call))
        target = None if kind == FL_KIND_LABELS else prepared.target
        if prepared.pred.dtype.itemsize == 4:
            fill[float](call, prepared.pred, target, prepared.weight, prepared.per_column, prepared.loss,
                        prepared.grad, prepared.hess)
        else:
            fill[double](call, prepared.pred, target, prepared.weight, prepared.per_column, prepared.loss,
                         prepared.grad, prepared.hess)
        if kind == FL_KIND_LABELS and prepared.target is not None:
            fill_labels(call, prepared.target)
            call.has_ignore = prepared.ignore is not None
            call.ignore_label = prepared.ignore if prepared.ignore is not None else 0
        call.reduction = self._reduction
        call.param = self._param
        return kernel

    cdef int _run(self, prepared, fl_loss_call *call) except -1:
        cdef int kernel = self._prepare_call(prepared, call)
        status = run(fl_losses[kernel].function[prepared.pred.dtype.itemsize == 8], call,
                     <double>call.n * call.c * fl_losses[kernel].cost)
        if status != FL_OK:
            raise _check.failure(self, status, call.bad, prepared.given_target, prepared.given_weight, call.c, call.n)
        return 0

    def _probabilities(self, pred):
        """Softmax of the rows of ``pred``: the gradient kernel without a label (for the softmax kernels)."""
        cdef fl_loss_call call
        prepared = _check.rows_without_target(self, pred)
        self._prepare_call(prepared, &call)
        call.reduction = FL_SUM
        run(fl_losses[self._kernel].function[prepared.pred.dtype.itemsize == 8], &call, GIL_WORK)
        return prepared.results[1]


def _rebuild(cls, config):
    """An object of ``cls`` configured by fastloss's own constructor, whatever the constructor of a subclass takes."""
    made = cls.__new__(cls)
    for base in cls.__mro__:
        if base.__module__.startswith("fastloss."):
            base.__init__(made, **config)
            return made


def _added_by_subclass(made):
    """The attributes that a subclass has added to an object: those in its dict, and those in slots."""
    slots = {name: getattr(made, name) for name in copyreg._slotnames(type(made)) if hasattr(made, name)}
    return getattr(made, "__dict__", {}), slots


def _reduce(made):
    """What pickle and copy take a loss or regularizer apart into."""
    attributes, slots = _added_by_subclass(made)
    state = (attributes or None, slots) if slots else attributes or None
    return _rebuild, (type(made), made._keywords()), state


cdef class BoundLoss:
    """A loss with its arrays, made by :meth:`Loss.bind`: call it to compute on what they hold now."""

    cdef Loss _loss
    cdef fl_loss_call _call
    cdef object _prepared
    cdef int _kernel, _type
    cdef bint _converted
    cdef list _arrays             # what was bound, and whose memory that is ...
    cdef memory _were[10]         # ... and where it was
    cdef Py_ssize_t _outputs      # the first of them are written to
    cdef double _work

    def __cinit__(self, Loss loss not None, pred, target, weight, out):
        loss._require_configured()
        prepared = _check.arguments(loss, pred, target, weight, out, LEVEL_GRAD)
        self._loss = loss
        self._kernel = loss._prepare_call(prepared, &self._call)
        self._type = prepared.pred.dtype.itemsize == 8
        self._work = <double>self._call.n * self._call.c * fl_losses[self._kernel].cost
        self._prepared = prepared
        self._converted = bool(prepared.converted) or prepared.repeated is not None
        self._arrays = [a for a in prepared.results if isinstance(a, cnp.ndarray)]
        self._outputs = len(self._arrays)
        given = (prepared.given_pred, prepared.given_target, prepared.given_weight)
        self._arrays += [a for a in given if a is not None]
        self._arrays += [owner_of(a) for a in self._arrays if owner_of(a) is not a]
        for i in range(len(self._arrays)):
            self._were[i] = memory_of(<cnp.ndarray>self._arrays[i])

    cdef bint _in_place(self) noexcept:
        """Whether every array is what it was: ``resize(refcheck=False)`` moves one under our feet."""
        cdef Py_ssize_t i
        for i in range(len(self._arrays)):
            if not is_still(<cnp.ndarray>self._arrays[i], &self._were[i]):
                return False
            if i < self._outputs and not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>self._arrays[i]):
                return False
        return True

    @property
    def grad(self):
        """The gradient buffer: shape and dtype of ``pred``; written by every call."""
        return self._prepared.results[1]

    def __call__(self):
        """Compute; the value as in ``loss.value``. The gradient stands in ``grad`` afterwards."""
        cdef fl_loss_call call = self._call
        if not self._in_place():
            raise ValueError(f"{type(self._loss).__name__}: a bound array has another memory or dtype now, or has "
                             "become read-only; bind again")
        if self._converted:
            _check.refresh(self._loss, self._prepared)
        status = run(fl_losses[self._kernel].function[self._type], &call, self._work)
        if status != FL_OK:
            raise _check.failure(self._loss, status, call.bad, self._prepared.given_target,
                                 self._prepared.given_weight, call.c, call.n)
        if self._loss._reduction == FL_NONE:
            return self._prepared.results[0]
        return PyFloat_FromDouble(call.value)
