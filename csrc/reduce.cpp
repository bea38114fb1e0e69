// Reductions: sums, means, products, extrema and their places, truth, spread, norms. Any strides and dimensions; what is
// not of the loops' dtypes, or is refused, the reference or NumPy does.
#include "half.h"
#include "layout.h"

#include <cmath>
#include <cstring>

namespace rushlight {
namespace {

constexpr size_t PIECE = 1 << 15;  // elements of a row that are reduced for themselves; fixed, whatever the threads
constexpr size_t FEW = 64;         // rows, or columns, that are divided

const ReductionLoops *loops_of(const Reduction &r, int type) {
  const ReductionLoops *l = nullptr;
  switch (type) {
    case NPY_FLOAT32: l = &r.f32; break;
    case NPY_FLOAT64: l = &r.f64; break;
    case NPY_INT32: l = &r.i32; break;
    case NPY_LONG: l = sizeof(long) == 8 ? &r.i64 : &r.i32; break;
    case NPY_LONGLONG: l = &r.i64; break;
    case NPY_BOOL:
    case NPY_UBYTE: l = &r.u8; break;
  }
  return l && l->rows ? l : nullptr;
}

// work(first, last) by several threads, if there is enough of it; the GIL is away already.
template <typename Work> void divide(size_t n, size_t each, Work work) {
  if (n * each < BIG) return work(0, n);
  parallel(n, std::max<size_t>(1, BIG / 2 / each), work);
}

// Columns by several threads: strips long enough that memory is read along the rows.
template <typename Work> void divide_columns(size_t n, size_t inner, Work work) {
  if (n * inner < BIG || inner < 128) return work(0, inner);
  parallel(inner, std::max<size_t>({64, BIG / 2 / n, inner / (size_t)num_threads()}), work);
}

// One pass: n elements for each place. W knows its loops: rows(x, at, count, n, pitch) writes results at to at + count,
// columns(x, at, n, pitch, first, last) those at + first to at + last.
template <typename W> void walk(const W &w, const Pass &p, const char *x, size_t item) {
  const Pass *pass = &p;
  const W *work = &w;
  if (p.inner == 1) {
    divide(p.count, p.n, [=](size_t i, size_t j) {
      if (!pass->even()) return pass->each(i, j, [=](size_t at, ptrdiff_t offset) { work->rows(x + offset * (ptrdiff_t)item, at, 1, pass->n, pass->n); });
      work->rows(x + i * pass->pitch * item, i, j - i, pass->n, pass->pitch);
    });
    return;
  }
  if (p.count == 1) {
    divide_columns(p.n, p.inner, [=](size_t i, size_t j) { work->columns(x, 0, pass->n, pass->pitch, i, j); });
    return;
  }
  divide(p.count, p.n * p.inner, [=](size_t i, size_t j) {
    pass->each(i, j, [=](size_t at, ptrdiff_t offset) {
      work->columns(x + offset * (ptrdiff_t)item, at * pass->inner, pass->n, pass->pitch, 0, pass->inner);
    });
  });
}

// ---- one number of many ----------------------------------------------------------------------------------------------

struct Plain {
  const ReductionLoops *loops;
  char *out;
  size_t item;
  void rows(const char *x, size_t at, size_t count, size_t n, size_t pitch) const {
    loops->rows(x, out + at * item, count, n, pitch);
  }
  void columns(const char *x, size_t at, size_t n, size_t pitch, size_t first, size_t last) const {
    loops->columns(x, out + at * item, n, pitch, first, last);
  }
};

// Few long rows, or a few long columns: pieces of them first.
bool in_pieces(const Pass &p) {
  if (p.inner == 1) return p.n >= 2 * PIECE && p.count < FEW;
  return p.inner < FEW && p.count < FEW && p.n >= 2048 && p.n * p.inner >= 2 * PIECE;
}

void one_pass(const ReductionLoops &loops, const ReductionLoops &then, const Pass &p, const char *x, char *out, size_t item) {
  if (!in_pieces(p)) return walk(Plain{&loops, out, item}, p, x, item);
  size_t piece = p.inner == 1 ? PIECE : std::max<size_t>(512, PIECE / p.inner), pieces = (p.n + piece - 1) / piece;
  std::vector<char> partial(p.count * pieces * p.inner * item);
  std::vector<ptrdiff_t> starts(p.count);
  p.each(0, p.count, [&](size_t i, ptrdiff_t offset) { starts[i] = offset * (ptrdiff_t)item; });
  char *to = partial.data();
  const ptrdiff_t *begin = starts.data();
  const Pass *pass = &p;
  const ReductionLoops *l = &loops;
  divide(p.count * pieces, piece * p.inner, [=](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t first = i % pieces * piece, n = std::min(piece, pass->n - first);
      const char *from = x + begin[i / pieces];
      if (pass->inner == 1) l->rows(from + first * item, to + i * item, 1, n, n);
      else l->columns(from + first * pass->pitch * item, to + i * pass->inner * item, n, pass->pitch, 0, pass->inner);
    }
  });
  if (p.inner == 1) return then.rows(to, out, p.count, pieces, pieces);
  for (size_t i = 0; i < p.count; i++)
    then.columns(to + i * pieces * p.inner * item, out + i * p.inner * item, pieces, p.inner, 0, p.inner);
}

// All passes; the result in the order of memory.
void reduce(const ReductionLoops &loops, const ReductionLoops &then, std::vector<Group> groups, const char *x, char *out, size_t item) {
  std::vector<char> held, next;
  const ReductionLoops *l = &loops;
  Pass p;
  p.begin(groups);
  for (bool more = true; more; l = &then) {
    Pass::close(groups);
    more = std::any_of(groups.begin(), groups.end(), [](const Group &g) { return g.reduced; });
    char *to = out;
    if (more) {
      next.resize(p.count * p.inner * item);
      to = next.data();
    }
    one_pass(*l, then, p, x, to, item);
    held.swap(next);
    x = to;
    if (more) p.take(groups);
  }
}

// ---- results ---------------------------------------------------------------------------------------------------------

// What a reduction of an array is made of: its layout, and the shape of what comes out.
struct Task {
  Layout layout;
  npy_intp shape[NPY_MAXDIMS], kept_shape[NPY_MAXDIMS];
  int ndim = 0, kept = 0;
  size_t total = 1, count = 1;  // results; elements for each

