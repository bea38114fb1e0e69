// Python's side of the elementwise kernels: float32 and half precision, any layout, else NotImplemented.
#include "around.h"
#include "copy.h"
#include "half.h"

namespace rushlight {
namespace {

// The result lies in memory as x does.
PyObject *map(PyObject *x, Map kernel) {
  if (!movable(x)) return not_implemented();
  int half = half_index(type_of(x));
  if (half < 0 && type_of(x) != NPY_FLOAT32) return not_implemented();
  Held source(without_gaps(x));
  if (!source) return nullptr;
  PyObject *out = new_like((PyArrayObject *)source.get(), nullptr, true);
  if (!out) return nullptr;
  const char *from = data_of<char>(source.get());
  if (half < 0) {
    share_out(size_of(out), 1, 4, data_of<char>(out),
              [=](size_t i, size_t j, char *to) { kernel((const float *)from + i, (float *)to, j - i); });
  } else {
    share_out(size_of(out), 1, 2, data_of<char>(out), [=](size_t i, size_t j, char *to) {
      const void *at[] = {from + 2 * i};
      in_floats<1>(half, at, to, j - i, [=](const float *const *x, float *r, size_t n) { kernel(x[0], r, n); });
    });
  }
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
