// Python's side of sort, topk, kthvalue and the medians: arrays of real dtypes along any dimension (sort's strides are
// its input's, so it serves C order only); the reference takes the rest. NaN is the largest, equal elements keep their
// order.
#include "arrays.h"
#include "order.h"

namespace rushlight {
namespace {

enum What { SORT, BEST, RANK, MEDIAN, NANMEDIAN };

struct Task {
  What what;
  size_t n, results;  // elements of a row, and what comes of it
  size_t rank;        // of RANK
  bool flip;          // the largest first
  ToKeys keys;
};

// Where the middle of a row is. NaN, the largest key, is the median if there is one, or is left out.
template <typename Item> size_t middle(const typename Item::Key *k, const Task &t, bool floats, Workspace<Item> &w) {
  constexpr typename Item::Key NAN_KEY = static_cast<typename Item::Key>(~0ull);
  size_t good = floats ? Item::ask().below(k, t.n, NAN_KEY) : t.n;
  if (good < t.n && t.what == MEDIAN)
    for (size_t i = 0; i < t.n; i++)
      if (k[i] == NAN_KEY) return i;
  return place_of_rank<Item>(k, t.n, good ? (good - 1) / 2 : 0, w);
}

// One row x, (n) -> the `results` values and their places.
template <typename T, typename Item>
void row(const T *x, T *values, int64_t *places, const Task &t, Workspace<Item> &w) {
  constexpr bool floats = T(0.5) != T(0);
  Item *a;
  switch (t.what) {
    case SORT:
      a = items_of<Item>(x, t.n, t.keys, t.flip, w);
      sort_items(a, t.n, w);
      break;
    case BEST:
      a = best<Item>(reinterpret_cast<const char *>(x), sizeof(T), t.n, t.results, t.keys, t.flip, w);
      break;
    default: {
      const typename Item::Key *k = keys_of<Item>(x, t.n, t.keys, false, w);
      size_t p = t.what == RANK ? place_of_rank<Item>(k, t.n, t.rank, w) : middle<Item>(k, t, floats, w);
      values[0] = x[p];
      places[0] = static_cast<int64_t>(p);
      return;
    }
  }
  for (size_t i = 0; i < t.results; i++) {
    size_t p = a[i].place();
    values[i] = x[p];
    places[i] = static_cast<int64_t>(p);
  }
}

// (outer, n, inner) -> (outer, results, inner). Columns are copied into rows, a few at a time.
template <typename T, typename Item>
void all_rows(const T *x, T *values, int64_t *places, size_t outer, size_t inner, const Task &t) {
  size_t n = t.n, m = t.results, cost = 4 * n;
  if (inner == 1)
    return share(outer, cost, [=](size_t first, size_t last) {
      Workspace<Item> w;
      for (size_t r = first; r < last; r++) row<T, Item>(x + r * n, values + r * m, places + r * m, t, w);
    });
  constexpr size_t TOGETHER = 16;
  size_t groups = (inner + TOGETHER - 1) / TOGETHER;
  share(outer * groups, cost * std::min(TOGETHER, inner), [=](size_t first, size_t last) {
    Workspace<Item> w;
    std::vector<T> columns(TOGETHER * n), found(TOGETHER * m);
    std::vector<int64_t> at(TOGETHER * m);
    for (size_t g = first; g < last; g++) {
      size_t o = g / groups, c = g % groups * TOGETHER, width = std::min(TOGETHER, inner - c);
      const T *from = x + o * n * inner + c;
      for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++) columns[k * n + i] = from[i * inner + k];
      for (size_t k = 0; k < width; k++)
        row<T, Item>(columns.data() + k * n, found.data() + k * m, at.data() + k * m, t, w);
      size_t to = o * m * inner + c;
      for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < width; k++) {
          values[to + i * inner + k] = found[k * m + i];
          places[to + i * inner + k] = at[k * m + i];
        }
    }
  });
}

