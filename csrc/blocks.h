// Memory of arrays: blocks in classes of sizes. A freed block is kept for the next array of about its size, up to a limit.
// Knows nothing of Python. Any thread may call; a forked child goes on with what it inherited.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

// Classes: every 64 bytes up to 1 KB, then four to each power of two.
constexpr int CLASSES = 16 + 4 * 36;
int class_of(size_t bytes);    // the smallest class that holds so many bytes (bytes > 0); CLASSES if there is none
size_t class_size(int number);

// A block, aligned to 64 bytes. `number` comes as the class wished and says then which the block is of, to be given
// back with it; `zeroed` says whether the block is known to hold zeros. Null: out of memory.
void *take_block(int &number, bool &zeroed);
void give_block(int number, void *block);

struct BlockStats {
  size_t allocated, peak, cached, peak_reserved, limit;
  uint64_t taken, hits, live;
};
BlockStats block_stats();
void reset_block_peaks();
void drop_blocks(size_t keep);       // frees cached blocks, those used longest ago first, until at most so many bytes stay
void set_block_limit(size_t bytes);  // how many bytes of freed blocks are kept at most

}  // namespace rushlight
