// Convolutions of float64 by matrix products: what each output pixel meets is a column of a matrix, laid out for some
// hundred pixels at a time.
#include "conv_drivers.h"
#include "gemm.h"
#include "threads.h"

#include <algorithm>
#include <cstring>

namespace rushlight {
namespace {

constexpr size_t FLOATS = 1 << 17;  // of a piece's columns, about: they stay in the second-level cache

// Memory of a piece of work
struct Doubles {
  Buffer held;
  explicit Doubles(size_t n) : held(2 * n) {}
  operator double *() const { return reinterpret_cast<double *>((float *)held); }
};

struct Columns {
  const ConvCall &c;
  size_t channels, outputs, taps, terms, plane, pixels;  // of a group; pixels: of a piece
  std::vector<long> place[3], reach[3];                  // where pixels and taps are along each dimension

  explicit Columns(const ConvCall &c)
      : c(c), channels(c.channels / c.groups), outputs(c.outputs / c.groups), taps(c.taps()), terms(channels * taps),
        plane(c.out_plane()), pixels(std::min(plane, std::max<size_t>(64, FLOATS / terms))) {
    for (int a = 0; a < 3; a++) {
      for (size_t i = 0; i < c.out[a]; i++) place[a].push_back((long)(i * c.stride[a]) - (long)c.padding[a]);
      for (size_t k = 0; k < c.kernel[a]; k++) reach[a].push_back((long)(k * c.dilation[a]));
    }
  }

  size_t pieces() const { return (plane + pixels - 1) / pixels; }
  bool plain() const { return taps == 1 && c.in_plane() == plane && !(c.padding[0] + c.padding[1] + c.padding[2]); }

  // Calls row(first pixel, length, where in the input, step) for the pixels from first to last which tap k meets inside
  // the input, a row of pixels at a time.
  template <typename Row> void met(size_t k, size_t first, size_t last, Row row) const {
    long d = reach[0][k / (c.kernel[1] * c.kernel[2])], h = reach[1][k / c.kernel[2] % c.kernel[1]],
         w = reach[2][k % c.kernel[2]], width = (long)c.in[2];
    for (size_t p = first; p < last;) {
      size_t x = p % c.out[2], end = std::min(last, p - x + c.out[2]);
      long z = place[0][p / c.out[2] / c.out[1]] + d, y = place[1][p / c.out[2] % c.out[1]] + h;
      if (z >= 0 && z < (long)c.in[0] && y >= 0 && y < (long)c.in[1]) {
        size_t from = x, to = x + (end - p);
        while (from < to && place[2][from] + w < 0) from++;
        while (to > from && place[2][to - 1] + w >= width) to--;
        if (to > from) row(p + from - x, to - from, ((size_t)z * c.in[1] + (size_t)y) * c.in[2] + (size_t)(place[2][from] + w), c.stride[2]);
      }
      p = end;
    }
  }

  // (terms, pixels from first to last) of a sample's group
  void lay(const double *x, size_t first, size_t last, double *columns) const {
    size_t length = last - first;
    parallel(terms, 20000 / length + 1, [=](size_t i, size_t end) {
      for (; i < end; i++) {
        double *row = columns + i * length;
        const double *from = x + i / taps * c.in_plane();
        std::memset(row, 0, length * sizeof(double));
        met(i % taps, first, last, [=](size_t p, size_t n, size_t at, size_t step) {
          double *to = row + (p - first);
          if (step == 1) std::memcpy(to, from + at, n * sizeof(double));
          else
            for (size_t j = 0; j < n; j++) to[j] = from[at + j * step];
        });
      }
    });
  }

  // The transpose of that, added up.
  void gather(const double *columns, size_t first, size_t last, double *x) const {
    size_t length = last - first;
    parallel(channels, 20000 / (length * taps) + 1, [=](size_t ch, size_t end) {
      for (size_t i = ch * taps; i < end * taps; i++)
        met(i % taps, first, last, [=](size_t p, size_t n, size_t at, size_t step) {
          double *to = x + i / taps * c.in_plane() + at;
          const double *from = columns + i * length + (p - first);
          for (size_t j = 0; j < n; j++) to[j * step] += from[j];
        });
    });
  }

