// Convolution of one float32 plane with one filter, and its gradients: rows of pixels are the vectors.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// ROWS rows of results of a 3 x 3 filter with steps of 1: each row of the image is read once for three of them.
template <size_t ROWS>
void three_by_three(const float *image, size_t width, const float *filter, float bias, float *out, size_t n) {
  V w[9];
#pragma GCC unroll 9
  for (size_t k = 0; k < 9; k++) w[k] = constant(filter[k]);
  for (size_t x = 0; x < n; x += WIDTH) {
    size_t left = n - x < WIDTH ? n - x : WIDTH;
    V sums[ROWS];
#pragma GCC unroll 4
    for (size_t i = 0; i < ROWS; i++) sums[i] = constant(bias);
#pragma GCC unroll 6
    for (size_t y = 0; y < ROWS + 2; y++) {
      const float *at = image + y * width + x;
      V a = load(at), b = load(at + 1), c = load(at + 2);
#pragma GCC unroll 4
      for (size_t i = 0; i < ROWS; i++)
        if (y >= i && y - i < 3) sums[i] += w[3 * (y - i)] * a + w[3 * (y - i) + 1] * b + w[3 * (y - i) + 2] * c;
    }
    if (left == WIDTH) {
#pragma GCC unroll 4
      for (size_t i = 0; i < ROWS; i++) store(out + i * n + x, sums[i]);
    } else {
#pragma GCC unroll 4
      for (size_t i = 0; i < ROWS; i++) store_some(out + i * n + x, sums[i], left);
    }
  }
}

// ROWS rows of OUTS results of any kernel, `plane` apart: what is read serves all of them.
template <size_t ROWS, size_t OUTS>
void rows_of(const Depthwise &d, const float *image, const float *filter, const float *bias, float *out, size_t plane) {
  for (size_t x = 0; x < d.out_width; x += WIDTH) {
    V sums[OUTS][ROWS];
#pragma GCC unroll 4
    for (size_t o = 0; o < OUTS; o++)
#pragma GCC unroll 4
      for (size_t i = 0; i < ROWS; i++) sums[o][i] = constant(bias ? bias[o] : 0);
    for (size_t k = 0; k < d.taps; k++) {
      const float *at = image + d.offsets[k] + x;
      V line[ROWS];
#pragma GCC unroll 4
      for (size_t i = 0; i < ROWS; i++) line[i] = load(at + i * d.step);
#pragma GCC unroll 4
      for (size_t o = 0; o < OUTS; o++) {
        float w = filter[o * d.taps + k];
#pragma GCC unroll 4
        for (size_t i = 0; i < ROWS; i++) sums[o][i] += w * line[i];
      }
    }
    size_t left = d.out_width - x;
#pragma GCC unroll 4
    for (size_t o = 0; o < OUTS; o++)
#pragma GCC unroll 4
      for (size_t i = 0; i < ROWS; i++) {
        float *to = out + o * plane + i * d.out_width + x;
        if (left >= WIDTH) store(to, sums[o][i]);
        else store_some(to, sums[o][i], left);
      }
  }
}

template <size_t OUTS>
void planes_of(const Depthwise &d, const float *image, const float *filter, const float *bias, float *out, size_t plane) {
  size_t y = 0, width = d.out_width;
  for (; y + 4 <= d.out_height; y += 4)
    if (OUTS == 1 && d.square && d.taps == 9)
      three_by_three<4>(image + y * d.step, d.square, filter, bias ? *bias : 0, out + y * width, width);
    else
      rows_of<4, OUTS>(d, image + y * d.step, filter, bias, out + y * width, plane);
  for (; y < d.out_height; y++) rows_of<1, OUTS>(d, image + y * d.step, filter, bias, out + y * width, plane);
}

void forward(const Depthwise &d, const float *image, const float *filters, const float *bias, size_t outputs, float *out,
             size_t plane) {
  constexpr size_t MOST = WIDTH == 16 ? 4 : 2;  // by the number of registers
  for (size_t o = 0; o < outputs;) {
    const float *filter = filters + o * d.taps, *shift = bias ? bias + o : nullptr;
    bool several = o + MOST <= outputs;
    if (several) planes_of<MOST>(d, image, filter, shift, out + o * plane, plane);
    else planes_of<1>(d, image, filter, shift, out + o * plane, plane);
    o += several ? MOST : 1;
  }
}

// K taps over all rows of the plane
template <size_t K> void taps(const Depthwise &d, const float *image, const float *g, const size_t *offsets, float *sums) {
  V acc[K];
#pragma GCC unroll 8
  for (size_t k = 0; k < K; k++) acc[k] = V{};
  for (size_t y = 0; y < d.out_height; y++, g += d.out_width) {
    const float *row = image + y * d.step;
    size_t x = 0;
    for (; x + WIDTH <= d.out_width; x += WIDTH) {
      V b = load(g + x);
#pragma GCC unroll 8
      for (size_t k = 0; k < K; k++) acc[k] += b * load(row + offsets[k] + x);
    }
    if (x < d.out_width) {
      size_t left = d.out_width - x;
      V b = load_some(g + x, left);
#pragma GCC unroll 8
      for (size_t k = 0; k < K; k++) acc[k] += b * load_some(row + offsets[k] + x, left);
    }
  }
#pragma GCC unroll 8
  for (size_t k = 0; k < K; k++) sums[k] += sum(acc[k]);
}

void filter(const Depthwise &d, const float *image, const float *g, float *sums) {
  size_t k = 0;
  for (; k + 6 <= d.taps; k += 6) taps<6>(d, image, g, d.offsets + k, sums + k);
  for (; k + 3 <= d.taps; k += 3) taps<3>(d, image, g, d.offsets + k, sums + k);
  for (; k < d.taps; k++) taps<1>(d, image, g, d.offsets + k, sums + k);
}

}  // namespace

extern const DepthwiseKernels depthwise;
const DepthwiseKernels depthwise = {forward, filter};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
