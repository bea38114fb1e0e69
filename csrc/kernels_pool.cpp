// Max pooling of float32 planes, and its gradient.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

constexpr float LOWEST = -__builtin_inff();

inline float larger(float a, float b) { return (b > a) | (b != b) ? b : a; }

// ---- windows of 2 x 2 next to each other

#ifdef RUSHLIGHT_SHUFFLE
inline V greater(V a, V b) { return (b > a) | (b != b) ? b : a; }

// Every other of the lanes of two vectors, and back.
inline void part(V a, V b, V &even, V &odd) {
#if defined(__AVX512F__)
  even = RUSHLIGHT_SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  odd = RUSHLIGHT_SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif defined(__AVX2__)
  even = RUSHLIGHT_SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  odd = RUSHLIGHT_SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  even = RUSHLIGHT_SHUFFLE(a, b, 0, 2, 4, 6);
  odd = RUSHLIGHT_SHUFFLE(a, b, 1, 3, 5, 7);
#endif
}
inline void mix(V even, V odd, V &a, V &b) {
#if defined(__AVX512F__)
  a = RUSHLIGHT_SHUFFLE(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  b = RUSHLIGHT_SHUFFLE(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif defined(__AVX2__)
  a = RUSHLIGHT_SHUFFLE(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
  b = RUSHLIGHT_SHUFFLE(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  a = RUSHLIGHT_SHUFFLE(even, odd, 0, 4, 1, 5);
  b = RUSHLIGHT_SHUFFLE(even, odd, 2, 6, 3, 7);
#endif
}

// Elements 2 i and 2 i + 1 of a row for i < n <= WIDTH
inline void load_pairs(const float *x, size_t n, V &even, V &odd) {
  if (n == WIDTH) return part(load(x), load(x + WIDTH), even, odd);
  size_t first = 2 * n < WIDTH ? 2 * n : WIDTH;
  part(load_some(x, first), first < 2 * n ? load_some(x + WIDTH, 2 * n - first) : V{}, even, odd);
}
inline void store_pairs(float *x, size_t n, V even, V odd) {
  V a, b;
  mix(even, odd, a, b);
  size_t first = 2 * n < WIDTH ? 2 * n : WIDTH;
  store_some(x, a, first);
  if (first < 2 * n) store_some(x + WIDTH, b, 2 * n - first);
}

// One row of windows
void largest_of_pairs(const float *upper, const float *lower, size_t n, float *out) {
  for (size_t i = 0; i < n; i += WIDTH) {
    size_t some = n - i < WIDTH ? n - i : WIDTH;
    V a, b, c, d;
    load_pairs(upper + 2 * i, some, a, b);
    load_pairs(lower + 2 * i, some, c, d);
    store_some(out + i, greater(greater(a, c), greater(b, d)), some);
  }
}

void to_largest_of_pairs(const float *upper, const float *lower, const float *g, size_t n, float *to_upper, float *to_lower) {
  for (size_t i = 0; i < n; i += WIDTH) {
    size_t some = n - i < WIDTH ? n - i : WIDTH;
    V a, b, c, d;
    load_pairs(upper + 2 * i, some, a, b);
    load_pairs(lower + 2 * i, some, c, d);
    I right = (b > a) | (b != b), below = (d > c) | (d != d);  // the second is larger, or nan
    V p = right ? b : a, q = below ? d : c;
    I low = (q > p) | (q != q), gradient = bits(load_some(g + i, some));
    I up = gradient & ~low, down = gradient & low;
    store_pairs(to_upper + 2 * i, some, bits(up & ~right), bits(up & right));
    store_pairs(to_lower + 2 * i, some, bits(down & ~below), bits(down & below));
  }
}
#else
void largest_of_pairs(const float *upper, const float *lower, size_t n, float *out) {
  for (size_t i = 0; i < n; i++)
    out[i] = larger(larger(upper[2 * i], lower[2 * i]), larger(upper[2 * i + 1], lower[2 * i + 1]));
}

inline float as_float(int32_t i) {
  float f;
  __builtin_memcpy(&f, &i, 4);
  return f;
}

// 1 if the second of two neighbours is the window's choice: it is larger, or nan.
inline int32_t later(float a, float b) { return static_cast<int32_t>((b > a) | (b != b)); }

void to_largest_of_pairs(const float *__restrict upper, const float *__restrict lower, const float *__restrict from, size_t n,
                         float *__restrict to_upper, float *__restrict to_lower) {
  for (size_t i = 0; i < n; i++) {
    float a = upper[2 * i], b = upper[2 * i + 1], c = lower[2 * i], d = lower[2 * i + 1];
    // Masks instead of branches, which would be mispredicted every other time.
    int32_t right = later(a, b), below = later(c, d);
    int32_t low = later(larger(a, b), larger(c, d)), bits;
    __builtin_memcpy(&bits, from + i, 4);
    int32_t up = bits & (low - 1), down = bits & -low;
    to_upper[2 * i] = as_float(up & (right - 1));
    to_upper[2 * i + 1] = as_float(up & -right);
    to_lower[2 * i] = as_float(down & (below - 1));
    to_lower[2 * i + 1] = as_float(down & -below);
  }
}
#endif

bool in_squares(const Pooling &p) {
  return p.kernel_y == 2 && p.kernel_x == 2 && p.stride_y == 2 && p.stride_x == 2 && p.dilation_y == 1 && p.dilation_x == 1 &&
         !p.top && !p.left && 2 * p.out_height <= p.height && 2 * p.out_width <= p.width;
}

// One plane. Columns first, into `line` (a row with a frame of -inf that the caller has laid out), then along it.
void max_pool(const Pooling &p, const float *x, float *out, float *line) {
  if (in_squares(p)) {
    for (size_t y = 0; y < p.out_height; y++)
      largest_of_pairs(x + 2 * y * p.width, x + (2 * y + 1) * p.width, p.out_width, out + y * p.out_width);
    return;
  }
  float *row = line + p.left;
  for (size_t oy = 0; oy < p.out_height; oy++, out += p.out_width) {
    for (size_t i = 0; i < p.width; i++) row[i] = LOWEST;
    for (size_t k = 0; k < p.kernel_y; k++) {
      size_t y = oy * p.stride_y + k * p.dilation_y;
      if (y < p.top || y >= p.top + p.height) continue;
      const float *from = x + (y - p.top) * p.width;
      for (size_t i = 0; i < p.width; i++) row[i] = larger(row[i], from[i]);
    }
    if (p.kernel_x == 2 && p.stride_x == 2 && p.dilation_x == 1) {
      for (size_t i = 0; i < p.out_width; i++) out[i] = larger(line[2 * i], line[2 * i + 1]);
      continue;
    }
    for (size_t i = 0; i < p.out_width; i++) out[i] = line[i * p.stride_x];
    for (size_t k = 1; k < p.kernel_x; k++) {
      const float *from = line + k * p.dilation_x;
      if (p.stride_x == 1)
        for (size_t i = 0; i < p.out_width; i++) out[i] = larger(out[i], from[i]);
      else
        for (size_t i = 0; i < p.out_width; i++) out[i] = larger(out[i], from[i * p.stride_x]);
    }
  }
}

// The flat index of a window's largest element: the first of equals, the last nan.
inline size_t largest(const Pooling &p, const float *x, size_t oy, size_t ox) {
  float best = LOWEST;
  size_t found = ~size_t(0), first = ~size_t(0);
  size_t y0 = oy * p.stride_y, x0 = ox * p.stride_x;
  bool inside = y0 >= p.top && x0 >= p.left && y0 + (p.kernel_y - 1) * p.dilation_y < p.top + p.height &&
                x0 + (p.kernel_x - 1) * p.dilation_x < p.left + p.width;
  if (inside) {  // no tests for the frame, and no branches on the values
    size_t corner = (y0 - p.top) * p.width + x0 - p.left;
    found = corner;
    best = x[corner];
    for (size_t i = 0; i < p.kernel_y; i++)
      for (size_t j = 0; j < p.kernel_x; j++) {
        size_t at = corner + i * p.dilation_y * p.width + j * p.dilation_x;
        bool better = (x[at] > best) | (x[at] != x[at]);
        best = better ? x[at] : best;
        found = better ? at : found;
      }
    return found;
  }
  for (size_t i = 0; i < p.kernel_y; i++) {
    size_t y = oy * p.stride_y + i * p.dilation_y;
    if (y < p.top || y >= p.top + p.height) continue;
    for (size_t j = 0; j < p.kernel_x; j++) {
      size_t c = ox * p.stride_x + j * p.dilation_x;
      if (c < p.left || c >= p.left + p.width) continue;
      size_t at = (y - p.top) * p.width + (c - p.left);
      if (first == ~size_t(0)) first = at;
      if (x[at] > best || x[at] != x[at]) {
        best = x[at];
        found = at;
      }
    }
  }
  return found == ~size_t(0) ? first : found;  // nothing but -inf
}

void max_indices(const Pooling &p, const float *x, float *out, int64_t *index) {
  for (size_t oy = 0; oy < p.out_height; oy++)
    for (size_t ox = 0; ox < p.out_width; ox++) {
      size_t at = largest(p, x, oy, ox);
      *out++ = x[at];
      *index++ = static_cast<int64_t>(at);
    }
}

// One plane; `result` starts as zeros.
void max_pool_backward(const Pooling &p, const float *g, const float *x, float *result) {
  if (!in_squares(p)) {
    for (size_t oy = 0; oy < p.out_height; oy++)
      for (size_t ox = 0; ox < p.out_width; ox++) result[largest(p, x, oy, ox)] += *g++;
    return;
  }
  for (size_t y = 0; y < p.out_height; y++) {
    size_t upper = 2 * y * p.width, lower = upper + p.width;
    to_largest_of_pairs(x + upper, x + lower, g + y * p.out_width, p.out_width, result + upper, result + lower);
  }
}

// The sum of all of x.
float total(const float *x, size_t n) {
  V a = {}, b = {}, c = {}, d = {};
  size_t i = 0;
  for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
    a += load(x + i);
    b += load(x + i + WIDTH);
    c += load(x + i + 2 * WIDTH);
    d += load(x + i + 3 * WIDTH);
  }
  for (; i + WIDTH <= n; i += WIDTH) a += load(x + i);
  if (i < n) b += load_some(x + i, n - i);
  return sum((a + b) + (c + d));
}

void fill(float *to, float value, size_t n) {
  V v = constant(value);
  size_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) store(to + i, v);
  if (i < n) store_some(to + i, v, n - i);
}

// One window over the whole plane?
bool whole(const Windows &rows, const Windows &columns, size_t height, size_t width) {
  return rows.out == 1 && columns.out == 1 && rows.last[0] - rows.first[0] == height &&
         columns.last[0] - columns.first[0] == width;
}

// Do windows of two follow one another?
bool in_pairs(const Windows &w) {
  for (size_t i = 0; i < w.out; i++)
    if (w.first[i] != 2 * i || w.last[i] != 2 * i + 2 || w.divisor[i] != w.divisor[0]) return false;
  return true;
}

void mean(const Windows &rows, const Windows &columns, size_t height, size_t width, const float *x, float *out,
          float *line) {
  if (whole(rows, columns, height, width)) {
    *out = total(x, height * width) / (rows.divisor[0] * columns.divisor[0]);
    return;
  }
  bool pairs = in_pairs(columns);
  for (size_t y = 0; y < rows.out; y++, out += columns.out) {
    size_t first = rows.first[y], last = rows.last[y];
    if (pairs && last == first + 2) {
      const float *upper = x + first * width, *lower = upper + width;
      float by = 1 / (rows.divisor[y] * columns.divisor[0]), divisor = rows.divisor[y] * columns.divisor[0];
      if (by * divisor == 1 && divisor == 4)  // the usual case, and exact
        for (size_t i = 0; i < columns.out; i++)
          out[i] = (upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1]) * 0.25f;
      else
        for (size_t i = 0; i < columns.out; i++)
          out[i] = (upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1]) / divisor;
      continue;
    }
    for (size_t i = 0; i < width; i++) line[i] = 0;
    for (size_t r = first; r < last; r++)
      for (size_t i = 0; i < width; i++) line[i] += x[r * width + i];
    for (size_t o = 0; o < columns.out; o++) {
      float sum = 0;
      for (size_t i = columns.first[o]; i < columns.last[o]; i++) sum += line[i];
      out[o] = sum / (rows.divisor[y] * columns.divisor[o]);
    }
  }
}

