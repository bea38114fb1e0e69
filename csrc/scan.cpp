// Python's side of cumsum, cumprod, cummax and cummin: any real dtype of the kernels, any strides (others than C order
// are copied first), results in C order; NotImplemented for what the reference shall judge.
#include "arrays.h"
#include "kernels.h"

#include <algorithm>

namespace rushlight {
namespace {

// An array seen as (outer, n, inner), n being the dimension of the scan.
struct Split {
  size_t outer = 1, n = 1, inner = 1;
};

// False for a 0-d array, for what is not an int, and for a dimension the array does not have.
bool split(PyObject *x, PyObject *dim, Split &s) {
  int ndim = PyArray_NDIM((PyArrayObject *)x);
  if (!PyLong_CheckExact(dim)) return false;
  long d = PyLong_AsLong(dim);
  if (d == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    return false;
  }
  if (d < 0) d += ndim;
  if (d < 0 || d >= ndim) return false;
  const npy_intp *dims = PyArray_DIMS((PyArrayObject *)x);
  for (int i = 0; i < d; i++) s.outer *= (size_t)dims[i];
  s.n = (size_t)dims[d];
  for (int i = (int)d + 1; i < ndim; i++) s.inner *= (size_t)dims[i];
  return true;
}

// x in C order and of a type, a new reference.
PyObject *in_order(PyObject *x, int type) {
  if (plain(x) && type_of(x) == type) {
    Py_INCREF(x);
    return x;
  }
  return PyArray_FROMANY(x, type, 0, 0, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST);
}

// rows(first, last) of (outer, n), or columns(i, first, last) of each of outer (n, inner).
template <typename Rows, typename Columns> void divide(const Split &s, Rows rows, Columns columns) {
  size_t each = s.n * s.inner;
  if (!each) return;
  if (s.inner == 1) return share(s.outer, s.n, rows);
  if (s.outer == 1) {  // strips that are long enough to read memory along its rows
    auto work = [=](size_t first, size_t last) { columns(0, first, last); };
    if (each < BIG || s.inner < 128) return work(0, s.inner);
    Py_BEGIN_ALLOW_THREADS
    parallel(s.inner, std::max<size_t>({64, BIG / 2 / s.n, s.inner / (size_t)num_threads()}), work);
    Py_END_ALLOW_THREADS
    return;
  }
  share(s.outer, each, [=](size_t first, size_t last) {
    for (size_t i = first; i < last; i++) columns(i, 0, s.inner);
  });
}

// ---------------------------------------------------------------- sums and products

int accumulator(int type) {  // the dtype of the result; -1 for none
  switch (type) {
    case NPY_FLOAT32:
    case NPY_FLOAT64: return type;
    case NPY_BOOL:
    case NPY_INT8:
    case NPY_INT16:
    case NPY_INT32:
    case NPY_LONG:
    case NPY_LONGLONG:
    case NPY_UINT8: return NPY_INT64;
    default: return -1;
  }
}

PyObject *scan(const Scan &table, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || args[2] != Py_None || !PyArray_CheckExact(args[0])) return not_implemented();
  int type = accumulator(type_of(args[0]));
  Split s;
  if (type < 0 || !split(args[0], args[1], s)) return not_implemented();
  PyObject *x = in_order(args[0], type);
  if (!x) return nullptr;
  PyObject *out = like(x);
  if (out) {
    const ScanLoops &loops = type == NPY_FLOAT32 ? table.f32 : type == NPY_FLOAT64 ? table.f64 : table.i64;
    size_t item = type == NPY_FLOAT32 ? 4 : 8;
    const char *from = data_of<char>(x);
    char *to = data_of<char>(out);
    divide(
        s,
        [=](size_t i, size_t j) { loops.rows(from + i * s.n * item, to + i * s.n * item, j - i, s.n); },
        [=](size_t i, size_t first, size_t last) {
          size_t start = i * s.n * s.inner * item;
          loops.columns(from + start, to + start, s.n, s.inner, first, last);
        });
  }
  Py_DECREF(x);
  return out;
}

PyObject *cumsum(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return scan(kernels->scans.sum, args, given);
}
PyObject *cumprod(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return scan(kernels->scans.product, args, given);
}

// ---------------------------------------------------------------- extrema

const ExtremeLoops *loops_of(const Extreme &table, int type) {
  switch (type) {
    case NPY_FLOAT32: return &table.f32;
    case NPY_FLOAT64: return &table.f64;
    case NPY_LONG:
    case NPY_LONGLONG: return &table.i64;
    case NPY_INT32: return &table.i32;
    case NPY_INT16: return &table.i16;
    case NPY_INT8: return &table.i8;
    case NPY_BOOL:
    case NPY_UINT8: return &table.u8;
    default: return nullptr;
  }
}

PyObject *extreme(const Extreme &table, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0])) return not_implemented();
  const ExtremeLoops *loops = loops_of(table, type_of(args[0]));
  Split s;
  if (!loops || !split(args[0], args[1], s)) return not_implemented();
  PyObject *x = in_order(args[0], type_of(args[0]));
  if (!x) return nullptr;
  PyArrayObject *a = (PyArrayObject *)x;
  PyObject *out = like(x), *index = new_array(PyArray_NDIM(a), PyArray_DIMS(a), NPY_INT64);
  if (out && index) {
    size_t item = (size_t)PyArray_ITEMSIZE(a);
    const char *from = data_of<char>(x);
    char *to = data_of<char>(out);
    int64_t *at = data_of<int64_t>(index);
    divide(
        s,
        [=](size_t i, size_t j) {
          size_t start = i * s.n;
          loops->rows(from + start * item, to + start * item, at + start, j - i, s.n);
        },
        [=](size_t i, size_t first, size_t last) {
          size_t start = i * s.n * s.inner;
          loops->columns(from + start * item, to + start * item, at + start, s.n, s.inner, first, last);
        });
  }
  Py_DECREF(x);
  PyObject *pair = out && index ? PyTuple_Pack(2, out, index) : nullptr;
  Py_XDECREF(out);
  Py_XDECREF(index);
  return pair;
}

PyObject *cummax(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return extreme(kernels->scans.larger, args, given);
}
PyObject *cummin(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return extreme(kernels->scans.smaller, args, given);
}

#define METHOD(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name text}
PyMethodDef methods[] = {
    METHOD(cumsum, "(x, dim, dtype) -> array or NotImplemented"),
    METHOD(cumprod, "(x, dim, dtype) -> array or NotImplemented"),
    METHOD(cummax, "(x, dim) -> (values, indices) or NotImplemented"),
    METHOD(cummin, "(x, dim) -> (values, indices) or NotImplemented"),
    {nullptr},
};

}  // namespace

bool add_scan(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
