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
  // Are the lines shorter than vectors, and the images small?
  bool short_lines() const {
    size_t read = (2 * down + 2) * step() * channels;
    return width < 16 && out_width < 16 && read <= (1 << 17) && height + (size_t)top <= 2 * down + 2 &&
           width + (size_t)left <= step();
  }
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

// Lines of pixels with their padding: four, which move down the image two at a time, or the whole image where its lines
// are shorter than vectors and are laid out together.
struct Lines {
  const Job &j;
  const float *x;
  bool whole;
  size_t kept;  // lines that are here
  Buffer held;
  std::vector<size_t> map;  // of the image's pixels among those with padding
  size_t sample = ~size_t(0);
  long next = 0;  // the first line that is not here

  Lines(const Job &j, const float *x)
      : j(j), x(x), whole(j.short_lines()), kept(whole ? 2 * j.down + 2 : 4), held(kept * j.step() * j.channels) {
    if (!whole) return;
    std::memset(held, 0, kept * j.step() * j.channels * sizeof(float));
    for (size_t i = 0; i < j.height * j.width; i++)
      map.push_back((i / j.width + (size_t)j.top) * j.step() + (size_t)j.left + i % j.width);
  }

  float *line(long y) const { return held + (whole ? (size_t)y : (size_t)(y & 3)) * j.step() * j.channels; }

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
    if (whole && n != sample) {
      size_t pixels = j.height * j.width;
      kernels->conv.interleave(x + n * j.channels * pixels, pixels, j.channels, pixels, held, j.channels, map.data());
    } else if (!whole && (n != sample || y + 2 != next)) {
      next = y;
    }
    sample = n;
    for (; !whole && next < y + 4; next++) lay(next);
    const float *four[4] = {line(y), line(y + 1), line(y + 2), line(y + 3)};
    kernels->conv.spread_input(four, j.channels, j.across, to, plane);
  }
};

// Rows of results on their way between tiles and planes, two for each row of tiles, with one pixel more than a line has
// where that is odd. Short lines of an image are moved to and from its planes together.
struct Between {
  const Job &j;
  std::vector<size_t> map;  // of an image's pixels among those here
  explicit Between(const Job &j) : j(j) {
    for (size_t i = 0; j.short_lines() && i < j.out_height * j.out_width; i++)
      map.push_back(i / j.out_width * 2 * j.across + i % j.out_width);
  }
  size_t room(size_t rows, size_t width) const { return rows * 4 * j.across * width; }

  // Calls move(pixels' index, place in the plane, how many, map) for rows of tiles [row, row + count) of one image.
  template <typename Move> void pieces(size_t row, size_t count, Move move) const {
    size_t first = 2 * row, last = std::min(2 * (row + count), j.out_height);
    if (j.short_lines()) return move(0, first * j.out_width, (last - first) * j.out_width, map.data());
    for (size_t y = first; y < last; y++) move((y - first) * 2 * j.across, y * j.out_width, j.out_width, (const size_t *)nullptr);
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

  // Sixteen channels of a block of outputs at a time: as filters lie, those of an output are neighbours.
  void pack(const float *filters) const {
    constexpr size_t SOME = 16;
    size_t pieces = (channels + SOME - 1) / SOME;
    parallel(blocks.count * pieces, 4, [&](size_t i, size_t last) {
      Buffer nines(9 * SOME * blocks.block);
      std::memset(nines, 0, 9 * SOME * blocks.block * sizeof(float));
      for (; i < last; i++) {
        size_t b = i / pieces, first = i % pieces * SOME, n = std::min(SOME, channels - first), width = blocks.width(b);
        const float *from = filters + (b * blocks.block * channels + first) * 9;
        kernels->conv.interleave(from, channels * 9, blocks.lanes(b), 9 * n, nines, width, nullptr);
        for (size_t c = 0; c < n; c++)
          kernels->conv.spread_filters(nines + 9 * c * width, width, at(b) + (first + c) * width, plane);
      }
    });
  }

  // The same for the gradient, from the filters (channels, outputs, 9) reversed.
  void pack_back(const float *filters) const {
    size_t map[9];
    for (size_t k = 0; k < 9; k++) map[k] = 8 - k;
    parallel(blocks.count * channels, 64, [&](size_t i, size_t last) {
      Buffer nine(9 * blocks.block);
      std::memset(nine, 0, 9 * blocks.block * sizeof(float));
      for (; i < last; i++) {
        size_t b = i / channels, c = i % channels, width = blocks.width(b);
        kernels->conv.interleave(filters + (c * blocks.outputs + b * blocks.block) * 9, 9, blocks.lanes(b), 9, nine, width,
                                 map);
        kernels->conv.spread_filters(nine, width, at(b) + c * width, plane);
      }
    });
  }
};

// The pieces [first, last) of rows of tiles that lie in one image: calls piece(row of the image's, image, rows before,
// rows).
template <typename Piece> void by_image(const Job &j, size_t first, size_t last, Piece piece) {
  for (size_t row = first; row < last;) {
    size_t n = row / j.down, end = std::min(last, (n + 1) * j.down);
    piece(row % j.down, n, row - first, end - row);
    row = end;
  }
}

// Products of transformed tiles (16, tiles, channels) with block b, back to pixels, and to planes.
struct Finish {
  const Job &j;
  const Panels &panels;
  const float *bias;
  float *out;
  Between moves;
  std::vector<size_t> places;

