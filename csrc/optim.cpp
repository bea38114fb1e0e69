// One call for a whole parameter group: update(name, lists, numbers) runs an optimizer's loop over every parameter
// that it serves, and returns the indices of the others.
//
// Served are float32 and float64 (complex numbers as pairs of them), and half precision by way of float32, where the
// parameter, its gradient and its states have one shape and lie alike in memory, all in C or all in Fortran order. A
// gradient that is a product not yet computed (outer.h) is computed by blocks here, and used while it is in the cache.
#include "arrays.h"
#include "cell.h"
#include "kernels.h"
#include "outer.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace rushlight {
namespace {

constexpr int MOST = 5;           // arrays of a parameter
constexpr size_t NUMBERS = 12;    // numbers of an update, at most
constexpr size_t PIECE = 4096;    // elements whose squares are added up in float32
constexpr size_t WIDENED = 1024;  // elements of half precision worked on at a time
constexpr size_t LINE = 64;       // elements: no thread begins elsewhere in an array

struct Job {
  void *x[MOST];
  size_t n, start, size;  // elements, where they begin in the work of all jobs, bytes of one
  const double *numbers;
  OptimizerLoop loop;
  int half;  // -1, or the index of its conversions
  bool late;  // is the gradient this product?
  OuterView product;
};

// ml_dtypes' number for its type, which it registers when it is imported.
int bfloat16 = -1;

// Bytes of the numbers that an array is made of, or 0 if loops do not take them.
size_t size_of_type(int type) {
  if (type == bfloat16) return 2;
  switch (type) {
    case NPY_FLOAT16: return 2;
    case NPY_FLOAT32: case NPY_COMPLEX64: return 4;
    case NPY_FLOAT64: case NPY_COMPLEX128: return 8;
    default: return 0;
  }
}

bool alike(PyArrayObject *x, PyArrayObject *y) {
  return PyArray_TYPE(x) == PyArray_TYPE(y) && PyArray_SAMESHAPE(x, y);
}

// Is x an array that loops can run over? Narrows `order` to the memory orders it has.
bool dense(PyObject *x, bool written, int &order) {
  if (!PyArray_CheckExact(x)) return false;
  PyArrayObject *a = (PyArrayObject *)x;
  int flags = PyArray_FLAGS(a);
  order &= flags;
  return order && (flags & NPY_ARRAY_ALIGNED) && PyArray_ISNOTSWAPPED(a) && (!written || (flags & NPY_ARRAY_WRITEABLE));
}

// Does the product have the parameter's shape and type, and that the order of rows?
bool fits(const OuterView &o, PyArrayObject *p, int &order) {
  order &= NPY_ARRAY_C_CONTIGUOUS;
  return order && PyArray_TYPE(p) == o.type && PyArray_NDIM(p) == 2 && (size_t)PyArray_DIM(p, 0) == o.outputs &&
         (size_t)PyArray_DIM(p, 1) == o.inputs;
}

// The i-th entry of every list as a job; false if it is not served.
bool fill(Job &job, PyObject *const *lists, int count, Py_ssize_t i) {
  int order = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS;
  PyArrayObject *first = nullptr;
  for (int j = 0; j < count; j++) {
    job.x[j] = nullptr;
    if (lists[j] == Py_None) continue;
    PyObject *x = PyList_GET_ITEM(lists[j], i);
    if (is_outer(x)) {
      job.late = j == 1 && outer_waits(x, job.product);
      if (!job.late || !fits(job.product, first, order)) return false;
      continue;
    }
    if (!dense(x, j != 1, order)) return false;
    PyArrayObject *a = (PyArrayObject *)x;
    if (!first) first = a;
    else if (!alike(first, a)) return false;
    job.x[j] = PyArray_DATA(a);
  }
  int type = PyArray_TYPE(first);
  job.size = size_of_type(type);
  job.half = job.size != 2 ? -1 : type == NPY_FLOAT16;
  job.n = (size_t)PyArray_SIZE(first) * (PyArray_ISCOMPLEX(first) ? 2 : 1);
  return job.size != 0;
}

// Every job's share of [first, last) of the work of all.
template <typename Work> void walk(const std::vector<Job> &jobs, size_t first, size_t last, Work work) {
  auto after = std::upper_bound(jobs.begin(), jobs.end(), first, [](size_t at, const Job &j) { return at < j.start; });
  for (size_t i = (size_t)(after - jobs.begin()) - 1; i < jobs.size() && jobs[i].start < last; i++) {
    const Job &job = jobs[i];
    size_t from = first > job.start ? first - job.start : 0;
    size_t to = std::min(last - job.start, job.n);
    if (from < to) work(i, from, to);
  }
}

// [from, to) of a job in half precision: computed in float32 and rounded once.
void run_half(const Job &job, size_t from, size_t to) {
  alignas(64) float wide[MOST][WIDENED];
  for (; from < to; from += WIDENED) {
    size_t n = std::min(WIDENED, to - from);
    void *x[MOST];
    for (int j = 0; j < MOST; j++) {
      x[j] = job.x[j] ? wide[j] : nullptr;
      if (x[j]) kernels->optimizers.widen[job.half]((uint16_t *)job.x[j] + from, wide[j], n);
    }
    job.loop(x, job.numbers, n);
    for (int j = 0; j < MOST; j++)
      if (x[j] && j != 1) kernels->optimizers.narrow[job.half](wide[j], (uint16_t *)job.x[j] + from, n);
  }
}

void run(const std::vector<Job> &jobs, size_t first, size_t last) {
  walk(jobs, first, last, [&](size_t i, size_t from, size_t to) {
    const Job &job = jobs[i];
    if (job.late) return;
    if (job.half >= 0) return run_half(job, from, to);
    size_t past = ((size_t)job.x[0] + from * job.size) % 64, n = to - from;
    // Vectors that straddle cache lines cost a third of the bandwidth: a few elements first, then whole lines.
    size_t head = past && n > PIECE ? (64 - past) / job.size : 0;
    void *x[MOST];
    for (int j = 0; j < MOST; j++) x[j] = job.x[j] ? (char *)job.x[j] + from * job.size : nullptr;
    if (head) job.loop(x, job.numbers, head);
    for (void *&p : x)
      if (p) p = (char *)p + head * job.size;
    job.loop(x, job.numbers, n - head);
  });
}

// A gradient that is a product: blocks of it, each used as soon as it is there.
void run_product(const Job &job) {
  const OuterView &o = job.product;
  PyObject *held[2] = {Py_NewRef(o.arrays[0]), Py_NewRef(o.arrays[1])};  // whatever other threads do meanwhile
  size_t rows, columns;
  outer_block(o, rows, columns);
  size_t across = (o.inputs + columns - 1) / columns, down = std::max<size_t>(1, o.outputs / rows);
  share(across * down, rows * columns, [&](size_t task, size_t end) {
    thread_local std::vector<char> memory;
    for (; task < end; task++) {
      size_t top = task / across * rows, below = task / across + 1 < down ? top + rows : o.outputs;
      size_t left = task % across * columns, wide = std::min(columns, o.inputs - left);
      if (memory.size() < (below - top) * wide * job.size) memory.resize((below - top) * wide * job.size);
      outer_compute(o, top, below - top, left, wide, memory.data());
      for (size_t r = top; r < below; r++) {
        void *x[MOST];
        for (int j = 0; j < MOST; j++) x[j] = job.x[j] ? (char *)job.x[j] + (r * o.inputs + left) * job.size : nullptr;
        x[1] = memory.data() + (r - top) * wide * job.size;
        job.loop(x, job.numbers, wide);
      }
    }
  });
  for (PyObject *x : held) Py_DECREF(x);
}

// Is a parameter given twice, or inside another one? Then its updates come one after the other.
bool overlap(const std::vector<Job> &jobs) {
  std::vector<std::pair<const char *, const char *>> ranges;
  ranges.reserve(jobs.size());
  for (const Job &job : jobs)
    if (job.n) ranges.emplace_back((const char *)job.x[0], (const char *)job.x[0] + job.n * job.size);
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); i++)
    if (ranges[i].first < ranges[i - 1].second) return true;
  return false;
}

