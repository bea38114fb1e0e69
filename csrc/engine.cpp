// The inner loops of autograd/engine.py: the order of a walk backwards, the walk over nodes nobody hooked, and the call
// of a record's gradient formulas with what its node saved. Whatever is unusual goes to the Python functions, which do
// the same and are the reference.
#include "cell.h"
#include "outer.h"

#include <unordered_set>
#include <vector>

namespace rushlight {
namespace {

bool is_node(PyObject *n) { return Py_IS_TYPE(n, cell.node); }

// The edges of any kind of node: a tuple, as a new reference.
PyObject *edges_of(PyObject *n) {
  if (is_node(n)) return Py_NewRef(slot(n, cell.edges));
  if (Py_IS_TYPE(n, cell.pick)) return Py_NewRef(slot(n, cell.pick_edges));
  return PyObject_GetAttrString(n, "edges");
}

struct Frame {
  PyObject *node, *edges;
  Py_ssize_t next;
};

// topological(roots) -> list: depth first, each node after all it leads to. The same order as Python's.
PyObject *topological(PyObject *, PyObject *roots) {
  PyObject *order = PyList_New(0);
  std::unordered_set<PyObject *> seen;
  std::vector<Frame> stack;
  bool good = order && PyList_Check(roots);
  auto enter = [&](PyObject *n) {
    if (!seen.insert(n).second) return;
    PyObject *edges = edges_of(n);
    good = good && edges && PyTuple_Check(edges);
    if (good) stack.push_back({n, edges, 0});
    else Py_XDECREF(edges);
  };
  for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(roots); i++) {
    enter(PyList_GET_ITEM(roots, i));
    while (good && !stack.empty()) {
      Frame &top = stack.back();
      if (top.next == PyTuple_GET_SIZE(top.edges)) {
        good = PyList_Append(order, top.node) == 0;
        Py_DECREF(top.edges);
        stack.pop_back();
      } else {
        PyObject *e = PyTuple_GET_ITEM(top.edges, top.next++);
        if (e != Py_None) enter(e);
      }
    }
  }
  for (Frame &f : stack) Py_DECREF(f.edges);
  if (good) return order;
  Py_XDECREF(order);
  if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "topological: roots must be a list, edges tuples");
  return nullptr;
}

// ---- one walk --------------------------------------------------------------------------------------------------------

struct Walk {
  PyObject *pending;                        // node -> gradient
  PyObject *visit, *fit, *joined, *settle;  // Python's ways: visit(n, g), fit(g, edge), joined(a, b), settle(leaf, g, create)
  bool retain, create;
};

// Does the gradient's array have this shape and dtype?
bool fits(PyObject *array, PyObject *shape, PyObject *dtype) {
  PyArrayObject *a = (PyArrayObject *)array;
  if ((PyObject *)PyArray_DESCR(a) != dtype || PyTuple_GET_SIZE(shape) != PyArray_NDIM(a)) return false;
  for (int i = 0; i < PyArray_NDIM(a); i++)
    if (PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i)) != PyArray_DIM(a, i)) return false;
  return true;
}

bool fits_edge(PyObject *array, PyObject *e) {
  if (is_node(e)) return fits(array, slot(e, cell.shape), slot(e, cell.dtype));
  if (Py_IS_TYPE(e, cell.leaf)) return fits(array, slot(e, cell.leaf_shape), slot(e, cell.leaf_dtype));
  return Py_IS_TYPE(e, cell.pick) && fits(array, slot(e, cell.pick_shape), slot(e, cell.pick_dtype));
}

// A gradient (stolen) as a tensor, computed if it was not yet.
PyObject *computed(PyObject *g) {
  if (g && is_outer(g)) Py_SETREF(g, outer_tensor(g));
  return g;
}

