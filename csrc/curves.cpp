// Python's side of activations with parameters and of slopes (kernels_curves.cpp): float32 and half precision, some also
// float64, any layout; else NotImplemented.
#include "around.h"
#include "broadcast.h"
#include "half.h"

#include <algorithm>
#include <string>
#include <utility>

namespace rushlight {
namespace {

constexpr int MOST = 3;  // numbers of a curve

const CurveForms &form(size_t k) { return kernels->curves.of[k]; }

bool read_numbers(PyObject *const *args, int count, double *to) {
  std::fill(to, to + MOST, 0.0);
  for (int i = 0; i < count; i++) {
    if (PyFloat_CheckExact(args[i])) {
      to[i] = PyFloat_AS_DOUBLE(args[i]);
    } else if (PyLong_CheckExact(args[i])) {
      int overflow;
      long v = PyLong_AsLongAndOverflow(args[i], &overflow);
      if (overflow) return false;
      to[i] = (double)v;
    } else {
      return false;
    }
  }
  return true;
}

// curve(x, numbers...): the result lies in memory as x does.
template <size_t K> PyObject *curve(PyObject *, PyObject *const *args, Py_ssize_t given) {
  double p[MOST];
  const CurveForms &f = form(K);
  if (given != 1 + f.numbers || !movable(args[0]) || !read_numbers(args + 1, f.numbers, p)) return not_implemented();
  int type = type_of(args[0]), half = half_index(type);
  Curve loop = type == NPY_FLOAT32 || half >= 0 ? f.f32 : type == NPY_FLOAT64 ? f.f64 : nullptr;
  if (!loop) return not_implemented();
  Held x(without_gaps(args[0]));
  if (!x) return nullptr;
  PyObject *out = new_like((PyArrayObject *)x.get(), nullptr, true);
  if (!out) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out);
  const char *from = data_of<char>(x.get());
  const double *numbers = p;
  share_out(size_of(out), 1, item, data_of<char>(out), [=](size_t i, size_t j, char *to) {
    const void *at[] = {from + i * item};
    if (half < 0) return loop(at[0], to, j - i, numbers);
    in_floats<1>(half, at, to, j - i, [=](const float *const *in, float *r, size_t n) { loop(in[0], r, n, numbers); });
  });
  return out;
}

// `n` copies of an element, at most as many as the line holds; how many
template <typename T> size_t repeat_as(const char *element, char *line, size_t bytes, size_t n) {
  T value = *(const T *)element;
  size_t k = std::min(n, bytes / sizeof(T));
  std::fill_n((T *)line, k, value);
  return k;
}
size_t repeat(size_t item, const char *element, char *line, size_t bytes, size_t n) {
  if (item == 2) return repeat_as<uint16_t>(element, line, bytes, n);
  return item == 4 ? repeat_as<uint32_t>(element, line, bytes, n) : repeat_as<uint64_t>(element, line, bytes, n);
}

// Arrays of one float type that broadcast, and numbers, to one: loop(inputs, out, n) is called for stretches in which each
// is contiguous. `into`: an array to write to, or null.
template <typename Loop> PyObject *pointwise(PyObject *const *args, int count, PyObject *into, Loop loop) {
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)args[0]);
  bool alike = true;
  for (int k = 0; k < count; k++) alike = alike && plain(args[k]) && PyArray_SAMESHAPE((PyArrayObject *)args[0], (PyArrayObject *)args[k]);
  if (alike && (!into || into == args[0])) {
    if (into && !PyArray_ISWRITEABLE((PyArrayObject *)into)) return not_implemented();
    PyObject *out = into ? Py_NewRef(into) : like(args[0]);
    if (!out) return nullptr;
    const char *from[3] = {};
    for (int k = 0; k < count; k++) from[k] = data_of<char>(args[k]);
    char *memory = data_of<char>(out);
    auto work = [=](size_t i, size_t j, char *to) {
      const char *at[3] = {};
      for (int k = 0; k < count; k++) at[k] = from[k] + i * item;
      loop(at, to, j - i);
    };
    if (into) share(size_of(out), 1, [=](size_t i, size_t j) { work(i, j, memory + i * item); });
    else share_out(size_of(out), 1, item, memory, work);
    return out;
  }
  Broadcast b;
  if (into || !b.of(args, count)) return refuse();
  PyObject *out = new_array(b.ndim, b.dims, type_of(args[0]));
  if (!out) return nullptr;
  bool one[3];
  for (int k = 0; k < count; k++) one[k] = b.single(k);
  const bool *ones = one;
  b.run(data_of<char>(out), item, [=](const char *const *at, char *to, size_t n) {
    alignas(64) char lines[3][4096];
    size_t step = n;
    for (int k = 0; k < count; k++)
      if (ones[k]) step = repeat(item, at[k], lines[k], sizeof lines[k], n);
    for (size_t i = 0; i < n; i += step) {
      const char *from[3] = {};
      for (int k = 0; k < count; k++) from[k] = ones[k] ? lines[k] : at[k] + i * item;
      loop(from, to + i * item, std::min(step, n - i));
    }
  });
  return out;
}

