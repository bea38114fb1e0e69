// Kernels of 3 x 3 with steps of 1 by Winograd's F(2x2, 3x3): 16 products for a tile of 4 outputs instead of 36.
// Tiles of whole rows are transformed from pixels, and each of the 16 numbers of a tile is a matrix product of its own.
// The errors are those of the plain sum.
#include "conv_drivers.h"
#include "kernels.h"
#include "threads.h"

#include <algorithm>
#include <cstring>

namespace rushlight {
namespace {

constexpr size_t SIXTEEN = 16, TILES = 64;
// Planes of 16 numbers lie a little apart: at multiples of 4096 bytes they would share a few lines of the cache.
constexpr size_t APART = 16;

// What is read (channels, height, width) with its padding, and what is made of it (outputs, out_height, out_width).
struct Job {
  size_t samples, channels, outputs, height, width, out_height, out_width;
  long top, left;
  size_t across, down;  // tiles

  size_t rows() const { return samples * down; }
  size_t step() const { return 2 * across + 2; }  // pixels of a line
  // rows of tiles that are done together
  size_t together() const { return std::max<size_t>(1, TILES / across); }
};

Job job(const ConvCall &c, bool back) {
  Job j;
  j.samples = c.samples;
  j.channels = back ? c.outputs : c.channels;
  j.outputs = back ? c.channels : c.outputs;
  const size_t *in = back ? c.out : c.in, *out = back ? c.in : c.out;
  j.height = in[1];
  j.width = in[2];
  j.out_height = out[1];
  j.out_width = out[2];
  j.top = back ? 2 - (long)c.padding[1] : (long)c.padding[1];
  j.left = back ? 2 - (long)c.padding[2] : (long)c.padding[2];
  j.across = (j.out_width + 1) / 2;
  j.down = (j.out_height + 1) / 2;
  return j;
}

// Four lines of pixels, which move down the image two at a time.
struct Lines {
  const Job &j;
  const float *x;
  Buffer held;
  size_t sample = ~size_t(0);
  long next = 0;  // the first line that is not here

  Lines(const Job &j, const float *x) : j(j), x(x), held(4 * j.step() * j.channels) {}

  float *line(long y) const { return held + (size_t)(y & 3) * j.step() * j.channels; }

  void lay(long y) const {
    float *to = line(y);
    size_t line = j.step() * j.channels, plane = j.height * j.width;
    long source = y - j.top, left = j.left;
    if (source < 0 || source >= (long)j.height) {
      std::memset(to, 0, line * sizeof(float));
      return;
    }
    size_t n = std::min<size_t>(j.width, j.step() - (size_t)left), end = ((size_t)left + n) * j.channels;
    std::memset(to, 0, (size_t)left * j.channels * sizeof(float));
    const float *from = x + sample * j.channels * plane + (size_t)source * j.width;
    kernels->conv.interleave(from, plane, j.channels, n, to + (size_t)left * j.channels, j.channels, nullptr);
    std::memset(to + end, 0, (line - end) * sizeof(float));
  }

  // The lines of a row of tiles (counted through all images), transformed.
  void spread(size_t row, float *to, size_t plane) {
    size_t n = row / j.down;
    long y = 2 * (long)(row % j.down);
    if (n != sample || y + 2 != next) {
      sample = n;
      next = y;
    }
    for (; next < y + 4; next++) lay(next);
    const float *four[4] = {line(y), line(y + 1), line(y + 2), line(y + 3)};
    kernels->conv.spread_input(four, j.channels, j.across, to, plane);
  }
};

// Filters (outputs, channels, 9), or as the input's gradient sees them, to 16 panels for each block of outputs.
struct Panels {
  size_t channels, plane;
  Blocks blocks;
  Buffer held;

  Panels(const Job &j, const Blocks &b)
      : channels(j.channels), plane(j.channels * b.block + APART), blocks(b), held(b.count * SIXTEEN * plane) {}

  float *at(size_t b) const { return held + b * SIXTEEN * plane; }

