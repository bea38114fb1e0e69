// Writing at indices: scatter, scatter_add, rows added up. The same sum in the same order, whatever the number of
// threads: a piece of work owns what it writes.
#include "indices.h"

#include <atomic>
#include <cstring>
#include <type_traits>
#include <vector>

namespace rushlight {
namespace {

struct Put {
  template <typename T> static void of(T &to, T value) { to = value; }
};
struct Add {
  template <typename T> static void of(T &to, T value) { to += value; }
};

// Columns [first, last) of one (m, inner) written into (n, inner) at the indices' rows.
template <typename F, typename T> bool into(T *out, size_t n, size_t inner, const int64_t *index, const T *src, size_t step,
                                            size_t m, size_t first, size_t last) {
  for (size_t j = 0; j < m; j++) {
    const int64_t *at = index + j * inner;
    const T *from = src + j * inner * step;
    if (!inside(at + first, last - first, n)) return false;
    for (size_t c = first; c < last; c++) F::of(out[(size_t)at[c] * inner + c], from[c * step]);
  }
  return true;
}

// One line, all of it by one thread.
template <typename F, typename T> bool line(T *out, size_t n, const int64_t *index, const T *src, size_t step, size_t m) {
  constexpr size_t CHECKED = 1024;
  for (size_t i = 0; i < m; i += CHECKED) {
    size_t end = i + CHECKED < m ? i + CHECKED : m;
    if (!inside(index + i, end - i, n)) return false;
    for (size_t j = i; j < end; j++) F::of(out[index[j]], src[j * step]);
  }
  return true;
}

// Many additions to few places: each of four parts of the line adds up for itself, in double precision.
template <typename T> bool add_line(T *out, size_t n, const int64_t *index, const T *src, size_t m) {
  constexpr size_t PARTS = 4;
  std::vector<double> sums(PARTS * n);
  double *all = sums.data();
  size_t part = (m + PARTS - 1) / PARTS;
  std::atomic<bool> good{true};
  std::atomic<bool> *ok = &good;
  share(PARTS, part, [=](size_t p, size_t end) {
    for (; p < end; p++) {
      double *mine = all + p * n;
      size_t last = (p + 1) * part < m ? (p + 1) * part : m;
      for (size_t i = p * part; i < last; i += 1024) {
        size_t stop = i + 1024 < last ? i + 1024 : last;
        if (!inside(index + i, stop - i, n)) {
          *ok = false;
          return;
        }
        for (size_t j = i; j < stop; j++) mine[index[j]] += (double)src[j];
      }
    }
  });
  if (!good) return false;
  share(n, 1, [=](size_t i, size_t j) {
    for (; i < j; i++) out[i] = (T)((double)out[i] + (((all[i] + all[n + i]) + all[2 * n + i]) + all[3 * n + i]));
  });
  return true;
}

template <typename T> constexpr bool floating = false;
template <> constexpr bool floating<float> = true;
template <> constexpr bool floating<double> = true;

template <typename F, typename T> bool write(PyObject *out, PyObject *index, PyObject *source, const Around &a, size_t m) {
  T *to = data_of<T>(out);
  const int64_t *at = data_of<int64_t>(index);
  const T *src = data_of<T>(source);
  size_t step = PyArray_NDIM((PyArrayObject *)source) || !PyArray_NDIM((PyArrayObject *)out) ? 1 : 0;
  size_t block = m * a.inner, whole = a.n * a.inner;
  std::atomic<bool> good{true};
  std::atomic<bool> *ok = &good;
  if (a.outer == 1 && a.inner == 1) {
    if constexpr (floating<T> && std::is_same<F, Add>::value)
      if (step && m > BIG && a.n * 4 < m) return add_line<T>(to, a.n, at, src, m);
    return line<F, T>(to, a.n, at, src, step, m);
  }
  if (a.inner == 1 || a.outer >= 8)
    share(a.outer, block, [=](size_t o, size_t end) {
      for (; o < end; o++) {
        const T *from = src + o * block * step;
        bool fine = a.inner == 1 ? line<F, T>(to + o * whole, a.n, at + o * block, from, step, m)
                                 : into<F, T>(to + o * whole, a.n, a.inner, at + o * block, from, step, m, 0, a.inner);
        if (!fine) *ok = false;
      }
    });
  else
    for (size_t o = 0; o < a.outer; o++)
      share(a.inner, m, [=](size_t first, size_t last) {
        if (!into<F, T>(to + o * whole, a.n, a.inner, at + o * block, src + o * block * step, step, m, first, last)) *ok = false;
      });
  return good;
}

// A copy of x, contiguous.
PyObject *copied(PyObject *x) {
  PyArrayObject *a = (PyArrayObject *)x;
  PyObject *out = empty(x, PyArray_NDIM(a), PyArray_DIMS(a));
  if (!out) return nullptr;
  PyArrayObject *to = (PyArrayObject *)out;
  copy_strided(PyArray_NDIM(a), PyArray_DIMS(a), PyArray_BYTES(a), PyArray_STRIDES(a), PyArray_BYTES(to),
               PyArray_STRIDES(to), (size_t)PyArray_ITEMSIZE(a));
  return out;
}

struct Scatter {
  PyObject *const *args;
  Held out, index, source;
  size_t m = 0;
  int at = -1;

