// Attention in float32 whose rows lie together in memory, head by head: keys and values are laid out for the products
// once, then a block of queries at a time meets the keys it may see.
#include "attention.h"
#include "attention_shape.h"
#include "kernels.h"
#include "threads.h"

#include <algorithm>
#include <memory>

namespace rushlight {
namespace {

constexpr size_t LINE = 16;  // floats of a cache line

size_t rounded(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Memory of one thread's share of the work, its pieces at the beginnings of lines; kept for the next call.
struct Room {
  float *next;
  explicit Room(size_t floats) {
    static thread_local std::unique_ptr<float[]> memory;
    static thread_local size_t size;
    if (size < floats + LINE) memory.reset(new float[size = floats + LINE]);
    next = memory.get();
    while ((size_t)next / sizeof(float) % LINE) next++;
  }
  float *take(size_t n) {
    float *piece = next;
    next += rounded(n, LINE);
    return piece;
  }
};

// (rows, width) times `scale` to (rows, padded), zero beyond; and the way back.
void lay(const float *from, ptrdiff_t step, size_t rows, size_t width, size_t padded, float scale, float *to) {
  kernels->attention->lay(from, step, rows, width, scale, to, (ptrdiff_t)padded, padded);
}
void put(const float *from, size_t padded, size_t rows, size_t width, float *to, ptrdiff_t step) {
  kernels->attention->lay(from, (ptrdiff_t)padded, rows, width, 1, to, step, width);
}

struct Sizes {
  const Shape &s;
  const AttentionKernels &kernel = *kernels->attention;
  size_t width, wide, line, panels;  // of q and of v in whole vectors; from one row of scores to the next
  size_t block, blocks;              // of queries
  explicit Sizes(const Shape &s) : s(s) {
    size_t vector = kernel.vector;
    width = rounded(s.width, vector);
    wide = rounded(s.wide, vector);
    panels = (s.source + kernel.panel - 1) / kernel.panel;
    line = rounded(s.source, vector) + LINE;  // not a power of two: rows would share a few sets of the cache
    block = s.causal ? 24 : std::max<size_t>(24, std::min<size_t>(48, 32768 / line / 24 * 24));
    block = std::min(block, s.length);
    blocks = (s.length + block - 1) / block;
  }
  size_t turned(size_t items) const { return panels * kernel.panel * items; }
  size_t columns(size_t n) const { return rounded(n, kernel.vector); }

  // The first n rows of x as columns, in panels.
  void turn(const float *x, ptrdiff_t step, size_t n, size_t items, float *to) const {
    for (size_t j = 0; j * kernel.panel < n; j++)
      kernel.turn(x + (ptrdiff_t)(j * kernel.panel) * step, step, std::min(kernel.panel, n - j * kernel.panel), items,
                  to + j * kernel.panel * items);
  }

  // a (rows, items) times what was turned: (rows, n)
  void with_panels(size_t rows, size_t items, const float *a, size_t step, const float *turned, size_t n, float *to) const {
    size_t all = columns(n);
    for (size_t j = 0; j < all; j += kernel.panel)
      kernel.product(rows, items, a, (ptrdiff_t)step, 1, turned + j * items, kernel.panel, to + j, line,
                     std::min(kernel.panel, all - j), false);
  }

  // The weights of queries [first, last) of head i to (rows, line); `scaled` becomes scale q.
  void weights(const Operand<float> &q, const float *keys, const Mask &m, size_t i, size_t first, size_t last, float *scaled,
               float *to) const {
    size_t rows = last - first, n = seen(s, last);
    lay(head(q, s, i, 1) + (ptrdiff_t)first * q.row, q.row, rows, s.width, width, (float)s.scale, scaled);
    with_panels(rows, s.width, scaled, width, keys, n, to);
    for (size_t r = 0; m.given && r < rows; r++)
      add_mask(to + r * line, s.causal ? std::min(n, first + r + 1) : n, m, s, i, first + r);
    kernel.softmax(to, rows, line, columns(n), n, s.causal ? first + 1 : n, s.causal);
  }
};

bool together(const Operand<float> &x) { return x.item == 1; }

}  // namespace

bool attention_blocks(const Shape &s, const Operand<float> &q, const Operand<float> &k, const Operand<float> &v, const Mask &m,
                      const Operand<float> &out) {
  if (!together(q) || !together(k) || !together(v) || !together(out)) return false;
  Sizes z(s);
  size_t wished = 4 * (size_t)num_threads();
  size_t pieces = s.heads >= wished ? 1 : std::min(z.blocks, (wished + s.heads - 1) / s.heads);  // of a head
  auto work = [&](size_t t, size_t end) {
    Room room(z.turned(s.width) + s.source * z.wide + z.block * (z.width + z.wide + z.line) + 8 * LINE);
    float *keys = room.take(z.turned(s.width)), *values = room.take(s.source * z.wide);
    float *scaled = room.take(z.block * z.width), *scores = room.take(z.block * z.line), *result = room.take(z.block * z.wide);
    for (; t < end; t++) {
      size_t i = t / pieces, b = t % pieces * z.blocks / pieces, stop = (t % pieces + 1) * z.blocks / pieces;
      size_t most = seen(s, std::min(s.length, stop * z.block));
      z.turn(head(k, s, i, s.group), k.row, most, s.width, keys);
      lay(head(v, s, i, s.group), v.row, most, s.wide, z.wide, 1, values);
      for (; b < stop; b++) {
        size_t first = b * z.block, last = std::min(first + z.block, s.length);
        z.weights(q, keys, m, i, first, last, scaled, scores);
        z.kernel.product(last - first, seen(s, last), scores, (ptrdiff_t)z.line, 1, values, z.wide, result, z.wide, z.wide, false);
        put(result, z.wide, last - first, s.wide, head(out, s, i, 1) + (ptrdiff_t)first * out.row, out.row);
      }
    }
  };
  parallel(s.heads * pieces, 1, work);
  return true;
}

bool attention_blocks_backward(const Shape &s, const Operand<float> &g, const Operand<float> &q, const Operand<float> &k,
                               const Operand<float> &v, const Mask &m, const Operand<float> &dq, const Operand<float> &dk,
                               const Operand<float> &dv) {
  size_t tasks = s.heads / s.group;
  if (!together(g) || !together(q) || !together(k) || !together(v) || tasks < (size_t)num_threads()) return false;
  Sizes z(s);
  parallel(tasks, 1, [&](size_t t, size_t end) {
    Room room(z.turned(s.width) + z.turned(s.wide) + s.source * (2 * z.width + z.wide) +
              z.block * (2 * z.width + z.wide + 2 * z.line) + 16 * LINE);
    float *keys = room.take(z.turned(s.width)), *values = room.take(z.turned(s.wide)), *rows_k = room.take(s.source * z.width);
    float *to_k = room.take(s.source * z.width), *to_v = room.take(s.source * z.wide);
    float *scaled = room.take(z.block * z.width), *to_q = room.take(z.block * z.width), *given = room.take(z.block * z.wide);
    float *p = room.take(z.block * z.line), *dp = room.take(z.block * z.line);
    for (; t < end; t++) {
      size_t of = t * s.group, most = seen(s, s.length);
      z.turn(head(k, s, of, s.group), k.row, most, s.width, keys);
      z.turn(head(v, s, of, s.group), v.row, most, s.wide, values);
      lay(head(k, s, of, s.group), k.row, most, s.width, z.width, (float)s.scale, rows_k);
      std::fill(to_k, to_k + s.source * z.width, 0.0f);
      std::fill(to_v, to_v + s.source * z.wide, 0.0f);
      for (size_t i = of; i < of + s.group; i++)
        for (size_t first = 0; first < s.length; first += z.block) {
          size_t last = std::min(first + z.block, s.length), rows = last - first, n = seen(s, last);
          ptrdiff_t line = (ptrdiff_t)z.line;
          z.weights(q, keys, m, i, first, last, scaled, p);
          lay(head(g, s, i, 1) + (ptrdiff_t)first * g.row, g.row, rows, s.wide, z.wide, 1, given);
          z.kernel.product(n, rows, p, 1, line, given, z.wide, to_v, z.wide, z.wide, true);
          z.with_panels(rows, s.wide, given, z.wide, values, n, dp);
          z.kernel.slope(dp, p, rows, z.line, z.columns(n));
          z.kernel.product(rows, n, dp, line, 1, rows_k, z.width, to_q, z.width, z.width, false);
          put(to_q, z.width, rows, s.width, head(dq, s, i, 1) + (ptrdiff_t)first * dq.row, dq.row);
          z.kernel.product(n, rows, dp, 1, line, scaled, z.width, to_k, z.width, z.width, true);
        }
      put(to_k, z.width, s.source, s.width, head(dk, s, of, s.group), dk.row);
      put(to_v, z.wide, s.source, s.wide, head(dv, s, of, s.group), dv.row);
    }
  });
  return true;
}

}  // namespace rushlight
