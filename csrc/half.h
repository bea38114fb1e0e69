// Half precision in elementwise loops: a block is made float32, computed, and made half again, which is what NumPy and
// ml_dtypes do element by element.
#pragma once

#include "arrays.h"
#include "kernels.h"

namespace rushlight {

// 0: bfloat16, 1: float16, -1: another type
inline int half_index(int type) { return type == NPY_HALF ? 1 : type == bfloat16_type && type >= 0 ? 0 : -1; }

inline void widen(int half, const void *x, float *out, size_t n) {
  kernels->optimizers.widen[half]((const uint16_t *)x, out, n);
}
inline void narrow(int half, const float *x, void *out, size_t n) {
  if (Narrow quick = half == 0 ? bfloat16_narrow() : nullptr) return quick(x, (uint16_t *)out, n);
  kernels->optimizers.narrow[half](x, (uint16_t *)out, n);
}

// A float32 as the nearest number of half precision.
inline void rounded(int half, float &x) {
  uint16_t narrowed;
  narrow(half, &x, &narrowed, 1);
  widen(half, &narrowed, &x, 1);
}

// A new array of another type, in the same order of memory; null with an error, or without one where that is not served.
PyObject *as_type(PyObject *x, int type);

using Fast = PyObject *(*)(PyObject *, PyObject *const *, Py_ssize_t);

// A function of an array and more, given a float32 array instead of one of half precision; its results (one or two) of
// float32 are made half again.
template <Fast F> PyObject *by_way_of_float32(PyObject *self, PyObject *const *args, Py_ssize_t given) {
  int half = given && given < 8 && PyArray_CheckExact(args[0]) ? half_index(type_of(args[0])) : -1;
  if (half < 0) return F(self, args, given);
  PyObject *wide = as_type(args[0], NPY_FLOAT32), *with[8] = {wide};
  if (!wide) return PyErr_Occurred() ? nullptr : not_implemented();
  for (Py_ssize_t i = 1; i < given; i++) with[i] = args[i];
  PyObject *out = F(self, with, given);
  Py_DECREF(wide);
  auto back = [&](PyObject *r) {  // steals
    if (!r || !PyArray_CheckExact(r) || type_of(r) != NPY_FLOAT32) return r;
    PyObject *narrowed = as_type(r, type_of(args[0]));
    Py_DECREF(r);
    return narrowed;
  };
  if (!out || !PyTuple_CheckExact(out)) return back(out);
  PyObject *first = back(Py_NewRef(PyTuple_GET_ITEM(out, 0))), *second = back(Py_NewRef(PyTuple_GET_ITEM(out, 1)));
  Py_DECREF(out);
  if (first && second) return Py_BuildValue("(NN)", first, second);
  Py_XDECREF(first);
  Py_XDECREF(second);
  return nullptr;
}

constexpr size_t HALF_BLOCK = 1024;

// Calls loop(inputs, done, n) with blocks of the inputs in float32: done(result) takes a block of results.
template <int COUNT, typename Loop> void by_floats(int half, const void *const *x, size_t n, Loop loop) {
  alignas(64) float wide[COUNT][HALF_BLOCK];
  const float *at[COUNT];
  for (int k = 0; k < COUNT; k++) at[k] = wide[k];
  for (size_t i = 0; i < n; i += HALF_BLOCK) {
    size_t m = n - i < HALF_BLOCK ? n - i : HALF_BLOCK;
    for (int k = 0; k < COUNT; k++) widen(half, (const uint16_t *)x[k] + i, wide[k], m);
    loop(at, i, m);
  }
}

// The same for loops whose result is half too: loop(inputs, result, n).
template <int COUNT, typename Loop> void in_floats(int half, const void *const *x, void *out, size_t n, Loop loop) {
  alignas(64) float result[HALF_BLOCK];
  float *to = result;
  by_floats<COUNT>(half, x, n, [=](const float *const *at, size_t i, size_t m) {
    loop(at, to, m);
    narrow(half, to, (uint16_t *)out + i, m);
  });
}

}  // namespace rushlight
