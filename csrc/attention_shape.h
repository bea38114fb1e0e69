// A call of attention: its sizes, where its operands lie in memory, and its mask. No Python in here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

namespace rushlight {

constexpr int LEAD = 6;  // leading dimensions at most

// One operand: its leading dimensions, then rows and items. Strides count elements.
template <typename T> struct Operand {
  T *data;
  int lead;
  ptrdiff_t steps[LEAD], row, item;
};

struct Shape {
  int lead;
  size_t dims[LEAD];                   // of q
  size_t heads, group;                 // the product of dims; queries' heads that share one of the keys
  size_t length, source, width, wide;  // L, S, E, Ev
  bool causal;
  double scale;
};

// Where head number i begins; `group` heads of the last leading dimension share one.
template <typename T> T *head(const Operand<T> &o, const Shape &s, size_t i, size_t group) {
  ptrdiff_t at = 0;
  for (int d = s.lead; d--;) {
    size_t index = i % s.dims[d];
    i /= s.dims[d];
    at += (ptrdiff_t)(d == s.lead - 1 ? index / group : index) * o.steps[d];
  }
  return o.data + at;
}

struct Mask {
  bool given, truth;
  Operand<char> bools;
  Operand<float> f32;
  Operand<double> f64;
};
inline const Operand<float> &added(const Mask &m, float) { return m.f32; }
inline const Operand<double> &added(const Mask &m, double) { return m.f64; }

template <typename T> void add_mask(T *row, size_t n, const Mask &m, const Shape &s, size_t i, size_t query) {
  if (m.truth) {
    const char *allowed = head(m.bools, s, i, 1) + (ptrdiff_t)query * m.bools.row;
    for (size_t c = 0; c < n; c++)
      if (!allowed[(ptrdiff_t)c * m.bools.item]) row[c] = -std::numeric_limits<T>::infinity();
    return;
  }
  const Operand<T> &o = added(m, T());
  const T *more = head(o, s, i, 1) + (ptrdiff_t)query * o.row;
  for (size_t c = 0; c < n; c++) row[c] += more[(ptrdiff_t)c * o.item];
}

// How many keys queries below `last` may see.
inline size_t seen(const Shape &s, size_t last) { return s.causal ? std::min(s.source, last) : s.source; }

// softmax(scale q k^T + mask) v and its gradients by blocks of float32; false: not served, nothing was done.
bool attention_blocks(const Shape &s, const Operand<float> &q, const Operand<float> &k, const Operand<float> &v, const Mask &m,
                      const Operand<float> &out);
bool attention_blocks_backward(const Shape &s, const Operand<float> &g, const Operand<float> &q, const Operand<float> &k,
                               const Operand<float> &v, const Mask &m, const Operand<float> &dq, const Operand<float> &dk,
                               const Operand<float> &dv);

}  // namespace rushlight
