// cat and stack of arrays of one type: rows of memcpy, or strided copies into the places of a new array.
#include "copy.h"

namespace rushlight {
namespace {

// Can `x` stand beside `first` along dimension `at`: same type, same other sizes?
bool matches(PyObject *x, PyArrayObject *first, int at) {
  if (!movable(x)) return false;
  PyArrayObject *a = (PyArrayObject *)x;
  if (PyArray_DESCR(a) != PyArray_DESCR(first) || PyArray_NDIM(a) != PyArray_NDIM(first)) return false;
  for (int d = 0; d < PyArray_NDIM(a); d++)
    if (d != at && PyArray_DIM(a, d) != PyArray_DIM(first, d)) return false;
  return true;
}

// (outer, inner) of each array into its columns of `out`; all arrays contiguous, `at` the dimension they are joined along
void join_rows(PyObject *const *arrays, size_t count, PyObject *out, size_t outer) {
  size_t row = size_of(out) * (size_t)PyArray_ITEMSIZE((PyArrayObject *)out) / outer;
  char *to = data_of<char>(out);
  if (outer == 1 && count < 16) {  // few large ones
    for (size_t i = 0; i < count; i++) {
      size_t bytes = (size_t)PyArray_NBYTES((PyArrayObject *)arrays[i]);
      copy_bytes(data_of<char>(arrays[i]), to, bytes);
      to += bytes;
    }
    return;
  }
  if (outer == 1) {  // many: each thread a part of the result
    size_t part = row / count, same = part;
    for (size_t i = 0; i < count; i++)
      if ((size_t)PyArray_NBYTES((PyArrayObject *)arrays[i]) != part) same = 0;
    if (same) {
      share(count, part / 4 + 1, [=](size_t i, size_t j) {
        for (; i < j; i++) copy_row(to + i * part, data_of<char>(arrays[i]), part);
      });
      return;
    }
  }
  share(outer, row / 4 + 1, [=](size_t first, size_t last) {
    for (size_t o = first; o < last; o++) {
      char *column = to + o * row;
      for (size_t i = 0; i < count; i++) {
        size_t part = (size_t)PyArray_NBYTES((PyArrayObject *)arrays[i]) / outer;
        copy_row(column, data_of<char>(arrays[i]) + o * part, part);
        column += part;
      }
    }
  });
}

// Each array into its stretch of dimension `at`, which may be one that the arrays do not have.
void join_strided(PyObject *const *arrays, size_t count, PyObject *result, int at, bool fresh) {
  PyArrayObject *out = (PyArrayObject *)result;
  npy_intp strides[NPY_MAXDIMS], step = PyArray_STRIDE(out, at);
  int ndim = PyArray_NDIM(out) - (fresh ? 1 : 0);
  for (int d = 0; d < ndim; d++) strides[d] = PyArray_STRIDE(out, fresh && d >= at ? d + 1 : d);
  char *to = PyArray_BYTES(out);
  for (size_t i = 0; i < count; i++) {
    PyArrayObject *a = (PyArrayObject *)arrays[i];
    copy_strided(ndim, PyArray_DIMS(a), PyArray_BYTES(a), PyArray_STRIDES(a), to, strides, (size_t)PyArray_ITEMSIZE(a));
    to += step * (fresh ? 1 : PyArray_DIM(a, at));
  }
}

// The arrays along dimension `dim`: one that they have, or a new one.
PyObject *join(PyObject *const *args, Py_ssize_t given, bool fresh) {
  if (given != 2 || !PyList_CheckExact(args[0]) || !PyLong_CheckExact(args[1])) return not_implemented();
  size_t count = (size_t)PyList_GET_SIZE(args[0]);
  if (!count || !movable(PyList_GET_ITEM(args[0], 0))) return not_implemented();
  PyArrayObject *first = (PyArrayObject *)PyList_GET_ITEM(args[0], 0);
  int had = PyArray_NDIM(first), ndim = had + (fresh ? 1 : 0), at = (int)PyLong_AsLong(args[1]);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return not_implemented();
  }
  if (at < 0) at += ndim;
  if (at < 0 || at >= ndim || ndim > NPY_MAXDIMS) return not_implemented();
  PyObject *const *arrays = &PyList_GET_ITEM(args[0], 0);
  npy_intp dims[NPY_MAXDIMS], along = 0;
  bool all_plain = true;
  for (size_t i = 0; i < count; i++) {
    if (!matches(arrays[i], first, fresh ? -1 : at)) return not_implemented();
    all_plain = all_plain && plain(arrays[i]);
    along += fresh ? 1 : PyArray_DIM((PyArrayObject *)arrays[i], at);
  }
  for (int d = 0; d < ndim; d++) dims[d] = d == at ? along : PyArray_DIM(first, fresh && d > at ? d - 1 : d);
  PyObject *out = empty(arrays[0], ndim, dims);
  if (!out || !size_of(out)) return out;
  size_t outer = 1;
  for (int d = 0; d < at; d++) outer *= (size_t)dims[d];
  // Single elements side by side are cheaper as strided copies: stack(.., -1) is a transposition.
  size_t part = size_of(out) / outer / count;
  if (all_plain && (part >= 8 || size_of(out) < 1024)) join_rows(arrays, count, out, outer);
  else join_strided(arrays, count, out, at, fresh);
  return out;
}

PyObject *cat(PyObject *, PyObject *const *args, Py_ssize_t given) { return join(args, given, false); }
PyObject *stack(PyObject *, PyObject *const *args, Py_ssize_t given) { return join(args, given, true); }

PyMethodDef methods[] = {
    {"cat", (PyCFunction)(void (*)(void))cat, METH_FASTCALL, "cat(arrays, dim) -> array, or NotImplemented"},
    {"stack", (PyCFunction)(void (*)(void))stack, METH_FASTCALL, "stack(arrays, dim) -> array, or NotImplemented"},
    {nullptr},
};

}  // namespace

bool add_join(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
