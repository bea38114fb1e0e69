// Normalization over a batch, instances or groups of channels, and the gradients of all norms: float32 and float64, and
// half precision by sets that are made float32; else NotImplemented. What is standardized together (a `set`) is some runs of memory, each with one weight.
#include "float_array.h"
#include "half.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

namespace rushlight {
namespace {

template <typename T> const NormForms &forms();
template <> const NormForms &forms<float>() { return kernels->norms.f32; }
template <> const NormForms &forms<double>() { return kernels->norms.f64; }

bool served(const FloatArray &x) { return x.array && x.size() > 0; }
// One number for each channel, or None
bool vector_of(const FloatArray &v, PyObject *given, const FloatArray &x, size_t n) {
  return given == Py_None || (v.array && v.type() == x.type() && v.size() == n);
}
template <typename T> const T *data_or_null(const FloatArray &x) { return x.array ? data_of<T>(x.array) : nullptr; }

constexpr size_t SHORT = 32;  // runs of a batch below this are done by columns

enum Form { BATCH, INSTANCE, GROUP };
struct Sets {
  Form form;
  size_t sets, runs, length, channels;
  npy_intp shape[4];  // of the statistics
  int ndim;
  bool by_columns() const { return form == BATCH && length < SHORT; }
  size_t start(size_t s) const { return form == BATCH ? s * length : s * runs * length; }
  NormRuns each() const { return {runs, length, form == BATCH ? sets * length : length}; }
  // The channel of a set's first run, and how far that of the next is
  size_t channel(size_t s) const { return form == BATCH ? s : s * runs % channels; }
  size_t step() const { return form == GROUP; }
};

bool numbers(PyObject *tuple, size_t *to, int n) {
  if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) != n) return false;
  for (int i = 0; i < n; i++) {
    PyObject *item = PyTuple_GET_ITEM(tuple, i);
    if (!PyLong_CheckExact(item)) return false;
    to[i] = PyLong_AsSize_t(item);
  }
  PyErr_Clear();
  return true;
}

// view and axes as norm.py makes them; false for what is not served.
bool read_sets(PyObject *view, PyObject *axes, size_t elements, Sets &s) {
  size_t v[4], a[2];
  if (numbers(view, v, 3) && numbers(axes, a, 2) && a[0] == 0 && a[1] == 2)
    s = {BATCH, v[1], v[0], v[2], v[1], {1, (npy_intp)v[1], 1}, 3};
  else if (numbers(view, v, 3) && numbers(axes, a, 1) && a[0] == 2)
    s = {INSTANCE, v[0] * v[1], 1, v[2], v[1], {(npy_intp)v[0], (npy_intp)v[1], 1}, 3};
  else if (numbers(view, v, 4) && numbers(axes, a, 2) && a[0] == 2 && a[1] == 3)
    s = {GROUP, v[0] * v[1], v[2], v[3], v[1] * v[2], {(npy_intp)v[0], (npy_intp)v[1], 1, 1}, 4};
  else
    return false;
  return s.sets * s.runs * s.length == elements;
}

// The sets of up to two arrays where they lie, and of their result.
template <typename T> struct Lying {
  const Sets &s;
  const T *x, *g;
  T *out;
  struct Set {
    const T *x, *g;
    T *out;
    NormRuns runs;
  };
  Lying begin() const { return *this; }
  Set at(size_t i) const { return {x + s.start(i), g + (g ? s.start(i) : 0), out + s.start(i), s.each()}; }
  void done(size_t) const {}
};

// The same of half precision: each set is made float32, run after run, and its result half again.
struct Widened {
  const Sets &s;
  int half;
  const uint16_t *x, *g;
  uint16_t *out;
  std::unique_ptr<float[]> held;
  using Set = Lying<float>::Set;

