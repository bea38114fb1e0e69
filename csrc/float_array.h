// An array of floating-point numbers as a kernel wants it: in C order, copied if it is not.
#pragma once

#include "arrays.h"
#include "copy.h"

namespace rushlight {

// `array` is null (without an error) for other types than float32 and, if asked for, float64 and bfloat16. Owns a reference.
struct FloatArray {
  PyObject *array = nullptr;
  FloatArray() = default;
  explicit FloatArray(PyObject *x, bool doubles = false, bool halves = false) {
    if (!PyArray_CheckExact(x)) return;
    PyArrayObject *a = (PyArrayObject *)x;
    int type = PyArray_TYPE(a);
    bool served = type == NPY_FLOAT32 || (doubles && type == NPY_FLOAT64) || (halves && type == bfloat16_type && type >= 0);
    if (!served || !PyArray_ISNOTSWAPPED(a)) return;
    if (PyArray_ISCARRAY_RO(a)) {
      Py_INCREF(x);
      array = x;
    } else {
      array = contiguous(x);
      if (!array && !PyErr_Occurred()) array = new_copy(x);  // not even aligned
    }
  }
  ~FloatArray() { Py_XDECREF(array); }
  FloatArray(const FloatArray &) = delete;

  const float *data() const { return data_of<float>(array); }
  int type() const { return PyArray_TYPE((PyArrayObject *)array); }
  int ndim() const { return PyArray_NDIM((PyArrayObject *)array); }
  size_t dim(int i) const { return (size_t)PyArray_DIM((PyArrayObject *)array, i); }
  size_t size() const { return size_of(array); }
};

}  // namespace rushlight