// Put a gradient (stolen) with what is pending for a node.
bool deliver(Walk &w, PyObject *e, PyObject *g) {
  if (is_outer(g)) {
    bool first = PyDict_GetItemWithError(w.pending, e) == nullptr;
    if (first && !PyErr_Occurred()) {
      bool good = PyDict_SetItem(w.pending, e, g) == 0;
      Py_DECREF(g);
      return good;
    }
    if (!(g = computed(g))) return false;
  }
  PyObject *x = is_plain_tensor(g) ? slot(g, cell.data) : nullptr;
  bool usual = x && PyArray_CheckExact(x);
  if (!usual || !fits_edge(x, e)) Py_SETREF(g, PyObject_CallFunctionObjArgs(w.fit, g, e, nullptr));
  if (!g) return false;
  PyObject *old = PyDict_GetItemWithError(w.pending, e);
  if (old) {
    if (!(old = computed(Py_NewRef(old)))) {
      Py_DECREF(g);
      return false;
    }
    bool plain = is_plain_tensor(g) && is_plain_tensor(old);
    PyObject *sum = plain ? PyNumber_Add(old, g) : PyObject_CallFunctionObjArgs(w.joined, old, g, nullptr);
    Py_DECREF(old);
    Py_SETREF(g, sum);
  } else if (PyErr_Occurred()) {
    Py_CLEAR(g);
  }
  bool good = g && PyDict_SetItem(w.pending, e, g) == 0;
  Py_XDECREF(g);
  return good;
}

// Drop what a node saved, if that were tensors; 1: done, 0: Python's `release` shall look, -1 never.
bool release(PyObject *n) {
  PyObject *saved = slot(n, cell.saved);
  if (!PyTuple_Check(saved)) return saved == Py_None;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(saved); i++) {
    PyObject *entry = PyTuple_GET_ITEM(saved, i);
    if (entry == Py_None) continue;
    if (!PyTuple_Check(entry)) return false;
    Py_ssize_t size = PyTuple_GET_SIZE(entry);
    if (size > 2 || (size == 1 && PyList_CheckExact(PyTuple_GET_ITEM(entry, 0)))) {
      slot(n, cell.saved) = Py_NewRef(Py_None);
      Py_DECREF(saved);
      return true;
    }
  }
  return PyTuple_GET_SIZE(saved) > 0;
}

PyObject *linear;                    // the record whose second tensor's gradient may be computed later
thread_local PyObject *may_be_late;  // the node of it that is just being passed

// A node without hooks and with one output. Steals g.
bool pass(Walk &w, PyObject *n, PyObject *g, PyObject *python_release) {
  PyObject *edges = Py_NewRef(slot(n, cell.edges)), *op = slot(n, cell.op);
  Py_ssize_t count = PyTuple_GET_SIZE(edges);
  PyObject *need = PyList_New(count);
  for (Py_ssize_t i = 0; i < count; i++)
    PyList_SET_ITEM(need, i, Py_NewRef(PyTuple_GET_ITEM(edges, i) == Py_None ? Py_False : Py_True));
  static PyObject *name = PyUnicode_InternFromString("backward");
  PyObject *backward = PyObject_GetAttr(op, name);
  PyObject *stack[4] = {nullptr, n, g, need};
  may_be_late = op == linear && !w.create && !special() ? n : nullptr;
  PyObject *found = backward ? PyObject_Vectorcall(backward, stack + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr) : nullptr;
  may_be_late = nullptr;
  Py_XDECREF(backward);
  Py_DECREF(need);
  Py_DECREF(g);
  bool good = found != nullptr;
  if (good && !w.retain && !release(n)) {
    PyObject *done = PyObject_CallOneArg(python_release, n);
    good = done != nullptr;
    Py_XDECREF(done);
  }
  PyObject *gs = good ? PySequence_Fast(found, "a backward must return a sequence of gradients") : nullptr;
  Py_XDECREF(found);
  good = gs != nullptr;
  Py_ssize_t given = good ? PySequence_Fast_GET_SIZE(gs) : 0;
  for (Py_ssize_t i = 0; good && i < count && i < given; i++) {
    PyObject *e = PyTuple_GET_ITEM(edges, i), *ge = PySequence_Fast_GET_ITEM(gs, i);
    if (e != Py_None && ge != Py_None) good = deliver(w, e, Py_NewRef(ge));
  }
  Py_XDECREF(gs);
  Py_DECREF(edges);
  return good;
}

// May the leaf keep this very gradient: does nobody else see it or its memory?
bool ours(PyObject *g) {
  if (!is_plain_tensor(g) || Py_REFCNT(g) != 1) return false;
  PyObject *x = slot(g, cell.data);
  return PyArray_CheckExact(x) && Py_REFCNT(x) == 1 && !PyArray_BASE((PyArrayObject *)x) &&
         PyArray_IS_C_CONTIGUOUS((PyArrayObject *)x) && slot(g, cell.view) == Py_None;
}

