// A recurrent layer in one direction over a whole sequence, and back through time, float32. The input's share of the
// gates comes ready; each step is a product of the state with panels of the weight, and the units' pointwise part.
//
// A sequence is flat: the rows of time 0, then those of time 1, and so on, sizes[t] of them, never growing in t.
#include "arrays.h"
#include "conv_drivers.h"
#include "kernels.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace rushlight {
namespace {

enum Kind { TANH, RELU, GRU, LSTM };

size_t gates_of(long kind) { return kind == LSTM ? 4 : kind == GRU ? 3 : 1; }
size_t kept_of(long kind) { return kind >= GRU ? 4 : 1; }

bool matrix(PyObject *x, size_t rows, size_t columns) {
  return plain(x) && type_of(x) == NPY_FLOAT32 && PyArray_NDIM((PyArrayObject *)x) == 2 &&
         (size_t)PyArray_DIM((PyArrayObject *)x, 0) == rows && (size_t)PyArray_DIM((PyArrayObject *)x, 1) == columns;
}

bool vector_or_none(PyObject *x, size_t n) {
  return x == Py_None || (plain(x) && type_of(x) == NPY_FLOAT32 && PyArray_NDIM((PyArrayObject *)x) == 1 &&
                          (size_t)PyArray_DIM((PyArrayObject *)x, 0) == n);
}

float *data_or_null(PyObject *x) { return x == Py_None ? nullptr : data_of<float>(x); }

struct Span {
  size_t first, rows;
};

// The steps in order, from the tuple of sizes; empty if it is not one of falling positive numbers.
std::vector<Span> spans(PyObject *sizes, bool reverse) {
  std::vector<Span> result;
  size_t first = 0, before = ~size_t(0);
  if (!PyTuple_Check(sizes)) return result;
  for (Py_ssize_t t = 0; t < PyTuple_GET_SIZE(sizes); t++) {
    size_t rows = PyLong_AsSize_t(PyTuple_GET_ITEM(sizes, t));
    if (PyErr_Occurred() || !rows || rows > before) return {};
    result.push_back({first, rows});
    first += rows;
    before = rows;
  }
  if (reverse) std::reverse(result.begin(), result.end());
  return result;
}

size_t total_of(const std::vector<Span> &steps) {
  size_t total = 0;
  for (Span s : steps) total += s.rows;
  return total;
}

PyObject *empty(size_t rows, size_t columns) {
  npy_intp dims[2] = {(npy_intp)rows, (npy_intp)columns};
  return new_array(2, dims, NPY_FLOAT32);
}

size_t rounded(size_t n, size_t to) { return (n + to - 1) / to * to; }

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#endif
}

// Calls task(member, step, b) for all tasks of each step, a step after the one before it. One round of the pool serves
// the whole sequence. Each member begins with its own share of the tasks, so that the weights it needs stay in its
// cache, and goes on with the others'; a member that comes late, or never, delays nobody. `work`: of a step.
template <typename Task> void in_steps(size_t steps, size_t tasks, size_t work, Task task) {
  size_t team = std::min((size_t)num_threads(), tasks);
  if (team < 2 || work < 200000) {
    for (size_t t = 0; t < steps; t++)
      for (size_t b = 0; b < tasks; b++) task(0, t, b);
    return;
  }
  struct alignas(64) Counter {
    std::atomic<size_t> n{0};
  };
  std::vector<Counter> claimed(steps * team), done(steps);
  parallel(team, 1, [&](size_t member, size_t last) {
    for (; member < last; member++)
      for (size_t t = 0; t < steps; t++) {
        for (size_t i = 0; i < team; i++) {
          size_t owner = (member + i) % team, end = (owner + 1) * tasks / team;
          for (;;) {
            size_t b = owner * tasks / team + claimed[t * team + owner].n.fetch_add(1, std::memory_order_relaxed);
            if (b >= end) break;
            task(member, t, b);
            done[t].n.fetch_add(1, std::memory_order_release);
          }
        }
        while (done[t].n.load(std::memory_order_acquire) < tasks) pause();
      }
  });
}

struct Sizes {
  size_t hidden, gates, batch;
};

// Asks for `units` numbers of each of `count` groups in each row while a product is computed. They lie in pieces of a
// cache line, a power of two apart, which no prefetcher sees coming.
void fetch(const float *at, size_t rows, size_t step, size_t count, size_t apart, size_t units) {
  if (!at) return;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < count; i++)
      for (size_t u = 0; u < units; u += 16) __builtin_prefetch(at + r * step + i * apart + u, 1, 2);
}

