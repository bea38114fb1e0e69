// Normalization over a batch, instances or groups of channels, and the gradients of all norms: float32, contiguous, else
// NotImplemented. What is standardized together (a `set`) is some runs of memory, each with one weight.
#include "arrays.h"
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

namespace rushlight {
namespace {

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32 && size_of(x) > 0; }
bool vector_or_none(PyObject *x, size_t n) { return x == Py_None || (served(x) && size_of(x) == n); }
const float *data_or_null(PyObject *x) { return x == Py_None ? nullptr : data_of<float>(x); }

constexpr size_t SHORT = 8;  // runs below this are NumPy's

enum Form { BATCH, INSTANCE, GROUP };
struct Sets {
  Form form;
  size_t sets, runs, length, channels;
  npy_intp shape[4];  // of the statistics
  int ndim;
  size_t start(size_t s, size_t r) const {
    return form == BATCH ? (r * sets + s) * length : (s * runs + r) * length;
  }
  size_t channel(size_t s, size_t r) const { return form == BATCH ? s : (s * runs + r) % channels; }
};

bool numbers(PyObject *tuple, size_t *to, int n) {
  if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) != n) return false;
  for (int i = 0; i < n; i++) {
    PyObject *item = PyTuple_GET_ITEM(tuple, i);
    if (!PyLong_CheckExact(item)) return false;
    to[i] = PyLong_AsSize_t(item);
  }
  PyErr_Clear();
  return true;
}

// view and axes as norm.py makes them; false for what is not served.
bool read_sets(PyObject *view, PyObject *axes, size_t elements, Sets &s) {
  size_t v[4], a[2];
  if (numbers(view, v, 3) && numbers(axes, a, 2) && a[0] == 0 && a[1] == 2)
    s = {BATCH, v[1], v[0], v[2], v[1], {1, (npy_intp)v[1], 1}, 3};
  else if (numbers(view, v, 3) && numbers(axes, a, 1) && a[0] == 2)
    s = {INSTANCE, v[0] * v[1], 1, v[2], v[1], {(npy_intp)v[0], (npy_intp)v[1], 1}, 3};
  else if (numbers(view, v, 4) && numbers(axes, a, 2) && a[0] == 2 && a[1] == 3)
    s = {GROUP, v[0] * v[1], v[2], v[3], v[1] * v[2], {(npy_intp)v[0], (npy_intp)v[1], 1, 1}, 4};
  else
    return false;
  return s.length >= SHORT && s.sets * s.runs * s.length == elements;
}

// norm(x, weight, bias, view, axes, eps) -> (out, mean, rstd, var)
PyObject *norm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Sets s;
  if (given != 6 || !served(args[0]) || !PyFloat_CheckExact(args[5]) || !read_sets(args[3], args[4], size_of(args[0]), s) ||
      !vector_or_none(args[1], s.channels) || !vector_or_none(args[2], s.channels))
    return not_implemented();
  PyObject *made[4] = {like(args[0])};
  for (int i = 1; i < 4; i++) made[i] = new_array(s.ndim, s.shape, NPY_FLOAT32);
  if (!made[0] || !made[1] || !made[2] || !made[3]) {
    for (PyObject *m : made) Py_XDECREF(m);
    return nullptr;
  }
  const float *x = data_of<float>(args[0]), *w = data_or_null(args[1]), *b = data_or_null(args[2]);
  float *out = data_of<float>(made[0]), *mean = data_of<float>(made[1]), *rstd = data_of<float>(made[2]),
        *var = data_of<float>(made[3]);
  double eps = PyFloat_AS_DOUBLE(args[5]), count = (double)(s.runs * s.length);
  share(s.sets, s.runs * s.length, [=](size_t i, size_t j) {
    const Norms &k = kernels->norms;
    for (; i < j; i++) {
      double total = 0, squares = 0;
      for (size_t r = 0; r < s.runs; r++) total += k.total(x + s.start(i, r), s.length);
      mean[i] = (float)(total / count);
      for (size_t r = 0; r < s.runs; r++) squares += k.squares(x + s.start(i, r), mean[i], s.length);
      var[i] = (float)(squares / count);
      rstd[i] = (float)(1 / std::sqrt(squares / count + eps));
      for (size_t r = 0; r < s.runs; r++) {
        size_t at = s.start(i, r), c = s.channel(i, r);
        k.affine(x + at, mean[i], w ? rstd[i] * w[c] : rstd[i], b ? b[c] : 0, out + at, s.length);
      }
    }
  });
  return Py_BuildValue("(NNNN)", made[0], made[1], made[2], made[3]);
}

// The three results of a gradient: like x, and two like weight. False with an error.
bool make_gradients(PyObject *x, PyObject *weight, PyObject **made) {
  made[0] = like(x);
  for (int i = 1; i < 3; i++) made[i] = new_zeros(PyArray_NDIM((PyArrayObject *)weight), PyArray_DIMS((PyArrayObject *)weight), NPY_FLOAT32);
  if (made[0] && made[1] && made[2]) return true;
  for (int i = 0; i < 3; i++) Py_XDECREF(made[i]);
  return false;
}

bool gradients_served(PyObject *const *x) {  // g, x, weight, mean, rstd
  for (int i = 0; i < 5; i++)
    if (!served(x[i])) return false;
  return size_of(x[0]) == size_of(x[1]) && size_of(x[3]) == size_of(x[4]);
}