// The loop for a type, and how it is run on half precision.
template <int COUNT, typename Kernel> struct Stretch {
  Kernel loop;
  int half;
  const double *numbers;

  void operator()(const char *const *at, char *to, size_t n) const {
    if (half < 0) return run((const void *const *)at, to, n);
    const Stretch *me = this;
    in_floats<COUNT>(half, (const void *const *)at, to, n,
                     [=](const float *const *in, float *r, size_t m) { me->run((const void *const *)in, r, m); });
  }

 private:
  void run(const void *const *at, void *to, size_t n) const {
    if constexpr (COUNT == 2) loop(at[0], at[1], to, n, numbers);
    else loop(at[0], at[1], at[2], to, n, numbers);
  }
};

// Arrays of one floating type; -1 for others.
int common_type(PyObject *const *args, int count) {
  for (int k = 0; k < count; k++)
    if (!movable(args[k]) || type_of(args[k]) != type_of(args[0])) return -1;
  int type = type_of(args[0]);
  return type == NPY_FLOAT32 || type == NPY_FLOAT64 || half_index(type) >= 0 ? type : -1;
}

// slope(g, x, numbers..., [out]), the two of one dtype; they broadcast.
template <size_t K> PyObject *slope(PyObject *, PyObject *const *args, Py_ssize_t given) {
  double p[MOST];
  const CurveForms &f = form(K);
  if (given < 2 + f.numbers || given > 3 + f.numbers || !read_numbers(args + 2, f.numbers, p)) return not_implemented();
  int type = common_type(args, 2);
  Slope loop = type < 0 ? nullptr : type == NPY_FLOAT64 ? f.slope_f64 : f.slope_f32;
  if (!loop) return not_implemented();
  PyObject *into = given > 2 + f.numbers ? args[2 + f.numbers] : nullptr;
  return pointwise(args, 2, into, Stretch<2, Slope>{loop, half_index(type), p});
}

template <size_t K> PyObject *slope3(PyObject *, PyObject *const *args, Py_ssize_t given) {
  double p[MOST];
  const Slope3Forms &f = kernels->curves.of3[K];
  if (given != 3 + f.numbers || !read_numbers(args + 3, f.numbers, p)) return not_implemented();
  int type = common_type(args, 3);
  Slope3 loop = type < 0 ? nullptr : type == NPY_FLOAT64 ? f.f64 : f.f32;
  if (!loop) return not_implemented();
  return pointwise(args, 3, nullptr, Stretch<3, Slope3>{loop, half_index(type), p});
}

std::string names[2 * CURVES + SLOPES3];
PyMethodDef methods[2 * CURVES + SLOPES3 + 1] = {};

void enter(const std::string &name, PyObject *(*function)(PyObject *, PyObject *const *, Py_ssize_t)) {
  size_t n = 0;
  while (methods[n].ml_name) n++;
  names[n] = name;
  methods[n] = {names[n].c_str(), (PyCFunction)(void (*)(void))function, METH_FASTCALL, nullptr};
}

template <size_t K> void enter_curve() {
  const CurveForms &f = form(K);
  if (f.f32) enter(f.name, curve<K>);
  if (f.slope_f32) enter(std::string(f.name) + "_backward", slope<K>);
}
template <size_t K> void enter_slope3() {
  const Slope3Forms &f = kernels->curves.of3[K];
  if (f.f32) enter(f.name, slope3<K>);
}
template <size_t... K> void enter_curves(std::index_sequence<K...>) { (enter_curve<K>(), ...); }
template <size_t... K> void enter_slopes3(std::index_sequence<K...>) { (enter_slope3<K>(), ...); }

}  // namespace

bool add_curves(PyObject *module) {
  enter_curves(std::make_index_sequence<CURVES>());
  enter_slopes3(std::make_index_sequence<SLOPES3>());
  return PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
