// How a convolution's pixels lie while they are multiplied: parts of an image are laid out with the padding, and each
// output reads them at places that depend only on the part's shape. The gradient of the input is the same for each phase
// of the stride: inputs that meet the same taps of the kernel.
#pragma once

#include "conv_drivers.h"

#include <algorithm>

namespace rushlight {
namespace {

struct Tap {
  long at;   // offset in what is read
  size_t k;  // position in the kernel
};

// One dimension: place j gives outputs step_out * j + phase from what lies at step_in * j + the taps of that phase.
struct Axis {
  size_t in, out;
  long step_in, step_out, low = 0, high = 0;
  std::vector<std::vector<Tap>> phases;

  size_t places() const { return (out + (size_t)step_out - 1) / (size_t)step_out; }
  size_t span(size_t n) const { return (size_t)(step_in * (long)(n - 1) + high - low + 1); }

  void bounds() {
    bool any = false;
    for (auto &taps : phases)
      for (Tap t : taps) {
        low = any ? std::min(low, t.at) : t.at;
        high = any ? std::max(high, t.at) : t.at;
        any = true;
      }
  }
};

inline Axis forwards(size_t in, size_t out, size_t kernel, size_t stride, size_t padding, size_t dilation) {
  Axis a{in, out, (long)stride, 1};
  a.phases.resize(1);
  for (size_t k = 0; k < kernel; k++) a.phases[0].push_back({(long)(k * dilation) - (long)padding, k});
  a.bounds();
  return a;
}

inline Axis backwards(size_t in, size_t out, size_t kernel, size_t stride, size_t padding, size_t dilation) {
  Axis a{in, out, 1, (long)stride};
  a.phases.resize(stride);
  for (size_t p = 0; p < stride; p++) {
    for (size_t k = kernel; k--;) {  // rising offsets
      long at = (long)(p + padding) - (long)(k * dilation);
      if (at % (long)stride == 0) a.phases[p].push_back({at / (long)stride, k});
    }
  }
  a.bounds();
  return a;
}

// The taps of one combination of phases, runs of neighbours joined. Offsets are in the box of a full unit.
struct Group {
  size_t phase[3];
  std::vector<size_t> offsets, order;  // order: the positions in the kernel, as the panel has them
  size_t depth, first;                 // first: where in the panel, in terms
};

// A part of an image: places [at, at + n) in each dimension.
struct Unit {
  size_t sample, group, at[3], n[3];
};

struct Layout {
  Axis axes[3];
  size_t samples, groups, channels, outputs, kernel[3];  // channels and outputs of a group
  size_t unit[3], units[3], together = 1;
  std::vector<Group> phases;
  size_t box_width = 0, box_height = 0, box_depth = 0;

  size_t total() const { return samples * groups * units[0] * units[1] * units[2]; }
  size_t box() const { return box_depth * box_height * box_width * channels; }

  size_t pixels(size_t axis) const { return unit[axis] * (size_t)axes[axis].step_out; }

  // Units of about `pixels` outputs, less if the pixels they read are more than `most` floats.
  void choose(size_t pixels, size_t most, size_t tasks) {
    size_t rows = axes[1].places(), columns = axes[2].places();
    size_t several = (size_t)(axes[0].step_out * axes[1].step_out * axes[2].step_out);
    size_t all = samples * groups * axes[0].places() * rows * columns;
    pixels = std::max<size_t>(pixels / several, 1);
    pixels = std::max<size_t>(std::min(pixels, all / tasks), 16);
    size_t width = columns;
    if (columns > 2 * pixels) width = (columns + columns / pixels - 1) / (columns / pixels);
    size_t height = std::min(rows, std::max<size_t>(pixels / width, 1));
    auto room = [&] { return axes[1].span(height) * axes[2].span(width) * axes[0].span(1) * channels; };
    while (room() > most && height > 1) height = (height + 1) / 2;
    while (room() > most && width > 32) width = (width + 1) / 2;
    height = (rows + (rows + height - 1) / height - 1) / ((rows + height - 1) / height);
    unit[0] = 1;
    unit[1] = height;
    unit[2] = width;
    for (int a = 0; a < 3; a++) units[a] = (axes[a].places() + unit[a] - 1) / unit[a];
    if (height == rows && width == columns)
      together = std::max<size_t>(1, std::min(pixels / (rows * columns), most / std::max<size_t>(room(), 1)));
    box_depth = axes[0].span(unit[0]);
    box_height = axes[1].span(unit[1]);
    box_width = axes[2].span(unit[2]);
    list_phases();
  }

