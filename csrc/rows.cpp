// Python's side of the row kernels: float32, contiguous, over the last dimension, else NotImplemented.
#include "arrays.h"
#include "kernels.h"

namespace rushlight {
namespace {

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32 && size_of(x) > 0; }

size_t last(PyObject *x) {
  PyArrayObject *a = (PyArrayObject *)x;
  return (size_t)PyArray_DIM(a, PyArray_NDIM(a) - 1);
}

// Is `dim` the last dimension of x?
bool is_last(PyObject *x, PyObject *dim) {
  int ndim = PyArray_NDIM((PyArrayObject *)x);
  if (!ndim || !PyLong_CheckExact(dim)) return false;
  long d = PyLong_AsLong(dim);
  return d == -1 || d == ndim - 1;
}

PyObject *by_row(PyObject *const *args, Py_ssize_t given, RowMap kernel) {
  if (given != 2 || !served(args[0]) || !is_last(args[0], args[1])) return not_implemented();
  PyObject *out = like(args[0]);
  if (!out) return nullptr;
  const float *x = data_of<float>(args[0]);
  float *to = data_of<float>(out);
  size_t columns = last(args[0]), rows = size_of(args[0]) / columns;
  share(rows, columns, [=](size_t i, size_t j) {
    kernel(x + i * columns, to + i * columns, j - i, columns);
  });
  return out;
}

PyObject *by_row2(PyObject *const *args, Py_ssize_t given, RowMap2 kernel) {
  if (given != 3 || !served(args[0]) || !served(args[1]) || !is_last(args[0], args[2]) ||
      !PyArray_SAMESHAPE((PyArrayObject *)args[0], (PyArrayObject *)args[1]))
    return not_implemented();
  PyObject *out = like(args[0]);
  if (!out) return nullptr;
  const float *x = data_of<float>(args[0]), *y = data_of<float>(args[1]);
  float *to = data_of<float>(out);
  size_t columns = last(args[0]), rows = size_of(args[0]) / columns;
  share(rows, columns, [=](size_t i, size_t j) {
    kernel(x + i * columns, y + i * columns, to + i * columns, j - i, columns);
  });
  return out;
}

#define ROWS(name) \
  PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t given) { return by_row(args, given, kernels->rows.name); }
#define ROWS2(name) \
  PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t given) { return by_row2(args, given, kernels->rows.name); }
ROWS(softmax)
ROWS(log_softmax)
ROWS2(softmax_backward)
ROWS2(log_softmax_backward)

// None, or a contiguous float32 array of n elements.
bool vector_or_none(PyObject *x, size_t n) { return x == Py_None || (served(x) && size_of(x) == n); }

const float *data_or_null(PyObject *x) { return x == Py_None ? nullptr : data_of<float>(x); }

// layer_norm(x, weight, bias, columns, eps) -> (out, mean, rstd), the latter of shape (rows,).
PyObject *layer_norm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 5 || !served(args[0])) return not_implemented();
  size_t columns = PyLong_AsSize_t(args[3]);
  float eps = (float)PyFloat_AsDouble(args[4]);
  if (PyErr_Occurred()) return nullptr;
  if (!columns || size_of(args[0]) % columns || !vector_or_none(args[1], columns) || !vector_or_none(args[2], columns))
    return not_implemented();
  size_t rows = size_of(args[0]) / columns;
  npy_intp n = (npy_intp)rows;
  PyObject *out = like(args[0]), *mean = new_array(1, &n, NPY_FLOAT32),
           *rstd = new_array(1, &n, NPY_FLOAT32);
  if (!out || !mean || !rstd) {
    Py_XDECREF(out);
    Py_XDECREF(mean);
    Py_XDECREF(rstd);
    return nullptr;
  }
  const float *x = data_of<float>(args[0]), *w = data_or_null(args[1]), *b = data_or_null(args[2]);
  float *to = data_of<float>(out), *m = data_of<float>(mean), *r = data_of<float>(rstd);
  share(rows, columns, [=](size_t i, size_t j) {
    kernels->rows.layer_norm(x + i * columns, w, b, eps, to + i * columns, m + i, r + i, j - i, columns);
  });
  return Py_BuildValue("(NNN)", out, mean, rstd);
}

// standardize_backward(gradient, x, mean, rstd, columns) -> array
PyObject *standardize_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 5) return not_implemented();
  for (int i = 0; i < 4; i++)
    if (!served(args[i])) return not_implemented();
  size_t columns = PyLong_AsSize_t(args[4]);
  if (PyErr_Occurred()) return nullptr;
  size_t n = size_of(args[0]);
  if (!columns || n % columns || size_of(args[1]) != n || size_of(args[2]) != n / columns ||
      size_of(args[3]) != n / columns)
    return not_implemented();
  PyObject *out = like(args[0]);
  if (!out) return nullptr;
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]), *m = data_of<float>(args[2]),
              *r = data_of<float>(args[3]);
  float *to = data_of<float>(out);
  share(n / columns, columns, [=](size_t i, size_t j) {
    size_t at = i * columns;
    kernels->rows.standardize_backward(g + at, x + at, m + i, r + i, to + at, j - i, columns);
  });
  return out;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, nullptr}
PyMethodDef methods[] = {METHOD(softmax),          METHOD(log_softmax),
                         METHOD(softmax_backward), METHOD(log_softmax_backward),
                         METHOD(layer_norm),       METHOD(standardize_backward),
                         {nullptr}};

}  // namespace

bool add_rows(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