// All jobs; `total` elements are of those that are not late.
void run_all(const std::vector<Job> &jobs, size_t total) {
  bool any = std::any_of(jobs.begin(), jobs.end(), [](const Job &j) { return j.late; });
  bool apart = (total >= BIG || any) && !overlap(jobs);
  if (any && !apart) {
    for (const Job &job : jobs) job.late ? run_product(job) : run(jobs, job.start, job.start + job.n);
    return;
  }
  if (total >= BIG && apart) share(total, 1, [&](size_t first, size_t last) { run(jobs, first, last); });
  else if (total) run(jobs, 0, total);
  for (const Job &job : jobs)
    if (job.late) run_product(job);
}

// A tuple of numbers to `to`; false with an exception set if it is not one.
bool numbers_of(PyObject *tuple, double *to) {
  if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) > (Py_ssize_t)NUMBERS) {
    PyErr_SetString(PyExc_TypeError, "the numbers of an update are a tuple");
    return false;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) to[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(tuple, i));
  return !PyErr_Occurred();
}

bool all_numbers(PyObject *given, Py_ssize_t count, std::vector<double> &to) {
  bool each = PyList_CheckExact(given);
  if (each && PyList_GET_SIZE(given) != count) {
    PyErr_SetString(PyExc_ValueError, "one tuple of numbers per parameter");
    return false;
  }
  to.resize(NUMBERS * (each ? (size_t)count : 1));
  if (!each) return numbers_of(given, to.data());
  for (Py_ssize_t i = 0; i < count; i++)
    if (!numbers_of(PyList_GET_ITEM(given, i), to.data() + NUMBERS * (size_t)i)) return false;
  return true;
}

