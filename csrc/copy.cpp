// Copies of arrays with strides: rows by memcpy, transposed ones by cache blocks, the rest element by element.
#include "copy.h"

#include "kernels.h"

#include <cstring>

namespace rushlight {
namespace {

struct Side {
  npy_intp n, from, to;  // size, strides
};

// The dimensions that matter, the target's largest stride first; neighbours that are one in both are merged.
struct Plan {
  int ndim = 0;
  Side sides[NPY_MAXDIMS];
  bool nothing = false;

  Plan(int n, const npy_intp *dims, const npy_intp *from, const npy_intp *to) {
    for (int d = 0; d < n; d++) {
      if (!dims[d]) nothing = true;
      if (dims[d] == 1) continue;
      Side s = {dims[d], from[d], to[d]};
      int at = ndim++;
      for (; at && size(sides[at - 1].to) < size(s.to); at--) sides[at] = sides[at - 1];
      sides[at] = s;
    }
    int kept = 0;
    for (int d = 1; d < ndim; d++) {
      Side &a = sides[kept], &b = sides[d];
      if (a.from == b.from * b.n && a.to == b.to * b.n) a = {a.n * b.n, b.from, b.to};
      else sides[++kept] = b;
    }
    if (ndim) ndim = kept + 1;
  }

  static npy_intp size(npy_intp stride) { return stride < 0 ? -stride : stride; }
};

// Places of an index space, one after the other.
struct Odometer {
  int ndim;
  const Side *sides;
  npy_intp at[NPY_MAXDIMS];
  ptrdiff_t from = 0, to = 0;

  Odometer(int n, const Side *s, size_t index) : ndim(n), sides(s) {
    for (int d = n; d-- > 0;) {
      at[d] = (npy_intp)(index % (size_t)s[d].n);
      index /= (size_t)s[d].n;
      from += at[d] * s[d].from;
      to += at[d] * s[d].to;
    }
  }

  void next() {
    for (int d = ndim; d-- > 0;) {
      from += sides[d].from;
      to += sides[d].to;
      if (++at[d] < sides[d].n) return;
      from -= at[d] * sides[d].from;
      to -= at[d] * sides[d].to;
      at[d] = 0;
    }
  }
};

// A block of 16 bytes, for complex128.
struct Wide {
  uint64_t a, b;
};

template <typename T> void elements(const char *from, npy_intp step, char *to, npy_intp stride, npy_intp n) {
  T value;
  if (!step) {
    std::memcpy(&value, from, sizeof(T));
    for (; n-- > 0; to += stride) std::memcpy(to, &value, sizeof(T));
    return;
  }
  for (; n-- > 0; from += step, to += stride) {
    std::memcpy(&value, from, sizeof(T));
    std::memcpy(to, &value, sizeof(T));
  }
}

void line(const char *from, npy_intp step, char *to, npy_intp stride, npy_intp n, size_t item) {
  if (step == (npy_intp)item && stride == step) {
    copy_row(to, from, (size_t)n * item);
    return;
  }
  switch (item) {
    case 1: return elements<uint8_t>(from, step, to, stride, n);
    case 2: return elements<uint16_t>(from, step, to, stride, n);
    case 4: return elements<uint32_t>(from, step, to, stride, n);
    case 8: return elements<uint64_t>(from, step, to, stride, n);
    case 16: return elements<Wide>(from, step, to, stride, n);
    default:
      for (; n-- > 0; from += step, to += stride) std::memcpy(to, from, item);
  }
}

// Two dimensions, one contiguous here and the other there, inside of any others.
bool transposed(const Plan &p, const char *from, char *to, size_t item) {
  int kind = size_index(item), last = p.ndim - 1, other = -1;
  if (kind < 0 || p.ndim < 2 || p.sides[last].to != (npy_intp)item || p.sides[last].n < 4) return false;
  for (int d = 0; d < last; d++)
    if (p.sides[d].from == (npy_intp)item && p.sides[d].n >= 4) other = d;
  if (other < 0) return false;
  Side rows = p.sides[last], columns = p.sides[other], outer[NPY_MAXDIMS];
  int count = 0;
  size_t places = 1;
  for (int d = 0; d < last; d++)
    if (d != other) {
      outer[count++] = p.sides[d];
      places *= (size_t)p.sides[d].n;
    }
  const size_t strip = 64;  // columns that one piece of work takes
  size_t strips = ((size_t)columns.n + strip - 1) / strip;
  size_t each = (size_t)rows.n * ((size_t)columns.n < strip ? (size_t)columns.n : strip);
  auto turn = kernels->moves.transpose[kind];
  share(places * strips, each, [=, &outer](size_t first, size_t end) {
    Odometer o(count, outer, first / strips);
    size_t s = first % strips;
    for (size_t i = first; i < end; i++) {
      size_t j = s * strip, wide = (size_t)columns.n - j < strip ? (size_t)columns.n - j : strip;
      turn(from + o.from + j * item, rows.from, to + o.to + (npy_intp)j * columns.to, columns.to, (size_t)rows.n, wide);
      if (++s == strips) {
        s = 0;
        o.next();
      }
    }
  });
  return true;
}

// Where an array's bytes begin and end.
void extent(PyArrayObject *a, const char *&first, const char *&last) {
  first = last = (const char *)PyArray_DATA(a);
  for (int d = 0; d < PyArray_NDIM(a); d++) {
    npy_intp reach = (PyArray_DIM(a, d) - 1) * PyArray_STRIDE(a, d);
    (reach < 0 ? first : last) += reach;
  }
  last += PyArray_ITEMSIZE(a);
}

bool apart(PyArrayObject *a, PyArrayObject *b) {
  const char *a0, *a1, *b0, *b1;
  extent(a, a0, a1);
  extent(b, b0, b1);
  return a1 <= b0 || b1 <= a0;
}

// clone(x, order): "C", or "K" for x's own order of dimensions.
PyObject *clone(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !movable(args[0]) || !PyUnicode_Check(args[1])) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0];
  bool keep = PyUnicode_READ_CHAR(args[1], 0) == 'K';
  for (int d = 0; d < PyArray_NDIM(x); d++)
    if (!PyArray_STRIDE(x, d)) keep = false;  // expanded: no order to keep
  Held out(new_like(x, nullptr, keep));
  if (!out) return nullptr;
  PyArrayObject *to = (PyArrayObject *)out.get();
  copy_strided(PyArray_NDIM(x), PyArray_DIMS(x), PyArray_BYTES(x), PyArray_STRIDES(x), PyArray_BYTES(to),
               PyArray_STRIDES(to), (size_t)PyArray_ITEMSIZE(x));
  return out.release();
}

