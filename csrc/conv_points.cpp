// Kernels of one element: matrix products of the filters with planes as they lie.
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

bool skips(const ConvCall &c) {
  bool any = false;
  for (int a = 0; a < 3; a++) {
    if (c.kernel[a] != 1 || c.padding[a]) return false;
    any |= c.stride[a] > 1;
  }
  return any;
}

ConvCall without_steps(ConvCall c) {
  for (int a = 0; a < 3; a++) {
    c.in[a] = c.out[a];
    c.stride[a] = 1;
  }
  return c;
}

void take_met(const ConvCall &c, const float *x, float *to) {
  size_t made = c.out_plane(), rows = c.out[0] * c.out[1], columns = c.out[2], step = c.stride[2];
  parallel(c.samples * c.channels, 20000 / made + 1, [&](size_t i, size_t last) {
    for (; i < last; i++)
      for (size_t r = 0; r < rows; r++) {
        size_t z = r / c.out[1] * c.stride[0], y = r % c.out[1] * c.stride[1];
        const float *from = x + i * c.in_plane() + (z * c.in[1] + y) * c.in[2];
        float *line = to + i * made + r * columns;
        if (step == 2)
          for (size_t k = 0; k < columns; k++) line[k] = from[2 * k];
        else
          for (size_t k = 0; k < columns; k++) line[k] = from[k * step];
      }
  });
}

void put_met(const ConvCall &c, const float *from, const float *bias, float *x) {
  size_t plane = c.in_plane(), rows = c.in[0] * c.in[1], columns = c.in[2], step = c.stride[2];
  parallel(c.samples * c.channels, 20000 / plane + 1, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      float empty = bias ? bias[i % c.channels] : 0;
      for (size_t r = 0; r < rows; r++) {
        float *to = x + i * plane + r * columns;
        size_t z = r / c.in[1], y = r % c.in[1];
        std::fill_n(to, columns, empty);
        if (z % c.stride[0] || y % c.stride[1] || z / c.stride[0] >= c.out[0] || y / c.stride[1] >= c.out[1]) continue;
        const float *line = from + i * c.out_plane() + (z / c.stride[0] * c.out[1] + y / c.stride[1]) * c.out[2];
        for (size_t k = 0; k < c.out[2]; k++) to[k * step] = line[k];
      }
    }
  });
}

}  // namespace rushlight
