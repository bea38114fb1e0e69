// NumPy's ufuncs by several threads: their own inner loops, called on pieces of the arrays, so that the bits are NumPy's.
// What such a call does not take (other dtypes than the loops', arrays that overlap, errors) NumPy does itself.
#define PY_UFUNC_UNIQUE_SYMBOL rushlight_ufuncs
#define NO_IMPORT_UFUNC
#include "around.h"
#include "broadcast.h"
#include "half.h"

#include <numpy/ufuncobject.h>

#include <structmember.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace rushlight {
namespace {

constexpr int BFLOAT16 = NPY_HALF + 1, TYPES = NPY_HALF + 2;  // places in a table of loops
constexpr int OPERANDS = 3;
constexpr npy_intp SHORT = 8;  // rows below this are NumPy's

// Numbers, and no Python objects. Integer powers raise from within their loops.
bool numeric(int type) { return (type >= 0 && type <= NPY_CLONGDOUBLE) || type == NPY_HALF; }

bool served(const PyUFuncObject *u, int type) {
  return numeric(type) && (std::strcmp(u->name, "power") || PyTypeNum_ISFLOAT(type));
}

struct Loop {
  PyUFuncGenericFunction run = nullptr;
  void *data = nullptr;
  int result = 0;  // the type number, or
};
constexpr int SAME = -1;  // the input's

// The loop for float32, called with blocks of bfloat16 made float32: ml_dtypes does the same number by number.
struct WideLoop {
  Loop wide;
  int inputs;
};

// Up to HALF_BLOCK elements that are `step` bytes apart, side by side.
void gather_half(const char *from, npy_intp step, uint16_t *to, size_t n) {
  for (size_t i = 0; i < n; i++) std::memcpy(to + i, from + (npy_intp)i * step, 2);
}

void run_bfloat16(char **args, const npy_intp *count, const npy_intp *steps, void *data) {
  const WideLoop &l = *(const WideLoop *)data;
  alignas(64) float wide[OPERANDS][HALF_BLOCK];
  uint16_t block[HALF_BLOCK];
  bool floats = l.wide.result == NPY_FLOAT32;
  for (npy_intp i = 0; i < *count; i += HALF_BLOCK) {
    npy_intp n = std::min(*count - i, (npy_intp)HALF_BLOCK), apart[OPERANDS];
    char *at[OPERANDS];
    for (int k = 0; k < l.inputs; k++) {
      const char *from = args[k] + i * steps[k];
      size_t m = steps[k] ? (size_t)n : 1;
      if (m > 1 && steps[k] != 2) {
        gather_half(from, steps[k], block, m);
        from = (const char *)block;
      }
      widen(0, from, wide[k], m);
      at[k] = (char *)wide[k];
      apart[k] = steps[k] ? 4 : 0;
    }
    char *to = args[l.inputs] + i * steps[l.inputs];
    at[l.inputs] = floats ? (char *)wide[l.inputs] : to;
    apart[l.inputs] = floats ? 4 : steps[l.inputs];
    l.wide.run(at, &n, apart, l.wide.data);
    if (!floats) continue;
    bool dense = steps[l.inputs] == 2;
    narrow(0, wide[l.inputs], dense ? (void *)to : block, (size_t)n);
    for (npy_intp j = 0; !dense && j < n; j++) std::memcpy(to + j * steps[l.inputs], block + j, 2);
  }
}

struct Threaded {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject *ufunc;
  PyObject *numpys;  // the ufunc with a frame of ours around it
  int inputs;
  Loop loops[TYPES];  // for inputs that are all of one type
  WideLoop wide;
};

// ---- how operands lie ------------------------------------------------------------------------------------------------

// Operands walked together, the result first: dimensions from the result's largest stride to its smallest, neighbours
// that are one in all of them merged.
struct Walk {
  int ndim = 0;
  npy_intp dims[NPY_MAXDIMS + 1], strides[OPERANDS][NPY_MAXDIMS + 1];

