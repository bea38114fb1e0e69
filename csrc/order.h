// Rows in order: sorting, the best k, the element of a rank. Items are keys (kernels_sort.cpp) with their places, so
// that no two are equal: whatever the method, equal elements come in the order of their places.
#pragma once

#include "kernels.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace rushlight {

// Key and place of an element of at most 4 bytes in one word.
struct Item32 {
  using Key = uint32_t;
  uint64_t word;
  static Item32 of(Key key, size_t place) { return {static_cast<uint64_t>(key) << 32 | place}; }
  Key key() const { return static_cast<Key>(word >> 32); }
  size_t place() const { return static_cast<uint32_t>(word); }
  bool operator<(Item32 b) const { return word < b.word; }
  static const KeyQuestions &ask() { return kernels->sorts.keys32; }
};

struct Item64 {
  using Key = uint64_t;
  uint64_t k, p;
  static Item64 of(Key key, size_t place) { return {key, place}; }
  Key key() const { return k; }
  size_t place() const { return p; }
  bool operator<(Item64 b) const { return k < b.k || (k == b.k && p < b.p); }
  static const KeyQuestions &ask() { return kernels->sorts.keys64; }
};

// What the rows of one thread use in turn.
template <typename Item> struct Workspace {
  std::vector<typename Item::Key> keys;
  std::vector<Item> items, spare;
  std::vector<uint32_t> counts;
};

template <typename Item> void insertion(Item *a, size_t n) {
  for (size_t i = 1; i < n; i++) {
    Item x = a[i];
    size_t j = i;
    for (; j && x < a[j - 1]; j--) a[j] = a[j - 1];
    a[j] = x;
  }
}

// Stable distribution by digits, the lowest first; a digit that all share costs nothing.
template <typename Item, int BITS> void radix(Item *a, size_t n, Workspace<Item> &w) {
  using Key = typename Item::Key;
  constexpr size_t DIGITS = (sizeof(Key) * 8 + BITS - 1) / BITS, SIZE = size_t{1} << BITS;
  constexpr Key MASK = static_cast<Key>(SIZE - 1);
  w.spare.resize(n);
  w.counts.assign(DIGITS * SIZE, 0);
  uint32_t *counts = w.counts.data();
  for (size_t i = 0; i < n; i++) {
    Key k = a[i].key();
    for (size_t d = 0; d < DIGITS; d++) counts[d * SIZE + (k >> (d * BITS) & MASK)]++;
  }
  Item *from = a, *to = w.spare.data();
  for (size_t d = 0; d < DIGITS; d++) {
    uint32_t *starts = counts + d * SIZE, sum = 0;
    if (starts[from[0].key() >> (d * BITS) & MASK] == n) continue;
    for (size_t i = 0; i < SIZE; i++) {
      uint32_t c = starts[i];
      starts[i] = sum;
      sum += c;
    }
    for (size_t i = 0; i < n; i++) to[starts[from[i].key() >> (d * BITS) & MASK]++] = from[i];
    std::swap(from, to);
  }
  if (from != a) std::memcpy(a, from, n * sizeof(Item));
}

// Items that come in the order of their places.
template <typename Item> void sort_items(Item *a, size_t n, Workspace<Item> &w) {
  if (n <= 24) return insertion(a, n);
  if (n <= 64) return std::sort(a, a + n);
  if (n <= 6000) return radix<Item, 8>(a, n, w);
  radix<Item, 11>(a, n, w);
}

// The keys of a row, and all its items.
template <typename Item>
typename Item::Key *keys_of(const void *x, size_t n, ToKeys keys, bool flip, Workspace<Item> &w) {
  if (w.keys.size() < n) w.keys.resize(n);
  keys(x, w.keys.data(), n, flip ? ~0ull : 0);
  return w.keys.data();
}
template <typename Item> Item *items_of(const void *x, size_t n, ToKeys keys, bool flip, Workspace<Item> &w) {
  const typename Item::Key *k = keys_of<Item>(x, n, keys, flip, w);
  if (w.items.size() < n) w.items.resize(n);
  for (size_t i = 0; i < n; i++) w.items[i] = Item::of(k[i], i);
  return w.items.data();
}

