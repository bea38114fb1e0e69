// Convolution of float32 images as products of pixels with filters: the channels of a pixel lie side by side, so the
// patch of an output pixel is read where it lies, whatever the stride, and nothing is gathered. See conv.h.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// Registers: 24 sums of a tile of pixels by outputs, or 12 where there are 16 registers.
constexpr size_t MOST_VECTORS = WIDTH == 16 ? 4 : 2;
constexpr size_t BLOCK = MOST_VECTORS * WIDTH;
constexpr size_t rows_for(size_t vectors) { return WIDTH == 16 ? (vectors == 4 ? 6 : 8) : 6; }
// Products over more terms than this go in parts, each with a panel that stays in the second-level cache.
constexpr size_t terms_for(size_t width) { return 1024 * BLOCK / width; }

// ---- planes and pixels

void interleave(const float *from, size_t plane, size_t channels, size_t n, float *to, size_t step,
                const size_t *map) {
  for (size_t c = 0; c < channels;) {
    // The last vector of channels overlaps the one before; a single short one spills to its right.
    size_t lanes = channels < WIDTH ? channels : WIDTH, at = c + WIDTH > channels && c ? channels - WIDTH : c;
    const float *source = from + at * plane;
    float *target = to + at;
    for (size_t x = 0; x < n; x += WIDTH) {
      V tile[WIDTH];
      size_t left = n - x < WIDTH ? n - x : WIDTH;
      if (left == WIDTH && lanes == WIDTH) {
        // What follows each run is mostly wanted next, and too far from the other planes' for the hardware to see it.
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++) __builtin_prefetch(source + i * plane + x + 2 * n, 0, 2);
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++) tile[i] = load(source + i * plane + x);
      } else {
        for (size_t i = 0; i < WIDTH; i++) tile[i] = i < lanes ? load_some(source + i * plane + x, left) : V{};
      }
      transpose(tile);
      if (map)
        for (size_t i = 0; i < left; i++) store(target + map[x + i] * step, tile[i]);
      else
        for (size_t i = 0; i < left; i++) store(target + (x + i) * step, tile[i]);
    }
    c = c + WIDTH < channels ? c + WIDTH : channels;
  }
}

void separate(const float *from, size_t step, size_t channels, size_t n, float *to, size_t plane, const float *bias,
              const size_t *map) {
  for (size_t c = 0; c < channels; c += WIDTH) {
    size_t lanes = channels - c < WIDTH ? channels - c : WIDTH;
    V shift = bias ? load_some(bias + c, lanes) : V{};
    float *target = to + c * plane;
    for (size_t x = 0; x < n; x += WIDTH) {
      V tile[WIDTH];
      size_t left = n - x < WIDTH ? n - x : WIDTH;
      for (size_t i = 0; i < WIDTH; i++) {
        size_t at = i < left ? x + i : x;
        tile[i] = load(from + (map ? map[at] : at) * step + c) + shift;
      }
      transpose(tile);
      if (left == WIDTH && lanes == WIDTH) {
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++) __builtin_prefetch(target + i * plane + x + 2 * n, 1, 2);
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++) store(target + i * plane + x, tile[i]);
      } else {
        for (size_t i = 0; i < lanes; i++) store_some(target + i * plane + x, tile[i], left);
      }
    }
  }
}

// ---- products

struct Part {  // some of the taps, or some of the depth of one
  const size_t *offsets;
  size_t count, depth, first;
  const float *panel;
};

// R pixels by N vectors of outputs
template <size_t R, size_t N>
void tile(const float *image, const size_t *places, const Part &part, float *out, const size_t *to, bool add) {
  V sums[R][N];
#pragma GCC unroll 8
  for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) sums[i][n] = add ? load(out + to[i] + n * WIDTH) : V{};
  const float *panel = part.panel;
  for (size_t t = 0; t < part.count; t++) {
    const float *at = image + part.offsets[t] + part.first, *x[R];
#pragma GCC unroll 8
    for (size_t i = 0; i < R; i++) x[i] = at + places[i];
    for (size_t k = 0; k < part.depth; k++, panel += N * WIDTH) {
      V b[N];
#pragma GCC unroll 4
      for (size_t n = 0; n < N; n++) b[n] = load(panel + n * WIDTH);
#pragma GCC unroll 8
      for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
        for (size_t n = 0; n < N; n++) sums[i][n] += x[i][k] * b[n];
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) store(out + to[i] + n * WIDTH, sums[i][n]);
}

template <size_t R, size_t N>
void tail(size_t rows, const float *image, const size_t *places, const Part &part, float *out, const size_t *to,
          bool add) {
  if (rows == R) return tile<R, N>(image, places, part, out, to, add);
  if constexpr (R > 1) tail<R - 1, N>(rows, image, places, part, out, to, add);
}

