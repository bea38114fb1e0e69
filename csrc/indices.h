// Index arrays, and arrays seen as (outer, n, inner) around one dimension.
#pragma once

#include "copy.h"
#include "kernels.h"

namespace rushlight {

// A dimension counted from the start; -1 if there is none such.
inline int wrapped(PyObject *number, int ndim) {
  if (!PyLong_CheckExact(number)) return -1;
  long d = PyLong_AsLong(number);
  if (d == -1 && PyErr_Occurred()) PyErr_Clear();
  return d < -ndim || d >= ndim ? -1 : (int)(d < 0 ? d + ndim : d);
}

// An index array as C-contiguous int64: a new reference, or nullptr (not for us, or an error).
inline PyObject *as_indices(PyObject *x) {
  if (!movable(x)) return nullptr;
  int type = type_of(x);
  if (type == NPY_INT64) return contiguous(x);
  if (type != NPY_INT32) return nullptr;
  Held from(contiguous(x));
  if (!from) return nullptr;
  PyArrayObject *a = (PyArrayObject *)from.get();
  PyObject *out = new_array(PyArray_NDIM(a), PyArray_DIMS(a), NPY_INT64);
  if (!out) return nullptr;
  const int32_t *f = data_of<int32_t>(from.get());
  int64_t *t = data_of<int64_t>(out);
  share(size_of(out), 1, [=](size_t i, size_t j) {
    for (; i < j; i++) t[i] = f[i];
  });
  return out;
}

// Are all n indices in [0, size)? One that is not has the sign bit set, or has it in its distance from the last.
inline bool inside(const int64_t *index, size_t n, size_t size) {
  uint64_t wrong = 0, last = (uint64_t)size - 1;
  for (size_t i = 0; i < n; i++) wrong |= (uint64_t)index[i] | (last - (uint64_t)index[i]);
  return !n || (size && !(wrong >> 63));
}

struct Around {
  size_t outer = 1, n = 1, inner = 1;
  Around(PyArrayObject *x, int at) {
    for (int d = 0; d < PyArray_NDIM(x); d++) (d < at ? outer : d > at ? inner : n) *= (size_t)PyArray_DIM(x, d);
  }
};

// Have two arrays the same sizes, other than along one dimension?
inline bool same_around(PyArrayObject *x, PyArrayObject *y, int at) {
  if (PyArray_NDIM(x) != PyArray_NDIM(y)) return false;
  for (int d = 0; d < PyArray_NDIM(x); d++)
    if (d != at && PyArray_DIM(x, d) != PyArray_DIM(y, d)) return false;
  return true;
}

}  // namespace rushlight
