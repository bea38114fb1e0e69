// A pool of threads that share chunks of a loop. Whoever is free takes the next chunk, the caller too, so a core
// that is busy elsewhere delays nobody.
#pragma once

#include <cstddef>

namespace rushlight {

// Calls work(context, first, last) for pieces of [0, n) of at least `grain` elements, and returns when all are
// done. Nested and concurrent calls run serially. Needs no GIL.
void parallel(size_t n, size_t grain, void (*work)(void *context, size_t first, size_t last), void *context);

template <typename Work> void parallel(size_t n, size_t grain, Work work) {
  parallel(
      n, grain, [](void *context, size_t first, size_t last) { (*static_cast<Work *>(context))(first, last); }, &work);
}

int num_threads();
void set_num_threads(int n);

}  // namespace rushlight
