// Comparisons, and bits of bytes and integers. Like x + y these serve every call: what the loops do not take goes to
// NumPy's ufunc.
#include "broadcast.h"
#include "half.h"

namespace rushlight {
namespace {

enum Op { EQ, NE, LT, LE, GT, GE, AND, OR, XOR, COUNT };
const char *const UFUNCS[COUNT] = {"equal",         "not_equal",   "less",       "less_equal", "greater",
                                   "greater_equal", "bitwise_and", "bitwise_or", "bitwise_xor"};
PyObject *ufuncs[COUNT];

using Loop = void (*)(const void *, const void *, void *, size_t);

// One dense array and one number.
PyObject *with_number(Loop loop, PyObject *x, const Number &value) {
  PyArrayObject *a = (PyArrayObject *)x;
  PyObject *out = new_like(a, PyArray_DescrFromType(NPY_BOOL), true);
  if (!out) return nullptr;
  const char *from = PyArray_BYTES(a);
  char *to = data_of<char>(out);
  size_t item = (size_t)PyArray_ITEMSIZE(a);
  const Number *number = &value;
  share(size_of(out), 1, [=](size_t i, size_t j) { loop(from + i * item, number, to + i, j - i); });
  return out;
}

PyObject *arrays(const Forms &f, PyObject *const *args, int type, size_t scale) {
  Broadcast b;
  if (!b.of(args, 2)) return nullptr;
  PyObject *out = new_array(b.ndim, b.dims, type);
  if (!out) return nullptr;
  Loop loop = b.single(0) ? f.left : b.single(1) ? f.right : f.both;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out);
  b.run(data_of<char>(out), item, [=](const char *const *at, char *to, size_t n) { loop(at[0], at[1], to, n * scale); });
  return out;
}

// Two arrays of half precision.
PyObject *halves(const Forms &f, PyObject *const *args, int half) {
  Broadcast b;
  if (!b.of(args, 2)) return nullptr;
  PyObject *out = new_array(b.ndim, b.dims, NPY_BOOL);
  if (!out) return nullptr;
  bool first = b.single(0), second = b.single(1);
  b.run(data_of<char>(out), 1, [=, &f](const char *const *at, char *to, size_t n) {
    float one;
    if (first || second) widen(half, at[first ? 0 : 1], &one, 1);
    const void *moving[] = {at[first ? 1 : 0], at[1]};
    if (first) by_floats<1>(half, moving, n, [&](const float *const *in, size_t i, size_t m) { f.left(&one, in[0], to + i, m); });
    else if (second) by_floats<1>(half, moving, n, [&](const float *const *in, size_t i, size_t m) { f.right(in[0], &one, to + i, m); });
    else by_floats<2>(half, moving, n, [&](const float *const *in, size_t i, size_t m) { f.both(in[0], in[1], to + i, m); });
  });
  return out;
}

// An array of half precision and a number, which is rounded to it first.
PyObject *half_with_number(const Forms &f, PyObject *x, PyObject *y, int half) {
  Number value;
  if (!movable(x) || !number_as(y, NPY_FLOAT32, value)) return nullptr;
  rounded(half, value.f32);
  Held dense(without_gaps(x));
  PyObject *out = dense ? new_like((PyArrayObject *)dense.get(), PyArray_DescrFromType(NPY_BOOL), true) : nullptr;
  if (!out) return nullptr;
  const char *from = data_of<char>(dense.get());
  char *to = data_of<char>(out);
  const float *number = &value.f32;
  share(size_of(out), 1, [=, &f](size_t i, size_t j) {
    const void *at[] = {from + 2 * i};
    by_floats<1>(half, at, j - i, [&](const float *const *in, size_t k, size_t m) { f.right(in[0], number, to + i + k, m); });
  });
  return out;
}

// nullptr without an error: not served.
PyObject *compare(int op, PyObject *const *args) {
  PyObject *x = args[0], *y = args[1];
  if (!PyArray_CheckExact(x)) return nullptr;
  int type = type_of(x), k = compared_index(type), half = half_index(type);
  if (half >= 0) {
    const Forms &f = kernels->comparisons.of[op][0];
    if (!PyArray_Check(y)) return half_with_number(f, x, y, half);
    return type == type_of(y) ? halves(f, args, half) : nullptr;
  }
  if (k < 0) return nullptr;
  const Forms &f = kernels->comparisons.of[op][k];
  if (PyArray_CheckExact(y)) return type == type_of(y) ? arrays(f, args, NPY_BOOL, 1) : nullptr;
  Number value;
  return movable(x) && dense((PyArrayObject *)x) && number_as(y, type, value) ? with_number(f.right, x, value) : nullptr;
}

PyObject *bits(int op, PyObject *const *args) {
  PyObject *x = args[0], *y = args[1];
  if (!PyArray_CheckExact(x) || !PyArray_CheckExact(y) || type_of(x) != type_of(y)) return nullptr;
  if (!PyTypeNum_ISINTEGER(type_of(x)) && type_of(x) != NPY_BOOL) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)x);
  const Forms &f = kernels->comparisons.bits[op - AND];
  if (item > 1) {  // bytes of wider numbers: two whole arrays only
    PyArrayObject *a = (PyArrayObject *)x, *b = (PyArrayObject *)y;
    if (!plain(x) || !plain(y) || !PyArray_SAMESHAPE(a, b)) return nullptr;
  }
  return arrays(f, args, type_of(x), item);
}

template <int OP> PyObject *call(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given == 2) {
    PyObject *out = OP < AND ? compare(OP, args) : bits(OP, args);
    if (out || PyErr_Occurred()) return out;
  }
  return PyObject_Vectorcall(ufuncs[OP], args, (size_t)given, nullptr);
}

// not_(x) of bools
PyObject *not_(PyObject *, PyObject *x) {
  if (!plain(x) || type_of(x) != NPY_BOOL) return not_implemented();
  Number one;
  one.u8 = 1;
  return with_number(kernels->comparisons.bits[XOR - AND].right, x, one);
}

#define METHOD(name, op) \
  {name, (PyCFunction)(void (*)(void))call<op>, METH_FASTCALL, name "(x, y) -> array: NumPy's ufunc, faster"}
PyMethodDef methods[] = {METHOD("eq", EQ), METHOD("ne", NE), METHOD("lt", LT), METHOD("le", LE), METHOD("gt", GT),
                         METHOD("ge", GE), METHOD("bitwise_and", AND), METHOD("bitwise_or", OR), METHOD("bitwise_xor", XOR),
                         {"not_", not_, METH_O, "not_(x) -> array, or NotImplemented"}, {nullptr}};

}  // namespace

bool add_compare(PyObject *module) {
  PyObject *numpy = PyImport_ImportModule("numpy");
  if (!numpy) return false;
  for (int i = 0; i < COUNT; i++)
    if (!(ufuncs[i] = quiet(PyObject_GetAttrString(numpy, UFUNCS[i])))) return false;
  Py_DECREF(numpy);
  return PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