  Finish(const Job &j, const Panels &panels, const float *bias, float *out, size_t tiles)
      : j(j), panels(panels), bias(bias), out(out), moves(j), places(tiles) {
    for (size_t t = 0; t < tiles; t++) places[t] = t * j.channels;
  }

  // Rows [first, last) of tiles; inputs: the first one's. outputs, pixels: room for 16 (rows, across, block) and Between.
  void block(size_t b, size_t first, size_t last, const float *inputs, size_t plane, float *outputs, size_t made,
             float *pixels, size_t *to) const {
    const Blocks &blocks = panels.blocks;
    size_t width = blocks.width(b), lanes = blocks.lanes(b), tiles = (last - first) * j.across, zero = 0;
    size_t out_plane = j.out_height * j.out_width;
    for (size_t t = 0; t < tiles; t++) to[t] = t * width;
    for (size_t e = 0; e < SIXTEEN; e++)
      kernels->conv.product(inputs + e * plane, places.data(), tiles, {&zero, 1, j.channels}, panels.at(b) + e * panels.plane,
                            width, outputs + e * made, to, false);
    const float *shift = bias ? bias + b * blocks.block : nullptr;
    by_image(j, first, last, [&](size_t row, size_t n, size_t before, size_t rows) {
      size_t line = 2 * j.across * width;
      for (size_t r = 0; r < rows; r++)
        kernels->conv.gather_output(outputs + (before + r) * j.across * width, made, j.across, width, pixels + 2 * r * line,
                                    pixels + (2 * r + 1) * line);
      float *target = out + (n * j.outputs + b * blocks.block) * out_plane;
      moves.pieces(row, rows, [&](size_t at, size_t place, size_t count, const size_t *map) {
        kernels->conv.separate(pixels + at * width, width, lanes, count, target + place, out_plane, shift, map);
      });
    });
  }
};

// All tiles are transformed before, and each block of outputs meets them all: its filters are read once.
void run_few(const Job &j, const Panels &panels, const float *x, const float *bias, float *out) {
  const Blocks &blocks = panels.blocks;
  size_t tiles = j.rows() * j.across, plane = tiles * j.channels + APART, made = tiles * blocks.block + APART;
  Buffer inputs(SIXTEEN * plane);
  parallel(j.samples, 1, [&](size_t n, size_t last) {
    Lines lines(j, x);
    for (size_t row = n * j.down; row < last * j.down; row++)
      lines.spread(row, inputs + row * j.across * j.channels, plane);
  });
  Finish finish(j, panels, bias, out, tiles);
  parallel(blocks.count, 1, [&](size_t b, size_t last) {
    Buffer outputs(SIXTEEN * made), pixels(finish.moves.room(j.down, blocks.block));
    std::vector<size_t> to(tiles);
    for (; b < last; b++) finish.block(b, 0, j.rows(), inputs, plane, outputs, made, pixels, to.data());
  });
}

void run(const Job &j, const Panels &panels, const float *x, const float *bias, float *out) {
  const Blocks &blocks = panels.blocks;
  size_t together = j.together(), wanted = 2 * (size_t)num_threads();
  if (j.rows() * j.across <= 4 * TILES && blocks.count >= wanted) return run_few(j, panels, x, bias, out);
  if (j.rows() / together < wanted) together = std::max<size_t>(1, std::min(together, j.rows() / wanted));
  together = std::max(together, std::min(j.rows(), (24 + j.across - 1) / j.across));
  if (j.short_lines() && together >= j.down) together = together / j.down * j.down;
  size_t sets = (j.rows() + together - 1) / together;
  size_t parts = sets < wanted ? std::min(blocks.count, (wanted + sets - 1) / sets) : 1;
  size_t tiles = together * j.across, plane = tiles * j.channels + APART, made = tiles * blocks.block + APART;
  Finish finish(j, panels, bias, out, tiles);
  parallel(sets * parts, 1, [&](size_t i, size_t last) {
    Lines lines(j, x);
    Buffer inputs(SIXTEEN * plane), outputs(SIXTEEN * made), pixels(finish.moves.room(std::min(together, j.down), blocks.block));
    std::vector<size_t> to(tiles);
    for (; i < last; i++) {
      size_t first = i / parts * together, end = std::min(first + together, j.rows()), part = i % parts;
      for (size_t r = first; r < end; r++) lines.spread(r, inputs + (r - first) * j.across * j.channels, plane);
      for (size_t b = part * blocks.count / parts; b < (part + 1) * blocks.count / parts; b++)
        finish.block(b, first, end, inputs, plane, outputs, made, pixels, to.data());
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
  panels.pack(filters);
  run(j, panels, x, bias, y);
}

void winograd_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  Job j = job(c, true);
  Panels panels(j, Blocks(j.outputs, kernels->conv.block, kernels->conv.vector));
  panels.pack_back(filters);
  run(j, panels, g, bias, dx);
}

namespace {

// The gradient's rows of tiles [first, last), transformed as block b sees them: (16, tiles, width).
void spread_block(const Job &j, const Between &moves, const Blocks &blocks, size_t b, size_t first, size_t last, const float *g,
                  float *to, size_t made, float *pixels) {
  size_t width = blocks.width(b), lanes = blocks.lanes(b), out_plane = j.out_height * j.out_width, line = 2 * j.across * width;
  by_image(j, first, last, [&](size_t row, size_t n, size_t before, size_t rows) {
    const float *from = g + (n * j.outputs + b * blocks.block) * out_plane;
    bool cut = j.out_width % 2 || (2 * (row + rows) > j.out_height);
    if (cut) std::memset(pixels, 0, 2 * rows * line * sizeof(float));
    moves.pieces(row, rows, [&](size_t at, size_t place, size_t count, const size_t *map) {
      kernels->conv.interleave(from + place, out_plane, lanes, count, pixels + at * width, width, map);
    });
    for (size_t r = 0; r < rows; r++)
      kernels->conv.spread_gradient(pixels + 2 * r * line, pixels + (2 * r + 1) * line, j.across, width,
                                    to + (before + r) * j.across * width, made);
  });
}

// The sums of `parts` (16, channels, block) for each block of outputs, back to filters.
void gather_sums(const Job &j, const Blocks &blocks, size_t parts, float *sums, float *df) {
  size_t size = j.channels * blocks.block;
  constexpr size_t SOME = 16;
  size_t pieces = (j.channels + SOME - 1) / SOME;
  parallel(blocks.count * pieces, 4, [&](size_t i, size_t last) {
    Buffer nines(9 * SOME * blocks.block);
    for (; i < last; i++) {
      size_t b = i / pieces, first = i % pieces * SOME, n = std::min(SOME, j.channels - first), width = blocks.width(b);
      for (size_t ch = first; ch < first + n; ch++) {
        float *own = sums + b * parts * SIXTEEN * size + ch * width;
        for (size_t part = 1; part < parts; part++)
          for (size_t e = 0; e < SIXTEEN; e++) {
            const float *other = own + (part * SIXTEEN + e) * size;
            for (size_t k = 0; k < width; k++) own[e * size + k] += other[k];
          }
        kernels->conv.gather_filters(own, size, width, nines + 9 * (ch - first) * width);
      }
      float *to = df + (b * blocks.block * j.channels + first) * 9;
      kernels->conv.separate(nines, width, blocks.lanes(b), 9 * n, to, j.channels * 9, nullptr, nullptr);
    }
  });
}

// Both sides transformed before; then each of the 16 is a product of its own for each block.
void filters_few(const Job &j, const Blocks &blocks, const float *g, const float *x, float *df) {
  size_t tiles = j.rows() * j.across, plane = tiles * j.channels + APART, made = tiles * blocks.block + APART;
  size_t size = j.channels * blocks.block;
  Buffer inputs(SIXTEEN * plane), gradients(blocks.count * SIXTEEN * made), sums(blocks.count * SIXTEEN * size);
  Between moves(j);
  parallel(j.samples, 1, [&](size_t n, size_t last) {
    Lines lines(j, x);
    Buffer pixels(moves.room(j.down, blocks.block));
    for (size_t row = n * j.down; row < last * j.down; row++)
      lines.spread(row, inputs + row * j.across * j.channels, plane);
    for (size_t b = 0; b < blocks.count; b++)
      for (size_t i = n; i < last; i++)
        spread_block(j, moves, blocks, b, i * j.down, (i + 1) * j.down, g,
                     gradients + b * SIXTEEN * made + i * j.down * j.across * blocks.width(b), made, pixels);
  });
  std::vector<size_t> offsets(j.channels), places(tiles);
  for (size_t k = 0; k < j.channels; k++) offsets[k] = k;
  for (size_t t = 0; t < tiles; t++) places[t] = t * j.channels;
  parallel(blocks.count * SIXTEEN, 1, [&](size_t i, size_t last) {
    for (; i < last; i++) {
      size_t b = i / SIXTEEN, e = i % SIXTEEN, width = blocks.width(b);
      float *own = sums + i * size;
      std::memset(own, 0, size * sizeof(float));
      for (size_t t = 0; t < tiles; t += 2 * TILES)
        kernels->conv.outer(inputs + e * plane, places.data() + t, std::min(2 * TILES, tiles - t), offsets.data(), j.channels,
                            gradients + (b * SIXTEEN + e) * made + t * width, width, own);
    }
  });
  gather_sums(j, blocks, 1, sums, df);
}

}  // namespace

void winograd_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  Job j = job(c, false);
  Blocks blocks(j.outputs, kernels->conv.block, kernels->conv.vector);
  if (blocks.count > 2 && j.rows() * j.across * (j.channels + j.outputs) <= (1 << 18))
    return filters_few(j, blocks, g, x, df);
  size_t together = std::min(j.rows(), (2 * TILES + j.across - 1) / j.across), tiles = together * j.across;
  size_t wanted = 2 * (size_t)num_threads(), sets = (j.rows() + together - 1) / together;
  size_t parts = num_threads() < 2 ? 1 : std::min(sets, std::max<size_t>(1, (wanted + blocks.count - 1) / blocks.count));
  size_t plane = tiles * j.channels + APART, made = tiles * blocks.block + APART, size = j.channels * blocks.block;
  // Each part of the rows has sums of its own, (16, channels, block), added in order.
  Buffer sums(blocks.count * parts * SIXTEEN * size);
  Between moves(j);
  std::vector<size_t> offsets(j.channels), places(tiles);
  for (size_t k = 0; k < j.channels; k++) offsets[k] = k;
  for (size_t t = 0; t < tiles; t++) places[t] = t * j.channels;
  parallel(blocks.count * parts, 1, [&](size_t i, size_t last) {
    Lines lines(j, x);
    Buffer inputs(SIXTEEN * plane), gradients(SIXTEEN * made), pixels(moves.room(std::min(together, j.down), blocks.block));
    for (; i < last; i++) {
      size_t b = i / parts, part = i % parts, width = blocks.width(b);
      float *own = sums + i * SIXTEEN * size;
      std::memset(own, 0, SIXTEEN * size * sizeof(float));
      size_t first = part * j.rows() / parts, end = (part + 1) * j.rows() / parts;
      for (; first < end; first += together) {
        size_t after = std::min(first + together, end);
        for (size_t r = first; r < after; r++) lines.spread(r, inputs + (r - first) * j.across * j.channels, plane);
        spread_block(j, moves, blocks, b, first, after, g, gradients, made, pixels);
        for (size_t e = 0; e < SIXTEEN; e++)
          kernels->conv.outer(inputs + e * plane, places.data(), (after - first) * j.across, offsets.data(), j.channels,
                              gradients + e * made, width, own + e * size);
      }
    }
  });
  gather_sums(j, blocks, parts, sums, df);
}

}  // namespace rushlight
