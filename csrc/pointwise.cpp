// Python's side of the elementwise kernels: float32, contiguous, else NotImplemented.
#include "arrays.h"
#include "kernels.h"

namespace rushlight {
namespace {

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32; }

PyObject *map(PyObject *x, Map kernel) {
  if (!served(x)) return not_implemented();
  PyObject *out = like(x);
  if (!out) return nullptr;
  size_t n = size_of(x);
  const float *from = data_of<float>(x);
  float *to = data_of<float>(out);
  share(n, 1, [=](size_t i, size_t j) { kernel(from + i, to + i, j - i); });
  return out;
}

PyObject *map2(PyObject *x, PyObject *y, Map2 kernel) {
  if (!served(x) || !served(y) || !PyArray_SAMESHAPE((PyArrayObject *)x, (PyArrayObject *)y))
    return not_implemented();
  PyObject *out = like(x);
  if (!out) return nullptr;
  size_t n = size_of(x);
  const float *a = data_of<float>(x), *b = data_of<float>(y);
  float *to = data_of<float>(out);
  share(n, 1, [=](size_t i, size_t j) { kernel(a + i, b + i, to + i, j - i); });
  return out;
}

#define UNARY(name) \
  PyObject *name(PyObject *, PyObject *x) { return map(x, kernels->pointwise.name); }
UNARY(exp)
UNARY(log)
UNARY(sigmoid)
UNARY(erf)
UNARY(gelu)
UNARY(gelu_tanh)
UNARY(silu)
UNARY(softplus)

#define BINARY(name)                                                           \
  PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t given) {        \
    if (given != 2) return not_implemented();                                  \
    return map2(args[0], args[1], kernels->pointwise.name);                    \
  }
BINARY(gelu_backward)
BINARY(silu_backward)

#define ONE(name) {#name, name, METH_O, #name "(x) -> array or NotImplemented"}
#define TWO(name) \
  {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name "(gradient, x) -> array or NotImplemented"}
PyMethodDef methods[] = {ONE(exp),  ONE(log),      ONE(sigmoid),       ONE(erf),           ONE(gelu), ONE(gelu_tanh),
                         ONE(silu), ONE(softplus), TWO(gelu_backward), TWO(silu_backward), {nullptr}};

}  // namespace

bool add_pointwise(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