const OptimizerForms *forms_of(PyObject *name) {
  const char *wanted = PyUnicode_AsUTF8(name);
  if (!wanted) return nullptr;
  for (const OptimizerForms &forms : kernels->optimizers.forms)
    if (!std::strcmp(forms.name, wanted)) return &forms;
  PyErr_Format(PyExc_ValueError, "no update is called '%s'", wanted);
  return nullptr;
}

// The lists have one length and are lists, or None but for the first.
bool proper(PyObject *const *lists, Py_ssize_t count) {
  bool good = count > 0 && count <= MOST && PyList_CheckExact(lists[0]);
  for (Py_ssize_t j = 1; good && j < count; j++)
    good = lists[j] == Py_None ||
           (PyList_CheckExact(lists[j]) && PyList_GET_SIZE(lists[j]) == PyList_GET_SIZE(lists[0]));
  if (!good) PyErr_SetString(PyExc_TypeError, "an update takes lists of arrays of one length");
  return good;
}

bool append(PyObject *list, Py_ssize_t i) {
  PyObject *number = PyLong_FromSsize_t(i);
  bool good = number && PyList_Append(list, number) == 0;
  Py_XDECREF(number);
  return good;
}

// update(name, (list of arrays or None, ...), numbers or [numbers, ...]) -> [index not served, ...]
PyObject *update(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3 || !PyTuple_CheckExact(args[1])) {
    PyErr_SetString(PyExc_TypeError, "update(name, lists, numbers)");
    return nullptr;
  }
  const OptimizerForms *forms = forms_of(args[0]);
  PyObject *const *lists = &PyTuple_GET_ITEM(args[1], 0);
  Py_ssize_t arrays = PyTuple_GET_SIZE(args[1]);
  if (!forms || !proper(lists, arrays)) return nullptr;
  Py_ssize_t count = PyList_GET_SIZE(lists[0]);
  std::vector<double> numbers;
  if (!all_numbers(args[2], count, numbers)) return nullptr;
  bool each = PyList_CheckExact(args[2]);
  PyObject *rest = PyList_New(0);
  if (!rest) return nullptr;
  std::vector<Job> jobs;
  jobs.reserve((size_t)count);
  size_t total = 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    Job job{};
    if (!fill(job, lists, (int)arrays, i)) {
      if (append(rest, i)) continue;
      Py_DECREF(rest);
      return nullptr;
    }
    job.start = total;
    job.numbers = numbers.data() + (each ? NUMBERS * (size_t)i : 0);
    job.loop = job.size == 8 ? forms->f64 : forms->f32;
    if (!job.late) total += (job.n + LINE - 1) / LINE * LINE;
    jobs.push_back(job);
  }
  run_all(jobs, total);
  return rest;
}

