// What the convolution kernels of one instruction set offer to the drivers in conv*.cpp.
//
// All of them work on pixels with their channels side by side: planes (C, n) become pixels (n, C), products of pixels
// with filters are taken there, and the results become planes again.
#pragma once

#include <cstddef>

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

}  // namespace rushlight