  void pack(const float *filters, bool back) const {
    size_t map[9], apart = back ? 9 : channels * 9, next = back ? blocks.outputs * 9 : 9;
    for (size_t k = 0; k < 9; k++) map[k] = back ? 8 - k : k;
    parallel(blocks.count * channels, 64, [&](size_t i, size_t last) {
      Buffer nine(9 * blocks.block);
      std::memset(nine, 0, 9 * blocks.block * sizeof(float));
      for (; i < last; i++) {
        size_t b = i / channels, c = i % channels, width = blocks.width(b);
        const float *from = filters + b * blocks.block * apart + c * next;
        kernels->conv.interleave(from, apart, blocks.lanes(b), 9, nine, width, map);
        kernels->conv.spread_filters(nine, width, at(b) + c * width, plane);
      }
    });
  }
};

void run(const Job &j, const Panels &panels, const float *x, const float *bias, float *out) {
  const Blocks &blocks = panels.blocks;
  size_t together = j.together(), wanted = 2 * (size_t)num_threads();
  if (j.rows() / together < wanted) together = std::max<size_t>(1, std::min(together, j.rows() / wanted));
  together = std::max(together, std::min(j.rows(), (24 + j.across - 1) / j.across));
  size_t sets = (j.rows() + together - 1) / together;
  size_t parts = sets < wanted ? std::min(blocks.count, (wanted + sets - 1) / sets) : 1;
  size_t tiles = together * j.across, plane = tiles * j.channels + APART, made = tiles * blocks.block + APART;
  size_t out_plane = j.out_height * j.out_width;
  parallel(sets * parts, 1, [&](size_t i, size_t last) {
    Lines lines(j, x);
    Buffer inputs(SIXTEEN * plane), outputs(SIXTEEN * made), two(4 * j.across * blocks.block);
    std::vector<size_t> places(tiles), to(tiles);
    size_t zero = 0;
    for (size_t t = 0; t < tiles; t++) places[t] = t * j.channels;
    for (; i < last; i++) {
      size_t first = i / parts * together, rows = std::min(together, j.rows() - first), part = i % parts;
      for (size_t r = 0; r < rows; r++) lines.spread(first + r, inputs + r * j.across * j.channels, plane);
      for (size_t b = part * blocks.count / parts; b < (part + 1) * blocks.count / parts; b++) {
        size_t width = blocks.width(b), lanes = blocks.lanes(b);
        for (size_t t = 0; t < tiles; t++) to[t] = t * width;
        for (size_t e = 0; e < SIXTEEN; e++)
          kernels->conv.product(inputs + e * plane, places.data(), rows * j.across, {&zero, 1, j.channels},
                                panels.at(b) + e * panels.plane, width, outputs + e * made, to.data(), false);
        const float *shift = bias ? bias + b * blocks.block : nullptr;
        for (size_t r = 0; r < rows; r++) {
          float *upper = two, *lower = two + 2 * j.across * width;
          kernels->conv.gather_output(outputs + r * j.across * width, made, j.across, width, upper, lower);
          size_t n = (first + r) / j.down, y = 2 * ((first + r) % j.down);
          float *target = out + (n * j.outputs + b * blocks.block) * out_plane + y * j.out_width;
          kernels->conv.separate(upper, width, lanes, j.out_width, target, out_plane, shift, nullptr);
          if (y + 1 < j.out_height)
            kernels->conv.separate(lower, width, lanes, j.out_width, target + j.out_width, out_plane, shift, nullptr);
        }
      }
    }
  });
}

}  // namespace

bool winograd_serves(const ConvCall &c) {
  if (c.groups != 1 || c.in[0] != 1 || c.kernel[0] != 1 || c.padding[0]) return false;
  for (int a = 1; a < 3; a++)
    if (c.kernel[a] != 3 || c.stride[a] != 1 || c.dilation[a] != 1 || c.padding[a] > 2 ||
        c.out[a] + 2 != c.in[a] + 2 * c.padding[a])
      return false;
  size_t tiles = ((c.out[1] + 1) / 2) * ((c.out[2] + 1) / 2), in = ((c.in[1] + 1) / 2) * ((c.in[2] + 1) / 2);
  return c.channels >= 16 && c.outputs >= 16 && tiles * 20 <= 9 * c.out[1] * c.out[2] &&
         in * 20 <= 9 * c.in[1] * c.in[2] && c.samples * tiles >= 16;
}

void winograd_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  Job j = job(c, false);
  Panels panels(j, Blocks(j.outputs, kernels->conv.block, kernels->conv.vector));
  panels.pack(filters, false);
  run(j, panels, x, bias, y);
}

