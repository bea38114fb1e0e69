// Convolutions that give few pixels: what each of them meets is laid out as columns, and multiplied with the filters as
// they lie, which are more than all the rest and read once.
#include "conv_drivers.h"
#include "kernels.h"
#include "threads.h"

#include <algorithm>
#include <cstring>

namespace rushlight {
namespace {

constexpr size_t PIXELS = 256;  // of all samples, at most

// One image's channel with its padding, and where in it the pixels and the taps of the kernel are.
struct Frame {
  size_t size[3], room;
  std::vector<size_t> places, taps;

  explicit Frame(const ConvCall &c) {
    for (int a = 0; a < 3; a++) size[a] = c.in[a] + 2 * c.padding[a];
    room = size[0] * size[1] * size[2];
    places = list(c.out, c.stride);
    taps = list(c.kernel, c.dilation);
  }

  std::vector<size_t> list(const size_t *n, const size_t *step) const {
    std::vector<size_t> result;
    for (size_t z = 0; z < n[0]; z++)
      for (size_t y = 0; y < n[1]; y++)
        for (size_t x = 0; x < n[2]; x++)
          result.push_back(((z * step[0]) * size[1] + y * step[1]) * size[2] + x * step[2]);
    return result;
  }

  // The zeros around are there already.
  void lay(const ConvCall &c, const float *x, float *frame) const {
    for (size_t z = 0; z < c.in[0]; z++)
      for (size_t y = 0; y < c.in[1]; y++) {
        float *to = frame + ((z + c.padding[0]) * size[1] + y + c.padding[1]) * size[2] + c.padding[2];
        std::memcpy(to, x + (z * c.in[1] + y) * c.in[2], c.in[2] * sizeof(float));
      }
  }
};

}  // namespace

bool few_serves(const ConvCall &c) {
  size_t pixels = c.samples * c.out_plane();
  if (pixels > PIXELS / 4 && winograd_serves(c)) return false;
  return pixels <= PIXELS && c.channels / c.groups * c.taps() >= 64 && c.outputs / c.groups >= 16;
}

void few_forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  Frame frame(c);
  size_t vector = kernels->conv.vector, block = kernels->conv.block, plane = c.out_plane(), taps = c.taps();
  size_t channels = c.channels / c.groups, outputs = c.outputs / c.groups, terms = channels * taps;
  // Panels of each image: whole blocks of pixels, then what is left as full vectors.
  size_t panels = (plane + block - 1) / block, padded = (plane + vector - 1) / vector * vector;
  Buffer columns(c.samples * c.channels * taps * padded);
  auto width = [=](size_t p) { return std::min(block, padded - p * block); };
  auto panel = [&](size_t n, size_t g, size_t p) {
    return columns + (n * c.groups + g) * terms * padded + p * block * terms;
  };
  parallel(c.samples * c.channels, 4096 / (taps * padded) + 1, [&](size_t i, size_t last) {
    Buffer image(frame.room);
    std::memset(image, 0, frame.room * sizeof(float));
    for (; i < last; i++) {
      frame.lay(c, x + i * c.in_plane(), image);
      size_t n = i / c.channels, g = i % c.channels / channels, ch = i % channels;
      for (size_t p = 0; p < panels; p++) {
        size_t lanes = width(p), count = std::min(lanes, plane - p * block);
        const size_t *places = frame.places.data() + p * block;
        float *row = panel(n, g, p) + ch * taps * lanes;
        for (size_t k = 0; k < taps; k++, row += lanes) {
          const float *from = image + frame.taps[k];
          for (size_t j = 0; j < count; j++) row[j] = from[places[j]];
          for (size_t j = count; j < lanes; j++) row[j] = 0;
        }
      }
    }
  });
  std::vector<size_t> places(outputs), to(outputs), tight(outputs);
  for (size_t o = 0; o < outputs; o++) {
    places[o] = o * terms;
    to[o] = o * plane;
    tight[o] = o * block;
  }
  size_t tasks = c.samples * c.groups * panels, parts = std::max<size_t>(1, std::min(outputs / 24, 32 / tasks));
  parallel(tasks * parts, 60000 / (outputs / parts * terms * vector) + 1, [&](size_t i, size_t last) {
    Buffer edge(outputs * block);
    size_t zero = 0;
    for (; i < last; i++) {
      size_t part = i % parts, p = i / parts % panels, g = i / parts / panels % c.groups, n = i / parts / panels / c.groups;
      size_t first = part * outputs / parts, count = (part + 1) * outputs / parts - first, lanes = width(p);
      bool whole = (p + 1) * block <= plane || plane == padded;
      float *target = y + (n * c.outputs + g * outputs) * plane + p * block, *result = whole ? target : (float *)edge;
      const size_t *at = whole ? to.data() : tight.data();
      if (bias)
        for (size_t o = first; o < first + count; o++) std::fill_n(result + at[o], lanes, bias[g * outputs + o]);
      kernels->conv.product(filters + g * outputs * terms, places.data() + first, count, {&zero, 1, terms}, panel(n, g, p),
                            lanes, result, at + first, bias != nullptr);
      if (whole) continue;
      for (size_t o = first; o < first + count; o++)
        std::memcpy(target + to[o], result + at[o], (plane - p * block) * sizeof(float));
    }
  });
}

}  // namespace rushlight