// The k first of n, k being small: a sorted list that is corrected where a key is before its end.
template <typename Item>
Item *few(const char *x, size_t item, size_t n, size_t k, ToKeys keys, bool flip, Workspace<Item> &w) {
  constexpr size_t BLOCK = 1024, PART = 32;
  if (w.items.size() < k) w.items.resize(k);
  if (w.keys.size() < BLOCK) w.keys.resize(BLOCK);
  Item *a = w.items.data();
  typename Item::Key *key = w.keys.data(), limit = 0;
  size_t held = 0;
  for (size_t i = 0; i < n; i += BLOCK) {
    size_t m = std::min(BLOCK, n - i), j = 0;
    keys(x + i * item, key, m, flip ? ~0ull : 0);
    for (; held < k; j++) {
      a[held++] = Item::of(key[j], i + j);
      if (held == k) {
        insertion(a, k);
        limit = a[k - 1].key();
      }
    }
    while (j < m) {
      size_t end = std::min(j + PART, m);
      if (!Item::ask().below(key + j, end - j, limit)) {
        j = end;
        continue;
      }
      for (; j < end; j++) {
        if (key[j] >= limit) continue;
        size_t place = k - 1;
        for (; place && key[j] < a[place - 1].key(); place--) a[place] = a[place - 1];
        a[place] = Item::of(key[j], i + j);
        limit = a[k - 1].key();
      }
    }
  }
  return a;
}

// The k first of n in order, one pass over a long row: what is behind the k-th so far is not looked at again.
template <typename Item>
Item *best(const char *x, size_t item, size_t n, size_t k, ToKeys keys, bool flip, Workspace<Item> &w) {
  constexpr size_t BLOCK = 1024, PART = 128;
  if (k && k <= 16 && n >= 8 * k) return few<Item>(x, item, n, k, keys, flip, w);
  if (n <= 512 || k > n / 8) {
    Item *a = items_of<Item>(x, n, keys, flip, w);
    if (k && k < n) {
      std::nth_element(a, a + k - 1, a + n);
      Item last = a[k - 1];
      for (size_t i = 0, j = 0; j < k; i++) {  // again, now in the order of their places
        a[j] = Item::of(w.keys[i], i);
        j += !(last < a[j]);
      }
    }
    sort_items(a, k, w);
    return a;
  }
  size_t room = 2 * k + 256, held = 0;
  if (w.items.size() < room) w.items.resize(room);
  if (w.keys.size() < BLOCK) w.keys.resize(BLOCK);
  Item *a = w.items.data();
  typename Item::Key *key = w.keys.data(), limit = 0;
  bool limited = false;
  for (size_t i = 0; i < n; i += BLOCK) {
    size_t m = std::min(BLOCK, n - i);
    keys(x + i * item, key, m, flip ? ~0ull : 0);
    for (size_t j = 0; j < m; j += PART) {
      size_t end = std::min(j + PART, m);
      if (limited && !Item::ask().below(key + j, end - j, limit)) continue;
      for (size_t p = j; p < end; p++) {
        if (limited && key[p] >= limit) continue;
        a[held++] = Item::of(key[p], i + p);
        if (held < room) continue;
        std::nth_element(a, a + k - 1, a + held);
        held = k;
        limit = a[k - 1].key();
        limited = true;
      }
    }
  }
  if (k < held) std::nth_element(a, a + k, a + held);
  std::sort(a, a + k);
  return a;
}

// The place of the element of a rank among n keys: a histogram finds its neighbourhood.
template <typename Item>
size_t place_of_rank(const typename Item::Key *key, size_t n, size_t rank, Workspace<Item> &w) {
  uint64_t least = 0, bucket = 0;  // the neighbourhood: keys with (key - least) >> shift == bucket
  size_t from = rank;
  int shift = 0;
  bool all = n <= 128;
  if (!all) {
    uint64_t most;
    const size_t size = n > 4096 ? 2048 : 256;
    Item::ask().range(key, n, &least, &most);
    while ((most - least) >> shift >= size) shift++;
    w.counts.assign(4 * size, 0);
    uint32_t *c = w.counts.data();
    for (size_t i = 0; i < n; i++) c[(i & 3) * size + ((key[i] - least) >> shift)]++;  // four, as equals would queue up
    for (;; bucket++) {
      size_t here = size_t{c[bucket]} + c[size + bucket] + c[2 * size + bucket] + c[3 * size + bucket];
      if (from < here) break;
      from -= here;
    }
  }
  std::vector<Item> &items = w.items;
  items.clear();
  for (size_t i = 0; i < n; i++)
    if (all || (key[i] - least) >> shift == bucket) items.push_back(Item::of(key[i], i));
  std::nth_element(items.begin(), items.begin() + from, items.end());
  return items[from].place();
}

}  // namespace rushlight