struct Forward {
  long kind;
  Sizes z;
  std::vector<Span> steps;
  const float *gates, *bias_x, *bias_h, *weight;
  float *kept, *before_h, *before_c, *out, *h, *c;

  // Units go in blocks whose gates fill panels: (blocks, panels of a block, hidden, lanes).
  size_t units() const {
    size_t vector = kernels->conv.vector;
    return vector * std::max<size_t>(1, panel() / vector / z.gates);
  }

  // Lanes of a panel: two vectors, of which half as much passes through the caches for each row as of four.
  size_t panel() const { return std::min(kernels->conv.block, 2 * kernels->conv.vector); }

  void pack(float *panels) const {
    size_t unit = units(), lanes = unit * z.gates, block = panel(), blocks = rounded(z.hidden, unit) / unit;
    if (z.hidden % unit) std::memset(panels, 0, blocks * lanes * z.hidden * sizeof(float));
    parallel(blocks * z.gates, 16, [&](size_t i, size_t last) {
      for (; i < last; i++) {
        size_t b = i / z.gates, gate = i % z.gates, at = b * unit, lane = gate * unit, start = lane / block * block;
        const float *from = weight + (gate * z.hidden + at) * z.hidden;
        kernels->conv.interleave(from, z.hidden, std::min(unit, z.hidden - at), z.hidden,
                                 panels + (b * lanes + start) * z.hidden + (lane - start),
                                 std::min(block, lanes - start), nullptr);
      }
    });
  }

  void run() const {
    const Conv &conv = kernels->conv;
    const Recurrent &cells = kernels->recurrent;
    void (*cell)(const Step &) = kind == LSTM ? cells.lstm : kind == GRU ? cells.gru : kind == TANH ? cells.tanh : cells.relu;
    size_t unit = units(), lanes = unit * z.gates, blocks = rounded(z.hidden, unit) / unit, zero = 0;
    Buffer panels(blocks * lanes * z.hidden);
    pack(panels);
    std::vector<size_t> places(z.batch), to(z.batch);
    for (size_t r = 0; r < z.batch; r++) {
      places[r] = r * z.hidden;
      to[r] = r * lanes;
    }
    size_t wide = z.hidden * z.gates, kept_step = z.hidden * kept_of(kind), room = z.batch * lanes + SLACK;
    Buffer scratch(room * (size_t)num_threads());
    std::memcpy(before_h + steps[0].first * z.hidden, h, steps[0].rows * z.hidden * sizeof(float));
    in_steps(steps.size(), blocks, z.batch * z.hidden * wide, [&](size_t member, size_t t, size_t b) {
      Span s = steps[t];
      const float *before = before_h + s.first * z.hidden;
      float *pushed = scratch + member * room;
      size_t u = b * unit, row = s.first * z.hidden + u, n = std::min(unit, z.hidden - u);
      fetch(gates + s.first * wide + u, s.rows, wide, z.gates, z.hidden, n);
      if (kept != gates) fetch(kept + s.first * kept_step + u, s.rows, kept_step, kept_of(kind), z.hidden, n);
      fetch(out + row, s.rows, z.hidden, 1, 0, n);
      fetch(before_c ? before_c + row : nullptr, s.rows, z.hidden, 1, 0, n);
      for (size_t at = 0; at < lanes; at += panel())
        conv.product(before, places.data(), s.rows, {&zero, 1, z.hidden}, panels + (b * lanes + at) * z.hidden,
                     std::min(panel(), lanes - at), pushed + at, to.data(), false);
      cell({s.rows, n, z.hidden, wide, kept_step, lanes, unit, gates + s.first * wide + u, pushed,
            bias_x ? bias_x + u : nullptr, bias_h ? bias_h + u : nullptr, before + u, kept + s.first * kept_step + u,
            c + u, before_c + row, out + row, h + u});
      if (t + 1 == steps.size()) return;
      Span next = steps[t + 1];
      for (size_t r = 0; r < next.rows; r++)
        std::memcpy(before_h + (next.first + r) * z.hidden + u, h + r * z.hidden + u, n * sizeof(float));
    });
  }
};