  void set(int n, const npy_intp *sizes, const npy_intp (*steps)[NPY_MAXDIMS], int count) {
    int order[NPY_MAXDIMS], kept = -1;
    for (int d = 0; d < n; d++) order[d] = d;
    std::stable_sort(order, order + n, [=](int a, int b) { return steps[0][a] > steps[0][b]; });
    for (int i = 0; i < n; i++) {
      int d = order[i];
      if (sizes[d] == 1) continue;
      bool joins = kept >= 0;
      for (int k = 0; joins && k < count; k++) joins = strides[k][kept] == steps[k][d] * sizes[d];
      if (!joins) dims[++kept] = 1;
      dims[kept] *= sizes[d];
      for (int k = 0; k < count; k++) strides[k][kept] = steps[k][d];
    }
    if (kept < 0) {
      dims[++kept] = 1;
      for (int k = 0; k < count; k++) strides[k][0] = 0;
    }
    ndim = kept + 1;
  }
  npy_intp inner() const { return dims[ndim - 1]; }
  size_t rows() const {
    size_t r = 1;
    for (int d = 0; d + 1 < ndim; d++) r *= (size_t)dims[d];
    return r;
  }
};

void run(const Loop &loop, const Walk &w, char *const *data, int count) {
  npy_intp inner = w.inner();
  size_t rows = w.rows();
  const Walk *walk = &w;
  const Loop *l = &loop;
  int last = w.ndim - 1;
  if (rows == 1) {
    share((size_t)inner, 1, [=](size_t i, size_t j) {
      char *at[OPERANDS];
      npy_intp step[OPERANDS], n = (npy_intp)(j - i);
      for (int k = 0; k < count; k++) {  // ufuncs have their result last
        int to = k ? k - 1 : count - 1;
        step[to] = walk->strides[k][last];
        at[to] = data[k] + (npy_intp)i * step[to];
      }
      l->run(at, &n, step, l->data);
    });
    return;
  }
  share(rows, (size_t)inner, [=](size_t i, size_t j) {
    char *at[OPERANDS], *row[OPERANDS];
    npy_intp place[NPY_MAXDIMS], step[OPERANDS];
    for (int k = 0; k < count; k++) {
      row[k] = data[k];
      step[k ? k - 1 : count - 1] = walk->strides[k][last];
    }
    size_t index = i;
    for (int d = last; d-- > 0; index /= (size_t)walk->dims[d]) {
      place[d] = (npy_intp)(index % (size_t)walk->dims[d]);
      for (int k = 0; k < count; k++) row[k] += place[d] * walk->strides[k][d];
    }
    for (; i < j; i++) {
      for (int k = 0; k < count; k++) at[k ? k - 1 : count - 1] = row[k];
      npy_intp n = inner;
      l->run(at, &n, step, l->data);
      for (int d = last; d-- > 0;) {
        for (int k = 0; k < count; k++) row[k] += walk->strides[k][d];
        if (++place[d] < walk->dims[d]) break;
        for (int k = 0; k < count; k++) row[k] -= place[d] * walk->strides[k][d];
        place[d] = 0;
      }
    }
  });
}

// One after the other in all operands; `steps` (the result's first) are item sizes, or 0.
void run_flat(const Loop &loop, size_t n, char *const *data, const npy_intp *steps, int count) {
  const Loop *l = &loop;
  auto work = [=](size_t i, size_t j, char *to) {
    char *at[OPERANDS];
    npy_intp step[OPERANDS], m = (npy_intp)(j - i);
    for (int k = 1; k < count; k++) {
      step[k - 1] = steps[k];
      at[k - 1] = data[k] + (npy_intp)i * steps[k];
    }
    step[count - 1] = steps[0];
    at[count - 1] = to;
    l->run(at, &m, step, l->data);
  };
  bool in_place = false;
  for (int k = 1; k < count; k++) in_place |= data[k] == data[0];
  if (in_place) share(n, 1, [=](size_t i, size_t j) { work(i, j, data[0] + (npy_intp)i * steps[0]); });
  else share_out(n, 1, (size_t)steps[0], data[0], work);
}

// ---- calls -----------------------------------------------------------------------------------------------------------

const Loop *loop_of(Threaded *t, PyObject *x) {
  if (!movable(x)) return nullptr;
  int type = type_of(x);
  if (type > NPY_HALF && type != bfloat16_type) return nullptr;
  const Loop &l = t->loops[type > NPY_HALF ? BFLOAT16 : type];
  return l.run ? &l : nullptr;
}

int result_of(const Loop *l, PyObject *x) { return l->result == SAME ? type_of(x) : l->result; }

PyObject *made_like(PyObject *x, const Loop *l) {
  PyArray_Descr *d = PyArray_DescrFromType(result_of(l, x));
  return d ? new_like((PyArrayObject *)x, d, true) : nullptr;
}

npy_intp item_of(PyObject *x) { return PyArray_ITEMSIZE((PyArrayObject *)x); }

// Null without an error: not served.
PyObject *unary(Threaded *t, PyObject *x) {
  const Loop *l = loop_of(t, x);
  if (!l) return nullptr;
  PyArrayObject *a = (PyArrayObject *)x;
  PyObject *out = made_like(x, l);
  if (!out || !size_of(x)) return out;
  char *data[OPERANDS] = {data_of<char>(out), PyArray_BYTES(a)};
  if (dense(a)) {
    npy_intp steps[OPERANDS] = {item_of(out), item_of(x)};
    run_flat(*l, size_of(x), data, steps, 2);
    return out;
  }
  npy_intp steps[OPERANDS][NPY_MAXDIMS];
  int n = PyArray_NDIM(a);
  for (int d = 0; d < n; d++) {
    steps[0][d] = PyArray_STRIDE((PyArrayObject *)out, d);
    steps[1][d] = PyArray_STRIDE(a, d);
  }
  Walk w;
  w.set(n, PyArray_DIMS(a), steps, 2);
  if (w.inner() < SHORT && w.rows() > 1) {
    Py_DECREF(out);
    return nullptr;
  }
  run(*l, w, data, 2);
  return out;
}

bool same_layout(PyArrayObject *x, PyArrayObject *y) {
  if (!PyArray_SAMESHAPE(x, y)) return false;
  for (int d = 0; d < PyArray_NDIM(x); d++)
    if (PyArray_DIM(x, d) > 1 && PyArray_STRIDE(x, d) != PyArray_STRIDE(y, d)) return false;
  return true;
}

// An array and a Python number, in either order (`first`: the number stands first).
PyObject *with_number(Threaded *t, PyObject *x, PyObject *number, bool first) {
  const Loop *l = loop_of(t, x);
  Number value;
  if (!l || !dense((PyArrayObject *)x) || !number_as(number, type_of(x), value)) return nullptr;
  PyObject *out = made_like(x, l);
  if (!out || !size_of(x)) return out;
  char *from = PyArray_BYTES((PyArrayObject *)x), *one = (char *)&value;
  char *data[OPERANDS] = {data_of<char>(out), first ? one : from, first ? from : one};
  npy_intp steps[OPERANDS] = {item_of(out), first ? 0 : item_of(x), first ? item_of(x) : 0};
  run_flat(*l, size_of(x), data, steps, 3);
  return out;
}

// Two arrays of one dtype that broadcast, one of them as large as the result and in C order.
PyObject *broadcast(const Loop *l, PyArrayObject *x, PyArrayObject *y) {
  PyArrayObject *both[2] = {x, y};
  int n = std::max(PyArray_NDIM(x), PyArray_NDIM(y));
  npy_intp shape[NPY_MAXDIMS], steps[OPERANDS][NPY_MAXDIMS], total = 1;
  for (int d = 0; d < n; d++) {
    shape[d] = 1;
    for (int k = 0; k < 2; k++) {
      int at = d - (n - PyArray_NDIM(both[k]));
      npy_intp have = at < 0 ? 1 : PyArray_DIM(both[k], at);
      if (have != 1 && shape[d] != 1 && have != shape[d]) return nullptr;
      if (have != 1) shape[d] = have;
      steps[1 + k][d] = have == 1 ? 0 : PyArray_STRIDE(both[k], at);
    }
    total *= shape[d];
  }
  bool ordered = false;
  for (PyArrayObject *a : both) ordered |= PyArray_IS_C_CONTIGUOUS(a) && PyArray_SIZE(a) == total && PyArray_NDIM(a) == n;
  if (!ordered || !total) return nullptr;
  PyObject *out = new_array(n, shape, result_of(l, (PyObject *)x));
  if (!out) return nullptr;
  for (int d = 0; d < n; d++) steps[0][d] = PyArray_STRIDE((PyArrayObject *)out, d);
  Walk w;
  w.set(n, shape, steps, 3);
  if (w.inner() < SHORT && w.rows() > 1) {
    Py_DECREF(out);
    return nullptr;
  }
  char *data[OPERANDS] = {data_of<char>(out), PyArray_BYTES(x), PyArray_BYTES(y)};
  run(*l, w, data, 3);
  return out;
}

PyObject *binary(Threaded *t, PyObject *x, PyObject *y) {
  if (!PyArray_Check(y)) return PyArray_Check(x) ? with_number(t, x, y, false) : nullptr;
  if (!PyArray_Check(x)) return with_number(t, y, x, true);
  const Loop *l = loop_of(t, x);
  if (!l || !movable(y) || type_of(x) != type_of(y)) return nullptr;
  PyArrayObject *a = (PyArrayObject *)x, *b = (PyArrayObject *)y;
  if (!same_layout(a, b) || !dense(a)) return broadcast(l, a, b);
  PyObject *out = made_like(x, l);
  if (!out || !size_of(x)) return out;
  char *data[OPERANDS] = {data_of<char>(out), PyArray_BYTES(a), PyArray_BYTES(b)};
  npy_intp steps[OPERANDS] = {item_of(out), item_of(x), item_of(y)};
  run_flat(*l, size_of(x), data, steps, 3);
  return out;
}

// x = f(x, y): where the two lie alike. False: not served.
bool in_place(Threaded *t, PyObject *x, PyObject *y, PyObject *out) {
  const Loop *l = out == x && plain(x) && PyArray_ISWRITEABLE((PyArrayObject *)x) ? loop_of(t, x) : nullptr;
  if (!l || result_of(l, x) != type_of(x) || !size_of(x)) return false;
  Number value;
  char *to = data_of<char>(x), *other;
  npy_intp step = item_of(x);
  if (!PyArray_Check(y)) {
    if (!number_as(y, type_of(x), value)) return false;
    other = (char *)&value;
    step = 0;
  } else {
    if (!plain(y) || type_of(x) != type_of(y) || !PyArray_SAMESHAPE((PyArrayObject *)x, (PyArrayObject *)y)) return false;
    other = data_of<char>(y);
    if (other != to && to < other + size_of(y) * (size_t)step && other < to + size_of(x) * (size_t)step) return false;
  }
  char *data[OPERANDS] = {to, to, other};
  npy_intp steps[OPERANDS] = {item_of(x), item_of(x), step};
  run_flat(*l, size_of(x), data, steps, 3);
  return true;
}

PyObject *call(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  Threaded *t = (Threaded *)self;
  Py_ssize_t given = PyVectorcall_NARGS(flags);
  if (!keywords || !PyTuple_GET_SIZE(keywords)) {
    PyObject *out = nullptr;
    if (t->inputs == 1 && given == 1) out = unary(t, args[0]);
    else if (t->inputs == 2 && given == 2) out = binary(t, args[0], args[1]);
    else if (t->inputs == 2 && given == 3 && in_place(t, args[0], args[1], args[2])) return Py_NewRef(args[2]);
    if (out || PyErr_Occurred()) return out;
  }
  return PyObject_Vectorcall(t->numpys, args, flags, keywords);
}

// ---- the type --------------------------------------------------------------------------------------------------------

void dealloc(PyObject *self) {
  Threaded *t = (Threaded *)self;
  Py_XDECREF(t->ufunc);
  Py_XDECREF(t->numpys);
  PyTypeObject *type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(Threaded, vectorcall), READONLY, nullptr},
                         {"ufunc", T_OBJECT, offsetof(Threaded, ufunc), READONLY, "NumPy's"}, {nullptr}};