  size_t size() const { return s.runs * s.length; }
  Widened begin() const { return {s, half, x, g, out, std::unique_ptr<float[]>(new float[size() * (g ? 2 : 1)])}; }
  void take(const uint16_t *from, size_t i, float *to) const {
    for (size_t r = 0; r < s.runs; r++) widen(half, from + s.start(i) + r * s.each().apart, to + r * s.length, s.length);
  }
  Set at(size_t i) const {
    float *own = held.get(), *gradient = g ? own + size() : nullptr;
    take(x, i, own);
    if (g) take(g, i, gradient);
    return {own, gradient, own, {s.runs, s.length, s.length}};
  }
  void done(size_t i) const {
    for (size_t r = 0; r < s.runs; r++) narrow(half, held.get() + r * s.length, out + s.start(i) + r * s.each().apart, s.length);
  }
};

// Calls work(columns) for channels [first, last) at a time, some hundred columns of a batch with short runs.
template <typename Work> void strips(const Sets &s, Work work) {
  size_t together = std::max<size_t>(1, 256 / s.length), pieces = (s.sets + together - 1) / together;
  share(pieces, together * s.length * s.runs, [&](size_t i, size_t j) {
    for (; i < j; i++) work(i * together, std::min(s.sets, (i + 1) * together));
  });
}

template <typename T> struct Standardized {
  T *out, *mean, *rstd, *var;
};

template <typename T> void deviation(const Standardized<T> &to, size_t i, double squares, double count, double eps) {
  to.var[i] = (T)(squares / count);
  to.rstd[i] = (T)(1 / std::sqrt(squares / count + eps));
}

template <typename T, typename All>
void by_runs(const Sets &s, const All &all, const T *w, const T *b, double eps, const Standardized<T> &to) {
  double count = (double)(s.runs * s.length);
  share(s.sets, s.runs * s.length, [&](size_t i, size_t j) {
    All some = all.begin();
    for (; i < j; i++) {
      double mean, squares;
      size_t c = s.channel(i);
      auto set = some.at(i);
      forms<T>().moments(set.x, set.runs, &mean, &squares);
      to.mean[i] = (T)mean;
      deviation(to, i, squares, count, eps);
      forms<T>().affine(set.x, set.runs, mean, to.rstd[i], w ? w + c : nullptr, b ? b + c : nullptr, s.step(), set.out);
      some.done(i);
    }
  });
}

template <typename T>
void by_columns(const Sets &s, const T *x, const T *w, const T *b, double eps, const Standardized<T> &to) {
  size_t columns = s.sets * s.length;
  double count = (double)(s.runs * s.length);
  std::vector<double> sums(columns), squares(columns);
  std::vector<T> means(columns), scales(columns), shifts(columns);
  strips(s, [&](size_t first, size_t last) {
    NormColumns part = {s.runs, columns, first * s.length, last * s.length};
    forms<T>().column_sums(x, part, sums.data());
    for (size_t c = first; c < last; c++) {
      double total = 0;
      for (size_t k = c * s.length; k < (c + 1) * s.length; k++) total += sums[k];
      to.mean[c] = (T)(total / count);
      std::fill_n(&means[c * s.length], s.length, to.mean[c]);
    }
    forms<T>().column_squares(x, part, means.data(), squares.data());
    for (size_t c = first; c < last; c++) {
      double total = 0;
      for (size_t k = c * s.length; k < (c + 1) * s.length; k++) total += squares[k];
      deviation(to, c, total, count, eps);
      std::fill_n(&scales[c * s.length], s.length, w ? to.rstd[c] * w[c] : to.rstd[c]);
      std::fill_n(&shifts[c * s.length], s.length, b ? b[c] : 0);
    }
    forms<T>().column_affine(x, part, means.data(), scales.data(), shifts.data(), to.out);
  });
}

