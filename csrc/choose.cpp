// Choosing elements by masks and bounds: where, masked_fill, clamp, x[mask], nonzero.
#include "around.h"
#include "broadcast.h"
#include "kernels.h"

#include <cstring>
#include <vector>

namespace rushlight {
namespace {

// out = c ? x : y for elements of 1, 2, 4 or 8 bytes
PyObject *choose(PyObject *c, PyObject *x, PyObject *y) {
  int kind = size_index((size_t)PyArray_ITEMSIZE((PyArrayObject *)x));
  if (kind < 0 || type_of(c) != NPY_BOOL || PyArray_DESCR((PyArrayObject *)x) != PyArray_DESCR((PyArrayObject *)y))
    return not_implemented();
  PyObject *all[3] = {c, x, y};
  Broadcast b;
  if (!b.of(all, 3)) return refuse();
  PyObject *out = empty(x, b.ndim, b.dims);
  if (!out) return nullptr;
  size_t item = (size_t)1 << kind;
  auto loop = kernels->moves.where[kind][(b.single(1) ? 1 : 0) + (b.single(2) ? 2 : 0)];
  bool all_one = b.single(0), xs = b.single(1), ys = b.single(2);
  b.run(data_of<char>(out), item, [=](const char *const *at, char *to, size_t n) {
    if (!all_one) return loop((const uint8_t *)at[0], at[1], at[2], to, n);
    const char *from = *at[0] ? at[1] : at[2];  // one condition for the whole row
    bool same = *at[0] ? xs : ys;
    if (!same) std::memcpy(to, from, n * item);
    else
      for (size_t i = 0; i < n; i++) std::memcpy(to + i * item, from, item);
  });
  return out;
}

PyObject *where(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3) return not_implemented();
  for (int k = 0; k < 3; k++)
    if (!PyArray_CheckExact(args[k])) return not_implemented();
  return choose(args[0], args[1], args[2]);
}

// masked_fill(x, mask, value): the value is a 0-d array
PyObject *masked_fill(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3) return not_implemented();
  for (int k = 0; k < 3; k++)
    if (!PyArray_CheckExact(args[k])) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0], *value = (PyArrayObject *)args[2];
  if (PyArray_NDIM(value) || (PyArray_ISCOMPLEX(value) && !PyArray_ISCOMPLEX(x))) return not_implemented();
  Held same;
  if (PyArray_DESCR(value) != PyArray_DESCR(x)) {
    Py_INCREF(PyArray_DESCR(x));
    same.set(PyArray_CastToType(value, PyArray_DESCR(x), 0));
    if (!same) {
      PyErr_Clear();
      return not_implemented();
    }
  }
  return choose(args[1], same ? same.get() : args[2], args[0]);
}

// clamp_numbers(x, min, max): Python numbers or None
PyObject *clamp_numbers(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !movable(args[0]) || !dense((PyArrayObject *)args[0])) return not_implemented();
  int type = type_of(args[0]), k = compared_index(type);
  if (k < 0 || k >= (int)COMPARED_TYPES - 1) return not_implemented();
  Number numbers[2];
  const Number *bounds[2] = {};
  for (int i = 0; i < 2; i++) {
    if (args[i + 1] == Py_None) continue;
    if (!number_as(args[i + 1], type, numbers[i])) return not_implemented();
    if (k == 0 && numbers[i].f32 != numbers[i].f32) return not_implemented();
    if (k == 1 && numbers[i].f64 != numbers[i].f64) return not_implemented();
    bounds[i] = &numbers[i];
  }
  if (!bounds[0] && !bounds[1]) return not_implemented();
  PyObject *out = new_like((PyArrayObject *)args[0], nullptr, true);
  if (!out) return nullptr;
  auto loop = kernels->comparisons.clamp[k];
  const char *from = data_of<char>(args[0]);
  char *to = data_of<char>(out);
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out);
  const Number *low = bounds[0], *high = bounds[1];
  share_out(size_of(out), 1, item, to, [=](size_t i, size_t j, char *at) { loop(from + i * item, low, high, at, j - i); });
  return out;
}

// How many elements of a mask hold, by pieces: where each piece begins in the result.
struct Pieces {
  size_t piece, count;
  std::vector<size_t> starts;  // one more than there are pieces

  Pieces(const uint8_t *mask, size_t n) {
    piece = 1 << 14;
    count = (n + piece - 1) / piece;
    starts.resize(count + 1);
    size_t *found = starts.data() + 1, step = piece;
    share(count, step, [=](size_t i, size_t j) {
      for (; i < j; i++) {
        size_t first = i * step, last = first + step < n ? first + step : n;
        found[i] = kernels->moves.count(mask + first, last - first);
      }
    });
    for (size_t i = 0; i < count; i++) starts[i + 1] += starts[i];
  }
  size_t total() const { return starts[count]; }
};

