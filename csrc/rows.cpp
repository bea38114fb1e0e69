// Python's side of the row kernels: float32, else NotImplemented. What is not in C order is copied first.
#include "half.h"
#include "kernels.h"
#include "layout.h"

#include <algorithm>
#include <memory>

namespace rushlight {
namespace {

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32 && size_of(x) > 0; }
bool any_layout(PyObject *x) { return movable(x) && type_of(x) == NPY_FLOAT32 && size_of(x) > 0; }

// x as (outer, n, inner) with `dim` in the middle; false for what is no dimension of it.
struct Split {
  size_t outer = 1, n = 1, inner = 1;
  bool set(PyObject *x, PyObject *dim) {
    PyArrayObject *a = (PyArrayObject *)x;
    int ndim = PyArray_NDIM(a), overflow;
    if (!PyLong_CheckExact(dim)) return false;
    long d = PyLong_AsLongAndOverflow(dim, &overflow);
    if (d < 0) d += ndim;
    if (overflow || d < 0 || d >= ndim) return false;
    n = (size_t)PyArray_DIM(a, (int)d);
    for (int i = 0; i < d; i++) outer *= (size_t)PyArray_DIM(a, i);
    for (int i = (int)d + 1; i < ndim; i++) inner *= (size_t)PyArray_DIM(a, i);
    return true;
  }
};

// work(offset, first column, last column) for strips of columns of each of the outer matrices
template <typename Work> void by_strips(const Split &s, Work work) {
  constexpr size_t STRIP = 64;
  size_t strips = (s.inner + STRIP - 1) / STRIP;
  share(s.outer * strips, s.n * std::min(STRIP, s.inner), [=](size_t i, size_t j) {
    for (; i < j;) {  // strips side by side together: memory is read along the rows
      size_t first = i % strips, last = std::min(strips, first + (j - i));
      work(i / strips * s.n * s.inner, first * STRIP, std::min(last * STRIP, s.inner));
      i += last - first;
    }
  });
}

PyObject *by_row(PyObject *const *args, Py_ssize_t given, RowMap kernel, ColumnMap down) {
  Split s;
  if (given != 2 || !any_layout(args[0]) || !s.set(args[0], args[1])) return not_implemented();
  Held source(contiguous(args[0]));
  PyObject *out = source ? like(args[0]) : nullptr;
  if (!out) return nullptr;
  const float *x = data_of<float>(source.get());
  float *to = data_of<float>(out);
  if (s.inner > 1)
    by_strips(s, [=](size_t at, size_t i, size_t j) { down(x + at, to + at, s.n, s.inner, i, j); });
  else
    share(s.outer, s.n, [=](size_t i, size_t j) { kernel(x + i * s.n, to + i * s.n, j - i, s.n); });
  return out;
}

PyObject *by_row2(PyObject *const *args, Py_ssize_t given, RowMap2 kernel, ColumnMap2 down) {
  Split s;
  if (given != 3 || !any_layout(args[0]) || !any_layout(args[1]) || !s.set(args[0], args[2]) ||
      !PyArray_SAMESHAPE((PyArrayObject *)args[0], (PyArrayObject *)args[1]))
    return not_implemented();
  Held first(contiguous(args[0])), second(contiguous(args[1]));
  PyObject *out = first && second ? like(args[0]) : nullptr;
  if (!out) return nullptr;
  const float *x = data_of<float>(first.get()), *y = data_of<float>(second.get());
  float *to = data_of<float>(out);
  if (s.inner > 1)
    by_strips(s, [=](size_t at, size_t i, size_t j) { down(x + at, y + at, to + at, s.n, s.inner, i, j); });
  else
    share(s.outer, s.n, [=](size_t i, size_t j) { kernel(x + i * s.n, y + i * s.n, to + i * s.n, j - i, s.n); });
  return out;
}

// logsumexp(x, dim, keepdim), over neighbouring dimensions
PyObject *logsumexp(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !any_layout(args[0]) || !PyBool_Check(args[2])) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  int ndim = PyArray_NDIM(a), kept = 0;
  bool reduced[NPY_MAXDIMS];
  npy_intp dims[NPY_MAXDIMS];
  if (!ndim || !marked(args[1], ndim, reduced)) return not_implemented();
  Split s;
  bool begun = false;
  for (int d = 0; d < ndim; d++) {
    size_t n = (size_t)PyArray_DIM(a, d);
    if (reduced[d]) {
      if (n > 1 && s.inner > 1) return not_implemented();  // others in between
      s.n *= n;
      begun = begun || n > 1;
    } else {
      (begun ? s.inner : s.outer) *= n;
    }
    if (!reduced[d] || args[2] == Py_True) dims[kept++] = reduced[d] ? 1 : (npy_intp)n;
  }
  if (!begun) s = {1, 1, s.outer * s.inner};
  Held source(contiguous(args[0]));
  PyObject *out = source ? new_array(kept, dims, NPY_FLOAT32) : nullptr;
  if (!out) return nullptr;
  const float *x = data_of<float>(source.get());
  float *to = data_of<float>(out);
  size_t n = s.n, inner = s.inner;
  if (inner > 1)
    by_strips(s, [=](size_t at, size_t i, size_t j) { kernels->rows.log_sums_columns(x + at, to + at / n, n, inner, i, j); });
  else
    share(s.outer, n, [=](size_t i, size_t j) { kernels->rows.log_sums(x + i * n, to + i, j - i, n); });
  return out;
}

