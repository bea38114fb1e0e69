// softmax(scale q k^T + mask) v and its gradient. A block of queries at a time meets all keys, so that the scores of a
// block stay in the cache and the whole L x S is never in memory. float32 and float64, any strides, else NotImplemented.
// What is usual goes through attention_blocks.cpp.
#include "arrays.h"
#include "attention_shape.h"
#include "gemm.h"
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace rushlight {
namespace {

template <typename T> Operand<T> operand(PyObject *x, int lead) {
  PyArrayObject *a = (PyArrayObject *)x;
  Operand<T> o = {(T *)PyArray_DATA(a), lead, {}, 0, 0};
  int ndim = PyArray_NDIM(a);
  auto step = [&](int d) {  // of dimension d counted from the end; a broadcast one stands still
    int at = ndim - d;
    if (at < 0 || PyArray_DIM(a, at) == 1) return (ptrdiff_t)0;
    return (ptrdiff_t)PyArray_STRIDE(a, at) / (ptrdiff_t)sizeof(T);
  };
  o.item = step(1);
  o.row = step(2);
  for (int d = 0; d < lead; d++) o.steps[d] = step(lead - d + 2);
  return o;
}

void softmax(float *x, size_t rows, size_t n) { kernels->rows.softmax(x, x, rows, n); }
void softmax(double *x, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, x += n) {
    double top = *std::max_element(x, x + n), total = 0;
    for (size_t i = 0; i < n; i++) total += x[i] = std::exp(x[i] - top);
    for (size_t i = 0; i < n; i++) x[i] /= total;
  }
}
void softmax_backward(float *g, const float *y, size_t rows, size_t n) { kernels->rows.softmax_backward(g, y, g, rows, n); }
void softmax_backward(double *g, const double *y, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, g += n, y += n) {
    double dot = 0;
    for (size_t i = 0; i < n; i++) dot += g[i] * y[i];
    for (size_t i = 0; i < n; i++) g[i] = y[i] * (g[i] - dot);
  }
}

// The weights of queries [first, last) of head i, (rows, seen); `scaled` becomes scale q (rows, E).
template <typename T>
void weights(const Shape &s, const Operand<T> &q, const Operand<T> &k, const Mask &m, size_t i, size_t first, size_t last,
             T *scaled, T *out) {
  size_t rows = last - first, n = seen(s, last);
  const T *from = head(q, s, i, 1) + (ptrdiff_t)first * q.row;
  for (size_t r = 0; r < rows; r++)
    for (size_t e = 0; e < s.width; e++)
      scaled[r * s.width + e] = from[(ptrdiff_t)r * q.row + (ptrdiff_t)e * q.item] * (T)s.scale;
  gemm<T>(rows, n, s.width, scaled, (ptrdiff_t)s.width, 1, head(k, s, i, s.group), k.item, k.row, out, (ptrdiff_t)n, nullptr);
  if (!m.given && !s.causal) return softmax(out, rows, n);
  for (size_t r = 0; r < rows; r++) {
    T *row = out + r * n;
    size_t valid = s.causal ? std::min(n, first + r + 1) : n;
    if (m.given) add_mask(row, valid, m, s, i, first + r);
    if (m.given && std::all_of(row, row + valid, [](T x) { return x == -std::numeric_limits<T>::infinity(); }))
      valid = 0;  // nothing to look at: no weights
    else
      softmax(row, 1, valid);
    std::fill(row + valid, row + n, T(0));
  }
}

// Queries a block: its scores fill part of the second cache.
size_t block_of(const Shape &s) { return std::min(s.length, std::max<size_t>(32, std::min<size_t>(256, (1 << 17) / s.source))); }

template <typename Work> void by_heads(size_t n, Work work) {
  if (n < (size_t)num_threads()) return work(0, n);  // then the products are shared
  parallel(n, 1, work);
}

