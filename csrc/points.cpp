// Elements named one by one: by an index array for each dimension, by lists of places along dimensions (padding), or by their
// class; and the two functions of a Gumbel sample that are rounded as PyTorch's. NotImplemented for what they do not serve.
#include <cmath>
#include <cstring>
#include <vector>

#include "indices.h"

namespace rushlight {
namespace {

// pick(x, (index, index, ...)) -> x[index, index, ...]: arrays of int64 of one shape for the first dimensions
PyObject *pick(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !movable(args[0]) || !PyTuple_CheckExact(args[1])) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0];
  int count = (int)PyTuple_GET_SIZE(args[1]);
  if (!count || count > PyArray_NDIM(x) || !PyArray_IS_C_CONTIGUOUS(x)) return not_implemented();
  PyArrayObject *first = (PyArrayObject *)PyTuple_GET_ITEM(args[1], 0);
  const int64_t *at[NPY_MAXDIMS];
  for (int k = 0; k < count; k++) {
    PyObject *index = PyTuple_GET_ITEM(args[1], k);
    if (!plain(index) || type_of(index) != NPY_INT64 || !PyArray_SAMESHAPE(first, (PyArrayObject *)index)) return not_implemented();
    at[k] = data_of<int64_t>(index);
  }
  npy_intp dims[NPY_MAXDIMS * 2];
  int ndim = 0;
  for (int d = 0; d < PyArray_NDIM(first); d++) dims[ndim++] = PyArray_DIM(first, d);
  size_t row = (size_t)PyArray_ITEMSIZE(x), n = size_of((PyObject *)first);
  for (int d = count; d < PyArray_NDIM(x); d++) row *= (size_t)(dims[ndim++] = PyArray_DIM(x, d));
  if (ndim > NPY_MAXDIMS) return not_implemented();
  for (int k = 0; k < count; k++) {
    int64_t size = PyArray_DIM(x, k), low = 0, high = -1;
    for (size_t i = 0; i < n; i++) {
      low = at[k][i] < low ? at[k][i] : low;
      high = at[k][i] > high ? at[k][i] : high;
    }
    if (low < -size || high >= size) return not_implemented();
  }
  PyObject *out = empty(args[0], ndim, dims);
  if (!out || !row) return out;
  const char *from = PyArray_BYTES(x);
  char *to = data_of<char>(out);
  share(n, row < 4 ? 1 : row / 4, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t place = 0;
      for (int k = 0; k < count; k++) {
        int64_t size = PyArray_DIM(x, k), j = at[k][i];
        place = place * (size_t)size + (size_t)(j < 0 ? j + size : j);
      }
      if (row == 4) std::memcpy(to + i * 4, from + place * 4, 4);
      else if (row == 8) std::memcpy(to + i * 8, from + place * 8, 8);
      else copy_row(to + i * row, from + place * row, row);
    }
  });
  return out;
}

// Places along a dimension, from a tuple of ints; false: one is outside.
bool places(PyObject *tuple, npy_intp size, std::vector<npy_intp> &to) {
  if (!PyTuple_CheckExact(tuple)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
    PyObject *number = PyTuple_GET_ITEM(tuple, i);
    npy_intp place = PyLong_CheckExact(number) ? PyLong_AsSsize_t(number) : -1;
    if (place < 0 || place >= size) {
      PyErr_Clear();
      return false;
    }
    to.push_back(place);
  }
  return true;
}

template <typename T> void line(const char *from, const std::vector<npy_intp> &where, char *to) {
  const T *f = (const T *)from;
  T *t = (T *)to;
  for (size_t i = 0; i < where.size(); i++) t[i] = f[where[i]];
}

