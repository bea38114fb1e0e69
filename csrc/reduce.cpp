// sum, amax, amin: drop-ins for numpy.add.reduce(x, axis, dtype, out, keepdims) and its like. What is not a contiguous
// float32 or float64 array goes to NumPy.
#include "arrays.h"
#include "kernels.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace rushlight {
namespace {

enum Op { SUM, MAX, MIN, COUNT };
PyObject *fallbacks[COUNT];

const Reduction &table(int op) {
  const ReductionTable &t = kernels->reductions;
  return op == SUM ? t.sum : op == MAX ? t.max : t.min;
}

// Marks the dimensions that `axis` (None, an int, a tuple of ints) names; false for what NumPy shall judge.
bool marked(PyObject *axis, int ndim, bool *reduced) {
  std::fill(reduced, reduced + ndim, axis == Py_None);
  if (axis == Py_None) return true;
  bool many = PyTuple_CheckExact(axis);
  Py_ssize_t count = many ? PyTuple_GET_SIZE(axis) : 1;
  if (!count) return false;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = many ? PyTuple_GET_ITEM(axis, i) : axis;
    if (!PyLong_CheckExact(item)) return false;
    long d = PyLong_AsLong(item);
    if (d == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    if (d < 0) d += ndim;
    if (d < 0 || d >= ndim || reduced[d]) return false;
    reduced[d] = true;
  }
  return true;
}

// (n) -> (): pieces of a fixed length by several threads, then the pieces' results.
void whole(const ReductionLoops &loops, const char *x, char *out, size_t n, size_t item) {
  constexpr size_t PIECE = 1 << 15;
  size_t pieces = (n + PIECE - 1) / PIECE;
  if (pieces < 2) return loops.rows(x, out, 1, n);
  std::vector<char> partial(pieces * item);
  char *p = partial.data();
  parallel(pieces, 2, [=](size_t i, size_t j) {
    for (; i < j; i++) loops.rows(x + i * PIECE * item, p + i * item, 1, std::min(PIECE, n - i * PIECE));
  });
  loops.rows(p, out, 1, pieces);
}

// (outer, n, inner) -> (outer, inner)
void group(const ReductionLoops &loops, const char *x, char *out, size_t outer, size_t n, size_t inner, size_t item) {
  if (inner == 1 && outer == 1) return whole(loops, x, out, n, item);
  size_t each = n * inner;
  if (inner == 1) {
    auto work = [=](size_t i, size_t j) { loops.rows(x + i * n * item, out + i * item, j - i, n); };
    if (outer * n < BIG) return work(0, outer);
    return parallel(outer, std::max<size_t>(1, BIG / 2 / n), work);
  }
  if (outer == 1) {
    auto work = [=](size_t i, size_t j) { loops.columns(x, out, n, inner, i, j); };
    if (each < BIG || inner < 64) return work(0, inner);
    // long strips: memory is read along the rows
    return parallel(inner, std::max<size_t>({64, BIG / 2 / n, inner / num_threads()}), work);
  }
  auto work = [=](size_t i, size_t j) {
    for (; i < j; i++) loops.columns(x + i * each * item, out + i * inner * item, n, inner, 0, inner);
  };
  if (outer * each < BIG) return work(0, outer);
  parallel(outer, std::max<size_t>(1, BIG / 2 / each), work);
}

// Reduces group after group of neighbouring dimensions, the last first.
void run(const ReductionLoops &loops, const npy_intp *dims, const bool *reduced, int ndim, const char *x, char *out,
         size_t item) {
  std::vector<size_t> sizes;  // alternating groups, from the last dimension to the first
  std::vector<char> kinds;
  for (int i = ndim; i--;) {
    if (dims[i] == 1) continue;
    if (kinds.empty() || kinds.back() != reduced[i]) {
      kinds.push_back(reduced[i]);
      sizes.push_back(1);
    }
    sizes.back() *= (size_t)dims[i];
  }
  size_t total = 1, left = 0;
  for (size_t i = 0; i < sizes.size(); i++) {
    total *= sizes[i];
    left += kinds[i];
  }
  if (!left) {
    std::memcpy(out, x, total * item);
    return;
  }
  std::vector<char> held, next;
  size_t inner = 1;
  for (size_t i = 0; i < sizes.size(); i++) {
    if (!kinds[i]) {
      inner *= sizes[i];
      continue;
    }
    size_t n = sizes[i], outer = total / n / inner;
    char *to = out;
    if (--left) {
      next.resize(outer * inner * item);
      to = next.data();
    }
    group(loops, x, to, outer, n, inner, item);
    total /= n;
    held.swap(next);
    x = to;
  }
}

template <int OP> PyObject *call(PyObject *, PyObject *const *args, Py_ssize_t given) {
  PyObject *x = args[0];
  bool reduced[NPY_MAXDIMS];
  int ndim = 0;
  bool served = given == 5 && plain(x) && args[2] == Py_None && args[3] == Py_None &&
                (type_of(x) == NPY_FLOAT32 || type_of(x) == NPY_FLOAT64) && size_of(x) > 0;
  if (served) {
    ndim = PyArray_NDIM((PyArrayObject *)x);
    served = ndim > 0 && marked(args[1], ndim, reduced);
  }
  if (!served) return PyObject_Vectorcall(fallbacks[OP], args, (size_t)given, nullptr);
  int keep = PyObject_IsTrue(args[4]);
  if (keep < 0) return nullptr;
  const npy_intp *dims = PyArray_DIMS((PyArrayObject *)x);
  npy_intp shape[NPY_MAXDIMS];
  int kept = 0;
  for (int i = 0; i < ndim; i++)
    if (!reduced[i] || keep) shape[kept++] = reduced[i] ? 1 : dims[i];
  PyObject *out = new_array(kept, shape, type_of(x));
  if (!out) return nullptr;
  const Reduction &r = table(OP);
  const ReductionLoops &loops = type_of(x) == NPY_FLOAT32 ? r.f32 : r.f64;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)x);
  const char *from = data_of<char>(x);
  char *to = data_of<char>(out);
  if (size_of(x) < BIG) {
    run(loops, dims, reduced, ndim, from, to, item);
  } else {
    Py_BEGIN_ALLOW_THREADS
    run(loops, dims, reduced, ndim, from, to, item);
    Py_END_ALLOW_THREADS
  }
  return out;
}

#define METHOD(name, op) \
  {name, (PyCFunction)(void (*)(void))call<op>, METH_FASTCALL, name "(x, axis, dtype, out, keepdims): the ufunc's reduce, faster"}
PyMethodDef methods[] = {METHOD("add_reduce", SUM), METHOD("maximum_reduce", MAX), METHOD("minimum_reduce", MIN), {nullptr}};

}  // namespace

bool add_reduce(PyObject *module) {
  PyObject *numpy = PyImport_ImportModule("numpy");
  if (!numpy) return false;
  const char *names[COUNT] = {"add", "maximum", "minimum"};
  for (int i = 0; i < COUNT; i++) {
    PyObject *ufunc = PyObject_GetAttrString(numpy, names[i]);
    fallbacks[i] = ufunc ? quiet(PyObject_GetAttrString(ufunc, "reduce")) : nullptr;
    Py_XDECREF(ufunc);
    if (!fallbacks[i]) return false;
  }
  Py_DECREF(numpy);
  return PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
