#include "gemm.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "kernels.h"
#include "threads.h"

namespace rushlight {
namespace {

constexpr size_t DEPTH = 384;     // of k in one pass: a panel of b stays in the second cache
constexpr size_t ACROSS = 4608;   // columns of b that are packed at a time
constexpr size_t BLOCK = 96;      // rows of a tile of tasks
constexpr size_t ROW_PANELS = 6;  // of a, packed by one task
constexpr size_t THIN = 8;        // rows up to which b is read once, where it is

// Memory of this thread that is kept for the next call, up to a bound.
struct Scratch {
  void *memory = nullptr;
  size_t size = 0;
  ~Scratch() { std::free(memory); }
  void *of(size_t bytes) {
    if (bytes > size) {
      std::free(memory);
      size = (bytes + 4095) / 4096 * 4096;
      memory = std::aligned_alloc(4096, size);
      if (!memory) std::abort();
    }
    return memory;
  }
};
thread_local Scratch scratch_a, scratch_b;

template <typename T> const GemmForms &forms();
template <> const GemmForms &forms<float>() { return kernels->gemm.f32; }
template <> const GemmForms &forms<double>() { return kernels->gemm.f64; }

size_t pieces(size_t n, size_t size) { return (n + size - 1) / size; }

// How many of n pieces one task takes, so that a task is some tens of thousands of multiplications.
size_t grain(size_t n, size_t each) { return std::max<size_t>(1, std::min(n, 60000 / std::max<size_t>(1, each))); }

template <typename T> struct Product {
  size_t m, n, k;
  const T *a;
  ptrdiff_t a_down, a_right;
  const T *b;
  ptrdiff_t b_down, b_right;
  T *c;
  ptrdiff_t row;
  const T *bias;
};

// Few rows, b's columns along memory: each is read once.
template <typename T> void by_dots(const Product<T> &x) {
  const T *a = x.a;
  ptrdiff_t step = x.a_down;
  if (x.a_right != 1) {
    T *copy = static_cast<T *>(scratch_a.of(x.m * x.k * sizeof(T)));
    for (size_t i = 0; i < x.m; i++)
      for (size_t p = 0; p < x.k; p++) copy[i * x.k + p] = x.a[(ptrdiff_t)i * x.a_down + (ptrdiff_t)p * x.a_right];
    a = copy;
    step = (ptrdiff_t)x.k;
  }
  parallel(x.n, grain(x.n, x.m * x.k), [&](size_t i, size_t j) {
    forms<T>().dots(x.m, x.k, a, step, x.b + (ptrdiff_t)i * x.b_right, x.b_right, j - i, x.c + i, x.row, x.bias ? x.bias + i : nullptr);
  });
}

// Few rows, b's rows along memory: read where they are, the columns that fill no vector packed.
template <typename T> void by_strips(const Product<T> &x) {
  const GemmForms &f = forms<T>();
  T *a = static_cast<T *>(scratch_a.of(x.m * x.k * sizeof(T)));
  f.pack(x.a, x.a_right, x.a_down, x.k, x.m, x.m, a);
  size_t strip = x.m == 1 ? std::max<size_t>(512, x.n / 8 / 512 * 512) : f.panel * 4;
  parallel(pieces(x.n, strip), grain(pieces(x.n, strip), x.m * x.k * strip), [&](size_t i, size_t j) {
    size_t first = i * strip, last = std::min(j * strip, x.n);
    const T *bias = x.bias ? x.bias + first : nullptr;
    size_t done = first + f.thin(x.m, x.k, a, x.b + first, x.b_down, x.c + first, x.row, last - first, bias, false);
    for (; done < last; done += f.panel) {
      size_t columns = std::min(f.panel, last - done);
      T *b = static_cast<T *>(scratch_b.of(x.k * f.panel * sizeof(T)));
      f.pack(x.b + done, x.b_down, 1, x.k, columns, f.panel, b);
      for (size_t r = 0; r < x.m; r += f.rows)
        f.tiles(std::min(f.rows, x.m - r), x.k, a + r, (ptrdiff_t)x.m, b, (ptrdiff_t)f.panel, x.c + r * x.row + done, x.row,
                columns, x.bias ? x.bias + done : nullptr, false);
    }
  });
}

// One pass over k: rows of a and columns of b in panels, then tiles of c.
template <typename T> void pass(const Product<T> &x, size_t p, size_t depth, size_t column, size_t columns) {
  const GemmForms &f = forms<T>();
  bool direct_a = x.a_down == 1;  // its columns are panels already
  size_t row_panels = pieces(x.m, f.rows), panels = pieces(columns, f.panel);
  T *a = direct_a ? nullptr : static_cast<T *>(scratch_a.of(row_panels * f.rows * depth * sizeof(T)));
  T *b = static_cast<T *>(scratch_b.of(panels * f.panel * depth * sizeof(T)));
  const T *from = x.b + (ptrdiff_t)p * x.b_down + (ptrdiff_t)column * x.b_right;
  // A panel of b, then a as six rows of panels: about as much work as one another.
  size_t packed_a = direct_a ? 0 : pieces(row_panels, ROW_PANELS), packs = panels + packed_a;
  parallel(packs, grain(packs, depth * f.panel * 2), [&](size_t i, size_t j) {
    for (; i < j; i++) {
      if (i < panels)
        f.pack(from + (ptrdiff_t)(i * f.panel) * x.b_right, x.b_down, x.b_right, depth,
               std::min(f.panel, columns - i * f.panel), f.panel, b + i * f.panel * depth);
      for (size_t r = (i - panels) * ROW_PANELS; i >= panels && r < std::min(row_panels, (i - panels + 1) * ROW_PANELS); r++)
        f.pack(x.a + (ptrdiff_t)(r * f.rows) * x.a_down + (ptrdiff_t)p * x.a_right, x.a_right, x.a_down, depth,
               std::min(f.rows, x.m - r * f.rows), f.rows, a + r * f.rows * depth);
    }
  });
  size_t block = BLOCK;
  while (block > 3 * f.rows && pieces(x.m, block) * panels < 16 * (size_t)num_threads()) block = block / 2 / f.rows * f.rows;
  size_t blocks = pieces(x.m, block), tasks = blocks * panels;
  parallel(tasks, grain(tasks, std::min(block, x.m) * f.panel * depth / 8), [&](size_t i, size_t j) {
    for (; i < j; i++) {
      size_t panel = i % panels, first = i / panels * block, last = std::min(first + block, x.m);
      size_t left = column + panel * f.panel, wide = std::min(f.panel, columns - panel * f.panel);
      for (size_t r = first; r < last; r += f.rows) {
        const T *rows = direct_a ? x.a + r + (ptrdiff_t)p * x.a_right : a + r * depth;
        f.tiles(std::min(f.rows, last - r), depth, rows, direct_a ? x.a_right : (ptrdiff_t)f.rows, b + panel * f.panel * depth,
                (ptrdiff_t)f.panel, x.c + (ptrdiff_t)r * x.row + left, x.row, wide, p || !x.bias ? nullptr : x.bias + left, p > 0);
      }
    }
  });
}

}  // namespace

template <typename T>
void gemm(size_t m, size_t n, size_t k, const T *a, ptrdiff_t a_down, ptrdiff_t a_right, const T *b, ptrdiff_t b_down,
          ptrdiff_t b_right, T *c, ptrdiff_t row, const T *bias) {
  if (!m || !n) return;
  Product<T> x = {m, n, k, a, a_down, a_right, b, b_down, b_right, c, row, bias};
  if (!k) {
    for (size_t i = 0; i < m; i++)
      for (size_t j = 0; j < n; j++) c[(ptrdiff_t)i * row + (ptrdiff_t)j] = bias ? bias[j] : 0;
  } else if (m <= THIN && b_down == 1 && k >= 16) {
    by_dots(x);
  } else if (m <= THIN && b_right == 1) {
    by_strips(x);
  } else {
    for (size_t column = 0; column < n; column += ACROSS)
      for (size_t p = 0; p < k; p += DEPTH) pass(x, p, std::min(DEPTH, k - p), column, std::min(ACROSS, n - column));
  }
}

template void gemm<float>(size_t, size_t, size_t, const float *, ptrdiff_t, ptrdiff_t, const float *, ptrdiff_t, ptrdiff_t,
                          float *, ptrdiff_t, const float *);
template void gemm<double>(size_t, size_t, size_t, const double *, ptrdiff_t, ptrdiff_t, const double *, ptrdiff_t, ptrdiff_t,
                           double *, ptrdiff_t, const double *);

}  // namespace rushlight
