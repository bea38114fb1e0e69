// NumPy arrays as C++ sees them. The only header that knows Python; kernels never include it.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_1_25_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL rushlight_numpy
#ifndef RUSHLIGHT_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "threads.h"

namespace rushlight {

// A C-contiguous, aligned, native-order ndarray (no subclass) of one of the given types?
inline bool plain(PyObject *x) { return PyArray_CheckExact(x) && PyArray_ISCARRAY_RO((PyArrayObject *)x); }

// NumPy's number of ml_dtypes' bfloat16, once it is known (cast.cpp); -1 before.
extern int bfloat16_type;

inline int type_of(PyObject *x) { return PyArray_TYPE((PyArrayObject *)x); }
inline size_t size_of(PyObject *x) { return (size_t)PyArray_SIZE((PyArrayObject *)x); }
template <typename T> T *data_of(PyObject *x) { return (T *)PyArray_DATA((PyArrayObject *)x); }

// New arrays in C order, their memory ours (allocator.cpp): as it was found, zeros, or a copy.
PyObject *new_array(int ndim, const npy_intp *dims, int type);
PyObject *new_zeros(int ndim, const npy_intp *dims, int type);
PyObject *new_copy(PyObject *array);
// Of this type (its reference is stolen; null: x's), in C order or, with `keep`, that of x's memory.
PyObject *new_like(PyArrayObject *x, PyArray_Descr *type, bool keep);

// A new array of x's shape and type, C order.
inline PyObject *like(PyObject *x) {
  PyArrayObject *a = (PyArrayObject *)x;
  return new_array(PyArray_NDIM(a), PyArray_DIMS(a), PyArray_TYPE(a));
}

// Calls work(first, last) for pieces of [0, n), by several threads and without the GIL if there are elements enough
// (n times `each`) for that to pay.
constexpr size_t BIG = 1 << 15;
template <typename Work> void share(size_t n, size_t each, Work work) {
  if (n * each < BIG) return work(0, n);
  Py_BEGIN_ALLOW_THREADS
  size_t grain = BIG / 2 / each;
  parallel(n, grain ? grain : 1, work);
  Py_END_ALLOW_THREADS
}

inline PyObject *not_implemented() {
  Py_INCREF(Py_NotImplemented);
  return Py_NotImplemented;
}

// A NumPy function to be called from here without its warnings reaching the user (steals; see _core/quiet.py).
PyObject *quiet(PyObject *function);

// Each family adds its functions to the module.
bool add_allocator(PyObject *module);
bool add_cast(PyObject *module);
bool add_choose(PyObject *module);
bool add_compare(PyObject *module);
bool add_copy(PyObject *module);
bool add_gather(PyObject *module);
bool add_scatter(PyObject *module);
bool add_random(PyObject *module);
bool add_pointwise(PyObject *module);
bool add_rows(PyObject *module);
bool add_scan(PyObject *module);
bool add_search(PyObject *module);
bool add_sort(PyObject *module);
bool add_binary(PyObject *module);
bool add_conv(PyObject *module);
bool add_rnn(PyObject *module);
bool add_pool(PyObject *module);
bool add_join(PyObject *module);
bool add_reduce(PyObject *module);
bool add_ranges(PyObject *module);
bool add_optim(PyObject *module);
bool add_outer(PyObject *module);
bool add_threads(PyObject *module);
bool add_crc(PyObject *module);
bool add_files(PyObject *module);
bool add_views(PyObject *module);
bool add_matmul(PyObject *module);
bool add_attention(PyObject *module);
bool add_loss(PyObject *module);
bool add_norm(PyObject *module);

}  // namespace rushlight
