// Means over windows that slide or that cover a plane evenly, and their gradients; sums at indices within planes.
#include "arrays.h"
#include "kernels.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace rushlight {
namespace {

// The windows along one dimension.
struct Line {
  std::vector<size_t> first, last;
  std::vector<float> divisor;

  Windows windows() const { return {first.size(), first.data(), last.data(), divisor.data()}; }

  // Those that cover n elements evenly.
  void cover(size_t n, size_t out) {
    for (size_t i = 0; i < out; i++) {
      first.push_back(i * n / out);
      last.push_back(((i + 1) * n + out - 1) / out);
      divisor.push_back((float)(last[i] - first[i]));
    }
  }

  // Those that slide: the divisor counts the padding or not, or is given.
  bool slide(size_t n, size_t out, size_t kernel, size_t stride, size_t padding, bool padded, double given) {
    for (size_t i = 0; i < out; i++) {
      long from = (long)(i * stride) - (long)padding, to = std::min(from + (long)kernel, (long)(n + padding));
      long inner = std::max(from, 0L), end = std::min(to, (long)n);
      if (inner >= end) return false;
      first.push_back((size_t)inner);
      last.push_back((size_t)end);
      divisor.push_back(given ? (float)given : (float)(padded ? to - from : end - inner));
    }
    return true;
  }
};

bool sizes(PyObject *const *args, int n, size_t *to) {
  for (int i = 0; i < n; i++) {
    to[i] = PyLong_AsSize_t(args[i]);
    if (to[i] == ~size_t(0) && PyErr_Occurred()) return false;
  }
  return true;
}

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32 && PyArray_NDIM((PyArrayObject *)x) >= 2; }

// x (..., height, width) -> (..., rows, columns)
PyObject *planes_like(PyObject *x, size_t rows, size_t columns) {
  PyArrayObject *a = (PyArrayObject *)x;
  npy_intp dims[NPY_MAXDIMS];
  int n = PyArray_NDIM(a);
  for (int i = 0; i < n - 2; i++) dims[i] = PyArray_DIM(a, i);
  dims[n - 2] = (npy_intp)rows;
  dims[n - 1] = (npy_intp)columns;
  return new_array(n, dims, NPY_FLOAT32);
}

// Means of all planes (height, width), or, backwards, their gradients' shares.
PyObject *apply(PyObject *from, const Line &rows, const Line &columns, size_t height, size_t width, bool back) {
  size_t inner = height * width, outer = rows.first.size() * columns.first.size();
  size_t read = back ? outer : inner, made = back ? inner : outer;
  PyObject *out = back ? planes_like(from, height, width) : planes_like(from, rows.first.size(), columns.first.size());
  if (!out) return nullptr;
  const float *x = data_of<float>(from);
  float *to = data_of<float>(out);
  Windows down = rows.windows(), across = columns.windows();
  share(size_of(from) / read, inner, [&](size_t i, size_t last) {
    std::unique_ptr<float[]> line(new float[width + 64]);
    for (; i < last; i++)
      if (back)
        kernels->pool.mean_backward(down, across, height, width, x + i * read, to + i * made, line.get());
      else
        kernels->pool.mean(down, across, height, width, x + i * read, to + i * made, line.get());
  });
  return out;
}

size_t dim_from_end(PyObject *x, int i) {
  PyArrayObject *a = (PyArrayObject *)x;
  return (size_t)PyArray_DIM(a, PyArray_NDIM(a) - i);
}

// adaptive_avg_pool2d(x, rows, columns); and back: adaptive_avg_pool2d_backward(g, height, width)
PyObject *adaptive(PyObject *const *args, Py_ssize_t given, bool back) {
  if (given != 3 || !served(args[0]) || !size_of(args[0])) return not_implemented();
  size_t other[2];
  if (!sizes(args + 1, 2, other)) return nullptr;
  if (!other[0] || !other[1]) return not_implemented();
  size_t own[2] = {dim_from_end(args[0], 2), dim_from_end(args[0], 1)};
  const size_t *in = back ? other : own, *out = back ? own : other;
  Line rows, columns;
  rows.cover(in[0], out[0]);
  columns.cover(in[1], out[1]);
  return apply(args[0], rows, columns, in[0], in[1], back);
}

