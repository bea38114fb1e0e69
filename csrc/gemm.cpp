// How a matrix product is cut into tasks. Each task computes a block of the result by itself, along all of k, so that
// no thread waits for another but at the end.
#include "gemm.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "kernels.h"
#include "threads.h"

namespace rushlight {
namespace {

constexpr size_t DEPTH = 512;            // units of k in one pass: a few panels of b stay in the second cache
constexpr size_t STRIP = 256;            // columns of a block whose b is packed, at least
constexpr size_t STRIP_BYTES = 1 << 19;  // bytes of those, where k is short
constexpr size_t KEPT = 1 << 21;         // bytes of packed columns that a thread keeps for its next task
constexpr size_t PLACE = 1 << 19;        // bytes of b up to which it is read where it is
constexpr size_t TASK = 1 << 16;         // multiplications of a task at least
constexpr size_t THIN = 8;               // rows up to which b is read once, where it is
constexpr size_t SET = 64;               // rows of a that are packed at a time

// Memory of this thread that is kept for the next call.
struct Scratch {
  void *memory = nullptr;
  size_t size = 0;
  ~Scratch() { std::free(memory); }
  template <typename T> T *of(size_t n) {
    size_t bytes = n * sizeof(T);
    if (bytes > size) {
      std::free(memory);
      size = (bytes + 4095) / 4096 * 4096;
      memory = std::aligned_alloc(4096, size);
      if (!memory) std::abort();
    }
    return static_cast<T *>(memory);
  }
};
thread_local Scratch scratch_left, scratch_right, scratch_sums, scratch_turned;

size_t pieces(size_t n, size_t size) { return (n + size - 1) / size; }
size_t rounded(size_t n, size_t size) { return pieces(n, size) * size; }

// How many of n pieces one task takes, so that a task is some tens of thousands of multiplications.
size_t grain(size_t n, size_t each) { return std::max<size_t>(1, std::min(n, 60000 / std::max<size_t>(1, each))); }

// ---- kinds of numbers

struct Bfloat16 {
  uint16_t bits;
};

template <typename T> struct Kind {
  using Unit = T;  // what kernels read
  using Sum = T;
  static constexpr size_t pair = 1;  // numbers of a unit
};
template <> struct Kind<Bfloat16> {
  using Unit = uint32_t;
  using Sum = float;
  static constexpr size_t pair = 2;
};

template <typename T> const GemmForms &forms();
template <> const GemmForms &forms<float>() { return kernels->gemm.f32; }
template <> const GemmForms &forms<double>() { return kernels->gemm.f64; }
template <> const GemmForms &forms<Bfloat16>() { return *bfloat16_forms(); }

// c (m, n) = a b (+ bias); `turned`: c[i, j] is at c[j * row + i], and the bias runs along i.
template <typename T> struct Product {
  size_t m, n, k;
  const T *a;
  ptrdiff_t a_down, a_right;
  const T *b;
  ptrdiff_t b_down, b_right;
  T *c;
  ptrdiff_t row;
  const typename Kind<T>::Sum *bias;
  bool turned;
};

// Sums of bfloat16's products rounded into their places.
void narrow_rows(const float *sums, ptrdiff_t step, size_t rows, size_t columns, Bfloat16 *c, ptrdiff_t row) {
  for (size_t r = 0; r < rows; r++, sums += step, c += row)
    kernels->optimizers.narrow[0](sums, reinterpret_cast<uint16_t *>(c), columns);
}

// ---- few rows

// b's columns along memory: each is read once.
template <typename T> void by_dots(const Product<T> &x) {
  const T *a = x.a;
  ptrdiff_t step = x.a_down;
  if (x.a_right != 1) {
    T *copy = scratch_left.of<T>(x.m * x.k);
    for (size_t i = 0; i < x.m; i++)
      for (size_t p = 0; p < x.k; p++) copy[i * x.k + p] = x.a[(ptrdiff_t)i * x.a_down + (ptrdiff_t)p * x.a_right];
    a = copy;
    step = (ptrdiff_t)x.k;
  }
  parallel(x.n, grain(x.n, x.m * x.k), [&](size_t i, size_t j) {
    const auto *bias = x.bias ? x.bias + i : nullptr;
    const T *b = x.b + (ptrdiff_t)i * x.b_right;
    if constexpr (Kind<T>::pair == 1) {
      forms<T>().dots(x.m, x.k, a, step, b, x.b_right, j - i, x.c + i, x.row, bias);
    } else {
      float *sums = scratch_sums.of<float>(x.m * (j - i));
      forms<T>().dots(x.m, x.k, a, step, b, x.b_right, j - i, sums, (ptrdiff_t)(j - i), bias);
      narrow_rows(sums, (ptrdiff_t)(j - i), x.m, j - i, x.c + i, x.row);
    }
  });
}

// b's rows along memory: read where they are, the columns that fill no vector packed.
template <typename T> void by_strips(const Product<T> &x) {
  using Unit = typename Kind<T>::Unit;
  using Sum = typename Kind<T>::Sum;
  constexpr size_t pair = Kind<T>::pair;
  const GemmPanels &f = forms<T>().panels;
  size_t units = pieces(x.k, pair);
  Unit *a = scratch_left.of<Unit>(x.m * units);
  f.pack(x.a, x.a_right, x.a_down, x.k, x.m, x.m, a);
  size_t strip = x.m == 1 || pair > 1 ? std::max<size_t>(512, x.n / 8 / 512 * 512) : f.panel * 4;
  parallel(pieces(x.n, strip), grain(pieces(x.n, strip), x.m * x.k * strip), [&](size_t i, size_t j) {
    size_t first = i * strip, last = std::min(j * strip, x.n), wide = last - first;
    const T *right = x.b + first;
    const Sum *bias = x.bias ? x.bias + first : nullptr;
    Sum *c = pair > 1 ? scratch_sums.of<Sum>(x.m * wide) : reinterpret_cast<Sum *>(x.c) + first;
    ptrdiff_t row = pair > 1 ? (ptrdiff_t)wide : x.row;
    for (size_t done = forms<T>().thin(x.m, x.k, a, right, x.b_down, c, row, wide, bias, false); done < wide; done += f.panel) {
      size_t columns = std::min(f.panel, wide - done);
      Unit *b = scratch_right.of<Unit>(units * f.panel);
      f.pack(right + done, x.b_down, 1, x.k, columns, f.panel, b);
      for (size_t r = 0; r < x.m; r += f.rows)
        f.by_columns(std::min(f.rows, x.m - r), units, a + r, (ptrdiff_t)(x.m * sizeof(Unit)), b, (ptrdiff_t)f.panel,
                     c + (ptrdiff_t)r * row + (ptrdiff_t)done, row, columns, bias ? bias + done : nullptr, false);
    }
    if constexpr (pair > 1) narrow_rows(c, row, x.m, wide, x.c + first, x.row);
  });
}

// ---- blocks

// How c is cut into blocks. The blocks of one thread lie side by side: rows where that is possible, since what a
// thread writes next to another's columns is fetched by the other too; else wide strips of columns.
struct Plan {
  bool in_place;  // is b read where it is? Else each thread has it packed
  size_t groups;  // of rows, for so many threads
  size_t down;    // blocks of rows of each group
  size_t across;  // strips of columns
};

// Rows a power of two apart fall into the same places of a cache.
bool crowded(ptrdiff_t bytes) { return bytes % 1024 == 0 && bytes != 0; }

template <typename T> Plan plan_of(const Product<T> &x) {
  const GemmPanels &f = forms<T>().panels;
  size_t deep = pieces(x.k, Kind<T>::pair), size = x.k * rounded(x.n, f.vector) * sizeof(T);
  size_t threads = (size_t)num_threads(), most = std::max<size_t>(1, x.m * x.n * deep / TASK);
  size_t wanted = threads < 2 ? 1 : std::min(4 * threads, most), tiles = pieces(x.m, f.rows);
  bool in_place = Kind<T>::pair == 1 && x.b_right == 1 && x.n % f.vector == 0 && (x.m <= 64 || size <= PLACE);
  size_t unit = sizeof(typename Kind<T>::Unit), strip = std::max(STRIP, STRIP_BYTES / (deep * unit));
  bool wide = x.n * sizeof(T) >= 4096 * threads, large = !in_place && deep * std::min(x.n, strip) * unit > KEPT;
  if (x.m < 128 * threads && (wide || large)) {
    size_t across = std::min({pieces(x.n, f.panel), wanted, std::max(pieces(x.n, STRIP), threads)});
    return {in_place, 1, std::min(pieces(wanted, across), tiles), across};
  }
  size_t groups = std::min({threads, wanted, tiles});
  size_t across = in_place ? 1 : pieces(x.n, strip);
  return {in_place, groups, std::min(pieces(wanted, groups * across), std::max<size_t>(1, tiles / groups)), across};
}

// A panel of b, for one pass.
template <typename T> struct Panels {
  const typename Kind<T>::Unit *first;
  ptrdiff_t step;
  size_t apart;
};

// What this thread packed last.
struct Packed {
  uint64_t call;
  size_t column;
};
thread_local Packed packed = {0, 0};
std::atomic<uint64_t> calls{0};

template <typename T> struct Task {
  using Unit = typename Kind<T>::Unit;
  using Sum = typename Kind<T>::Sum;
  static constexpr size_t pair = Kind<T>::pair;

  const Product<T> &x;
  const GemmPanels &f;
  Plan plan;
  size_t depth;   // numbers of k in one pass
  uint64_t call;  // which product this is

  static size_t units(size_t numbers) { return pieces(numbers, pair); }

  const T *right(size_t p, size_t j) const { return x.b + (ptrdiff_t)p * x.b_down + (ptrdiff_t)j * x.b_right; }
  const T *left(size_t i, size_t p) const { return x.a + (ptrdiff_t)i * x.a_down + (ptrdiff_t)p * x.a_right; }

  // Columns of b from j, for the pass at p. A strip that is not too large is kept for the thread's next rows.
  Panels<T> panels(size_t p, size_t deep, size_t j, size_t wide) const {
    if (plan.in_place) return {reinterpret_cast<const Unit *>(right(p, j)), x.b_down, f.panel};
    size_t line = rounded(wide, f.panel);
    bool whole = units(x.k) * line * sizeof(Unit) <= KEPT;
    Unit *to = scratch_right.of<Unit>(line * units(whole ? x.k : deep));
    if (whole) to += p / pair * line;
    if (!whole || packed.call != call || packed.column != j)
      f.pack(right(p, j), x.b_down, x.b_right, deep, wide, f.panel, to);
    return {to, (ptrdiff_t)f.panel, units(deep) * f.panel};
  }

  // How the rows of a from i are read, in the pass at p.
  struct Left {
    const char *first;
    ptrdiff_t step, next;  // in bytes: along a tile, and from one tile to the next
    GemmTile tile;
  };
  Left rows(size_t i, size_t count, size_t p, size_t deep) const {
    bool by_rows = x.a_right == 1 && deep % pair == 0;
    ptrdiff_t step = (by_rows ? x.a_down : x.a_right) * (ptrdiff_t)sizeof(T);
    if (by_rows) return {reinterpret_cast<const char *>(left(i, p)), step, step * (ptrdiff_t)f.rows, f.by_rows};
    ptrdiff_t tile = (ptrdiff_t)(f.rows * sizeof(Unit));
    if (pair == 1 && x.a_down == 1 && (!crowded(step) || deep <= 128))
      return {reinterpret_cast<const char *>(left(i, p)), step, tile, f.by_columns};
    Unit *to = scratch_left.of<Unit>(rounded(count, f.rows) * units(deep));
    f.pack(left(i, p), x.a_right, x.a_down, deep, count, f.rows, to);
    return {reinterpret_cast<const char *>(to), tile, tile * (ptrdiff_t)units(deep), f.by_columns};
  }

  // The block of c from (i, j) on. Its sums are kept apart where they are wider than c and not done in one pass, or
  // where c is turned.
  void run(size_t i, size_t i_end, size_t j, size_t j_end) const {
    size_t wide = j_end - j;
    bool rounded_at_once = pair > 1 && !x.turned && x.k <= depth, apart = x.turned || (pair > 1 && !rounded_at_once);
    ptrdiff_t row = apart ? (ptrdiff_t)rounded(wide, f.vector) : x.row;
    size_t item = apart ? sizeof(Sum) : sizeof(T);
    char *c = apart ? reinterpret_cast<char *>(scratch_sums.of<Sum>((i_end - i) * (size_t)row))
                    : reinterpret_cast<char *>(x.c + (ptrdiff_t)i * row + (ptrdiff_t)j);
    const Sum *bias = x.bias && !x.turned ? x.bias + j : nullptr;
    for (size_t p = 0; p < x.k; p += depth) {
      size_t deep = std::min(depth, x.k - p);
      Panels<T> b = panels(p, deep, j, wide);
      for (size_t s = i; s < i_end; s += SET) {
        size_t s_end = std::min(s + SET, i_end);
        Left a = rows(s, s_end - s, p, deep);
        if (rounded_at_once) a.tile = a.tile == f.by_rows ? forms<T>().rounded_by_rows : forms<T>().rounded_by_columns;
        for (size_t r = s; r < s_end; r += f.rows, a.first += a.next)
          for (size_t q = 0; q < wide; q += f.panel)
            a.tile(std::min(f.rows, s_end - r), units(deep), a.first, a.step, b.first + q / f.panel * b.apart, b.step,
                   c + ((r - i) * (size_t)row + q) * item, row, std::min(f.panel, wide - q), bias && !p ? bias + q : nullptr,
                   p > 0);
      }
    }
    packed = {call, j};
    if (apart) finish(reinterpret_cast<Sum *>(c), row, i, i_end - i, j, wide);
  }

  void finish(const Sum *sums, ptrdiff_t step, size_t i, size_t count, size_t j, size_t wide) const {
    if constexpr (pair == 1) {
      f.turn(sums, step, count, wide, x.c + (ptrdiff_t)j * x.row + (ptrdiff_t)i, x.row, x.bias ? x.bias + i : nullptr);
    } else if (!x.turned) {
      narrow_rows(sums, step, count, wide, x.c + (ptrdiff_t)i * x.row + (ptrdiff_t)j, x.row);
    } else {
      Sum *turned = scratch_turned.of<Sum>(count * wide);
      f.turn(sums, step, count, wide, turned, (ptrdiff_t)count, x.bias ? x.bias + i : nullptr);
      narrow_rows(turned, (ptrdiff_t)count, wide, count, x.c + (ptrdiff_t)j * x.row + (ptrdiff_t)i, x.row);
    }
  }

  // Blocks of nearly the same size: group by group, in each strip by strip.
  void run_all() const {
    size_t tiles = pieces(x.m, f.rows), columns = pieces(x.n, f.vector), across = std::min(plan.across, columns);
    size_t group = plan.down * across, down = plan.groups * plan.down;
    parallel_shares(plan.groups * group, [&](size_t t) {
      size_t i = t / group * plan.down + t % plan.down, j = t % group / plan.down;
      run(i * tiles / down * f.rows, std::min((i + 1) * tiles / down * f.rows, x.m), j * columns / across * f.vector,
          std::min((j + 1) * columns / across * f.vector, x.n));
    });
  }
};

template <typename T> void by_blocks(const Product<T> &x) {
  constexpr size_t pair = Kind<T>::pair;
  size_t units = pieces(x.k, pair), depth = rounded(pieces(units, pieces(units, DEPTH)), 8) * pair;
  Task<T>{x, forms<T>().panels, plan_of(x), depth, ++calls}.run_all();
}

// What it costs to have a matrix as panels, by its strides: across is where the vectors lie.
size_t cost(size_t size, ptrdiff_t across, ptrdiff_t along) { return size * (across == 1 ? 1 : along == 1 ? 4 : 12); }

// The same product with rows and columns exchanged.
template <typename T> Product<T> exchanged(const Product<T> &x) {
  return {x.n, x.m, x.k, x.b, x.b_right, x.b_down, x.a, x.a_right, x.a_down, x.c, x.row, x.bias, !x.turned};
}

template <typename T> bool better_exchanged(const Product<T> &x) {
  size_t as_is = cost(x.k * x.n, x.b_right, x.b_down), other = cost(x.k * x.m, x.a_down, x.a_right) + 4 * x.m * x.n;
  if (x.a_right != 1 && x.a_down != 1) as_is += cost(x.k * x.m, 0, 0);
  if (x.b_right != 1 && x.b_down != 1) other += cost(x.k * x.n, 0, 0);
  return other < as_is;
}

template <typename T> void multiply(const Product<T> &x) {
  if (x.m <= THIN && x.b_down == 1 && x.k >= 16) return by_dots(x);
  if (x.m <= THIN && x.b_right == 1 && x.k > 1) return by_strips(x);
  if (x.n == 1 && x.m > 1 && x.row == 1 && !x.bias) {  // a column: a row of the exchanged product
    Product<T> y = exchanged(x);
    y.turned = false;
    y.row = (ptrdiff_t)x.m;
    return multiply(y);
  }
  by_blocks(better_exchanged(x) ? exchanged(x) : x);
}

template <typename T, typename S> void only_bias(size_t m, size_t n, T *c, ptrdiff_t row, const S *bias) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) c[(ptrdiff_t)i * row + (ptrdiff_t)j] = bias ? bias[j] : 0;
}

