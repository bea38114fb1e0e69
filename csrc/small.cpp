// Products of small matrices: up to some thousand multiplications a library call costs more than the arithmetic. Larger
// ones answer NotImplemented, and NumPy's BLAS takes them.
#include "arrays.h"

#include <utility>

namespace rushlight {
namespace {

constexpr npy_intp SMALL = 6000;  // multiplications

struct Matrix {
  const char *data;
  npy_intp rows, columns, down, right;  // strides in bytes
  explicit Matrix(PyObject *x)
      : data(PyArray_BYTES((PyArrayObject *)x)), rows(PyArray_DIM((PyArrayObject *)x, 0)),
        columns(PyArray_DIM((PyArrayObject *)x, 1)), down(PyArray_STRIDE((PyArrayObject *)x, 0)),
        right(PyArray_STRIDE((PyArrayObject *)x, 1)) {}
  Matrix transposed() const {
    Matrix m = *this;
    std::swap(m.rows, m.columns);
    std::swap(m.down, m.right);
    return m;
  }
};

bool is_matrix(PyObject *x) {
  return PyArray_CheckExact(x) && PyArray_NDIM((PyArrayObject *)x) == 2 && PyArray_ISBEHAVED_RO((PyArrayObject *)x);
}

template <typename T> T at(const char *p) { return *(const T *)p; }

// out[i, :] starts as bias (or zeros); then out[i, :] += x[i, k] y[k, :]
template <typename T> void by_rows(const Matrix &x, const Matrix &y, const T *bias, T *__restrict out) {
  npy_intp n = y.columns;
  for (npy_intp i = 0; i < x.rows; i++, out += n) {
    for (npy_intp j = 0; j < n; j++) out[j] = bias ? bias[j] : 0;
    for (npy_intp k = 0; k < x.columns; k++) {
      T a = at<T>(x.data + i * x.down + k * x.right);
      const T *row = (const T *)(y.data + k * y.down);
      for (npy_intp j = 0; j < n; j++) out[j] += a * row[j];
    }
  }
}

// out[i, j] = x[i, :] . y[:, j] + bias[j], where both run along k in memory
template <typename T> void by_dots(const Matrix &x, const Matrix &y, const T *bias, T *__restrict out) {
  npy_intp n = x.columns;
  for (npy_intp i = 0; i < x.rows; i++)
    for (npy_intp j = 0; j < y.columns; j++) {
      const T *a = (const T *)(x.data + i * x.down), *b = (const T *)(y.data + j * y.right);
      T lanes[8] = {};
      npy_intp k = 0;
      for (; k + 8 <= n; k += 8)
        for (int l = 0; l < 8; l++) lanes[l] += a[k + l] * b[k + l];
      T sum = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
      for (; k < n; k++) sum += a[k] * b[k];
      *out++ = bias ? sum + bias[j] : sum;
    }
}

template <typename T> void anyhow(const Matrix &x, const Matrix &y, const T *bias, T *__restrict out) {
  for (npy_intp i = 0; i < x.rows; i++)
    for (npy_intp j = 0; j < y.columns; j++) {
      T sum = 0;
      for (npy_intp k = 0; k < x.columns; k++)
        sum += at<T>(x.data + i * x.down + k * x.right) * at<T>(y.data + k * y.down + j * y.right);
      *out++ = bias ? sum + bias[j] : sum;
    }
}

template <typename T> PyObject *multiply(const Matrix &x, const Matrix &y, int type, const void *bias) {
  npy_intp dims[2] = {x.rows, y.columns};
  PyObject *r = PyArray_SimpleNew(2, dims, type);
  if (!r) return nullptr;
  T *out = data_of<T>(r);
  constexpr npy_intp item = sizeof(T);
  if (y.right == item && y.columns > 1) by_rows<T>(x, y, (const T *)bias, out);
  else if (x.right == item && y.down == item) by_dots<T>(x, y, (const T *)bias, out);
  else anyhow<T>(x, y, (const T *)bias, out);
  return r;
}

// Null without an error: not served.
PyObject *product(PyObject *a, const Matrix &x, PyObject *b, const Matrix &y, const void *bias) {
  int type = type_of(a);
  if (type != type_of(b) || x.columns != y.rows || x.rows * x.columns * y.columns > SMALL) return nullptr;
  if (type == NPY_FLOAT32) return multiply<float>(x, y, type, bias);
  if (type == NPY_FLOAT64) return multiply<double>(x, y, type, bias);
  return nullptr;
}

PyObject *answer(PyObject *r) { return r || PyErr_Occurred() ? r : not_implemented(); }

PyObject *mm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !is_matrix(args[0]) || !is_matrix(args[1])) return not_implemented();
  return answer(product(args[0], Matrix(args[0]), args[1], Matrix(args[1]), nullptr));
}

// linear(x, weight, bias or None) = x weight^T + bias
PyObject *linear(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !is_matrix(args[0]) || !is_matrix(args[1])) return not_implemented();
  const void *bias = nullptr;
  if (args[2] != Py_None) {
    if (!plain(args[2]) || type_of(args[2]) != type_of(args[0]) || PyArray_NDIM((PyArrayObject *)args[2]) != 1 ||
        PyArray_DIM((PyArrayObject *)args[2], 0) != PyArray_DIM((PyArrayObject *)args[1], 0))
      return not_implemented();
    bias = data_of<void>(args[2]);
  }
  return answer(product(args[0], Matrix(args[0]), args[1], Matrix(args[1]).transposed(), bias));
}

// linear_weight(g, x) = g^T x
PyObject *linear_weight(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !is_matrix(args[0]) || !is_matrix(args[1])) return not_implemented();
  return answer(product(args[0], Matrix(args[0]).transposed(), args[1], Matrix(args[1]), nullptr));
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(x, y, ...) -> matrix, or NotImplemented"}
PyMethodDef methods[] = {METHOD(mm), METHOD(linear), METHOD(linear_weight), {nullptr}};

}  // namespace

bool add_small(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
