// Other looks at the memory of an array: what NumPy's reshape, swapaxes and transpose do, without their argument parsing.
// All answer NotImplemented for what they would have to refuse: the reference has the words.
#include "copy.h"

namespace rushlight {
namespace {

// A view of x's memory with these dimensions; x is its base.
PyObject *look(PyObject *x, int ndim, const npy_intp *dims, const npy_intp *strides) {
  PyArrayObject *a = (PyArrayObject *)x;
  PyArray_Descr *d = PyArray_DESCR(a);
  Py_INCREF(d);
  int flags = PyArray_FLAGS(a) & (NPY_ARRAY_WRITEABLE | NPY_ARRAY_ALIGNED);
  PyObject *r = PyArray_NewFromDescr(&PyArray_Type, d, ndim, dims, strides, PyArray_DATA(a), flags, nullptr);
  if (!r) return nullptr;
  if (PyArray_SetBaseObject((PyArrayObject *)r, Py_NewRef(x)) < 0) {
    Py_DECREF(r);
    return nullptr;
  }
  return r;
}

// A dimension counted from the start; -1 if there is none such.
int dimension(PyObject *number, int ndim) {
  if (!PyLong_CheckExact(number)) return -1;
  long d = PyLong_AsLong(number);
  if (d == -1 && PyErr_Occurred()) PyErr_Clear();
  return d < -ndim || d >= ndim ? -1 : (int)(d < 0 ? d + ndim : d);
}

PyObject *transpose(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !PyArray_CheckExact(args[0])) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  int n = PyArray_NDIM(a), i = n ? dimension(args[1], n) : -1, j = n ? dimension(args[2], n) : -1;
  if (i < 0 || j < 0) return not_implemented();
  npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS];
  for (int k = 0; k < n; k++) {
    int from = k == i ? j : k == j ? i : k;
    dims[k] = PyArray_DIM(a, from);
    strides[k] = PyArray_STRIDE(a, from);
  }
  return look(args[0], n, dims, strides);
}

PyObject *t(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 1 || !PyArray_CheckExact(args[0]) || PyArray_NDIM((PyArrayObject *)args[0]) != 2) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  npy_intp dims[2] = {PyArray_DIM(a, 1), PyArray_DIM(a, 0)}, strides[2] = {PyArray_STRIDE(a, 1), PyArray_STRIDE(a, 0)};
  return look(args[0], 2, dims, strides);
}

PyObject *permute(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0]) || !(PyTuple_Check(args[1]) || PyList_Check(args[1]))) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  int n = PyArray_NDIM(a);
  if (PySequence_Fast_GET_SIZE(args[1]) != n) return not_implemented();
  npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS];
  uint64_t seen = 0;
  for (int k = 0; k < n; k++) {
    int from = dimension(PySequence_Fast_GET_ITEM(args[1], k), n);
    if (from < 0 || seen >> from & 1) return not_implemented();
    seen |= 1ull << from;
    dims[k] = PyArray_DIM(a, from);
    strides[k] = PyArray_STRIDE(a, from);
  }
  return look(args[0], n, dims, strides);
}

// The sizes a shape asks for, a -1 worked out; false: not for us.
bool sizes(PyObject *shape, npy_intp size, int &n, npy_intp *dims) {
  PyObject *const *items = &shape;
  n = 1;
  if (PyTuple_Check(shape) || PyList_Check(shape)) {
    n = (int)PySequence_Fast_GET_SIZE(shape);
    items = PySequence_Fast_ITEMS(shape);
  }
  if (n > NPY_MAXDIMS) return false;
  int open = -1;
  npy_intp product = 1;
  for (int k = 0; k < n; k++) {
    if (!PyLong_CheckExact(items[k])) return false;
    dims[k] = PyLong_AsSsize_t(items[k]);
    if (dims[k] == -1 && PyErr_Occurred()) PyErr_Clear();
    if (dims[k] == -1 && open < 0) open = k;
    else if (dims[k] < 0) return false;
    else product *= dims[k];
  }
  if (open >= 0) {
    if (!product || size % product) return false;
    dims[open] = size / product;
    product = size;
  }
  return product == size;
}

