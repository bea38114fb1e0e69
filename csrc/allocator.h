// New arrays of NumPy whose memory is ours (blocks.h). Each array says itself how its memory is freed, by its `mem_handler`;
// the handler of the process, which arrays of the user have, is left alone.
#pragma once

#include "arrays.h"

namespace rushlight {

// Of this type (its reference is stolen), memory as it was found, or zeros; C order unless strides (without gaps) are given.
PyObject *new_array_of(PyArray_Descr *type, int ndim, const npy_intp *dims, bool zeros = false,
                       const npy_intp *strides = nullptr);

}  // namespace rushlight