// copy_into(x, y): x[...] = y for arrays of one type and shape that share no memory.
PyObject *copy_into(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !movable(args[0]) || !movable(args[1])) return not_implemented();
  PyArrayObject *x = (PyArrayObject *)args[0], *y = (PyArrayObject *)args[1];
  int n = PyArray_NDIM(x);
  if (n != PyArray_NDIM(y) || PyArray_DESCR(x) != PyArray_DESCR(y) || !PyArray_ISWRITEABLE(x) || !PyArray_SIZE(x))
    return not_implemented();
  if (!PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(y), n) || !apart(x, y)) return not_implemented();
  for (int d = 0; d < n; d++)
    if (!PyArray_STRIDE(x, d) && PyArray_DIM(x, d) > 1) return not_implemented();
  copy_strided(n, PyArray_DIMS(x), PyArray_BYTES(y), PyArray_STRIDES(y), PyArray_BYTES(x), PyArray_STRIDES(x),
               (size_t)PyArray_ITEMSIZE(x));
  Py_RETURN_NONE;
}

// contiguous(x) -> x or a C-contiguous copy
PyObject *make_contiguous(PyObject *, PyObject *x) {
  PyObject *r = contiguous(x);
  return r || PyErr_Occurred() ? r : not_implemented();
}

PyMethodDef methods[] = {
    {"clone", (PyCFunction)(void (*)(void))clone, METH_FASTCALL, "clone(x, order) -> array, or NotImplemented"},
    {"copy_into", (PyCFunction)(void (*)(void))copy_into, METH_FASTCALL, "copy_into(x, y): x[...] = y, or NotImplemented"},
    {"contiguous", make_contiguous, METH_O, "contiguous(x) -> array in C order, or NotImplemented"},
    {nullptr},
};

}  // namespace

void copy_bytes(const char *from, char *to, size_t n) {
  share((n + 63) / 64, 16, [=](size_t i, size_t j) {
    size_t first = i * 64, last = j * 64 < n ? j * 64 : n;
    std::memcpy(to + first, from + first, last - first);
  });
}

void copy_strided(int ndim, const npy_intp *dims, const char *from, const npy_intp *from_strides, char *to,
                  const npy_intp *to_strides, size_t item) {
  Plan p(ndim, dims, from_strides, to_strides);
  if (p.nothing) return;
  if (!p.ndim) {
    std::memcpy(to, from, item);
    return;
  }
  Side inner = p.sides[p.ndim - 1];
  if (p.ndim == 1 && inner.from == (npy_intp)item && inner.to == inner.from)
    return copy_bytes(from, to, (size_t)inner.n * item);
  if (transposed(p, from, to, item)) return;
  size_t rows = 1;
  for (int d = 0; d + 1 < p.ndim; d++) rows *= (size_t)p.sides[d].n;
  if (rows < 16) {  // few and long ones
    Odometer o(p.ndim - 1, p.sides, 0);
    for (size_t r = 0; r < rows; r++, o.next()) {
      const char *f = from + o.from;
      char *t = to + o.to;
      share((size_t)inner.n, 1, [=](size_t i, size_t j) {
        line(f + (npy_intp)i * inner.from, inner.from, t + (npy_intp)i * inner.to, inner.to, (npy_intp)(j - i), item);
      });
    }
    return;
  }
  size_t each = (size_t)inner.n;
  share(rows, each, [&](size_t i, size_t j) {
    Odometer o(p.ndim - 1, p.sides, i);
    for (; i < j; i++, o.next()) line(from + o.from, inner.from, to + o.to, inner.to, inner.n, item);
  });
}

PyObject *contiguous(PyObject *x) {
  if (!movable(x)) return nullptr;
  PyArrayObject *a = (PyArrayObject *)x;
  if (PyArray_IS_C_CONTIGUOUS(a)) return Py_NewRef(x);
  PyObject *out = empty(x, PyArray_NDIM(a), PyArray_DIMS(a));
  if (!out) return nullptr;
  PyArrayObject *to = (PyArrayObject *)out;
  copy_strided(PyArray_NDIM(a), PyArray_DIMS(a), PyArray_BYTES(a), PyArray_STRIDES(a), PyArray_BYTES(to),
               PyArray_STRIDES(to), (size_t)PyArray_ITEMSIZE(a));
  return out;
}

bool add_copy(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