// reshape(x, shape) of a contiguous array
PyObject *reshape(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0]) || !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)args[0])) return not_implemented();
  npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS];
  int n;
  if (!sizes(args[1], PyArray_SIZE((PyArrayObject *)args[0]), n, dims)) return not_implemented();
  npy_intp step = PyArray_ITEMSIZE((PyArrayObject *)args[0]);
  for (int k = n; k-- > 0; step *= dims[k] ? dims[k] : 1) strides[k] = step;
  return look(args[0], n, dims, strides);
}

// Can a strided array be seen with these dimensions? Then their strides: groups of dimensions of one size each that the
// new ones divide, every group one stretch of memory.
bool foldable(PyArrayObject *a, int n, const npy_intp *dims, npy_intp *strides) {
  npy_intp old_dims[NPY_MAXDIMS], old_strides[NPY_MAXDIMS];
  int count = 0;
  for (int d = 0; d < PyArray_NDIM(a); d++)
    if (PyArray_DIM(a, d) != 1) {
      old_dims[count] = PyArray_DIM(a, d);
      old_strides[count++] = PyArray_STRIDE(a, d);
    }
  int i = 0, j = 0;
  while (i < count && j < n) {
    int i0 = i, j0 = j;
    npy_intp have = old_dims[i++], want = dims[j++];
    while (have != want) {
      if (have < want) have *= old_dims[i++];
      else want *= dims[j++];
    }
    for (int k = i0; k + 1 < i; k++)
      if (old_strides[k] != old_dims[k + 1] * old_strides[k + 1]) return false;
    npy_intp step = old_strides[i - 1];
    for (int k = j; k-- > j0; step *= dims[k]) strides[k] = step;
  }
  return true;
}

// reshape(x, shape) of any array: a view if there is one, else a copy
PyObject *reshaped(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !movable(args[0])) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  if (PyArray_IS_C_CONTIGUOUS(a)) return reshape(module, args, given);
  npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS];
  int n;
  if (!sizes(args[1], PyArray_SIZE(a), n, dims)) return not_implemented();
  if (foldable(a, n, dims, strides)) return not_implemented();  // a view: the reference makes those
  PyObject *whole = contiguous(args[0]), *with[2] = {whole, args[1]};
  if (!whole) return refuse();
  PyObject *out = reshape(module, with, 2);
  Py_DECREF(whole);
  return out;
}

PyObject *unsqueeze(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0])) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  int n = PyArray_NDIM(a) + 1, at = dimension(args[1], n);
  if (at < 0 || n > NPY_MAXDIMS) return not_implemented();
  npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS];
  for (int k = 0; k < n; k++) {
    int from = k < at ? k : k - 1;
    dims[k] = k == at ? 1 : PyArray_DIM(a, from);
    strides[k] = k == at ? 0 : PyArray_STRIDE(a, from);
  }
  // As torch's: the new dimension steps over what comes after it.
  strides[at] = at == n - 1 ? PyArray_ITEMSIZE(a) : dims[at + 1] * strides[at + 1];
  return look(args[0], n, dims, strides);
}

// expand(x, size)
PyObject *expand(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_CheckExact(args[0]) || !PyTuple_Check(args[1])) return not_implemented();
  PyArrayObject *a = (PyArrayObject *)args[0];
  int n = (int)PyTuple_GET_SIZE(args[1]), lead = n - PyArray_NDIM(a);
  if (lead < 0 || n > NPY_MAXDIMS || !PyArray_SIZE(a)) return not_implemented();
  npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS];
  for (int k = 0; k < n; k++) {
    PyObject *number = PyTuple_GET_ITEM(args[1], k);
    if (!PyLong_CheckExact(number)) return not_implemented();
    npy_intp want = PyLong_AsSsize_t(number), have = k < lead ? 1 : PyArray_DIM(a, k - lead);
    if (want == -1 && PyErr_Occurred()) PyErr_Clear();
    if (want == -1 && k >= lead) want = have;
    if (want <= 0 || (have != want && have != 1)) return not_implemented();
    dims[k] = want;
    strides[k] = k >= lead && have == want ? PyArray_STRIDE(a, k - lead) : 0;
  }
  return look(args[0], n, dims, strides);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(x, ...) -> view, or NotImplemented"}
PyMethodDef methods[] = {METHOD(transpose), METHOD(t),      METHOD(permute), METHOD(reshape), METHOD(reshaped),
                         METHOD(unsqueeze), METHOD(expand), {nullptr}};

}  // namespace

bool add_views(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
