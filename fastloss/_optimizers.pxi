# SPDX-License-Identifier: BSD-3-Clause
# The base class of all optimizers: it keeps the arrays and one C struct per array between steps. Plain, matching
# gradients go straight to the C function; anything else goes through _check.py, which converts or refuses it.

from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

cdef enum:  # beside what C says of a step
    NOT_PLAIN = -1
    BUSY = -2

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
    cdef tuple _params             # the arrays themselves ...
    cdef tuple _owners             # ... and the array whose memory each one is a view of
    cdef memory *_were             # where those lay; NULL for an array that has memory of its own
    cdef object _keys              # None: one array; a tuple of keys: a dict; else a list
    cdef list _states              # for each array a tuple of arrays
    cdef readonly dict _chosen     # the options

    def __cinit__(self, *args, **kwargs):
        self._kernel = -1

    def __dealloc__(self):
        free(self._call.tensors)
        free(self._ends)
        free(self._were)

    # -- setting up: _check.py has seen everything that comes in here --

    def _adopt(self, tuple params not None, keys):
        """Keep the arrays, once: writeable, C-contiguous, apart from each other."""
        cdef Py_ssize_t k
        cdef cnp.ndarray a
        if self._call.tensors != NULL:
            raise TypeError(f"{type(self).__name__}: an optimizer cannot be set up twice")
        owners = tuple([owner_of(a) for a in params])
        spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in params if a.size)
        self._call.tensors = <fl_tensor *>calloc(len(params), sizeof(fl_tensor))
        self._ends = <uintptr_t *>calloc(2 * len(params), sizeof(uintptr_t))
        self._were = <memory *>calloc(len(params), sizeof(memory))
        if self._call.tensors == NULL or self._ends == NULL or self._were == NULL:
            raise MemoryError
        for k in range(len(params)):
            a = params[k]
            self._call.tensors[k].n = cnp.PyArray_SIZE(a)
            self._call.tensors[k].type = type_index(a)
            self._call.tensors[k].param = cnp.PyArray_DATA(a)
            if owners[k] is not a:
                self._were[k] = memory_of(<cnp.ndarray>owners[k])
            self._entries += <double>cnp.PyArray_SIZE(a)
        for k, (begin, end) in enumerate(spans):
            self._ends[2 * k] = begin
            self._ends[2 * k + 1] = end
        self._spans = len(spans)
        self._owners = owners
        self._params = params
        self._keys = keys
        self._call.count = len(params)

    def _install(self, str kernel, param, dict options not None, list states not None, steps, products, long long t,
                 lr=None):
        """Choose the kernel, the numbers that stay the same, and the states: for each parameter a tuple of arrays.

        All at once, so that neither an exception nor an interrupt leaves half of it.
        """
        cdef Py_ssize_t k
        cdef int j, found = find_update(kernel)
        cdef int on_nonfinite = _check.ON_NONFINITE.index(options["nonfinite"])
        cdef double rate = self._rate if lr is None else lr
        self._require_intact()
        for k in range(self._call.count):
            for state in states[k]:
                if cnp.PyArray_NBYTES(<cnp.ndarray?>state) != cnp.PyArray_NBYTES(<cnp.ndarray>self._params[k]):
                    raise _check.changed_parameter(self, self._params, self._keys)
        numbers = [(float(step), float(product)) for step, product in zip(steps, products, strict=True)]
        with cython.critical_section(self):
            busy = self._busy
            if not busy:
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
                        self._call.tensors[k].state[j] = cnp.PyArray_DATA(<cnp.ndarray>states[k][j])
                    self._call.tensors[k].step, self._call.tensors[k].product = numbers[k]
                self._states = states
                self._chosen = options
                self._rate = rate
                self._t = t
        if busy:
            raise _check.busy(self)

    def _kept(self):
        """For each parameter its states."""
        return self._states

    def _arrays(self):
        """The parameters as a tuple."""
        return self._params

    def _require_configured(self):
        if self._params is None:
            raise TypeError(f"{type(self).__name__}: the constructor of fastloss's optimizer has not been called")

    def _require_intact(self):
        """Raise unless the constructor has been called and each parameter is what it was then."""
        cdef Py_ssize_t k
        self._require_configured()
        for k in range(self._call.count):
            if not self._is_intact(k):
                raise _check.changed_parameter(self, self._params, self._keys)

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
        with cython.critical_section(self):
            return self._rate if self._schedule is None else self._schedule

    @lr.setter
    def lr(self, value):
        schedule = value if callable(value) else None
        cdef double rate = 0.0 if callable(value) else _check.learning_rate(type(self).__name__, value)
        with cython.critical_section(self):
            self._schedule = schedule
            self._rate = rate

    @property
    def params(self):
        """The arrays that are updated, in the structure in which they were given."""
        self._require_configured()
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
        cdef double lr
        with cython.critical_section(self):
            lr, schedule = self._rate, self._schedule
        if schedule is not None:
            lr = _check.learning_rate(type(self).__name__, schedule(self._t), at=self._t)
        held = self._collect(grads)
        cdef int status = NOT_PLAIN if held is None else self._attempt(held, lr)
        if status == NOT_PLAIN:
            self._require_intact()
            held = _check.gradients(self, grads, self._params, self._keys)
            status = self._attempt(held, lr)
            if status == NOT_PLAIN:  # as plain arrays they fit; a parameter is what changed
                raise _check.changed_parameter(self, self._params, self._keys)
        if status == BUSY:
            raise _check.busy(self)
        if status != FL_OK and self._on_nonfinite == 1:
            raise _check.nonfinite(self, held, self._keys, self._call.bad_tensor, self._call.bad)

    cdef int _attempt(self, tuple held, double lr) noexcept:
        """Take the step if nothing stands against it; what C says, NOT_PLAIN, or BUSY."""
        cdef int status = NOT_PLAIN
        with cython.critical_section(self):
            if self._busy:
                status = BUSY
            elif self._kernel >= 0 and self._take_all(held) == 0:
                self._call.lr = lr
                status = self._run()
                if status == FL_OK:
                    self._t += 1
        return status

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

    cdef tuple _collect(self, grads):
        """The gradients in the order of the parameters, or None if _check.py must look."""
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
        return held if len(held) == self._call.count else None

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
            if not self._is_intact(k) or not cnp.PyArray_ISWRITEABLE(w):
                return -1
            if not cnp.PyArray_ISCARRAY_RO(g) or cnp.PyArray_TYPE(g) != cnp.PyArray_TYPE(w) or not same_shape(g, w):
                return -1
            if self._touches(<uintptr_t>cnp.PyArray_DATA(g), cnp.PyArray_NBYTES(g)):
                return -1
            t.grad = cnp.PyArray_DATA(g)
        return 0

    @cython.final
    cdef inline bint _is_intact(self, Py_ssize_t k) noexcept:
        """Whether a parameter and the memory that it is a view of are what they were: C would write past their end."""
        cdef cnp.ndarray w = <cnp.ndarray>self._params[k]
        cdef fl_tensor *t = &self._call.tensors[k]
        return (cnp.PyArray_DATA(w) == t.param and cnp.PyArray_SIZE(w) == t.n and type_index(w) == t.type
                and (self._were[k].data == NULL or is_still(<cnp.ndarray>self._owners[k], &self._were[k])))

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
