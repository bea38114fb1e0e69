"""NumPy's ``true_divide``, ``add.reduce``, ``maximum.reduce`` and ``minimum.reduce``, or the native
twins where they were built.

The reductions take ``(x, axis, dtype, out, keepdims)``. The native ones answer contiguous float32
and float64 arrays themselves and pass everything else on to NumPy.
"""

import numpy as np

from rushlight._core.extension import C

if C is None:
    divide = np.true_divide
    add_reduce, maximum_reduce, minimum_reduce = np.add.reduce, np.maximum.reduce, np.minimum.reduce
else:
    divide = C.div
    add_reduce, maximum_reduce, minimum_reduce = C.add_reduce, C.maximum_reduce, C.minimum_reduce
