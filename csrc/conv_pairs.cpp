// Convolutions of bfloat16 of any kernel, stride and dilation, by an instruction that adds the products of two pairs of
// numbers. Forwards, and for the input's gradient, two channels of a pixel are a pair: parts of an image are laid out as
// in conv_direct.cpp. For the filters' gradient they are two neighbouring pixels, which are one already in a row of a
// channel. Sums are float32 and rounded once.
#include "conv_layout.h"
#include "half.h"
#include "threads.h"

#include <cstring>

namespace rushlight {
namespace {

constexpr size_t SHORT = 64;  // sums of a product are at least so long to be worth it
constexpr size_t PIXELS = 384, GRADIENTS = 384, UNITS = 1 << 17, SUMS = 1 << 17;

struct Units {
  Buffer held;
  explicit Units(size_t n) : held(n) {}
  operator uint32_t *() const { return reinterpret_cast<uint32_t *>((float *)held); }
};
struct Numbers {
  Buffer held;
  explicit Numbers(size_t n) : held(n / 2 + 1) {}
  operator uint16_t *() const { return reinterpret_cast<uint16_t *>((float *)held); }
};

// A layout whose pixels have pairs of channels.
struct Job {
  const ConvPairs &loops;
  Layout l;
  size_t channels, plane;

  Job(const ConvCall &c, bool back) : loops(*bfloat16_conv()), l(layout(c, back)), channels(l.channels) {
    l.channels = (channels + 1) / 2;
    plane = l.axes[0].in * l.axes[1].in * l.axes[2].in;
    l.choose(PIXELS, UNITS, 2 * (size_t)num_threads());
  }

  void fill(const Unit &u, const uint16_t *x, uint32_t *box) const {
    size_t pairs = l.channels;
    const uint16_t *source = x + u.sample * channels * plane;
    l.lines(u, [=](size_t at, size_t before, size_t n, size_t after, size_t from) {
      uint32_t *to = box + at;
      std::memset(to, 0, before * pairs * sizeof *to);
      loops.pair(source + from, 2 * plane, plane, pairs, channels / 2, n, to + before * pairs, pairs, nullptr);
      std::memset(to + (before + n) * pairs, 0, after * pairs * sizeof *to);
    });
  }
};

// (pairs at the taps, width) for each block of outputs, the phases one after another.
struct Panels {
  const Job &j;
  Blocks blocks;
  size_t terms;
  Units held;

  explicit Panels(const Job &j)
      : j(j), blocks(j.l.outputs, j.loops.block, j.loops.vector),
        terms(j.l.channels * j.l.kernel[0] * j.l.kernel[1] * j.l.kernel[2]), held(terms * blocks.padded()) {}

  uint32_t *at(size_t b) const { return held + terms * b * blocks.block; }

  // From filters (outputs, channels, kernel), or (channels, outputs, kernel) if `back`.
  void pack(const uint16_t *filters, bool back) const {
    std::vector<size_t> map = ranks(j.l);
    size_t taps = map.size(), pairs = j.l.channels;
    size_t output = back ? taps : j.channels * taps, channel = back ? j.l.outputs * taps : taps;
    for (size_t &m : map) m *= pairs;
    parallel(blocks.count * pairs, 512 / taps + 1, [&](size_t i, size_t last) {
      for (; i < last; i++) {
        size_t p = i % pairs, b = i / pairs, lanes = blocks.lanes(b), width = blocks.width(b);
        uint32_t *to = at(b) + p * width;
        if (lanes < width)
          for (size_t m : map) std::memset(to + m * width, 0, width * sizeof *to);
        j.loops.pair(filters + b * blocks.block * output + 2 * p * channel, output, channel, lanes,
                     2 * p + 1 < j.channels ? lanes : 0, taps, to, width, map.data());
      }
    });
  }
};

void run(const ConvCall &c, bool back, const uint16_t *x, const uint16_t *filters, const uint16_t *bias, uint16_t *out) {
  Job j(c, back);
  const Layout &l = j.l;
  Panels panels(j);
  panels.pack(filters, back);
  std::vector<float> shift(bias ? l.outputs : 0);
  if (bias) widen(0, bias, shift.data(), l.outputs);
  const Blocks &blocks = panels.blocks;
  size_t units = l.total(), sets = (units + l.together - 1) / l.together, threads = (size_t)num_threads();
  if (sets > 1) sets = std::min(units, (sets + threads - 1) / threads * threads);  // about as much for each
  size_t wanted = 4 * threads;  // to lay a box out again is little next to its products
  size_t parts = sets < wanted ? std::min(blocks.count, (wanted + sets - 1) / sets) : 1;
  size_t plane = l.axes[0].out * l.axes[1].out * l.axes[2].out;
  size_t pixels = l.pixels(0) * l.pixels(1) * l.pixels(2);
  parallel(sets * parts, 1, [&](size_t i, size_t last) {
    Units box(l.together * l.box());
    Buffer results(l.together * pixels * blocks.block);
    std::vector<Unit> chosen(l.together);
    Table table;
    for (; i < last; i++) {
      size_t first = i / parts * units / sets, count = (i / parts + 1) * units / sets - first, part = i % parts;
      for (size_t u = 0; u < count; u++) {
        chosen[u] = l.at(first + u);
        j.fill(chosen[u], x, box + u * l.box());
      }
      for (size_t b = part * blocks.count / parts; b < (part + 1) * blocks.count / parts; b++) {
        size_t width = blocks.width(b);
        table.build(l, chosen.data(), count, width);
        for (size_t f = 0; f < l.phases.size(); f++) {
          const Group &g = l.phases[f];
          const Table::Lists &lists = table.phases[f];
          j.loops.product(box, lists.places.data(), lists.places.size(), {g.offsets.data(), g.offsets.size(), g.depth},
                          panels.at(b) + g.first * width, width, results, lists.to.data());
        }
        for (size_t u = 0; u < count; u++) {
          uint16_t *to = out + (chosen[u].sample * l.outputs + b * blocks.block) * plane;
          stretches(l, chosen[u], [&](size_t offset, size_t pixel, size_t n) {
            j.loops.separate(results + (u * pixels + pixel) * width, width, blocks.lanes(b), n, to + offset, plane,
                             bias ? shift.data() + b * blocks.block : nullptr);
          });
        }
      }
    }
  });
}

// ---- the filters' gradient

// Channels [first, last) of a part of an image, framed: lines whose columns are sorted by their phase in the stride, so
// that what a tap meets lies side by side.
struct Frame {
  const Layout &l;
  size_t channels, stride, pitch, line, room;  // of all; room: of a channel