// Calls visit(i, k) for the k-th element i that holds, from `first`, until `k` is `last`.
template <typename Visit> void each_true(const uint8_t *mask, size_t i, size_t k, size_t last, Visit visit) {
  while (k < last) {
    uint64_t word;
    // Eight zeros at once; there is one that holds ahead, so these bytes are the mask's if they are zero.
    if (last - k >= 8) {
      std::memcpy(&word, mask + i, 8);
      if (!word) {
        i += 8;
        continue;
      }
    }
    if (mask[i]) visit(i, k++);
    i++;
  }
}

// x[mask]: the mask covers x's first dimensions
PyObject *masked(PyObject *x, PyObject *given) {
  PyArrayObject *a = (PyArrayObject *)x, *m = (PyArrayObject *)given;
  int covered = PyArray_NDIM(m), ndim = PyArray_NDIM(a);
  if (!movable(x) || !movable(given) || covered < 1 || covered > ndim) return not_implemented();
  for (int d = 0; d < covered; d++)
    if (PyArray_DIM(a, d) != PyArray_DIM(m, d)) return not_implemented();
  Held from(contiguous(x)), mask(contiguous(given));
  if (!from || !mask) return refuse();
  size_t n = size_of(given), row = (size_t)PyArray_ITEMSIZE(a);
  npy_intp dims[NPY_MAXDIMS] = {0};
  for (int d = covered; d < ndim; d++) {
    dims[d - covered + 1] = PyArray_DIM(a, d);
    row *= (size_t)PyArray_DIM(a, d);
  }
  const uint8_t *holds = data_of<uint8_t>(mask.get());
  Pieces p(holds, n);
  dims[0] = (npy_intp)p.total();
  PyObject *out = empty(x, ndim - covered + 1, dims);
  if (!out) return nullptr;
  const char *f = data_of<char>(from.get());
  char *t = data_of<char>(out);
  int kind = size_index(row);
  size_t work = p.piece * (row < 4 ? 1 : row / 4);
  const Pieces *pieces = &p;
  if (row)
    share(p.count, work, [=](size_t i, size_t j) {
      for (; i < j; i++) {
        size_t first = i * pieces->piece, k = pieces->starts[i], last = pieces->starts[i + 1];
        if (kind >= 0) kernels->moves.compress[kind](holds + first, f + first * row, t + k * row, last - k);
        else each_true(holds, first, k, last, [=](size_t e, size_t at) { std::memcpy(t + at * row, f + e * row, row); });
      }
    });
  return out;
}

// masked_rows(x, mask) -> x[mask]
PyObject *masked_rows(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0]) || !PyArray_CheckExact(args[1]) || type_of(args[1]) != NPY_BOOL)
    return not_implemented();
  return masked(args[0], args[1]);
}

// nonzero(x) of bools -> (count, ndim)
PyObject *nonzero(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 1 || !movable(args[0]) || type_of(args[0]) != NPY_BOOL) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0];
  int ndim = PyArray_NDIM(x);
  if (!ndim) return not_implemented();
  Held mask(contiguous(args[0]));
  if (!mask) return refuse();
  const uint8_t *holds = data_of<uint8_t>(mask.get());
  Pieces p(holds, size_of(args[0]));
  npy_intp dims[2] = {(npy_intp)p.total(), ndim};
  PyObject *out = new_array(2, dims, NPY_INT64);
  if (!out) return nullptr;
  int64_t *to = data_of<int64_t>(out);
  const npy_intp *sizes = PyArray_DIMS(x);
  const Pieces *pieces = &p;
  share(p.count, p.piece, [=](size_t i, size_t j) {
    for (; i < j; i++)
      each_true(holds, i * pieces->piece, pieces->starts[i], pieces->starts[i + 1], [=](size_t e, size_t k) {
        int64_t *row = to + k * (size_t)ndim;
        for (int d = ndim; d-- > 1; e /= (size_t)sizes[d]) row[d] = (int64_t)(e % (size_t)sizes[d]);
        row[0] = (int64_t)e;
      });
  });
  return out;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(...) -> array, or NotImplemented"}
PyMethodDef methods[] = {METHOD(where), METHOD(masked_fill), METHOD(clamp_numbers), METHOD(masked_rows), METHOD(nonzero), {nullptr}};

}  // namespace

bool add_choose(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
