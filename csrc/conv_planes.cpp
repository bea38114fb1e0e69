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

// A plane with its padding: each row as the columns of each phase of the stride, one phase after another.
struct Frame {
  size_t height, width, top, left, stride, line, rows;
  size_t phase() const { return line / stride; }
  size_t size() const { return rows * line; }

  // Calls visit(place in the frame, place in the plane, how many) for each run of columns of a phase.
  template <typename Visit> void runs(Visit visit) const {
    for (size_t p = 0; p < stride; p++) {
      size_t first = left > p ? (left - p + stride - 1) / stride : 0, at = first * stride + p - left;
      if (at >= width) continue;
      size_t n = (width - at + stride - 1) / stride;
      for (size_t y = 0; y < height; y++) visit((y + top) * line + p * phase() + first, y * width + at, n);
    }
  }
  // The zeros around are there already.
  void lay(const float *x, float *image) const {
    runs([&](size_t to, size_t from, size_t n) { copy(x + from, stride, image + to, 1, n); });
  }
  void take(const float *image, float *x) const {
    runs([&](size_t from, size_t to, size_t n) { copy(image + from, 1, x + to, stride, n); });
  }
  static void copy(const float *from, size_t step, float *to, size_t apart, size_t n) {
    if (step == 1 && apart == 1) {
      std::memcpy(to, from, n * sizeof(float));
    } else if (step == 2) {
      for (size_t i = 0; i < n; i++) to[i] = from[2 * i];
    } else {
      for (size_t i = 0; i < n; i++) to[i * apart] = from[i * step];
    }
  }
};

struct Plan {
  Frame frame;
  std::vector<size_t> offsets;
  Depthwise d;
};

// A convolution of planes (height, width) with its results' size and what Python gives about it.
Plan plan(const size_t *in, const size_t *out, const size_t *kernel, const size_t *stride, const size_t *dilation,
          size_t top, size_t left, size_t rows, size_t columns) {
  Plan p;
  size_t phase = (columns + stride[2] - 1) / stride[2], line = phase * stride[2];
  p.frame = {in[1], in[2], top, left, stride[2], line, rows};
  for (size_t y = 0; y < kernel[1]; y++)
    for (size_t x = 0; x < kernel[2]; x++) {
      size_t column = x * dilation[2];
      p.offsets.push_back(y * dilation[1] * line + column % stride[2] * phase + column / stride[2]);
    }
  bool square = kernel[1] == 3 && kernel[2] == 3 && stride[1] == 1 && stride[2] == 1 && dilation[1] == 1 && dilation[2] == 1;
  p.d = {out[1], out[2], stride[1] * line, p.offsets.size(), p.offsets.data(), square ? line : 0};
  return p;
}

Plan plan(const ConvCall &c) {
  return plan(c.in, c.out, c.kernel, c.stride, c.dilation, c.padding[1], c.padding[2], c.in[1] + 2 * c.padding[1],
              c.in[2] + 2 * c.padding[2]);
}

size_t grain_of(const Plan &p) { return 30000 / (p.frame.size() + 1) + 1; }

// out[n, o] = the convolution of plane x[n, o / times] with filter o
void slide(const Plan &p, size_t samples, size_t channels, size_t times, const float *x, const float *filters,
           const float *bias, float *out) {
  const Depthwise &d = p.d;
  size_t plane = d.out_height * d.out_width, read = p.frame.height * p.frame.width;
  parallel(samples * channels, grain_of(p), [&](size_t i, size_t last) {
    Buffer image(p.frame.size());
    std::memset(image, 0, (p.frame.size() + SLACK) * sizeof(float));
    for (; i < last; i++) {
      p.frame.lay(x + i * read, image);
      for (size_t o = i % channels * times; o < (i % channels + 1) * times; o++)
        kernels->depthwise.forward(d, image, filters + o * d.taps, bias ? bias[o] : 0,
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
  slide(plan(c), c.samples, c.channels, c.outputs / c.groups, x, filters, bias, y);
}

void depthwise_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  Plan p = plan(c);
  const Depthwise &d = p.d;
  size_t taps = c.taps(), times = c.outputs / c.groups;
  size_t reach_y = c.dilation[1] * (c.kernel[1] - 1), reach_x = c.dilation[2] * (c.kernel[2] - 1);
  bool turns = times == 1 && c.stride[1] == 1 && c.stride[2] == 1 && reach_y >= c.padding[1] &&
               reach_x >= c.padding[2] && c.out[1] + reach_y == p.frame.rows && c.out[2] + reach_x == p.frame.line;
  if (turns) {  // a convolution with the filters reversed
    Buffer turned(c.channels * taps);
    for (size_t i = 0; i < c.channels; i++)
      for (size_t k = 0; k < taps; k++) turned[i * taps + k] = filters[i * taps + taps - 1 - k];
    size_t top = reach_y - c.padding[1], left = reach_x - c.padding[2];
    Plan back = plan(c.out, c.in, c.kernel, c.stride, c.dilation, top, left, c.out[1] + 2 * top, c.out[2] + 2 * left);
    slide(back, c.samples, c.channels, 1, g, turned, bias, dx);
    return;
  }
  size_t plane = c.out_plane(), size = p.frame.size();
  parallel(c.samples * c.channels, grain_of(p), [&](size_t i, size_t last) {
    Buffer image(size);
    for (; i < last; i++) {
      size_t channel = i % c.channels;
      std::fill_n((float *)image, size, bias ? bias[channel] : 0);
      for (size_t o = channel * times; o < (channel + 1) * times; o++)
        kernels->depthwise.input(d, g + (i / c.channels * c.outputs + o) * plane, filters + o * taps, image);
      p.frame.take(image, dx + i * c.in_plane());
    }
  });
}

void depthwise_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  Plan p = plan(c);
  size_t taps = c.taps(), times = c.outputs / c.groups, plane = c.out_plane(), in_plane = c.in_plane();
  parallel(c.channels, 1, [&](size_t i, size_t last) {
    Buffer image(p.frame.size());
    std::memset(image, 0, (p.frame.size() + SLACK) * sizeof(float));
    for (; i < last; i++) {
      std::memset(df + i * times * taps, 0, times * taps * sizeof(float));
      for (size_t n = 0; n < c.samples; n++) {
        p.frame.lay(x + (n * c.channels + i) * in_plane, image);
        for (size_t o = i * times; o < (i + 1) * times; o++)
          kernels->depthwise.filter(p.d, image, g + (n * c.outputs + o) * plane, df + o * taps);
      }
    }
  });
}

}  // namespace rushlight
