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

void row_of(const Depthwise &d, const float *image, const float *filter, float bias, float *out) {
  for (size_t x = 0; x < d.out_width; x += WIDTH) {
    V sum = constant(bias);
    for (size_t i = 0; i < d.kernel_y; i++)
      for (size_t j = 0; j < d.kernel_x; j++)
        sum += filter[i * d.kernel_x + j] * load(image + i * d.dilation_y * d.width + x + j * d.dilation_x);
    size_t left = d.out_width - x;
    if (left >= WIDTH)
      store(out + x, sum);
    else
      store_some(out + x, sum, left);
  }
}

// to[x] += w * from[step * x]; a step that is known lets the compiler use vectors
template <size_t STEP> void add_row(const float *from, size_t step, float w, float *to, size_t n) {
  for (size_t x = 0; x < n; x++) to[x] += w * from[x * (STEP ? STEP : step)];
}

void forward(const Depthwise &d, const float *image, const float *filter, float bias, float *out) {
  size_t y = 0, width = d.out_width;
  if (d.stride_x == 1) {
    if (d.kernel_y == 3 && d.kernel_x == 3 && d.stride_y == 1 && d.dilation_y == 1 && d.dilation_x == 1)
      for (; y + 4 <= d.out_height; y += 4)
        three_by_three<4>(image + y * d.width, d.width, filter, bias, out + y * width, width);
    for (; y < d.out_height; y++) row_of(d, image + y * d.stride_y * d.width, filter, bias, out + y * width);
    return;
  }
  for (; y < d.out_height; y++, out += width) {
    for (size_t x = 0; x < width; x++) out[x] = bias;
    for (size_t i = 0; i < d.kernel_y; i++)
      for (size_t j = 0; j < d.kernel_x; j++) {
        const float *from = image + (y * d.stride_y + i * d.dilation_y) * d.width + j * d.dilation_x;
        float w = filter[i * d.kernel_x + j];
        if (d.stride_x == 2)
          add_row<2>(from, 2, w, out, width);
        else
          add_row<0>(from, d.stride_x, w, out, width);
      }
  }
}

template <size_t STEP> void spread_row(const float *g, size_t step, float w, float *to, size_t n) {
  for (size_t x = 0; x < n; x++) to[x * (STEP ? STEP : step)] += w * g[x];
}

void input(const Depthwise &d, const float *g, const float *filter, float *image) {
  for (size_t y = 0; y < d.out_height; y++, g += d.out_width)
    for (size_t i = 0; i < d.kernel_y; i++)
      for (size_t j = 0; j < d.kernel_x; j++) {
        float *to = image + (y * d.stride_y + i * d.dilation_y) * d.width + j * d.dilation_x;
        float w = filter[i * d.kernel_x + j];
        if (d.stride_x == 1)
          spread_row<1>(g, 1, w, to, d.out_width);
        else if (d.stride_x == 2)
          spread_row<2>(g, 2, w, to, d.out_width);
        else
          spread_row<0>(g, d.stride_x, w, to, d.out_width);
      }
}

// K taps of one row of the kernel, over all rows of the plane, stepping by 1
template <size_t K>
void taps(const Depthwise &d, const float *image, const float *g, float *sums) {
  V acc[K];
#pragma GCC unroll 8
  for (size_t k = 0; k < K; k++) acc[k] = V{};
  for (size_t y = 0; y < d.out_height; y++, g += d.out_width) {
    const float *row = image + y * d.stride_y * d.width;
    size_t x = 0;
    for (; x + WIDTH <= d.out_width; x += WIDTH) {
      V b = load(g + x);
#pragma GCC unroll 8
      for (size_t k = 0; k < K; k++) acc[k] += b * load(row + x + k * d.dilation_x);
    }
    if (x < d.out_width) {
      size_t left = d.out_width - x;
      V b = load_some(g + x, left);
#pragma GCC unroll 8
      for (size_t k = 0; k < K; k++) acc[k] += b * load_some(row + x + k * d.dilation_x, left);
    }
  }
#pragma GCC unroll 8
  for (size_t k = 0; k < K; k++) sums[k] += sum(acc[k]);
}

void filter(const Depthwise &d, const float *image, const float *g, float *sums) {
  for (size_t i = 0; i < d.kernel_y; i++) {
    const float *from = image + i * d.dilation_y * d.width;
    float *to = sums + i * d.kernel_x;
    if (d.stride_x == 1) {
      size_t j = 0;
      for (; j + 3 <= d.kernel_x; j += 3) taps<3>(d, from + j * d.dilation_x, g, to + j);
      for (; j < d.kernel_x; j++) taps<1>(d, from + j * d.dilation_x, g, to + j);
      continue;
    }
    for (size_t j = 0; j < d.kernel_x; j++) {
      float total = 0;
      for (size_t y = 0; y < d.out_height; y++) {
        const float *row = from + y * d.stride_y * d.width + j * d.dilation_x, *b = g + y * d.out_width;
        float parts[4] = {0, 0, 0, 0};
        size_t x = 0;
        for (; x + 4 <= d.out_width; x += 4)
          for (size_t p = 0; p < 4; p++) parts[p] += b[x + p] * row[(x + p) * d.stride_x];
        for (; x < d.out_width; x++) parts[0] += b[x] * row[x * d.stride_x];
        total += (parts[0] + parts[1]) + (parts[2] + parts[3]);
      }
      to[j] += total;
    }
  }
}

}  // namespace

extern const DepthwiseKernels depthwise;
const DepthwiseKernels depthwise = {forward, input, filter};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