template <typename T> void forward(const Sets &s, const FloatArray &x, const FloatArray &w, const FloatArray &b, double eps, PyObject **made) {
  Standardized<T> to = {data_of<T>(made[0]), data_of<T>(made[1]), data_of<T>(made[2]), data_of<T>(made[3])};
  const T *from = data_of<T>(x.array), *weight = data_or_null<T>(w), *bias = data_or_null<T>(b);
  if (s.by_columns()) by_columns(s, from, weight, bias, eps, to);
  else by_runs(s, Lying<T>{s, from, nullptr, to.out}, weight, bias, eps, to);
}

// ---- half precision: next to weights of float32 the statistics, and gradients of weights, are float32 too

constexpr size_t SHORTEST = 8;  // runs of half precision below this are left to others

bool is_half(PyObject *x) { return PyArray_CheckExact(x) && half_index(type_of(x)) >= 0; }

// A contiguous array of half precision or, `or_wide`, of float32. Owns a reference.
struct HalfArray {
  PyObject *array = nullptr;
  HalfArray(PyObject *x, bool or_wide) {
    if (!is_half(x) && !(or_wide && PyArray_CheckExact(x) && type_of(x) == NPY_FLOAT32)) return;
    PyArrayObject *a = (PyArrayObject *)x;
    if (!PyArray_ISNOTSWAPPED(a)) return;
    if (PyArray_ISCARRAY_RO(a)) array = Py_NewRef(x);
    else if (!(array = contiguous(x)) && !PyErr_Occurred()) array = new_copy(x);
  }
  ~HalfArray() { Py_XDECREF(array); }
  HalfArray(const HalfArray &) = delete;
  int type() const { return type_of(array); }
  size_t size() const { return size_of(array); }
};

// Its numbers in float32; none for none
std::vector<float> floats_of(const HalfArray &x) {
  std::vector<float> result(x.array ? x.size() : 0);
  if (result.empty()) return result;
  if (x.type() == NPY_FLOAT32) std::copy_n(data_of<float>(x.array), x.size(), result.data());
  else widen(half_index(x.type()), data_of<uint16_t>(x.array), result.data(), x.size());
  return result;
}

void give(const std::vector<float> &from, PyObject *to) {
  if (type_of(to) == NPY_FLOAT32) std::copy(from.begin(), from.end(), data_of<float>(to));
  else narrow(half_index(type_of(to)), from.data(), data_of<uint16_t>(to), from.size());
}

const float *or_null(const std::vector<float> &v) { return v.empty() ? nullptr : v.data(); }

bool long_enough(const Sets &s) { return s.length >= SHORTEST || s.runs == 1; }

// One number for each channel, or None; all of one type, which is kept in `type`.
bool same_vector(const HalfArray &v, PyObject *given, size_t n, int &type) {
  if (given == Py_None) return true;
  if (!v.array || v.size() != n || (type >= 0 && v.type() != type)) return false;
  type = v.type();
  return true;
}

// As norm(); null without an error: not served.
PyObject *half_norm(PyObject *const *args) {
  HalfArray x(args[0], false), w(args[1], true), b(args[2], true);
  Sets s;
  int type = -1;
  if (!x.array || !x.size() || !read_sets(args[3], args[4], x.size(), s) || !long_enough(s) ||
      !same_vector(w, args[1], s.channels, type) || !same_vector(b, args[2], s.channels, type) ||
      (type >= 0 && type != NPY_FLOAT32 && type != x.type()))
    return nullptr;
  PyObject *made[4] = {like(x.array)};
  for (int i = 1; i < 4; i++) made[i] = new_array(s.ndim, s.shape, type < 0 ? x.type() : type);
  if (!made[0] || !made[1] || !made[2] || !made[3]) {
    for (PyObject *m : made) Py_XDECREF(m);
    return nullptr;
  }
  std::vector<float> weight = floats_of(w), bias = floats_of(b), mean(s.sets), rstd(s.sets), var(s.sets);
  Widened all = {s, half_index(x.type()), data_of<uint16_t>(x.array), nullptr, data_of<uint16_t>(made[0]), nullptr};
  by_runs<float>(s, all, or_null(weight), or_null(bias), PyFloat_AS_DOUBLE(args[5]), {nullptr, mean.data(), rstd.data(), var.data()});
  give(mean, made[1]);
  give(rstd, made[2]);
  give(var, made[3]);
  return Py_BuildValue("(NNNN)", made[0], made[1], made[2], made[3]);
}

