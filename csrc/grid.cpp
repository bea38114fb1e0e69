// Sampling of images (N, C, H, W) and volumes (N, C, D, H, W) at the points of a grid, and its gradients: float32 and
// float64. A point reads a few elements (taps) with weights, the same in all channels. The rest is NotImplemented.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "copy.h"

namespace rushlight {
namespace {

enum Mode { LINEAR, NEAREST, CUBIC };
enum Padding { ZEROS, BORDER, REFLECTION };
constexpr int MOST = 16;             // taps of a point
constexpr size_t BLOCK = 128;        // points whose taps are known at once

struct Sampling {
  int dims;
  Mode mode;
  Padding padding;
  bool align;
  size_t batch, channels, points, plane, sizes[3];  // sizes: the slowest dimension first
};

template <typename T> struct Taps {
  int count;
  ptrdiff_t at[MOST];  // -1: outside
  T weight[MOST], slope[3][MOST];  // and its derivatives by the coordinates as they lie in the grid
};

// Positions folded back at the edges; `slope` changes its sign with each fold.
template <typename T> T reflected(T t, size_t size, bool align, T &slope) {
  T low = align ? (T)0 : (T)-0.5, span = align ? (T)(size - 1) : (T)size;
  if (span == 0) return slope = 0, (T)0;
  T distance = t - low;
  if (distance < 0) {
    distance = -distance;
    slope = -slope;
  }
  T rest = std::fmod(distance, span), flips = std::floor(distance / span);
  if (std::fmod(flips, (T)2) == 0) return rest + low;
  slope = -slope;
  return span - rest + low;
}

template <typename T> T clipped(T t, size_t size, T &slope) {
  T most = (T)(size - 1);
  if (!(t > 0)) return slope = 0, (T)0;  // NaN too
  return t < most ? t : (slope = 0, most);
}

template <typename T> T bounded(const Sampling &s, T t, size_t size, T &slope) {
  if (s.padding == REFLECTION) t = reflected(t, size, s.align, slope);
  return s.padding == ZEROS ? t : clipped(t, size, slope);
}

// A whole position as an index; -1 if it lies outside.
template <typename T> ptrdiff_t inside(T t, size_t size) { return t >= 0 && t < (T)size ? (ptrdiff_t)t : -1; }

// Keys' weights (a = -0.75) of the four elements around a place t past the second.
template <typename T> void cubic(T t, T *weight, T *slope) {
  const T a = (T)-0.75;
  for (int k = 0; k < 4; k++) {
    T x = k == 0 ? t + 1 : k == 1 ? t : k == 2 ? 1 - t : 2 - t, sign = k < 2 ? (T)1 : (T)-1;
    bool near = k == 1 || k == 2;
    weight[k] = near ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    slope[k] = sign * (near ? (3 * (a + 2) * x - 2 * (a + 3)) * x : (3 * a * x - 10 * a) * x + 8 * a);
  }
}

// What the elements of one dimension are for a point.
template <typename T> struct Line {
  int count;
  ptrdiff_t at[4];
  T weight[4], slope[4];
};

template <typename T> void line(const Sampling &s, T coordinate, size_t size, Line<T> &l) {
  T scale = s.align ? (T)(size - 1) / 2 : (T)size / 2;
  T one = coordinate + 1, many = (T)size, t;  // rounded as PyTorch's CPU does
  if (s.dims == 2) t = s.align ? one * scale : one * scale - (T)0.5;
  else t = s.align ? one / 2 * (many - 1) : (one * many - 1) / 2;
  if (s.mode == CUBIC) {
    T low = std::floor(t), unused;
    cubic(t - low, l.weight, l.slope);
    l.count = 4;
    for (int k = 0; k < 4; k++) {
      l.at[k] = inside(bounded(s, low + (T)(k - 1), size, unused), size);
      l.slope[k] *= scale;
    }
    return;
  }
  t = bounded(s, t, size, scale);
  if (s.mode == NEAREST) {
    l.count = 1;
    l.at[0] = inside(std::nearbyint(t), size);
    l.weight[0] = 1;
    l.slope[0] = 0;
    return;
  }
  T low = std::floor(t);
  l.count = 2;
  l.at[0] = inside(low, size);
  l.at[1] = inside(low + 1, size);
  l.weight[1] = t - low;
  l.weight[0] = (low + 1) - t;
  l.slope[1] = scale;
  l.slope[0] = -scale;
}

template <typename T> void taps(const Sampling &s, const T *point, Taps<T> &to, bool slopes) {
  Line<T> lines[3];
  for (int d = 0; d < s.dims; d++) line(s, point[s.dims - 1 - d], s.sizes[d], lines[d]);  // x comes first in a grid
  to.count = 0;
  int place[3] = {0, 0, 0};
  for (;;) {
    ptrdiff_t at = 0;
    T weight = 1;
    for (int d = 0; d < s.dims; d++) {
      ptrdiff_t i = lines[d].at[place[d]];
      at = at < 0 || i < 0 ? -1 : at * (ptrdiff_t)s.sizes[d] + i;
      weight *= lines[d].weight[place[d]];
    }
    int k = to.count++;
    to.at[k] = at;
    to.weight[k] = weight;
    for (int e = 0; slopes && e < s.dims; e++) {
      T slope = 1;
      for (int d = 0; d < s.dims; d++) slope *= d == e ? lines[d].slope[place[d]] : lines[d].weight[place[d]];
      to.slope[s.dims - 1 - e][k] = slope;
    }
    int d = s.dims - 1;
    while (d >= 0 && ++place[d] == lines[d].count) place[d--] = 0;
    if (d < 0) return;
  }
}

// work(sample, first point, last point, room for their taps), by several threads
template <typename T, typename Work> void blocks(const Sampling &s, bool slopes, const T *grid, Work work) {
  size_t each = (s.points + BLOCK - 1) / BLOCK;
  auto piece = [&](size_t i, size_t last) {
    Taps<T> room[BLOCK];
    for (; i < last; i++) {
      size_t n = i / each, first = i % each * BLOCK, end = std::min(first + BLOCK, s.points);
      for (size_t p = first; p < end; p++) taps(s, grid + (n * s.points + p) * (size_t)s.dims, room[p - first], slopes);
      work(n, first, end, room);
    }
  };
  share(s.batch * each, std::min(s.points, BLOCK) * (s.channels + 4) * (size_t)(s.mode == CUBIC ? 16 : 4), piece);
}

template <typename T> void forward(const Sampling &s, const T *x, const T *grid, T *out) {
  blocks(s, false, grid, [=](size_t n, size_t first, size_t last, const Taps<T> *room) {
    for (size_t c = 0; c < s.channels; c++) {
      const T *from = x + (n * s.channels + c) * s.plane;
      T *to = out + (n * s.channels + c) * s.points;
      for (size_t p = first; p < last; p++) {
        const Taps<T> &t = room[p - first];
        T sum = 0;
        for (int k = 0; k < t.count; k++) sum += (t.at[k] < 0 ? (T)0 : from[t.at[k]]) * t.weight[k];
        to[p] = sum;
      }
    }
  });
}

template <typename T> void to_grid(const Sampling &s, const T *g, const T *x, const T *grid, T *out) {
  blocks(s, true, grid, [=](size_t n, size_t first, size_t last, const Taps<T> *room) {
    T *to = out + (n * s.points + first) * (size_t)s.dims;
    std::fill(to, to + (last - first) * (size_t)s.dims, (T)0);
    for (size_t c = 0; c < s.channels; c++) {
      const T *from = x + (n * s.channels + c) * s.plane, *gradient = g + (n * s.channels + c) * s.points;
      for (size_t p = first; p < last; p++) {
        const Taps<T> &t = room[p - first];
        for (int d = 0; d < s.dims; d++) {
          T sum = 0;
          for (int k = 0; k < t.count; k++)
            if (t.at[k] >= 0) sum += from[t.at[k]] * t.slope[d][k];
          to[(p - first) * (size_t)s.dims + (size_t)d] += gradient[p] * sum;
        }
      }
    }
  });
}

// Several points may read one element, so a plane is one thread's.
template <typename T> void to_input(const Sampling &s, const T *g, const T *grid, T *out) {
  share(s.batch * s.channels, s.points * 8, [=](size_t i, size_t last) {
    Taps<T> t;
    for (size_t n = i / s.channels; i < last; n++) {
      size_t first = i, end = std::min(last, (n + 1) * s.channels);
      for (size_t p = 0; p < s.points; p++) {
        taps(s, grid + (n * s.points + p) * (size_t)s.dims, t, false);
        for (size_t c = first; c < end; c++)
          for (int k = 0; k < t.count; k++)
            if (t.at[k] >= 0) out[c * s.plane + (size_t)t.at[k]] += g[c * s.points + p] * t.weight[k];
      }
      i = end;
    }
  });
}

int name_among(PyObject *name, const char *const *names) {
  for (int i = 0; i < 3; i++)
    if (PyUnicode_Check(name) && !PyUnicode_CompareWithASCIIString(name, names[i])) return i;
  return -1;
}

// What x (N, C, *sizes), grid (N, *out, dims), mode, padding and align_corners mean; false: not for us.
bool understood(PyObject *const *args, Sampling &s, npy_intp *dims) {
  static const char *const modes[] = {"bilinear", "nearest", "bicubic"}, *const paddings[] = {"zeros", "border", "reflection"};
  for (int i = 0; i < 2; i++)
    if (!movable(args[i]) || type_of(args[i]) != type_of(args[0])) return false;
  PyArrayObject *x = (PyArrayObject *)args[0], *grid = (PyArrayObject *)args[1];
  int n = PyArray_NDIM(x), mode = name_among(args[2], modes), padding = name_among(args[3], paddings);
  s.dims = n - 2;
  bool fits = (n == 4 || n == 5) && PyArray_NDIM(grid) == n && PyArray_DIM(grid, n - 1) == s.dims && mode >= 0 && padding >= 0 &&
              PyBool_Check(args[4]) && PyArray_DIM(x, 0) == PyArray_DIM(grid, 0) && !(n == 5 && mode == CUBIC) &&
              (PyArray_TYPE(x) == NPY_FLOAT32 || PyArray_TYPE(x) == NPY_FLOAT64);
  if (!fits) return false;
  s.mode = (Mode)mode;
  s.padding = (Padding)padding;
  s.align = args[4] == Py_True;
  s.batch = (size_t)PyArray_DIM(x, 0);
  s.channels = (size_t)PyArray_DIM(x, 1);
  s.points = s.plane = 1;
  dims[0] = PyArray_DIM(x, 0);
  dims[1] = PyArray_DIM(x, 1);
  for (int d = 0; d < s.dims; d++) {
    s.plane *= s.sizes[d] = (size_t)PyArray_DIM(x, 2 + d);
    s.points *= (size_t)(dims[2 + d] = PyArray_DIM(grid, 1 + d));
  }
  return s.plane && s.points && s.batch && s.channels;
}

// grid_sample(x, grid, mode, padding, align, dims)
PyObject *grid_sample(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Sampling s;
  npy_intp dims[5];
  if (given != 6 || !understood(args, s, dims)) return not_implemented();
  PyObject *x = contiguous(args[0]), *grid = x ? contiguous(args[1]) : nullptr;
  PyObject *out = grid ? new_array(s.dims + 2, dims, type_of(x)) : nullptr;
  if (out && type_of(x) == NPY_FLOAT32) forward(s, data_of<float>(x), data_of<float>(grid), data_of<float>(out));
  else if (out) forward(s, data_of<double>(x), data_of<double>(grid), data_of<double>(out));
  Py_XDECREF(x);
  Py_XDECREF(grid);
  return out;
}

// grid_sample_backward(g, x, grid, mode, padding, align, x's gradient?, grid's?) -> the two, or None
PyObject *grid_sample_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  Sampling s;
  npy_intp dims[5];
  if (given != 8 || !understood(args + 1, s, dims) || !movable(args[0]) || type_of(args[0]) != type_of(args[1]) ||
      size_of(args[0]) != s.batch * s.channels * s.points)
    return not_implemented();
  bool first = PyObject_IsTrue(args[6]) > 0, second = PyObject_IsTrue(args[7]) > 0;
  PyObject *g = contiguous(args[0]), *x = contiguous(args[1]), *grid = contiguous(args[2]), *a = nullptr, *b = nullptr;
  bool good = g && x && grid;
  if (good && first) good = (a = new_zeros(s.dims + 2, PyArray_DIMS((PyArrayObject *)x), type_of(x)));
  if (good && second) good = (b = like(grid));
  if (good && type_of(x) == NPY_FLOAT32) {
    if (a) to_input(s, data_of<float>(g), data_of<float>(grid), data_of<float>(a));
    if (b) to_grid(s, data_of<float>(g), data_of<float>(x), data_of<float>(grid), data_of<float>(b));
  } else if (good) {
    if (a) to_input(s, data_of<double>(g), data_of<double>(grid), data_of<double>(a));
    if (b) to_grid(s, data_of<double>(g), data_of<double>(x), data_of<double>(grid), data_of<double>(b));
  }
  for (PyObject *o : {g, x, grid}) Py_XDECREF(o);
  if (good) return Py_BuildValue("(NN)", a ? a : Py_NewRef(Py_None), b ? b : Py_NewRef(Py_None));
  Py_XDECREF(a);
  Py_XDECREF(b);
  return nullptr;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name ": see csrc/grid.cpp"}
PyMethodDef methods[] = {METHOD(grid_sample), METHOD(grid_sample_backward), {nullptr}};

}  // namespace

bool add_grid(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
