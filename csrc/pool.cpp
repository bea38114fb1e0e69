// max_pool2d and its gradient, float32: planes are shared among the threads.
#include "arrays.h"
#include "kernels.h"

#include <cmath>
#include <cstring>
#include <memory>

namespace rushlight {
namespace {

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

// max_pool2d(x, ten ints) -> array
PyObject *max_pool2d(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 11 || !served(args[0]) || !size_of(args[0])) return not_implemented();
  Pooling p;
  if (!describe(p, args[0], args + 1)) return nullptr;
  PyObject *out = shaped(args[0], p, NPY_FLOAT32);
  if (!out) return nullptr;
  const float *x = data_of<float>(args[0]);
  float *to = data_of<float>(out);
  size_t plane = p.height * p.width, result = p.out_height * p.out_width;
  // As long as the last window reaches, at least the row itself.
  size_t length = (p.out_width - 1) * p.stride_x + (p.kernel_x - 1) * p.dilation_x + 1;
  if (length < p.left + p.width) length = p.left + p.width;
  share(size_of(args[0]) / plane, plane, [=](size_t i, size_t j) {
    std::unique_ptr<float[]> line(new float[length]);
    for (size_t k = 0; k < length; k++) line[k] = -HUGE_VALF;
    for (; i < j; i++) kernels->pool.max_pool(p, x + i * plane, to + i * result, line.get());
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
  if (given != 12 || !served(args[0]) || !served(args[1]) || !size_of(args[1])) return not_implemented();
  Pooling p;
  if (!describe(p, args[1], args + 2)) return nullptr;
  size_t plane = p.height * p.width, result = p.out_height * p.out_width, planes = size_of(args[1]) / plane;
  if (size_of(args[0]) != planes * result) return not_implemented();
  PyObject *out = like(args[1]);
  if (!out) return nullptr;
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]);
  float *to = data_of<float>(out);
  share(planes, plane, [=](size_t i, size_t j) {
    std::memset(to + i * plane, 0, (j - i) * plane * sizeof(float));
    for (; i < j; i++) kernels->pool.max_pool_backward(p, g + i * result, x + i * plane, to + i * plane);
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