// norm(x, weight, bias, view, axes, eps) -> (out, mean, rstd, var)
PyObject *norm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 6 || !PyFloat_CheckExact(args[5])) return not_implemented();
  if (is_half(args[0]))
    if (PyObject *made = half_norm(args); made || PyErr_Occurred()) return made;
  Sets s;
  FloatArray x(args[0], true), w(args[1], true), b(args[2], true);
  if (!served(x) || !read_sets(args[3], args[4], x.size(), s) || !vector_of(w, args[1], x, s.channels) ||
      !vector_of(b, args[2], x, s.channels))
    return PyErr_Occurred() ? nullptr : not_implemented();
  PyObject *made[4] = {like(x.array)};
  for (int i = 1; i < 4; i++) made[i] = new_array(s.ndim, s.shape, x.type());
  if (!made[0] || !made[1] || !made[2] || !made[3]) {
    for (PyObject *m : made) Py_XDECREF(m);
    return nullptr;
  }
  double eps = PyFloat_AS_DOUBLE(args[5]);
  x.type() == NPY_FLOAT32 ? forward<float>(s, x, w, b, eps, made) : forward<double>(s, x, w, b, eps, made);
  return Py_BuildValue("(NNNN)", made[0], made[1], made[2], made[3]);
}

// The results of a gradient: like x and, for weights, two like weight. False with an error.
bool make_gradients(PyObject *x, PyObject *weight, PyObject **made) {
  PyArrayObject *w = (PyArrayObject *)weight;
  made[0] = like(x);
  for (int i = 1; i < 3; i++) made[i] = weight ? new_zeros(PyArray_NDIM(w), PyArray_DIMS(w), PyArray_TYPE(w)) : nullptr;
  if (made[0] && (!weight || (made[1] && made[2]))) return true;
  for (int i = 0; i < 3; i++) Py_XDECREF(made[i]);
  return false;
}

template <typename T> struct Gradient {
  const T *g, *x, *w, *mean, *rstd;  // w may be null
  T *out, *to_w, *to_b;              // null without w
};

template <typename T, typename All> void gradient_by_runs(const Sets &s, const All &all, const Gradient<T> &to) {
  double count = (double)(s.runs * s.length);
  size_t step = s.step(), pairs = step ? s.runs : 1;
  std::vector<double> memory(s.sets * pairs * 2);
  double *partial = memory.data();
  share(s.sets, s.runs * s.length, [&, partial](size_t i, size_t j) {
    All some = all.begin();
    for (; i < j; i++) {
      double along = 0, across = 0, *own = partial + i * pairs * 2;
      size_t c = s.channel(i);
      auto set = some.at(i);
      forms<T>().products(set.g, set.x, set.runs, to.mean[i], step, own);
      for (size_t r = 0; r < pairs; r++) {
        along += own[2 * r] * (to.w ? to.w[c + r] : 1);
        across += own[2 * r + 1] * (to.w ? to.w[c + r] : 1);
      }
      double a = to.rstd[i];
      forms<T>().combine(set.g, set.x, set.runs, to.mean[i], a, to.w ? to.w + c : nullptr, step,
                         a * a * a * across / count, a * along / count, set.out);
      some.done(i);
    }
  });
  if (!to.w) return;
  std::vector<double> sums(s.channels * 2);
  for (size_t i = 0; i < s.sets; i++)
    for (size_t r = 0; r < pairs; r++) {
      size_t c = s.channel(i) + r;
      sums[2 * c] += partial[2 * (i * pairs + r)];
      sums[2 * c + 1] += partial[2 * (i * pairs + r) + 1] * to.rstd[i];
    }
  for (size_t c = 0; c < s.channels; c++) {
    to.to_b[c] = (T)sums[2 * c];
    to.to_w[c] = (T)sums[2 * c + 1];
  }
}

