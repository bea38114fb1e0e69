// Python's side of x + y and its like. Unlike the other kernels these serve every call: what the fast loops do not
// take (other dtypes, strides, broadcasting other than by rows, columns and scalars) goes to NumPy's ufunc.
#include "arrays.h"
#include "kernels.h"

namespace rushlight {
namespace {

enum Op { ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, COUNT, RELU_BACKWARD = COUNT, TANH_BACKWARD, SIGMOID_BACKWARD, ALL };
const char *const UFUNCS[COUNT] = {"add", "subtract", "multiply", "true_divide", "maximum", "minimum"};
PyObject *ufuncs[COUNT];

const Binary &table(int op) {
  const BinaryTable &t = kernels->binary;
  const Binary *all[ALL] = {&t.add,     &t.sub,           &t.mul,           &t.div,             &t.maximum,
                            &t.minimum, &t.relu_backward, &t.tanh_backward, &t.sigmoid_backward};
  return *all[op];
}

const Forms *forms_of(int op, int type) {
  const Binary &b = table(op);
  switch (type) {
    case NPY_FLOAT32: return &b.f32;
    case NPY_FLOAT64: return &b.f64;
    case NPY_INT32: return b.i32.both ? &b.i32 : nullptr;
    case NPY_LONG:
    case NPY_LONGLONG: return b.i64.both && sizeof(long) == 8 ? &b.i64 : nullptr;
    default: return nullptr;
  }
}

// A Python number as an element of a float array; false for what NumPy shall judge.
union Scalar {
  float f32;
  double f64;
};

bool number(PyObject *x, int type, Scalar &out) {
  double value;
  if (PyFloat_CheckExact(x)) {
    value = PyFloat_AS_DOUBLE(x);
  } else if (PyLong_CheckExact(x)) {
    int overflow;
    long v = PyLong_AsLongAndOverflow(x, &overflow);
    if (overflow || v > (1l << 24) || v < -(1l << 24)) return false;
    value = static_cast<double>(v);
  } else {
    return false;
  }
  if (type == NPY_FLOAT32) {
    out.f32 = static_cast<float>(value);
    return true;
  }
  out.f64 = value;
  return type == NPY_FLOAT64;
}

struct Shape {
  int ndim;
  npy_intp *dims;
  explicit Shape(PyObject *x) : ndim(PyArray_NDIM((PyArrayObject *)x)), dims(PyArray_DIMS((PyArrayObject *)x)) {}
  bool same(const Shape &o) const {
    if (ndim != o.ndim) return false;
    for (int i = 0; i < ndim; i++)
      if (dims[i] != o.dims[i]) return false;
    return true;
  }
  // Is o what stands in the last dimensions of this?
  bool ends_with(const Shape &o) const {
    if (o.ndim > ndim) return false;
    for (int i = 1; i <= o.ndim; i++)
      if (dims[ndim - i] != o.dims[o.ndim - i]) return false;
    return true;
  }
  // Is o this with a 1 in the last dimension?
  bool one_per_row(const Shape &o) const {
    if (ndim != o.ndim || !ndim || o.dims[ndim - 1] != 1) return false;
    for (int i = 0; i + 1 < ndim; i++)
      if (dims[i] != o.dims[i]) return false;
    return true;
  }
};

using Loop = void (*)(const void *, const void *, void *, size_t);

// x and y advance by xs and ys bytes an element, 0 for a scalar.
PyObject *elementwise(PyObject *shaped, Loop loop, size_t xs, size_t ys, const void *a,
                      const void *b) {
  PyObject *out = like(shaped);
  if (!out) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out), n = size_of(out);
  char *to = data_of<char>(out);
  const char *from = static_cast<const char *>(a), *with = static_cast<const char *>(b);
  share(n, 1, [=](size_t i, size_t j) { loop(from + i * xs, with + i * ys, to + i * item, j - i); });
  return out;
}

// (rows, columns) and (columns) or (rows, 1)
PyObject *by_rows(PyObject *x, PyObject *y, Loop loop, size_t columns, size_t step) {
  PyObject *out = like(x);
  if (!out) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out), rows = size_of(out) / columns;
  char *to = data_of<char>(out);
  const char *from = data_of<char>(x), *with = data_of<char>(y);
  share(rows, columns, [=](size_t i, size_t j) {
    for (; i < j; i++) loop(from + i * columns * item, with + i * step, to + i * columns * item, columns);
  });
  return out;
}