template <typename T, typename Item>
void typed(PyObject *x, PyObject *values, PyObject *places, size_t outer, size_t inner, Task &t, ToKeys keys) {
  t.keys = keys;
  all_rows<T, Item>(data_of<T>(x), data_of<T>(values), data_of<int64_t>(places), outer, inner, t);
}

bool runs(PyObject *x, PyObject *values, PyObject *places, size_t outer, size_t inner, Task &t) {
  const SortTable &s = kernels->sorts;
  switch (type_of(x)) {
    case NPY_FLOAT32: typed<float, Item32>(x, values, places, outer, inner, t, s.f32); return true;
    case NPY_FLOAT64: typed<double, Item64>(x, values, places, outer, inner, t, s.f64); return true;
    case NPY_LONG:
    case NPY_LONGLONG: typed<int64_t, Item64>(x, values, places, outer, inner, t, s.i64); return true;
    case NPY_INT32: typed<int32_t, Item32>(x, values, places, outer, inner, t, s.i32); return true;
    case NPY_INT16: typed<int16_t, Item32>(x, values, places, outer, inner, t, s.i16); return true;
    case NPY_INT8: typed<int8_t, Item32>(x, values, places, outer, inner, t, s.i8); return true;
    case NPY_BOOL:
    case NPY_UINT8: typed<uint8_t, Item32>(x, values, places, outer, inner, t, s.u8); return true;
  }
  return false;
}

bool integer(PyObject *x, long &value) {
  if (!PyLong_CheckExact(x)) return false;
  value = PyLong_AsLong(x);
  if (value != -1 || !PyErr_Occurred()) return true;
  PyErr_Clear();
  return false;
}

bool served(PyObject *x) {
  if (!plain(x) || !PyArray_NDIM((PyArrayObject *)x) || size_of(x) >= 0xffffffffu) return false;
  switch (type_of(x)) {
    case NPY_FLOAT32:
    case NPY_FLOAT64:
    case NPY_LONG:
    case NPY_LONGLONG:
    case NPY_INT32:
    case NPY_INT16:
    case NPY_INT8:
    case NPY_BOOL:
    case NPY_UINT8: return true;
  }
  return false;
}

// Runs a task along a dimension; `results` of each row, which is left out of the shape unless `keep`.
PyObject *along(PyObject *x, long dim, Task t, bool keep) {
  PyArrayObject *a = (PyArrayObject *)x;
  int ndim = PyArray_NDIM(a), kept = 0;
  npy_intp shape[NPY_MAXDIMS];
  size_t outer = 1, inner = 1;
  for (int i = 0; i < ndim; i++) {
    npy_intp size = PyArray_DIM(a, i);
    if (i < dim) outer *= (size_t)size;
    if (i > dim) inner *= (size_t)size;
    if (i != dim) shape[kept++] = size;
    else if (keep) shape[kept++] = (npy_intp)t.results;
  }
  PyObject *values = new_array(kept, shape, type_of(x)), *places = new_array(kept, shape, NPY_INT64);
  if (values && places && t.n && t.results && outer && inner) runs(x, values, places, outer, inner, t);
  PyObject *pair = values && places ? PyTuple_Pack(2, values, places) : nullptr;
  Py_XDECREF(values);
  Py_XDECREF(places);
  return pair;
}

// Fills in the dimension (wrapped) and the length of its rows.
bool row_of(PyObject *x, PyObject *given, long &dim, Task &t) {
  if (!served(x) || !integer(given, dim)) return false;
  int ndim = PyArray_NDIM((PyArrayObject *)x);
  if (dim < 0) dim += ndim;
  if (dim < 0 || dim >= ndim) return false;
  t.n = (size_t)PyArray_DIM((PyArrayObject *)x, (int)dim);
  return true;
}

bool no_bool(PyObject *x) { return type_of(x) != NPY_BOOL; }

PyObject *sort(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Task t{SORT, 0, 0, 0, false, nullptr};
  long dim;
  if (given != 3 || !row_of(args[0], args[1], dim, t)) return not_implemented();
  t.results = t.n;
  t.flip = args[2] == Py_True;
  return along(args[0], dim, t, true);
}