void winograd_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  Job j = job(c, true);
  Panels panels(j, Blocks(j.outputs, kernels->conv.block, kernels->conv.vector));
  panels.pack(filters, true);
  run(j, panels, g, bias, dx);
}

void winograd_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  Job j = job(c, false);
  Blocks blocks(j.outputs, kernels->conv.block, kernels->conv.vector);
  size_t together = std::min(j.rows(), (2 * TILES + j.across - 1) / j.across), tiles = together * j.across;
  size_t wanted = 2 * (size_t)num_threads(), sets = (j.rows() + together - 1) / together;
  size_t parts = num_threads() < 2 ? 1 : std::min(sets, std::max<size_t>(1, (wanted + blocks.count - 1) / blocks.count));
  size_t plane = tiles * j.channels + APART, made = tiles * blocks.block + APART, size = j.channels * blocks.block;
  size_t out_plane = j.out_height * j.out_width;
  // Each part of the rows has sums of its own, (16, channels, block), added in order.
  Buffer sums(blocks.count * parts * SIXTEEN * size);
  std::vector<size_t> offsets(j.channels), places(tiles);
  for (size_t k = 0; k < j.channels; k++) offsets[k] = k;
  for (size_t t = 0; t < tiles; t++) places[t] = t * j.channels;
  parallel(blocks.count * parts, 1, [&](size_t i, size_t last) {
    Lines lines(j, x);
    Buffer inputs(SIXTEEN * plane), gradients(SIXTEEN * made), two(4 * j.across * blocks.block);
    for (; i < last; i++) {
      size_t b = i / parts, part = i % parts, width = blocks.width(b), lanes = blocks.lanes(b);
      float *own = sums + i * SIXTEEN * size, *upper = two, *lower = two + 2 * j.across * width;
      std::memset(own, 0, SIXTEEN * size * sizeof(float));
      size_t first = part * j.rows() / parts, end = (part + 1) * j.rows() / parts;
      for (; first < end; first += together) {
        size_t rows = std::min(together, end - first);
        for (size_t r = 0; r < rows; r++) {
          lines.spread(first + r, inputs + r * j.across * j.channels, plane);
          size_t n = (first + r) / j.down, y = 2 * ((first + r) % j.down);
          const float *from = g + (n * j.outputs + b * blocks.block) * out_plane + y * j.out_width;
          std::memset(two, 0, 4 * j.across * width * sizeof(float));
          kernels->conv.interleave(from, out_plane, lanes, j.out_width, upper, width, nullptr);
          if (y + 1 < j.out_height)
            kernels->conv.interleave(from + j.out_width, out_plane, lanes, j.out_width, lower, width, nullptr);
          kernels->conv.spread_gradient(upper, lower, j.across, width, gradients + r * j.across * width, made);
        }
        for (size_t e = 0; e < SIXTEEN; e++)
          kernels->conv.outer(inputs + e * plane, places.data(), rows * j.across, offsets.data(), j.channels,
                              gradients + e * made, width, own + e * size);
      }
    }
  });
  parallel(blocks.count * j.channels, 64, [&](size_t i, size_t last) {
    Buffer nine(9 * blocks.block);
    for (; i < last; i++) {
      size_t b = i / j.channels, ch = i % j.channels, width = blocks.width(b);
      float *own = sums + b * parts * SIXTEEN * size + ch * width;
      for (size_t part = 1; part < parts; part++)
        for (size_t e = 0; e < SIXTEEN; e++) {
          const float *other = own + (part * SIXTEEN + e) * size;
          for (size_t n = 0; n < width; n++) own[e * size + n] += other[n];
        }
      kernels->conv.gather_filters(own, size, width, nine);
      float *to = df + (b * blocks.block * j.channels + ch) * 9;
      kernels->conv.separate(nine, width, blocks.lanes(b), 9, to, j.channels * 9, nullptr, nullptr);
    }
  });
}

}  // namespace rushlight
