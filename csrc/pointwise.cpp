// Python's side of the elementwise kernels: float32, any layout, else NotImplemented.
#include "around.h"
#include "copy.h"

namespace rushlight {
namespace {

bool served(PyObject *x) { return movable(x) && type_of(x) == NPY_FLOAT32; }

// The result lies in memory as x does.
PyObject *map(PyObject *x, Map kernel) {
  if (!served(x)) return not_implemented();
  Held source(without_gaps(x));
  if (!source) return nullptr;
  PyObject *out = new_like((PyArrayObject *)source.get(), nullptr, true);
  if (!out) return nullptr;
  const float *from = data_of<float>(source.get());
  share_out(size_of(out), 1, 4, data_of<char>(out),
            [=](size_t i, size_t j, char *to) { kernel(from + i, (float *)to, j - i); });
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

#define ONE(name) {#name, name, METH_O, #name "(x) -> array or NotImplemented"}
PyMethodDef methods[] = {ONE(exp),  ONE(log),  ONE(sigmoid),  ONE(erf), ONE(gelu), ONE(gelu_tanh),
                         ONE(silu), {nullptr}};

}  // namespace

bool add_pointwise(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