// Steals g.
bool come_to_rest(Walk &w, PyObject *leaf, PyObject *g) {
  bool late = is_outer(g);
  if (!w.create && (late || ours(g))) {
    PyObject *t = PyObject_CallNoArgs(slot(leaf, cell.leaf_tensor));
    if (t && is_plain_tensor(t) && (!slot(t, cell.grad) || slot(t, cell.grad) == Py_None)) {
      if (!late) Py_SETREF(slot(g, cell.node_), Py_NewRef(Py_None));
      PyObject *old = slot(t, cell.grad);
      slot(t, cell.grad) = g;
      Py_XDECREF(old);
      Py_DECREF(t);
      return true;
    }
    Py_XDECREF(t);
  }
  if (!(g = computed(g))) return false;
  PyObject *done = PyErr_Occurred() ? nullptr
                                    : PyObject_CallFunctionObjArgs(w.settle, leaf, g, w.create ? Py_True : Py_False, nullptr);
  Py_DECREF(g);
  Py_XDECREF(done);
  return done != nullptr;
}

// walk(order, pending, (visit, fit, joined, settle, release), retain, create): all of `order`, last first.
PyObject *walk(PyObject *, PyObject *args) {
  PyObject *order, *python_release;
  int retain, create;
  Walk w;
  if (!PyArg_ParseTuple(args, "O!O!(OOOOO)pp", &PyList_Type, &order, &PyDict_Type, &w.pending, &w.visit, &w.fit, &w.joined,
                        &w.settle, &python_release, &retain, &create))
    return nullptr;
  w.retain = retain;
  w.create = create;
  while (Py_ssize_t left = PyList_GET_SIZE(order)) {
    PyObject *n = Py_NewRef(PyList_GET_ITEM(order, left - 1));
    bool good = PyList_SetSlice(order, left - 1, left, nullptr) == 0;
    PyObject *g = good ? PyDict_GetItemWithError(w.pending, n) : nullptr;
    if (g) {
      Py_INCREF(g);
      good = PyDict_DelItem(w.pending, n) == 0;
      if (good && is_node(n) && slot(n, cell.hooks) == Py_None && !PyDict_CheckExact(g)) {
        good = pass(w, n, g, python_release);
      } else if (good && Py_IS_TYPE(n, cell.leaf) && slot(n, cell.leaf_hooks) == Py_None) {
        good = come_to_rest(w, n, g);
      } else {
        g = computed(g);
        PyObject *done = good && g ? PyObject_CallFunctionObjArgs(w.visit, n, g, nullptr) : nullptr;
        Py_XDECREF(g);
        Py_XDECREF(done);
        good = done != nullptr;
      }
    } else if (PyErr_Occurred()) {
      good = false;
    }
    Py_DECREF(n);
    if (!good) return nullptr;
  }
  Py_RETURN_NONE;
}

// ---- gradient formulas -----------------------------------------------------------------------------------------------

enum Source { TENSOR, RESULT, PARAM, NEED, META };  // as in _core/op.py

// What a saved input is now; null without an error: Python shall say.
PyObject *unpack(PyObject *entry, PyObject *edge) {
  if (entry == Py_None) return Py_NewRef(Py_None);
  if (!PyTuple_CheckExact(entry)) return nullptr;
  if (PyTuple_GET_SIZE(entry) == 1) {
    PyObject *value = PyTuple_GET_ITEM(entry, 0);
    return PyList_CheckExact(value) ? nullptr : Py_NewRef(value);
  }
  if (PyTuple_GET_SIZE(entry) != 3) return nullptr;
  PyObject *t = PyTuple_GET_ITEM(entry, 0), *data = PyTuple_GET_ITEM(entry, 1);
  if (!is_plain_tensor(t) || !PyArray_CheckExact(data)) return nullptr;
  PyObject *version = version_of(t);
  Py_DECREF(version);
  if (version != PyTuple_GET_ITEM(entry, 2)) return nullptr;  // a small number is one object; else Python compares
  if (slot(t, cell.data) == data) {
    PyObject *live = node_of(t);
    Py_XDECREF(live);
    if (!live) return nullptr;
    if (live == edge) return Py_NewRef(t);
  }
  PyObject *fresh = new_tensor(Py_NewRef(data));
  if (fresh) Py_SETREF(slot(fresh, cell.node_), Py_NewRef(edge));
  return fresh;
}

PyTypeObject *meta_type;
Py_ssize_t meta_shape, meta_dtype;

