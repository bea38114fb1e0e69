// Convolution of float32 planes as a matrix product whose second factor, the patches, is never stored as a whole: one
// panel of output pixels at a time is gathered from the padded image and used for every filter.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// A tile of ROWS filters by up to VECTORS vectors of pixels fills the registers.
constexpr size_t ROWS = WIDTH == 16 ? 8 : 4, VECTORS = 3, PANEL = VECTORS * WIDTH;

// packed (K, ROWS), panel (K, PANEL) -> tile (ROWS, N vectors)
template <size_t N> inline void tile(const float *packed, const float *panel, size_t k, V acc[ROWS][VECTORS]) {
  V sums[ROWS][N];
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
    for (size_t n = 0; n < N; n++) sums[i][n] = V{};
  for (; k; k--, packed += ROWS, panel += PANEL) {
    V b[N];
#pragma GCC unroll 3
    for (size_t n = 0; n < N; n++) b[n] = load(panel + n * WIDTH);
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
      for (size_t n = 0; n < N; n++) sums[i][n] += packed[i] * b[n];
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
    for (size_t n = 0; n < N; n++) acc[i][n] = sums[i][n];
}

// (O, K) -> (ceil(O / ROWS), K, ROWS), the filters of a tile side by side
void pack(const float *weight, size_t outputs, size_t k, float *packed) {
  for (size_t o = 0; o < outputs; o += ROWS)
    for (size_t j = 0; j < k; j++)
      for (size_t i = 0; i < ROWS; i++) *packed++ = o + i < outputs ? weight[(o + i) * k + j] : 0;
}

// The patches of pixels [first, first + count): (K, PANEL).
void gather(const Convolution &c, const float *image, size_t first, size_t count, float *panel) {
  struct Run {
    size_t at, from, length;
  } runs[PANEL];
  size_t number = 0;
  for (size_t p = first; p < first + count;) {
    size_t row = p / c.out_width, column = p % c.out_width, length = c.out_width - column;
    if (length > first + count - p) length = first + count - p;
    runs[number++] = {p - first, row * c.stride_y * c.width + column * c.stride_x, length};
    p += length;
  }
  for (size_t channel = 0; channel < c.channels; channel++)
    for (size_t y = 0; y < c.kernel_y; y++)
      for (size_t x = 0; x < c.kernel_x; x++, panel += PANEL) {
        const float *plane = image + (channel * c.height + y * c.dilation_y) * c.width + x * c.dilation_x;
        for (size_t r = 0; r < number; r++) {
          const float *from = plane + runs[r].from;
          float *to = panel + runs[r].at;
          if (c.stride_x == 1)  // whole vectors: what is too much is overwritten by the next run or row
            for (size_t i = 0; i < runs[r].length; i += WIDTH) store(to + i, load(from + i));
          else
            for (size_t i = 0; i < runs[r].length; i++) to[i] = from[i * c.stride_x];
        }
      }
}

// One panel of pixels of one image: (O, pixels)[:, first:first + count]
void panel(const Convolution &c, const float *image, const float *packed, const float *bias, float *out, size_t first,
           float *buffer) {
  size_t plane = c.out_height * c.out_width, k = c.channels * c.kernel_y * c.kernel_x;
  size_t count = plane - first < PANEL ? plane - first : PANEL;
  gather(c, image, first, count, buffer);
  size_t vectors = (count + WIDTH - 1) / WIDTH;
  for (size_t o = 0; o < c.outputs; o += ROWS, packed += k * ROWS) {
    V acc[ROWS][VECTORS];
    if (vectors == 3)
      tile<3>(packed, buffer, k, acc);
    else if (vectors == 2)
      tile<2>(packed, buffer, k, acc);
    else
      tile<1>(packed, buffer, k, acc);
    for (size_t i = 0; i < ROWS && o + i < c.outputs; i++) {
      float *to = out + (o + i) * plane + first;
      float b = bias ? bias[o + i] : 0;
      for (size_t n = 0; n < vectors; n++) {
        size_t left = count - n * WIDTH;
        if (left >= WIDTH)
          store(to + n * WIDTH, acc[i][n] + b);
        else
          store_part(to + n * WIDTH, acc[i][n] + b, left);
      }
    }
  }
}

// image, gradients (pixels, padded outputs) -> sums of image[offset + pixel] * gradient, added to (ROWS, padded outputs)
template <size_t N>
void outer(const Convolution &c, const float *image, const size_t *offsets, size_t rows, const float *gradients,
           size_t padded, float *out) {
  V acc[ROWS][N];
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
    for (size_t n = 0; n < N; n++) acc[i][n] = V{};
  for (size_t y = 0; y < c.out_height; y++) {
    const float *x = image + y * c.stride_y * c.width;
    for (size_t j = 0; j < c.out_width; j++, x += c.stride_x, gradients += padded) {
      V b[N];
#pragma GCC unroll 3
      for (size_t n = 0; n < N; n++) b[n] = load(gradients + n * WIDTH);
#pragma GCC unroll 8
      for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
        for (size_t n = 0; n < N; n++) acc[i][n] += x[offsets[i]] * b[n];
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
    for (size_t n = 0; n < N; n++)
      if (i < rows) store(out + i * padded + n * WIDTH, load(out + i * padded + n * WIDTH) + acc[i][n]);
}

// One image's share of the gradient of the filters, transposed and padded: (K, padded outputs) += ...
// turned: room for the image's gradients as (pixels, padded outputs).
void weight_gradient(const Convolution &c, const float *image, const float *g, float *turned, float *out) {
  size_t plane = c.out_height * c.out_width, padded = (c.outputs + WIDTH - 1) / WIDTH * WIDTH;
  for (size_t o = 0; o < c.outputs; o += WIDTH)  // a few outputs a turn: a cache line of `turned` is filled at once
    for (size_t p = 0; p < plane; p++)
      for (size_t i = o; i < o + WIDTH; i++) turned[p * padded + i] = i < c.outputs ? g[i * plane + p] : 0;
  size_t k = c.channels * c.kernel_y * c.kernel_x;
  for (size_t first = 0; first < k; first += ROWS) {
    size_t offsets[ROWS], rows = k - first < ROWS ? k - first : ROWS;
    for (size_t i = 0; i < ROWS; i++) {
      size_t at = i < rows ? first + i : first, x = at % c.kernel_x, y = at / c.kernel_x % c.kernel_y;
      size_t channel = at / c.kernel_x / c.kernel_y;
      offsets[i] = (channel * c.height + y * c.dilation_y) * c.width + x * c.dilation_x;
    }
    for (size_t o = 0; o < padded;) {
      size_t vectors = (padded - o) / WIDTH;
      float *to = out + first * padded + o;
      if (vectors >= 3 && vectors != 4) {
        outer<3>(c, image, offsets, rows, turned + o, padded, to);
        o += 3 * WIDTH;
      } else if (vectors >= 2) {
        outer<2>(c, image, offsets, rows, turned + o, padded, to);
        o += 2 * WIDTH;
      } else {
        outer<1>(c, image, offsets, rows, turned + o, padded, to);
        o += WIDTH;
      }
    }
  }
}

}  // namespace

extern const Conv conv;
const Conv conv = {ROWS, PANEL, WIDTH, pack, panel, weight_gradient};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
