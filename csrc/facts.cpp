// What a tensor says of itself (shape, dtype, strides, flags), and torch.Size: read from its array, without a Python frame.
// Each answers for plain tensors around NumPy arrays; what else comes is the Python property's or function's behind it.
#include <cstring>

#include "cell.h"

namespace rushlight {
namespace {

PyTypeObject *size_type;

// A new torch.Size of these numbers.
PyObject *size_from(int n, const npy_intp *numbers) {
  PyObject *size = size_type->tp_alloc(size_type, n);
  for (int i = 0; size && i < n; i++) {
    PyObject *number = PyLong_FromSsize_t(numbers[i]);
    if (!number) Py_CLEAR(size);
    else PyTuple_SET_ITEM(size, i, number);
  }
  return size;
}

PyObject *size_of_tuple(PyTypeObject *type, PyObject *tuple) {
  Py_ssize_t n = PyTuple_GET_SIZE(tuple);
  PyObject *size = type->tp_alloc(type, n);
  for (Py_ssize_t i = 0; size && i < n; i++) PyTuple_SET_ITEM(size, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  return size;
}

// ---- torch.Size ------------------------------------------------------------------------------------------------------

// Size(tuple of plain ints); the rest is done by the __new__ of the reference.
PyObject *size_call(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords) {
  Py_ssize_t n = PyVectorcall_NARGS(flags), named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  bool plain = n == 1 && !named && PyTuple_CheckExact(args[0]);
  for (Py_ssize_t i = 0; plain && i < PyTuple_GET_SIZE(args[0]); i++) plain = PyLong_CheckExact(PyTuple_GET_ITEM(args[0], i));
  if (plain) return size_of_tuple((PyTypeObject *)type, args[0]);
  PyObject *given = PyTuple_New(n), *others = named ? PyDict_New() : nullptr, *made = nullptr;
  for (Py_ssize_t i = 0; given && i < n; i++) PyTuple_SET_ITEM(given, i, Py_NewRef(args[i]));
  bool good = given && (others || !named);
  for (Py_ssize_t i = 0; good && i < named; i++) good = !PyDict_SetItem(others, PyTuple_GET_ITEM(keywords, i), args[n + i]);
  if (good) made = PyType_Type.tp_call(type, given, others);
  Py_XDECREF(given);
  Py_XDECREF(others);
  return made;
}

PyObject *size_item(PyObject *self, PyObject *index) {
  PyObject *item = PyTuple_Type.tp_as_mapping->mp_subscript(self, index);
  if (!item || !PySlice_Check(index)) return item;
  PyObject *piece = size_of_tuple(size_type, item);
  Py_DECREF(item);
  return piece;
}

void size_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyTuple_Type.tp_dealloc(self);
  Py_DECREF(type);
}

PyType_Slot size_slots[] = {{Py_tp_dealloc, (void *)size_dealloc}, {Py_mp_subscript, (void *)size_item}, {0, nullptr}};
PyType_Spec size_spec = {"rushlight._C.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, size_slots};

// size_class(reference) -> the same class with its indexing here
PyObject *size_class(PyObject *, PyObject *reference) {
  PyObject *bases = PyTuple_Pack(1, &PyTuple_Type);
  PyObject *made = bases ? PyType_FromSpecWithBases(&size_spec, bases) : nullptr;
  Py_XDECREF(bases);
  if (!made) return nullptr;
  PyObject *name, *value;
  for (Py_ssize_t i = 0; PyDict_Next(((PyTypeObject *)reference)->tp_dict, &i, &name, &value);) {
    const char *text = PyUnicode_AsUTF8(name);
    if (strcmp(text, "__getitem__") && PyObject_SetAttr(made, name, value) < 0) return nullptr;
  }
  PyObject *qualified = PyType_GetQualName((PyTypeObject *)reference);
  if (!qualified || PyObject_SetAttrString(made, "__qualname__", qualified) < 0) return nullptr;
  Py_DECREF(qualified);
  size_type = (PyTypeObject *)Py_NewRef(made);
  size_type->tp_vectorcall = size_call;
  return made;
}

// ---- dtypes and devices ----------------------------------------------------------------------------------------------

constexpr int NUMBERED = 512;  // NumPy's numbers for dtypes, ml_dtypes' among them, are below
struct Named {
  PyArray_Descr *numpy;
  PyObject *ours;
};
Named named[NUMBERED];
PyObject *cpu, *strided;

// The dtype of an array (borrowed); null where it is not the usual object for its type (another byte order, say).
PyObject *dtype_of(PyArrayObject *a) {
  PyArray_Descr *d = PyArray_DESCR(a);
  const Named &n = named[(unsigned)d->type_num % NUMBERED];
  return n.numpy == d ? n.ours : nullptr;
}

// know_facts({numpy dtype: dtype}, cpu, strided)
PyObject *know_facts(PyObject *, PyObject *args) {
  PyObject *types, *key, *value;
  if (!PyArg_ParseTuple(args, "O!OO", &PyDict_Type, &types, &cpu, &strided)) return nullptr;
  for (Py_ssize_t i = 0; PyDict_Next(types, &i, &key, &value);)
    named[(unsigned)((PyArray_Descr *)key)->type_num % NUMBERED] = {(PyArray_Descr *)Py_NewRef(key), Py_NewRef(value)};
  Py_INCREF(cpu);
  Py_INCREF(strided);
  Py_RETURN_NONE;
}

// ---- attributes ------------------------------------------------------------------------------------------------------

// Each of a plain tensor and its array; null without an error: Python's.
using Fact = PyObject *(*)(PyObject *t, PyArrayObject *a);

PyObject *shape(PyObject *, PyArrayObject *a) { return size_from(PyArray_NDIM(a), PyArray_DIMS(a)); }
PyObject *ndim(PyObject *, PyArrayObject *a) { return PyLong_FromLong(PyArray_NDIM(a)); }
PyObject *dtype(PyObject *, PyArrayObject *a) { return Py_XNewRef(dtype_of(a)); }
PyObject *device(PyObject *, PyArrayObject *) { return Py_NewRef(cpu); }
PyObject *layout(PyObject *, PyArrayObject *) { return Py_NewRef(strided); }
PyObject *itemsize(PyObject *, PyArrayObject *a) { return PyLong_FromLong((long)PyArray_ITEMSIZE(a)); }
PyObject *nbytes(PyObject *, PyArrayObject *a) { return PyLong_FromSsize_t(PyArray_SIZE(a) * PyArray_ITEMSIZE(a)); }
PyObject *yes(PyObject *, PyArrayObject *) { Py_RETURN_TRUE; }
PyObject *no(PyObject *, PyArrayObject *) { Py_RETURN_FALSE; }

PyObject *requires_grad(PyObject *t, PyArrayObject *) {
  PyObject *node = node_of(t);
  Py_XDECREF(node);
  return node ? PyBool_FromLong(node != Py_None) : nullptr;
}

PyObject *is_leaf(PyObject *t, PyArrayObject *) {
  PyObject *node = node_of(t);
  if (!node) return nullptr;
  bool leaf = node == Py_None || Py_TYPE(node) == cell.leaf;
  Py_DECREF(node);
  return PyBool_FromLong(leaf);
}

PyObject *grad_fn(PyObject *t, PyArrayObject *) {
  PyObject *node = node_of(t);
  if (!node || node == Py_None || Py_TYPE(node) == cell.node) return node;
  bool leaf = Py_TYPE(node) == cell.leaf;
  Py_DECREF(node);
  return leaf ? Py_NewRef(Py_None) : nullptr;
}

PyObject *grad(PyObject *t, PyArrayObject *) {
  PyObject *g = slot(t, cell.grad);
  if (g) return g == Py_None || is_plain_tensor(g) ? Py_NewRef(g) : nullptr;
  PyObject *node = slot(t, cell.node_);
  return node == Py_None || Py_TYPE(node) == cell.leaf ? Py_NewRef(Py_None) : nullptr;
}

struct Attribute {
  const char *name;
  Fact fact;
};
const Attribute attributes[] = {
    {"shape", shape},       {"ndim", ndim},         {"dtype", dtype},     {"device", device}, {"layout", layout},
    {"itemsize", itemsize}, {"nbytes", nbytes},     {"is_cpu", yes},      {"is_cuda", no},    {"is_meta", no},
    {"is_sparse", no},      {"is_quantized", no},   {"is_leaf", is_leaf}, {"grad_fn", grad_fn}, {"grad", grad},
    {"requires_grad", requires_grad}, {"is_mps", no}};

// A property that asks a Fact first.
PyTypeObject *property_type;
Fact &fact_of(PyObject *property) { return *(Fact *)((char *)property + PyProperty_Type.tp_basicsize); }

PyArrayObject *array_of(PyObject *t) {
  PyObject *x = is_plain_tensor(t) ? slot(t, cell.data) : nullptr;
  return x && PyArray_CheckExact(x) ? (PyArrayObject *)x : nullptr;
}

PyObject *property_get(PyObject *self, PyObject *object, PyObject *type) {
  PyArrayObject *a = object ? array_of(object) : nullptr;
  if (a) {
    PyObject *found = fact_of(self)(object, a);
    if (found || PyErr_Occurred()) return found;
  }
  return PyProperty_Type.tp_descr_get(self, object, type);
}

PyObject *property_doc(PyObject *self, void *) {
  PyObject *getter = PyObject_GetAttrString(self, "fget");
  PyObject *doc = getter ? PyObject_GetAttrString(getter, "__doc__") : nullptr;
  Py_XDECREF(getter);
  return doc;
}
int property_set_doc(PyObject *, PyObject *, void *) { return 0; }  // property's __init__ sets what the getter has

PyGetSetDef property_getset[] = {{"__doc__", property_doc, property_set_doc, nullptr, nullptr}, {nullptr}};
PyType_Slot property_slots[] = {{Py_tp_descr_get, (void *)property_get}, {Py_tp_getset, property_getset}, {0, nullptr}};
PyType_Spec property_spec = {"rushlight._C.property", 0, 0, Py_TPFLAGS_DEFAULT, property_slots};

// attribute(name, property) -> a property that asks C++ first; the property itself where there is nothing to ask
PyObject *attribute(PyObject *, PyObject *args) {
  const char *name;
  PyObject *property;
  if (!PyArg_ParseTuple(args, "sO!", &name, &PyProperty_Type, &property)) return nullptr;
  for (const Attribute &a : attributes) {
    if (strcmp(a.name, name)) continue;
    PyObject *get = PyObject_GetAttrString(property, "fget"), *set = PyObject_GetAttrString(property, "fset");
    PyObject *del = PyObject_GetAttrString(property, "fdel");
    PyObject *made = get && set && del ? PyObject_CallFunctionObjArgs((PyObject *)property_type, get, set, del, nullptr) : nullptr;
    Py_XDECREF(get);
    Py_XDECREF(set);
    Py_XDECREF(del);
    if (made) fact_of(made) = a.fact;
    return made;
  }
  return Py_NewRef(property);
}

// ---- methods ---------------------------------------------------------------------------------------------------------

PyObject *python(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  return PyObject_Vectorcall(behind(self), args, flags, keywords);
}

// f(tensor): the array of a call without further arguments.
PyArrayObject *alone(PyObject *const *args, size_t flags, PyObject *keywords) {
  return PyVectorcall_NARGS(flags) == 1 && !keywords ? array_of(args[0]) : nullptr;
}

template <Fact fact> PyObject *call_fact(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  PyArrayObject *a = alone(args, flags, keywords);
  PyObject *found = a ? fact(args[0], a) : nullptr;
  return found || PyErr_Occurred() ? found : python(self, args, flags, keywords);
}

PyObject *numel(PyObject *, PyArrayObject *a) { return PyLong_FromSsize_t(PyArray_SIZE(a)); }
PyObject *data_ptr(PyObject *, PyArrayObject *a) { return PyLong_FromVoidPtr(PyArray_SIZE(a) ? PyArray_DATA(a) : nullptr); }
PyObject *is_contiguous(PyObject *, PyArrayObject *a) { return PyBool_FromLong(PyArray_IS_C_CONTIGUOUS(a)); }
PyObject *contiguous(PyObject *t, PyArrayObject *a) { return PyArray_IS_C_CONTIGUOUS(a) ? Py_NewRef(t) : nullptr; }
PyObject *storage_offset(PyObject *, PyArrayObject *a) { return PyArray_BASE(a) ? nullptr : PyLong_FromLong(0); }

PyObject *is_floating_point(PyObject *, PyArrayObject *a) {
  if (type_of((PyObject *)a) >= NPY_NTYPES_LEGACY) return nullptr;
  return PyBool_FromLong(PyArray_ISFLOAT(a));
}
PyObject *is_complex(PyObject *, PyArrayObject *a) { return PyBool_FromLong(PyArray_ISCOMPLEX(a)); }

// A dimension counted from the start; -1 if there is none such, or no plain int.
int dimension(PyObject *number, int n) {
  if (!PyLong_CheckExact(number)) return -1;
  int over;
  long d = PyLong_AsLongAndOverflow(number, &over);
  return over || d < -n || d >= n ? -1 : (int)(d < 0 ? d + n : d);
}

PyObject *call_size(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  Py_ssize_t given = PyVectorcall_NARGS(flags);
  PyArrayObject *a = !keywords && given && given < 3 ? array_of(args[0]) : nullptr;
  if (a && given == 1) return shape(args[0], a);
  int d = a ? dimension(args[1], PyArray_NDIM(a)) : -1;
  return d < 0 ? python(self, args, flags, keywords) : PyLong_FromSsize_t(PyArray_DIM(a, d));
}

// Memory says nothing where there are no elements.
PyObject *call_stride(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  Py_ssize_t given = PyVectorcall_NARGS(flags);
  PyArrayObject *a = !keywords && given && given < 3 ? array_of(args[0]) : nullptr;
  if (!a || !PyArray_SIZE(a)) return python(self, args, flags, keywords);
  npy_intp item = PyArray_ITEMSIZE(a);
  if (given == 2) {
    int d = dimension(args[1], PyArray_NDIM(a));
    return d < 0 ? python(self, args, flags, keywords) : PyLong_FromSsize_t(PyArray_STRIDE(a, d) / item);
  }
  PyObject *strides = PyTuple_New(PyArray_NDIM(a));
  for (int d = 0; strides && d < PyArray_NDIM(a); d++) {
    PyObject *number = PyLong_FromSsize_t(PyArray_STRIDE(a, d) / item);
    if (!number) Py_CLEAR(strides);
    else PyTuple_SET_ITEM(strides, d, number);
  }
  return strides;
}

struct Method {
  const char *name;
  vectorcallfunc call;
};
const Method known[] = {{"size", call_size},
                        {"stride", call_stride},
                        {"dim", call_fact<ndim>},
                        {"numel", call_fact<numel>},
                        {"element_size", call_fact<itemsize>},
                        {"data_ptr", call_fact<data_ptr>},
                        {"is_contiguous", call_fact<is_contiguous>},
                        {"contiguous", call_fact<contiguous>},
                        {"storage_offset", call_fact<storage_offset>},
                        {"is_floating_point", call_fact<is_floating_point>},
                        {"is_complex", call_fact<is_complex>}};

// fact(name, function) -> a front before it
PyObject *fact(PyObject *, PyObject *args) {
  const char *name;
  PyObject *function;
  if (!PyArg_ParseTuple(args, "sO", &name, &function)) return nullptr;
  for (const Method &m : known)
    if (!strcmp(m.name, name)) return stand_before(function, m.call);
  return PyErr_Format(PyExc_ValueError, "there is no fact '%s'", name);
}

PyMethodDef methods[] = {
    {"size_class", size_class, METH_O, "size_class(reference) -> the class torch.Size with its indexing in C++"},
    {"know_facts", know_facts, METH_VARARGS, "know_facts({numpy dtype: dtype}, cpu, strided)"},
    {"attribute", attribute, METH_VARARGS, "attribute(name, property) -> a property that asks C++ first"},
    {"fact", fact, METH_VARARGS, "fact(name, function) -> callable that stands before it"},
    {nullptr},
};

}  // namespace

bool add_facts(PyObject *module) {
  property_spec.basicsize = (int)(PyProperty_Type.tp_basicsize + (Py_ssize_t)sizeof(Fact));
  PyObject *bases = PyTuple_Pack(1, &PyProperty_Type);
  property_type = bases ? (PyTypeObject *)PyType_FromSpecWithBases(&property_spec, bases) : nullptr;
  Py_XDECREF(bases);
  return property_type && PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