#define ROWS(name) \
  PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t given) { return by_row(args, given, kernels->rows.name, kernels->rows.name##_columns); }
#define ROWS2(name) \
  PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t given) { return by_row2(args, given, kernels->rows.name, kernels->rows.name##_columns); }
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

// rms_norm(x, weight, columns, eps) -> (out, rstd), the latter of shape (rows,)
PyObject *rms_norm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4 || !served(args[0])) return not_implemented();
  size_t columns = PyLong_AsSize_t(args[2]);
  float eps = (float)PyFloat_AsDouble(args[3]);
  if (PyErr_Occurred()) return nullptr;
  if (!columns || size_of(args[0]) % columns || !vector_or_none(args[1], columns)) return not_implemented();
  npy_intp rows = (npy_intp)(size_of(args[0]) / columns);
  PyObject *out = like(args[0]), *rstd = out ? new_array(1, &rows, NPY_FLOAT32) : nullptr;
  if (!rstd) {
    Py_XDECREF(out);
    return nullptr;
  }
  const float *x = data_of<float>(args[0]), *w = data_or_null(args[1]);
  float *to = data_of<float>(out), *r = data_of<float>(rstd);
  share((size_t)rows, columns, [=](size_t i, size_t j) {
    kernels->rows.rms_norm(x + i * columns, w, eps, to + i * columns, r + i, j - i, columns);
  });
  return Py_BuildValue("(NN)", out, rstd);
}

// rms_norm_backward(gradient, x, weight, rstd, columns) -> (of x, of weight or None)
PyObject *rms_norm_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 5 || !served(args[0]) || !served(args[1]) || !served(args[3])) return not_implemented();
  size_t columns = PyLong_AsSize_t(args[4]);
  if (PyErr_Occurred()) return nullptr;
  size_t n = size_of(args[0]), rows = columns ? n / columns : 0;
  if (!columns || n % columns || size_of(args[1]) != n || size_of(args[3]) != rows || !vector_or_none(args[2], columns))
    return not_implemented();
  npy_intp shape = (npy_intp)columns;
  const float *w = data_or_null(args[2]);
  Held out(like(args[0])), of_weight(w ? new_zeros(1, &shape, NPY_FLOAT32) : Py_NewRef(Py_None));
  if (!out || !of_weight) return nullptr;
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]), *r = data_of<float>(args[3]);
  float *to = data_of<float>(out.get());
  constexpr size_t ROWS = 64;  // of a piece; fixed, so that the number of threads changes no bit
  size_t pieces = (rows + ROWS - 1) / ROWS;
  std::unique_ptr<float[]> memory(w ? new float[pieces * columns]() : nullptr);
  float *partial = memory.get();
  share(pieces, ROWS * columns, [=](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t first = i * ROWS, at = first * columns;
      kernels->rows.rms_norm_backward(g + at, x + at, w, r + first, to + at, partial ? partial + i * columns : nullptr,
                                      std::min(ROWS, rows - first), columns);
    }
  });
  for (size_t i = 0; partial && i < pieces; i++)
    for (size_t c = 0; c < columns; c++) data_of<float>(of_weight.get())[c] += partial[i * columns + c];
  return Py_BuildValue("(NN)", out.release(), of_weight.release());
}

#define WIDENED(name) {#name, (PyCFunction)(void (*)(void))by_way_of_float32<name>, METH_FASTCALL, nullptr}
#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, nullptr}
PyMethodDef methods[] = {WIDENED(softmax),         WIDENED(log_softmax),
                         METHOD(softmax_backward), METHOD(log_softmax_backward),
                         METHOD(layer_norm),       METHOD(standardize_backward),
                         METHOD(logsumexp),        METHOD(rms_norm),
                         METHOD(rms_norm_backward),
                         {nullptr}};

}  // namespace

bool add_rows(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
