// Convolutions that stay on planes: kernels of one element, which are matrix products, and one filter for each channel.
#include "conv_drivers.h"
#include "kernels.h"
#include "threads.h"

#include <algorithm>
#include <cstring>

namespace rushlight {
namespace {

// out[n] (outputs, plane) = matrix (outputs, channels) x[n] (channels, plane) + bias
void multiply(size_t samples, size_t channels, size_t outputs, size_t plane, const float *x, const float *matrix,
              const float *bias, float *out) {
  size_t block = kernels->conv.block, vector = kernels->conv.vector, panels = (plane + block - 1) / block;
  std::vector<size_t> places(outputs), to(outputs), tight(outputs);
  for (size_t o = 0; o < outputs; o++) {
    places[o] = o * channels;
    to[o] = o * plane;
    tight[o] = o * block;
  }
  size_t sets = samples * panels, wanted = 2 * (size_t)num_threads();
  size_t parts = sets < wanted ? std::min((outputs + 23) / 24, (wanted + sets - 1) / sets) : 1;
  size_t grain = 100000 / (channels * outputs / parts + 1) + 1;
  parallel(sets * parts, grain, [&](size_t i, size_t last) {
    Buffer panel(channels * block), edge(outputs * block);
    size_t zero = 0;
    for (; i < last; i++) {
      size_t part = i % parts, n = i / parts / panels, first = i / parts % panels * block;
      size_t length = std::min(block, plane - first), width = (length + vector - 1) / vector * vector;
      size_t from = part * outputs / parts, count = (part + 1) * outputs / parts - from;
      const float *source = x + n * channels * plane + first;
      for (size_t c = 0; c < channels; c++) {
        float *row = panel + c * width;
        if (length == block)
          std::memcpy(row, source + c * plane, block * sizeof(float));
        else {
          std::memcpy(row, source + c * plane, length * sizeof(float));
          std::memset(row + length, 0, (width - length) * sizeof(float));
        }
      }
      bool whole = length == width;
      float *target = out + n * outputs * plane + first, *result = whole ? target : (float *)edge;
      const size_t *at = whole ? to.data() : tight.data();
      if (bias)
        for (size_t o = from; o < from + count; o++) std::fill_n(result + at[o], width, bias[o]);
      kernels->conv.product(matrix, places.data() + from, count, {&zero, 1, channels}, panel, width, result, at + from,
                            bias != nullptr);
      if (!whole)
        for (size_t o = from; o < from + count; o++)
          std::memcpy(target + to[o], result + at[o], length * sizeof(float));
    }
  });
}

Depthwise sizes(const ConvCall &c) {
  return {c.in[1] + 2 * c.padding[1], c.in[2] + 2 * c.padding[2], c.out[1],    c.out[2],      c.kernel[1],
          c.kernel[2],                c.stride[1],                c.stride[2], c.dilation[1], c.dilation[2]};
}

// A plane within a frame of zeros that is there already.
void frame(const float *x, size_t height, size_t width, size_t top, size_t left, size_t line, float *to) {
  for (size_t y = 0; y < height; y++) std::memcpy(to + (y + top) * line + left, x + y * width, width * sizeof(float));
}

size_t grain_of(const Depthwise &d) { return 30000 / (d.height * d.width + 1) + 1; }

// out[n, o] = the convolution of the framed plane x[n, o / times] with filter o
void slide(const Depthwise &d, size_t samples, size_t channels, size_t times, size_t height, size_t width, size_t top,
           size_t left, const float *x, const float *filters, const float *bias, float *out) {
  size_t taps = d.kernel_y * d.kernel_x, plane = d.out_height * d.out_width, size = d.height * d.width;
  parallel(samples * channels, grain_of(d), [&](size_t i, size_t last) {
    Buffer image(size);
    std::memset(image, 0, (size + SLACK) * sizeof(float));
    for (; i < last; i++) {
      frame(x + i * height * width, height, width, top, left, d.width, image);
      for (size_t o = i % channels * times; o < (i % channels + 1) * times; o++)
        kernels->depthwise.forward(d, image, filters + o * taps, bias ? bias[o] : 0,
                                   out + (i / channels * channels * times + o) * plane);
    }
  });
}

}  // namespace

bool pointwise_serves(const ConvCall &c) {
  for (int a = 0; a < 3; a++)
    if (c.kernel[a] != 1 || c.stride[a] != 1 || c.padding[a] || c.in[a] != c.out[a]) return false;
  return c.groups == 1 && c.out_plane() >= 48;
}

void pointwise_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  multiply(c.samples, c.channels, c.outputs, c.in_plane(), x, filters, bias, y);
}