  // `axis` as NumPy's, () too meaning all. False: not served, or an error.
  bool set(PyObject *x, PyObject *axis, bool keep) {
    if (!movable(x) || !PyArray_NDIM((PyArrayObject *)x) || !size_of(x)) return false;
    PyArrayObject *a = (PyArrayObject *)x;
    bool reduced[NPY_MAXDIMS];
    if (!marked(none_for_empty(axis), PyArray_NDIM(a), reduced)) return false;
    for (int d = 0; d < PyArray_NDIM(a); d++) {
      npy_intp n = PyArray_DIM(a, d);
      if (!reduced[d] || keep) shape[ndim++] = reduced[d] ? 1 : n;
      if (!reduced[d]) kept_shape[kept++] = n;
      (reduced[d] ? count : total) *= (size_t)n;
    }
    return layout.set(x, reduced);
  }

  static PyObject *none_for_empty(PyObject *axis) {
    bool many = PyTuple_CheckExact(axis) || PyList_CheckExact(axis);
    return many && !PySequence_Fast_GET_SIZE(axis) ? Py_None : axis;
  }

  // Calls compute(memory) and makes an array of what it wrote in the order of the layout.
  template <typename Compute> PyObject *make(int type, Compute compute) {
    PyObject *out = new_array(ndim, shape, type);
    if (!out) return nullptr;
    char *to = data_of<char>(out);
    if (layout.in_order) {
      away([&] { compute(to); });
      return out;
    }
    size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out);
    std::vector<char> memory(total * item);
    away([&] { compute(memory.data()); });
    npy_intp from[NPY_MAXDIMS], steps[NPY_MAXDIMS], step = (npy_intp)item;
    for (int d = 0; d < kept; d++) from[d] = 0;
    for (int i = layout.kept; i-- > 0; step *= kept_shape[layout.order[i]]) from[layout.order[i]] = step;
    step = (npy_intp)item;
    for (int d = kept; d-- > 0; step *= kept_shape[d]) steps[d] = step;
    copy_strided(kept, kept_shape, memory.data(), from, to, steps, item);
    return out;
  }

