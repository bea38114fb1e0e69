// Tensor and Node as C++ sees them: Python classes with __slots__, whose places C++ reads from their descriptors. The
// classes stay in Python (_core/tensor.py); only the hot code that fills them has a twin here.
#pragma once

#include "arrays.h"

#include <structmember.h>

namespace rushlight {

struct Cell {
  PyTypeObject *tensor, *parameter, *node, *leaf, *pick;
  Py_ssize_t data, node_, ver, view, seen, grad;                      // of a Tensor
  Py_ssize_t op, edges, saved, shape, dtype, params, hooks;           // of a Node
  Py_ssize_t leaf_shape, leaf_dtype, leaf_hooks, leaf_tensor;         // of a Leaf
  Py_ssize_t pick_node, pick_index, pick_edges, pick_shape, pick_dtype, pick_hooks;
  PyObject *state, *thread, *live_node, *check_version;
  Py_ssize_t special, grad_on, inference;                             // of the State
  PyObject *fresh_version;                                            // what a new tensor's counter is in inference mode
  PyObject *zero, *one, *grad_name;                                   // 0, 1, "grad"
};
extern Cell cell;  // valid once Python has called set_cell

Py_ssize_t offset_of(PyObject *type, const char *name);  // of a __slots__ entry; -1 with an error
inline PyObject *&slot(PyObject *o, Py_ssize_t offset) { return *(PyObject **)((char *)o + offset); }

inline void put(PyObject *o, Py_ssize_t offset, PyObject *value) {  // a new object's slot; keeps a reference
  slot(o, offset) = Py_NewRef(value);
}

inline bool is_plain_tensor(PyObject *t) { return Py_TYPE(t) == cell.tensor || Py_TYPE(t) == cell.parameter; }

// Is a mode active, so that every call takes the general path?
// Inference mode is one, but what is here knows it.
inline bool special() { return slot(cell.state, cell.special) != slot(cell.state, cell.inference); }

// Was the tensor made in inference mode, so that its counter is no plain list?
inline bool is_inference(PyObject *t) {
  PyObject *ver = slot(t, cell.ver);
  return ver != Py_None && !PyList_CheckExact(ver);
}

// Is gradient recording on in this thread? -1 with an error.
inline int grad_on() {
  if (slot(cell.state, cell.grad_on) == Py_True) return 1;
  PyObject *on = PyObject_GetAttr(cell.thread, cell.grad_name);
  if (!on) return -1;
  Py_DECREF(on);
  return on == Py_True;
}

// The node of a tensor as a new reference, None without history; re-derived for a stale view.
PyObject *node_of(PyObject *t);

// The tensor's version number as a new reference.
inline PyObject *version_of(PyObject *t) {
  PyObject *ver = slot(t, cell.ver);
  return Py_NewRef(ver == Py_None ? cell.zero : PyList_GET_ITEM(ver, 0));
}

PyObject *shape_of(PyObject *array);                          // a tuple
PyObject *new_tensor(PyObject *array);                        // steals the array; no history
PyObject *new_node(PyObject *op, PyObject *edges, PyObject *saved, PyObject *array, PyObject *params);  // steals the two
PyObject *as_array(PyObject *result);                         // steals: an exact ndarray from what a kernel returned

bool usual_float();  // is the default dtype float32?
PyObject *stand_before(PyObject *python, vectorcallfunc call);  // a front (front.cpp) that answers by `call`
PyObject *behind(PyObject *front);                              // the Python function, borrowed

bool add_cell(PyObject *module);
bool add_create(PyObject *module);
bool add_facts(PyObject *module);
bool add_grid(PyObject *module);
bool add_points(PyObject *module);
bool add_quotients(PyObject *module);
bool add_front(PyObject *module);
bool add_engine(PyObject *module);

}  // namespace rushlight