  explicit Scatter(PyObject *const *given) : args(given) {}

  // (x, index, src, dim) of shapes that agree outside of dim; src of the index's shape or 0-d
  bool ready() {
    for (int k = 0; k < 3; k++)
      if (!movable(args[k])) return false;
    PyArrayObject *x = (PyArrayObject *)args[0], *i = (PyArrayObject *)args[1], *s = (PyArrayObject *)args[2];
    int ndim = PyArray_NDIM(x);
    at = ndim ? wrapped(args[3], ndim) : -1;
    if (at < 0 || !same_around(x, i, at) || PyArray_DESCR(x) != PyArray_DESCR(s)) return false;
    if (PyArray_NDIM(s) && !PyArray_SAMESHAPE(i, s)) return false;
    m = (size_t)PyArray_DIM(i, at);
    index.set(as_indices(args[1]));
    if (!index) return false;
    source.set(contiguous(args[2]));
    if (!source) return false;
    out.set(copied(args[0]));
    return (bool)out;
  }
  template <typename F, typename T> PyObject *run() {
    Around a((PyArrayObject *)args[0], at);
    bool good = !size_of(index.get()) || write<F, T>(out.get(), index.get(), source.get(), a, m);
    return good ? out.release() : not_implemented();
  }
};

PyObject *scatter(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4) return not_implemented();
  Scatter s(args);
  if (!PyArray_CheckExact(args[0])) return not_implemented();
  int kind = size_index((size_t)PyArray_ITEMSIZE((PyArrayObject *)args[0]));
  if (kind < 0 || !s.ready()) return refuse();
  switch (kind) {
    case 0: return s.run<Put, uint8_t>();
    case 1: return s.run<Put, uint16_t>();
    case 2: return s.run<Put, uint32_t>();
    default: return s.run<Put, uint64_t>();
  }
}

PyObject *scatter_add(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4 || !PyArray_CheckExact(args[0])) return not_implemented();
  int type = type_of(args[0]);
  bool wide = type == NPY_LONGLONG || (type == NPY_LONG && sizeof(long) == 8);
  if (type != NPY_FLOAT32 && type != NPY_FLOAT64 && type != NPY_INT32 && !wide) return not_implemented();
  Scatter s(args);
  if (!s.ready()) return refuse();
  return type == NPY_FLOAT32   ? s.run<Add, float>()
         : type == NPY_FLOAT64 ? s.run<Add, double>()
         : wide                ? s.run<Add, uint64_t>()  // wraps around
                               : s.run<Add, uint32_t>();
}

// ---- rows ----

// For each row of the result the places of its summands, in their order.
struct Buckets {
  std::vector<uint32_t> starts, places;
  bool good = true;

  Buckets(const int64_t *index, size_t m, size_t n, int64_t skip, bool negative) : starts(n + 1), places(m) {
    auto row = [=](size_t j) {
      int64_t k = index[j];
      return negative && k < 0 ? k + (int64_t)n : k;
    };
    for (size_t j = 0; j < m; j++) {
      int64_t k = row(j);
      if ((uint64_t)k >= n) {
        good = false;
        return;
      }
      if (k != skip) starts[(size_t)k + 1]++;
    }
    for (size_t k = 0; k < n; k++) starts[k + 1] += starts[k];
    std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
    for (size_t j = 0; j < m; j++) {
      int64_t k = row(j);
      if (k != skip) places[next[(size_t)k]++] = (uint32_t)j;
    }
  }
};