template <typename T> void gradient_by_columns(const Sets &s, const Gradient<T> &to) {
  size_t columns = s.sets * s.length;
  double count = (double)(s.runs * s.length);
  std::vector<double> first(columns), second(columns);
  std::vector<T> means(columns), p(columns), q(columns), m(columns);
  strips(s, [&](size_t begin, size_t end) {
    NormColumns part = {s.runs, columns, begin * s.length, end * s.length};
    for (size_t c = begin; c < end; c++) std::fill_n(&means[c * s.length], s.length, to.mean[c]);
    forms<T>().column_products(to.g, to.x, part, means.data(), first.data(), second.data());
    for (size_t c = begin; c < end; c++) {
      double along = 0, across = 0, a = to.rstd[c], w = to.w ? to.w[c] : 1;
      for (size_t k = c * s.length; k < (c + 1) * s.length; k++) {
        along += first[k];
        across += second[k];
      }
      if (to.w) {
        to.to_b[c] = (T)along;
        to.to_w[c] = (T)(across * a);
      }
      std::fill_n(&p[c * s.length], s.length, (T)(a * w));
      std::fill_n(&q[c * s.length], s.length, (T)(a * a * a * across * w / count));
      std::fill_n(&m[c * s.length], s.length, (T)(a * along * w / count));
    }
    forms<T>().column_combine(to.g, to.x, part, means.data(), p.data(), q.data(), m.data(), to.out);
  });
}

template <typename T> void backward(const Sets &s, const FloatArray *x, PyObject **made) {
  Gradient<T> to = {data_of<T>(x[0].array),    data_of<T>(x[1].array),    data_or_null<T>(x[2]),
                    data_of<T>(x[3].array),    data_of<T>(x[4].array),    data_of<T>(made[0]),
                    made[1] ? data_of<T>(made[1]) : nullptr, made[2] ? data_of<T>(made[2]) : nullptr};
  if (s.by_columns()) gradient_by_columns(s, to);
  else gradient_by_runs(s, Lying<T>{s, to.x, to.g, to.out}, to);
}

// As norm_backward(); null without an error: not served.
PyObject *half_backward(PyObject *const *args) {
  HalfArray g(args[0], false), x(args[1], false), w(args[2], true), mean(args[3], true), rstd(args[4], true);
  Sets s;
  int type = -1;
  if (!g.array || !x.array || g.type() != x.type() || g.size() != x.size() || !x.size() ||
      !read_sets(args[5], args[6], x.size(), s) || !long_enough(s) || !same_vector(mean, args[3], s.sets, type) ||
      !same_vector(rstd, args[4], s.sets, type) || !same_vector(w, args[2], s.channels, type) ||
      (type != NPY_FLOAT32 && type != x.type()))
    return nullptr;
  PyObject *made[3];
  if (!make_gradients(x.array, w.array, made)) return nullptr;
  std::vector<float> weight = floats_of(w), means = floats_of(mean), scales = floats_of(rstd);
  std::vector<float> to_w(weight.size()), to_b(weight.size());
  Widened all = {s, half_index(x.type()), data_of<uint16_t>(x.array), data_of<uint16_t>(g.array), data_of<uint16_t>(made[0]), nullptr};
  gradient_by_runs<float>(s, all,
                          {nullptr, nullptr, or_null(weight), means.data(), scales.data(), nullptr, to_w.data(), to_b.data()});
  if (!w.array) return made[0];
  give(to_w, made[1]);
  give(to_b, made[2]);
  return Py_BuildValue("(NNN)", made[0], made[1], made[2]);
}

