// Convolutions of any kernel, stride, dilation and group: parts of an image are laid out as pixels, with the padding,
// and multiplied with panels of filters. The gradient of the input is the same for each phase of the stride: inputs
// that meet the same taps of the kernel.
#include "conv_layout.h"
#include "kernels.h"
#include "threads.h"

#include <cstring>

namespace rushlight {
namespace {

// Lays out what a unit reads, zeros where there is nothing.
void fill(const Layout &l, const Unit &u, const float *x, float *box) {
  size_t plane = l.axes[0].in * l.axes[1].in * l.axes[2].in, channels = l.channels;
  const float *source = x + (u.sample * l.groups + u.group) * channels * plane;
  l.lines(u, [=](size_t at, size_t before, size_t n, size_t after, size_t from) {
    float *to = box + at;
    std::memset(to, 0, before * channels * sizeof(float));
    if (channels == 1)
      std::memcpy(to + before, source + from, n * sizeof(float));
    else
      kernels->conv.interleave(source + from, plane, channels, n, to + before * channels, channels, nullptr);
    std::memset(to + (before + n) * channels, 0, after * channels * sizeof(float));
  });
}

// Panels for each group of channels and each block of outputs, the phases one after another: (terms, width).
struct Panels {
  Buffer held;
  size_t terms;
  Blocks blocks;

  Panels(const Layout &l, const Blocks &b)
      : held(l.groups * l.channels * l.kernel[0] * l.kernel[1] * l.kernel[2] * b.padded()),
        terms(l.channels * l.kernel[0] * l.kernel[1] * l.kernel[2]), blocks(b) {}

  float *at(size_t group, size_t b) const {
    return held + group * terms * blocks.padded() + terms * b * blocks.block;
  }

  void clear(const Layout &l) const {
    size_t last = blocks.count - 1;
    if (blocks.lanes(last) % blocks.vector == 0) return;
    for (size_t g = 0; g < l.groups; g++)
      std::memset(at(g, last), 0, terms * blocks.width(last) * sizeof(float));
  }
};

// (outputs, channels, kernel) of each group
void pack_forward(const Layout &l, const float *filters, const Panels &panels) {
  std::vector<size_t> rank = ranks(l), map(panels.terms);
  for (size_t c = 0, j = 0; c < l.channels; c++)
    for (size_t k = 0; k < rank.size(); k++) map[j++] = rank[k] * l.channels + c;
  panels.clear(l);
  const Blocks &blocks = panels.blocks;
  size_t terms = panels.terms, pieces = (terms + 255) / 256;
  parallel(l.groups * blocks.count * pieces, 8, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t first = i % pieces * 256, b = i / pieces % blocks.count, g = i / pieces / blocks.count;
      const float *from = filters + (g * l.outputs + b * blocks.block) * terms + first;
      kernels->conv.interleave(from, terms, blocks.lanes(b), std::min<size_t>(256, terms - first), panels.at(g, b),
                               blocks.width(b), map.data() + first);
    }
  });
}

// (channels, outputs, kernel) of each group
void pack_backward(const Layout &l, const float *filters, const Panels &panels) {
  std::vector<size_t> map = ranks(l);
  size_t taps = map.size();
  for (size_t &m : map) m *= l.channels;
  panels.clear(l);
  const Blocks &blocks = panels.blocks;
  parallel(l.groups * blocks.count * l.channels, 2048 / taps + 1, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t c = i % l.channels, b = i / l.channels % blocks.count, g = i / l.channels / blocks.count;
      const float *from = filters + ((g * l.channels + c) * l.outputs + b * blocks.block) * taps;
      kernels->conv.interleave(from, taps, blocks.lanes(b), taps, panels.at(g, b) + c * blocks.width(b),
                               blocks.width(b), map.data());
    }
  });
}

// All units: their pixels, the products of all phases with each block of outputs, and back to planes.
void run(const Layout &l, const Panels &panels, const float *x, const float *bias, float *out) {
  const Blocks &blocks = panels.blocks;
  size_t units = l.total(), sets = (units + l.together - 1) / l.together, threads = (size_t)num_threads();
  if (sets > 1) sets = std::min(units, (sets + threads - 1) / threads * threads);  // about as much for each
  size_t wanted = 2 * threads;
  size_t parts = sets < wanted ? std::min(blocks.count, (wanted + sets - 1) / sets) : 1;
  size_t plane = l.axes[0].out * l.axes[1].out * l.axes[2].out;
  size_t pixels = l.pixels(0) * l.pixels(1) * l.pixels(2);
  parallel(sets * parts, 1, [&](size_t i, size_t last) {
    Buffer box(l.together * l.box()), results(l.together * pixels * blocks.block);
    std::vector<Unit> chosen(l.together);
    Table table;
    for (; i < last; i++) {
      size_t first = i / parts * units / sets, count = (i / parts + 1) * units / sets - first, part = i % parts;
      for (size_t u = 0; u < count; u++) {
        chosen[u] = l.at(first + u);
        fill(l, chosen[u], x, box + u * l.box());
      }
      for (size_t b = part * blocks.count / parts; b < (part + 1) * blocks.count / parts; b++) {
        // Units of one set may be of several groups only if each is a set of its own.
        size_t width = blocks.width(b), lanes = blocks.lanes(b), group = chosen[0].group;
        table.build(l, chosen.data(), count, width);
        for (size_t f = 0; f < l.phases.size(); f++) {
          const Group &g = l.phases[f];
          const Table::Lists &lists = table.phases[f];
          kernels->conv.product(box, lists.places.data(), lists.places.size(),
                                {g.offsets.data(), g.offsets.size(), g.depth}, panels.at(group, b) + g.first * width,
                                width, results, lists.to.data(), false);
        }
        for (size_t u = 0; u < count; u++) {
          size_t at = group * l.outputs + b * blocks.block;
          float *to = out + (chosen[u].sample * l.groups * l.outputs + at) * plane;
          stretches(l, chosen[u], [&](size_t offset, size_t pixel, size_t n) {
            kernels->conv.separate(results + (u * pixels + pixel) * width, width, lanes, n, to + offset, plane,
                                   bias ? bias + at : nullptr, nullptr);
          });
        }
      }
    }
  });
}

