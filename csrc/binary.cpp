// Python's side of x + y and its like. Unlike the other kernels these serve every call: what the fast loops do not
// take (other dtypes, strides, broadcasting other than by rows, columns and scalars) goes to NumPy's ufunc.
#include "around.h"
#include "copy.h"
#include "half.h"

namespace rushlight {
namespace {

enum Op { ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, COUNT, RELU_BACKWARD = COUNT, TANH_BACKWARD, SIGMOID_BACKWARD, ABS_BACKWARD, MAGNITUDE, ALL };
const char *const UFUNCS[COUNT] = {"add", "subtract", "multiply", "true_divide", "maximum", "minimum"};
PyObject *ufuncs[COUNT];

const Binary &table(int op) {
  const BinaryTable &t = kernels->binary;
  const Binary *all[ALL] = {&t.add,     &t.sub,           &t.mul,           &t.div,             &t.maximum,
                            &t.minimum, &t.relu_backward, &t.tanh_backward, &t.sigmoid_backward, &t.abs_backward,
                            &t.magnitude};
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
    default: return half_index(type) < 0 ? nullptr : &b.f32;
  }
}

// A Python number as an element of a float array (float32 for half precision); false for what NumPy shall judge.
union Scalar {
  float f32;
  double f64;
};

bool number(PyObject *x, int type, int op, Scalar &out) {
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
  int half = half_index(type);
  if (type == NPY_FLOAT32 || half >= 0) {
    out.f32 = static_cast<float>(value);
    if (half >= 0 && op != MUL && op != DIV) rounded(half, out.f32);  // as PyTorch, which multiplies by a float32
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
};

// One of an operator's loops. Half precision goes through float32; what stands alone there is a float32 already if it
// was a Python number.
struct Loop {
  const Forms &forms;
  int half;
  bool x_moves, y_moves, wide;

  Loop(const Forms &f, int type, bool x, bool y, bool number = false)
      : forms(f), half(half_index(type)), x_moves(x), y_moves(y), wide(number) {}

  void operator()(const void *x, const void *y, void *out, size_t n) const {
    if (half >= 0) return by_way_of_float(x, y, out, n);
    (x_moves && y_moves ? forms.both : x_moves ? forms.right : forms.left)(x, y, out, n);
  }

 private:
  void by_way_of_float(const void *x, const void *y, void *out, size_t n) const {
    const Forms &f = forms;
    const void *at[] = {x_moves ? x : y, y};
    if (x_moves && y_moves)
      return in_floats<2>(half, at, out, n, [&](const float *const *in, float *r, size_t m) { f.both(in[0], in[1], r, m); });
    float one;
    const void *alone = x_moves ? y : x;
    if (wide) one = *(const float *)alone;
    else widen(half, alone, &one, 1);
    bool right = x_moves;
    in_floats<1>(half, at, out, n, [&](const float *const *in, float *r, size_t m) {
      if (right) f.right(in[0], &one, r, m);
      else f.left(&one, in[0], r, m);
    });
  }
};

// The array to write into: `given`, if it is like `shaped`, or a new one. Null without an error: not served.
PyObject *target(PyObject *given, PyObject *shaped) {
  if (!given) return new_like((PyArrayObject *)shaped, nullptr, true);
  bool fits = plain(given) && plain(shaped) && PyArray_ISWRITEABLE((PyArrayObject *)given) && type_of(given) == type_of(shaped) &&
              Shape(given).same(Shape(shaped));
  return fits ? Py_NewRef(given) : nullptr;
}

PyObject *elementwise(PyObject *given, PyObject *shaped, const Loop &loop, const void *a, const void *b) {
  PyObject *out = target(given, shaped);
  if (!out) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out), n = size_of(out);
  size_t xs = loop.x_moves ? item : 0, ys = loop.y_moves ? item : 0;
  char *to = data_of<char>(out);
  const char *from = static_cast<const char *>(a), *with = static_cast<const char *>(b);
  if (given) share(n, 1, [=](size_t i, size_t j) { loop(from + i * xs, with + i * ys, to + i * item, j - i); });
  else share_out(n, 1, item, to, [=](size_t i, size_t j, char *at) { loop(from + i * xs, with + i * ys, at, j - i); });
  return out;
}

// Dimensions of a result and how far each operand moves in bytes along them, 0 where it is broadcast; neighbours that
// both operands step through alike are one.
struct Walk {
  int ndim = 0;
  npy_intp dims[NPY_MAXDIMS], xs[NPY_MAXDIMS], ys[NPY_MAXDIMS], total = 1;

  // The steps of an array along dimension i of n; false if the sizes do not go together.
  static bool step(const Shape &s, PyObject *x, int i, int n, npy_intp &size, npy_intp &stride) {
    int at = i - (n - s.ndim);
    npy_intp have = at < 0 ? 1 : s.dims[at];
    stride = have == 1 ? 0 : PyArray_STRIDE((PyArrayObject *)x, at);
    if (have != 1 && size != 1 && have != size) return false;
    if (have != 1) size = have;
    return true;
  }

