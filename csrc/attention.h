// What attention is made of, on blocks of float32 that stay in the cache: see attention_blocks.cpp.
#pragma once

#include <cstddef>

namespace rushlight {

// Columns come in whole vectors: what is beyond an operand's own is there, and zero.
struct AttentionKernels {
  size_t vector, panel;  // lanes of one; columns of transposed keys that lie together
  // c[rows, columns] = or, with `add`, += a[rows, k] b[k, columns]; a's element (i, p) lies at i down + p right.
  void (*product)(size_t rows, size_t k, const float *a, ptrdiff_t down, ptrdiff_t right, const float *b, size_t step_b,
                  float *c, size_t step_c, size_t columns, bool add);
  // (rows, width) times `scale`, rows `step` apart, to (rows, padded), `apart` from one to the next; zero beyond width.
  void (*lay)(const float *x, ptrdiff_t step, size_t rows, size_t width, float scale, float *to, ptrdiff_t apart, size_t padded);
  // (rows, items), rows `step` apart -> (items, panel)
  void (*turn)(const float *x, ptrdiff_t step, size_t rows, size_t items, float *out);
  // Rows of scores become weights: of row r the first min(limit, valid + r growing) count, the others of n become 0.
  void (*softmax)(float *x, size_t rows, size_t step, size_t n, size_t limit, size_t valid, size_t growing);
  // g = p (g - sum(g p)), row by row
  void (*slope)(float *g, const float *p, size_t rows, size_t step, size_t n);
};

}  // namespace rushlight
