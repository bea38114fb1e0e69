// Where the slots of Tensor, Node, Leaf, Pick and State are, and how a tensor or a node is made without Python code.
#include "cell.h"

namespace rushlight {

Cell cell;

Py_ssize_t offset_of(PyObject *type, const char *name) {
  PyObject *found = PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, name);
  if (!found || !Py_IS_TYPE(found, &PyMemberDescr_Type)) {
    PyErr_Format(PyExc_TypeError, "%R has no slot '%s'", type, name);
    return -1;
  }
  return ((PyMemberDescrObject *)found)->d_member->offset;
}

namespace {

struct Slot {
  PyObject *type;
  const char *name;
  Py_ssize_t *offset;
};

PyObject *set_cell(PyObject *, PyObject *args) {
  PyObject *tensor, *parameter, *node, *leaf, *pick, *state, *thread, *live, *check, *fresh;
  if (!PyArg_ParseTuple(args, "OOOOOOOOOO", &tensor, &parameter, &node, &leaf, &pick, &state, &thread, &live, &check, &fresh))
    return nullptr;
  PyObject *kind = (PyObject *)Py_TYPE(state);
  const Slot slots[] = {
      {tensor, "_data", &cell.data},      {tensor, "_node", &cell.node_},    {tensor, "_ver", &cell.ver},
      {tensor, "_view", &cell.view},      {tensor, "_seen", &cell.seen},     {tensor, "_grad", &cell.grad},
      {node, "op", &cell.op},             {node, "edges", &cell.edges},      {node, "saved", &cell.saved},
      {node, "shape", &cell.shape},       {node, "dtype", &cell.dtype},      {node, "params", &cell.params},
      {node, "hooks", &cell.hooks},       {leaf, "shape", &cell.leaf_shape}, {leaf, "dtype", &cell.leaf_dtype},
      {leaf, "hooks", &cell.leaf_hooks},  {leaf, "tensor", &cell.leaf_tensor}, {pick, "node", &cell.pick_node},
      {pick, "index", &cell.pick_index},  {pick, "edges", &cell.pick_edges}, {pick, "shape", &cell.pick_shape},
      {pick, "dtype", &cell.pick_dtype},  {pick, "hooks", &cell.pick_hooks}, {kind, "special", &cell.special},
      {kind, "grad", &cell.grad_on},         {kind, "inference", &cell.inference},
  };
  for (const Slot &s : slots)
    if ((*s.offset = offset_of(s.type, s.name)) < 0) return nullptr;
  cell.tensor = (PyTypeObject *)Py_NewRef(tensor);
  cell.parameter = (PyTypeObject *)Py_NewRef(parameter);
  cell.node = (PyTypeObject *)Py_NewRef(node);
  cell.leaf = (PyTypeObject *)Py_NewRef(leaf);
  cell.pick = (PyTypeObject *)Py_NewRef(pick);
  cell.state = Py_NewRef(state);
  cell.thread = Py_NewRef(thread);
  cell.live_node = Py_NewRef(live);
  cell.check_version = Py_NewRef(check);
  cell.fresh_version = Py_NewRef(fresh);
  cell.zero = PyLong_FromLong(0);
  cell.one = PyLong_FromLong(1);
  cell.grad_name = PyUnicode_InternFromString("grad");
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"set_cell", set_cell, METH_VARARGS,
     "set_cell(Tensor, Parameter, Node, Leaf, Pick, state, thread, live_node, check_version, fresh_version)\n\nTell C++ where the slots are."},
    {nullptr},
};

// Do two version numbers agree? Small ones are one object.
bool same_number(PyObject *a, PyObject *b) {
  return a == b || PyLong_AsLong(a) == PyLong_AsLong(b);
}

}  // namespace

PyObject *node_of(PyObject *t) {
  if (slot(t, cell.view) != Py_None) {
    PyObject *seen = slot(t, cell.seen);
    if (!same_number(seen, PyList_GET_ITEM(slot(t, cell.ver), 0)) && PyLong_AsLong(seen) >= 0)
      return PyObject_CallOneArg(cell.live_node, t);
  }
  return Py_NewRef(slot(t, cell.node_));
}

PyObject *shape_of(PyObject *array) {
  PyArrayObject *a = (PyArrayObject *)array;
  int n = PyArray_NDIM(a);
  PyObject *shape = PyTuple_New(n);
  if (!shape) return nullptr;
  for (int i = 0; i < n; i++) {
    PyObject *size = PyLong_FromSsize_t(PyArray_DIM(a, i));
    if (!size) {
      Py_DECREF(shape);
      return nullptr;
    }
    PyTuple_SET_ITEM(shape, i, size);
  }
  return shape;
}

PyObject *new_tensor(PyObject *array) {
  if (!array) return nullptr;
  PyObject *t = cell.tensor->tp_alloc(cell.tensor, 0);
  if (!t) {
    Py_DECREF(array);
    return nullptr;
  }
  slot(t, cell.data) = array;
  put(t, cell.node_, Py_None);
  put(t, cell.view, Py_None);
  if (slot(cell.state, cell.inference) == cell.zero) {
    put(t, cell.ver, Py_None);
  } else if (!(slot(t, cell.ver) = PyObject_CallNoArgs(cell.fresh_version))) {
    Py_CLEAR(t);
  }
  return t;
}

PyObject *new_node(PyObject *op, PyObject *edges, PyObject *saved, PyObject *array, PyObject *params) {
  PyObject *shape = edges && saved ? shape_of(array) : nullptr;
  PyObject *n = shape ? cell.node->tp_alloc(cell.node, 0) : nullptr;
  if (!n) {
    Py_XDECREF(edges);
    Py_XDECREF(saved);
    Py_XDECREF(shape);
    return nullptr;
  }
  put(n, cell.op, op);
  slot(n, cell.edges) = edges;
  slot(n, cell.saved) = saved;
  slot(n, cell.shape) = shape;
  put(n, cell.dtype, (PyObject *)PyArray_DESCR((PyArrayObject *)array));
  put(n, cell.params, params);
  put(n, cell.hooks, Py_None);
  return n;
}

PyObject *as_array(PyObject *result) {
  if (!result || PyArray_CheckExact(result)) return result;
  return PyArray_EnsureArray(result);  // steals
}

bool add_cell(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