constexpr size_t PIXELS = 384, GRADIENTS = 192, FLOATS = 1 << 17;

void shape(Layout &l, size_t pixels) {
  l.choose(pixels, FLOATS, 2 * (size_t)num_threads());
  if (l.groups > 1) l.together = 1;
}

}  // namespace

void direct_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  Layout l = layout(c, false);
  shape(l, PIXELS);
  Panels panels(l, Blocks(l.outputs, kernels->conv.block, kernels->conv.vector));
  pack_forward(l, filters, panels);
  run(l, panels, x, bias, y);
}

void direct_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  Layout l = layout(c, true);
  shape(l, PIXELS);
  Panels panels(l, Blocks(l.outputs, kernels->conv.block, kernels->conv.vector));
  pack_backward(l, filters, panels);
  run(l, panels, g, bias, dx);
}

void direct_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  Layout l = layout(c, false);
  shape(l, GRADIENTS);
  Blocks blocks(l.outputs, kernels->conv.block, kernels->conv.vector);
  const Group &only = l.phases[0];
  size_t taps = c.taps(), terms = taps * l.channels, plane = c.out_plane();
  std::vector<size_t> offsets, map(terms);
  for (size_t first : only.offsets)
    for (size_t i = 0; i < only.depth; i++) offsets.push_back(first + i);
  for (size_t k = 0; k < taps; k++)
    for (size_t ch = 0; ch < l.channels; ch++) map[ch * taps + only.order[k]] = k * l.channels + ch;
  size_t columns = l.groups * blocks.count, units = l.total() / l.groups, wanted = 2 * (size_t)num_threads();
  size_t parts = num_threads() < 2 ? 1 : std::min(units, std::max<size_t>(1, (wanted + columns - 1) / columns));
  size_t per_sample = l.units[0] * l.units[1] * l.units[2], pixels = l.pixels(0) * l.pixels(1) * l.pixels(2);
  // Each part of the batch has sums of its own; they are added in order, so the bits do not depend on who was first.
  Buffer sums(columns * parts * terms * blocks.block);
  parallel(columns * parts, 1, [&](size_t i, size_t last) {
    Buffer box(l.together * l.box()), gradients(l.together * pixels * blocks.block);
    std::vector<Unit> chosen(l.together);
    Table table;
    for (; i < last; i++) {
      size_t part = i % parts, b = i / parts % blocks.count, group = i / parts / blocks.count;
      size_t width = blocks.width(b), lanes = blocks.lanes(b);
      float *own = sums + i * terms * blocks.block;
      std::memset(own, 0, terms * width * sizeof(float));
      for (size_t n = part * units / parts, end = (part + 1) * units / parts; n < end;) {
        size_t count = std::min(l.together, end - n), made = 0;
        for (size_t u = 0; u < count; u++, n++) {
          chosen[u] = l.at((n / per_sample * l.groups + group) * per_sample + n % per_sample);
          fill(l, chosen[u], x, box + u * l.box());
          const float *from = g + ((chosen[u].sample * l.groups + group) * l.outputs + b * blocks.block) * plane;
          stretches(l, chosen[u], [&](size_t offset, size_t pixel, size_t length) {
            float *to = gradients + (made + pixel) * width;
            if (lanes < width) std::memset(to, 0, length * width * sizeof(float));
            kernels->conv.interleave(from + offset, plane, lanes, length, to, width, nullptr);
          });
          made += l.extent(chosen[u], 0) * l.extent(chosen[u], 1) * l.extent(chosen[u], 2);
        }
        table.build(l, chosen.data(), count, width);
        const std::vector<size_t> &places = table.phases[0].places;
        kernels->conv.outer(box, places.data(), places.size(), offsets.data(), terms, gradients, width, own);
      }
    }
  });
  parallel(columns, 1, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t b = i % blocks.count, width = blocks.width(b), size = terms * width;
      float *own = sums + i * parts * terms * blocks.block;
      for (size_t part = 1; part < parts; part++) {
        const float *other = own + part * terms * blocks.block;
        for (size_t n = 0; n < size; n++) own[n] += other[n];
      }
      float *to = df + (i / blocks.count * l.outputs + b * blocks.block) * terms;
      kernels->conv.separate(own, width, blocks.lanes(b), terms, to, terms, nullptr, map.data());
    }
  });
}

}  // namespace rushlight