template <typename T>
void forward(const Shape &s, const Operand<T> &q, const Operand<T> &k, const Operand<T> &v, const Mask &m, const Operand<T> &out) {
  size_t block = block_of(s), blocks = (s.length + block - 1) / block;
  by_heads(s.heads * blocks, [&](size_t t, size_t end) {
    std::unique_ptr<T[]> memory(new T[block * (s.source + s.width)]);
    T *scores = memory.get(), *scaled = scores + block * s.source;
    for (; t < end; t++) {
      size_t i = t / blocks, first = t % blocks * block, last = std::min(first + block, s.length), n = seen(s, last);
      weights(s, q, k, m, i, first, last, scaled, scores);
      gemm<T>(last - first, s.wide, n, scores, (ptrdiff_t)n, 1, head(v, s, i, s.group), v.row, v.item,
              head(out, s, i, 1) + (ptrdiff_t)first * out.row, out.row, nullptr);
    }
  });
}

// to[:n] (+)= x[n, width]; what is beyond n becomes zero the first time.
template <typename T> void gather(bool fresh, size_t n, size_t all, size_t width, const T *x, T *to, ptrdiff_t row) {
  for (size_t r = 0; r < all; r++) {
    T *at = to + (ptrdiff_t)r * row;
    if (fresh && r >= n) std::fill(at, at + width, T(0));
    for (size_t c = 0; c < width && r < n; c++) at[c] = fresh ? x[r * width + c] : at[c] + x[r * width + c];
  }
}

template <typename T>
void backward(const Shape &s, const Operand<T> &g, const Operand<T> &q, const Operand<T> &k, const Operand<T> &v, const Mask &m,
              const Operand<T> &dq, const Operand<T> &dk, const Operand<T> &dv) {
  size_t block = block_of(s), broad = std::max(s.width, s.wide);
  by_heads(s.heads / s.group, [&](size_t t, size_t end) {
    std::unique_ptr<T[]> memory(new T[block * (2 * s.source + s.width) + s.source * broad]);
    T *p = memory.get(), *dp = p + block * s.source, *scaled = dp + block * s.source, *part = scaled + block * s.width;
    for (; t < end; t++)
      for (size_t i = t * s.group; i < (t + 1) * s.group; i++)
        for (size_t first = 0; first < s.length; first += block) {
          size_t last = std::min(first + block, s.length), rows = last - first, n = seen(s, last);
          bool fresh = i == t * s.group && !first;
          const T *go = head(g, s, i, 1) + (ptrdiff_t)first * g.row;
          const T *keys = head(k, s, i, s.group), *values = head(v, s, i, s.group);
          T *to = head(dq, s, i, 1) + (ptrdiff_t)first * dq.row;
          weights(s, q, k, m, i, first, last, scaled, p);
          gemm<T>(n, s.wide, rows, p, 1, (ptrdiff_t)n, go, g.row, g.item, part, (ptrdiff_t)s.wide, nullptr);
          gather(fresh, n, s.source, s.wide, part, head(dv, s, i, s.group), dv.row);
          gemm<T>(rows, n, s.wide, go, g.row, g.item, values, v.item, v.row, dp, (ptrdiff_t)n, nullptr);
          softmax_backward(dp, p, rows, n);
          gemm<T>(rows, s.width, n, dp, (ptrdiff_t)n, 1, keys, k.row, k.item, to, dq.row, nullptr);
          for (size_t r = 0; r < rows; r++)
            for (size_t e = 0; e < s.width; e++) to[(ptrdiff_t)r * dq.row + (ptrdiff_t)e] *= (T)s.scale;
          gemm<T>(n, s.width, rows, dp, 1, (ptrdiff_t)n, scaled, (ptrdiff_t)s.width, 1, part, (ptrdiff_t)s.width, nullptr);
          gather(fresh, n, s.source, s.width, part, head(dk, s, i, s.group), dk.row);
        }
  });
}

// ---- from Python -----------------------------------------------------------------------------------------------------

