// Results that are larger than the cache are written around it: a block is computed in the first level and then stored
// without reading what was there before, which saves a third of an addition's traffic.
#pragma once

#include "arrays.h"
#include "kernels.h"

namespace rushlight {

// Results of at least so many bytes are written around the cache.
size_t around_from();

constexpr size_t AROUND_BLOCK = 1 << 13;

// Calls work(first, last, to) for pieces of n elements of `item` bytes that are written one after the other at `out`.
template <typename Work> void write_around(size_t n, size_t item, char *out, Work work) {
  alignas(64) char block[AROUND_BLOCK];
  size_t step = AROUND_BLOCK / item;
  for (size_t i = 0; i < n; i += step) {
    size_t k = n - i < step ? n - i : step;
    work(i, i + k, block);
    kernels->moves.stream(block, out + i * item, k * item);
  }
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

// share() for loops whose results are written one after the other: work(first, last, to) writes elements first to last at
// `to`, and reads none of them.
template <typename Work> void share_out(size_t n, size_t each, size_t item, char *out, Work work) {
  if (n * item < around_from()) return share(n, each, [=](size_t i, size_t j) { work(i, j, out + i * item); });
  share(n, each, [=](size_t i, size_t j) {
    write_around(j - i, item, out + i * item, [=](size_t k, size_t l, char *to) { work(i + k, i + l, to); });
  });
}

}  // namespace rushlight