  Frame(const Layout &l, size_t channels)
      : l(l), channels(channels), stride((size_t)l.axes[2].step_in), pitch((l.box_width + stride - 1) / stride), line(stride * pitch),
        room(l.box_depth * l.box_height * line) {}

  struct Line {
    size_t to, before, n, from;
  };

  void fill(const ConvPairs &loops, const Unit &u, const uint16_t *x, size_t first, size_t last, uint16_t *to) const {
    std::vector<Line> lines;
    l.lines(u, [&](size_t at, size_t before, size_t n, size_t, size_t from) {
      lines.push_back({at / l.box_width * line, before, n, from});
    });
    size_t plane = l.axes[0].in * l.axes[1].in * l.axes[2].in;
    const uint16_t *source = x + (u.sample * channels + first) * plane;
    for (size_t c = first; c < last; c++, source += plane, to += room)
      for (const Line &k : lines) loops.frame(source + k.from, k.before, k.n, pitch, stride, to + k.to);
  }

  // Where the pairs of a unit's results are, or the last of lines of an odd length.
  void list(const Unit &u, size_t base, std::vector<size_t> &pairs, std::vector<size_t> &singles) const {
    for (size_t z = 0; z < u.n[0]; z++)
      for (size_t y = 0; y < u.n[1]; y++) {
        size_t at = base + (z * (size_t)l.axes[0].step_in * l.box_height + y * (size_t)l.axes[1].step_in) * line;
        for (size_t i = 0; i + 1 < u.n[2]; i += 2) pairs.push_back(at + i);
        if (u.n[2] % 2) singles.push_back(at + u.n[2] - 1);
      }
  }