// Shape and dtype of a saved input, as _core/op.py's Meta.
PyObject *unpack_meta(PyObject *entry) {
  if (!PyTuple_CheckExact(entry)) return nullptr;
  Py_ssize_t kept = PyTuple_GET_SIZE(entry);
  PyObject *data = kept == 3 ? PyTuple_GET_ITEM(entry, 1) : nullptr;
  if (kept != 2 && !(data && PyArray_CheckExact(data))) return nullptr;
  PyObject *shape = data ? shape_of(data) : Py_NewRef(PyTuple_GET_ITEM(entry, 0));
  PyObject *meta = shape ? meta_type->tp_alloc(meta_type, 0) : nullptr;
  if (!meta) return nullptr;
  slot(meta, meta_shape) = shape;
  slot(meta, meta_dtype) = Py_NewRef(data ? (PyObject *)PyArray_DESCR((PyArrayObject *)data) : PyTuple_GET_ITEM(entry, 1));
  return meta;
}

PyObject *set_meta(PyObject *, PyObject *type) {
  meta_type = (PyTypeObject *)Py_NewRef(type);
  meta_shape = offset_of(type, "shape");
  meta_dtype = offset_of(type, "dtype_");
  if (meta_shape < 0 || meta_dtype < 0) return nullptr;
  Py_RETURN_NONE;
}

PyObject *set_outer(PyObject *, PyObject *op) {
  linear = Py_NewRef(op);
  Py_RETURN_NONE;
}

// A saved result, the only output of its node.
PyObject *unpack_result(PyObject *entry, PyObject *node) {
  if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 3) return nullptr;
  PyObject *version = PyTuple_GET_ITEM(entry, 0), *data = PyTuple_GET_ITEM(entry, 1);
  if (!PyList_CheckExact(version) || PyList_GET_ITEM(version, 0) != PyTuple_GET_ITEM(entry, 2)) return nullptr;
  PyObject *t = new_tensor(Py_NewRef(data));
  if (t) Py_SETREF(slot(t, cell.node_), Py_NewRef(node));
  return t;
}

npy_intp last_dim(PyObject *a) { return PyArray_DIM((PyArrayObject *)a, PyArray_NDIM((PyArrayObject *)a) - 1); }

// The gradient of a weight that is a leaf without one, as the product it is; null without an error: as always.
PyObject *late_gradient(PyObject *node, PyObject *g) {
  PyObject *leaf = PyTuple_GET_ITEM(slot(node, cell.edges), 1), *input = PyTuple_GET_ITEM(slot(node, cell.saved), 0);
  if (!Py_IS_TYPE(leaf, cell.leaf) || slot(leaf, cell.leaf_hooks) != Py_None || !is_plain_tensor(g)) return nullptr;
  PyObject *x = unpack(input, PyTuple_GET_ITEM(slot(node, cell.edges), 0));
  if (!x || !is_plain_tensor(x)) {
    Py_XDECREF(x);
    return nullptr;
  }
  PyObject *weight = PyObject_CallNoArgs(slot(leaf, cell.leaf_tensor)), *late = nullptr;
  if (weight && is_plain_tensor(weight) && (!slot(weight, cell.grad) || slot(weight, cell.grad) == Py_None)) {
    PyObject *dy = slot(g, cell.data), *data = slot(x, cell.data), *w = slot(weight, cell.data);
    PyObject *dtype = slot(leaf, cell.leaf_dtype);
    if (PyArray_CheckExact(dy) && PyArray_CheckExact(data) && PyArray_CheckExact(w) && plain(w) &&
        PyArray_NDIM((PyArrayObject *)w) == 2 && (PyObject *)PyArray_DESCR((PyArrayObject *)w) == dtype &&
        PyArray_NDIM((PyArrayObject *)dy) && PyArray_NDIM((PyArrayObject *)data) &&
        last_dim(dy) == PyArray_DIM((PyArrayObject *)w, 0) && last_dim(data) == PyArray_DIM((PyArrayObject *)w, 1) &&
        (PyObject *)PyArray_DESCR((PyArrayObject *)dy) == dtype)
      late = new_outer(dy, data);
  }
  Py_XDECREF(weight);
  Py_DECREF(x);
  return late;
}