// norm_backward(g, x, weight, mean, rstd, view, axes) -> (of x, of weight, of bias)
PyObject *norm_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Sets s;
  PyObject *made[3];
  if (given != 7 || !gradients_served(args) || !read_sets(args[5], args[6], size_of(args[1]), s) ||
      size_of(args[2]) != s.channels || size_of(args[3]) != s.sets)
    return not_implemented();
  if (!make_gradients(args[1], args[2], made)) return nullptr;
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]), *w = data_of<float>(args[2]),
              *mean = data_of<float>(args[3]), *rstd = data_of<float>(args[4]);
  float *out = data_of<float>(made[0]), *to_w = data_of<float>(made[1]), *to_b = data_of<float>(made[2]);
  std::unique_ptr<double[]> memory(new double[s.sets * s.runs * 2]);
  double *partial = memory.get(), count = (double)(s.runs * s.length);
  share(s.sets, s.runs * s.length, [=](size_t i, size_t j) {
    const Norms &k = kernels->norms;
    for (; i < j; i++) {
      double along = 0, across = 0, *parts = partial + i * s.runs * 2;
      for (size_t r = 0; r < s.runs; r++) {
        size_t at = s.start(i, r);
        k.products(g + at, x + at, mean[i], s.length, parts + 2 * r);
        along += parts[2 * r] * w[s.channel(i, r)];
        across += parts[2 * r + 1] * w[s.channel(i, r)];
      }
      double a = rstd[i], q = a * a * a * across / count, m = a * along / count;
      for (size_t r = 0; r < s.runs; r++) {
        size_t at = s.start(i, r);
        k.combine(g + at, x + at, mean[i], (float)(a * w[s.channel(i, r)]), (float)q, (float)m, out + at, s.length);
      }
    }
  });
  std::unique_ptr<double[]> sums(new double[s.channels * 2]());
  for (size_t i = 0; i < s.sets; i++)
    for (size_t r = 0; r < s.runs; r++) {
      size_t c = s.channel(i, r);
      sums[2 * c] += partial[2 * (i * s.runs + r)];
      sums[2 * c + 1] += partial[2 * (i * s.runs + r) + 1] * rstd[i];
    }
  for (size_t c = 0; c < s.channels; c++) {
    to_b[c] = (float)sums[2 * c];
    to_w[c] = (float)sums[2 * c + 1];
  }
  return Py_BuildValue("(NNN)", made[0], made[1], made[2]);
}

// layer_norm_backward(g, x, weight, mean, rstd, columns) -> (of x, of weight, of bias)
PyObject *layer_norm_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  PyObject *made[3];
  if (given != 6 || !gradients_served(args) || !PyLong_CheckExact(args[5])) return not_implemented();
  size_t n = PyLong_AsSize_t(args[5]), rows = size_of(args[3]);
  if (!n || PyErr_Occurred() || size_of(args[2]) != n || size_of(args[1]) != n * rows) {
    PyErr_Clear();
    return not_implemented();
  }
  if (!make_gradients(args[1], args[2], made)) return nullptr;
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]), *w = data_of<float>(args[2]),
              *mean = data_of<float>(args[3]), *rstd = data_of<float>(args[4]);
  float *out = data_of<float>(made[0]), *to_w = data_of<float>(made[1]), *to_b = data_of<float>(made[2]);
  constexpr size_t ROWS = 64;  // of a piece; fixed, so that the number of threads changes no bit
  size_t pieces = (rows + ROWS - 1) / ROWS;
  if (pieces == 1) {
    kernels->norms.layer_backward(g, x, w, mean, rstd, out, to_w, to_b, rows, n);
    return Py_BuildValue("(NNN)", made[0], made[1], made[2]);
  }
  std::unique_ptr<float[]> memory(new float[pieces * n * 2]());
  float *partial = memory.get();
  share(pieces, ROWS * n, [=](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t r = i * ROWS;
      kernels->norms.layer_backward(g + r * n, x + r * n, w, mean + r, rstd + r, out + r * n, partial + 2 * i * n,
                                    partial + (2 * i + 1) * n, std::min(ROWS, rows - r), n);
    }
  });
  for (size_t i = 0; i < pieces; i++)
    for (size_t c = 0; c < n; c++) {
      to_w[c] += partial[2 * i * n + c];
      to_b[c] += partial[(2 * i + 1) * n + c];
    }
  return Py_BuildValue("(NNN)", made[0], made[1], made[2]);
}

// batch_norm_inference(x, weight, bias, mean, var, eps): by channel, the second dimension
PyObject *batch_norm_inference(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 6 || !served(args[0]) || PyArray_NDIM((PyArrayObject *)args[0]) < 2 || !PyFloat_CheckExact(args[5]))
    return not_implemented();
  size_t batch = (size_t)PyArray_DIM((PyArrayObject *)args[0], 0), channels = (size_t)PyArray_DIM((PyArrayObject *)args[0], 1);
  size_t length = size_of(args[0]) / batch / channels;
  for (int i = 1; i < 5; i++)
    if (!vector_or_none(args[i], channels)) return not_implemented();
  if (length < SHORT || args[3] == Py_None || args[4] == Py_None) return not_implemented();
  PyObject *made = like(args[0]);
  if (!made) return nullptr;
  const float *x = data_of<float>(args[0]), *w = data_or_null(args[1]), *b = data_or_null(args[2]),
              *mean = data_of<float>(args[3]), *var = data_of<float>(args[4]);
  float *out = data_of<float>(made);
  double eps = PyFloat_AS_DOUBLE(args[5]);
  share(batch * channels, length, [=](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t c = i % channels;
      double scale = (w ? w[c] : 1.0) / std::sqrt((double)var[c] + eps);
      kernels->norms.affine(x + i * length, mean[c], (float)scale, b ? b[c] : 0, out + i * length, length);
    }
  });
  return made;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, nullptr}
PyMethodDef methods[] = {METHOD(norm), METHOD(norm_backward), METHOD(layer_norm_backward), METHOD(batch_norm_inference), {nullptr}};

}  // namespace

bool add_norm(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
