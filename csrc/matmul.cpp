// Python's side of matrix products of floating-point numbers: mm, bmm, linear and its gradients. Up to some thousand
// multiplications plain loops are quickest, beyond that gemm.cpp's. Half precision is summed in float32 and rounded once.
#include "arrays.h"
#include "copy.h"
#include "gemm.h"
#include "kernels.h"

#include <utility>

namespace rushlight {
namespace {

constexpr npy_intp SMALL = 2500;        // multiplications of the plain loops
constexpr npy_intp WITHOUT_GIL = 60000;  // and of what lets other threads run

struct Matrix {
  const char *data;
  npy_intp rows, columns, down, right;  // strides in bytes
  Matrix() = default;
  explicit Matrix(PyObject *x, int axis = 0)  // of dimensions axis and axis + 1
      : data(PyArray_BYTES((PyArrayObject *)x)), rows(PyArray_DIM((PyArrayObject *)x, axis)),
        columns(PyArray_DIM((PyArrayObject *)x, axis + 1)), down(PyArray_STRIDE((PyArrayObject *)x, axis)),
        right(PyArray_STRIDE((PyArrayObject *)x, axis + 1)) {}
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

template <typename T> void multiply(const Matrix &x, const Matrix &y, const void *with, void *to) {
  constexpr npy_intp item = sizeof(T);
  T *out = static_cast<T *>(to);
  const T *bias = static_cast<const T *>(with);
  npy_intp work = x.rows * x.columns * y.columns;
  if (work > SMALL)
    gemm<T>((size_t)x.rows, (size_t)y.columns, (size_t)x.columns, (const T *)x.data, x.down / item, x.right / item,
            (const T *)y.data, y.down / item, y.right / item, out, y.columns, bias);
  else if (y.right == item && y.columns > 1) by_rows<T>(x, y, bias, out);
  else if (x.right == item && y.down == item) by_dots<T>(x, y, bias, out);
  else anyhow<T>(x, y, bias, out);
}

bool served(int type) {
  return type == NPY_FLOAT32 || type == NPY_FLOAT64 || type == NPY_HALF || (type == bfloat16_type && type >= 0);
}

void multiply(Half half, const Matrix &x, const Matrix &y, const void *bias, void *out) {
  gemm(half, (size_t)x.rows, (size_t)y.columns, (size_t)x.columns, (const uint16_t *)x.data, x.down / 2, x.right / 2,
       (const uint16_t *)y.data, y.down / 2, y.right / 2, (uint16_t *)out, y.columns, (const uint16_t *)bias);
}

void multiply(int type, const Matrix &x, const Matrix &y, const void *bias, void *out) {
  if (type == NPY_FLOAT32) multiply<float>(x, y, bias, out);
  else if (type == NPY_FLOAT64) multiply<double>(x, y, bias, out);
  else multiply(type == NPY_HALF ? Half::float16 : Half::bfloat16, x, y, bias, out);
}

// Into `out`, or a new array with these dimensions. Null without an error: not served.
PyObject *product(int type, const Matrix &x, const Matrix &y, const void *bias, int ndim, const npy_intp *dims) {
  if (x.columns != y.rows) return nullptr;
  PyObject *r = new_array(ndim, dims, type);
  if (!r) return nullptr;
  void *out = data_of<void>(r);
  if (x.rows * x.columns * y.columns <= WITHOUT_GIL) {
    multiply(type, x, y, bias, out);
  } else {
    Py_BEGIN_ALLOW_THREADS
    multiply(type, x, y, bias, out);
    Py_END_ALLOW_THREADS
  }
  return r;
}

PyObject *product(PyObject *a, const Matrix &x, PyObject *b, const Matrix &y) {
  npy_intp dims[2] = {x.rows, y.columns};
  return type_of(a) == type_of(b) && served(type_of(a)) ? product(type_of(a), x, y, nullptr, 2, dims) : nullptr;
}

PyObject *answer(PyObject *r) { return r || PyErr_Occurred() ? r : not_implemented(); }

PyObject *mm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !is_matrix(args[0]) || !is_matrix(args[1])) return not_implemented();
  return answer(product(args[0], Matrix(args[0]), args[1], Matrix(args[1])));
}

// mv(x, v): a matrix times a vector
PyObject *mv(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !is_matrix(args[0]) || !PyArray_CheckExact(args[1]) || PyArray_NDIM((PyArrayObject *)args[1]) != 1 ||
      !PyArray_ISBEHAVED_RO((PyArrayObject *)args[1]) || type_of(args[0]) != type_of(args[1]) || !served(type_of(args[0])))
    return not_implemented();
  PyArrayObject *v = (PyArrayObject *)args[1];
  Matrix row;
  row.data = PyArray_BYTES(v);
  row.rows = 1;
  row.columns = PyArray_DIM(v, 0);
  row.down = 0;
  row.right = PyArray_STRIDE(v, 0);
  Matrix x(args[0]);
  return answer(product(type_of(args[0]), row, x.transposed(), nullptr, 1, &x.rows));
}