// rnn_forward(kind, gates, b_ih, h, c, w_hh, b_hh, sizes, reverse)
//   -> (out, last h, last c or None, activations, h before each step, c before each step or None)
// gates (total, gates * hidden) are the input's share without its bias; the activations may be written over them.
PyObject *rnn_forward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 9) return not_implemented();
  PyObject *gates = args[1], *h = args[3], *c = args[4], *weight = args[5];
  Forward f;
  f.kind = PyLong_AsLong(args[0]);
  f.steps = spans(args[7], PyObject_IsTrue(args[8]) == 1);
  if (PyErr_Occurred()) return nullptr;
  if (f.steps.empty() || !plain(weight) || PyArray_NDIM((PyArrayObject *)weight) != 2) return not_implemented();
  size_t hidden = (size_t)PyArray_DIM((PyArrayObject *)weight, 1), count = gates_of(f.kind), total = total_of(f.steps);
  size_t batch = 0;
  for (Span s : f.steps) batch = std::max(batch, s.rows);
  if (!hidden || !matrix(weight, count * hidden, hidden) || !matrix(gates, total, count * hidden) ||
      !matrix(h, batch, hidden) || (f.kind == LSTM && !matrix(c, batch, hidden)) ||
      !vector_or_none(args[2], count * hidden) || !vector_or_none(args[6], count * hidden))
    return not_implemented();
  bool cells = f.kind == LSTM;
  PyObject *out = empty(total, hidden), *last_h = new_copy(h);
  PyObject *last_c = cells ? new_copy(c) : Py_NewRef(Py_None);
  PyObject *kept = f.kind == GRU ? empty(total, 4 * hidden) : Py_NewRef(gates), *before_h = empty(total, hidden);
  PyObject *before_c = cells ? empty(total, hidden) : Py_NewRef(Py_None);
  if (!out || !last_h || !last_c || !kept || !before_h || !before_c) {
    for (PyObject *x : {out, last_h, last_c, kept, before_h, before_c}) Py_XDECREF(x);
    return nullptr;
  }
  f.z = {hidden, count, batch};
  f.gates = data_of<float>(gates);
  f.bias_x = data_or_null(args[2]);
  f.bias_h = data_or_null(args[6]);
  f.weight = data_of<float>(weight);
  f.kept = data_of<float>(kept);
  f.before_h = data_of<float>(before_h);
  f.before_c = data_or_null(before_c);
  f.out = data_of<float>(out);
  f.h = data_of<float>(last_h);
  f.c = data_or_null(last_c);
  Py_BEGIN_ALLOW_THREADS
  f.run();
  Py_END_ALLOW_THREADS
  return Py_BuildValue("(NNNNNN)", out, last_h, last_c, kept, before_h, before_c);
}

struct Backward {
  long kind;
  Sizes z;
  std::vector<Span> steps;  // the last first
  const float *g_out, *kept, *before_h, *before_c, *weight;
  float *dh, *dc, *to_gates, *to_pushed;

  void run() const {
    const Conv &conv = kernels->conv;
    size_t width = std::min(conv.block, 2 * conv.vector), wide = z.hidden * z.gates, zero = 0;
    while (width > conv.vector && z.hidden < 2 * width * (size_t)num_threads()) width /= 2;
    size_t blocks = rounded(z.hidden, width) / width, line = blocks * width;
    Buffer panels(blocks * wide * width), state(z.batch * line);
    std::memset(panels, 0, blocks * wide * width * sizeof(float));
    std::memset(state, 0, z.batch * line * sizeof(float));
    for (size_t k = 0; k < wide; k++)
      for (size_t b = 0; b < blocks; b++)
        std::memcpy(panels + (b * wide + k) * width, weight + k * z.hidden + b * width,
                    std::min(width, z.hidden - b * width) * sizeof(float));
    for (size_t r = 0; r < z.batch; r++) std::memcpy(state + r * line, dh + r * z.hidden, z.hidden * sizeof(float));
    std::vector<size_t> places(z.batch), to(z.batch);
    for (size_t r = 0; r < z.batch; r++) {
      places[r] = r * wide;
      to[r] = r * line;
    }
    // The product of a step and the pointwise part of the one before it, for the same units: one round for both.
    in_steps(steps.size() + 1, blocks, z.batch * z.hidden * wide, [&](size_t, size_t t, size_t b) {
      if (t < steps.size()) fetch_step(steps[t], b * width, std::min(width, z.hidden - b * width));
      if (t)
        conv.product(to_pushed + steps[t - 1].first * wide, places.data(), steps[t - 1].rows, {&zero, 1, wide},
                     panels + b * wide * width, width, state + b * width, to.data(), kind == GRU);
      if (t < steps.size()) back(steps[t], b * width, std::min(width, z.hidden - b * width), state, line);
    });
    for (size_t r = 0; r < z.batch; r++) std::memcpy(dh + r * z.hidden, state + r * line, z.hidden * sizeof(float));
  }