bool usable(PyObject *x, int type, int ndim) {
  if (!PyArray_CheckExact(x)) return false;
  PyArrayObject *a = (PyArrayObject *)x;
  return PyArray_TYPE(a) == type && PyArray_NDIM(a) == ndim && PyArray_ISBEHAVED_RO(a) && PyArray_SIZE(a) > 0;
}

bool same_lead(PyObject *x, PyObject *y, int lead) {
  for (int d = 0; d < lead; d++)
    if (PyArray_DIM((PyArrayObject *)x, d) != PyArray_DIM((PyArrayObject *)y, d)) return false;
  return true;
}

size_t dim(PyObject *x, int from_end) {
  PyArrayObject *a = (PyArrayObject *)x;
  return (size_t)PyArray_DIM(a, PyArray_NDIM(a) - from_end);
}

bool read_mask(PyObject *x, int type, const Shape &s, Mask &m) {
  m = {};
  m.given = x != Py_None;
  if (!m.given) return true;
  if (!PyArray_CheckExact(x)) return false;
  PyArrayObject *a = (PyArrayObject *)x;
  int ndim = PyArray_NDIM(a);
  m.truth = PyArray_TYPE(a) == NPY_BOOL;
  if ((!m.truth && PyArray_TYPE(a) != type) || ndim > s.lead + 2 || !PyArray_ISBEHAVED_RO(a)) return false;
  for (int d = 0; d < ndim; d++) {
    int at = d + s.lead + 2 - ndim;
    size_t wanted = at < s.lead ? s.dims[at] : at == s.lead ? s.length : s.source;
    if (PyArray_DIM(a, d) != 1 && (size_t)PyArray_DIM(a, d) != wanted) return false;
  }
  if (m.truth) m.bools = operand<char>(x, s.lead);
  else if (type == NPY_FLOAT32) m.f32 = operand<float>(x, s.lead);
  else m.f64 = operand<double>(x, s.lead);
  return true;
}

// q, k, v, mask, is_causal, scale: their shape; false for what the reference shall compute.
bool read_shape(PyObject *const *x, Shape &s, Mask &m) {
  PyObject *q = x[0], *k = x[1], *v = x[2];
  if (!PyArray_CheckExact(q)) return false;
  int type = type_of(q), ndim = PyArray_NDIM((PyArrayObject *)q);
  if ((type != NPY_FLOAT32 && type != NPY_FLOAT64) || ndim < 2 || ndim > LEAD + 2) return false;
  for (int i = 0; i < 3; i++)
    if (!usable(x[i], type, ndim)) return false;
  s.lead = ndim - 2;
  s.heads = s.group = 1;
  for (int d = 0; d < s.lead; d++) s.heads *= s.dims[d] = (size_t)PyArray_DIM((PyArrayObject *)q, d);
  if (!same_lead(k, v, s.lead) || !same_lead(q, k, s.lead - 1)) return false;
  if (s.lead) {
    if (dim(q, 3) % dim(k, 3)) return false;
    s.group = dim(q, 3) / dim(k, 3);
  }
  s.length = dim(q, 2);
  s.width = dim(q, 1);
  s.source = dim(k, 2);
  s.wide = dim(v, 1);
  if (dim(k, 1) != s.width || dim(v, 2) != s.source) return false;
  if (!PyBool_Check(x[4]) || !PyFloat_CheckExact(x[5])) return false;
  s.causal = x[4] == Py_True;
  s.scale = PyFloat_AS_DOUBLE(x[5]);
  return read_mask(x[3], type, s, m);
}

// A new array of x's leading dimensions and these; `between`: its rows lie outside its heads, as (N, L, heads, E).
PyObject *make(PyObject *x, size_t rows, size_t items, bool between) {
  PyArrayObject *a = (PyArrayObject *)x;
  int ndim = std::max(2, PyArray_NDIM(a));
  npy_intp dims[LEAD + 2];
  std::copy_n(PyArray_DIMS(a), ndim, dims);
  dims[ndim - 2] = (npy_intp)rows;
  dims[ndim - 1] = (npy_intp)items;
  if (ndim < 3 || !between) return new_array(ndim, dims, PyArray_TYPE(a));
  std::swap(dims[ndim - 2], dims[ndim - 3]);
  PyObject *made = new_array(ndim, dims, PyArray_TYPE(a));
  PyObject *view = made ? PyArray_SwapAxes((PyArrayObject *)made, ndim - 2, ndim - 3) : nullptr;
  Py_XDECREF(made);
  return view;
}