// The rows of an array of one or more dimensions as a matrix; false if they are not evenly spaced in memory.
bool rows_of(PyObject *x, Matrix &m) {
  PyArrayObject *a = (PyArrayObject *)x;
  int n = PyArray_NDIM(a);
  if (n < 2 || !PyArray_CheckExact(x) || !PyArray_ISBEHAVED_RO(a)) return false;
  m.data = PyArray_BYTES(a);
  m.columns = PyArray_DIM(a, n - 1);
  m.right = PyArray_STRIDE(a, n - 1);
  m.rows = PyArray_DIM(a, n - 2);
  m.down = PyArray_STRIDE(a, n - 2);
  for (int i = n - 2; i-- > 0;) {
    if (PyArray_STRIDE(a, i) != PyArray_STRIDE(a, i + 1) * PyArray_DIM(a, i + 1)) return false;
    m.rows *= PyArray_DIM(a, i);
  }
  return true;
}

// The same of a copy in `whole` where they are not: of an array with its first dimensions exchanged, as attention has them.
bool rows_of(PyObject *x, Matrix &m, Held &whole) {
  if (rows_of(x, m)) return true;
  if (!PyArray_CheckExact(x) || PyArray_NDIM((PyArrayObject *)x) < 2 || !movable(x)) return false;
  whole.set(contiguous(x));
  if (!whole) PyErr_Clear();
  return whole && rows_of(whole.get(), m);
}

// A vector of n to be added to each row of a product; false if it is none.
bool row_to_add(PyObject *x, int type, npy_intp n) {
  return plain(x) && type_of(x) == type && PyArray_NDIM((PyArrayObject *)x) == 1 && PyArray_DIM((PyArrayObject *)x, 0) == n;
}

bool is_one(PyObject *x) {
  if (!PyLong_CheckExact(x) && !PyFloat_CheckExact(x)) return false;
  bool one = PyFloat_AsDouble(x) == 1;
  PyErr_Clear();
  return one;
}

// addmm(row, x, y, 1, 1) = x y + row
PyObject *addmm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 5 || !is_matrix(args[1]) || !is_matrix(args[2]) || !is_one(args[3]) || !is_one(args[4])) return not_implemented();
  Matrix x(args[1]), y(args[2]);
  int type = type_of(args[1]);
  if (!served(type) || type_of(args[2]) != type || !row_to_add(args[0], type, y.columns)) return not_implemented();
  npy_intp dims[2] = {x.rows, y.columns};
  return answer(product(type, x, y, data_of<void>(args[0]), 2, dims));
}

// linear(x, weight, bias or None) = x weight^T + bias, over the last dimension of x
PyObject *linear(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Matrix x;
  Held whole;
  if (given != 3 || !is_matrix(args[1]) || !served(type_of(args[1])) || !rows_of(args[0], x, whole) ||
      type_of(args[0]) != type_of(args[1]))
    return not_implemented();
  const void *bias = nullptr;
  Matrix w(args[1]);
  if (args[2] != Py_None) {
    if (!row_to_add(args[2], type_of(args[0]), w.rows)) return not_implemented();
    bias = data_of<void>(args[2]);
  }
  npy_intp dims[NPY_MAXDIMS];
  int n = PyArray_NDIM((PyArrayObject *)args[0]);
  for (int i = 0; i < n; i++) dims[i] = i < n - 1 ? PyArray_DIM((PyArrayObject *)args[0], i) : w.rows;
  return answer(product(type_of(args[1]), x, w.transposed(), bias, n, dims));
}

// linear_input(g, weight) = g weight, over the last dimension of g
PyObject *linear_input(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Matrix g;
  Held whole;
  if (given != 2 || !is_matrix(args[1]) || !served(type_of(args[1])) || !rows_of(args[0], g, whole) ||
      type_of(args[0]) != type_of(args[1]))
    return not_implemented();
  npy_intp dims[NPY_MAXDIMS];
  int n = PyArray_NDIM((PyArrayObject *)args[0]);
  for (int i = 0; i < n; i++)
    dims[i] = i < n - 1 ? PyArray_DIM((PyArrayObject *)args[0], i) : PyArray_DIM((PyArrayObject *)args[1], 1);
  return answer(product(type_of(args[1]), g, Matrix(args[1]), nullptr, n, dims));
}

