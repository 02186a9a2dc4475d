// What kernels share: sums over a vector, memory for vectors, and threads that share work out.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace {

// The sum, or the largest, of a vector's numbers: by halves, which are vectors as well.
template <class E, int SIZE> struct Folded {
  typedef E Whole __attribute__((vector_size(SIZE), may_alias));
  typedef E Half __attribute__((vector_size(SIZE / 2), may_alias));
  static void halves(Whole a, Half &low, Half &high) {  // by memory of their own, so that the vector stays in a register
    alignas(SIZE) E all[SIZE / sizeof(E)];
    *reinterpret_cast<Whole *>(all) = a;
    low = *reinterpret_cast<Half *>(all);
    high = *reinterpret_cast<Half *>(all + SIZE / sizeof(E) / 2);
  }
  static E sum(Whole a) { Half low, high; halves(a, low, high); return Folded<E, SIZE / 2>::sum(low + high); }
  static E most(Whole a) { Half low, high; halves(a, low, high); return Folded<E, SIZE / 2>::most(low > high ? low : high); }
};
template <class E> struct Folded<E, 2 * sizeof(E)> {
  typedef E Whole __attribute__((vector_size(2 * sizeof(E)), may_alias));
  static E sum(Whole a) { return a[0] + a[1]; }
  static E most(Whole a) { return a[0] > a[1] ? a[0] : a[1]; }
};

struct Free { void operator()(void *p) const { std::free(p); } };
template <class T> using Memory = std::unique_ptr<T[], Free>;
template <class T> Memory<T> zeros(int64_t count) {  // may be null
  constexpr size_t WHOLE = 64;  // bytes of the widest vector
  size_t bytes = (size_t(count) * sizeof(T) / WHOLE + 1) * WHOLE;
  void *p = std::aligned_alloc(WHOLE, bytes);
  if (p) std::memset(p, 0, bytes);
  return Memory<T>(static_cast<T *>(p));
}
template <class T> Memory<T> memory(int64_t count) {  // or bad_alloc
  Memory<T> found = zeros<T>(count);
  if (!found) throw std::bad_alloc();
  return found;
}

class Team {  // threads that take what is numbered, one after the other, as they become free
 public:
  explicit Team(int64_t threads) {
    try {
      for (int64_t i = 1; i < threads; i++) others.emplace_back([this] { serve(); });
    } catch (const std::system_error &) {}  // fewer threads do the same
  }
  ~Team() {
    { std::lock_guard<std::mutex> held(lock); turn = -1; }
    begin.notify_all();
    for (auto &each : others) each.join();
  }
  template <class F> void run(int64_t n, const F &f) {
    if (others.empty() || n < 2) { for (int64_t i = 0; i < n; i++) f(i); return; }
    {
      std::lock_guard<std::mutex> held(lock);
      work = std::cref(f); count = n; next = 0; busy = int64_t(others.size()); turn++;
    }
    begin.notify_all();
    share();
    std::unique_lock<std::mutex> held(lock);
    end.wait(held, [this] { return busy == 0; });
  }
 private:
  std::vector<std::thread> others;
  std::mutex lock;
  std::condition_variable begin, end;
  std::function<void(int64_t)> work;
  std::atomic<int64_t> next{0};
  int64_t count = 0, busy = 0, turn = 0;
  void share() { for (int64_t i; (i = next.fetch_add(1)) < count;) work(i); }
  void serve() {
    int64_t seen = 0;
    for (;;) {
      {
        std::unique_lock<std::mutex> held(lock);
        begin.wait(held, [&] { return turn != seen; });
        if (turn < 0) return;
        seen = turn;
      }
      share();
      std::lock_guard<std::mutex> held(lock);
      if (--busy == 0) end.notify_one();
    }
  }
};

constexpr int64_t ROWS = 8;  // that a thread takes at a time

// Each row of a batch by one search, with so many numbers of memory, on a few threads as they become free.
template <class T, class One, class Task> bool each_row(const Task &task, int64_t numbers, int64_t threads) {
  threads = std::max<int64_t>(1, std::min(threads, (task.rows + ROWS - 1) / ROWS));
  const int64_t each = (numbers / One::W + 1) * One::W;
  Memory<T> memory = zeros<T>(threads * each);
  if (!memory) return false;
  std::atomic<int64_t> next{0};
  auto work = [&](int64_t thread) {
    auto one = std::make_unique<One>(task, memory.get() + thread * each);
    for (int64_t from; (from = next.fetch_add(ROWS)) < task.rows;)
      for (int64_t at = from; at < std::min(from + ROWS, task.rows); at++) one->row(at);
  };
  std::vector<std::thread> others;
  try {
    for (int64_t thread = 1; thread < threads; thread++) others.emplace_back(work, thread);
  } catch (const std::system_error &) {}  // fewer threads do the same
  work(0);
  for (auto &other : others) other.join();
  return true;
}

}  // namespace
