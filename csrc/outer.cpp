#include "outer.h"

#include "cell.h"
#include "gemm.h"

#include <algorithm>

namespace rushlight {
namespace {

constexpr size_t WORTH = 1 << 15;  // elements of the product
constexpr size_t SMALLER = 8;      // times as many as g and x have together
constexpr size_t BLOCK = 1 << 16;  // elements of a block

struct Outer {
  PyObject_HEAD
  PyObject *g, *x;  // arrays; null once the tensor is made
  PyObject *made;   // the tensor, or null
};

PyTypeObject *outer_type;

size_t last_dim(PyObject *a) {
  PyArrayObject *x = (PyArrayObject *)a;
  return (size_t)PyArray_DIM(x, PyArray_NDIM(x) - 1);
}

template <typename T> void multiply(const OuterView &o, size_t row, size_t rows, size_t column, size_t columns, T *to) {
  gemm<T>(rows, columns, o.rows, (const T *)o.g + row, 1, (ptrdiff_t)o.outputs, (const T *)o.x + column, (ptrdiff_t)o.inputs, 1,
          to, (ptrdiff_t)columns, nullptr);
}

PyObject *whole(const OuterView &o) {
  npy_intp dims[2] = {(npy_intp)o.outputs, (npy_intp)o.inputs};
  PyObject *out = new_array(2, dims, o.type);
  if (!out) return nullptr;
  void *to = data_of<void>(out);
  Py_BEGIN_ALLOW_THREADS
  outer_compute(o, 0, o.outputs, 0, o.inputs, to);
  Py_END_ALLOW_THREADS
  return out;
}

PyObject *tensor(PyObject *self, PyObject *) { return outer_tensor(self); }

void dealloc(PyObject *self) {
  Outer *o = (Outer *)self;
  Py_XDECREF(o->g);
  Py_XDECREF(o->x);
  Py_XDECREF(o->made);
  PyTypeObject *type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyMethodDef outer_methods[] = {{"tensor", tensor, METH_NOARGS, "tensor() -> Tensor\n\nThe product, computed at the first call."},
                               {nullptr}};
PyType_Slot slots[] = {{Py_tp_dealloc, (void *)dealloc}, {Py_tp_methods, outer_methods}, {0, nullptr}};
PyType_Spec spec = {"rushlight._C.Outer", sizeof(Outer), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

bool is_outer(PyObject *o) { return Py_IS_TYPE(o, outer_type); }

PyObject *new_outer(PyObject *g, PyObject *x) {
  int type = type_of(g);
  if ((type != NPY_FLOAT32 && type != NPY_FLOAT64) || type_of(x) != type || !PyArray_NDIM((PyArrayObject *)g) ||
      !PyArray_NDIM((PyArrayObject *)x) || !size_of(g) || !size_of(x))
    return nullptr;
  size_t outputs = last_dim(g), inputs = last_dim(x), elements = outputs * inputs;
  if (size_of(g) / outputs != size_of(x) / inputs || outputs < 16 || elements < WORTH ||
      (size_of(g) + size_of(x)) * SMALLER > elements)
    return nullptr;
  Outer *o = PyObject_New(Outer, outer_type);
  if (!o) return nullptr;
  o->made = nullptr;
  o->g = new_copy(g);
  o->x = new_copy(x);
  if (!o->g || !o->x) Py_CLEAR(o);
  return (PyObject *)o;
}

bool outer_waits(PyObject *outer, OuterView &view) {
  Outer *o = (Outer *)outer;
  if (o->made) return false;
  size_t outputs = last_dim(o->g);
  view = {type_of(o->g), size_of(o->g) / outputs, outputs, last_dim(o->x), data_of<void>(o->g), data_of<void>(o->x), {o->g, o->x}};
  return true;
}

PyObject *outer_tensor(PyObject *outer) {
  Outer *o = (Outer *)outer;
  OuterView view;
  if (outer_waits(outer, view)) {
    PyObject *g = Py_NewRef(o->g), *x = Py_NewRef(o->x);  // another thread may be as far
    PyObject *made = new_tensor(whole(view));
    Py_DECREF(g);
    Py_DECREF(x);
    if (!made) return nullptr;
    if (o->made) {
      Py_DECREF(made);
    } else {
      o->made = made;
      Py_CLEAR(o->g);
      Py_CLEAR(o->x);
    }
  }
  return Py_NewRef(o->made);
}

void outer_block(const OuterView &o, size_t &rows, size_t &columns) {
  columns = std::min<size_t>(o.inputs, o.rows > 16 ? 512 : 1024);  // x is packed again for each block of rows
  rows = std::max<size_t>(16, BLOCK / columns / 16 * 16);
}

void outer_compute(const OuterView &o, size_t row, size_t rows, size_t column, size_t columns, void *to) {
  if (o.type == NPY_FLOAT32) multiply(o, row, rows, column, columns, (float *)to);
  else multiply(o, row, rows, column, columns, (double *)to);
}

bool add_outer(PyObject *module) {
  outer_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return outer_type && PyModule_AddObjectRef(module, "Outer", (PyObject *)outer_type) == 0;
}

}  // namespace rushlight