PyObject *adaptive_avg_pool2d(PyObject *, PyObject *const *args, Py_ssize_t given) { return adaptive(args, given, false); }
PyObject *adaptive_avg_pool2d_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return adaptive(args, given, true);
}

// avg_pool2d(x, rows, columns of the other side, kernel, stride, padding: two each, padding counts, divisor or 0)
PyObject *sliding(PyObject *const *args, Py_ssize_t given, bool back) {
  if (given != 11 || !served(args[0]) || !size_of(args[0])) return not_implemented();
  size_t v[9];
  if (!sizes(args + 1, 9, v)) return nullptr;
  double divisor = PyFloat_AsDouble(args[10]);
  if (PyErr_Occurred()) return nullptr;
  size_t own[2] = {dim_from_end(args[0], 2), dim_from_end(args[0], 1)};
  const size_t *in = back ? v : own, *out = back ? own : v;
  Line rows, columns;
  if (!v[0] || !v[1] || !rows.slide(in[0], out[0], v[2], v[4], v[6], v[8], divisor) ||
      !columns.slide(in[1], out[1], v[3], v[5], v[7], v[8], divisor ? 1 : 0))
    return not_implemented();
  return apply(args[0], rows, columns, in[0], in[1], back);
}

PyObject *avg_pool2d(PyObject *, PyObject *const *args, Py_ssize_t given) { return sliding(args, given, false); }
PyObject *avg_pool2d_backward(PyObject *, PyObject *const *args, Py_ssize_t given) { return sliding(args, given, true); }

// plane_scatter(x (planes, count), indices (planes, count), size) -> (planes, size), sums
PyObject *plane_scatter(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !plain(args[0]) || type_of(args[0]) != NPY_FLOAT32 || PyArray_NDIM((PyArrayObject *)args[0]) != 2 ||
      !plain(args[1]) || type_of(args[1]) != NPY_INT64 || PyArray_NDIM((PyArrayObject *)args[1]) != 2)
    return not_implemented();
  size_t size = PyLong_AsSize_t(args[2]);
  if (PyErr_Occurred()) return nullptr;
  size_t planes = dim_from_end(args[0], 2), count = dim_from_end(args[0], 1);
  if (!size || !planes || !count || planes != dim_from_end(args[1], 2) || count != dim_from_end(args[1], 1))
    return not_implemented();
  const float *x = data_of<float>(args[0]);
  const int64_t *at = data_of<int64_t>(args[1]);
  for (size_t i = 0; i < planes * count; i++)
    if (at[i] < 0 || (size_t)at[i] >= size) return not_implemented();
  npy_intp dims[2] = {(npy_intp)planes, (npy_intp)size};
  PyObject *out = new_array(2, dims, NPY_FLOAT32);
  if (!out) return nullptr;
  float *to = data_of<float>(out);
  share(planes, size, [=](size_t i, size_t last) {
    std::memset(to + i * size, 0, (last - i) * size * sizeof(float));
    for (; i < last; i++)
      for (size_t k = i * count; k < (i + 1) * count; k++) to[i * size + (size_t)at[k]] += x[k];
  });
  return out;
}

#define METHOD(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, text}
PyMethodDef methods[] = {
    METHOD(adaptive_avg_pool2d, "adaptive_avg_pool2d(x, rows, columns)"),
    METHOD(adaptive_avg_pool2d_backward, "adaptive_avg_pool2d_backward(g, height, width)"),
    METHOD(avg_pool2d, "avg_pool2d(x, rows, columns, kernel, stride, padding: two each, padding counts, divisor or 0)"),
    METHOD(avg_pool2d_backward, "avg_pool2d_backward(g, height, width, and the rest of avg_pool2d)"),
    METHOD(plane_scatter, "plane_scatter(x, indices, size) -> sums at indices within planes"),
    {nullptr},
};

}  // namespace

bool add_means(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
