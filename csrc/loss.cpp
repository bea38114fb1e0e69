// Losses: float32, contiguous, of one shape, else NotImplemented. Of pairs: (x, y, [weights], reduction, [parameter]) ->
// loss and (gradient, x, y, [weights], reduction, [parameter]) -> gradient of x. Of classes: rows of logits, or of their logarithms.
#include "arrays.h"
#include "kernels.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace rushlight {
namespace {

enum Reduction { NONE, MEAN, SUM, UNKNOWN };
enum Kind { SQUARED, ABSOLUTE, SMOOTH, HUBER, PROBABILITY, LOGIT };

Reduction reduction_of(PyObject *x) {
  if (!PyUnicode_CheckExact(x)) return UNKNOWN;
  if (!PyUnicode_CompareWithASCIIString(x, "mean")) return MEAN;
  if (!PyUnicode_CompareWithASCIIString(x, "sum")) return SUM;
  return PyUnicode_CompareWithASCIIString(x, "none") ? UNKNOWN : NONE;
}

bool served(PyObject *x) { return plain(x) && type_of(x) == NPY_FLOAT32 && size_of(x) > 0; }

bool alike(PyObject *x, PyObject *y) { return served(y) && PyArray_SAMESHAPE((PyArrayObject *)x, (PyArrayObject *)y); }

PyObject *scalar(double value) {
  PyObject *out = new_array(0, nullptr, NPY_FLOAT32);
  if (out) *data_of<float>(out) = (float)value;
  return out;
}

constexpr size_t PIECE = 1 << 14;  // of a fixed length, so that the number of threads changes no bit

bool within_one(const float *x, size_t n) {
  int32_t within = -1;  // as wide as a float, so that the loop is one of vectors
  for (size_t i = 0; i < n; i++) within &= -(int32_t)((x[i] >= 0) & (x[i] <= 1));
  return within != 0;
}

double total(const PairLoss &loss, const float *x, const float *y, size_t n, float p) {
  size_t pieces = (n + PIECE - 1) / PIECE;
  if (pieces < 2) return loss.total(x, y, n, p);
  std::unique_ptr<double[]> partial(new double[pieces]);
  double *to = partial.get(), result = 0;
  parallel(pieces, 1, [=](size_t i, size_t j) {
    for (; i < j; i++) to[i] = loss.total(x + i * PIECE, y + i * PIECE, std::min(PIECE, n - i * PIECE), p);
  });
  for (size_t i = 0; i < pieces; i++) result += to[i];
  return result;
}

// The parameter of those that have one; false: not positive, or not a number.
bool parameter(Kind kind, PyObject *const *at, Py_ssize_t left, float &p) {
  p = 1;
  if (kind != SMOOTH && kind != HUBER) return left == 0;
  if (left != 1 || (!PyFloat_CheckExact(*at) && !PyLong_CheckExact(*at))) return false;
  double value = PyFloat_AsDouble(*at);
  PyErr_Clear();
  p = (float)value;
  return p > 0;
}

// Weights, which only the reference knows, come before the reduction.
constexpr int weights(Kind kind) { return kind == PROBABILITY ? 1 : kind == LOGIT ? 2 : 0; }

bool unweighted(PyObject *const *at, int n) {
  for (int i = 0; i < n; i++)
    if (at[i] != Py_None) return false;
  return true;
}

template <Kind KIND> PyObject *pair_loss(PyObject *, PyObject *const *args, Py_ssize_t given) {
  float p;
  constexpr int at = 2 + weights(KIND);
  if (given <= at || !served(args[0]) || !alike(args[0], args[1]) || !unweighted(args + 2, at - 2) ||
      !parameter(KIND, args + at + 1, given - at - 1, p))
    return not_implemented();
  Reduction how = reduction_of(args[at]);
  const PairLoss &loss = kernels->losses.pairs[KIND];
  const float *x = data_of<float>(args[0]), *y = data_of<float>(args[1]);
  size_t n = size_of(args[0]);
  if (how == UNKNOWN || (KIND == PROBABILITY && (!within_one(x, n) || !within_one(y, n)))) return not_implemented();
  if (how == NONE) {
    PyObject *out = like(args[0]);
    if (!out) return nullptr;
    float *to = data_of<float>(out);
    share(n, 1, [=](size_t i, size_t j) { loss.each(x + i, y + i, to + i, j - i, p); });
    return out;
  }
  double sum;
  if (n < BIG) {
    sum = total(loss, x, y, n, p);
  } else {
    Py_BEGIN_ALLOW_THREADS
    sum = total(loss, x, y, n, p);
    Py_END_ALLOW_THREADS
  }
  return scalar(how == MEAN ? sum / (double)n : sum);
}

template <Kind KIND> PyObject *pair_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  float p;
  constexpr int at = 3 + (KIND == LOGIT ? 0 : weights(KIND));
  if (given <= at || !served(args[0]) || !served(args[1]) || !alike(args[1], args[2]) || !unweighted(args + 3, at - 3) ||
      !parameter(KIND, args + at + 1, given - at - 1, p))
    return not_implemented();
  Reduction how = reduction_of(args[at]);
  if (how == UNKNOWN || (how == NONE ? !alike(args[1], args[0]) : PyArray_NDIM((PyArrayObject *)args[0]) != 0))
    return not_implemented();
  PyObject *out = like(args[1]);
  if (!out) return nullptr;
  const PairLoss &loss = kernels->losses.pairs[KIND];
  const float *g = data_of<float>(args[0]), *x = data_of<float>(args[1]), *y = data_of<float>(args[2]);
  float *to = data_of<float>(out);
  size_t n = size_of(args[1]);
  float scale = how == NONE ? 1.0f : how == SUM ? *g : (float)((double)*g / (double)n);
  share(n, 1, [=](size_t i, size_t j) { loss.slope(how == NONE ? g + i : nullptr, scale, x + i, y + i, to + i, j - i, p); });
  return out;
}

