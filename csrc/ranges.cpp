// arange and linspace with the fused multiply-adds of PyTorch's vector kernels; _ops/ranges.py is the reference.
#include "arrays.h"

#include <cmath>

namespace rushlight {
namespace {

// start + i * step: the index of a vector's first element is rounded first, then its lanes are added.
template <typename T> void fill_steps(T *out, size_t n, double start, double step) {
  constexpr size_t LANES = 32 / sizeof(T);
  size_t tail = n - n % (2 * LANES);
  for (size_t i = 0; i < tail; i += LANES) {
    T base = static_cast<T>(std::fma(step, static_cast<double>(i), start));
    out[i] = base;
    for (size_t k = 1; k < LANES; k++)
      out[i + k] = static_cast<T>(std::fma(step, static_cast<double>(k), static_cast<double>(base)));
  }
  for (size_t i = tail; i < n; i++)
    out[i] = static_cast<T>(std::fma(step, static_cast<double>(i), start));
}

// Counted from the nearer end.
template <typename T> void fill_evenly(T *out, size_t n, double start, double end) {
  T low = static_cast<T>(start), high = static_cast<T>(end);
  if (n < 2) {
    if (n) out[0] = low;
    return;
  }
  T step = (high - low) / static_cast<T>(n - 1);
  for (size_t i = 0; i < n / 2; i++) out[i] = std::fma(step, static_cast<T>(i), low);
  for (size_t i = n / 2; i < n; i++)
    out[i] = std::fma(-step, static_cast<T>(n - 1) - static_cast<T>(i), high);
}

template <typename Fill> PyObject *run(PyObject *const *args, Py_ssize_t given, Fill fill) {
  if (given != 3 || !plain(args[0])) {
    PyErr_SetString(PyExc_TypeError, "takes a contiguous array and two numbers");
    return nullptr;
  }
  double a = PyFloat_AsDouble(args[1]), b = PyFloat_AsDouble(args[2]);
  if (PyErr_Occurred()) return nullptr;
  size_t n = size_of(args[0]);
  if (type_of(args[0]) == NPY_FLOAT32) {
    fill(data_of<float>(args[0]), n, a, b);
  } else if (type_of(args[0]) == NPY_FLOAT64) {
    fill(data_of<double>(args[0]), n, a, b);
  } else {
    return not_implemented();
  }
  Py_RETURN_NONE;
}

PyObject *steps(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return run(args, given, [](auto *out, size_t n, double a, double b) { fill_steps(out, n, a, b); });
}

PyObject *evenly(PyObject *, PyObject *const *args, Py_ssize_t given) {
  return run(args, given, [](auto *out, size_t n, double a, double b) { fill_evenly(out, n, a, b); });
}

PyMethodDef methods[] = {
    {"steps", (PyCFunction)(void (*)(void))steps, METH_FASTCALL, "steps(out, start, step)"},
    {"evenly", (PyCFunction)(void (*)(void))evenly, METH_FASTCALL, "evenly(out, start, end)"},
    {nullptr},
};

}  // namespace

bool add_ranges(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
