# SPDX-License-Identifier: BSD-3-Clause
# The base class of all optimizers: it keeps the arrays and one C struct per array between steps. Plain, matching
# gradients go straight to the C function; anything else goes through _check.py, which converts or refuses it.

from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

cdef double UPDATE_GIL_WORK = 4096  # entries; below this, releasing the GIL costs more than it gives


cdef int find_update(str name) except -1:
    for i in range(FL_UPDATE_COUNT):
        if fl_updates[i].name.decode() == name:
            return i
    raise ValueError(f"no kernel is called {name}")


cdef class Stepper:
    """The arrays of an optimizer and its compiled step.

    Subclasses set the parameters and know what the states are called; see ``fastloss.optimizers``.
    """

    cdef fl_update_call _call
    cdef uintptr_t *_ends          # begin and end of each array that holds anything, sorted by address
    cdef Py_ssize_t _spans
    cdef int _kernel
    cdef bint _busy                # C is working on the arrays
    cdef double _entries
    cdef double _rate
    cdef object _schedule          # a function of t, or None: then _rate holds
    cdef long long _t
    cdef int _on_nonfinite         # 0: propagate, 1: raise, 2: skip
    cdef tuple _params             # the arrays themselves
    cdef object _keys              # None: one array; a tuple of keys: a dict; else a list
    cdef list _states              # for each array a tuple of arrays

    def __cinit__(self, *args, **kwargs):
        self._kernel = -1

    def __dealloc__(self):
        free(self._call.tensors)
        free(self._ends)

    # -- setting up: _check.py has seen everything that comes in here --

    def _adopt(self, tuple params not None, keys):
        """Keep the arrays, once: writeable, C-contiguous, apart from each other."""
        cdef Py_ssize_t k
        cdef cnp.ndarray a
        if self._params is not None:
            raise TypeError(f"{type(self).__name__}: an optimizer cannot be set up twice")
        self._call.tensors = <fl_tensor *>calloc(max(len(params), 1), sizeof(fl_tensor))
        self._ends = <uintptr_t *>calloc(2 * max(len(params), 1), sizeof(uintptr_t))
        if self._call.tensors == NULL or self._ends == NULL:
            raise MemoryError
        self._call.count = len(params)
        for k in range(len(params)):
            a = params[k]
            self._call.tensors[k].n = cnp.PyArray_SIZE(a)
            self._call.tensors[k].type = type_index(a)
            self._call.tensors[k].param = cnp.PyArray_DATA(a)
            self._entries += <double>cnp.PyArray_SIZE(a)
        spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in params if a.size)
        for k, (begin, end) in enumerate(spans):
            self._ends[2 * k] = begin
            self._ends[2 * k + 1] = end
        self._spans = len(spans)
        self._params = params
        self._keys = keys

    def _install(self, str kernel, param, options, list states not None, steps, products, long long t):
        """Choose the kernel, the numbers that stay the same, and the states: for each parameter a tuple of arrays."""
        cdef Py_ssize_t k
        cdef int j, found = find_update(kernel)
        cdef int on_nonfinite = _check.ON_NONFINITE.index(options["nonfinite"])
        if self._busy:
            raise _check.busy(self)
        for j in range(5):
            self._call.param[j] = param[j] if j < len(param) else 0.0
        self._kernel = found
        self._call.weight_decay = options["weight_decay"]
        self._call.maximize = options["maximize"]
        self._call.clip_value = options["clip_value"] or 0.0
        self._call.clip_norm = options["clip_norm"] or 0.0
        self._call.check_finite = on_nonfinite != 0
        self._on_nonfinite = on_nonfinite
        for k in range(self._call.count):
            for j in range(fl_updates[found].states):
                self._call.tensors[k].state[j] = cnp.PyArray_DATA(states[k][j])
            self._call.tensors[k].step = steps[k]
            self._call.tensors[k].product = products[k]
        self._states = states
        self._t = t

    def _kept(self):
        """For each parameter its states."""
        return self._states

    def _arrays(self):
        """The parameters as a tuple."""
        return self._params

    def _progress(self):
        """For each parameter the steps that it has taken, and NAdam's product."""
        return [(self._call.tensors[k].step, self._call.tensors[k].product) for k in range(self._call.count)]

    # -- what users call --

    @property
    def t(self):
        """The number of steps taken."""
        return self._t

    @property
    def lr(self):
        """The learning rate: a number, or a function of the number of steps taken. It may be set at any time."""
        return self._rate if self._schedule is None else self._schedule

    @lr.setter
    def lr(self, value):
        if callable(value):
            self._schedule = value
        else:
            self._rate = _check.learning_rate(type(self).__name__, value)
            self._schedule = None

    @property
    def params(self):
        """The arrays that are updated, in the structure in which they were given."""
        if self._keys is None:
            return self._params[0]
        return list(self._params) if self._keys is True else dict(zip(self._keys, self._params))

    def step(self, grads):
        """Update all parameters in place.

        A step is a transaction: whatever raises here has changed neither the parameters nor the state.

        Parameters
        ----------
        grads : array, list or dict
            The gradients, in the structure of the parameters: each of its parameter's shape and dtype. They are not
            changed, may be read-only, and may not overlap a parameter. C-contiguous ones are used as they are, others
            are copied first.

        Raises
        ------
        TypeError
            A gradient is missing, or has another dtype than its parameter.
        ValueError
            The structure or a shape differs, a gradient overlaps a parameter, or a parameter has become read-only.
        FloatingPointError
            A gradient is NaN or infinite, with ``nonfinite="raise"``.
        """
        cdef double lr = self._rate
        if self._schedule is not None:
            lr = _check.learning_rate(type(self).__name__, self._schedule(self._t), at=self._t)
        if self._busy:
            raise _check.busy(self)
        held = self._take(grads)
        if held is None:
            held = _check.gradients(self, grads, self._params, self._keys)
            if self._busy:
                raise _check.busy(self)
            if self._take_all(held) < 0:  # as plain arrays they fit; a parameter is what changed
                raise _check.changed_parameter(self, self._params, self._keys)
        if self._busy:  # reading the gradients may have let another thread in
            raise _check.busy(self)
        self._call.lr = lr
        cdef fl_status status = self._run()
        if status == FL_OK:
            self._t += 1
        elif self._on_nonfinite == 1:
            raise _check.nonfinite(self, held, self._keys, self._call.bad_tensor, self._call.bad)

    cdef fl_status _run(self) noexcept:
        cdef fl_update_function function = fl_updates[self._kernel].function
        cdef fl_status status
        if self._entries < UPDATE_GIL_WORK:
            return function(&self._call)
        self._busy = True
        with nogil:
            status = function(&self._call)
        self._busy = False
        return status

    cdef tuple _take(self, grads):
        """Point the call at plain gradients; what must be kept alive meanwhile, or None if _check.py must look."""
        cdef tuple held
        if self._keys is None:
            held = (grads,)
        elif self._keys is True:
            if type(grads) is not list and type(grads) is not tuple:
                return None
            held = tuple(grads)
        else:
            if type(grads) is not dict or len(<dict>grads) != self._call.count:
                return None
            try:
                held = tuple([grads[key] for key in self._keys])
            except KeyError:
                return None
        if len(held) != self._call.count or self._take_all(held) < 0:
            return None
        return held

    cdef int _take_all(self, tuple held) noexcept:
        """0 if every gradient and parameter is plain and they fit, else -1."""
        cdef Py_ssize_t k
        cdef object given
        cdef cnp.ndarray g, w
        cdef fl_tensor *t
        for k in range(self._call.count):
            given = held[k]
            if type(given) is not cnp.ndarray:
                return -1
            g = <cnp.ndarray>given
            w = <cnp.ndarray>self._params[k]
            t = &self._call.tensors[k]
            if not cnp.PyArray_ISCARRAY(w) or cnp.PyArray_DATA(w) != t.param or cnp.PyArray_SIZE(w) != t.n:
                return -1
            if not cnp.PyArray_ISCARRAY_RO(g) or cnp.PyArray_TYPE(g) != cnp.PyArray_TYPE(w) or not same_shape(g, w):
                return -1
            if self._touches(<uintptr_t>cnp.PyArray_DATA(g), cnp.PyArray_NBYTES(g)):
                return -1
            t.grad = cnp.PyArray_DATA(g)
        return 0

    cdef bint _touches(self, uintptr_t begin, Py_ssize_t size) noexcept:
        """Whether a parameter has a byte in this memory: the last one that begins before its end decides."""
        cdef Py_ssize_t low = 0, high = self._spans, middle
        while low < high:
            middle = (low + high) // 2
            if self._ends[2 * middle] < begin + <uintptr_t>size:
                low = middle + 1
            else:
                high = middle
        return size > 0 and low > 0 and self._ends[2 * low - 1] > begin
