// The module rushlight._C: chooses the kernels of this CPU, then lets each family add its functions.
#define RUSHLIGHT_IMPORTS_NUMPY
#include "arrays.h"
#include "kernels.h"

namespace rushlight {

const Kernels *kernels = nullptr;

#ifdef RUSHLIGHT_X86
Kernels kernels_v2();
Kernels kernels_v3();
Kernels kernels_v4();

static Kernels choose() {
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? kernels_v4() : v3 ? kernels_v3() : kernels_v2();
}
#else
Kernels kernels_generic();
static Kernels choose() { return kernels_generic(); }
#endif

static PyObject *isa(PyObject *, PyObject *) { return PyUnicode_FromString(kernels->name); }

static PyMethodDef methods[] = {
    {"isa", isa, METH_NOARGS, "isa() -> str\n\nThe instruction set chosen at import: v2, v3, v4 (x86-64 levels) or generic."},
    {nullptr},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rushlight._C", "Native kernels of rushlight.", -1, methods};

}  // namespace rushlight

PyMODINIT_FUNC PyInit__C(void) {
  using namespace rushlight;
  import_array();
  static const Kernels chosen = choose();
  kernels = &chosen;
  PyObject *module = PyModule_Create(&definition);
  if (!module) return nullptr;
  if (!add_random(module) || !add_pointwise(module) || !add_rows(module) || !add_ranges(module) ||
      !add_threads(module) || !add_binary(module) || !add_reduce(module) ||
      !add_conv(module) || !add_pool(module)) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