  std::vector<size_t> offsets(const ConvCall &c, size_t some) const {
    std::vector<size_t> result;
    for (size_t ch = 0; ch < some; ch++)
      for (size_t z = 0; z < c.kernel[0]; z++)
        for (size_t y = 0; y < c.kernel[1]; y++)
          for (size_t i = 0; i < c.kernel[2]; i++) {
            size_t column = i * c.dilation[2];
            result.push_back(ch * room + (z * c.dilation[0] * l.box_height + y * c.dilation[1]) * line + column % stride * pitch +
                             column / stride);
          }
    return result;
  }
};

// The gradients of a unit's results as pairs of neighbours, (pairs, width), and what is left of odd lines.
void lay_gradients(const ConvPairs &loops, const Layout &l, const Unit &u, const uint16_t *g, size_t plane, size_t lanes, size_t width,
                   uint32_t *&pairs, uint32_t *&singles) {
  stretches(l, u, [&](size_t offset, size_t, size_t n) {
    size_t row = u.n[2] % 2 ? u.n[2] : n;  // lines of an even length need no end between them
    for (size_t at = 0; at < n; at += row) {
      loops.neighbours(g + offset + at, plane, lanes, row / 2 * 2, pairs, width);
      pairs += row / 2 * width;
      if (row % 2 == 0) continue;
      loops.neighbours(g + offset + at + row - 1, plane, lanes, 1, singles, width);
      singles += width;
    }
  });
}

}  // namespace

bool pairs_serve(const ConvCall &c, bool back) {
  if (c.groups != 1 || !bfloat16_conv()) return false;
  bool padded = c.padding[0] + c.padding[1] + c.padding[2], steps = c.stride[0] * c.stride[1] * c.stride[2] != 1;
  // Those are left to _kernels/conv_bfloat16.py.
  return c.taps() > 1 || padded || (back ? steps || c.outputs < SHORT : c.channels < SHORT);
}

void pairs_forward(const ConvCall &c, const uint16_t *x, const uint16_t *filters, const uint16_t *bias, uint16_t *y) {
  run(c, false, x, filters, bias, y);
}

void pairs_input(const ConvCall &c, const uint16_t *g, const uint16_t *filters, const uint16_t *bias, uint16_t *dx) {
  run(c, true, g, filters, bias, dx);
}

void pairs_filters(const ConvCall &c, const uint16_t *g, const uint16_t *x, const uint16_t *, uint16_t *df) {
  const ConvPairs &loops = *bfloat16_conv();
  Layout l = layout(c, false);
  size_t channels = l.channels, taps = c.taps(), plane = c.out_plane(), threads = (size_t)num_threads();
  Blocks blocks(l.outputs, loops.block, loops.vector);
  // Some channels at a time, whose sums stay in the second-level cache.
  size_t ranges = std::min((channels + 7) / 8, (channels * taps * blocks.padded() + SUMS - 1) / SUMS);
  if (ranges > 1) ranges = std::min((channels + 7) / 8, (ranges + threads - 1) / threads * threads);  // about as much for each
  l.channels = (channels + ranges - 1) / ranges;
  l.choose(GRADIENTS, UNITS, 2 * threads);
  size_t units = l.total(), wanted = 2 * threads;
  size_t parts = threads < 2 ? 1 : std::min(units, (wanted + ranges - 1) / ranges);
  l.channels = 1;
  Frame frame(l, channels);
  size_t some = (channels + ranges - 1) / ranges, pixels = l.pixels(0) * l.pixels(1) * l.pixels(2);
  std::vector<size_t> offsets = frame.offsets(c, some);
  // Each part of the batch has sums of its own; they are added in order, so the bits do not depend on who was first.
  Buffer sums(parts * channels * taps * blocks.padded());
  auto own = [&](size_t part, size_t range) { return sums + (part * channels + range * channels / ranges) * taps * blocks.padded(); };
  parallel(ranges * parts, 1, [&](size_t i, size_t last) {
    Numbers box(l.together * some * frame.room);
    Units pairs(l.together * pixels * blocks.block), singles(l.together * l.unit[0] * l.unit[1] * blocks.block);
    std::vector<Unit> chosen(l.together);
    std::vector<size_t> places, ends;
    for (; i < last; i++) {
      size_t part = i % parts, range = i / parts, first = range * channels / ranges, end = (range + 1) * channels / ranges;
      size_t terms = (end - first) * taps;
      std::memset(own(part, range), 0, terms * blocks.padded() * sizeof(float));
      for (size_t n = part * units / parts, after = (part + 1) * units / parts; n < after;) {
        size_t count = std::min(l.together, after - n);
        places.clear();
        ends.clear();
        for (size_t u = 0; u < count; u++, n++) {
          chosen[u] = l.at(n);
          frame.fill(loops, chosen[u], x, first, end, box + u * some * frame.room);
          frame.list(chosen[u], u * some * frame.room, places, ends);
        }
        for (size_t b = 0; b < blocks.count; b++) {
          size_t width = blocks.width(b);
          uint32_t *to = pairs, *to_singles = singles;
          for (size_t u = 0; u < count; u++)
            lay_gradients(loops, l, chosen[u], g + (chosen[u].sample * l.outputs + b * blocks.block) * plane, plane, blocks.lanes(b),
                          width, to, to_singles);
          float *target = own(part, range) + terms * b * blocks.block;
          loops.outer(box, places.data(), places.size(), false, offsets.data(), terms, pairs, width, target);
          if (!ends.empty()) loops.outer(box, ends.data(), ends.size(), true, offsets.data(), terms, singles, width, target);
        }
      }
    }
  });
  parallel(ranges * blocks.count, 1, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t b = i % blocks.count, range = i / blocks.count, width = blocks.width(b);
      size_t first = range * channels / ranges, terms = ((range + 1) * channels / ranges - first) * taps;
      float *total = own(0, range) + terms * b * blocks.block;
      for (size_t part = 1; part < parts; part++) {
        const float *other = own(part, range) + terms * b * blocks.block;
        for (size_t n = 0; n < terms * width; n++) total[n] += other[n];
      }
      loops.separate(total, width, blocks.lanes(b), terms, df + (b * blocks.block * channels + first) * taps, channels * taps,
                     nullptr);
    }
  });
}

}  // namespace rushlight
