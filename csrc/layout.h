// How a reduction walks an array: its dimensions by the distance of their elements, neighbours of one kind merged, and
// one group of them reduced at a time.
#pragma once

#include "copy.h"

#include <algorithm>
#include <vector>

namespace rushlight {

struct Group {
  size_t n;
  ptrdiff_t step;  // in elements
  bool reduced;
};

// Marks the dimensions that `axis` (None, an int, a tuple or list of ints) names; false for what NumPy shall judge.
inline bool marked(PyObject *axis, int ndim, bool *reduced) {
  std::fill(reduced, reduced + ndim, axis == Py_None);
  if (axis == Py_None) return true;
  bool many = PyTuple_CheckExact(axis) || PyList_CheckExact(axis);
  Py_ssize_t count = many ? PySequence_Fast_GET_SIZE(axis) : 1;
  if (!count) return false;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = many ? PySequence_Fast_GET_ITEM(axis, i) : axis;
    if (!PyLong_CheckExact(item)) return false;
    long d = PyLong_AsLong(item);
    if (d == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    if (d < 0) d += ndim;
    if (d < 0 || d >= ndim || reduced[d]) return false;
    reduced[d] = true;
  }
  return true;
}

// An array's groups, the last one's elements next to one another, and the order in which its kept dimensions come out.
struct Layout {
  std::vector<Group> groups;
  Held source;
  const char *data = nullptr;
  int kept = 0, order[NPY_MAXDIMS];  // dimensions of the result in the order of memory
  bool in_order = true;

  // False with an error set.
  bool set(PyObject *x, const bool *reduced) {
    if (place(x, reduced)) return true;
    source.set(contiguous(x));
    return source && place(source.get(), reduced);
  }

 private:
  bool place(PyObject *x, const bool *reduced) {
    PyArrayObject *a = (PyArrayObject *)x;
    int ndim = PyArray_NDIM(a), dims[NPY_MAXDIMS];
    npy_intp item = PyArray_ITEMSIZE(a);
    data = PyArray_BYTES(a);
    for (int d = 0; d < ndim; d++) {
      dims[d] = d;
      npy_intp stride = PyArray_STRIDE(a, d);
      if (PyArray_DIM(a, d) > 1 && (stride <= 0 || stride % item)) return false;
    }
    auto far = [a](int d) { return PyArray_DIM(a, d) == 1 ? (npy_intp)-1 : PyArray_STRIDE(a, d); };
    if (!PyArray_IS_C_CONTIGUOUS(a)) std::stable_sort(dims, dims + ndim, [&](int d, int e) { return far(d) > far(e); });
    groups.clear();
    kept = 0;
    in_order = true;
    int place_of[NPY_MAXDIMS], places = 0;  // of a dimension in the result
    for (int d = 0; d < ndim; d++) place_of[d] = reduced[d] ? -1 : places++;
    for (int i = 0; i < ndim; i++) {
      int d = dims[i];
      size_t n = (size_t)PyArray_DIM(a, d);
      if (n == 1) continue;
      if (!reduced[d]) {
        in_order = in_order && (!kept || order[kept - 1] < place_of[d]);
        order[kept++] = place_of[d];
      }
      ptrdiff_t step = PyArray_STRIDE(a, d) / item;
      if (!groups.empty() && groups.back().reduced == reduced[d] && groups.back().step == step * (ptrdiff_t)n) {
        groups.back().n *= n;
        groups.back().step = step;
      } else {
        groups.push_back({n, step, reduced[d]});
      }
    }
    return groups.empty() || groups.back().step == 1;
  }
};

// One group of a layout reduced: n elements `pitch` apart, for each place of the others.
struct Pass {
  std::vector<Group> outer;  // without the inner one
  size_t n = 1, pitch = 1, inner = 1, count = 1;  // inner: columns that lie together; count: places of the outer ones

  // Takes the group out of `groups` that is cheapest to reduce; false if none is left.
  bool take(std::vector<Group> &groups) {
    size_t at = groups.size();
    while (at && !groups[at - 1].reduced) at--;
    if (!at) return false;
    Group g = groups[--at];
    n = g.n;
    bool last = at + 1 == groups.size();
    groups.erase(groups.begin() + (ptrdiff_t)at);
    outer = groups;
    pitch = (size_t)g.step;
    inner = 1;
    if (last) {  // rows, one after the other in memory or not
      pitch = outer.empty() ? n : (size_t)outer.back().step;
    } else {
      inner = outer.back().n;
      outer.pop_back();
    }
    count = 1;
    for (const Group &o : outer) count *= o.n;
    return true;
  }

  // The first one, of one element each if only dimensions of size 1 are reduced.
  void begin(std::vector<Group> &groups) {
    if (take(groups)) return;
    outer = groups;
    pitch = groups.empty() ? 1 : (size_t)groups.back().step;
    for (const Group &g : groups) count *= g.n;
  }

  // What is left is contiguous.
  static void close(std::vector<Group> &groups) {
    std::vector<Group> joined;
    for (const Group &g : groups) {
      if (!joined.empty() && joined.back().reduced == g.reduced) joined.back().n *= g.n;
      else joined.push_back(g);
    }
    size_t step = 1;
    for (size_t i = joined.size(); i-- > 0; step *= joined[i].n) joined[i].step = (ptrdiff_t)step;
    groups.swap(joined);
  }

  // Calls visit(place, offset in elements) for the outer places first to last.
  template <typename Visit> void each(size_t first, size_t last, Visit visit) const {
    size_t place[NPY_MAXDIMS], index = first;
    ptrdiff_t at = 0;
    for (size_t d = outer.size(); d-- > 0; index /= outer[d].n) {
      place[d] = index % outer[d].n;
      at += (ptrdiff_t)place[d] * outer[d].step;
    }
    for (size_t i = first; i < last; i++) {
      visit(i, at);
      for (size_t d = outer.size(); d-- > 0;) {
        at += outer[d].step;
        if (++place[d] < outer[d].n) break;
        at -= (ptrdiff_t)place[d] * outer[d].step;
        place[d] = 0;
      }
    }
  }

  // Do the outer places follow one another at one distance?
  bool even() const { return outer.size() < 2; }
};

}  // namespace rushlight