bool between(PyObject *x) {
  PyArrayObject *a = (PyArrayObject *)x;
  int ndim = PyArray_NDIM(a);
  return ndim > 2 && PyArray_STRIDE(a, ndim - 3) < PyArray_STRIDE(a, ndim - 2);
}

PyObject *alike(PyObject *x) { return make(x, dim(x, 2), dim(x, 1), between(x)); }

template <typename... Rest> bool by_blocks(const Shape &s, const Operand<float> &x, Rest &...rest) {
  if constexpr (sizeof...(rest) == 4) return attention_blocks(s, x, rest...);
  else return attention_blocks_backward(s, x, rest...);
}
template <typename... Rest> bool by_blocks(const Shape &, const Operand<double> &, Rest &...) { return false; }

template <typename T> PyObject *attend(PyObject *const *x, const Shape &s, const Mask &m) {
  PyObject *out = make(x[0], s.length, s.wide, PyArray_NDIM((PyArrayObject *)x[0]) == 4);
  if (!out) return nullptr;
  auto q = operand<T>(x[0], s.lead), k = operand<T>(x[1], s.lead), v = operand<T>(x[2], s.lead), to = operand<T>(out, s.lead);
  Py_BEGIN_ALLOW_THREADS
  if (!by_blocks(s, q, k, v, m, to)) forward<T>(s, q, k, v, m, to);
  Py_END_ALLOW_THREADS
  return out;
}

template <typename T> PyObject *attend_backward(PyObject *const *x, const Shape &s, const Mask &m) {
  PyObject *dq = alike(x[1]), *dk = alike(x[2]), *dv = alike(x[3]);
  if (!dq || !dk || !dv) {
    Py_XDECREF(dq);
    Py_XDECREF(dk);
    Py_XDECREF(dv);
    return nullptr;
  }
  int n = s.lead;
  auto g = operand<T>(x[0], n), q = operand<T>(x[1], n), k = operand<T>(x[2], n), v = operand<T>(x[3], n);
  auto to_q = operand<T>(dq, n), to_k = operand<T>(dk, n), to_v = operand<T>(dv, n);
  Py_BEGIN_ALLOW_THREADS
  if (!by_blocks(s, g, q, k, v, m, to_q, to_k, to_v)) backward<T>(s, g, q, k, v, m, to_q, to_k, to_v);
  Py_END_ALLOW_THREADS
  return Py_BuildValue("(NNN)", dq, dk, dv);
}

// attention(q, k, v, mask or None, is_causal, scale)
PyObject *attention(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Shape s;
  Mask m;
  if (given != 6 || !read_shape(args, s, m)) return not_implemented();
  return type_of(args[0]) == NPY_FLOAT32 ? attend<float>(args, s, m) : attend<double>(args, s, m);
}

// attention_backward(gradient, q, k, v, mask or None, is_causal, scale) -> (of q, of k, of v)
PyObject *attention_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Shape s;
  Mask m;
  if (given != 7 || !read_shape(args + 1, s, m)) return not_implemented();
  int type = type_of(args[1]), ndim = PyArray_NDIM((PyArrayObject *)args[1]);
  if (!usable(args[0], type, ndim) || !same_lead(args[0], args[1], ndim - 1) || dim(args[0], 1) != s.wide)
    return not_implemented();
  return type == NPY_FLOAT32 ? attend_backward<float>(args, s, m) : attend_backward<double>(args, s, m);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, nullptr}
PyMethodDef methods[] = {METHOD(attention), METHOD(attention_backward), {nullptr}};

}  // namespace

bool add_attention(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