// ---- classes ---------------------------------------------------------------------------------------------------------

struct Classes {
  size_t rows, classes;
  const int64_t *target;
  const float *weight;  // or null
  long long ignored;
  double whole;  // the sum of the weights
  float of(size_t r) const { return target[r] == ignored ? 0.0f : weight ? weight[target[r]] : 1.0f; }
};

// target (N), weight (C) or None, ignore_index, for rows (N, C). False: for the reference to judge.
bool read_classes(size_t rows, size_t classes, PyObject *target, PyObject *weight, PyObject *ignore, Classes &c) {
  if (!plain(target) || type_of(target) != NPY_INT64 || PyArray_NDIM((PyArrayObject *)target) != 1 ||
      size_of(target) != rows || !PyLong_CheckExact(ignore))
    return false;
  if (weight != Py_None &&
      (!served(weight) || PyArray_NDIM((PyArrayObject *)weight) != 1 || size_of(weight) != classes))
    return false;
  int overflow;
  c = {rows, classes, data_of<int64_t>(target), weight == Py_None ? nullptr : data_of<float>(weight),
       PyLong_AsLongLongAndOverflow(ignore, &overflow), 0};
  if (overflow) return false;
  for (size_t r = 0; r < rows; r++)
    if (c.target[r] != c.ignored && (size_t)c.target[r] >= classes) return false;
  for (size_t r = 0; r < rows; r++) c.whole += c.of(r);
  return true;
}

bool matrix(PyObject *x) { return served(x) && PyArray_NDIM((PyArrayObject *)x) == 2; }
size_t rows_of(PyObject *x) { return (size_t)PyArray_DIM((PyArrayObject *)x, 0); }
size_t columns_of(PyObject *x) { return (size_t)PyArray_DIM((PyArrayObject *)x, 1); }

// loss(row), without weight, of those that have one.
template <typename Loss> PyObject *reduced(const Classes &c, Reduction how, Loss of_row) {
  auto loss = [&](size_t r) {
    float w = c.of(r);
    return w == 0 ? 0.0f : of_row(r) * w;
  };
  if (how == NONE) {
    npy_intp n = (npy_intp)c.rows;
    PyObject *out = new_array(1, &n, NPY_FLOAT32);
    for (size_t r = 0; out && r < c.rows; r++) data_of<float>(out)[r] = loss(r);
    return out;
  }
  double total = 0;
  for (size_t r = 0; r < c.rows; r++) total += loss(r);
  return scalar(how == SUM ? total : total / c.whole);
}

// nll_loss(logs, target, weight, reduction, ignore_index, ndim)
PyObject *nll_loss(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Classes c;
  if (given != 6 || !matrix(args[0]) || !read_classes(rows_of(args[0]), columns_of(args[0]), args[1], args[2], args[4], c))
    return not_implemented();
  Reduction how = reduction_of(args[3]);
  const float *logs = data_of<float>(args[0]);
  if (how == UNKNOWN) return not_implemented();
  return reduced(c, how, [&](size_t r) { return -logs[r * c.classes + (size_t)c.target[r]]; });
}

