// CRC-32 as zip files have it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

uint32_t crc_of(const unsigned char *bytes, size_t n, uint32_t before = 0);  // goes on from the CRC of what stands before
uint32_t crc_joined(uint32_t first, uint32_t second, size_t n);  // of two texts, one after the other; the second has n bytes

}  // namespace rushlight
