#include "threads.h"

#include "arrays.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace rushlight {
namespace {

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// The ticket says which job is on and which chunk is next: generation:24 | chunks:20 | next:20. Function and context
// are read only after a chunk was claimed; until that chunk is done the job cannot end, so they stay what they were.
struct Pool {
  std::atomic<uint64_t> ticket{0};
  std::atomic<size_t> done{0};
  std::atomic<bool> busy{false};
  std::atomic<int> sleepers{0};
  std::mutex mutex;
  std::condition_variable wake;
  void (*work)(void *, size_t, size_t) = nullptr;
  void *context = nullptr;
  size_t n = 0, chunk = 0;
  int workers = 0;

  static size_t chunks_of(uint64_t t) { return (t >> 20) & 0xfffff; }
  static size_t next_of(uint64_t t) { return t & 0xfffff; }

  // Runs chunks of the present job while there are any; false if there was none.
  bool help() {
    bool any = false;
    for (;;) {
      uint64_t t = ticket.load(std::memory_order_acquire);
      if (next_of(t) >= chunks_of(t)) return any;
      if (!ticket.compare_exchange_weak(t, t + 1, std::memory_order_acq_rel)) continue;
      size_t first = next_of(t) * chunk, last = first + chunk < n ? first + chunk : n;
      work(context, first, last);
      done.fetch_add(1, std::memory_order_release);
      any = true;
    }
  }

  bool waiting() {
    uint64_t t = ticket.load();
    return next_of(t) < chunks_of(t);
  }

  void serve() {
    for (;;) {
      for (int spin = 0; spin < 4000; spin++) {
        if (help()) spin = 0;
        pause();
      }
      std::unique_lock<std::mutex> lock(mutex);
      sleepers++;
      wake.wait(lock, [this] { return waiting(); });
      sleepers--;
    }
  }

  void run(size_t size, size_t piece, size_t chunks, void (*function)(void *, size_t, size_t), void *with) {
    work = function;
    context = with;
    n = size;
    chunk = piece;
    done.store(0, std::memory_order_relaxed);
    uint64_t generation = (ticket.load() >> 40) + 1;
    ticket.store(generation << 40 | static_cast<uint64_t>(chunks) << 20);
    if (sleepers.load()) {
      std::lock_guard<std::mutex> lock(mutex);
      wake.notify_all();
    }
    help();
    while (done.load(std::memory_order_acquire) < chunks) pause();
  }
};

// Never destroyed: its threads outlive main.
Pool *pool = nullptr;
std::atomic<int> threads{0};  // how many are wished; 0: not asked yet

int usable_cpus() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  int n = static_cast<int>(std::thread::hardware_concurrency());
  return n > 0 ? n : 1;
}

int wished() {
  for (const char *name : {"RUSHLIGHT_NUM_THREADS", "OMP_NUM_THREADS"}) {
    const char *value = std::getenv(name);
    if (value && std::atoi(value) > 0) return std::atoi(value);
  }
  return usable_cpus();
}

// A forked child has none of the threads: it begins with a pool of its own.
void forget() { pool = nullptr; }

Pool &ready(int count) {
  if (!pool) {
    pool = new Pool;
#ifdef __linux__
    static bool registered = false;
    if (!registered) pthread_atfork(nullptr, nullptr, forget);
    registered = true;
#endif
  }
  for (; pool->workers < count - 1; pool->workers++) {
    Pool *mine = pool;
    std::thread([mine] { mine->serve(); }).detach();
  }
  return *pool;
}

std::mutex starting;
thread_local bool alone = false;

PyObject *get_num_threads(PyObject *, PyObject *) { return PyLong_FromLong(num_threads()); }

PyObject *py_set_num_threads(PyObject *, PyObject *value) {
  long n = PyLong_AsLong(value);
  if (n == -1 && PyErr_Occurred()) return nullptr;
  if (n < 1) {
    PyErr_SetString(PyExc_RuntimeError, "set_num_threads expects a positive integer");
    return nullptr;
  }
  set_num_threads(static_cast<int>(n));
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"get_num_threads", get_num_threads, METH_NOARGS, "get_num_threads() -> int"},
    {"set_num_threads", py_set_num_threads, METH_O, "set_num_threads(n)"},
    {nullptr},
};

}  // namespace

int num_threads() {
  int n = threads.load(std::memory_order_relaxed);
  if (!n) threads = n = wished();
  return n;
}

void set_num_threads(int n) { threads = n; }

Alone::Alone(bool yes) : before_(alone) { alone = before_ || yes; }
Alone::~Alone() { alone = before_; }

void parallel(size_t n, size_t grain, void (*work)(void *, size_t, size_t), void *context) {
  int count = num_threads();
  size_t most = n / grain;
  if (count < 2 || most < 2 || alone) return work(context, 0, n);
  size_t chunks = most < size_t(4 * count) ? most : 4 * count;
  size_t chunk = (n + chunks - 1) / chunks;
  if (grain >= 64) chunk = (chunk + 63) / 64 * 64;  // elements: no two chunks write to one cache line
  chunks = (n + chunk - 1) / chunk;
  Pool *shared;
  {
    std::lock_guard<std::mutex> lock(starting);
    shared = &ready(count);
  }
  if (shared->busy.exchange(true)) return work(context, 0, n);
  shared->run(n, chunk, chunks, work, context);
  shared->busy.store(false);
}

bool add_threads(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