// norm_backward(g, x, weight, mean, rstd, view, axes) -> (of x, of weight, of bias), or without weight (None) only of x
PyObject *norm_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 7) return not_implemented();
  if (is_half(args[1]))
    if (PyObject *result = half_backward(args); result || PyErr_Occurred()) return result;
  Sets s;
  FloatArray x[5] = {FloatArray(args[0], true), FloatArray(args[1], true), FloatArray(args[2], true), FloatArray(args[3], true), FloatArray(args[4], true)};
  for (int i : {0, 1, 3, 4})
    if (!served(x[i]) || x[i].type() != x[1].type()) return PyErr_Occurred() ? nullptr : not_implemented();
  if (x[0].size() != x[1].size() || x[3].size() != x[4].size() || !read_sets(args[5], args[6], x[1].size(), s) ||
      x[3].size() != s.sets || !vector_of(x[2], args[2], x[1], s.channels))
    return PyErr_Occurred() ? nullptr : not_implemented();
  PyObject *made[3];
  if (!make_gradients(x[1].array, x[2].array, made)) return nullptr;
  x[1].type() == NPY_FLOAT32 ? backward<float>(s, x, made) : backward<double>(s, x, made);
  return made[1] ? Py_BuildValue("(NNN)", made[0], made[1], made[2]) : made[0];
}

bool rows_served(PyObject *const *x) {  // g, x, weight, mean, rstd
  for (int i = 0; i < 5; i++)
    if (!plain(x[i]) || type_of(x[i]) != NPY_FLOAT32 || !size_of(x[i])) return false;
  return size_of(x[0]) == size_of(x[1]) && size_of(x[3]) == size_of(x[4]);
}

// layer_norm_backward(g, x, weight, mean, rstd, columns) -> (of x, of weight, of bias)
PyObject *layer_norm_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  PyObject *made[3];
  if (given != 6 || !rows_served(args) || !PyLong_CheckExact(args[5])) return not_implemented();
  size_t n = PyLong_AsSize_t(args[5]), rows = size_of(args[3]);
  if (!n || PyErr_Occurred() || size_of(args[2]) != n || size_of(args[1]) != n * rows) {
    PyErr_Clear();
    return not_implemented();
  }
  if (!make_gradients(args[1], args[2], made)) return nullptr;
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]), *w = data_of<float>(args[2]),
              *mean = data_of<float>(args[3]), *rstd = data_of<float>(args[4]);
  float *out = data_of<float>(made[0]), *to_w = data_of<float>(made[1]), *to_b = data_of<float>(made[2]);
  constexpr size_t ROWS = 64;  // of a piece; fixed, so that the number of threads changes no bit
  size_t pieces = (rows + ROWS - 1) / ROWS;
  if (pieces == 1) {
    kernels->norms.layer_backward(g, x, w, mean, rstd, out, to_w, to_b, rows, n);
    return Py_BuildValue("(NNN)", made[0], made[1], made[2]);
  }
  std::unique_ptr<float[]> memory(new float[pieces * n * 2]());
  float *partial = memory.get();
  share(pieces, ROWS * n, [=](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t r = i * ROWS;
      kernels->norms.layer_backward(g + r * n, x + r * n, w, mean + r, rstd + r, out + r * n, partial + 2 * i * n,
                                    partial + (2 * i + 1) * n, std::min(ROWS, rows - r), n);
    }
  });
  for (size_t i = 0; i < pieces; i++)
    for (size_t c = 0; c < n; c++) {
      to_w[c] += partial[2 * i * n + c];
      to_b[c] += partial[(2 * i + 1) * n + c];
    }
  return Py_BuildValue("(NNN)", made[0], made[1], made[2]);
}

