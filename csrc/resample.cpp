// One dimension of an array made longer or shorter: each place of the result is a sum of a few elements with weights.
#include "arrays.h"

#include <algorithm>
#include <vector>

namespace rushlight {
namespace {

struct Taps {
  size_t out, count;  // places, and elements of each
  const int64_t *index;
  std::vector<float> weight;
};

// (n, inner) -> (out, inner)
void rows(const Taps &t, const float *x, size_t inner, float *to) {
  for (size_t o = 0; o < t.out; o++, to += inner)
    for (size_t k = 0; k < t.count; k++) {
      const float *from = x + (size_t)t.index[o * t.count + k] * inner;
      float w = t.weight[o * t.count + k];
      if (k)
        for (size_t i = 0; i < inner; i++) to[i] += from[i] * w;
      else
        for (size_t i = 0; i < inner; i++) to[i] = from[i] * w;
    }
}

// (n) -> (out)
void line(const Taps &t, const float *x, float *to) {
  const int64_t *at = t.index;
  const float *w = t.weight.data();
  if (t.count == 2) {
    for (size_t o = 0; o < t.out; o++) to[o] = x[at[2 * o]] * w[2 * o] + x[at[2 * o + 1]] * w[2 * o + 1];
    return;
  }
  for (size_t o = 0; o < t.out; o++) {
    float sum = 0;
    for (size_t k = 0; k < t.count; k++) sum += x[*at++] * *w++;
    to[o] = sum;
  }
}

// resample(x, index (out, count), weight (out, count), axis) -> array; float32 only
PyObject *resample(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4 || !plain(args[0]) || type_of(args[0]) != NPY_FLOAT32 || !size_of(args[0]) || !plain(args[1]) ||
      type_of(args[1]) != NPY_INT64 || !plain(args[2]) || type_of(args[2]) != NPY_FLOAT64 ||
      size_of(args[1]) != size_of(args[2]) || PyArray_NDIM((PyArrayObject *)args[1]) != 2)
    return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0], *index = (PyArrayObject *)args[1];
  long axis = PyLong_AsLong(args[3]);
  if (axis < 0 || axis >= PyArray_NDIM(x)) return PyErr_Occurred() ? nullptr : not_implemented();
  Taps t = {(size_t)PyArray_DIM(index, 0), (size_t)PyArray_DIM(index, 1), data_of<int64_t>(args[1]), {}};
  size_t n = (size_t)PyArray_DIM(x, (int)axis), inner = 1;
  if (!t.out || !t.count) return not_implemented();
  for (size_t i = 0; i < t.out * t.count; i++) {
    if (t.index[i] < 0 || (size_t)t.index[i] >= n) return not_implemented();
    t.weight.push_back((float)data_of<double>(args[2])[i]);
  }
  npy_intp dims[NPY_MAXDIMS];
  std::copy_n(PyArray_DIMS(x), PyArray_NDIM(x), dims);
  for (int i = (int)axis + 1; i < PyArray_NDIM(x); i++) inner *= (size_t)dims[i];
  dims[axis] = (npy_intp)t.out;
  PyObject *out = new_array(PyArray_NDIM(x), dims, NPY_FLOAT32);
  if (!out) return nullptr;
  const float *from = data_of<float>(args[0]);
  float *to = data_of<float>(out);
  share(size_of(args[0]) / n / inner, std::max(n, t.out) * inner * t.count, [&](size_t i, size_t last) {
    for (; i < last; i++)
      if (inner == 1) line(t, from + i * n, to + i * t.out);
      else rows(t, from + i * n * inner, inner, to + i * t.out * inner);
  });
  return out;
}

PyMethodDef methods[] = {{"resample", (PyCFunction)(void (*)(void))resample, METH_FASTCALL,
                          "resample(x, index, weight, axis) -> sums of elements along an axis, or NotImplemented"},
                         {nullptr}};

}  // namespace

bool add_resample(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