  void fetch_step(Span s, size_t u, size_t units) const {
    size_t wide = z.hidden * z.gates, kept_step = z.hidden * kept_of(kind), row = s.first * z.hidden + u;
    fetch(kept + s.first * kept_step + u, s.rows, kept_step, kept_of(kind), z.hidden, units);
    fetch(to_gates + s.first * wide + u, s.rows, wide, z.gates, z.hidden, units);
    if (to_pushed != to_gates) fetch(to_pushed + s.first * wide + u, s.rows, wide, z.gates, z.hidden, units);
    for (const float *x : {g_out, kind == LSTM ? before_c : kind == GRU ? before_h : nullptr})
      fetch(x ? x + row : nullptr, s.rows, z.hidden, 1, 0, units);
  }

  void back(Span s, size_t u, size_t units, float *state, size_t line) const {
    const Recurrent &cells = kernels->recurrent;
    size_t wide = z.hidden * z.gates, kept_step = z.hidden * kept_of(kind), row = s.first * z.hidden + u;
    StepBack step{s.rows,
                  units,
                  z.hidden,
                  kept_step,
                  wide,
                  line,
                  g_out ? g_out + row : nullptr,
                  kept + s.first * kept_step + u,
                  before_h + row,
                  before_c + row,
                  state + u,
                  dc + u,
                  to_gates + s.first * wide + u,
                  to_pushed + s.first * wide + u};
    if (kind == LSTM) return cells.lstm_back(step);
    if (kind == GRU) return cells.gru_back(step);
    return kind == TANH ? cells.tanh_back(step) : cells.relu_back(step);
  }
};

PyObject *copy_or_zeros(PyObject *x, size_t rows, size_t columns) {
  if (x != Py_None) return new_copy(x);
  npy_intp dims[2] = {(npy_intp)rows, (npy_intp)columns};
  return new_zeros(2, dims, NPY_FLOAT32);
}

// rnn_backward(kind, g_out, g_h, g_c, activations, before_h, before_c, w_hh, sizes, reverse)
//   -> (gradients of gates, of the first h, of the first c or None, of the state's share of the gates)
PyObject *rnn_backward(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 10) return not_implemented();
  PyObject *weight = args[7];
  Backward f;
  f.kind = PyLong_AsLong(args[0]);
  f.steps = spans(args[8], PyObject_IsTrue(args[9]) != 1);
  if (PyErr_Occurred()) return nullptr;
  if (f.steps.empty() || !plain(weight) || PyArray_NDIM((PyArrayObject *)weight) != 2) return not_implemented();
  size_t hidden = (size_t)PyArray_DIM((PyArrayObject *)weight, 1), count = gates_of(f.kind), total = total_of(f.steps);
  size_t batch = 0;
  for (Span s : f.steps) batch = std::max(batch, s.rows);
  bool cells = f.kind == LSTM;
  auto fits = [&](PyObject *x, size_t rows) { return x == Py_None || matrix(x, rows, hidden); };
  if (!hidden || !matrix(weight, count * hidden, hidden) || !fits(args[1], total) || !fits(args[2], batch) ||
      (cells && !fits(args[3], batch)) || !matrix(args[4], total, kept_of(f.kind) * hidden) ||
      !matrix(args[5], total, hidden) || (cells && !matrix(args[6], total, hidden)))
    return not_implemented();
  PyObject *dh = copy_or_zeros(args[2], batch, hidden);
  PyObject *dc = cells ? copy_or_zeros(args[3], batch, hidden) : Py_NewRef(Py_None);
  PyObject *to_gates = empty(total, count * hidden);
  PyObject *to_pushed = f.kind == GRU ? empty(total, count * hidden) : Py_XNewRef(to_gates);
  if (!dh || !dc || !to_gates || !to_pushed) {
    for (PyObject *x : {dh, dc, to_gates, to_pushed}) Py_XDECREF(x);
    return nullptr;
  }
  f.z = {hidden, count, batch};
  f.g_out = data_or_null(args[1]);
  f.kept = data_of<float>(args[4]);
  f.before_h = data_of<float>(args[5]);
  f.before_c = cells ? data_of<float>(args[6]) : nullptr;
  f.weight = data_of<float>(weight);
  f.dh = data_of<float>(dh);
  f.dc = data_or_null(dc);
  f.to_gates = data_of<float>(to_gates);
  f.to_pushed = data_of<float>(to_pushed);
  Py_BEGIN_ALLOW_THREADS
  f.run();
  Py_END_ALLOW_THREADS
  return Py_BuildValue("(NNNN)", to_gates, dh, dc, to_pushed);
}

#define METHOD(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, text}
PyMethodDef methods[] = {
    METHOD(rnn_forward, "rnn_forward(kind, gates, b_ih, h, c, w_hh, b_hh, sizes, reverse)"),
    METHOD(rnn_backward, "rnn_backward(kind, g_out, g_h, g_c, kept, before_h, before_c, w_hh, sizes, reverse)"),
    {nullptr},
};

}  // namespace

bool add_rnn(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