// gathered(x, dims, places, mode) -> x with its elements along each of the dimensions taken from these places
PyObject *gathered(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4 || !movable(args[0]) || !PyTuple_CheckExact(args[1]) || !PyTuple_CheckExact(args[2])) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0];
  int n = PyArray_NDIM(x), kind = size_index((size_t)PyArray_ITEMSIZE(x));
  if (!n || kind < 0 || PyTuple_GET_SIZE(args[1]) != PyTuple_GET_SIZE(args[2])) return not_implemented();
  std::vector<npy_intp> where[NPY_MAXDIMS];
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[1]); i++) {
    int d = wrapped(PyTuple_GET_ITEM(args[1], i), n);
    if (d < 0 || !where[d].empty() || !places(PyTuple_GET_ITEM(args[2], i), PyArray_DIM(x, d), where[d])) return not_implemented();
    if (where[d].empty()) return not_implemented();
  }
  npy_intp dims[NPY_MAXDIMS];
  for (int d = 0; d < n; d++) {
    if (where[d].empty() && d == n - 1)
      for (npy_intp i = 0; i < PyArray_DIM(x, d); i++) where[d].push_back(i);
    dims[d] = where[d].empty() ? PyArray_DIM(x, d) : (npy_intp)where[d].size();
  }
  Held whole(contiguous(args[0]));
  PyObject *out = whole ? empty(args[0], n, dims) : nullptr;
  if (!out || !size_of(out)) return out;
  size_t item = (size_t)PyArray_ITEMSIZE(x), width = (size_t)PyArray_DIM(x, n - 1), wide = where[n - 1].size();
  const char *from = data_of<char>(whole.get());
  char *to = data_of<char>(out);
  share(size_of(out) / wide, wide, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t rest = i, place = 0, step = 1;
      for (int d = n - 1; d-- > 0; rest /= (size_t)dims[d]) {
        size_t at = rest % (size_t)dims[d];
        place += (where[d].empty() ? at : (size_t)where[d][at]) * step;
        step *= (size_t)PyArray_DIM(x, d);
      }
      const char *f = from + place * width * item;
      char *t = to + i * wide * item;
      switch (kind) {
        case 0: line<uint8_t>(f, where[n - 1], t); break;
        case 1: line<uint16_t>(f, where[n - 1], t); break;
        case 2: line<uint32_t>(f, where[n - 1], t); break;
        default: line<uint64_t>(f, where[n - 1], t);
      }
    }
  });
  return out;
}

template <typename T> void added(const T *from, const std::vector<npy_intp> *where, const npy_intp *dims, const npy_intp *sizes, int n,
                                 size_t rows, T *to) {
  size_t wide = (size_t)dims[n - 1];
  for (size_t i = 0; i < rows; i++) {
    size_t rest = i, place = 0, step = (size_t)sizes[n - 1];
    for (int d = n - 1; d-- > 0; rest /= (size_t)dims[d]) {
      size_t at = rest % (size_t)dims[d];
      place += (where[d].empty() ? at : (size_t)where[d][at]) * step;
      step *= (size_t)sizes[d];
    }
    for (size_t j = 0; j < wide; j++) to[place + (where[n - 1].empty() ? j : (size_t)where[n - 1][j])] += from[i * wide + j];
  }
}

// gathered_backward(g, dims, places, sizes, mode): the transpose, elements added up where they came from
PyObject *gathered_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 5 || !movable(args[0]) || !PyTuple_CheckExact(args[1]) || !PyTuple_CheckExact(args[2]) || !PyTuple_CheckExact(args[3]))
    return not_implemented();
  PyArrayObject *g = (PyArrayObject *)args[0];
  int n = PyArray_NDIM(g), type = PyArray_TYPE(g);
  Py_ssize_t count = PyTuple_GET_SIZE(args[1]);
  if (!n || (type != NPY_FLOAT32 && type != NPY_FLOAT64) || PyTuple_GET_SIZE(args[2]) != count || PyTuple_GET_SIZE(args[3]) != count)
    return not_implemented();
  std::vector<npy_intp> where[NPY_MAXDIMS];
  npy_intp sizes[NPY_MAXDIMS];
  for (int d = 0; d < n; d++) sizes[d] = PyArray_DIM(g, d);
  for (Py_ssize_t i = 0; i < count; i++) {
    int d = wrapped(PyTuple_GET_ITEM(args[1], i), n), size = INT32_MAX;
    int s = PyLong_CheckExact(PyTuple_GET_ITEM(args[3], i)) ? wrapped(PyTuple_GET_ITEM(args[3], i), size) : -1;
    if (d < 0 || s < 0 || !where[d].empty() || !places(PyTuple_GET_ITEM(args[2], i), s, where[d])) return not_implemented();
    if ((npy_intp)where[d].size() != sizes[d] || where[d].empty()) return not_implemented();
    sizes[d] = s;
  }
  Held whole(contiguous(args[0]));
  PyObject *out = whole ? new_zeros(n, sizes, type) : nullptr;
  if (!out || !size_of(whole.get())) return out;
  const npy_intp *dims = PyArray_DIMS(g);
  size_t batch = 1, first = 0;  // leading dimensions that stay as they are are shared among threads
  while ((int)first < n - 1 && where[first].empty()) batch *= (size_t)dims[first++];
  int left = n - (int)first;
  size_t rows = 1, size = 1;
  for (int d = (int)first; d < n; d++) {
    size *= (size_t)sizes[d];
    if (d < n - 1) rows *= (size_t)dims[d];
  }
  PyObject *from = whole.get();
  share(batch, rows * (size_t)dims[n - 1] * 2, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t at = i * rows * (size_t)dims[n - 1];
      if (type == NPY_FLOAT32)
        added(data_of<float>(from) + at, where + first, dims + first, sizes + first, left, rows, data_of<float>(out) + i * size);
      else
        added(data_of<double>(from) + at, where + first, dims + first, sizes + first, left, rows, data_of<double>(out) + i * size);
    }
  });
  return out;
}

