// A convolution's sizes, and the ways to compute it and its gradients. Lines and planes are volumes of depth 1.
#pragma once

#include "blocks.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace rushlight {

// x (samples, channels, in) with filters (outputs, channels / groups, kernel) gives y (samples, outputs, out).
struct ConvCall {
  size_t samples, channels, outputs, groups;
  size_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];

  size_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  size_t in_plane() const { return in[0] * in[1] * in[2]; }
  size_t out_plane() const { return out[0] * out[1] * out[2]; }
};

// What vectors may read or write past the end of a buffer.
constexpr size_t SLACK = 64;

// Floats as they come, from the blocks that are kept for arrays: no page is touched first here, and vectors cross no line.
struct Buffer {
  int number;
  float *held;
  explicit Buffer(size_t n) : number(class_of((n + SLACK) * sizeof(float))) {
    bool zeroed;
    held = static_cast<float *>(take_block(number, zeroed));
    if (!held) std::abort();
  }
  ~Buffer() { give_block(number, held); }
  Buffer(const Buffer &) = delete;
  operator float *() const { return held; }
};

// The outputs in blocks of one panel each: all of `block` but the last.
struct Blocks {
  size_t outputs, block, vector, count;
  Blocks(size_t outputs, size_t block, size_t vector)
      : outputs(outputs), block(block), vector(vector), count((outputs + block - 1) / block) {}
  size_t lanes(size_t b) const { return b + 1 < count ? block : outputs - b * block; }
  size_t width(size_t b) const { return (lanes(b) + vector - 1) / vector * vector; }
  size_t padded() const { return (count - 1) * block + width(count - 1); }
};

// y, or its gradients in x and in the filters; bias may be null. `dx` also serves as the transposed convolution.
void direct_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y);
void direct_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx);
void direct_filters(const ConvCall &c, const float *g, const float *x, float *df);

// Kernels of 3 x 3 with steps of 1 in less than half the multiplications. serves: is it worth it?
bool winograd_serves(const ConvCall &c);
void winograd_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y);
void winograd_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx);
void winograd_filters(const ConvCall &c, const float *g, const float *x, float *df);

// Few pixels and many filters: one image, mostly.
bool few_serves(const ConvCall &c);
void few_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y);

// One filter for each channel, one or two dimensions.
bool depthwise_serves(const ConvCall &c);
void depthwise_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y);
void depthwise_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx);
void depthwise_filters(const ConvCall &c, const float *g, const float *x, float *df);

// Kernels of one element with steps of 1, on planes: a matrix product.
bool pointwise_serves(const ConvCall &c);
void pointwise_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y);
void pointwise_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx);

// The same in float64, all of it by matrix products.
void columns_forward(const ConvCall &c, const double *x, const double *filters, const double *bias, double *y);
void columns_input(const ConvCall &c, const double *g, const double *filters, const double *bias, double *dx);
void columns_filters(const ConvCall &c, const double *g, const double *x, double *df);

// bfloat16 by pairs of numbers, where the CPU multiplies them and this is not a plain matrix product. back: the gradient of
// the input is asked for.
bool pairs_serve(const ConvCall &c, bool back);
void pairs_forward(const ConvCall &c, const uint16_t *x, const uint16_t *filters, const uint16_t *bias, uint16_t *y);
void pairs_input(const ConvCall &c, const uint16_t *g, const uint16_t *filters, const uint16_t *bias, uint16_t *dx);
void pairs_filters(const ConvCall &c, const uint16_t *g, const uint16_t *x, const uint16_t *none, uint16_t *df);

// Kernels of one element that meet only some elements of x: the convolution with steps of 1 of those, (samples, channels,
// out); they are taken out of x, and put back where they were among zeros (or biases).
bool skips(const ConvCall &c);
ConvCall without_steps(ConvCall c);
void take_met(const ConvCall &c, const float *x, float *to);
void put_met(const ConvCall &c, const float *from, const float *bias, float *x);

}  // namespace rushlight
