// Files read to memory and written from it with the CRC-32 of what went by. Several threads read, and sum each piece
// while it is in the cache; the system lets one at a time write to a file, so a second one only sums. For files that can
// be read and written anywhere; the file's own position stays.
#include <cerrno>
#include <vector>

#include "arrays.h"
#include "crc.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace rushlight {
namespace {

constexpr size_t PIECE = 256 << 10;  // half of a small second-level cache
constexpr size_t SHARE = 512 << 10;  // bytes for which a second thread pays

struct Transfer {
  int file;
  off_t offset;
  unsigned char *memory;
  size_t size;
  bool writes, sums;
  std::atomic<int> error{0};      // errno of whoever failed
  std::atomic<bool> ended{false};  // the file was shorter

  // One piece, whole; false if that cannot be.
  bool move(size_t from, size_t n) {
    while (n) {
      ssize_t done = writes ? pwrite(file, memory + from, n, offset + (off_t)from)
                            : pread(file, memory + from, n, offset + (off_t)from);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) error = errno;
      if (done == 0) ended = true;
      if (done <= 0) return false;
      from += (size_t)done;
      n -= (size_t)done;
    }
    return true;
  }

  // The CRC of bytes `first` to `last`, read piece by piece.
  uint32_t read(size_t first, size_t last) {
    uint32_t crc = 0;
    for (size_t n; first < last && !error && !ended; first += n) {
      n = last - first < PIECE ? last - first : PIECE;
      if (!move(first, n)) break;
      if (sums) crc = crc_of(memory + first, n, crc);
    }
    return crc;
  }

  uint32_t write() {
    uint32_t crc = 0;
    parallel(sums ? 2 : 1, 1, [&](size_t i, size_t last) {
      for (; i < last; i++)
        if (i) crc = crc_of(memory, size);
        else move(0, size);
    });
    return crc;
  }

  uint32_t all() {
    if (writes) return write();
    size_t shares = size / SHARE;
    if (shares < 2 || num_threads() < 2) return read(0, size);
    std::vector<uint32_t> each(shares);
    auto end = [=](size_t i) { return i + 1 < shares ? (i + 1) * SHARE : size; };
    parallel(shares, 1, [&](size_t i, size_t last) {
      for (; i < last; i++) each[i] = read(i * SHARE, end(i));
    });
    uint32_t crc = 0;
    for (size_t i = 0; sums && i < shares; i++) crc = crc_joined(crc, each[i], end(i) - i * SHARE);
    return crc;
  }
};

PyObject *transfer(PyObject *args, bool writes) {
  int file;
  long long offset;
  Py_buffer bytes;
  PyObject *before;
  if (!PyArg_ParseTuple(args, writes ? "iLy*O" : "iLw*O", &file, &offset, &bytes, &before)) return nullptr;
  bool sums = before != Py_None;
  uint32_t crc = sums ? (uint32_t)PyLong_AsUnsignedLongMask(before) : 0;
  Transfer t{file, (off_t)offset, static_cast<unsigned char *>(bytes.buf), (size_t)bytes.len, writes, sums};
  Py_BEGIN_ALLOW_THREADS
  crc = crc_joined(crc, t.all(), t.size);
  Py_END_ALLOW_THREADS
  PyBuffer_Release(&bytes);
  if (t.error) {
    errno = t.error;
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  if (t.ended) {
    PyErr_SetString(PyExc_EOFError, "the file ends early");
    return nullptr;
  }
  if (!sums) Py_RETURN_NONE;
  return PyLong_FromUnsignedLong(crc);
}

PyObject *read_file(PyObject *, PyObject *args) { return transfer(args, false); }
PyObject *write_file(PyObject *, PyObject *args) { return transfer(args, true); }

// To close the last descriptor of a large file that was removed takes the system some time: a thread does that. A fork
// waits for it, or the child would keep the file alive.
std::atomic<int> closing{0};

PyObject *close_later(PyObject *, PyObject *descriptor) {
  int file = (int)PyLong_AsLong(descriptor);
  if (file == -1 && PyErr_Occurred()) return nullptr;
  static bool first = true;
  if (first) pthread_atfork([] { while (closing) usleep(100); }, nullptr, nullptr);
  first = false;
  closing++;
  std::thread([file] {
    close(file);
    closing--;
  }).detach();
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"close_later", close_later, METH_O, "close_later(descriptor): another thread closes it"},
    {"read_file", read_file, METH_VARARGS, "read_file(descriptor, offset, memory, crc or None) -> CRC-32 or None"},
    {"write_file", write_file, METH_VARARGS, "write_file(descriptor, offset, memory, crc or None) -> CRC-32 or None"},
    {nullptr},
};

}  // namespace

bool add_files(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
#else
namespace rushlight {
bool add_files(PyObject *) { return true; }
}  // namespace rushlight
#endif
