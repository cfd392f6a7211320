// Where the threads of the autograd engine meet the JavaScript thread. JavaScript may run on its own
// thread only, but the engine calls the nodes of a GPU from threads of its own: while a backward pass
// runs elsewhere, the JavaScript thread serves this queue.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace limn {

class Desk {
 public:
  using Job = std::function<void()>;

  // Called from an engine thread: runs `job` on the JavaScript thread, under the caller's modes
  // (gradients off, autocast), and waits for it.
  void ask(const Job& job) {
    const at::ThreadLocalState modes;
    std::unique_lock<std::mutex> lock(mutex_);
    if (serving_ == 0) {
      throw std::runtime_error("internal: no JavaScript thread serves this backward pass");
    }
    bool done = false;
    std::exception_ptr failure;
    jobs_.push_back([&] {
      failure = attempt(modes, job);
      std::lock_guard<std::mutex> inner(mutex_);
      done = true;
      changed_.notify_all();
    });
    changed_.notify_all();
    changed_.wait(lock, [&] { return done; });
    lock.unlock();
    if (failure) std::rethrow_exception(failure);
  }

  // Called from the JavaScript thread: runs `work` on a thread of its own and serves jobs meanwhile.
  // A job may start a pass of its own, so this nests.
  void serve(const Job& work) {
    std::exception_ptr failure;
    bool done = false;
    const at::ThreadLocalState modes;
    const int threads = at::get_num_threads();
    // The lock is held until this thread serves: no job can be filed before.
    std::unique_lock<std::mutex> lock(mutex_);
    std::thread worker([&] {
      at::set_num_threads(threads);  // OpenMP keeps this figure per thread
      failure = attempt(modes, work);
      std::lock_guard<std::mutex> inner(mutex_);
      done = true;
      changed_.notify_all();
    });
    {
      // After the start: a thread that cannot start must leave nothing behind.
      const Serving serving(serving_);
      while (!done) {
        changed_.wait(lock, [&] { return done || !jobs_.empty(); });
        while (!jobs_.empty()) {
          const Job job = std::move(jobs_.front());
          jobs_.pop_front();
          lock.unlock();
          job();
          lock.lock();
        }
      }
    }
    lock.unlock();
    worker.join();
    if (failure) std::rethrow_exception(failure);
  }

 private:
  // Counts a thread that serves, for as long as it does.
  struct Serving {
    int& count;
    explicit Serving(int& counter) : count(counter) { count++; }
    ~Serving() { count--; }
  };

  static std::exception_ptr attempt(const at::ThreadLocalState& modes, const Job& work) {
    const at::ThreadLocalStateGuard guard(modes);
    try {
      work();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  int serving_ = 0;
};

}  // namespace limn
