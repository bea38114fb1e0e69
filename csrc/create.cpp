// Fronts of functions that are no operators: torch.tensor of lists of numbers, zeros/ones/empty of plain sizes, item().
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "cell.h"

namespace rushlight {
namespace {

// Where Python keeps the defaults of new tensors.
struct Defaults {
  PyObject *dtypes, *name;  // the dict of _core/dtypes.py, "_default"
  PyObject *float32;
  PyObject *device, *cpu;   // a list of one, and what stands there usually
} defaults;

bool usual_device() { return PyList_GET_ITEM(defaults.device, 0) == defaults.cpu; }
bool usual_dtype() { return PyDict_GetItem(defaults.dtypes, defaults.name) == defaults.float32; }

PyObject *python_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  if (PyErr_Occurred()) PyErr_Clear();  // it will be said again, in PyTorch's words
  return PyObject_Vectorcall(behind(self), args, flags, keywords);
}

// ---- numbers in nested lists -----------------------------------------------------------------------------------------

bool is_list(PyObject *x) { return PyList_CheckExact(x) || PyTuple_CheckExact(x); }

constexpr int DEEPEST = 6;

bool number(PyObject *x, float &to) {
  if (!PyFloat_CheckExact(x)) return false;
  to = (float)PyFloat_AS_DOUBLE(x);
  return true;
}

bool number(PyObject *x, int64_t &to) {
  int overflow;
  if (!PyLong_CheckExact(x)) return false;
  to = PyLong_AsLongLongAndOverflow(x, &overflow);
  return !overflow;
}

// Write the numbers of nested lists of these sizes; false if they are not of T's kind, or ragged.
template <typename T> bool fill(PyObject *x, const npy_intp *sizes, int levels, T *&to) {
  if (!levels) return number(x, *to++);
  if (!is_list(x) || PySequence_Fast_GET_SIZE(x) != *sizes) return false;
  PyObject **items = PySequence_Fast_ITEMS(x);
  for (npy_intp i = 0; i < *sizes; i++)
    if (!fill(items[i], sizes + 1, levels - 1, to)) return false;
  return true;
}

template <typename T> PyObject *array_of(PyObject *x, int levels, const npy_intp *sizes) {
  PyObject *array = new_array(levels, sizes, std::is_same<T, float>::value ? NPY_FLOAT32 : NPY_INT64);
  T *to = array ? data_of<T>(array) : nullptr;
  if (array && !fill(x, sizes, levels, to)) Py_CLEAR(array);
  return array;
}

// tensor(numbers): all floats, or all ints. Sizes come from the first items; `fill` looks whether all have them.
PyObject *call_tensor(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  PyObject *array = nullptr;
  if (PyVectorcall_NARGS(flags) == 1 && !keywords && usual_device()) {
    npy_intp sizes[DEEPEST];
    int levels = 0;
    double room = 1;
    PyObject *first = args[0];
    while (is_list(first) && levels < DEEPEST && PySequence_Fast_GET_SIZE(first)) {
      room *= (double)(sizes[levels++] = PySequence_Fast_GET_SIZE(first));
      first = PySequence_Fast_ITEMS(first)[0];
    }
    if (room > 1e9) levels = DEEPEST, first = args[0];  // a list that holds itself many times
    if (PyFloat_CheckExact(first) && usual_dtype()) array = array_of<float>(args[0], levels, sizes);
    else if (PyLong_CheckExact(first)) array = array_of<int64_t>(args[0], levels, sizes);
  }
  return array ? new_tensor(array) : python_call(self, args, flags, keywords);
}

// ---- sizes -----------------------------------------------------------------------------------------------------------

// f(2, 3) or f((2, 3)) with plain ints; -1 for anything else.
int sizes_of(PyObject *const *args, Py_ssize_t given, npy_intp *sizes) {
  if (given == 1 && is_list(args[0])) {
    given = PySequence_Fast_GET_SIZE(args[0]);
    args = PySequence_Fast_ITEMS(args[0]);
  }
  if (given > NPY_MAXDIMS) return -1;
  for (Py_ssize_t i = 0; i < given; i++) {
    if (!PyLong_CheckExact(args[i])) return -1;
    sizes[i] = PyLong_AsSsize_t(args[i]);
    if (sizes[i] < 0) return -1;
  }
  return (int)given;
}

template <typename Fill> PyObject *call_sized(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords, Fill made) {
  Py_ssize_t given = PyVectorcall_NARGS(flags);
  npy_intp sizes[NPY_MAXDIMS];
  int n = given && !keywords && usual_device() && usual_dtype() ? sizes_of(args, given, sizes) : -1;
  PyObject *array = n < 0 ? nullptr : made(n, sizes);
  return array ? new_tensor(array) : python_call(self, args, flags, keywords);
}

PyObject *call_zeros(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  return call_sized(self, args, flags, keywords, [](int n, npy_intp *sizes) { return new_zeros(n, sizes, NPY_FLOAT32); });
}

PyObject *call_empty(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  return call_sized(self, args, flags, keywords, [](int n, npy_intp *sizes) { return new_array(n, sizes, NPY_FLOAT32); });
}

PyObject *call_ones(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  return call_sized(self, args, flags, keywords, [](int n, npy_intp *sizes) {
    PyObject *array = new_array(n, sizes, NPY_FLOAT32);
    if (!array) return array;
    float *p = data_of<float>(array);
    share(size_of(array), 1, [p](size_t i, size_t last) {
      for (; i < last; i++) p[i] = 1;
    });
    return array;
  });
}

// ---- item ------------------------------------------------------------------------------------------------------------

PyObject *call_item(PyObject *self, PyObject *const *args, size_t flags, PyObject *keywords) {
  PyObject *array = PyVectorcall_NARGS(flags) == 1 && !keywords && is_plain_tensor(args[0]) ? slot(args[0], cell.data) : nullptr;
  if (array && PyArray_CheckExact(array) && size_of(array) == 1 && PyArray_ISBEHAVED_RO((PyArrayObject *)array)) {
    switch (type_of(array)) {
      case NPY_FLOAT32: return PyFloat_FromDouble(*data_of<float>(array));
      case NPY_FLOAT64: return PyFloat_FromDouble(*data_of<double>(array));
      case NPY_INT64: return PyLong_FromLongLong(*data_of<int64_t>(array));
      case NPY_BOOL: return PyBool_FromLong(*data_of<npy_bool>(array));
      default: break;
    }
  }
  return python_call(self, args, flags, keywords);
}

struct Quick {
  const char *name;
  vectorcallfunc call;
};
const Quick quick[] = {
    {"tensor", call_tensor}, {"zeros", call_zeros}, {"ones", call_ones}, {"empty", call_empty}, {"item", call_item}};

// front_of(name, function) -> callable
PyObject *front_of(PyObject *, PyObject *args) {
  const char *name;
  PyObject *function;
  if (!PyArg_ParseTuple(args, "sO", &name, &function)) return nullptr;
  for (const Quick &q : quick)
    if (!strcmp(q.name, name)) return stand_before(function, q.call);
  return PyErr_Format(PyExc_ValueError, "there is no front of '%s'", name);
}

// set_defaults(dict of dtypes, name, float32, [device], cpu)
PyObject *set_defaults(PyObject *, PyObject *args) {
  Defaults d;
  if (!PyArg_ParseTuple(args, "O!UOO!O", &PyDict_Type, &d.dtypes, &d.name, &d.float32, &PyList_Type, &d.device, &d.cpu)) return nullptr;
  for (PyObject *x : {d.dtypes, d.name, d.float32, d.device, d.cpu}) Py_INCREF(x);
  defaults = d;
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"front_of", front_of, METH_VARARGS, "front_of(name, function) -> callable that stands before it"},
    {"set_defaults", set_defaults, METH_VARARGS, "set_defaults(dict, name, float32, [device], cpu)"},
    {nullptr},
};

}  // namespace

bool usual_float() { return usual_dtype(); }

bool add_create(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