void mean_backward(const Windows &rows, const Windows &columns, size_t height, size_t width, const float *g,
                   float *result, float *line) {
  if (whole(rows, columns, height, width))
    return fill(result, *g / (rows.divisor[0] * columns.divisor[0]), height * width);
  bool pairs = in_pairs(columns);
  size_t done = 0;  // rows of the result that hold something
  for (size_t y = 0; y < rows.out; y++, g += columns.out) {
    size_t first = rows.first[y], last = rows.last[y];
    if (pairs) {
      for (size_t o = 0; o < columns.out; o++)
        line[2 * o] = line[2 * o + 1] = g[o] / (rows.divisor[y] * columns.divisor[0]);
      for (size_t i = 2 * columns.out; i < width; i++) line[i] = 0;
    } else {
      for (size_t i = 0; i < width; i++) line[i] = 0;
      for (size_t o = 0; o < columns.out; o++) {
        float share = g[o] / (rows.divisor[y] * columns.divisor[o]);
        for (size_t i = columns.first[o]; i < columns.last[o]; i++) line[i] += share;
      }
    }
    for (; done < first; done++)
      for (size_t i = 0; i < width; i++) result[done * width + i] = 0;
    for (size_t r = first; r < last; r++) {
      float *to = result + r * width;
      if (r < done)
        for (size_t i = 0; i < width; i++) to[i] += line[i];
      else
        for (size_t i = 0; i < width; i++) to[i] = line[i];
    }
    if (last > done) done = last;
  }
  for (size_t i = done * width; i < height * width; i++) result[i] = 0;
}

}  // namespace

extern const Pool pool;
const Pool pool = {max_pool, max_indices, max_pool_backward, mean, mean_backward};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
