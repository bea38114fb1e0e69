// A front stands before a Python entry (_core/entries.py) and does the same for the usual call: plain tensors, arrays of
// one accepted dtype, no `out`. Whatever else comes, errors too, it hands to the Python entry with the very arguments.
#include "cell.h"
#include "half.h"

#include <cstddef>
#include <initializer_list>
#include <cstring>

namespace rushlight {
namespace {

constexpr int MOST = 16;    // arguments of a call
constexpr int INPUTS = 6;   // tensors among them
constexpr uint8_t UNKNOWN = 255;

enum Kind { CALL, VIEW, LIST, REFLECTED, GETITEM, INPLACE };

struct Front {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject *python;     // the entry behind
  PyObject *op;
  PyObject *kernel;     // kernel(*arrays, *params), may answer NotImplemented; or null
  PyObject *reference;  // reference(numpy, *arrays, *params); or null
  PyObject *finish;     // finish(op, tensors, params, result) where Python makes the result's tensors; or null
  PyObject *names, *defaults, *required;  // of the arguments, tuples
  PyObject *half_kernel;  // half_kernel(*arrays, *params) for inputs of half precision; or null
  PyObject *half[2];      // dtypes that are computed by way of float32
  int halves;
  PyObject *common;       // common(op, tensors) -> the dtype two inputs of different ones are computed in; or null
  PyObject *mixed;        // what it answered, by what the inputs are
  PyObject *accept[MOST + 8];
  PyObject *wide[8];    // dtypes next to which a Python float, or int, may stand
  PyObject *whole[8];
  int accepted, n_wide, n_whole;
  int kind, count, total, positional;
  unsigned same;        // which inputs must have one accepted dtype
  unsigned optional;    // which inputs may be None
  bool varargs, differentiable, keeps_result;
  uint8_t keeps_meta;   // of a view
  uint8_t how[1 << INPUTS][INPUTS];  // which inputs need a gradient -> how each is saved
};

PyObject *numpy;

bool among(PyObject *const *set, int n, PyObject *d) {
  for (int i = 0; i < n; i++)
    if (set[i] == d) return true;
  return false;
}

PyObject *dtype_of(PyObject *array) { return (PyObject *)PyArray_DESCR((PyArrayObject *)array); }

PyObject *tuple_of(PyObject *const *items, int n) {
  PyObject *t = PyTuple_New(n);
  for (int i = 0; t && i < n; i++) PyTuple_SET_ITEM(t, i, Py_NewRef(items[i]));
  return t;
}

// The values of all arguments; false: let Python's entry judge the call. `held` owns what was made here.
bool bind(Front *f, PyObject *const *args, Py_ssize_t given, PyObject *keywords, PyObject **values, PyObject *&held) {
  held = nullptr;
  if (f->varargs && given > f->count && (PyLong_CheckExact(args[f->count]) || (f->kind == VIEW && given > f->count + 1))) {
    held = tuple_of(args + f->count, (int)given - f->count);
    if (!held) return false;
    for (int i = 0; i < f->count; i++) values[i] = args[i];
    values[f->count] = held;
    given = f->count + 1;
  } else {
    if (given > f->positional) return false;
    for (int i = 0; i < given; i++) values[i] = args[i];
  }
  if (given == f->total) return !keywords || !PyTuple_GET_SIZE(keywords);
  for (int i = (int)given; i < f->total; i++)
    values[i] = PyTuple_GET_ITEM(f->required, i) == Py_True ? nullptr : PyTuple_GET_ITEM(f->defaults, i);
  Py_ssize_t n = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  unsigned placed = 0;
  for (Py_ssize_t k = 0; k < n; k++) {
    PyObject *name = PyTuple_GET_ITEM(keywords, k);
    int at = (int)given;
    while (at < f->total && PyTuple_GET_ITEM(f->names, at) != name) at++;
    if (at == f->total || placed >> at & 1) return false;
    placed |= 1u << at;
    values[at] = args[PyVectorcall_NARGS(given) + k];
  }
  for (int i = (int)given; i < f->total; i++)
    if (!values[i]) return false;
  return true;
}

void drop(PyObject *const *items, int n) {
  for (int i = 0; i < n; i++) Py_DECREF(items[i]);
}

// Keeps the arrays alive whatever another thread does to their tensors while a kernel has let go of the GIL.
struct Held {
  PyObject *const *items;
  int n;
  Held(PyObject *const *items, int n) : items(items), n(n) {
    for (int i = 0; i < n; i++) Py_INCREF(items[i]);
  }
  ~Held() { drop(items, n); }
};

// Kernel, then reference. Null without an error: Python's entry shall do it again and say what is wrong.
PyObject *compute(Front *f, PyObject **arrays, PyObject *const *params) {
  PyObject *stack[MOST + 2], **first = stack + 1;
  int n = f->total;
  first[0] = numpy;
  for (int i = 0; i < f->count; i++) first[1 + i] = arrays[i];
  for (int i = f->count; i < n; i++) first[1 + i] = params[i - f->count];
  PyObject *r = nullptr;
  if (f->kernel) {
    r = PyObject_Vectorcall(f->kernel, first + 1, (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    if (r == Py_NotImplemented) Py_CLEAR(r);
    else if (r) return r;
  }
  if (!r && f->reference && !PyErr_Occurred()) r = PyObject_Vectorcall(f->reference, first, (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  if (!r && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) PyErr_Clear();
  return r;
}

// How the inputs are saved when those in `mask` need a gradient; null with an error.
const uint8_t *how_to_save(Front *f, unsigned mask) {
  uint8_t *how = f->how[mask];
  if (how[0] != UNKNOWN) return how;
  PyObject *flags = PyTuple_New(f->count);
  for (int i = 0; flags && i < f->count; i++) PyTuple_SET_ITEM(flags, i, Py_NewRef(mask >> i & 1 ? Py_True : Py_False));
  PyObject *keep = flags ? PyObject_GetAttrString(f->op, "keep_for") : nullptr;
  PyObject *found = keep ? PyObject_CallOneArg(keep, flags) : nullptr;
  Py_XDECREF(flags);
  Py_XDECREF(keep);
  if (!found) return nullptr;
  for (int i = f->count; i-- > 0;) how[i] = (uint8_t)PyLong_AsLong(PyTuple_GET_ITEM(found, i));
  Py_DECREF(found);
  return how;
}

// Would a tensor made in inference mode be saved?
bool saves_inference(Front *f, PyObject *const *inputs, PyObject *const *arrays, unsigned mask) {
  bool any = false;
  for (int i = 0; i < f->count; i++) any |= arrays[i] != Py_None && is_plain_tensor(inputs[i]) && is_inference(inputs[i]);
  const uint8_t *how = any ? how_to_save(f, mask) : nullptr;
  for (int i = 0; how && i < f->count; i++)
    if (how[i] == 2 && arrays[i] != Py_None && is_plain_tensor(inputs[i]) && is_inference(inputs[i])) return true;
  return false;
}

PyObject *refuse(PyObject *t, PyObject *const *nodes, int n) {
  drop(nodes, n);
  Py_DECREF(t);
  PyErr_SetString(PyExc_RuntimeError,
                  "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
                  "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
                  "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.");
  return nullptr;
}

PyObject *saved_slot(PyObject *input, PyObject *array, int how) {
  if (!how) return Py_NewRef(Py_None);
  if (!array || array == Py_None || !is_plain_tensor(input)) return PyTuple_Pack(1, input);
  if (how == 1) {
    PyObject *shape = shape_of(array);
    PyObject *pair = shape ? PyTuple_Pack(2, shape, dtype_of(array)) : nullptr;
    Py_XDECREF(shape);
    return pair;
  }
  PyObject *version = version_of(input), *entry = PyTuple_Pack(3, input, array, version);
  Py_DECREF(version);
  return entry;
}

// Give the result `t` (around array r) its node.
bool record(Front *f, PyObject *t, PyObject *r, PyObject *const *inputs, PyObject *const *arrays, PyObject *const *nodes,
            PyObject *const *params, unsigned mask) {
  const uint8_t *how = how_to_save(f, mask);
  if (!how) return false;
  PyObject *saved = PyTuple_New(f->count + f->keeps_result);
  if (!saved) return false;
  for (int i = 0; i < f->count; i++) PyTuple_SET_ITEM(saved, i, saved_slot(inputs[i], arrays[i], how[i]));
  if (f->keeps_result) {
    PyObject *version = PyList_New(1);
    PyList_SET_ITEM(version, 0, Py_NewRef(cell.zero));
    PyTuple_SET_ITEM(saved, f->count, PyTuple_Pack(3, version, r, cell.zero));
    Py_SETREF(slot(t, cell.ver), version);
  }
  PyObject *given = tuple_of(params, f->total - f->count);
  PyObject *node = given ? new_node(f->op, tuple_of(nodes, f->count), saved, r, given) : nullptr;
  Py_XDECREF(given);
  if (!node) return false;
  Py_SETREF(slot(t, cell.node_), node);
  return true;
}

// Where Python makes the tensors of a result (several of them, say).
PyObject *finish_in_python(Front *f, PyObject *const *values, PyObject *r) {
  PyObject *tensors = tuple_of(values, f->count), *params = tuple_of(values + f->count, f->total - f->count);
  PyObject *made = tensors && params ? PyObject_CallFunctionObjArgs(f->finish, f->op, tensors, params, r, nullptr) : nullptr;
  Py_XDECREF(tensors);
  Py_XDECREF(params);
  Py_DECREF(r);
  return made;
}

// May this Python number stand next to an array of this dtype?
bool number_fits(Front *f, PyObject *number, PyObject *d) {
  return PyFloat_CheckExact(number) ? among(f->wide, f->n_wide, d)
                                    : PyLong_CheckExact(number) && among(f->whole, f->n_whole, d);
}

// The arrays of the inputs; false: not for us. A number's array is the number.
bool arrays_of(Front *f, PyObject *const *values, PyObject **arrays) {
  PyObject *d = nullptr;
  bool number = false;
  for (int i = 0; i < f->count; i++) {
    PyObject *t = values[i];
    if (!is_plain_tensor(t)) {
      if (t == Py_None && f->optional >> i & 1 && i) {
        arrays[i] = Py_None;
        continue;
      }
      if (!f->n_wide || i != 1) return false;
      number = true;
      arrays[i] = t;
      continue;
    }
    PyObject *x = arrays[i] = slot(t, cell.data);
    if (!x || !PyArray_CheckExact(x)) return false;
    if (f->same >> i & 1) {
      if (d && dtype_of(x) != d) return false;
      if (!d && !among(f->accept, f->accepted, d = dtype_of(x))) return false;
    } else if (!f->same && f->accepted && !among(f->accept, f->accepted, dtype_of(x))) {
      return false;
    }
  }
  return !number || number_fits(f, arrays[1], d);
}

// The nodes of the inputs (new references) and which of them are there; -1 with an error.
int nodes_of(Front *f, PyObject *const *values, PyObject *const *arrays, PyObject **nodes) {
  int mask = 0;
  for (int i = 0; i < f->count; i++) {
    nodes[i] = arrays[i] == Py_None || !is_plain_tensor(values[i]) ? Py_NewRef(Py_None) : node_of(values[i]);
    if (!nodes[i]) {
      drop(nodes, i);
      return -1;
    }
    if (nodes[i] != Py_None) mask |= 1 << i;
  }
  return mask;
}

// The tensor of the result r (stolen) with its history.
PyObject *finish(Front *f, PyObject *const *inputs, PyObject *const *arrays, PyObject *const *params, PyObject *r) {
  PyObject *nodes[INPUTS], *t = new_tensor(r = as_array(r));
  if (!t || !f->differentiable) return t;
  int mask = nodes_of(f, inputs, arrays, nodes);
  int on = mask > 0 ? grad_on() : mask;
  if (on > 0 && saves_inference(f, inputs, arrays, (unsigned)mask)) return refuse(t, nodes, f->count);
  bool good = on >= 0 && (!on || record(f, t, r, inputs, arrays, nodes, params, (unsigned)mask));
  if (mask >= 0) drop(nodes, f->count);
  if (!good) Py_CLEAR(t);
  return t;
}

// The arrays of inputs of which some are of one half precision, and those that promotion concerns all are; null: not so.
PyObject *half_arrays(Front *f, PyObject *const *values, PyObject **arrays) {
  PyObject *half = nullptr;
  for (int i = 0; i < f->count; i++) {
    arrays[i] = Py_None;
    if (values[i] == Py_None && f->optional >> i & 1 && i) continue;
    PyObject *x = is_plain_tensor(values[i]) ? slot(values[i], cell.data) : nullptr;
    if (!x || !PyArray_CheckExact(x)) return nullptr;
    arrays[i] = x;
    if (!among(f->half, f->halves, dtype_of(x))) {
      if (f->same >> i & 1 || half_index(type_of(x)) >= 0 || type_of(x) == NPY_FLOAT32) return nullptr;
    } else if (half && dtype_of(x) != half) {
      return nullptr;
    } else {
      half = dtype_of(x);
    }
  }
  return half;
}

// float32 results in half precision; steals.
PyObject *narrowed(PyObject *r, int type) {
  if (!r || !PyArray_CheckExact(r) || type_of(r) != NPY_FLOAT32) return r;
  PyObject *narrow = as_type(r, type);
  Py_DECREF(r);
  return narrow;
}

PyObject *by_floats(Front *f, PyObject **arrays, PyObject *half, PyObject *const *params) {
  PyObject *wide[INPUTS];
  int type = ((PyArray_Descr *)half)->type_num, n = 0;
  for (; n < f->count; n++) {
    bool is_half = arrays[n] != Py_None && dtype_of(arrays[n]) == half;
    if (!(wide[n] = is_half ? as_type(arrays[n], NPY_FLOAT32) : Py_NewRef(arrays[n]))) break;
  }
  PyObject *r = n == f->count ? compute(f, wide, params) : nullptr;
  drop(wide, n);
  if (!r || !PyTuple_CheckExact(r)) return f->finish ? narrowed(r, type) : narrowed(as_array(r), type);
  PyObject *results = PyTuple_New(PyTuple_GET_SIZE(r));
  for (Py_ssize_t i = 0; results && i < PyTuple_GET_SIZE(r); i++) {
    PyObject *item = Py_NewRef(PyTuple_GET_ITEM(r, i));
    PyObject *made = item == Py_None ? item : narrowed(as_array(item), type);  // NumPy's scalars too
    if (!made) Py_CLEAR(results);
    else PyTuple_SET_ITEM(results, i, made);
  }
  Py_DECREF(r);
  return results;
}

// Inputs of half precision: a kernel that takes them as they are, or the usual one by way of float32.
PyObject *call_half(Front *f, PyObject *const *values) {
  PyObject *arrays[INPUTS], *half = half_arrays(f, values, arrays), *stack[MOST + 1], *r = nullptr;
  if (!half) return nullptr;
  Held held(arrays, f->count);
  if (f->half_kernel) {
    for (int i = 0; i < f->total; i++) stack[1 + i] = i < f->count ? arrays[i] : values[i];
    r = PyObject_Vectorcall(f->half_kernel, stack + 1, (size_t)f->total | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    if (!r && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) PyErr_Clear();
    if (!r) return nullptr;
    if (r == Py_NotImplemented) Py_CLEAR(r);
  }
  if (!r) r = by_floats(f, arrays, half, values + f->count);
  if (!r) return nullptr;
  if (f->finish && !PyArray_CheckExact(r)) return finish_in_python(f, values, r);
  return finish(f, values, arrays, values + f->count, r);
}

// What promotion looks at in an input: its dtype, and whether it has dimensions; -1: not for us.
long nature(PyObject *t) {
  if (PyBool_Check(t)) return -1;
  if (PyFloat_CheckExact(t)) return 1;
  if (PyLong_CheckExact(t)) return 2;
  PyObject *x = is_plain_tensor(t) ? slot(t, cell.data) : nullptr;
  if (!x || !PyArray_CheckExact(x) || half_index(type_of(x)) >= 0 || type_of(x) >= NPY_NTYPES_LEGACY) return -1;
  return 4 + 2 * type_of(x) + (PyArray_NDIM((PyArrayObject *)x) > 0);
}

// The dtype two inputs of different ones are computed in (borrowed); null: Python's.
PyObject *common_dtype(Front *f, PyObject *const *values) {
  long first = nature(values[0]), second = nature(values[1]);
  if (first < 0 || second < 0 || (first < 4 && second < 4) || !usual_float()) return nullptr;
  PyObject *key = PyLong_FromLong(first << 10 | second);
  PyObject *found = key ? PyDict_GetItemWithError(f->mixed, key) : nullptr;
  if (key && !found && !PyErr_Occurred()) {
    PyObject *pair = PyTuple_Pack(2, values[0], values[1]);
    PyObject *made = pair ? PyObject_CallFunctionObjArgs(f->common, f->op, pair, nullptr) : nullptr;
    Py_XDECREF(pair);
    if (made && !PyDict_SetItem(f->mixed, key, made)) found = made;
    Py_XDECREF(made);  // the dictionary has it
  }
  Py_XDECREF(key);
  return found && found != Py_None && among(f->accept, f->accepted, found) ? found : nullptr;
}

// An input as an array of this type, or a number next to floats as it is; a new reference. Null: not for us.
PyObject *converted(PyObject *t, int type, bool floats) {
  if (is_plain_tensor(t)) {
    PyObject *x = slot(t, cell.data);
    return type_of(x) == type ? Py_NewRef(x) : as_type(x, type);
  }
  int overflow = 0;
  long long number = PyLong_CheckExact(t) ? PyLong_AsLongLongAndOverflow(t, &overflow) : 0;
  if (floats && !overflow) return Py_NewRef(t);
  PyObject *scalar = overflow ? nullptr : new_array(0, nullptr, NPY_INT64);
  if (!scalar) return nullptr;
  *data_of<int64_t>(scalar) = number;
  PyObject *made = as_type(scalar, type);
  Py_DECREF(scalar);
  return made;
}

// Two inputs of different dtypes, one of which may be a number.
PyObject *call_mixed(Front *f, PyObject *const *values) {
  PyObject *d = common_dtype(f, values);
  if (!d) return nullptr;
  int type = ((PyArray_Descr *)d)->type_num;
  PyObject *with[2], *arrays[2];
  if (!(with[0] = converted(values[0], type, PyTypeNum_ISFLOAT(type)))) return nullptr;
  if (!(with[1] = converted(values[1], type, PyTypeNum_ISFLOAT(type)))) {
    Py_DECREF(with[0]);
    return nullptr;
  }
  for (int i = 0; i < 2; i++) arrays[i] = is_plain_tensor(values[i]) ? slot(values[i], cell.data) : values[i];
  Held held(arrays, 2);
  PyObject *r = compute(f, with, values + 2);
  drop(with, 2);
  return r ? finish(f, values, arrays, values + 2, r) : nullptr;
}

// Null without an error: Python's entry takes the call.
PyObject *call_plain(Front *f, PyObject *const *values) {
  PyObject *arrays[INPUTS];
  if (!arrays_of(f, values, arrays)) {
    PyObject *r = f->halves ? call_half(f, values) : nullptr;
    return r || !f->common || PyErr_Occurred() ? r : call_mixed(f, values);
  }
  Held held(arrays, f->count);
  PyObject *r = compute(f, arrays, values + f->count);
  if (!r) return nullptr;
  if (f->finish && !PyArray_CheckExact(r)) return finish_in_python(f, values, r);
  return finish(f, values, arrays, values + f->count, r);
}

// number - tensor: the operator's inputs stand the other way round.
PyObject *call_reflected(Front *f, PyObject *const *values) {
  PyObject *swapped[2] = {values[1], values[0]}, *arrays[2];
  if (!is_plain_tensor(values[0])) return nullptr;
  PyObject *y = slot(values[0], cell.data);
  if (!y || !PyArray_CheckExact(y)) return nullptr;
  if (!among(f->wide, f->n_wide, dtype_of(y))) return f->common ? call_mixed(f, swapped) : nullptr;
  if (!PyFloat_CheckExact(values[1]) && !PyLong_CheckExact(values[1])) return nullptr;
  arrays[0] = values[1];
  arrays[1] = y;
  Held held(arrays, 2);
  PyObject *r = compute(f, arrays, nullptr);
  return r ? finish(f, swapped, arrays, nullptr, r) : nullptr;
}

// Does array r look at the memory of x by NumPy's own account?
bool is_look_at(PyObject *r, PyObject *x) {
  PyObject *base = PyArray_BASE((PyArrayObject *)r);
  return r == x || (base && (base == x || base == PyArray_BASE((PyArrayObject *)x)));
}

// Ties the view r of `input` to its base, as entries.view_entry does. Steals r. Null without an error: Python shall.
PyObject *link(Front *f, PyObject *op, PyObject *input, PyObject *x, PyObject *r, PyObject *params) {
  PyObject *p = node_of(input);
  int on = p ? grad_on() : -1;
  if (on > 0 && p != Py_None && f->differentiable && f->keeps_meta > 1) {  // a saved look: Python's
    Py_DECREF(p);
    Py_DECREF(r);
    return nullptr;
  }
  PyObject *t = on < 0 ? nullptr : new_tensor(r);
  if (!t) {
    Py_XDECREF(p);
    if (on < 0) Py_DECREF(r);
    return nullptr;
  }
  PyObject *v = slot(input, cell.view);
  if (slot(input, cell.ver) == Py_None) {
    PyObject *counter = PyList_New(1);
    PyList_SET_ITEM(counter, 0, Py_NewRef(cell.zero));
    Py_SETREF(slot(input, cell.ver), counter);
  }
  PyObject *ver = slot(input, cell.ver);
  Py_SETREF(slot(t, cell.ver), Py_NewRef(ver));
  PyObject *view = v == Py_None ? PyTuple_Pack(4, input, Py_None, op, params)
                                : PyTuple_Pack(4, PyTuple_GET_ITEM(v, 0), v, op, params);
  bool current = (p == Py_None || on) && (v == Py_None || PyLong_AsLong(slot(input, cell.seen)) >= 0);
  slot(t, cell.seen) = current ? Py_NewRef(PyList_GET_ITEM(ver, 0)) : PyLong_FromLong(-1);
  bool good = view != nullptr;
  if (good) Py_SETREF(slot(t, cell.view), view);
  if (good && p != Py_None && f->differentiable && on) {
    PyObject *edges = PyTuple_Pack(1, p), *meta = saved_slot(input, x, f->keeps_meta);
    PyObject *saved = meta ? PyTuple_Pack(1, meta) : nullptr;
    Py_XDECREF(meta);
    PyObject *node = new_node(op, edges, saved, r, params);
    good = node != nullptr;
    if (good) Py_SETREF(slot(t, cell.node_), node);
  }
  Py_DECREF(p);
  if (!good) Py_CLEAR(t);
  return t;
}

PyObject *call_view(Front *f, PyObject *const *values) {
  if (!is_plain_tensor(values[0])) return nullptr;
  PyObject *input = values[0], *x = slot(input, cell.data);
  if (!x || !PyArray_CheckExact(x)) return nullptr;
  Held held(&x, 1);
  PyObject *r = compute(f, &x, values + 1);
  if (!r) return nullptr;
  if (!PyArray_CheckExact(r) || !is_look_at(r, x)) {
    Py_DECREF(r);
    return nullptr;
  }
  PyObject *params = tuple_of(values + 1, f->total - 1);
  PyObject *t = params ? link(f, f->op, input, x, r, params) : nullptr;
  Py_XDECREF(params);
  return t;
}

bool number_or_none(PyObject *x) { return x == Py_None || PyLong_CheckExact(x); }

// An index NumPy and PyTorch read alike, of ints or a slice, as the view's parameter; null: not for us. An Ellipsis
// keeps what would be a NumPy scalar a view.
PyObject *basic_index(PyObject *index, int ndim, bool &whole) {
  whole = false;
  if (PyLong_CheckExact(index)) {
    if (ndim > 1) return Py_NewRef(index);
    whole = ndim == 1;
    return whole ? PyTuple_Pack(2, index, Py_Ellipsis) : nullptr;
  }
  if (PySlice_Check(index)) {
    PySliceObject *s = (PySliceObject *)index;
    bool forward = s->step == Py_None || (PyLong_CheckExact(s->step) && PyLong_AsLong(s->step) > 0);
    return ndim && forward && number_or_none(s->start) && number_or_none(s->stop) ? Py_NewRef(index) : nullptr;
  }
  if (!PyTuple_CheckExact(index)) return nullptr;
  Py_ssize_t n = PyTuple_GET_SIZE(index);
  if (!n || n > ndim) return nullptr;
  for (Py_ssize_t i = 0; i < n; i++)
    if (!PyLong_CheckExact(PyTuple_GET_ITEM(index, i))) return nullptr;
  PyObject *longer = PyTuple_New(n + 1);
  for (Py_ssize_t i = 0; longer && i < n; i++) PyTuple_SET_ITEM(longer, i, Py_NewRef(PyTuple_GET_ITEM(index, i)));
  if (longer) PyTuple_SET_ITEM(longer, n, Py_NewRef(Py_Ellipsis));
  return longer;
}

// self[index]: f->op is the record of an index that ends with an int, f->finish that of a slice.
PyObject *call_getitem(Front *f, PyObject *const *values) {
  if (!is_plain_tensor(values[0])) return nullptr;
  PyObject *input = values[0], *x = slot(input, cell.data);
  if (!x || !PyArray_CheckExact(x)) return nullptr;
  bool whole;
  PyObject *index = basic_index(values[1], PyArray_NDIM((PyArrayObject *)x), whole);
  if (!index) return nullptr;
  Held held(&x, 1);
  PyObject *r = PyObject_GetItem(x, index), *t = nullptr;
  PyErr_Clear();  // out of range, say: Python has the words
  PyObject *params = r && PyArray_CheckExact(r) && is_look_at(r, x) ? PyTuple_Pack(1, index) : nullptr;
  if (params) t = link(f, PySlice_Check(values[1]) ? f->finish : f->op, input, x, r, params);
  else Py_XDECREF(r);
  Py_XDECREF(params);
  Py_DECREF(index);
  return t;
}

// Has the tensor, or the base it is a view of, a history that a write would have to join? -1 with an error.
int has_history(PyObject *t) {
  PyObject *view = slot(t, cell.view);
  bool any = slot(t, cell.node_) != Py_None || (view != Py_None && slot(PyTuple_GET_ITEM(view, 0), cell.node_) != Py_None);
  return any ? grad_on() : 0;
}

// Count a write to t; its own view stays current.
bool bump(PyObject *t) {
  PyObject *ver = slot(t, cell.ver);
  if (ver == Py_None) {
    PyObject *counter = PyList_New(1);
    if (!counter) return false;
    PyList_SET_ITEM(counter, 0, Py_NewRef(cell.one));
    Py_SETREF(slot(t, cell.ver), counter);
    return true;
  }
  PyObject *now = PyList_GET_ITEM(ver, 0);
  bool current = slot(t, cell.view) != Py_None && PyLong_AsLong(slot(t, cell.seen)) == PyLong_AsLong(now);
  PyObject *next = PyLong_FromLong(PyLong_AsLong(now) + 1);
  if (!next) return false;
  if (current) Py_SETREF(slot(t, cell.seen), Py_NewRef(next));
  PyList_SetItem(ver, 0, next);
  return true;
}

// self op= other, where no history is concerned: kernel(x, y, x).
PyObject *call_inplace(Front *f, PyObject *const *values) {
  PyObject *self = values[0], *other = values[1], *arrays[2];
  if (!is_plain_tensor(self) || is_inference(self) || !arrays_of(f, values, arrays)) return nullptr;
  if (is_plain_tensor(other)) {
    if (PyArray_NDIM((PyArrayObject *)arrays[1]) > PyArray_NDIM((PyArrayObject *)arrays[0])) return nullptr;
    PyObject *node = node_of(other);
    int on = node && node != Py_None ? grad_on() : 0;
    Py_XDECREF(node);
    if (!node || on) return nullptr;
  }
  if (has_history(self)) return nullptr;
  Held held(arrays, 2);
  PyObject *stack[4] = {nullptr, arrays[0], arrays[1], arrays[0]};
  PyObject *r = PyObject_Vectorcall(f->kernel, stack + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  if (!r) {
    if (PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) PyErr_Clear();
    return nullptr;
  }
  Py_DECREF(r);
  return bump(self) ? Py_NewRef(self) : nullptr;
}

// A list of tensors of one dtype. History is Python's.
PyObject *call_list(Front *f, PyObject *const *values) {
  PyObject *list = values[0];
  if (!PyList_CheckExact(list) && !PyTuple_CheckExact(list)) return nullptr;
  Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
  PyObject *arrays = n ? PyList_New(n) : nullptr, *d = nullptr;
  if (!arrays) return nullptr;
  bool history = false, fine = true;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *t = PySequence_Fast_GET_ITEM(list, i);
    PyObject *x = is_plain_tensor(t) ? slot(t, cell.data) : nullptr;
    if (!x || !PyArray_CheckExact(x) || (d && dtype_of(x) != d)) {
      fine = false;
      break;
    }
    d = dtype_of(x);
    history |= slot(t, cell.node_) != Py_None || slot(t, cell.view) != Py_None;
    PyList_SET_ITEM(arrays, i, Py_NewRef(x));
  }
  PyObject *r = fine && among(f->accept, f->accepted, d) ? compute(f, &arrays, values + 1) : nullptr;
  Py_DECREF(arrays);
  if (!r) return nullptr;
  if (history && f->differentiable) return finish_in_python(f, values, as_array(r));
  return new_tensor(as_array(r));
}

PyObject *call(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  Front *f = (Front *)self;
  Py_ssize_t given = PyVectorcall_NARGS(flags);
  if (given && !special()) {
    PyObject *values[MOST], *held;
    bool bound = bind(f, args, given, keywords, values, held);
    PyObject *result = nullptr;
    if (bound) {
      switch (f->kind) {
        case CALL: result = call_plain(f, values); break;
        case VIEW: result = call_view(f, values); break;
        case INPLACE: result = call_inplace(f, values); break;
        case GETITEM: result = call_getitem(f, values); break;
        case LIST: result = call_list(f, values); break;
        default: result = call_reflected(f, values);
      }
    }
    Py_XDECREF(held);
    if (result || PyErr_Occurred()) return result;
  }
  return PyObject_Vectorcall(f->python, args, flags, keywords);
}

// ---- the type --------------------------------------------------------------------------------------------------------

int fill(PyObject *dtypes, PyObject **to, int room) {
  PyObject *items = PySequence_Fast(dtypes, "dtypes");
  if (!items) return -1;
  int n = (int)PySequence_Fast_GET_SIZE(items);
  if (n > room) n = room;  // the rest goes through Python
  for (int i = 0; i < n; i++) to[i] = Py_NewRef(PySequence_Fast_GET_ITEM(items, i));
  Py_DECREF(items);
  return n;
}

PyObject *given_or_null(PyObject *x) { return x == Py_None ? nullptr : Py_NewRef(x); }

PyTypeObject *front_type;

// front(python, op, kind, kernel, reference, finish, (names, defaults, required), (count, positional, varargs),
//       (accept, wide, whole), (same, optional), differentiable, keeps_result, keeps_meta, (half dtypes, half kernel), common)
PyObject *front(PyObject *, PyObject *args) {
  PyObject *python, *op, *kernel, *reference, *finish, *names, *defaults, *required, *accept, *wide, *whole;
  int kind, count, positional, varargs, differentiable, keeps_result, keeps_meta;
  unsigned same, optional;
  PyObject *half, *half_kernel, *common;
  if (!PyArg_ParseTuple(args, "OOiOOO(O!O!O!)(iip)(OOO)(II)ppi(OO)O", &python, &op, &kind, &kernel, &reference, &finish,
                        &PyTuple_Type, &names, &PyTuple_Type, &defaults, &PyTuple_Type, &required, &count, &positional,
                        &varargs, &accept, &wide, &whole, &same, &optional, &differentiable, &keeps_result, &keeps_meta, &half,
                        &half_kernel, &common))
    return nullptr;
  int total = (int)PyTuple_GET_SIZE(names);
  if (count > INPUTS || total > MOST || count < 1) return Py_NewRef(python);
  Front *f = PyObject_New(Front, front_type);
  if (!f) return nullptr;
  f->vectorcall = call;
  f->python = Py_NewRef(python);
  f->op = Py_NewRef(op);
  f->kernel = given_or_null(kernel);
  f->reference = given_or_null(reference);
  f->finish = given_or_null(finish);
  f->names = Py_NewRef(names);
  f->defaults = Py_NewRef(defaults);
  f->required = Py_NewRef(required);
  f->kind = kind;
  f->count = count;
  f->total = total;
  f->positional = positional;
  f->varargs = varargs;
  f->same = same;
  f->optional = optional;
  f->differentiable = differentiable;
  f->keeps_result = keeps_result;
  f->keeps_meta = (uint8_t)keeps_meta;
  memset(f->how, UNKNOWN, sizeof f->how);
  f->accepted = fill(accept, f->accept, MOST + 8);
  f->n_wide = fill(wide, f->wide, 8);
  f->n_whole = fill(whole, f->whole, 8);
  f->halves = fill(half, f->half, 2);
  f->half_kernel = given_or_null(half_kernel);
  f->common = given_or_null(common);
  f->mixed = common == Py_None ? nullptr : PyDict_New();
  if (f->accepted < 0 || f->n_wide < 0 || f->n_whole < 0 || f->halves < 0) Py_CLEAR(f);
  return (PyObject *)f;
}

// front_like(front, python) -> the same front before another function, which does the same for the arguments of both
PyObject *front_like(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !Py_IS_TYPE(args[0], front_type)) return PyErr_Format(PyExc_TypeError, "expected a front and a function");
  Front *f = PyObject_New(Front, front_type), *like = (Front *)args[0];
  if (!f) return nullptr;
  constexpr size_t head = offsetof(Front, vectorcall);
  memcpy((char *)f + head, (char *)like + head, sizeof(Front) - head);
  f->python = args[1];
  for (PyObject *x : {f->python, f->op, f->kernel, f->reference, f->finish, f->names, f->defaults, f->required, f->half_kernel,
                      f->common, f->mixed})
    Py_XINCREF(x);
  for (int i = 0; i < f->halves; i++) Py_INCREF(f->half[i]);
  for (int i = 0; i < f->accepted; i++) Py_INCREF(f->accept[i]);
  for (int i = 0; i < f->n_wide; i++) Py_INCREF(f->wide[i]);
  for (int i = 0; i < f->n_whole; i++) Py_INCREF(f->whole[i]);
  return (PyObject *)f;
}

bool among_names(PyObject *names, PyObject *name) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
    if (PyTuple_GET_ITEM(names, i) == name || !PyUnicode_Compare(PyTuple_GET_ITEM(names, i), name)) return true;
  return false;
}

// What a wrapper does when there is nothing to wrap: no mode, where it asks for one, and none of its names.
PyObject *call_through(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  Front *f = (Front *)self;
  PyObject *function = f->varargs && special() ? f->python : f->kernel;
  for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++)
    if (among_names(f->names, PyTuple_GET_ITEM(keywords, i))) function = f->python;
  return PyObject_Vectorcall(function, args, flags, keywords);
}

// through(wrapper, function, names, modes) -> a front of the wrapper: it calls the function itself unless one of the names
// is given or, with `modes`, a mode is active
PyObject *through(PyObject *, PyObject *args) {
  PyObject *wrapper, *function, *names;
  int modes;
  if (!PyArg_ParseTuple(args, "OOO!p", &wrapper, &function, &PyTuple_Type, &names, &modes)) return nullptr;
  Front *f = (Front *)stand_before(wrapper, call_through);
  if (!f) return nullptr;
  f->kernel = Py_NewRef(function);
  f->names = Py_NewRef(names);
  f->varargs = modes;
  return (PyObject *)f;
}

PyObject *get(PyObject *self, PyObject *object, PyObject *) {
  return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}

// To whoever asks, a front is the Python function behind it.
PyObject *getattr(PyObject *self, PyObject *name) {
  const char *text = PyUnicode_AsUTF8(name);
  if (text && (!strcmp(text, "__get__") || !strncmp(text, "__reduce", 8) || !strcmp(text, "__call__")))
    return PyObject_GenericGetAttr(self, name);
  if (text && !strcmp(text, "__python__")) return Py_NewRef(((Front *)self)->python);
  return PyObject_GetAttr(((Front *)self)->python, name);
}

int setattr(PyObject *self, PyObject *name, PyObject *value) { return PyObject_SetAttr(((Front *)self)->python, name, value); }

PyObject *repr(PyObject *self) { return PyObject_Repr(((Front *)self)->python); }

void dealloc(PyObject *self) {
  Front *f = (Front *)self;
  for (PyObject *x : {f->python, f->op, f->kernel, f->reference, f->finish, f->names, f->defaults, f->required, f->half_kernel,
                      f->common, f->mixed})
    Py_XDECREF(x);
  drop(f->half, f->halves);
  drop(f->accept, f->accepted);
  drop(f->wide, f->n_wide);
  drop(f->whole, f->n_whole);
  PyTypeObject *type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

// Pickled and copied by name, as functions are.
PyObject *reduce(PyObject *self, PyObject *) { return PyObject_GetAttrString(((Front *)self)->python, "__qualname__"); }

PyMethodDef front_methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {nullptr}};
PyMemberDef front_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(Front, vectorcall), READONLY, nullptr}, {nullptr}};

PyType_Slot slots[] = {{Py_tp_call, (void *)PyVectorcall_Call}, {Py_tp_descr_get, (void *)get},
                       {Py_tp_getattro, (void *)getattr},       {Py_tp_setattro, (void *)setattr},
                       {Py_tp_repr, (void *)repr},              {Py_tp_dealloc, (void *)dealloc},
                       {Py_tp_methods, front_methods},          {Py_tp_members, front_members},
                       {0, nullptr}};
PyType_Spec spec = {"rushlight._C.Front", sizeof(Front), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                    slots};

PyMethodDef methods[] = {
    {"front", front, METH_VARARGS, "front(python, op, ...) -> callable\n\nA native front of a Python entry: see entries.front."},
    {"through", through, METH_VARARGS, "through(wrapper, function, names, modes) -> a front of the wrapper"},
    {"front_like", (PyCFunction)(void (*)(void))front_like, METH_FASTCALL, "front_like(front, python) -> a front of another function"},
    {nullptr},
};

}  // namespace

PyObject *behind(PyObject *front) { return ((Front *)front)->python; }

PyObject *stand_before(PyObject *python, vectorcallfunc call) {
  Front *f = PyObject_New(Front, front_type);
  if (!f) return nullptr;
  memset((char *)f + offsetof(Front, vectorcall), 0, sizeof(Front) - offsetof(Front, vectorcall));
  f->vectorcall = call;
  f->python = Py_NewRef(python);
  return (PyObject *)f;
}

bool add_front(PyObject *module) {
  numpy = PyImport_ImportModule("numpy");
  front_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return numpy && front_type && PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