  template <typename Work> void away(Work work) const {
    if (total * count < BIG) return work();
    Py_BEGIN_ALLOW_THREADS
    work();
    Py_END_ALLOW_THREADS
  }
};

// Null without an error: not served.
PyObject *reduced(const Reduction &r, const Reduction &then, PyObject *x, PyObject *axis, bool keep) {
  const ReductionLoops *l = PyArray_CheckExact(x) ? loops_of(r, type_of(x)) : nullptr, *t = l ? loops_of(then, type_of(x)) : nullptr;
  Task task;
  if (!l || !task.set(x, axis, keep)) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)x);
  return task.make(type_of(x), [&](char *out) { reduce(*l, *t, task.layout.groups, task.layout.data, out, item); });
}

PyObject *reduced(const Reduction &r, PyObject *x, PyObject *axis, bool keep) { return reduced(r, r, x, axis, keep); }

PyObject *or_not(PyObject *made) { return made || PyErr_Occurred() ? made : not_implemented(); }

bool truth(PyObject *x, bool &value) {
  value = x == Py_True;
  return PyBool_Check(x);
}

// ---- NumPy's reduce(x, axis, dtype, out, keepdims) -------------------------------------------------------------------

enum Op { SUM, MAX, MIN, COUNT };
PyObject *fallbacks[COUNT];

const Reduction &table(int op) {
  const ReductionTable &t = kernels->reductions;
  return op == SUM ? t.sum : op == MAX ? t.max : t.min;
}

bool is_float(PyObject *x) { return PyArray_CheckExact(x) && (type_of(x) == NPY_FLOAT32 || type_of(x) == NPY_FLOAT64); }

template <int OP> PyObject *call(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep, empty = given > 1 && PyTuple_Check(args[1]) && !PyTuple_GET_SIZE(args[1]);  // none, to NumPy
  if (given == 5 && is_float(args[0]) && args[2] == Py_None && args[3] == Py_None && !empty && truth(args[4], keep)) {
    PyObject *out = reduced(table(OP), args[0], args[1], keep);
    if (out || PyErr_Occurred()) return out;
  }
  return PyObject_Vectorcall(fallbacks[OP], args, (size_t)given, nullptr);
}

// ---- sums, products, extrema: the arguments of the ops ---------------------------------------------------------------

bool whole_number(PyObject *x) { return PyArray_CheckExact(x) && (PyTypeNum_ISINTEGER(type_of(x)) || type_of(x) == NPY_BOOL); }

// x as int64, a new reference; null: no number of that kind, or an error
PyObject *as_int64(PyObject *x) {
  if (!whole_number(x) || type_of(x) == NPY_UINT64 || !movable(x)) return nullptr;
  if (type_of(x) == NPY_INT64) return Py_NewRef(x);
  return PyArray_CastToType((PyArrayObject *)x, PyArray_DescrFromType(NPY_INT64), 0);
}

// How many elements of bools hold: rows of them.
struct Counting {
  int64_t *out;
  void rows(const char *x, size_t at, size_t count, size_t n, size_t pitch) const {
    for (size_t i = 0; i < count; i++) out[at + i] = (int64_t)kernels->moves.count((const uint8_t *)x + i * pitch, n);
  }
  void columns(const char *, size_t, size_t, size_t, size_t, size_t) const {}
};

// Null without an error: not of this layout.
PyObject *count_bools(PyObject *x, PyObject *axis, bool keep) {
  Task t;
  if (type_of(x) != NPY_BOOL || !t.set(x, axis, keep)) return nullptr;
  const std::vector<Group> &groups = t.layout.groups;
  bool rows = !groups.empty() && groups.back().reduced && std::count_if(groups.begin(), groups.end(), [](const Group &g) { return g.reduced; }) == 1;
  if (!rows) return nullptr;
  return t.make(NPY_INT64, [&](char *out) {
    std::vector<Group> left = t.layout.groups;
    Pass p;
    p.take(left);
    if (p.count > 1) return walk(Counting{(int64_t *)out}, p, t.layout.data, 1);
    size_t pieces = (p.n + PIECE - 1) / PIECE, n = p.n;
    std::vector<size_t> parts(pieces);
    size_t *part = parts.data();
    const uint8_t *from = (const uint8_t *)t.layout.data;
    divide(pieces, PIECE / 8, [=](size_t i, size_t j) {
      for (; i < j; i++) part[i] = kernels->moves.count(from + i * PIECE, std::min(PIECE, n - i * PIECE));
    });
    *(int64_t *)out = 0;
    for (size_t c : parts) *(int64_t *)out += (int64_t)c;
  });
}