// ---- half precision

// A matrix in float32, its rows or its columns contiguous as they were.
struct Wide {
  const float *data;
  ptrdiff_t down, right;
};
Wide widened(int half, const uint16_t *from, size_t rows, size_t columns, ptrdiff_t down, ptrdiff_t right, float *to) {
  bool flip = right != 1 && down == 1;
  if (flip) {
    std::swap(rows, columns);
    std::swap(down, right);
  }
  parallel(rows, grain(rows, columns), [&](size_t i, size_t last) {
    for (; i < last; i++) {
      const uint16_t *line = from + (ptrdiff_t)i * down;
      if (right == 1) {
        kernels->optimizers.widen[half](line, to + i * columns, columns);
        continue;
      }
      for (size_t j = 0; j < columns; j++) kernels->optimizers.widen[half](line + (ptrdiff_t)j * right, to + i * columns + j, 1);
    }
  });
  ptrdiff_t step = (ptrdiff_t)columns;
  return flip ? Wide{to, 1, step} : Wide{to, step, 1};
}

thread_local Scratch scratch_bias, scratch_wide;

}  // namespace

template <typename T>
void gemm(size_t m, size_t n, size_t k, const T *a, ptrdiff_t a_down, ptrdiff_t a_right, const T *b, ptrdiff_t b_down,
          ptrdiff_t b_right, T *c, ptrdiff_t row, const T *bias) {
  if (!m || !n) return;
  if (!k) return only_bias(m, n, c, row, bias);
  multiply<T>({m, n, k, a, a_down, a_right, b, b_down, b_right, c, row, bias, false});
}