// norms(arrays) -> [2-norm, ...], or NotImplemented unless all are served.
PyObject *norms(PyObject *, PyObject *list) {
  if (!proper(&list, 1)) return nullptr;
  Py_ssize_t count = PyList_GET_SIZE(list);
  std::vector<Job> jobs((size_t)count);
  size_t total = 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    Job &job = jobs[(size_t)i];
    if (!fill(job, &list, 1, i) || job.half >= 0) return not_implemented();
    job.start = total;
    total += (job.n + PIECE - 1) / PIECE;
  }
  std::vector<double> pieces(total);
  auto work = [&](size_t first, size_t last) {
    for (size_t piece = first; piece < last; piece++) {
      auto after = std::upper_bound(jobs.begin(), jobs.end(), piece,
                                    [](size_t at, const Job &j) { return at < j.start; });
      const Job &job = *(after - 1);
      size_t from = (piece - job.start) * PIECE, n = std::min(PIECE, job.n - from);
      auto squares = job.size == 4 ? kernels->optimizers.squares_f32 : kernels->optimizers.squares_f64;
      pieces[piece] = squares((char *)job.x[0] + from * job.size, n);
    }
  };
  if (total) share(total, PIECE, work);
  PyObject *result = PyList_New(count);
  for (Py_ssize_t i = 0; result && i < count; i++) {
    size_t end = i + 1 < count ? jobs[(size_t)i + 1].start : total;
    double sum = 0;
    for (size_t piece = jobs[(size_t)i].start; piece < end; piece++) sum += pieces[piece];
    PyList_SET_ITEM(result, i, PyFloat_FromDouble(__builtin_sqrt(sum)));
  }
  return result;
}

// count(steps) -> [new value, ...]: adds one to 0-d float arrays, or NotImplemented if one is something else.
PyObject *count(PyObject *, PyObject *list) {
  if (!proper(&list, 1)) return nullptr;
  Py_ssize_t n = PyList_GET_SIZE(list);
  int order = NPY_ARRAY_C_CONTIGUOUS;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *step = PyList_GET_ITEM(list, i);
    if (!dense(step, true, order) || size_of(step) != 1 || (type_of(step) != NPY_FLOAT32 && type_of(step) != NPY_FLOAT64))
      return not_implemented();
  }
  PyObject *values = PyList_New(n);
  for (Py_ssize_t i = 0; values && i < n; i++) {
    PyObject *step = PyList_GET_ITEM(list, i);
    bool narrow = type_of(step) == NPY_FLOAT32;
    double value = (narrow ? (double)*data_of<float>(step) : *data_of<double>(step)) + 1;
    if (narrow) *data_of<float>(step) = (float)value;
    else *data_of<double>(step) = value;
    PyList_SET_ITEM(values, i, PyFloat_FromDouble(value));
  }
  return values;
}

// know_bfloat16(dtype): which type that is
PyObject *know_bfloat16(PyObject *, PyObject *dtype) {
  if (!PyArray_DescrCheck(dtype)) return PyErr_Format(PyExc_TypeError, "a dtype is wanted");
  bfloat16 = ((PyArray_Descr *)dtype)->type_num;
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"update", (PyCFunction)(void (*)(void))update, METH_FASTCALL,
     "update(name, lists, numbers) -> list\n\nOne step of an optimizer; the indices of the parameters not served."},
    {"know_bfloat16", know_bfloat16, METH_O, "know_bfloat16(dtype)\n\nSay which dtype is bfloat16."},
    {"norms", norms, METH_O, "norms(arrays) -> list\n\nThe 2-norm of each array."},
    {"count", count, METH_O, "count(steps) -> list\n\nAdd one to each 0-d array; the new values."},
    {nullptr},
};

}  // namespace

bool add_optim(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