// one_hot(classes, count) -> zeros with a 1 at each class along a new last dimension; -1: as many as there are
PyObject *one_hot(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !plain(args[0]) || type_of(args[0]) != NPY_INT64 || !size_of(args[0]) || !PyLong_CheckExact(args[1]))
    return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0];
  const int64_t *at = data_of<int64_t>(args[0]);
  size_t n = size_of(args[0]);
  int64_t low = at[0], high = at[0], count = PyLong_AsLongLong(args[1]);
  for (size_t i = 1; i < n; i++) {
    low = at[i] < low ? at[i] : low;
    high = at[i] > high ? at[i] : high;
  }
  if (count == -1 && !PyErr_Occurred()) count = high + 1;
  PyErr_Clear();
  if (low < 0 || high >= count || PyArray_NDIM(x) >= NPY_MAXDIMS) return not_implemented();
  npy_intp dims[NPY_MAXDIMS];
  for (int d = 0; d < PyArray_NDIM(x); d++) dims[d] = PyArray_DIM(x, d);
  dims[PyArray_NDIM(x)] = (npy_intp)count;
  PyObject *out = new_zeros(PyArray_NDIM(x) + 1, dims, NPY_INT64);
  if (!out) return nullptr;
  int64_t *to = data_of<int64_t>(out);
  for (size_t i = 0; i < n; i++) to[i * (size_t)count + (size_t)at[i]] = 1;
  return out;
}

// ---- a Gumbel sample: see _ops/gumbel.py -----------------------------------------------------------------------------

constexpr float LN2_HIGH = 0.693145751953125f, LN2_LOW = 1.42860677e-6f;

float log_of(float x) {
  static const float c[] = {-0.12891685962677002f, 0.1398443728685379f,  -0.12184260785579681f,
                            0.140058696269989f,    -0.16680487990379333f, 0.20010405778884888f,
                            -0.24999797344207764f, 0.3333321511745453f,   -0.5f};
  if (!(x >= 0x1p-126f && x < INFINITY)) return (float)std::log((double)x);
  int32_t bits;
  std::memcpy(&bits, &x, 4);
  bits -= 0x3F2AAAAB;
  float k = (float)(bits >> 23), m;
  int32_t mantissa = (bits & 0x7FFFFF) + 0x3F2AAAAB;
  std::memcpy(&m, &mantissa, 4);
  float r = m - 1.0f, p = c[0];
  for (int i = 1; i < 9; i++) p = p * r + c[i];
  return k * LN2_HIGH + ((r + p * r * r) + k * LN2_LOW);
}

float exp_of(float x) {
  static const float c[] = {1.98527617612853646e-4f, 1.39304355252534151e-3f, 8.33336077630519867e-3f,
                            4.16664853692054749e-2f, 1.66666671633720398e-1f, 0.5f};
  if (x < -104.0f) x = -104.0f;  // NaN stays
  float n = std::nearbyint(x * 1.44269504088896341f);
  if (!(n >= -200.0f && n <= 200.0f)) return n;
  float r = std::fma(n, -1.42860676533018705e-6f, std::fma(n, -LN2_HIGH, x)), p = c[0];
  for (int i = 1; i < 6; i++) p = std::fma(p, r, c[i]);
  return std::ldexp(std::fma(r * r, p, r) + 1.0f, (int)n);
}

template <float F(float)> PyObject *mapped(PyObject *, PyObject *x) {
  if (!plain(x) || type_of(x) != NPY_FLOAT32) return not_implemented();
  PyObject *out = like(x);
  if (!out) return nullptr;
  const float *from = data_of<float>(x);
  float *to = data_of<float>(out);
  share(size_of(x), 8, [=](size_t i, size_t j) {
    for (; i < j; i++) to[i] = F(from[i]);
  });
  return out;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(...) -> array, or NotImplemented"}
PyMethodDef methods[] = {METHOD(pick),
                         METHOD(gathered),
                         METHOD(gathered_backward),
                         METHOD(one_hot),
                         {"log_float32", mapped<log_of>, METH_O, "log_float32(x) -> array, or NotImplemented"},
                         {"exp_float32", mapped<exp_of>, METH_O, "exp_float32(x) -> array, or NotImplemented"},
                         {nullptr}};

}  // namespace

bool add_points(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