template <size_t N>
void tiles(const float *image, const size_t *places, size_t pixels, const Part &part, float *out, const size_t *to,
           bool add) {
  constexpr size_t R = rows_for(N);
  size_t p = 0;
  for (; p + R <= pixels; p += R) tile<R, N>(image, places + p, part, out, to + p, add);
  if (p < pixels) tail<R - 1, N>(pixels - p, image, places + p, part, out, to + p, add);
}

void part_of(const float *image, const size_t *places, size_t pixels, const Part &part, size_t width, float *out,
             const size_t *to, bool add) {
  size_t vectors = width / WIDTH;
  if (vectors == 1) return tiles<1>(image, places, pixels, part, out, to, add);
  if (vectors == 2) return tiles<2>(image, places, pixels, part, out, to, add);
  if constexpr (MOST_VECTORS == 4) {
    if (vectors == 3) return tiles<3>(image, places, pixels, part, out, to, add);
    return tiles<4>(image, places, pixels, part, out, to, add);
  }
}

void product(const float *image, const size_t *places, size_t pixels, const Taps &taps, const float *panel,
             size_t width, float *out, const size_t *to, bool add) {
  size_t terms = terms_for(width);
  if (taps.depth > terms) {
    for (size_t t = 0; t < taps.count; t++)
      for (size_t first = 0; first < taps.depth; first += terms) {
        size_t depth = taps.depth - first < terms ? taps.depth - first : terms;
        part_of(image, places, pixels, {taps.offsets + t, 1, depth, first, panel}, width, out, to, add);
        panel += depth * width;
        add = true;
      }
    return;
  }
  size_t most = taps.depth ? terms / taps.depth : 1;
  for (size_t t = 0; t < taps.count || t == 0; t += most) {
    size_t count = taps.count - t < most ? taps.count - t : most;
    part_of(image, places, pixels, {taps.offsets + t, count, taps.depth, 0, panel}, width, out, to, add);
    panel += count * taps.depth * width;
    add = true;
  }
}

// R rows by N vectors of outputs, over the pixels
template <size_t R, size_t N>
void outer_tile(const float *image, const size_t *places, size_t pixels, const size_t *offsets, const float *g,
                float *sums) {
  V acc[R][N];
  const float *x[R];
#pragma GCC unroll 8
  for (size_t i = 0; i < R; i++) {
    x[i] = image + offsets[i];
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) acc[i][n] = load(sums + (i * N + n) * WIDTH);
  }
  for (size_t p = 0; p < pixels; p++, g += N * WIDTH) {
    size_t at = places[p];
    V b[N];
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) b[n] = load(g + n * WIDTH);
#pragma GCC unroll 8
    for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
      for (size_t n = 0; n < N; n++) acc[i][n] += x[i][at] * b[n];
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) store(sums + (i * N + n) * WIDTH, acc[i][n]);
}

template <size_t R, size_t N>
void outer_tail(size_t rows, const float *image, const size_t *places, size_t pixels, const size_t *offsets,
                const float *g, float *sums) {
  if (rows == R) return outer_tile<R, N>(image, places, pixels, offsets, g, sums);
  if constexpr (R > 1) outer_tail<R - 1, N>(rows, image, places, pixels, offsets, g, sums);
}

template <size_t N>
void outers(const float *image, const size_t *places, size_t pixels, const size_t *offsets, size_t rows,
            const float *g, float *sums) {
  constexpr size_t R = rows_for(N);
  for (size_t r = 0; r < rows; r += R, sums += R * N * WIDTH)
    outer_tail<R, N>(rows - r < R ? rows - r : R, image, places, pixels, offsets + r, g, sums);
}

void outer(const float *image, const size_t *places, size_t pixels, const size_t *offsets, size_t rows, const float *g,
           size_t width, float *sums) {
  size_t vectors = width / WIDTH;
  if (vectors == 1) return outers<1>(image, places, pixels, offsets, rows, g, sums);
  if (vectors == 2) return outers<2>(image, places, pixels, offsets, rows, g, sums);
  if constexpr (MOST_VECTORS == 4) {
    if (vectors == 3) return outers<3>(image, places, pixels, offsets, rows, g, sums);
    return outers<4>(image, places, pixels, offsets, rows, g, sums);
  }
}

// ---- Winograd's F(2x2, 3x3): Y = A' [(G w G') * (B' x B)] A for tiles of 4 x 4 pixels that overlap by two

// One direction of B' x: four from four
inline void input_step(V a, V b, V c, V d, V *to) {
  to[0] = a - c;
  to[1] = b + c;
  to[2] = c - b;
  to[3] = b - d;
}

