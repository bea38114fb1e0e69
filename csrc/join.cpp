// cat of contiguous arrays of one type: a row of memcpy. NumPy's concatenate costs three times as much for small ones.
#include "allocator.h"

#include <cstring>

namespace rushlight {
namespace {

// Can `x` stand beside `first` along dimension `at`: same type, same other sizes?
bool matches(PyObject *x, PyArrayObject *first, int at) {
  if (!plain(x)) return false;
  PyArrayObject *a = (PyArrayObject *)x;
  if (PyArray_DESCR(a) != PyArray_DESCR(first) || PyArray_NDIM(a) != PyArray_NDIM(first)) return false;
  for (int d = 0; d < PyArray_NDIM(a); d++)
    if (d != at && PyArray_DIM(a, d) != PyArray_DIM(first, d)) return false;
  return true;
}

// cat(arrays, dim): NotImplemented unless all are contiguous and fit.
PyObject *cat(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyList_CheckExact(args[0]) || !PyLong_CheckExact(args[1])) return not_implemented();
  Py_ssize_t count = PyList_GET_SIZE(args[0]);
  if (!count || !plain(PyList_GET_ITEM(args[0], 0))) return not_implemented();
  PyArrayObject *first = (PyArrayObject *)PyList_GET_ITEM(args[0], 0);
  int ndim = PyArray_NDIM(first), at = (int)PyLong_AsLong(args[1]);
  if (PyErr_Occurred()) return nullptr;
  if (at < 0) at += ndim;
  if (at < 0 || at >= ndim || PyDataType_REFCHK(PyArray_DESCR(first))) return not_implemented();
  npy_intp dims[NPY_MAXDIMS];
  for (int d = 0; d < ndim; d++) dims[d] = PyArray_DIM(first, d);
  dims[at] = 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *x = PyList_GET_ITEM(args[0], i);
    if (!matches(x, first, at)) return not_implemented();
    dims[at] += PyArray_DIM((PyArrayObject *)x, at);
  }
  size_t outer = 1, inner = (size_t)PyArray_ITEMSIZE(first);
  for (int d = 0; d < at; d++) outer *= (size_t)dims[d];
  for (int d = at + 1; d < ndim; d++) inner *= (size_t)dims[d];
  Py_INCREF(PyArray_DESCR(first));
  PyObject *out = new_array_of(PyArray_DESCR(first), ndim, dims);
  if (!out) return nullptr;
  size_t row = inner * (size_t)dims[at];
  char *to = data_of<char>(out);
  for (Py_ssize_t i = 0; i < count; i++) {  // (outer, its part of the row)
    PyObject *x = PyList_GET_ITEM(args[0], i);
    size_t part = inner * (size_t)PyArray_DIM((PyArrayObject *)x, at);
    const char *from = data_of<char>(x);
    if (!part) continue;
    for (size_t o = 0; o < outer; o++) std::memcpy(to + o * row, from + o * part, part);
    to += part;
  }
  return out;
}

PyMethodDef methods[] = {
    {"cat", (PyCFunction)(void *)cat, METH_FASTCALL, "cat(arrays, dim) -> array, or NotImplemented"},
    {nullptr},
};

}  // namespace

bool add_join(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
