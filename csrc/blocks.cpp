#include "blocks.h"

#include <cstdlib>
#include <mutex>
#include <new>

#ifdef _MSC_VER
#include <intrin.h>
#include <malloc.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#endif

namespace rushlight {
namespace {

constexpr size_t MAPPED = 2 << 20;  // blocks from here on are mappings of their own: a huge page and more

struct Free {
  Free *next;
};

struct Class {
  Free *first = nullptr;
  size_t count = 0;
  uint64_t used = 0;  // the tick of the last block taken or given back
};

// Never destroyed: arrays outlive main.
struct State {
  std::mutex mutex;
  Class classes[CLASSES];
  BlockStats stats{};
  uint64_t tick = 0;
};

size_t default_limit() {
  size_t most = size_t(1) << 30;
#if defined(__unix__) || defined(__APPLE__)
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0 && size_t(pages) / 8 * size_t(size) < most) most = size_t(pages) / 8 * size_t(size);
#endif
  return most;
}

State *state_of_process() {
  static State *made = [] {
    State *s = new State;
    s->stats.limit = default_limit();
#if defined(__unix__) || defined(__APPLE__)
    // The lock is held across fork, so that no other thread is amid a change that the child would inherit.
    static State *forked = s;
    pthread_atfork([] { forked->mutex.lock(); }, [] { forked->mutex.unlock(); }, [] { forked->mutex.unlock(); });
#endif
    return s;
  }();
  return made;
}

State &state = *state_of_process();

#ifdef __linux__
// A mapping that starts where a huge page may: the first touch of a large block is 512 times fewer faults.
void *map_block(size_t size) {
  size_t whole = size + MAPPED;
  void *found = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) return nullptr;
  uintptr_t from = reinterpret_cast<uintptr_t>(found), at = (from + MAPPED - 1) / MAPPED * MAPPED;
  if (at > from) munmap(found, at - from);
  if (from + whole > at + size) munmap(reinterpret_cast<void *>(at + size), from + whole - at - size);
  madvise(reinterpret_cast<void *>(at), size, MADV_HUGEPAGE);
  return reinterpret_cast<void *>(at);
}
#endif

void *system_take(size_t size, bool &zeroed) {
  zeroed = false;
#ifdef __linux__
  if (size >= MAPPED) {
    zeroed = true;
    return map_block(size);
  }
#endif
#ifdef _MSC_VER
  return _aligned_malloc(size, 64);
#else
  void *block = nullptr;
  return posix_memalign(&block, 64, size) ? nullptr : block;
#endif
}

void system_give(void *block, [[maybe_unused]] size_t size) {
#ifdef __linux__
  if (size >= MAPPED) {
    munmap(block, size);
    return;
  }
#endif
#ifdef _MSC_VER
  _aligned_free(block);
#else
  std::free(block);
#endif
}

// The rest is called with the lock held.

void *pop(int number) {
  Class &c = state.classes[number];
  Free *block = c.first;
  c.first = block->next;
  c.count--;
  state.stats.cached -= class_size(number);
  return block;
}

void shrink(size_t keep) {
  while (state.stats.cached > keep) {
    int oldest = -1;
    for (int i = 0; i < CLASSES; i++)
      if (state.classes[i].count && (oldest < 0 || state.classes[i].used < state.classes[oldest].used)) oldest = i;
    if (oldest < 0) return;
    while (state.classes[oldest].count && state.stats.cached > keep) system_give(pop(oldest), class_size(oldest));
  }
}

// A kept block of this class; a large one may be of a class up to nearly twice the size, which only costs addresses.
void *find(int &number) {
  int last = class_size(number) < MAPPED ? number : number + 3;
  for (int i = number; i <= last && i < CLASSES; i++)
    if (state.classes[i].count) {
      number = i;
      return pop(i);
    }
  return nullptr;
}

void note_taken(int number, bool hit) {
  BlockStats &s = state.stats;
  state.classes[number].used = ++state.tick;
  s.taken++;
  s.live++;
  s.hits += hit;
  s.allocated += class_size(number);
  if (s.allocated > s.peak) s.peak = s.allocated;
  if (s.allocated + s.cached > s.peak_reserved) s.peak_reserved = s.allocated + s.cached;
}

int highest_bit(uint64_t x) {
#ifdef _MSC_VER
  unsigned long at;
  _BitScanReverse64(&at, x);
  return static_cast<int>(at);
#else
  return 63 - __builtin_clzll(x);
#endif
}

}  // namespace

int class_of(size_t bytes) {
  size_t last = bytes - 1;
  if (last < 1024) return static_cast<int>(last / 64);
  int bit = highest_bit(last);
  int number = 16 + (bit - 10) * 4 + static_cast<int>(last >> (bit - 2) & 3);
  return number < CLASSES ? number : CLASSES;
}

size_t class_size(int number) {
  if (number < 16) return size_t(number + 1) * 64;
  int bit = 10 + (number - 16) / 4;
  return (size_t(1) << bit) + (size_t((number - 16) % 4 + 1) << (bit - 2));
}

void *take_block(int &number, bool &zeroed) {
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    zeroed = false;
    if (void *kept = find(number)) {
      note_taken(number, true);
      return kept;
    }
  }
  void *block = system_take(class_size(number), zeroed);
  if (!block) {
    drop_blocks(0);
    block = system_take(class_size(number), zeroed);
  }
  if (!block) return nullptr;
  std::lock_guard<std::mutex> lock(state.mutex);
  note_taken(number, false);
  return block;
}

void give_block(int number, void *block) {
  std::lock_guard<std::mutex> lock(state.mutex);
  size_t size = class_size(number);
  BlockStats &s = state.stats;
  s.live--;
  s.allocated -= size;
  if (size > s.limit) return system_give(block, size);
  Class &c = state.classes[number];
  c.first = new (block) Free{c.first};
  c.count++;
  c.used = ++state.tick;
  s.cached += size;
  if (s.cached > s.limit) shrink(s.limit);
}

BlockStats block_stats() {
  std::lock_guard<std::mutex> lock(state.mutex);
  return state.stats;
}

void reset_block_peaks() {
  std::lock_guard<std::mutex> lock(state.mutex);
  state.stats.peak = state.stats.allocated;
  state.stats.peak_reserved = state.stats.allocated + state.stats.cached;
}

void drop_blocks(size_t keep) {
  std::lock_guard<std::mutex> lock(state.mutex);
  shrink(keep);
}

void set_block_limit(size_t bytes) {
  std::lock_guard<std::mutex> lock(state.mutex);
  state.stats.limit = bytes;
  shrink(bytes);
}

}  // namespace rushlight