  // Calls work(sample, group) for all of them: in parallel if there are enough, or one after another with products that
  // use all threads.
  template <typename Work> void each(Work work) const {
    size_t n = c.samples * c.groups;
    auto some = [&](size_t i, size_t last) {
      for (; i < last; i++) work(i / c.groups, i % c.groups);
    };
    if (n >= 2 * (size_t)num_threads()) parallel(n, 100000 / (plane * terms * outputs + 1) + 1, some);
    else some(0, n);
  }
};

}  // namespace

void columns_forward(const ConvCall &c, const double *x, const double *filters, const double *bias, double *y) {
  Columns l(c);
  l.each([&](size_t n, size_t g) {
    const double *from = x + (n * c.groups + g) * l.channels * c.in_plane();
    double *to = y + (n * c.groups + g) * l.outputs * l.plane;
    Doubles columns(l.plain() ? 0 : l.terms * l.pixels);
    for (size_t first = 0; first < l.plane; first += l.pixels) {
      size_t last = std::min(l.plane, first + l.pixels), length = last - first;
      if (!l.plain()) l.lay(from, first, last, columns);
      gemm<double>(l.outputs, length, l.terms, filters + g * l.outputs * l.terms, (ptrdiff_t)l.terms, 1,
                   l.plain() ? from + first : (double *)columns, (ptrdiff_t)(l.plain() ? l.plane : length), 1, to + first,
                   (ptrdiff_t)l.plane, nullptr);
    }
    for (size_t o = 0; bias && o < l.outputs; o++)
      for (size_t p = 0; p < l.plane; p++) to[o * l.plane + p] += bias[g * l.outputs + o];
  });
}

void columns_input(const ConvCall &c, const double *g, const double *filters, const double *bias, double *dx) {
  Columns l(c);
  l.each([&](size_t n, size_t group) {
    const double *from = g + (n * c.groups + group) * l.outputs * l.plane;
    double *to = dx + (n * c.groups + group) * l.channels * c.in_plane();
    for (size_t ch = 0; ch < l.channels; ch++)
      std::fill_n(to + ch * c.in_plane(), c.in_plane(), bias ? bias[group * l.channels + ch] : 0);
    Doubles columns(l.terms * l.pixels);
    for (size_t first = 0; first < l.plane; first += l.pixels) {
      size_t last = std::min(l.plane, first + l.pixels), length = last - first;
      gemm<double>(l.terms, length, l.outputs, filters + group * l.outputs * l.terms, 1, (ptrdiff_t)l.terms, from + first,
                   (ptrdiff_t)l.plane, 1, columns, (ptrdiff_t)length, nullptr);
      l.gather(columns, first, last, to);
    }
  });
}

void columns_filters(const ConvCall &c, const double *g, const double *x, double *df) {
  Columns l(c);
  size_t pieces = c.samples * l.pieces(), size = l.outputs * l.terms, wanted = 2 * (size_t)num_threads();
  size_t parts = std::min(pieces, std::max<size_t>(1, std::min(wanted / c.groups + 1, (1 << 22) / (size * c.groups) + 1)));
  // Each part of the samples has sums of its own; they are added in order, so the bits do not depend on who was first.
  Doubles sums(c.groups * parts * size);
  auto some = [&](size_t i, size_t end) {
    Doubles columns(l.terms * l.pixels), product(size);
    for (; i < end; i++) {
      size_t group = i / parts, part = i % parts;
      double *own = sums + i * size;
      std::memset(own, 0, size * sizeof(double));
      for (size_t piece = part * pieces / parts; piece < (part + 1) * pieces / parts; piece++) {
        size_t n = piece / l.pieces(), first = piece % l.pieces() * l.pixels, last = std::min(l.plane, first + l.pixels);
        l.lay(x + (n * c.groups + group) * l.channels * c.in_plane(), first, last, columns);
        gemm<double>(l.outputs, l.terms, last - first, g + (n * c.groups + group) * l.outputs * l.plane + first,
                     (ptrdiff_t)l.plane, 1, columns, 1, (ptrdiff_t)(last - first), product, (ptrdiff_t)l.terms, nullptr);
        for (size_t k = 0; k < size; k++) own[k] += product[k];
      }
    }
  };
  if (c.groups * parts > 1) parallel(c.groups * parts, 1, some);
  else some(0, 1);
  for (size_t i = 0; i < c.groups; i++)
    for (size_t k = 0; k < size; k++) {
      double total = 0;
      for (size_t part = 0; part < parts; part++) total += sums[(i * parts + part) * size + k];
      df[i * size + k] = total;
    }
}

}  // namespace rushlight