PyObject *accumulate(const Reduction &r, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 4 || args[3] != Py_None || !truth(args[2], keep)) return not_implemented();
  PyObject *x = args[0];
  if (is_float(x)) return or_not(reduced(r, x, args[1], keep));
  if (!whole_number(x)) return not_implemented();
  if (&r == &kernels->reductions.sum)
    if (PyObject *counted = count_bools(x, args[1], keep)) return counted;
  Held wide(PyErr_Occurred() ? nullptr : as_int64(x));
  return wide ? or_not(reduced(r, wide.get(), args[1], keep)) : or_not(nullptr);
}

PyObject *sum(PyObject *, PyObject *const *args, Py_ssize_t given) { return accumulate(kernels->reductions.sum, args, given); }
PyObject *prod(PyObject *, PyObject *const *args, Py_ssize_t given) { return accumulate(kernels->reductions.product, args, given); }

// mean(x, dim, keepdim, dtype)
PyObject *mean(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 4 || args[3] != Py_None || !truth(args[2], keep) || !is_float(args[0])) return not_implemented();
  const Reduction &r = kernels->reductions.sum;
  int type = type_of(args[0]);
  const ReductionLoops *l = loops_of(r, type);
  Task t;
  if (!t.set(args[0], args[1], keep)) return or_not(nullptr);
  size_t item = type == NPY_FLOAT32 ? 4 : 8;
  return t.make(type, [&](char *out) {
    reduce(*l, *l, t.layout.groups, t.layout.data, out, item);
    double n = (double)t.count;
    if (type == NPY_FLOAT32)
      for (size_t i = 0; i < t.total; i++) ((float *)out)[i] /= (float)n;
    else
      for (size_t i = 0; i < t.total; i++) ((double *)out)[i] /= n;
  });
}

// amax(x, dim, keepdim), amin(x, dim, keepdim)
template <int OP> PyObject *extreme(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 3 || !truth(args[2], keep)) return not_implemented();
  return or_not(reduced(table(OP), args[0], args[1], keep));
}

// max_full(x), min_full(x)
template <int OP> PyObject *extreme_of_all(PyObject *, PyObject *x) { return or_not(reduced(table(OP), x, Py_None, false)); }

// aminmax(x, dim, keepdim)
PyObject *aminmax(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 3 || !truth(args[2], keep)) return not_implemented();
  Held low(reduced(table(MIN), args[0], args[1], keep));
  if (!low) return or_not(nullptr);
  PyObject *high = reduced(table(MAX), args[0], args[1], keep);
  return high ? Py_BuildValue("(NN)", low.release(), high) : or_not(nullptr);
}

// any(x, dim, keepdim), all(x, dim, keepdim) of bools
template <int OP> PyObject *truths(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 3 || !truth(args[2], keep) || !PyArray_CheckExact(args[0]) || type_of(args[0]) != NPY_BOOL) return not_implemented();
  if (Task::none_for_empty(args[1]) != args[1]) return not_implemented();
  return or_not(reduced(table(OP), args[0], args[1], keep));
}

// ---- norms -----------------------------------------------------------------------------------------------------------

// linalg_vector_norm(x, ord, dim, keepdim, dtype) for the orders 2, 1, inf and -inf
PyObject *linalg_vector_norm(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 5 || !PyFloat_CheckExact(args[1]) || !truth(args[3], keep) || args[4] != Py_None || !is_float(args[0]))
    return not_implemented();
  double order = PyFloat_AS_DOUBLE(args[1]);
  const ReductionTable &t = kernels->reductions;
  const Reduction *r = order == 2            ? &t.squares
                       : order == 1          ? &t.magnitudes
                       : order == INFINITY   ? &t.largest
                       : order == -INFINITY  ? &t.smallest
                                             : nullptr;
  if (!r) return not_implemented();
  const Reduction &then = order == INFINITY ? t.max : order == -INFINITY ? t.min : t.sum;
  PyObject *out = reduced(*r, then, args[0], args[2], keep);
  if (!out || order != 2) return or_not(out);
  size_t n = size_of(out);
  if (type_of(out) == NPY_FLOAT32)
    for (size_t i = 0; i < n; i++) data_of<float>(out)[i] = std::sqrt(data_of<float>(out)[i]);
  else
    for (size_t i = 0; i < n; i++) data_of<double>(out)[i] = std::sqrt(data_of<double>(out)[i]);
  return out;
}

