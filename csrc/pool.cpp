// max_pool2d and its gradient, float32 and half precision: planes are shared among the threads.
#include "half.h"

#include <cmath>
#include <cstring>
#include <memory>

namespace rushlight {
namespace {

bool is_half(PyObject *x) { return plain(x) && half_index(type_of(x)) >= 0 && PyArray_NDIM((PyArrayObject *)x) >= 2; }

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32 && PyArray_NDIM((PyArrayObject *)x) >= 2; }

// Reads the ten sizes: output, kernel, stride, padding, dilation, each in y and x. False: a Python error.
bool describe(Pooling &p, PyObject *x, PyObject *const *ints) {
  size_t v[10];
  for (int i = 0; i < 10; i++) {
    v[i] = PyLong_AsSize_t(ints[i]);
    if (v[i] == ~size_t(0) && PyErr_Occurred()) return false;
  }
  PyArrayObject *a = (PyArrayObject *)x;
  int n = PyArray_NDIM(a);
  p = {(size_t)PyArray_DIM(a, n - 2), (size_t)PyArray_DIM(a, n - 1), v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
       v[8], v[9]};
  return true;
}

PyObject *shaped(PyObject *x, const Pooling &p, int type) {
  PyArrayObject *a = (PyArrayObject *)x;
  npy_intp dims[NPY_MAXDIMS];
  int n = PyArray_NDIM(a);
  for (int i = 0; i < n - 2; i++) dims[i] = PyArray_DIM(a, i);
  dims[n - 2] = (npy_intp)p.out_height;
  dims[n - 1] = (npy_intp)p.out_width;
  return new_array(n, dims, type);
}

// A plane of float32 where it lies, or of half precision made float32.
struct Planes {
  const char *from;
  size_t size;
  int half;
  std::unique_ptr<float[]> held;
  Planes(PyObject *x, size_t size, int half)
      : from(data_of<char>(x)), size(size), half(half), held(half < 0 ? nullptr : new float[size]) {}
  const float *at(size_t i) const {
    if (half < 0) return (const float *)from + i * size;
    widen(half, (const uint16_t *)from + i * size, held.get(), size);
    return held.get();
  }
};

// The same of results: done(i) says that one is there.
struct Results {
  char *to;
  size_t size;
  int half;
  std::unique_ptr<float[]> held;
  Results(PyObject *out, size_t size, int half)
      : to(data_of<char>(out)), size(size), half(half), held(half < 0 ? nullptr : new float[size]) {}
  float *at(size_t i) const { return half < 0 ? (float *)to + i * size : held.get(); }
  void done(size_t i) const {
    if (half >= 0) narrow(half, held.get(), (uint16_t *)to + i * size, size);
  }
};

// max_pool2d(x, ten ints) -> array
PyObject *max_pool2d(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 11 || !(served(args[0]) || is_half(args[0])) || !size_of(args[0])) return not_implemented();
  Pooling p;
  if (!describe(p, args[0], args + 1)) return nullptr;
  PyObject *x = args[0], *out = shaped(x, p, type_of(x));
  if (!out) return nullptr;
  size_t plane = p.height * p.width, result = p.out_height * p.out_width;
  // As long as the last window reaches, at least the row itself.
  size_t length = (p.out_width - 1) * p.stride_x + (p.kernel_x - 1) * p.dilation_x + 1;
  if (length < p.left + p.width) length = p.left + p.width;
  share(size_of(x) / plane, plane, [=](size_t i, size_t j) {
    Planes planes(x, plane, half_index(type_of(x)));
    Results results(out, result, planes.half);
    std::unique_ptr<float[]> line(new float[length]);
    for (size_t k = 0; k < length; k++) line[k] = -HUGE_VALF;
    for (; i < j; i++) {
      kernels->pool.max_pool(p, planes.at(i), results.at(i), line.get());
      results.done(i);
    }
  });
  return out;
}

// max_indices2d(x, ten ints) -> (array, int64 indices within the plane)
PyObject *max_indices2d(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 11 || !served(args[0]) || !size_of(args[0])) return not_implemented();
  Pooling p;
  if (!describe(p, args[0], args + 1)) return nullptr;
  PyObject *out = shaped(args[0], p, NPY_FLOAT32), *index = shaped(args[0], p, NPY_INT64);
  if (!out || !index) {
    Py_XDECREF(out);
    Py_XDECREF(index);
    return nullptr;
  }
  const float *x = data_of<float>(args[0]);
  float *to = data_of<float>(out);
  int64_t *at = data_of<int64_t>(index);
  size_t plane = p.height * p.width, result = p.out_height * p.out_width;
  share(size_of(args[0]) / plane, plane, [=](size_t i, size_t j) {
    for (; i < j; i++) kernels->pool.max_indices(p, x + i * plane, to + i * result, at + i * result);
  });
  return Py_BuildValue("(NN)", out, index);
}

// max_pool2d_backward(gradient, x, ten ints) -> array
PyObject *max_pool2d_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 12) return not_implemented();
  PyObject *g = args[0], *x = args[1];
  if (!((served(g) && served(x)) || (is_half(g) && is_half(x) && type_of(g) == type_of(x))) || !size_of(x)) return not_implemented();
  Pooling p;
  if (!describe(p, x, args + 2)) return nullptr;
  size_t plane = p.height * p.width, result = p.out_height * p.out_width, count = size_of(x) / plane;
  if (size_of(g) != count * result) return not_implemented();
  PyObject *out = like(x);
  if (!out) return nullptr;
  share(count, plane, [=](size_t i, size_t j) {
    int half = half_index(type_of(x));
    Planes gradients(g, result, half), planes(x, plane, half);
    Results results(out, plane, half);
    for (; i < j; i++) {
      std::memset(results.at(i), 0, plane * sizeof(float));
      kernels->pool.max_pool_backward(p, gradients.at(i), planes.at(i), results.at(i));
      results.done(i);
    }
  });
  return out;
}

#define METHOD(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, text}
PyMethodDef methods[] = {
    METHOD(max_pool2d, "max_pool2d(x, output, kernel, stride, padding, dilation: two ints each)"),
    METHOD(max_indices2d, "max_indices2d(x, ten ints) -> (array, indices)"),
    METHOD(max_pool2d_backward, "max_pool2d_backward(gradient, x, ten ints)"),
    {nullptr},
};

}  // namespace

bool add_means(PyObject *module);
bool add_resample(PyObject *module);

bool add_pool(PyObject *module) {
  return PyModule_AddFunctions(module, methods) == 0 && add_means(module) && add_resample(module);
}

}  // namespace rushlight