PyObject *topk(PyObject *const *args, Py_ssize_t given) {
  Task t{BEST, 0, 0, 0, false, nullptr};
  long dim, k;
  if (given != 5 || !row_of(args[0], args[2], dim, t) || !integer(args[1], k)) return not_implemented();
  if (k < 0 || (size_t)k > t.n || !no_bool(args[0])) return not_implemented();
  t.results = (size_t)k;
  t.flip = PyObject_IsTrue(args[3]) == 1;
  return along(args[0], dim, t, true);
}

PyObject *kthvalue(PyObject *const *args, Py_ssize_t given) {
  Task t{RANK, 0, 1, 0, false, nullptr};
  long dim, k;
  if (given != 4 || !row_of(args[0], args[2], dim, t) || !integer(args[1], k)) return not_implemented();
  if (k < 1 || (size_t)k > t.n || !no_bool(args[0])) return not_implemented();
  t.rank = (size_t)k - 1;
  return along(args[0], dim, t, PyObject_IsTrue(args[3]) == 1);
}

template <What WHAT> PyObject *median(PyObject *const *args, Py_ssize_t given) {
  Task t{WHAT, 0, 1, 0, false, nullptr};
  long dim;
  if (given != 3 || !row_of(args[0], args[1], dim, t) || !t.n || !no_bool(args[0])) return not_implemented();
  return along(args[0], dim, t, PyObject_IsTrue(args[2]) == 1);
}

// Of all elements: a 0-d array.
template <What WHAT> PyObject *median_of_all(PyObject *const *args, Py_ssize_t) {
  PyObject *x = args[0];
  if (!served(x) || !no_bool(x) || !size_of(x)) return not_implemented();
  PyObject *value = new_array(0, nullptr, type_of(x)), *place = new_array(0, nullptr, NPY_INT64);
  Task t{WHAT, size_of(x), 1, 0, false, nullptr};
  if (value && place) runs(x, value, place, 1, 1, t);
  Py_XDECREF(place);
  return value;
}

// The results are in C order whatever x's strides, so what is not gets a copy that is.
template <PyObject *(*FUNCTION)(PyObject *const *, Py_ssize_t)>
PyObject *copied(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (!given || given > 5 || !PyArray_CheckExact(args[0]) || plain(args[0])) return FUNCTION(args, given);
  PyObject *own[5];
  std::copy(args, args + given, own);
  own[0] = new_copy(args[0]);
  if (!own[0]) return nullptr;
  PyObject *result = FUNCTION(own, given);
  Py_DECREF(own[0]);
  return result;
}
template <PyObject *(*FUNCTION)(PyObject *const *, Py_ssize_t)> PyObject *copied_one(PyObject *module, PyObject *x) {
  return copied<FUNCTION>(module, &x, 1);
}

#define METHOD(name, function, text) {name, (PyCFunction)(void (*)(void))function, METH_FASTCALL, name text}
PyMethodDef methods[] = {
    METHOD("sort", sort, "(x, dim, descending) -> (values, indices) or NotImplemented"),
    METHOD("topk", copied<topk>, "(x, k, dim, largest, sorted) -> (values, indices) or NotImplemented"),
    METHOD("kthvalue", copied<kthvalue>, "(x, k, dim, keepdim) -> (values, indices) or NotImplemented"),
    METHOD("median", copied<median<MEDIAN>>, "(x, dim, keepdim) -> (values, indices) or NotImplemented"),
    METHOD("nanmedian", copied<median<NANMEDIAN>>, "(x, dim, keepdim) -> (values, indices) or NotImplemented"),
    {"median_full", copied_one<median_of_all<MEDIAN>>, METH_O, "median_full(x) -> 0-d array or NotImplemented"},
    {"nanmedian_full", copied_one<median_of_all<NANMEDIAN>>, METH_O,
     "nanmedian_full(x) -> 0-d array or NotImplemented"},
    {nullptr},
};

}  // namespace

bool add_sort(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
