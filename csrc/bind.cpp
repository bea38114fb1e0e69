// The module rushlight._C: chooses the kernels of this CPU, then lets each family add its functions.
#define RUSHLIGHT_IMPORTS_NUMPY
#include "arrays.h"
#include "cell.h"
#include "kernels.h"

#include <cstring>
#include <vector>

extern const char *const source_digest;  // made by CMakeLists.txt

namespace rushlight {

const Kernels *kernels = nullptr;

#ifdef RUSHLIGHT_X86
Kernels kernels_v2();
Kernels kernels_v3();
Kernels kernels_v4();

// The tables this CPU can run, the best first.
static std::vector<Kernels> usable() {
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  std::vector<Kernels> tables;
  if (v4) tables.push_back(kernels_v4());
  if (v3) tables.push_back(kernels_v3());
  tables.push_back(kernels_v2());
  return tables;
}
#else
Kernels kernels_generic();
static std::vector<Kernels> usable() { return {kernels_generic()}; }
#endif

static std::vector<Kernels> *tables = nullptr;

static PyObject *use(PyObject *, PyObject *name) {
  const char *wanted = PyUnicode_AsUTF8(name);
  if (!wanted) return nullptr;
  for (const Kernels &t : *tables)
    if (!std::strcmp(t.name, wanted)) {
      kernels = &t;
      Py_RETURN_NONE;
    }
  return PyErr_Format(PyExc_ValueError, "this CPU cannot run the level '%s'", wanted);
}

static PyObject *isas(PyObject *, PyObject *) {
  PyObject *names = PyList_New(0);
  for (const Kernels &t : *tables) {
    PyObject *name = PyUnicode_FromString(t.name);
    if (!names || !name || PyList_Append(names, name) < 0) return nullptr;
    Py_DECREF(name);
  }
  return names;
}

static PyObject *isa(PyObject *, PyObject *) { return PyUnicode_FromString(kernels->name); }

static PyMethodDef methods[] = {
    {"isa", isa, METH_NOARGS, "isa() -> str\n\nThe instruction set chosen at import: v2, v3, v4 (x86-64 levels) or generic."},
    {"isas", isas, METH_NOARGS, "isas() -> list\n\nThe instruction sets this CPU can run, the best first."},
    {"use", use, METH_O, "use(isa)\n\nRun the kernels of another instruction set from now on (for tests)."},
    {nullptr},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rushlight._C", "Native kernels of rushlight.", -1, methods};

// One a line, in the order of the alphabet.
static bool (*const families[])(PyObject *) = {
    add_allocator,
    add_attention,
    add_binary,
    add_cast,
    add_cell,
    add_choose,
    add_compare,
    add_conv,
    add_copy,
    add_crc,
    add_create,
    add_curves,
    add_engine,
    add_facts,
    add_files,
    add_front,
    add_gather,
    add_grid,
    add_join,
    add_loss,
    add_norm,
    add_optim,
    add_outer,
    add_points,
    add_pointwise,
    add_pool,
    add_quotients,
    add_random,
    add_ranges,
    add_reduce,
    add_rnn,
    add_rows,
    add_matmul,
    add_scan,
    add_search,
    add_sort,
    add_scatter,
    add_threads,
    add_ufuncs,
    add_views,
};

PyObject *quiet(PyObject *function) {
  PyObject *module = function ? PyImport_ImportModule("rushlight._core.quiet") : nullptr;
  PyObject *wrapped = module ? PyObject_CallMethod(module, "quiet", "O", function) : nullptr;
  Py_XDECREF(module);
  Py_XDECREF(function);
  return wrapped;
}

}  // namespace rushlight

PyMODINIT_FUNC PyInit__C(void) {
  using namespace rushlight;
  import_array();
  tables = new std::vector<Kernels>(usable());
  kernels = &tables->front();
  PyObject *module = PyModule_Create(&definition);
  if (!module || PyModule_AddStringConstant(module, "source_digest", source_digest) < 0) return nullptr;
  for (bool (*add)(PyObject *) : families)
    if (!add(module)) {
      Py_DECREF(module);
      return nullptr;
    }
  return module;
}