// formulas(node, g, need) with self = (count, several outputs?, joint?, functions, plans, Python's backward).
PyObject *formulas(PyObject *self, PyObject *const *args, Py_ssize_t given) {
  PyObject *python = PyTuple_GET_ITEM(self, 5);
  if (given != 3 || !is_node(args[0]) || !PyTuple_CheckExact(slot(args[0], cell.saved)) || !PyList_CheckExact(args[2]))
    return PyObject_Vectorcall(python, args, (size_t)given, nullptr);
  PyObject *node = args[0], *saved = slot(node, cell.saved), *edges = slot(node, cell.edges), *params = slot(node, cell.params);
  Py_ssize_t count = PyLong_AsSsize_t(PyTuple_GET_ITEM(self, 0));
  bool several = PyTuple_GET_ITEM(self, 1) == Py_True, joint = PyTuple_GET_ITEM(self, 2) == Py_True;
  PyObject *functions = PyTuple_GET_ITEM(self, 3), *plans = PyTuple_GET_ITEM(self, 4);
  PyObject *result = joint ? nullptr : PyTuple_New(count);
  bool unusual = false, good = joint || result, late = may_be_late == node;
  may_be_late = nullptr;
  for (Py_ssize_t k = 0; good && k < PyTuple_GET_SIZE(functions); k++) {
    PyObject *function = PyTuple_GET_ITEM(functions, k);
    if (!joint && (function == Py_None || PyList_GET_ITEM(args[2], k) != Py_True)) {
      PyTuple_SET_ITEM(result, k, Py_NewRef(Py_None));
      continue;
    }
    if (k == 1 && late) {
      PyObject *product = late_gradient(node, args[1]);
      if (product) {
        PyTuple_SET_ITEM(result, k, product);
        continue;
      }
      if (PyErr_Occurred()) {
        good = false;
        break;
      }
    }
    PyObject *plan = PyTuple_GET_ITEM(plans, k), *stack[18];
    Py_ssize_t n = PyTuple_GET_SIZE(plan), filled = 2;
    stack[1] = args[1];
    if (n > 16) unusual = true;
    for (Py_ssize_t i = 0; !unusual && i < n; i++) {
      PyObject *pair = PyTuple_GET_ITEM(plan, i);
      long source = PyLong_AsLong(PyTuple_GET_ITEM(pair, 0));
      Py_ssize_t at = PyLong_AsSsize_t(PyTuple_GET_ITEM(pair, 1));
      PyObject *value = nullptr;
      if (source == TENSOR) {
        value = unpack(PyTuple_GET_ITEM(saved, at), PyTuple_GET_ITEM(edges, at));
      } else if (source == META) {
        value = unpack_meta(PyTuple_GET_ITEM(saved, at));
      } else if (source == PARAM) {
        value = Py_NewRef(PyTuple_GET_ITEM(params, at));
      } else if (source == NEED) {
        value = Py_NewRef(args[2]);
      } else if (source == RESULT && !several && count < PyTuple_GET_SIZE(saved)) {
        value = unpack_result(PyTuple_GET_ITEM(saved, count), node);
      }
      if (value) stack[filled++] = value;
      else unusual = true;
    }
    PyObject *one = unusual ? nullptr
                            : PyObject_Vectorcall(function, stack + 1, (size_t)(filled - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    for (Py_ssize_t i = 2; i < filled; i++) Py_DECREF(stack[i]);
    good = one != nullptr;
    if (joint) result = one;
    else if (one) PyTuple_SET_ITEM(result, k, one);
  }
  if (good) return result;
  Py_XDECREF(result);
  if (PyErr_Occurred()) return nullptr;
  return PyObject_Vectorcall(python, args, (size_t)given, nullptr);
}

PyMethodDef formulas_def = {"backward", (PyCFunction)(void (*)(void))formulas, METH_FASTCALL,
                            "backward(node, g, need)\n\nThe gradients of a node's inputs."};

// backward(count, several, joint, functions, plans, python) -> callable
PyObject *backward(PyObject *, PyObject *args) {
  if (PyTuple_GET_SIZE(args) != 6) return PyErr_Format(PyExc_TypeError, "backward takes six arguments");
  return PyCFunction_New(&formulas_def, args);
}

PyMethodDef methods[] = {
    {"topological", topological, METH_O, "topological(roots) -> list\n\nThe nodes roots lead to, each after all it leads to."},
    {"set_meta", set_meta, METH_O, "set_meta(Meta)\n\nThe class of what is kept of an input's shape and dtype."},
    {"set_outer", set_outer, METH_O, "set_outer(op)\n\nThe record x A^T, whose gradient in A may be computed later."},
    {"walk", walk, METH_VARARGS, "walk(order, pending, python, retain, create)\n\nSend the pending gradients back."},
    {"backward", backward, METH_VARARGS, "backward(count, several, joint, functions, plans, python) -> callable"},
    {nullptr},
};

}  // namespace

bool add_engine(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