// cross_entropy(x, target, weight, reduction, ignore_index) -> (loss, the probabilities)
PyObject *cross_entropy(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Classes c;
  if (given != 5 || !matrix(args[0]) || !read_classes(rows_of(args[0]), columns_of(args[0]), args[1], args[2], args[4], c))
    return not_implemented();
  Reduction how = reduction_of(args[3]);
  if (how == UNKNOWN) return not_implemented();
  PyObject *probabilities = like(args[0]);
  if (!probabilities) return nullptr;
  const float *x = data_of<float>(args[0]);
  float *to = data_of<float>(probabilities);
  size_t n = c.classes;
  std::unique_ptr<float[]> memory(new float[2 * c.rows]);
  float *logs = memory.get();
  share(c.rows, n, [=](size_t i, size_t j) { kernels->rows.softmax_logs(x + i * n, to + i * n, logs + 2 * i, j - i, n); });
  PyObject *loss = reduced(c, how, [&](size_t r) { return logs[2 * r + 1] - (x[r * n + (size_t)c.target[r]] - logs[2 * r]); });
  PyObject *both = loss ? PyTuple_Pack(2, loss, probabilities) : nullptr;
  Py_XDECREF(loss);
  Py_DECREF(probabilities);
  return both;
}

// Is g what the reduction makes it: one number, or one a row?
bool fits(PyObject *g, Reduction how, size_t rows) {
  if (how == UNKNOWN || !served(g)) return false;
  int ndim = PyArray_NDIM((PyArrayObject *)g);
  return how == NONE ? ndim == 1 && size_of(g) == rows : ndim == 0;
}

// A row's share of the gradient.
float share_of(const Classes &c, const float *g, Reduction how, size_t r) {
  float w = c.of(r);
  if (w == 0) return 0;
  return how == NONE ? w * g[r] : how == SUM ? w * *g : w * (float)(*g / c.whole);
}

// cross_entropy_backward(gradient, probabilities, target, weight, reduction, ignore_index): (those - one hot) times the share
PyObject *cross_entropy_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Classes c;
  if (given != 6 || !matrix(args[1]) || !read_classes(rows_of(args[1]), columns_of(args[1]), args[2], args[3], args[5], c))
    return not_implemented();
  Reduction how = reduction_of(args[4]);
  if (!fits(args[0], how, c.rows)) return not_implemented();
  PyObject *out = like(args[1]);
  if (!out) return nullptr;
  const float *g = data_of<float>(args[0]), *p = data_of<float>(args[1]);
  float *to = data_of<float>(out);
  size_t n = c.classes;
  share(c.rows, n, [&c, g, p, to, n, how](size_t i, size_t j) {
    for (; i < j; i++) {
      float part = share_of(c, g, how, i), *row = to + i * n;
      if (part == 0) {
        std::memset(row, 0, n * sizeof(float));
      } else {
        kernels->binary.mul.f32.right(p + i * n, &part, row, n);
        row[c.target[i]] -= part;
      }
    }
  });
  return out;
}

// nll_loss_backward(gradient, target, weight, shape, reduction, ignore_index)
PyObject *nll_loss_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 6 || !PyTuple_CheckExact(args[3]) || PyTuple_GET_SIZE(args[3]) != 2) return not_implemented();
  npy_intp dims[2];
  for (int i = 0; i < 2; i++) dims[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(args[3], i));
  if (PyErr_Occurred()) return nullptr;
  Classes c;
  Reduction how = reduction_of(args[4]);
  if (!dims[0] || !dims[1] || !fits(args[0], how, (size_t)dims[0]) ||
      !read_classes((size_t)dims[0], (size_t)dims[1], args[1], args[2], args[5], c))
    return not_implemented();
  PyObject *out = new_zeros(2, dims, NPY_FLOAT32);
  if (!out) return nullptr;
  const float *g = data_of<float>(args[0]);
  for (size_t r = 0; r < c.rows; r++)
    if (c.target[r] != c.ignored) data_of<float>(out)[r * c.classes + (size_t)c.target[r]] = -share_of(c, g, how, r);
  return out;
}

#define METHOD(name, function) {name, (PyCFunction)(void (*)(void))function, METH_FASTCALL, nullptr}
#define PAIR(name, kind) METHOD(name, pair_loss<kind>), METHOD(name "_backward", pair_backward<kind>)
PyMethodDef methods[] = {PAIR("mse_loss", SQUARED),
                         PAIR("l1_loss", ABSOLUTE),
                         PAIR("smooth_l1_loss", SMOOTH),
                         PAIR("huber_loss", HUBER),
                         PAIR("binary_cross_entropy", PROBABILITY),
                         PAIR("binary_cross_entropy_with_logits", LOGIT),
                         METHOD("nll_loss", nll_loss),
                         METHOD("nll_loss_backward", nll_loss_backward),
                         METHOD("cross_entropy", cross_entropy),
                         METHOD("cross_entropy_backward", cross_entropy_backward),
                         {nullptr}};

}  // namespace

bool add_loss(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
