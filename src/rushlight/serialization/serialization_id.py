"""The 40 digits PyTorch writes as the last record of an archive.

Nobody checks them on loading. They are reproduced so that a file is the same, byte for byte,
whoever wrote it: 20 digits that hash the record names, 20 that hash the checksums. The first half
depends on the order in which a GNU C++ unordered set of the names would be walked.
"""

from collections.abc import Iterable

_WORD = (1 << 64) - 1


def serialization_id(names: Iterable[str], checksums: Iterable[int]) -> str:
    """serialization_id(names, checksums) -> str

    `names` of all records in writing order, `checksums` (CRC-32) of those that are not empty.
    """
    of_names = of_data = 0
    for name_hash in _set_order([_string_hash(name.encode()) for name in dict.fromkeys(names)]):
        of_names = _combine(of_names, name_hash)
    for checksum in checksums:
        of_data = _combine(of_data, checksum)
    return f"{of_names:020d}{of_data:020d}"


def _combine(h, value):
    return h ^ ((value + 0x9E3779B9 + (h << 6) + (h >> 2)) & _WORD)


def _string_hash(text):
    """MurmurHash2 for 64 bits, as libstdc++ hashes strings."""
    m = 0xC6A4A7935BD1E995
    h = 0xC70F6907 ^ (len(text) * m & _WORD)
    whole = len(text) & ~7
    for i in range(0, whole, 8):
        k = int.from_bytes(text[i : i + 8], "little") * m & _WORD
        h = ((h ^ (_shift_mix(k) * m & _WORD)) * m) & _WORD
    if whole < len(text):
        h = (h ^ int.from_bytes(text[whole:], "little")) * m & _WORD
    return _shift_mix(_shift_mix(h) * m & _WORD)


def _shift_mix(x):
    return x ^ (x >> 47)


# The sizes of libstdc++'s bucket tables: each the first prime at or above twice the last.
_BUCKETS = (
    1, 13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061,
    712697, 1447153, 2938679, 5967347, 12117689,
)  # fmt: skip


def _set_order(hashes):
    """The order in which the set is walked after inserting `hashes` one by one."""
    level = 0
    buckets: dict = {}
    for count, h in enumerate(hashes, 1):
        if count > _BUCKETS[level] or level == 0:
            level += 1
            earlier_ones, buckets = _walk(buckets), {}
            for earlier in earlier_ones:
                buckets.setdefault(earlier % _BUCKETS[level], []).append(earlier)
        buckets.setdefault(h % _BUCKETS[level], []).append(h)
    return _walk(buckets)


def _walk(buckets):
    """A new bucket goes to the front of the list, a new element to the front of its bucket."""
    return [h for bucket in reversed(buckets.values()) for h in reversed(bucket)]