void spread_input(const float *const *rows, size_t channels, size_t tiles, float *to, size_t plane) {
  for (size_t c = 0; c < channels;) {
    size_t at = c + WIDTH > channels ? channels - WIDTH : c;
    const float *r[4] = {rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at};
    V columns[4][4];  // the pixels' columns, each through the vertical step
    auto column = [&](V *result) {
      input_step(load(r[0]), load(r[1]), load(r[2]), load(r[3]), result);
      for (int i = 0; i < 4; i++) r[i] += channels;
    };
    column(columns[0]);
    column(columns[1]);
    float *target = to + at;
    for (size_t t = 0; t < tiles; t++, target += channels) {
      column(columns[2]);
      column(columns[3]);
#pragma GCC unroll 4
      for (size_t y = 0; y < 4; y++) {
        V line[4];
        input_step(columns[0][y], columns[1][y], columns[2][y], columns[3][y], line);
#pragma GCC unroll 4
        for (size_t x = 0; x < 4; x++) store(target + (4 * y + x) * plane, line[x]);
        columns[0][y] = columns[2][y];
        columns[1][y] = columns[3][y];
      }
    }
    c = c + WIDTH < channels ? c + WIDTH : channels;
  }
}

void gather_output(const float *from, size_t plane, size_t tiles, size_t width, float *upper, float *lower) {
  for (size_t t = 0; t < tiles; t++)
    for (size_t c = 0; c < width; c += WIDTH) {
      const float *at = from + t * width + c;
      V high[4], low[4];
#pragma GCC unroll 4
      for (size_t x = 0; x < 4; x++) {
        V a = load(at + x * plane), b = load(at + (4 + x) * plane), d = load(at + (8 + x) * plane);
        high[x] = a + b + d;
        low[x] = b - d - load(at + (12 + x) * plane);
      }
      float *u = upper + 2 * t * width + c, *l = lower + 2 * t * width + c;
      store(u, high[0] + high[1] + high[2]);
      store(u + width, high[1] - high[2] - high[3]);
      store(l, low[0] + low[1] + low[2]);
      store(l + width, low[1] - low[2] - low[3]);
    }
}

void spread_gradient(const float *upper, const float *lower, size_t tiles, size_t width, float *to, size_t plane) {
  for (size_t t = 0; t < tiles; t++)
    for (size_t c = 0; c < width; c += WIDTH) {
      const float *u = upper + 2 * t * width + c, *l = lower + 2 * t * width + c;
      float *at = to + t * width + c;
      V a = load(u), b = load(u + width), d = load(l), e = load(l + width);
      V left[4] = {a, a + d, a - d, -d}, right[4] = {b, b + e, b - e, -e};
#pragma GCC unroll 4
      for (size_t y = 0; y < 4; y++) {
        store(at + 4 * y * plane, left[y]);
        store(at + (4 * y + 1) * plane, left[y] + right[y]);
        store(at + (4 * y + 2) * plane, left[y] - right[y]);
        store(at + (4 * y + 3) * plane, -right[y]);
      }
    }
}

inline void filter_step(V a, V b, V c, V *to) {
  V ends = (a + c) * 0.5f, middle = b * 0.5f;
  to[0] = a;
  to[1] = ends + middle;
  to[2] = ends - middle;
  to[3] = c;
}

void spread_filters(const float *from, size_t width, float *to, size_t plane) {
  for (size_t c = 0; c < width; c += WIDTH) {
    V columns[3][4];
#pragma GCC unroll 3
    for (size_t x = 0; x < 3; x++)
      filter_step(load(from + x * width + c), load(from + (3 + x) * width + c), load(from + (6 + x) * width + c),
                  columns[x]);
#pragma GCC unroll 4
    for (size_t y = 0; y < 4; y++) {
      V line[4];
      filter_step(columns[0][y], columns[1][y], columns[2][y], line);
#pragma GCC unroll 4
      for (size_t x = 0; x < 4; x++) store(to + (4 * y + x) * plane + c, line[x]);
    }
  }
}

inline void filter_step_back(V a, V b, V c, V d, V *to) {
  V both = (b + c) * 0.5f;
  to[0] = a + both;
  to[1] = (b - c) * 0.5f;
  to[2] = both + d;
}

void gather_filters(const float *from, size_t plane, size_t width, float *to) {
  for (size_t c = 0; c < width; c += WIDTH) {
    V columns[4][3];
#pragma GCC unroll 4
    for (size_t x = 0; x < 4; x++)
      filter_step_back(load(from + x * plane + c), load(from + (4 + x) * plane + c), load(from + (8 + x) * plane + c),
                       load(from + (12 + x) * plane + c), columns[x]);
#pragma GCC unroll 3
    for (size_t y = 0; y < 3; y++) {
      V line[3];
      filter_step_back(columns[0][y], columns[1][y], columns[2][y], columns[3][y], line);
#pragma GCC unroll 3
      for (size_t x = 0; x < 3; x++) store(to + (3 * y + x) * width + c, line[x]);
    }
  }
}

}  // namespace

extern const Conv conv;
const Conv conv = {WIDTH,         BLOCK,           interleave,     separate,       product, outer, spread_input,
                   gather_output, spread_gradient, spread_filters, gather_filters};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
