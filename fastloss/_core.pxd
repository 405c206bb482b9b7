# SPDX-License-Identifier: BSD-3-Clause
# What other Cython modules find in the compiled module: the table of functions. Its name carries the version whose
# layout it has (before 1.0 major and minor), so that a module compiled for another one is refused when it is imported.
from ._fastloss cimport fl_api

cdef const fl_api *compiled_for_fastloss_0_1