  void list_phases() {
    size_t first = 0;
    for (size_t d = 0; d < axes[0].phases.size(); d++)
      for (size_t h = 0; h < axes[1].phases.size(); h++)
        for (size_t w = 0; w < axes[2].phases.size(); w++) {
          Group g{{d, h, w}, {}, {}, channels, first};
          const std::vector<Tap> &line = axes[2].phases[w];
          bool joined = true;
          for (size_t i = 1; i < line.size(); i++) joined &= line[i].at == line[i - 1].at + 1;
          if (joined && !line.empty()) g.depth = channels * line.size();
          for (Tap z : axes[0].phases[d])
            for (Tap y : axes[1].phases[h])
              for (size_t i = 0; i < line.size(); i++) {
                Tap x = line[i];
                g.order.push_back((z.k * kernel[1] + y.k) * kernel[2] + x.k);
                if (joined && i) continue;
                size_t row = (size_t)(z.at - axes[0].low) * box_height + (size_t)(y.at - axes[1].low);
                g.offsets.push_back((row * box_width + (size_t)(x.at - axes[2].low)) * channels);
              }
          first += g.order.size() * channels;
          phases.push_back(g);
        }
  }

  Unit at(size_t i) const {
    Unit u;
    for (int a = 2; a >= 0; a--) {
      u.at[a] = i % units[a] * unit[a];
      u.n[a] = std::min(unit[a], axes[a].places() - u.at[a]);
      i /= units[a];
    }
    u.group = i % groups;
    u.sample = i / groups;
    return u;
  }

  // The outputs of a unit along a dimension: [first, first + result)
  size_t extent(const Unit &u, int a) const {
    size_t first = u.at[a] * (size_t)axes[a].step_out, last = first + u.n[a] * (size_t)axes[a].step_out;
    return std::min(last, axes[a].out) - first;
  }

  // Calls line(where in the box, pixels before the image's, how many, pixels after them, where those are in a plane) for
  // each line of what a unit reads: (box_depth, box_height, box_width, channels).
  template <typename Line> void lines(const Unit &u, Line line) const {
    size_t spans[3];
    long start[3];
    for (int a = 0; a < 3; a++) {
      spans[a] = axes[a].span(u.n[a]);
      start[a] = (long)u.at[a] * axes[a].step_in + axes[a].low;
    }
    long left = std::max(0L, -start[2]), right = std::min((long)spans[2], (long)axes[2].in - start[2]);
    left = std::min(left, (long)spans[2]);
    right = std::max(right, left);
    for (size_t z = 0; z < spans[0]; z++)
      for (size_t y = 0; y < spans[1]; y++) {
        size_t to = (z * box_height + y) * box_width * channels;
        long d = start[0] + (long)z, h = start[1] + (long)y;
        if (d < 0 || d >= (long)axes[0].in || h < 0 || h >= (long)axes[1].in)
          line(to, spans[2], size_t(0), size_t(0), size_t(0));
        else
          line(to, (size_t)left, (size_t)(right - left), spans[2] - (size_t)right,
               ((size_t)d * axes[1].in + (size_t)h) * axes[2].in + (size_t)(start[2] + left));
      }
  }
};

// Where the pixels of some units are read and written, for each phase. Kept while the units have the same shape.
struct Table {
  struct Lists {
    std::vector<size_t> places, to;
  };
  std::vector<Lists> phases;
  std::vector<size_t> key;
  size_t room = 0;  // outputs of one unit at most

