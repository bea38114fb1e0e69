// What the convolution kernels of one instruction set offer to the drivers in conv*.cpp.
//
// All of them work on pixels with their channels side by side: planes (C, n) become pixels (n, C), products of pixels
// with filters are taken there, and the results become planes again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

// A pixel's place in an image of pixels, and the taps of the kernel: at each of `count` offsets from the place,
// `depth` floats in a row are used.
struct Taps {
  const size_t *offsets;
  size_t count, depth;
};

struct Conv {
  size_t vector;  // floats of a vector
  size_t block;   // outputs that one panel of filters holds at most, a multiple of `vector`

  // to[map(x) * step + c] = from[c * plane + x] for x < n: planes to pixels. Whole vectors are written: for fewer
  // channels than a vector has, what follows each pixel is overwritten. `map` may be null: the same place.
  void (*interleave)(const float *from, size_t plane, size_t channels, size_t n, float *to, size_t step,
                     const size_t *map);
  // to[c * plane + x] = from[map(x) * step + c] + bias[c]: pixels to planes. `bias` may be null.
  void (*separate)(const float *from, size_t step, size_t channels, size_t n, float *to, size_t plane,
                   const float *bias, const size_t *map);
  // out[to[p]] (width) (+)= the floats at the taps of pixel p times panel (taps * depth, width); `width` is a multiple
  // of `vector` and at most `block`.
  void (*product)(const float *image, const size_t *places, size_t pixels, const Taps &taps, const float *panel,
                  size_t width, float *out, const size_t *to, bool add);
  // sums (rows, width) += image[places[p] + offsets[row]] * g[p] (width, pixels `width` apart), over the pixels.
  void (*outer)(const float *image, const size_t *places, size_t pixels, const size_t *offsets, size_t rows,
                const float *g, size_t width, float *sums);

  // Winograd's F(2x2, 3x3), a row of tiles at a time: 16 numbers for a tile, `plane` floats apart.
  // rows: four rows of pixels (2 tiles + 2, channels) -> (16, tiles, channels)
  void (*spread_input)(const float *const *rows, size_t channels, size_t tiles, float *to, size_t plane);
  // (16, tiles, width) -> two rows of pixels (2 tiles, width)
  void (*gather_output)(const float *from, size_t plane, size_t tiles, size_t width, float *upper, float *lower);
  // two rows of pixels (2 tiles, width) -> (16, tiles, width): the transpose of gather_output
  void (*spread_gradient)(const float *upper, const float *lower, size_t tiles, size_t width, float *to, size_t plane);
  // filters (9, width) -> (16, width), `plane` floats apart, and the transpose of that
  void (*spread_filters)(const float *from, size_t width, float *to, size_t plane);
  void (*gather_filters)(const float *from, size_t plane, size_t width, float *to);
};

// Planes of a group of channels, framed with zeros, their columns sorted by their phase in the stride: what a tap of the
// kernel meets for a row of results lies side by side. A row of results is at `step` floats from the one before.
struct Depthwise {
  size_t out_height, out_width, step, taps;
  const size_t *offsets;  // of the taps in all planes
  size_t square;          // for a 3 x 3 kernel with steps of 1: the width of the framed plane; or 0
};
struct DepthwiseKernels {
  // out, `plane` apart, = the sums over the taps with each of the filters (outputs, taps), plus bias (or null)
  void (*forward)(const Depthwise &d, const float *image, const float *filters, const float *bias, size_t outputs,
                  float *out, size_t plane);
  void (*filter)(const Depthwise &d, const float *image, const float *g, float *sums);  // sums += ...
};

// The same for bfloat16, see conv_bfloat16.cpp: what is multiplied are pairs of numbers, summed in float32.
struct ConvPairs {
  size_t vector, block;
  // to[map[j] * step + i] = the pair of from[i * row + j] and from[i * row + other + j], for j < n (map null: j); those of
  // i >= whole have no second number. Zeros may follow the last i, up to a whole vector.
  void (*pair)(const uint16_t *from, size_t row, size_t other, size_t pairs, size_t whole, size_t n, uint32_t *to, size_t step,
               const size_t *map);
  // to[j * step + i] = the pair of from[i * plane + 2 j] and its neighbour, for 2 j < n; the last of an odd n has none.
  void (*neighbours)(const uint16_t *from, size_t plane, size_t lanes, size_t n, uint32_t *to, size_t step);
  // to[i * plane + j] = from[j * step + i] + bias[i], rounded, for i < lanes and j < n.
  void (*separate)(const float *from, size_t step, size_t lanes, size_t n, uint16_t *to, size_t plane, const float *bias);
  // A line of `stride` phases, each `pitch` long: column j is at j % stride * pitch + j / stride. Columns [before, before + n)
  // are those of from, the others 0. What follows the line, up to a whole vector, is overwritten.
  void (*frame)(const uint16_t *from, size_t before, size_t n, size_t pitch, size_t stride, uint16_t *to);
  void (*product)(const uint32_t *image, const size_t *places, size_t pixels, const Taps &taps, const uint32_t *panel,
                  size_t width, float *out, const size_t *to);
  // sums[r, width] += over p, the pair that begins at image[offsets[r] + places[p]] times gradients[p, width]. single: the
  // first of the pair only, whatever the second is.
  void (*outer)(const uint16_t *image, const size_t *places, size_t pairs, bool single, const size_t *offsets, size_t rows,
                const uint32_t *gradients, size_t width, float *sums);
};
const ConvPairs *bfloat16_conv();  // null: this CPU does not multiply them

}  // namespace rushlight