// ---- spread ----------------------------------------------------------------------------------------------------------

// Means, and sums of squared distances from them.
struct Moments {
  int which;
  double *means, *squares;
  void rows(const char *x, size_t at, size_t count, size_t n, size_t pitch) const {
    for (size_t i = 0; i < count; i++)
      kernels->reductions.moments[which](x + i * pitch * (which ? 8 : 4), n, means + at + i, squares + at + i);
  }
  void columns(const char *x, size_t at, size_t n, size_t pitch, size_t first, size_t last) const {
    kernels->reductions.moments_columns[which](x, n, pitch, first, last, means + at, squares + at);
  }
};

// Long rows by pieces of one size, and what is left over.
void moments_of_rows(int which, const Pass &p, const char *x, double *means, double *squares) {
  size_t item = which ? 8 : 4, pieces = (p.n + PIECE - 1) / PIECE, n = p.n;
  std::vector<double> memory(2 * pieces);
  double *m = memory.data(), *s = m + pieces;
  p.each(0, p.count, [&](size_t at, ptrdiff_t offset) {
    const char *from = x + offset * (ptrdiff_t)item;
    divide(pieces, PIECE, [=](size_t i, size_t j) {
      for (; i < j; i++)
        kernels->reductions.moments[which](from + i * PIECE * item, std::min(PIECE, n - i * PIECE), m + i, s + i);
    });
    double total = 0, square = 0, seen = 0;
    for (size_t i = 0; i < pieces; i++) {
      double here = (double)std::min(PIECE, n - i * PIECE), away = seen ? m[i] - total / seen : 0;
      square += s[i] + away * away * (seen * here / (seen + here));
      total += m[i] * here;
      seen += here;
    }
    means[at] = total / seen;
    squares[at] = square;
  });
}

// One pass over x, then over the means of its groups, which are all of one size.
void all_moments(std::vector<Group> groups, int which, const char *x, size_t count, std::vector<double> &means, std::vector<double> &squares) {
  Pass p;
  double size = 1;
  p.begin(groups);
  means.resize(p.count * p.inner);
  squares.resize(p.count * p.inner);
  if (p.inner == 1 && p.n >= 2 * PIECE && p.count < FEW) moments_of_rows(which, p, x, means.data(), squares.data());
  else walk(Moments{which, means.data(), squares.data()}, p, x, which ? 8 : 4);
  size *= (double)p.n;
  Pass::close(groups);
  if (size >= (double)count) return;
  const ReductionLoops &add = kernels->reductions.sum.f64;
  std::vector<double> inner(squares), centres(means), further;
  all_moments(groups, 1, (const char *)centres.data(), count / (size_t)size, means, further);
  squares.resize(means.size());
  reduce(add, add, groups, (const char *)inner.data(), (char *)squares.data(), 8);
  for (size_t i = 0; i < squares.size(); i++) squares[i] += further[i] * size;
}

template <typename T> void fill(char *out, const std::vector<double> &values, double divisor, bool root) {
  for (size_t i = 0; i < values.size(); i++) {
    double v = values[i] / divisor;
    ((T *)out)[i] = (T)(root ? std::sqrt(v) : v);
  }
}

// (x, dim, correction, keepdim) -> the variance or its root, and the mean if asked
PyObject *spread(PyObject *const *args, Py_ssize_t given, bool root, bool with_mean) {
  bool keep;
  Task t;
  if (given != 4 || !is_float(args[0]) || !truth(args[3], keep)) return not_implemented();
  if (!PyLong_CheckExact(args[2]) && !PyFloat_CheckExact(args[2])) return not_implemented();
  double correction = PyFloat_AsDouble(args[2]);
  if (PyErr_Occurred() || !t.set(args[0], args[1], keep)) {
    PyErr_Clear();
    return not_implemented();
  }
  double freedom = (double)t.count - correction;
  if (!(freedom > 0)) return not_implemented();  // the reference warns
  int type = type_of(args[0]), which = type == NPY_FLOAT64;
  std::vector<double> means, squares;
  t.away([&] { all_moments(t.layout.groups, which, t.layout.data, t.count, means, squares); });
  auto made = [&](const std::vector<double> &values, double divisor, bool square_root) {
    return t.make(type, [&](char *out) {
      if (which) fill<double>(out, values, divisor, square_root);
      else fill<float>(out, values, divisor, square_root);
    });
  };
  PyObject *first = made(squares, freedom, root);
  if (!first || !with_mean) return first;
  PyObject *second = made(means, 1, false);
  if (second) return Py_BuildValue("(NN)", first, second);
  Py_DECREF(first);
  return nullptr;
}