// nullptr without an error: not served.
PyObject *attempt(int op, PyObject *x, PyObject *y) {
  bool px = plain(x), py = plain(y);
  if (px && py) {
    int type = type_of(x);
    const Forms *f = type == type_of(y) ? forms_of(op, type) : nullptr;
    if (!f) return nullptr;
    size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)x);
    Shape a(x), b(y);
    if (a.same(b)) return elementwise(x, f->both, item, item, data_of<char>(x), data_of<char>(y));
    if (!size_of(x) || !size_of(y)) return nullptr;
    if (!b.ndim) return elementwise(x, f->right, item, 0, data_of<char>(x), data_of<char>(y));
    if (!a.ndim) return elementwise(y, f->left, 0, item, data_of<char>(x), data_of<char>(y));
    if (a.ends_with(b) && size_of(y) >= 16) return by_rows(x, y, f->both, size_of(y), 0);
    if (a.one_per_row(b) && a.dims[a.ndim - 1] >= 16) return by_rows(x, y, f->right, (size_t)a.dims[a.ndim - 1], item);
    return nullptr;
  }
  Scalar s;
  if (px) {
    int type = type_of(x);
    if (!number(y, type, s)) return nullptr;
    const Forms *f = forms_of(op, type);
    return elementwise(x, f->right, (size_t)PyArray_ITEMSIZE((PyArrayObject *)x), 0, data_of<char>(x), &s);
  }
  if (py) {
    int type = type_of(y);
    if (!number(x, type, s)) return nullptr;
    const Forms *f = forms_of(op, type);
    return elementwise(y, f->left, 0, (size_t)PyArray_ITEMSIZE((PyArrayObject *)y), &s, data_of<char>(y));
  }
  return nullptr;
}

template <int OP> PyObject *call(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given == 2) {
    PyObject *out = attempt(OP, args[0], args[1]);
    if (out || PyErr_Occurred()) return out;
  }
  return PyObject_Vectorcall(ufuncs[OP], args, (size_t)given, nullptr);
}

// The gradients of pointwise functions of their results, (gradient, result): NotImplemented where the loops do not serve.
template <int OP> PyObject *gradient(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_Check(args[0]) || !PyArray_Check(args[1])) return not_implemented();
  PyObject *out = attempt(OP, args[0], args[1]);
  return out || PyErr_Occurred() ? out : not_implemented();
}

PyObject *relu(PyObject *, PyObject *x) {
  static PyObject *zero = PyFloat_FromDouble(0);
  PyObject *out = plain(x) ? attempt(MAXIMUM, x, zero) : nullptr;
  return out || PyErr_Occurred() ? out : not_implemented();
}

#define GRADIENT(name, op) \
  {name, (PyCFunction)(void (*)(void))gradient<op>, METH_FASTCALL, name "(gradient, result) -> array, or NotImplemented"}
#define METHOD(name, op) \
  {name, (PyCFunction)(void (*)(void))call<op>, METH_FASTCALL, name "(x, y) -> array: NumPy's ufunc, faster"}
PyMethodDef methods[] = {METHOD("add", ADD),         METHOD("sub", SUB),         METHOD("mul", MUL), METHOD("div", DIV),
                         METHOD("maximum", MAXIMUM), METHOD("minimum", MINIMUM),
                         GRADIENT("relu_backward", RELU_BACKWARD), GRADIENT("tanh_backward", TANH_BACKWARD),
                         GRADIENT("sigmoid_backward", SIGMOID_BACKWARD),
                         {"relu", relu, METH_O, "relu(x) -> array, or NotImplemented"}, {nullptr}};

}  // namespace

bool add_binary(PyObject *module) {
  PyObject *numpy = PyImport_ImportModule("numpy");
  if (!numpy) return false;
  for (int i = 0; i < COUNT; i++)
    if (!(ufuncs[i] = quiet(PyObject_GetAttrString(numpy, UFUNCS[i])))) return false;
  Py_DECREF(numpy);
  return PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