void pointwise_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  Buffer turned(c.channels * c.outputs);
  kernels->conv.interleave(filters, c.channels, c.outputs, c.channels, turned, c.outputs, nullptr);
  multiply(c.samples, c.outputs, c.channels, c.in_plane(), g, turned, bias, dx);
}

bool depthwise_serves(const ConvCall &c) {
  return c.groups == c.channels && c.groups > 1 && c.in[0] == 1 && c.kernel[0] == 1 && !c.padding[0] && c.out[0] == 1;
}

void depthwise_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  slide(sizes(c), c.samples, c.channels, c.outputs / c.groups, c.in[1], c.in[2], c.padding[1], c.padding[2], x, filters,
        bias, y);
}

void depthwise_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  Depthwise d = sizes(c);
  size_t taps = d.kernel_y * d.kernel_x, times = c.outputs / c.groups, size = d.height * d.width;
  size_t reach_y = d.dilation_y * (d.kernel_y - 1), reach_x = d.dilation_x * (d.kernel_x - 1);
  bool turns = times == 1 && d.stride_y == 1 && d.stride_x == 1 && reach_y >= c.padding[1] && reach_x >= c.padding[2] &&
               d.out_height + reach_y == d.height && d.out_width + reach_x == d.width;
  if (turns) {  // a convolution with the filters reversed
    Buffer turned(c.channels * taps);
    for (size_t i = 0; i < c.channels; i++)
      for (size_t k = 0; k < taps; k++) turned[i * taps + k] = filters[i * taps + taps - 1 - k];
    size_t top = reach_y - c.padding[1], left = reach_x - c.padding[2];
    Depthwise back = d;
    back.height = c.out[1] + 2 * top;
    back.width = c.out[2] + 2 * left;
    back.out_height = c.in[1];
    back.out_width = c.in[2];
    slide(back, c.samples, c.channels, 1, c.out[1], c.out[2], top, left, g, turned, bias, dx);
    return;
  }
  size_t plane = c.out_plane();
  parallel(c.samples * c.channels, grain_of(d), [&](size_t i, size_t last) {
    Buffer image(size);
    for (; i < last; i++) {
      size_t channel = i % c.channels;
      std::fill_n((float *)image, size, bias ? bias[channel] : 0);
      for (size_t o = channel * times; o < (channel + 1) * times; o++)
        kernels->depthwise.input(d, g + (i / c.channels * c.outputs + o) * plane, filters + o * taps, image);
      for (size_t y = 0; y < c.in[1]; y++)
        std::memcpy(dx + (i * c.in[1] + y) * c.in[2], image + (y + c.padding[1]) * d.width + c.padding[2],
                    c.in[2] * sizeof(float));
    }
  });
}

void depthwise_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  Depthwise d = sizes(c);
  size_t taps = d.kernel_y * d.kernel_x, times = c.outputs / c.groups, size = d.height * d.width;
  size_t plane = c.out_plane(), in_plane = c.in_plane();
  parallel(c.channels, 1, [&](size_t i, size_t last) {
    Buffer image(size);
    std::memset(image, 0, (size + SLACK) * sizeof(float));
    for (; i < last; i++) {
      std::memset(df + i * times * taps, 0, times * taps * sizeof(float));
      for (size_t n = 0; n < c.samples; n++) {
        frame(x + (n * c.channels + i) * in_plane, c.in[1], c.in[2], c.padding[1], c.padding[2], d.width, image);
        for (size_t o = i * times; o < (i + 1) * times; o++)
          kernels->depthwise.filter(d, image, g + (n * c.outputs + o) * plane, df + o * taps);
      }
    }
  });
}

}  // namespace rushlight