PyObject *var(PyObject *, PyObject *const *args, Py_ssize_t given) { return spread(args, given, false, false); }
PyObject *standard(PyObject *, PyObject *const *args, Py_ssize_t given) { return spread(args, given, true, false); }
PyObject *var_mean(PyObject *, PyObject *const *args, Py_ssize_t given) { return spread(args, given, false, true); }
PyObject *std_mean(PyObject *, PyObject *const *args, Py_ssize_t given) { return spread(args, given, true, true); }

// ---- extrema and their places ----------------------------------------------------------------------------------------

struct Places {
  const BestLoops *loops;
  char *values;
  int64_t *index;
  size_t item;
  void rows(const char *x, size_t at, size_t count, size_t n, size_t pitch) const {
    loops->rows(x, values + at * item, index + at, count, n, pitch);
  }
  void columns(const char *x, size_t at, size_t n, size_t pitch, size_t first, size_t last) const {
    loops->columns(x, values + at * item, index + at, n, pitch, first, last);
  }
};

const BestLoops *best_of(const Best &b, PyObject *x) {
  switch (type_of(x)) {
    case NPY_FLOAT32: return &b.f32;
    case NPY_FLOAT64: return &b.f64;
    case NPY_INT32: return &b.i32;
    case NPY_LONG: return sizeof(long) == 8 ? &b.i64 : &b.i32;
    case NPY_LONGLONG: return &b.i64;
    case NPY_BOOL:
    case NPY_UBYTE: return &b.u8;
    default: return nullptr;
  }
}

// One long row: the best of its pieces' bests, of which the first wins.
void best_of_pieces(const BestLoops *l, const char *x, size_t n, char *value, int64_t *index, size_t item) {
  size_t pieces = (n + PIECE - 1) / PIECE;
  std::vector<char> values(pieces * item);
  std::vector<int64_t> places(pieces);
  char *v = values.data();
  int64_t *p = places.data(), which;
  divide(pieces, PIECE, [=](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t m = std::min(PIECE, n - i * PIECE);
      l->rows(x + i * PIECE * item, v + i * item, p + i, 1, m, m);
    }
  });
  l->rows(v, value, &which, 1, pieces, pieces);
  *index = which * (int64_t)PIECE + p[which];
}

// Values and places along one dimension, or of all elements in C order (`axis` None). Null without an error: not served.
PyObject *places(const Best &table, PyObject *x, PyObject *axis, bool keep, bool with_values) {
  const BestLoops *l = PyArray_CheckExact(x) && movable(x) ? best_of(table, x) : nullptr;
  if (!l || (axis != Py_None && !PyLong_CheckExact(axis))) return nullptr;
  Held flat(axis == Py_None ? contiguous(x) : Py_NewRef(x));
  Task t;
  if (!flat || !t.set(flat.get(), axis, keep)) return nullptr;
  size_t item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)x);
  std::vector<Group> groups = t.layout.groups;
  Pass p;
  p.begin(groups);
  if (p.n >> 31) return nullptr;
  std::vector<char> memory(t.total * item);
  std::vector<int64_t> found(t.total);
  t.away([&] {
    if (p.inner == 1 && p.count == 1 && p.n >= 2 * PIECE) best_of_pieces(l, t.layout.data, p.n, memory.data(), found.data(), item);
    else walk(Places{l, memory.data(), found.data(), item}, p, t.layout.data, item);
  });
  PyObject *index = t.make(NPY_INT64, [&](char *out) { std::memcpy(out, found.data(), t.total * 8); });
  if (!index || !with_values) return index;
  PyObject *values = t.make(type_of(x), [&](char *out) { std::memcpy(out, memory.data(), t.total * item); });
  if (values) return Py_BuildValue("(NN)", values, index);
  Py_DECREF(index);
  return nullptr;
}

