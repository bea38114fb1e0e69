// Python's side of searchsorted, bincount and unique. What is not in C order, or of another dtype, is the reference's.
#include "arrays.h"
#include "order.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace rushlight {
namespace {

// ---------------------------------------------------------------- searchsorted

// Does an element stand before the place of v? NaN is the largest.
struct Left {
  template <typename T> static bool before(T element, T v) {
    return (element < v) | ((v != v) & (element == element));
  }
};
struct Right {
  template <typename T> static bool before(T element, T v) { return (element <= v) | (v != v); }
};

// The places of `count` values in a sorted row: several searches side by side hide each other's waiting.
template <typename Side, typename T, typename Place>
void search(const T *row, size_t n, const T *values, size_t count, Place *out) {
  constexpr size_t TOGETHER = 8;
  for (size_t i = 0; i < count; i += TOGETHER) {
    size_t m = std::min(TOGETHER, count - i), at[TOGETHER] = {};
    T v[TOGETHER] = {};
    std::copy(values + i, values + i + m, v);
    for (size_t left = n; left > 1;) {
      size_t half = left / 2;
#pragma GCC unroll 8
      for (size_t k = 0; k < TOGETHER; k++)  // without a branch: it would be guessed wrong every other time
        at[k] += half & (size_t{0} - Side::before(row[at[k] + half - 1], v[k]));
      left -= half;
    }
    for (size_t k = 0; k < m; k++) out[i + k] = static_cast<Place>(at[k] + (n && Side::before(row[at[k]], v[k])));
  }
}

// rows (count of them, n each) and as many values for each; or one row for all values.
template <typename T, typename Place>
void search_all(PyObject *rows, PyObject *values, PyObject *out, size_t count, size_t n, bool right) {
  const T *row = data_of<T>(rows), *v = data_of<T>(values);
  Place *to = data_of<Place>(out);
  size_t each = count ? size_of(values) / count : 0, steps = 2;
  while (n >> steps) steps++;
  auto one = [=](size_t r, size_t first, size_t last) {
    auto *function = right ? search<Right, T, Place> : search<Left, T, Place>;
    function(row + r * n, n, v + r * each + first, last - first, to + r * each + first);
  };
  if (count == 1) return share(each, steps, [=](size_t i, size_t j) { one(0, i, j); });
  share(count, each * steps + 1, [=](size_t i, size_t j) {
    for (; i < j; i++) one(i, 0, each);
  });
}

template <typename T>
void search_typed(PyObject *rows, PyObject *values, PyObject *out, size_t count, size_t n, bool right) {
  if (type_of(out) == NPY_INT32) return search_all<T, int32_t>(rows, values, out, count, n, right);
  search_all<T, int64_t>(rows, values, out, count, n, right);
}

PyObject *searchsorted(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4 || !plain(args[0]) || !plain(args[1]) || type_of(args[0]) != type_of(args[1]))
    return not_implemented();
  PyObject *rows = args[0], *values = args[1];
  PyArrayObject *a = (PyArrayObject *)rows, *b = (PyArrayObject *)values;
  int ndim = PyArray_NDIM(a), type = type_of(rows);
  bool known = type == NPY_FLOAT32 || type == NPY_FLOAT64 || type == NPY_INT32 || type == NPY_LONG ||
               type == NPY_LONGLONG;
  if (!known || ndim < 1 || (ndim > 1 && PyArray_NDIM(b) != ndim)) return not_implemented();
  size_t count = 1, n = (size_t)PyArray_DIM(a, ndim - 1);
  for (int i = 0; i + 1 < ndim; i++) {
    if (PyArray_DIM(a, i) != PyArray_DIM(b, i)) return not_implemented();
    count *= (size_t)PyArray_DIM(a, i);
  }
  bool narrow = PyObject_IsTrue(args[2]) == 1, right = PyObject_IsTrue(args[3]) == 1;
  PyObject *out = new_array(PyArray_NDIM(b), PyArray_DIMS(b), narrow ? NPY_INT32 : NPY_INT64);
  if (!out || !size_of(out)) return out;
  switch (type) {
    case NPY_FLOAT32: search_typed<float>(rows, values, out, count, n, right); break;
    case NPY_FLOAT64: search_typed<double>(rows, values, out, count, n, right); break;
    case NPY_INT32: search_typed<int32_t>(rows, values, out, count, n, right); break;
    default: search_typed<int64_t>(rows, values, out, count, n, right);
  }
  return out;
}

// ---------------------------------------------------------------- bincount