// linear_weight(g, x) = g^T x, summed over all dimensions but the last
PyObject *linear_weight(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Matrix g, x;
  Held whole, other;
  if (given != 2 || !rows_of(args[0], g, whole) || !rows_of(args[1], x, other) || type_of(args[0]) != type_of(args[1]) ||
      g.rows != x.rows)
    return not_implemented();
  return answer(product(args[0], g.transposed(), args[1], x));
}

// The place of the batch in the memory of an array of three or more dimensions: its matrices one after the other.
struct Batches {
  PyArrayObject *array;
  const npy_intp *dims;  // of the batch
  int ndim;
  Matrix at(npy_intp index) const {
    Matrix m((PyObject *)array, PyArray_NDIM(array) - 2);
    int mine = PyArray_NDIM(array) - 2;
    for (int i = ndim; i-- > 0; index /= dims[i]) {
      int axis = i - (ndim - mine);
      if (axis >= 0 && PyArray_DIM(array, axis) != 1) m.data += index % dims[i] * PyArray_STRIDE(array, axis);
    }
    return m;
  }
};

// batched_matmul(x, y): matrices of the last two dimensions, the others broadcast
PyObject *batched_matmul(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0]) || !PyArray_CheckExact(args[1])) return not_implemented();
  if (PyArray_NDIM((PyArrayObject *)args[1]) == 2) {  // one product of many rows
    PyObject *r = linear_input(nullptr, args, 2);
    if (r != Py_NotImplemented) return r;
    Py_DECREF(r);
  }
  PyArrayObject *a = (PyArrayObject *)args[0], *b = (PyArrayObject *)args[1];
  int type = type_of(args[0]), na = PyArray_NDIM(a), nb = PyArray_NDIM(b), n = na > nb ? na : nb;
  if (!served(type) || type_of(args[1]) != type || na < 2 || nb < 2 || !PyArray_ISBEHAVED_RO(a) || !PyArray_ISBEHAVED_RO(b))
    return not_implemented();
  npy_intp dims[NPY_MAXDIMS], count = 1;
  for (int i = 0; i < n - 2; i++) {
    npy_intp da = i - (n - na) < 0 ? 1 : PyArray_DIM(a, i - (n - na)), db = i - (n - nb) < 0 ? 1 : PyArray_DIM(b, i - (n - nb));
    if (da != db && da != 1 && db != 1) return not_implemented();
    count *= dims[i] = da == 1 ? db : da;
  }
  Batches xs{a, dims, n - 2}, ys{b, dims, n - 2};
  npy_intp rows = dims[n - 2] = PyArray_DIM(a, na - 2), columns = dims[n - 1] = PyArray_DIM(b, nb - 1);
  npy_intp depth = PyArray_DIM(a, na - 1);
  if (depth != PyArray_DIM(b, nb - 2)) return not_implemented();
  PyObject *r = new_array(n, dims, type);
  if (!r || !count) return r;
  char *out = data_of<char>(r);
  npy_intp size = rows * columns * PyArray_ITEMSIZE(a), work = rows * columns * depth;
  auto some = [&](size_t i, size_t j) {
    for (; i < j; i++) multiply(type, xs.at((npy_intp)i), ys.at((npy_intp)i), nullptr, out + (npy_intp)i * size);
  };
  if (work * count <= WITHOUT_GIL) {
    some(0, (size_t)count);
  } else {
    Py_BEGIN_ALLOW_THREADS
    npy_intp each = work > 0 ? WITHOUT_GIL / work : count;
    if (count >= 2 * num_threads()) parallel((size_t)count, (size_t)(each > 1 ? each : 1), some);
    else some(0, (size_t)count);  // few and large: each by all threads
    Py_END_ALLOW_THREADS
  }
  return r;
}

// bmm(x, y): of two arrays of three dimensions, the first alike
PyObject *bmm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  for (Py_ssize_t i = 0; i < given; i++)
    if (!PyArray_CheckExact(args[i]) || PyArray_NDIM((PyArrayObject *)args[i]) != 3 ||
        PyArray_DIM((PyArrayObject *)args[i], 0) != PyArray_DIM((PyArrayObject *)args[0], 0))
      return not_implemented();
  return batched_matmul(nullptr, args, given);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(x, y, ...) -> matrix, or NotImplemented"}
// multiplies_bfloat16() -> bool: does this CPU?
PyObject *multiplies_bfloat16(PyObject *, PyObject *) { return PyBool_FromLong(bfloat16_forms() != nullptr); }

PyMethodDef methods[] = {{"multiplies_bfloat16", multiplies_bfloat16, METH_NOARGS, "multiplies_bfloat16() -> bool: does this CPU?"},
                         METHOD(mm), METHOD(mv), METHOD(addmm), METHOD(bmm),           METHOD(batched_matmul), METHOD(linear),
                         METHOD(linear_input), METHOD(linear_weight), {nullptr}};

}  // namespace

bool add_matmul(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
