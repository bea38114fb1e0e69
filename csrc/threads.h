// A pool of threads that share chunks of a loop. Whoever is free takes the next chunk, the caller too, so a core
// that is busy elsewhere delays nobody.
#pragma once

#include <atomic>
#include <cstddef>

namespace rushlight {

int num_threads();
void set_num_threads(int n);

// While there is one, parallel() in this thread runs serially: for small work made of many loops, where waking a thread
// would take longer than all of it.
class Alone {
 public:
  explicit Alone(bool yes);
  ~Alone();
  Alone(const Alone &) = delete;
  Alone &operator=(const Alone &) = delete;

 private:
  bool before_;
};

// Calls work(context, first, last) for pieces of [0, n) of at least `grain` elements, and returns when all are
// done. Nested and concurrent calls run serially. Needs no GIL.
void parallel(size_t n, size_t grain, void (*work)(void *context, size_t first, size_t last), void *context);

template <typename Work> void parallel(size_t n, size_t grain, Work work) {
  parallel(
      n, grain, [](void *context, size_t first, size_t last) { (*static_cast<Work *>(context))(first, last); }, &work);
}

// Calls work(task) for tasks of [0, n), some microseconds each. Every thread begins with its own share, the same from
// call to call, so that what it wrote last time is in its cache, and goes on with what others left.
template <typename Work> void parallel_shares(size_t n, Work work) {
  constexpr size_t MOST = 64, LINE = 64 / sizeof(size_t);  // each counter has a cache line
  size_t team = static_cast<size_t>(num_threads());
  team = team < n ? team : n;
  team = team < MOST ? team : MOST;
  if (team < 2) {
    for (size_t i = 0; i < n; i++) work(i);
    return;
  }
  alignas(64) std::atomic<size_t> claimed[MOST * LINE];
  for (size_t owner = 0; owner < team; owner++) claimed[owner * LINE].store(owner * n / team, std::memory_order_relaxed);
  parallel(team, 1, [&](size_t member, size_t last) {
    for (; member < last; member++)
      for (size_t i = 0; i < team; i++) {
        size_t owner = (member + i) % team, end = (owner + 1) * n / team;
        std::atomic<size_t> &next = claimed[owner * LINE];
        if (next.load(std::memory_order_relaxed) >= end) continue;
        for (size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < end;) work(task);
      }
  });
}

}  // namespace rushlight