PyType_Slot slots[] = {{Py_tp_call, (void *)PyVectorcall_Call}, {Py_tp_dealloc, (void *)dealloc}, {Py_tp_members, members}, {0, nullptr}};
PyType_Spec spec = {"rushlight._C.Threaded", sizeof(Threaded), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
PyTypeObject *threaded_type;

// threaded(ufunc) -> callable
PyObject *threaded(PyObject *, PyObject *given) {
  if (std::strcmp(Py_TYPE(given)->tp_name, "numpy.ufunc"))
    return PyErr_Format(PyExc_TypeError, "threaded() takes a ufunc of NumPy");
  PyUFuncObject *u = (PyUFuncObject *)given;
  Threaded *t = PyObject_New(Threaded, threaded_type);
  if (!t) return nullptr;
  t->vectorcall = call;
  t->ufunc = Py_NewRef(given);
  t->numpys = quiet(Py_NewRef(given));
  t->inputs = u->nout == 1 && !u->core_enabled ? u->nin : 0;
  for (Loop &l : t->loops) l = Loop();
  for (int i = 0; i < u->ntypes && (t->inputs == 1 || t->inputs == 2); i++) {
    const char *types = u->types + i * (u->nin + 1);
    int type = types[0];
    if (!served(u, type) || (u->nin == 2 && types[1] != type) || !numeric(types[u->nin])) continue;
    Loop &l = t->loops[type];
    if (!l.run && u->functions[i]) l = {u->functions[i], u->data ? u->data[i] : nullptr, types[u->nin]};
  }
  const Loop &f = t->loops[NPY_FLOAT32];
  if (f.run && (f.result == NPY_FLOAT32 || f.result == NPY_BOOL) && std::strcmp(u->name, "nextafter") && std::strcmp(u->name, "spacing")) {
    t->wide = {f, t->inputs};
    t->loops[BFLOAT16] = {run_bfloat16, &t->wide, f.result == NPY_BOOL ? (int)NPY_BOOL : SAME};
  }
  if (!t->numpys) Py_CLEAR(t);
  return (PyObject *)t;
}

PyMethodDef methods[] = {{"threaded", threaded, METH_O, "threaded(ufunc) -> callable\n\nThe ufunc by several threads."}, {nullptr}};

}  // namespace

bool add_ufuncs(PyObject *module) {
  threaded_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return threaded_type && PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
