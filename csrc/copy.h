// Copies between strided arrays, for the families that need an array laid out otherwise.
#pragma once

#include "allocator.h"

#include <cstring>

namespace rushlight {

// Copies elements of `item` bytes, any number of dimensions, strides in bytes, by several threads and without the GIL
// where there is enough to do. The memory must not overlap.
void copy_strided(int ndim, const npy_intp *dims, const char *from, const npy_intp *from_strides, char *to,
                  const npy_intp *to_strides, size_t item);

// Bytes, by several threads.
void copy_bytes(const char *from, char *to, size_t n);

// Bytes of a row. The C library's memcpy takes two to three times as long for a few kilobytes (it turns to "rep movsb").
inline void copy_row(char *__restrict to, const char *__restrict from, size_t n) {
  typedef uint64_t V __attribute__((vector_size(16)));
  size_t i = 0;
  if (n <= 1 << 16)
    for (; i + 64 <= n; i += 64) {
      V a, b, c, d;
      std::memcpy(&a, from + i, 16);
      std::memcpy(&b, from + i + 16, 16);
      std::memcpy(&c, from + i + 32, 16);
      std::memcpy(&d, from + i + 48, 16);
      std::memcpy(to + i, &a, 16);
      std::memcpy(to + i + 16, &b, 16);
      std::memcpy(to + i + 32, &c, 16);
      std::memcpy(to + i + 48, &d, 16);
    }
  std::memcpy(to + i, from + i, n - i);
}

// The array itself, if it is plain, else a C-contiguous copy; a new reference. nullptr with an error set, or, without
// one, if it is not an array of plain elements.
PyObject *contiguous(PyObject *x);

// Do the elements fill their memory without gaps, in whatever order of the dimensions?
bool dense(PyArrayObject *x);

// The array itself if it is dense, else a dense copy in the same order of memory; a new reference, null with an error.
PyObject *without_gaps(PyObject *x);

// An exact ndarray, aligned, in native order, of elements that are just bytes?
inline bool movable(PyObject *x) {
  if (!PyArray_CheckExact(x)) return false;
  PyArrayObject *a = (PyArrayObject *)x;
  return PyArray_ISALIGNED(a) && PyArray_ISNOTSWAPPED(a) && !PyDataType_REFCHK(PyArray_DESCR(a));
}

// A new C-contiguous array of x's type.
inline PyObject *empty(PyObject *x, int ndim, const npy_intp *dims) {
  PyArray_Descr *d = PyArray_DESCR((PyArrayObject *)x);
  Py_INCREF(d);
  return new_array_of(d, ndim, dims);
}

// An array that goes when its owner does.
class Held {
 public:
  explicit Held(PyObject *x = nullptr) : x_(x) {}
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;
  ~Held() { Py_XDECREF(x_); }
  void set(PyObject *x) {
    Py_XDECREF(x_);
    x_ = x;
  }
  PyObject *get() const { return x_; }
  PyObject *release() {
    PyObject *x = x_;
    x_ = nullptr;
    return x;
  }
  explicit operator bool() const { return x_ != nullptr; }

 private:
  PyObject *x_;
};

// What a kernel says that could not begin: the error, or NotImplemented.
inline PyObject *refuse() { return PyErr_Occurred() ? nullptr : not_implemented(); }

// 0..3 for elements of 1, 2, 4, 8 bytes; -1 for others.
inline int size_index(size_t item) { return item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : item == 8 ? 3 : -1; }

}  // namespace rushlight
