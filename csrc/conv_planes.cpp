// Convolutions of groups of a few channels that stay on planes: one filter for each channel, mostly. Rows of pixels are
// the vectors.
#include "conv_drivers.h"
#include "kernels.h"
#include "threads.h"

#include <algorithm>
#include <cstring>

namespace rushlight {
namespace {

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
  // `count` planes, one after another; the zeros around are there already.
  void lay(const float *x, size_t count, float *image) const {
    for (size_t i = 0; i < count; i++, x += height * width, image += size())
      runs([&](size_t to, size_t from, size_t n) { copy(x + from, stride, image + to, n); });
  }
  static void copy(const float *from, size_t step, float *to, size_t n) {
    if (step == 1) {
      std::memcpy(to, from, n * sizeof(float));
    } else if (step == 2) {
      for (size_t i = 0; i < n; i++) to[i] = from[2 * i];
    } else {
      for (size_t i = 0; i < n; i++) to[i] = from[i * step];
    }
  }
};

// What some planes read and where: the offsets of the taps in each of the planes they are sums over.
struct Plan {
  Frame frame;
  std::vector<size_t> offsets;
  Depthwise d;

  // The same taps in `planes` framed planes
  void repeat(size_t planes) {
    size_t taps = offsets.size();
    for (size_t i = taps; i < taps * planes; i++) offsets.push_back(offsets[i - taps] + frame.size());
  }
  void refer() {
    d.taps = offsets.size();
    d.offsets = offsets.data();
  }
};

Plan forwards(const ConvCall &c) {
  Plan p;
  size_t columns = c.in[2] + 2 * c.padding[2], phase = (columns + c.stride[2] - 1) / c.stride[2], line = phase * c.stride[2];
  p.frame = {c.in[1], c.in[2], c.padding[1], c.padding[2], c.stride[2], line, c.in[1] + 2 * c.padding[1]};
  for (size_t y = 0; y < c.kernel[1]; y++)
    for (size_t x = 0; x < c.kernel[2]; x++) {
      size_t column = x * c.dilation[2];
      p.offsets.push_back(y * c.dilation[1] * line + column % c.stride[2] * phase + column / c.stride[2]);
    }
  bool square = true;
  for (int a = 1; a < 3; a++) square &= c.kernel[a] == 3 && c.stride[a] == 1 && c.dilation[a] == 1;
  p.d = {c.out[1], c.out[2], c.stride[1] * line, 0, nullptr, square ? line : 0};
  p.repeat(c.channels / c.groups);
  p.refer();
  return p;
}

// The gradient's elements that meet inputs of one phase of a dimension: input stride * j + phase takes element j + at
// through position k of the kernel.
struct Tap {
  long at;
  size_t k;
};
struct Side {
  size_t stride, in, out;
  std::vector<std::vector<Tap>> phases;
  long low = 0, high = 0;

  Side(const ConvCall &c, int a) : stride(c.stride[a]), in(c.in[a]), out(c.out[a]), phases(stride) {
    for (size_t r = 0; r < stride; r++)
      for (size_t k = 0; k < c.kernel[a]; k++) {
        long at = (long)(r + c.padding[a]) - (long)(k * c.dilation[a]);
        if (at % (long)stride) continue;
        phases[r].push_back({at / (long)stride, k});
        low = std::min(low, at / (long)stride);
        high = std::max(high, at / (long)stride);
      }
  }
  size_t places(size_t phase) const { return phase < in ? (in - phase + stride - 1) / stride : 0; }
  size_t before() const { return (size_t)-low; }
  size_t room() const { return before() + std::max(out, places(0) + (size_t)high); }
};

// The inputs of one phase in both dimensions
struct Phase {
  size_t y, x;
  Plan plan;
  std::vector<float> filters;  // (channels of a group, taps) for each group
};

std::vector<Phase> backwards(const ConvCall &c, const float *filters) {
  Side down(c, 1), across(c, 2);
  size_t channels = c.channels / c.groups, outputs = c.outputs / c.groups, line = across.room();
  std::vector<Phase> phases;
  for (size_t y = 0; y < down.stride && y < down.in; y++)
    for (size_t x = 0; x < across.stride && x < across.in; x++) {
      Phase p{y, x, {}, {}};
      p.plan.frame = {c.out[1], c.out[2], down.before(), across.before(), 1, line, down.room()};
      std::vector<size_t> order;
      for (Tap v : down.phases[y])
        for (Tap h : across.phases[x]) {
          p.plan.offsets.push_back((size_t)(v.at - down.low) * line + (size_t)(h.at - across.low));
          order.push_back(v.k * c.kernel[2] + h.k);
        }
      bool square = c.kernel[1] == 3 && c.kernel[2] == 3 && c.stride[1] * c.stride[2] * c.dilation[1] * c.dilation[2] == 1;
      // In rising order, as the kernel for 3 x 3 has it.
      std::reverse(p.plan.offsets.begin(), p.plan.offsets.end());
      std::reverse(order.begin(), order.end());
      square = square && p.plan.offsets[0] == 0;
      p.plan.d = {down.places(y), across.places(x), line, 0, nullptr, square ? line : 0};
      if (!order.empty()) p.plan.repeat(outputs);
      for (size_t ch = 0; ch < c.channels; ch++)
        for (size_t o = 0; o < outputs; o++)
          for (size_t k : order)
            p.filters.push_back(filters[((ch / channels * outputs + o) * channels + ch % channels) * c.taps() + k]);
      phases.push_back(std::move(p));
    }
  for (Phase &p : phases) p.plan.refer();
  return phases;
}

void zip(const float *__restrict even, const float *__restrict odd, size_t n, float *__restrict to) {
  for (size_t k = 0; k < n; k++) {
    to[2 * k] = even[k];
    to[2 * k + 1] = odd[k];
  }
}

// The phases' results (channels of a group, rows, columns), one after another, to whole planes.
void merge(const ConvCall &c, const std::vector<Phase> &phases, const float *part, float *to) {
  size_t channels = c.channels / c.groups, across = std::min(c.stride[2], c.in[2]), step = c.stride[2];
  for (size_t first = 0; first < phases.size(); first += across) {  // those of the same rows
    size_t height = phases[first].plan.d.out_height, down = c.stride[1] * c.in[2];
    float *lines = to + phases[first].y * c.in[2];
    if (step == 2 && across == 2) {
      size_t even = phases[first].plan.d.out_width, odd = phases[first + 1].plan.d.out_width;
      const float *a = part, *b = part + channels * height * even;
      for (size_t ch = 0; ch < channels; ch++) {
        float *line = lines + ch * c.in_plane();
        for (size_t y = 0; y < height; y++, a += even, b += odd, line += down) {
          zip(a, b, odd, line);
          if (even > odd) line[2 * odd] = a[odd];
        }
      }
      part += channels * height * (even + odd);
      continue;
    }
    for (size_t x = 0; x < across; x++) {
      size_t n = phases[first + x].plan.d.out_width;
      for (size_t ch = 0; ch < channels; ch++)
        for (size_t y = 0; y < height; y++, part += n)
          for (size_t k = 0; k < n; k++) lines[ch * c.in_plane() + y * down + k * step + x] = part[k];
    }
  }
}

size_t grain_of(const Frame &frame, size_t planes) { return 30000 / (frame.size() * planes + 1) + 1; }

}  // namespace