// max(x, dim, keepdim) -> (values, indices)
PyObject *max_of(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 3 || !PyLong_CheckExact(args[1]) || !truth(args[2], keep)) return not_implemented();
  return or_not(places(kernels->reductions.larger, args[0], args[1], keep, true));
}
PyObject *min_of(PyObject *, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 3 || !PyLong_CheckExact(args[1]) || !truth(args[2], keep)) return not_implemented();
  return or_not(places(kernels->reductions.smaller, args[0], args[1], keep, true));
}

PyObject *place_alone(const Best &table, PyObject *const *args, Py_ssize_t given) {
  bool keep;
  if (given != 3 || !truth(args[2], keep) || !PyArray_CheckExact(args[0]) || type_of(args[0]) == NPY_BOOL) return not_implemented();
  return or_not(places(table, args[0], args[1], keep, false));
}
PyObject *argmax(PyObject *, PyObject *const *args, Py_ssize_t given) { return place_alone(kernels->reductions.larger, args, given); }
PyObject *argmin(PyObject *, PyObject *const *args, Py_ssize_t given) { return place_alone(kernels->reductions.smaller, args, given); }

#define REDUCE(name, op) \
  {name, (PyCFunction)(void (*)(void))call<op>, METH_FASTCALL, name "(x, axis, dtype, out, keepdims): the ufunc's reduce, faster"}
#define METHOD(name, function, text) {name, (PyCFunction)(void (*)(void))function, METH_FASTCALL, name text " -> array or NotImplemented"}
#define WIDENED(name, function, text) METHOD(name, by_way_of_float32<function>, text)
PyMethodDef methods[] = {REDUCE("add_reduce", SUM),
                         REDUCE("maximum_reduce", MAX),
                         REDUCE("minimum_reduce", MIN),
                         WIDENED("sum", sum, "(x, dim, keepdim, dtype)"),
                         WIDENED("prod", prod, "(x, dim, keepdim, dtype)"),
                         WIDENED("mean", mean, "(x, dim, keepdim, dtype)"),
                         WIDENED("amax", extreme<MAX>, "(x, dim, keepdim)"),
                         WIDENED("amin", extreme<MIN>, "(x, dim, keepdim)"),
                         WIDENED("aminmax", aminmax, "(x, dim, keepdim)"),
                         METHOD("any", truths<MAX>, "(x, dim, keepdim)"),
                         METHOD("all", truths<MIN>, "(x, dim, keepdim)"),
                         WIDENED("linalg_vector_norm", linalg_vector_norm, "(x, ord, dim, keepdim, dtype)"),
                         WIDENED("var", var, "(x, dim, correction, keepdim)"),
                         WIDENED("std", standard, "(x, dim, correction, keepdim)"),
                         WIDENED("var_mean", var_mean, "(x, dim, correction, keepdim)"),
                         WIDENED("std_mean", std_mean, "(x, dim, correction, keepdim)"),
                         WIDENED("max", max_of, "(x, dim, keepdim)"),
                         WIDENED("min", min_of, "(x, dim, keepdim)"),
                         WIDENED("argmax", argmax, "(x, dim, keepdim)"),
                         WIDENED("argmin", argmin, "(x, dim, keepdim)"),
                         {"max_full", extreme_of_all<MAX>, METH_O, "max_full(x) -> array or NotImplemented"},
                         {"min_full", extreme_of_all<MIN>, METH_O, "min_full(x) -> array or NotImplemented"},
                         {nullptr}};

}  // namespace

bool add_reduce(PyObject *module) {
  PyObject *numpy = PyImport_ImportModule("numpy");
  if (!numpy) return false;
  const char *names[COUNT] = {"add", "maximum", "minimum"};
  for (int i = 0; i < COUNT; i++) {
    PyObject *ufunc = PyObject_GetAttrString(numpy, names[i]);
    fallbacks[i] = ufunc ? quiet(PyObject_GetAttrString(ufunc, "reduce")) : nullptr;
    Py_XDECREF(ufunc);
    if (!fallbacks[i]) return false;
  }
  Py_DECREF(numpy);
  return PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
