// Reading at indices: gather, index_select, rows, embedding. A bad index makes them answer NotImplemented: the reference
// has the words.
#include "indices.h"

#include <atomic>
#include <cstring>

namespace rushlight {
namespace {

constexpr size_t CHECKED = 1024;  // indices looked at before they are used: they stay in the first cache

// out[j] = x[index[j] * step + j % step ...]: one line of (n, inner) by (m, inner)
template <typename T> bool along(const T *x, size_t n, size_t inner, const int64_t *index, T *out, size_t first, size_t last) {
  for (size_t i = first; i < last; i += CHECKED) {
    size_t end = i + CHECKED < last ? i + CHECKED : last;
    if (!inside(index + i, end - i, n)) return false;
    if (inner == 1)
      for (size_t j = i; j < end; j++) out[j] = x[index[j]];
    else
      for (size_t j = i, column = i % inner; j < end; j++) {
        out[j] = x[(size_t)index[j] * inner + column];
        if (++column == inner) column = 0;
      }
  }
  return true;
}

template <typename T> bool gather_of(PyObject *x, PyObject *index, PyObject *out, const Around &a, size_t m) {
  const T *from = data_of<T>(x);
  const int64_t *at = data_of<int64_t>(index);
  T *to = data_of<T>(out);
  size_t line = m * a.inner, whole = a.n * a.inner;
  std::atomic<bool> good{true};
  std::atomic<bool> *ok = &good;
  if (a.outer >= 8) {
    share(a.outer, line, [=](size_t i, size_t j) {
      for (; i < j; i++)
        if (!along(from + i * whole, a.n, a.inner, at + i * line, to + i * line, 0, line)) *ok = false;
    });
  } else {
    for (size_t o = 0; o < a.outer; o++)
      share(line, 1, [=](size_t i, size_t j) {
        if (!along(from + o * whole, a.n, a.inner, at + o * line, to + o * line, i, j)) *ok = false;
      });
  }
  return good;
}

// The same for an index that is smaller than x in other dimensions.
template <typename T> bool gather_part(PyArrayObject *x, PyArrayObject *index, PyObject *out, int at) {
  int ndim = PyArray_NDIM(x);
  npy_intp place[NPY_MAXDIMS] = {0}, step[NPY_MAXDIMS], n = PyArray_DIM(x, at), along = 1;
  for (int d = ndim; d-- > 0; along *= PyArray_DIM(x, d)) step[d] = along;
  const T *from = (const T *)PyArray_DATA(x);
  const int64_t *named = (const int64_t *)PyArray_DATA(index);
  if (!inside(named, size_of((PyObject *)index), (size_t)n)) return false;
  T *to = data_of<T>(out);
  npy_intp base = 0;
  for (size_t i = 0, last = size_of(out); i < last; i++) {
    to[i] = from[base + named[i] * step[at]];
    for (int d = ndim; d-- > 0;) {
      npy_intp s = d == at ? 0 : step[d];
      base += s;
      if (++place[d] < PyArray_DIM(index, d)) break;
      base -= s * place[d];
      place[d] = 0;
    }
  }
  return true;
}

bool smaller(PyArrayObject *index, PyArrayObject *x, int at) {
  if (PyArray_NDIM(x) != PyArray_NDIM(index)) return false;
  for (int d = 0; d < PyArray_NDIM(x); d++)
    if (d != at && PyArray_DIM(index, d) > PyArray_DIM(x, d)) return false;
  return true;
}

// gather(x, index, dim)
PyObject *gather(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !movable(args[0]) || !movable(args[1])) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0], *i = (PyArrayObject *)args[1];
  int ndim = PyArray_NDIM(x), at = ndim ? wrapped(args[2], ndim) : -1, kind = size_index((size_t)PyArray_ITEMSIZE(x));
  if (at < 0 || kind < 0 || !smaller(i, x, at)) return not_implemented();
  bool whole = same_around(x, i, at);
  Held from(contiguous(args[0])), index(as_indices(args[1]));
  if (!from || !index) return refuse();
  Held out(empty(args[0], ndim, PyArray_DIMS(i)));
  if (!out) return nullptr;
  Around a(x, at);
  size_t m = (size_t)PyArray_DIM(i, at);
  PyObject *f = from.get(), *n = index.get(), *t = out.get();
  if (!whole) {
    PyArrayObject *all = (PyArrayObject *)f, *named = (PyArrayObject *)n;
    bool found = kind == 0   ? gather_part<uint8_t>(all, named, t, at)
                 : kind == 1 ? gather_part<uint16_t>(all, named, t, at)
                 : kind == 2 ? gather_part<uint32_t>(all, named, t, at)
                             : gather_part<uint64_t>(all, named, t, at);
    return found ? out.release() : not_implemented();
  }
  bool good = kind == 0   ? gather_of<uint8_t>(f, n, t, a, m)
              : kind == 1 ? gather_of<uint16_t>(f, n, t, a, m)
              : kind == 2 ? gather_of<uint32_t>(f, n, t, a, m)
                          : gather_of<uint64_t>(f, n, t, a, m);
  return good ? out.release() : not_implemented();
}

template <size_t ROW> void rows_of(const char *x, const int64_t *index, size_t n, char *out, size_t first, size_t last) {
  for (size_t j = first; j < last; j++) {
    int64_t k = index[j];
    std::memcpy(out + j * ROW, x + (size_t)(k < 0 ? k + (int64_t)n : k) * ROW, ROW);
  }
}