  bool set(PyObject *x, PyObject *y, npy_intp *shape, int &n) {
    Shape a(x), b(y);
    n = a.ndim > b.ndim ? a.ndim : b.ndim;
    for (int i = 0; i < n; i++) {
      npy_intp xstep, ystep;
      shape[i] = 1;
      if (!step(a, x, i, n, shape[i], xstep) || !step(b, y, i, n, shape[i], ystep)) return false;
      total *= shape[i];
      if (shape[i] == 1) continue;
      bool joins = ndim && xs[ndim - 1] == xstep * shape[i] && ys[ndim - 1] == ystep * shape[i];
      if (!joins) dims[ndim++] = 1;
      dims[ndim - 1] *= shape[i];
      xs[ndim - 1] = xstep;
      ys[ndim - 1] = ystep;
    }
    return true;
  }
};

// Operands that broadcast, each along memory or not moving at all in the last dimension.
PyObject *broadcast(PyObject *given, PyObject *x, PyObject *y, const Forms &f) {
  npy_intp shape[NPY_MAXDIMS], item = PyArray_ITEMSIZE((PyArrayObject *)x);
  int n;
  Walk w;
  if (!w.set(x, y, shape, n) || !w.ndim || !w.total) return nullptr;
  npy_intp inner = w.dims[w.ndim - 1], xstep = w.xs[w.ndim - 1], ystep = w.ys[w.ndim - 1];
  if (inner < 16 || (xstep && xstep != item) || (ystep && ystep != item) || !(xstep || ystep)) return nullptr;
  PyObject *out = nullptr;
  if (given) {
    bool fits = plain(given) && PyArray_ISWRITEABLE((PyArrayObject *)given) && type_of(given) == type_of(x) &&
                PyArray_NDIM((PyArrayObject *)given) == n && PyArray_CompareLists(PyArray_DIMS((PyArrayObject *)given), shape, n);
    if (fits) out = Py_NewRef(given);
  } else {
    out = new_array(n, shape, type_of(x));
  }
  if (!out) return nullptr;
  Loop loop(f, type_of(x), xstep != 0, ystep != 0);
  char *to = data_of<char>(out);
  const char *a = data_of<char>(x), *b = data_of<char>(y);
  share((size_t)(w.total / inner), (size_t)inner, [&, to](size_t i, size_t j) {
    for (; i < j; i++) {
      npy_intp left = (npy_intp)i, xat = 0, yat = 0;
      for (int d = w.ndim - 1; d-- > 0; left /= w.dims[d]) {
        npy_intp at = left % w.dims[d];
        xat += at * w.xs[d];
        yat += at * w.ys[d];
      }
      loop(a + xat, b + yat, to + (npy_intp)i * inner * item, (size_t)inner);
    }
  });
  return out;
}

// One behind the other in memory, in whatever order of the dimensions?
bool flat(PyObject *x) { return PyArray_CheckExact(x) && PyArray_ISBEHAVED_RO((PyArrayObject *)x) && dense((PyArrayObject *)x); }

bool same_layout(PyObject *x, PyObject *y) {
  PyArrayObject *a = (PyArrayObject *)x, *b = (PyArrayObject *)y;
  if (!Shape(x).same(Shape(y))) return false;
  for (int i = 0; i < PyArray_NDIM(a); i++)
    if (PyArray_DIM(a, i) > 1 && PyArray_STRIDE(a, i) != PyArray_STRIDE(b, i)) return false;
  return true;
}

bool strided(PyObject *x) { return PyArray_CheckExact(x) && PyArray_ISBEHAVED_RO((PyArrayObject *)x); }

// The bytes an array's elements lie in.
void extent(PyObject *x, const char *&first, const char *&last) {
  PyArrayObject *a = (PyArrayObject *)x;
  first = PyArray_BYTES(a);
  last = first + PyArray_ITEMSIZE(a);
  for (int i = 0; i < PyArray_NDIM(a); i++) {
    npy_intp far = (PyArray_DIM(a, i) - 1) * PyArray_STRIDE(a, i);
    (far < 0 ? first : last) += far;
  }
}

// Would writing to `given` change elements of y that are still to be read? The same elements in the same places are fine.
bool in_the_way(PyObject *given, PyObject *y) {
  if (!given || !PyArray_Check(y) || !size_of(y) || !size_of(given)) return false;
  const char *a, *b, *c, *d;
  extent(given, a, b);
  extent(y, c, d);
  if (b <= c || d <= a) return false;
  return !(plain(given) && plain(y) && a == c && Shape(given).same(Shape(y)));
}

PyObject *attempt(int op, PyObject *x, PyObject *y, PyObject *given = nullptr);

// Operands whose last dimension is far apart: a copy is a block transpose, cheaper than jumping.
PyObject *laid_out_anew(int op, PyObject *x, PyObject *y, PyObject *given) {
  constexpr size_t SMALL = 1 << 12;
  auto far = [](PyObject *a) { return !plain(a) && size_of(a) >= SMALL && dense((PyArrayObject *)a); };
  bool first = far(x), second = far(y);
  if (!first && !second) return nullptr;
  Held a(first ? contiguous(x) : Py_NewRef(x)), b(second ? contiguous(y) : Py_NewRef(y));
  return a && b ? attempt(op, a.get(), b.get(), given) : nullptr;
}

// nullptr without an error: not served. `given` is an array to write into, or null for a new one.
PyObject *attempt(int op, PyObject *x, PyObject *y, PyObject *given) {
  if (in_the_way(given, x) || in_the_way(given, y)) return nullptr;
  bool px = plain(x), py = plain(y);
  if (px && py && half_index(type_of(x)) >= 0 && type_of(y) == NPY_FLOAT32 && !PyArray_NDIM((PyArrayObject *)y))
    return elementwise(given, x, Loop(*forms_of(op, type_of(x)), type_of(x), true, false, true), data_of<char>(x), data_of<char>(y));
  if (px && py) {
    int type = type_of(x);
    const Forms *f = type == type_of(y) ? forms_of(op, type) : nullptr;
    if (!f) return nullptr;
    Shape a(x), b(y);
    const char *from = data_of<char>(x), *with = data_of<char>(y);
    if (a.same(b)) return elementwise(given, x, Loop(*f, type, true, true), from, with);
    if (!size_of(x) || !size_of(y)) return nullptr;
    if (!b.ndim) return elementwise(given, x, Loop(*f, type, true, false), from, with);
    if (!a.ndim) return elementwise(given, y, Loop(*f, type, false, true), from, with);
    return broadcast(given, x, y, *f);
  }
  Scalar s;
  if (!PyArray_Check(x) || !PyArray_Check(y)) {  // half precision next to a number is never left to NumPy
    PyObject *array = PyArray_Check(x) ? x : y;
    if (strided(array) && !flat(array) && half_index(type_of(array)) >= 0) {
      Held whole(contiguous(array));
      return whole ? attempt(op, array == x ? whole.get() : x, array == y ? whole.get() : y, given) : nullptr;
    }
  }
  px = px || flat(x);
  py = py || flat(y);
  if (px && !PyArray_Check(y)) {
    int type = type_of(x);
    if (!number(y, type, op, s)) return nullptr;
    const Forms *f = forms_of(op, type);
    return elementwise(given, x, Loop(*f, type, true, false, true), data_of<char>(x), &s);
  }
  if (py && !PyArray_Check(x)) {
    int type = type_of(y);
    if (!number(x, type, op, s)) return nullptr;
    const Forms *f = forms_of(op, type);
    return elementwise(given, y, Loop(*f, type, false, true, true), &s, data_of<char>(y));
  }
  if (strided(x) && strided(y) && type_of(x) == type_of(y)) {
    const Forms *f = forms_of(op, type_of(x));
    if (!f) return nullptr;
    if (px && py && same_layout(x, y))
      return elementwise(given, x, Loop(*f, type_of(x), true, true), data_of<char>(x), data_of<char>(y));
    PyObject *out = broadcast(given, x, y, *f);
    return out || PyErr_Occurred() ? out : laid_out_anew(op, x, y, given);
  }
  return nullptr;
}

template <int OP> PyObject *call(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given == 2 || given == 3) {
    PyObject *out = attempt(OP, args[0], args[1], given == 3 ? args[2] : nullptr);
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

bool floats(PyObject *x) {
  return flat(x) && (type_of(x) == NPY_FLOAT32 || type_of(x) == NPY_FLOAT64 || half_index(type_of(x)) >= 0);
}

PyObject *neg(PyObject *, PyObject *x) {
  static PyObject *minus = PyFloat_FromDouble(-1);
  PyObject *out = floats(x) ? attempt(MUL, x, minus) : nullptr;
  return out || PyErr_Occurred() ? out : not_implemented();
}

PyObject *absolute(PyObject *, PyObject *x) {
  static PyObject *zero = PyFloat_FromDouble(0);
  PyObject *out = floats(x) ? attempt(MAGNITUDE, x, zero) : nullptr;
  return out || PyErr_Occurred() ? out : not_implemented();
}

PyObject *relu(PyObject *, PyObject *x) {
  static PyObject *zero = PyFloat_FromDouble(0);
  PyObject *out = flat(x) ? attempt(MAXIMUM, x, zero) : nullptr;
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
                         GRADIENT("abs_backward", ABS_BACKWARD),
                         {"neg", neg, METH_O, "neg(x) -> array, or NotImplemented"},
                         {"abs", absolute, METH_O, "abs(x) -> array, or NotImplemented"},
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
