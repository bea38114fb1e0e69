// Arrays that broadcast, walked together: a C-contiguous result and up to three inputs whose last dimension is
// contiguous or one element.
#pragma once

#include "copy.h"

namespace rushlight {

class Broadcast {
 public:
  // False, perhaps with an error set: the arrays do not fit together or are not movable.
  bool of(PyObject *const *arrays, int count) {
    count_ = count;
    ndim = 0;
    for (int k = 0; k < count; k++) {
      if (!movable(arrays[k])) return false;
      int n = PyArray_NDIM((PyArrayObject *)arrays[k]);
      ndim = n > ndim ? n : ndim;
    }
    for (int d = 0; d < ndim; d++) dims[d] = 1;
    for (int k = 0; k < count; k++) {
      PyArrayObject *a = (PyArrayObject *)arrays[k];
      for (int d = 0, lead = ndim - PyArray_NDIM(a); d < PyArray_NDIM(a); d++) {
        npy_intp n = PyArray_DIM(a, d), &wide = dims[lead + d];
        if (n != wide && n != 1 && wide != 1) return false;
        if (n != 1) wide = n;
      }
    }
    size = 1;
    for (int d = 0; d < ndim; d++) size *= (size_t)dims[d];
    for (int k = 0; k < count; k++) {
      arrays_[k] = (PyArrayObject *)arrays[k];
      items_[k] = PyArray_ITEMSIZE(arrays_[k]);
    }
    if (!size) return true;
    for (int k = 0; k < count; k++) spread(k);
    merge();
    bool again = false, all_single = inner_ > 1;
    for (int k = 0; k < count; k++) all_single = all_single && !last_[k];
    for (int k = 0; k < count; k++)
      if (!serves(k) || (all_single && !PyArray_IS_C_CONTIGUOUS(arrays_[k]))) {  // laid out otherwise: a copy is a block transpose, cheaper than jumping
        owned_[k].set(contiguous(arrays[k]));
        if (!owned_[k]) return false;
        arrays_[k] = (PyArrayObject *)owned_[k].get();
        again = true;
      }
    if (again) {
      for (int k = 0; k < count; k++) spread(k);
      merge();
    }
    return true;
  }

  // Is array k one element along the last dimension? Not all of them are.
  bool single(int k) const { return inner_ > 1 && !last_[k]; }

  // Calls loop(inputs, out, n) for stretches of the last dimension, with several threads.
  template <typename Loop> void run(char *out, size_t item, Loop loop) const {
    if (!size) return;
    size_t inner = (size_t)inner_, rows = size / inner;
    if (rows == 1) {
      share(inner, 1, [=](size_t i, size_t j) {
        const char *at[3];
        for (int k = 0; k < count_; k++) at[k] = PyArray_BYTES(arrays_[k]) + (npy_intp)i * last_[k];
        loop(at, out + i * item, j - i);
      });
      return;
    }
    share(rows, inner, [=](size_t i, size_t j) {
      npy_intp place[NPY_MAXDIMS];
      const char *at[3];
      for (int k = 0; k < count_; k++) at[k] = PyArray_BYTES(arrays_[k]);
      size_t index = i;
      for (int d = outer_; d-- > 0; index /= (size_t)sizes_[d]) {
        place[d] = (npy_intp)(index % (size_t)sizes_[d]);
        for (int k = 0; k < count_; k++) at[k] += place[d] * strides_[k][d];
      }
      for (; i < j; i++) {
        loop(at, out + i * inner * item, inner);
        for (int d = outer_; d-- > 0;) {
          for (int k = 0; k < count_; k++) at[k] += strides_[k][d];
          if (++place[d] < sizes_[d]) break;
          for (int k = 0; k < count_; k++) at[k] -= place[d] * strides_[k][d];
          place[d] = 0;
        }
      }
    });
  }

  int ndim = 0;
  npy_intp dims[NPY_MAXDIMS];
  size_t size = 0;

 private:
  void spread(int k) {
    PyArrayObject *a = arrays_[k];
    int lead = ndim - PyArray_NDIM(a);
    for (int d = 0; d < ndim; d++) strides_[k][d] = d < lead || PyArray_DIM(a, d - lead) == 1 ? 0 : PyArray_STRIDE(a, d - lead);
  }

  // Neighbours that are one dimension in every array; the last one becomes inner_.
  void merge() {
    int kept = -1;
    for (int d = 0; d < ndim; d++) {
      if (dims[d] == 1) continue;
      bool joins = kept >= 0;
      for (int k = 0; joins && k < count_; k++) joins = strides_[k][kept] == strides_[k][d] * dims[d];
      if (!joins) sizes_[++kept] = 1;
      sizes_[kept] *= dims[d];
      for (int k = 0; k < count_; k++) strides_[k][kept] = strides_[k][d];
    }
    outer_ = kept < 0 ? 0 : kept;
    inner_ = kept < 0 ? 1 : sizes_[kept];
    for (int k = 0; k < count_; k++) last_[k] = kept < 0 ? 0 : strides_[k][kept];
  }

  bool serves(int k) const { return inner_ == 1 || !last_[k] || last_[k] == items_[k]; }

  int count_ = 0, outer_ = 0;
  npy_intp inner_ = 1;
  PyArrayObject *arrays_[3];
  npy_intp items_[3], last_[3], sizes_[NPY_MAXDIMS], strides_[3][NPY_MAXDIMS];
  Held owned_[3];
};

// A Python number as an element of an array of this type; false for what NumPy shall judge.
union Number {
  float f32;
  double f64;
  int32_t i32;
  int64_t i64;
  uint8_t u8;
};

inline bool number_as(PyObject *x, int type, Number &out) {
  bool whole = PyLong_CheckExact(x);
  if (!whole && !PyFloat_CheckExact(x)) return false;
  int overflow = 0;
  long long v = whole ? PyLong_AsLongLongAndOverflow(x, &overflow) : 0;
  if (overflow) return false;
  switch (type) {
    case NPY_FLOAT32:
    case NPY_FLOAT64:
      if (whole && (v > (1ll << 24) || v < -(1ll << 24))) return false;
      if (type == NPY_FLOAT32) out.f32 = whole ? (float)v : (float)PyFloat_AS_DOUBLE(x);
      else out.f64 = whole ? (double)v : PyFloat_AS_DOUBLE(x);
      return true;
    case NPY_INT32:
      out.i32 = (int32_t)v;
      return whole && v == (int32_t)v;
    case NPY_LONG:
    case NPY_LONGLONG:
      out.i64 = v;
      return whole && sizeof(long) == 8;
    default: return false;
  }
}

// The place of a type in Comparisons; -1 for others.
inline int compared_index(int type) {
  switch (type) {
    case NPY_FLOAT32: return 0;
    case NPY_FLOAT64: return 1;
    case NPY_INT32: return 2;
    case NPY_LONG: return sizeof(long) == 8 ? 3 : 2;
    case NPY_LONGLONG: return 3;
    case NPY_BOOL:
    case NPY_UBYTE: return 4;
    default: return -1;
  }
}

}  // namespace rushlight