template <typename T>
void inference(const FloatArray &x, const FloatArray &weight, const FloatArray &bias, const FloatArray &means, const FloatArray &vars, double eps, T *out) {
  size_t batch = x.dim(0), channels = x.dim(1), length = x.size() / batch / channels, columns = channels * length;
  const T *from = data_of<T>(x.array), *w = data_or_null<T>(weight), *b = data_or_null<T>(bias),
          *mean = data_of<T>(means.array), *var = data_of<T>(vars.array);
  auto scale = [=](size_t c) { return (T)((w ? (double)w[c] : 1.0) / std::sqrt((double)var[c] + eps)); };
  if (length >= SHORT) {
    share(batch * channels, length, [=](size_t i, size_t j) {
      for (; i < j; i++) {
        size_t c = i % channels;
        forms<T>().affine(from + i * length, {1, length, length}, mean[c], scale(c), nullptr, b ? b + c : nullptr, 0,
                          out + i * length);
      }
    });
    return;
  }
  std::vector<T> parameters(3 * columns);
  T *p = parameters.data();
  for (size_t c = 0; c < channels; c++) {
    std::fill_n(p + c * length, length, mean[c]);
    std::fill_n(p + columns + c * length, length, scale(c));
    std::fill_n(p + 2 * columns + c * length, length, b ? b[c] : 0);
  }
  share(batch, columns, [=](size_t i, size_t j) {
    forms<T>().column_affine(from + i * columns, {j - i, columns, 0, columns}, p, p + columns, p + 2 * columns,
                             out + i * columns);
  });
}

// batch_norm_inference(x, weight, bias, mean, var, eps): by channel, the second dimension
PyObject *batch_norm_inference(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 6 || !PyFloat_CheckExact(args[5])) return not_implemented();
  FloatArray x(args[0], true), w(args[1], true), b(args[2], true), mean(args[3], true), var(args[4], true);
  bool fits = served(x) && x.ndim() >= 2 && mean.array && var.array;
  const FloatArray *given_for[] = {&w, &b, &mean, &var};
  for (int i = 0; fits && i < 4; i++) fits = vector_of(*given_for[i], args[i + 1], x, x.dim(1));
  if (!fits) return PyErr_Occurred() ? nullptr : not_implemented();
  PyObject *made = like(x.array);
  if (!made) return nullptr;
  double eps = PyFloat_AS_DOUBLE(args[5]);
  if (x.type() == NPY_FLOAT32) inference<float>(x, w, b, mean, var, eps, data_of<float>(made));
  else inference<double>(x, w, b, mean, var, eps, data_of<double>(made));
  return made;
}

template <typename T> void mix(PyObject *running, PyObject *fresh, double factor, double momentum) {
  T *to = data_of<T>(running);
  const T *from = data_of<T>(fresh);
  for (size_t i = 0, n = size_of(running); i < n; i++)
    to[i] = (T)(momentum * (factor * from[i]) + (1 - momentum) * to[i]);
}

// mix_running(running, fresh, factor, momentum): running becomes (1 - momentum) running + momentum factor fresh
PyObject *mix_running(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 4 || !plain(args[0]) || !plain(args[1]) || !PyArray_ISWRITEABLE((PyArrayObject *)args[0]) ||
      size_of(args[0]) != size_of(args[1]) || type_of(args[0]) != type_of(args[1]) ||
      (type_of(args[0]) != NPY_FLOAT32 && type_of(args[0]) != NPY_FLOAT64))
    return not_implemented();
  double factor = PyFloat_AsDouble(args[2]), momentum = PyFloat_AsDouble(args[3]);
  if (PyErr_Occurred()) return nullptr;
  type_of(args[0]) == NPY_FLOAT32 ? mix<float>(args[0], args[1], factor, momentum)
                                  : mix<double>(args[0], args[1], factor, momentum);
  Py_RETURN_NONE;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, nullptr}
PyMethodDef methods[] = {METHOD(norm),
                         METHOD(norm_backward),
                         METHOD(layer_norm_backward),
                         METHOD(batch_norm_inference),
                         METHOD(mix_running),
                         {nullptr}};

}  // namespace

bool add_norm(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