  void build(const Layout &l, const Unit *units, size_t count, size_t width) {
    std::vector<size_t> shape{width};
    for (size_t i = 0; i < count; i++)
      for (int a = 0; a < 3; a++) {
        shape.push_back(units[i].n[a]);
        shape.push_back(l.extent(units[i], a));
      }
    room = l.pixels(0) * l.pixels(1) * l.pixels(2);
    if (shape == key) return;
    key = shape;
    phases.assign(l.phases.size(), {});
    for (size_t f = 0; f < l.phases.size(); f++)
      for (size_t i = 0; i < count; i++) add(l, units[i], l.phases[f], i, width, phases[f]);
  }

  void add(const Layout &l, const Unit &u, const Group &g, size_t index, size_t width, Lists &lists) const {
    size_t out[3], step[3], in[3];
    for (int a = 0; a < 3; a++) {
      out[a] = l.extent(u, a);
      step[a] = (size_t)l.axes[a].step_out;
      in[a] = (size_t)l.axes[a].step_in;
    }
    for (size_t z = 0; z * step[0] + g.phase[0] < out[0]; z++)
      for (size_t y = 0; y * step[1] + g.phase[1] < out[1]; y++)
        for (size_t x = 0; x * step[2] + g.phase[2] < out[2]; x++) {
          size_t row = z * in[0] * l.box_height + y * in[1];
          lists.places.push_back(index * l.box() + (row * l.box_width + x * in[2]) * l.channels);
          size_t line = (z * step[0] + g.phase[0]) * out[1] + y * step[1] + g.phase[1];
          lists.to.push_back((index * room + line * out[2] + x * step[2] + g.phase[2]) * width);
        }
  }
};

// Calls row(planes' offset, pixels' index, length) for each stretch of a unit's outputs that lies in one piece.
template <typename Row> void stretches(const Layout &l, const Unit &u, Row row) {
  size_t first[3], n[3];
  for (int a = 0; a < 3; a++) {
    first[a] = u.at[a] * (size_t)l.axes[a].step_out;
    n[a] = l.extent(u, a);
  }
  size_t height = l.axes[1].out, width = l.axes[2].out;
  for (size_t z = 0; z < n[0]; z++) {
    size_t at = ((first[0] + z) * height + first[1]) * width + first[2], pixel = z * n[1] * n[2];
    if (n[2] == width)
      row(at, pixel, n[1] * n[2]);
    else
      for (size_t y = 0; y < n[1]; y++) row(at + y * width, pixel + y * n[2], n[2]);
  }
}

// Where a position of the kernel stands in the panels.
inline std::vector<size_t> ranks(const Layout &l) {
  std::vector<size_t> result(l.kernel[0] * l.kernel[1] * l.kernel[2]);
  size_t rank = 0;
  for (const Group &g : l.phases)
    for (size_t k : g.order) result[k] = rank++;
  return result;
}

inline Layout layout(const ConvCall &c, bool back) {
  Layout l;
  for (int a = 0; a < 3; a++) {
    l.axes[a] = back ? backwards(c.out[a], c.in[a], c.kernel[a], c.stride[a], c.padding[a], c.dilation[a])
                     : forwards(c.in[a], c.out[a], c.kernel[a], c.stride[a], c.padding[a], c.dilation[a]);
    l.kernel[a] = c.kernel[a];
  }
  l.samples = c.samples;
  l.groups = c.groups;
  l.channels = (back ? c.outputs : c.channels) / c.groups;
  l.outputs = (back ? c.channels : c.outputs) / c.groups;
  return l;
}

}  // namespace
}  // namespace rushlight