// Rows of `row` bytes; the next ones are asked for while one is copied.
void long_rows(const char *x, const int64_t *index, size_t n, size_t row, char *out, size_t first, size_t last) {
  size_t ahead = row >= 4096 ? 1 : 4, lines = row < 2048 ? row : 2048;
  auto place = [=](size_t j) {
    int64_t k = index[j];
    return x + (size_t)(k < 0 ? k + (int64_t)n : k) * row;
  };
  for (size_t j = first; j < last; j++) {
    if (j + ahead < last) {
      const char *next = place(j + ahead);
      for (size_t b = 0; b < lines; b += 64) __builtin_prefetch(next + b);
    }
    copy_row(out + j * row, place(j), row);
  }
}

void some_rows(const char *x, const int64_t *index, size_t n, size_t row, char *out, size_t first, size_t last) {
  switch (row) {
    case 1: return rows_of<1>(x, index, n, out, first, last);
    case 2: return rows_of<2>(x, index, n, out, first, last);
    case 4: return rows_of<4>(x, index, n, out, first, last);
    case 8: return rows_of<8>(x, index, n, out, first, last);
    case 16: return rows_of<16>(x, index, n, out, first, last);
    default: return long_rows(x, index, n, row, out, first, last);
  }
}

// Are the indices in [0, n), or, where they may count from the end, in [-n, n)?
bool good_rows(const int64_t *index, size_t count, size_t n, bool negative) {
  std::atomic<bool> good{true};
  std::atomic<bool> *ok = &good;
  share(count, 1, [=](size_t i, size_t j) {
    if (!negative) {
      if (!inside(index + i, j - i, n)) *ok = false;
      return;
    }
    int64_t low = 0, high = -1;
    for (; i < j; i++) {
      low = index[i] < low ? index[i] : low;
      high = index[i] > high ? index[i] : high;
    }
    if (low < -(int64_t)n || high >= (int64_t)n) *ok = false;
  });
  return good;
}

// x's slices along `at` in the order of an index array, whose dimensions stand in place of that one.
PyObject *take(PyObject *x, PyObject *indices, int at, bool negative) {
  if (!movable(x)) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)x, *i = (PyArrayObject *)indices;
  int ndim = PyArray_NDIM(a) + PyArray_NDIM(i) - 1;
  if (ndim > NPY_MAXDIMS) return not_implemented();
  Held from(contiguous(x)), index(as_indices(indices));
  if (!from || !index) return refuse();
  npy_intp dims[NPY_MAXDIMS];
  int d = 0;
  for (int k = 0; k < at; k++) dims[d++] = PyArray_DIM(a, k);
  for (int k = 0; k < PyArray_NDIM(i); k++) dims[d++] = PyArray_DIM(i, k);
  for (int k = at + 1; k < PyArray_NDIM(a); k++) dims[d++] = PyArray_DIM(a, k);
  Around around(a, at);
  size_t m = size_of(index.get()), n = around.n, row = around.inner * (size_t)PyArray_ITEMSIZE(a);
  const int64_t *where = data_of<int64_t>(index.get());
  if (!good_rows(where, m, n, negative)) return not_implemented();
  PyObject *out = empty(x, ndim, dims);
  if (!out) return nullptr;
  const char *f = data_of<char>(from.get());
  char *t = data_of<char>(out);
  if (!row || !m) return out;
  size_t each = row < 4 ? 1 : row / 4;
  if (around.outer >= 8)
    share(around.outer, m * each, [=](size_t o, size_t end) {
      for (; o < end; o++) some_rows(f + o * n * row, where, n, row, t + o * m * row, 0, m);
    });
  else
    for (size_t o = 0; o < around.outer; o++)
      share(m, each, [=](size_t first, size_t last) { some_rows(f + o * n * row, where, n, row, t + o * m * row, first, last); });
  return out;
}

// index_select(x, index, dim)
PyObject *index_select(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !PyArray_CheckExact(args[0]) || !PyArray_CheckExact(args[1])) return not_implemented();
  int ndim = PyArray_NDIM((PyArrayObject *)args[0]), at = ndim ? wrapped(args[2], ndim) : -1;
  if (at < 0 || PyArray_NDIM((PyArrayObject *)args[1]) != 1) return not_implemented();
  return take(args[0], args[1], at, false);
}

// take_rows(x, index, at) -> x[:, .., index]: indices may count from the end
PyObject *take_rows(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !PyArray_CheckExact(args[0]) || !PyArray_CheckExact(args[1])) return not_implemented();
  int ndim = PyArray_NDIM((PyArrayObject *)args[0]), at = ndim ? wrapped(args[2], ndim) : -1;
  return at < 0 ? not_implemented() : take(args[0], args[1], at, true);
}

// embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse)
PyObject *embedding(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 5 || !PyArray_CheckExact(args[0]) || !PyArray_CheckExact(args[1])) return not_implemented();
  return PyArray_NDIM((PyArrayObject *)args[0]) == 2 ? take(args[0], args[1], 0, false) : not_implemented();
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(...) -> array, or NotImplemented"}
PyMethodDef methods[] = {METHOD(gather), METHOD(index_select), METHOD(take_rows), METHOD(embedding), {nullptr}};

}  // namespace

bool add_gather(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