// out[k] (+)= the sum of the rows of src that belong to k, first to last
template <typename T> void sum_rows(const Buckets &b, const T *src, T *out, size_t n, size_t width, bool add) {
  const uint32_t *starts = b.starts.data(), *places = b.places.data();
  size_t each = width * (b.places.size() / (n ? n : 1) + 1);
  share(n, each, [=](size_t k, size_t end) {
    for (; k < end; k++) {
      T *__restrict to = out + k * width;
      uint32_t i = starts[k], last = starts[k + 1];
      if (i == last) {
        if (!add) std::memset(to, 0, width * sizeof(T));
        continue;
      }
      if (last < starts[end])  // the next row's first summand
        for (size_t c = 0; c < width && c < 512; c += 64 / sizeof(T)) __builtin_prefetch(src + places[last] * width + c);
      const T *from = src + places[i] * width;
      if (add)
        for (size_t c = 0; c < width; c++) to[c] += from[c];
      else
        for (size_t c = 0; c < width; c++) to[c] = from[c] + (T)0;  // a sum from zero: never -0
      while (++i < last) {
        from = src + places[i] * width;
        for (size_t c = 0; c < width; c++) to[c] += from[c];
      }
    }
  });
}

template <typename T> PyObject *add_rows_of(PyObject *out, PyObject *index, PyObject *source, bool add, int64_t skip, bool negative) {
  size_t n = (size_t)PyArray_DIM((PyArrayObject *)out, 0), m = size_of(index);
  size_t width = n ? size_of(out) / n : 0;
  Buckets b(data_of<int64_t>(index), m, n, skip, negative);
  if (!b.good) return not_implemented();
  sum_rows<T>(b, data_of<T>(source), data_of<T>(out), n, width, add);
  Py_RETURN_NONE;
}

// add_rows(out, index, source, add, skip, negative): out[k] (+)= the rows of source whose index is k, in their order. Without
// `add` out's contents do not count. `skip` is an index that is left out, or -1. None, or NotImplemented with out as it was.
PyObject *add_rows(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 6 || !plain(args[0]) || !movable(args[1]) || !movable(args[2])) return not_implemented();
  PyArrayObject *out = (PyArrayObject *)args[0], *source = (PyArrayObject *)args[2];
  int ndim = PyArray_NDIM(out), type = PyArray_TYPE(out);
  size_t m = size_of(args[1]);
  if (!ndim || !PyArray_ISWRITEABLE(out) || PyArray_DESCR(out) != PyArray_DESCR(source) || m >> 31) return not_implemented();
  size_t width = 1;
  for (int d = 1; d < ndim; d++) width *= (size_t)PyArray_DIM(out, d);
  if (size_of(args[2]) != m * width || out == source) return not_implemented();
  int64_t skip = PyLong_AsLongLong(args[4]);
  if (skip == -1 && PyErr_Occurred()) return nullptr;
  bool add = args[3] == Py_True, negative = args[5] == Py_True;
  Held index(as_indices(args[1])), from(contiguous(args[2]));
  if (!index || !from) return refuse();
  switch (type) {
    case NPY_FLOAT32: return add_rows_of<float>(args[0], index.get(), from.get(), add, skip, negative);
    case NPY_FLOAT64: return add_rows_of<double>(args[0], index.get(), from.get(), add, skip, negative);
    case NPY_INT32: return add_rows_of<uint32_t>(args[0], index.get(), from.get(), add, skip, negative);
    case NPY_LONG: return sizeof(long) == 8 ? add_rows_of<uint64_t>(args[0], index.get(), from.get(), add, skip, negative) : not_implemented();
    default: return not_implemented();
  }
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(...) -> array, or NotImplemented"}
PyMethodDef methods[] = {METHOD(scatter), METHOD(scatter_add), METHOD(add_rows), {nullptr}};

}  // namespace

bool add_scatter(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