// (n) -> how often each of 0 .. most occurs; four counters each, as equal neighbours would wait for one another.
template <typename T, typename Range> PyObject *count(const T *x, size_t n, size_t minimum, Range largest) {
  uint64_t least = 0, most = 0;  // as unsigned numbers, of which the negative are the largest
  if (n) largest(x, n, &least, &most);
  if (most > static_cast<uint64_t>(std::numeric_limits<T>::max())) return not_implemented();
  size_t size = std::max(minimum, n ? static_cast<size_t>(most) + 1 : 0);
  npy_intp shape[] = {(npy_intp)size};
  PyObject *out = new_zeros(1, shape, NPY_INT64);
  if (!out) return nullptr;
  int64_t *counts = data_of<int64_t>(out);
  size_t i = 0;
  if (n > 4 * size && size <= 8192) {
    std::vector<uint32_t> parts(4 * size);
    uint32_t *p = parts.data();
    for (; i + 4 <= n && i < 0xffffffffu; i += 4)
      for (size_t k = 0; k < 4; k++) p[k * size + static_cast<size_t>(x[i + k])]++;
    for (size_t j = 0; j < size; j++)
      counts[j] = int64_t{p[j]} + p[size + j] + p[2 * size + j] + p[3 * size + j];
  }
  for (; i < n; i++) counts[x[i]]++;
  return out;
}

PyObject *bincount(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !plain(args[0]) || args[1] != Py_None || !PyLong_CheckExact(args[2])) return not_implemented();
  if (PyArray_NDIM((PyArrayObject *)args[0]) != 1) return not_implemented();
  Py_ssize_t minimum = PyLong_AsSsize_t(args[2]);
  if (minimum < 0) {
    PyErr_Clear();
    return not_implemented();
  }
  size_t n = size_of(args[0]);
  switch (type_of(args[0])) {
    case NPY_LONG:
    case NPY_LONGLONG: return count(data_of<int64_t>(args[0]), n, (size_t)minimum, kernels->sorts.keys64.range);
    case NPY_INT32: return count(data_of<int32_t>(args[0]), n, (size_t)minimum, kernels->sorts.keys32.range);
    default: return not_implemented();
  }
}

// ---------------------------------------------------------------- unique

// The distinct elements in order; with details, the place of each element among them and their counts.
template <typename T, typename Item> PyObject *distinct(PyObject *array, ToKeys keys, bool details) {
  size_t n = size_of(array);
  const T *x = data_of<T>(array);
  Workspace<Item> w;
  std::vector<size_t> starts;
  Item *a = items_of<Item>(x, n, keys, false, w);
  sort_items(a, n, w);
  for (size_t i = 0; i < n; i++) {
    T v = x[a[i].place()];
    if (!i || a[i].key() != a[i - 1].key() || v != v) starts.push_back(i);  // no nan equals another
  }
  npy_intp shape[] = {(npy_intp)starts.size()};
  PyObject *values = new_array(1, shape, type_of(array));
  if (!values) return nullptr;
  for (size_t j = 0; j < starts.size(); j++) data_of<T>(values)[j] = x[a[starts[j]].place()];
  if (!details) {
    PyObject *result = PyTuple_Pack(3, values, Py_None, Py_None);
    Py_DECREF(values);
    return result;
  }
  PyArrayObject *source = (PyArrayObject *)array;
  PyObject *inverse = new_array(PyArray_NDIM(source), PyArray_DIMS(source), NPY_INT64);
  PyObject *counts = new_array(1, shape, NPY_INT64);
  if (inverse && counts)
    for (size_t j = 0; j < starts.size(); j++) {
      size_t end = j + 1 < starts.size() ? starts[j + 1] : n;
      data_of<int64_t>(counts)[j] = static_cast<int64_t>(end - starts[j]);
      for (size_t i = starts[j]; i < end; i++) data_of<int64_t>(inverse)[a[i].place()] = static_cast<int64_t>(j);
    }
  PyObject *result = inverse && counts ? PyTuple_Pack(3, values, inverse, counts) : nullptr;
  Py_DECREF(values);
  Py_XDECREF(inverse);
  Py_XDECREF(counts);
  return result;
}

PyObject *unique(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !plain(args[0]) || args[1] != Py_None || size_of(args[0]) >= 0xffffffffu) return not_implemented();
  const SortTable &s = kernels->sorts;
  bool details = PyObject_IsTrue(args[2]) == 1;
  int type = type_of(args[0]);
  if (type == NPY_FLOAT32) return distinct<float, Item32>(args[0], s.f32, details);
  if (type == NPY_FLOAT64) return distinct<double, Item64>(args[0], s.f64, details);
  if (size_of(args[0]) > 256) return not_implemented();  // many integers are better counted
  if (type == NPY_LONG || type == NPY_LONGLONG) return distinct<int64_t, Item64>(args[0], s.i64, details);
  if (type == NPY_INT32) return distinct<int32_t, Item32>(args[0], s.i32, details);
  return not_implemented();
}

#define METHOD(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name text}
PyMethodDef methods[] = {
    METHOD(searchsorted, "(sequence, values, out_int32, right) -> array or NotImplemented"),
    METHOD(bincount, "(x, weights, minlength) -> array or NotImplemented"),
    METHOD(unique, "(x, dim, details) -> (values, inverse, counts) or NotImplemented"),
    {nullptr},
};

}  // namespace

bool add_search(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