bool depthwise_serves(const ConvCall &c) {
  return c.groups > 1 && c.channels / c.groups <= 8 && c.outputs / c.groups <= 8 && c.in[0] == 1 && c.kernel[0] == 1 &&
         !c.padding[0] && c.out[0] == 1;
}

void depthwise_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  Plan p = forwards(c);
  size_t channels = c.channels / c.groups, outputs = c.outputs / c.groups;
  parallel(c.samples * c.groups, grain_of(p.frame, channels), [&](size_t i, size_t last) {
    Buffer image(channels * p.frame.size());
    std::memset(image, 0, (channels * p.frame.size() + SLACK) * sizeof(float));
    for (; i < last; i++) {
      size_t first = i % c.groups * outputs;
      p.frame.lay(x + i * channels * c.in_plane(), channels, image);
      kernels->depthwise.forward(p.d, image, filters + first * p.d.taps, bias ? bias + first : nullptr, outputs,
                                 y + i * outputs * c.out_plane(), c.out_plane());
    }
  });
}

void depthwise_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  std::vector<Phase> phases = backwards(c, filters);
  const Frame &frame = phases[0].plan.frame;
  size_t channels = c.channels / c.groups, outputs = c.outputs / c.groups, plane = c.in_plane();
  bool dense = phases.size() == 1 && c.stride[1] == 1 && c.stride[2] == 1;
  parallel(c.samples * c.groups, grain_of(frame, outputs), [&](size_t i, size_t last) {
    Buffer image(outputs * frame.size()), part(dense ? 0 : channels * plane);
    std::memset(image, 0, (outputs * frame.size() + SLACK) * sizeof(float));
    for (; i < last; i++) {
      size_t first = i % c.groups * channels;
      float *to = dx + i * channels * plane;
      frame.lay(g + i * outputs * c.out_plane(), outputs, image);
      size_t place = 0;
      for (const Phase &p : phases) {
        const Depthwise &d = p.plan.d;
        size_t made = d.out_height * d.out_width;
        kernels->depthwise.forward(d, image, p.filters.data() + first * d.taps, bias ? bias + first : nullptr, channels,
                                   dense ? to : part + place, made);
        place += channels * made;
      }
      if (!dense) merge(c, phases, part, to);
    }
  });
}

void depthwise_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  Plan p = forwards(c);
  size_t channels = c.channels / c.groups, outputs = c.outputs / c.groups, taps = p.d.taps;
  parallel(c.groups, 1, [&](size_t i, size_t last) {
    Buffer image(channels * p.frame.size());
    std::memset(image, 0, (channels * p.frame.size() + SLACK) * sizeof(float));
    for (; i < last; i++) {
      std::memset(df + i * outputs * taps, 0, outputs * taps * sizeof(float));
      for (size_t n = 0; n < c.samples; n++) {
        p.frame.lay(x + (n * c.groups + i) * channels * c.in_plane(), channels, image);
        for (size_t o = i * outputs; o < (i + 1) * outputs; o++)
          kernels->depthwise.filter(p.d, image, g + (n * c.outputs + o) * c.out_plane(), df + o * taps);
      }
    }
  });
}

}  // namespace rushlight