template void gemm<float>(size_t, size_t, size_t, const float *, ptrdiff_t, ptrdiff_t, const float *, ptrdiff_t, ptrdiff_t,
                          float *, ptrdiff_t, const float *);
template void gemm<double>(size_t, size_t, size_t, const double *, ptrdiff_t, ptrdiff_t, const double *, ptrdiff_t, ptrdiff_t,
                           double *, ptrdiff_t, const double *);

void gemm(Half half, size_t m, size_t n, size_t k, const uint16_t *a, ptrdiff_t a_down, ptrdiff_t a_right, const uint16_t *b,
          ptrdiff_t b_down, ptrdiff_t b_right, uint16_t *c, ptrdiff_t row, const uint16_t *bias) {
  if (!m || !n) return;
  int kind = half == Half::bfloat16 ? 0 : 1;
  float *wide_bias = nullptr;
  if (bias) {
    wide_bias = scratch_bias.of<float>(n);
    kernels->optimizers.widen[kind](bias, wide_bias, n);
  }
  if (!k) return only_bias(m, n, c, row, bias);
  if (half == Half::bfloat16 && bfloat16_forms()) {
    auto typed = [](const uint16_t *p) { return reinterpret_cast<const Bfloat16 *>(p); };
    multiply<Bfloat16>({m, n, k, typed(a), a_down, a_right, typed(b), b_down, b_right, reinterpret_cast<Bfloat16 *>(c), row, wide_bias, false});
    return;
  }
  float *memory = scratch_wide.of<float>(m * k + k * n + m * n), *sums = memory + m * k + k * n;
  Wide x = widened(kind, a, m, k, a_down, a_right, memory), y = widened(kind, b, k, n, b_down, b_right, memory + m * k);
  gemm<float>(m, n, k, x.data, x.down, x.right, y.data, y.down, y.right, sums, (ptrdiff_t)n, wide_bias);
  parallel(m, grain(m, n), [&](size_t i, size_t last) {
    for (; i < last; i++) kernels->optimizers.narrow[kind](sums + i * n, c + (ptrdiff_t)i * row, n);
  });
}

}  // namespace rushlight
