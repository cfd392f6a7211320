// Files as memory of tensors. A page of a mapped file that has no bytes behind it any more, because
// the file was cut or its disk fails, ends a process by SIGBUS. Here zeros take its place, and the call
// that met it throws. Knows nothing of what is in the files.
#include "environment.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace limn {

namespace {

// One mapped file. The signal handler walks the list of these at any time, so none is ever freed: one
// that ended is used again. What the handler reads is atomic.
struct Mapping {
  std::atomic<uintptr_t> start{0};  // 0: not in use
  std::atomic<uintptr_t> end{0};
  std::atomic<uintptr_t> lost{0};  // the first address where zeros stand for the file; 0: none
  std::atomic<int> descriptor{-1};
  std::atomic<bool> shared{false};
  const Environment* owner = nullptr;
  std::string path;
  Mapping* next = nullptr;
};

std::atomic<Mapping*> mappings{nullptr};
std::atomic<int> losses{0};  // mappings with `lost` that nobody was told of
std::mutex mappingsLock;     // of those who add and end; never taken by the handler
struct sigaction previousAction;

size_t pageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

Mapping* mappingAt(uintptr_t address) {
  for (Mapping* one = mappings.load(); one; one = one->next) {
    const uintptr_t start = one->start.load();
    if (start != 0 && address >= start && address < one->end.load()) return one;
  }
  return nullptr;
}

// Puts zeros where the file has no bytes: to the end of the mapping where the file was cut, or in one
// page where its disk fails. Only calls that are plain system calls. False where it could not.
bool coverWithZeros(Mapping& mapping, uintptr_t address) {
  const uintptr_t page = address & ~(static_cast<uintptr_t>(pageSize()) - 1);
  struct stat now;
  const bool known = fstat(mapping.descriptor.load(), &now) == 0;
  const bool cut = known && mapping.start.load() + static_cast<uintptr_t>(now.st_size) <= address;
  const size_t bytes = cut ? mapping.end.load() - page : pageSize();
  void* zeros = mmap(reinterpret_cast<void*>(page), bytes, PROT_READ | PROT_WRITE,
                     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (zeros == MAP_FAILED) return false;
  uintptr_t before = mapping.lost.load();
  while (before == 0 || page < before) {
    if (!mapping.lost.compare_exchange_weak(before, page)) continue;
    if (before == 0) losses.fetch_add(1);
    break;
  }
  return true;
}

void onBusError(int number, siginfo_t* info, void* context) {
  const int error = errno;
  const bool fault = info->si_code > 0;  // else another process sent it
  Mapping* mapping = fault ? mappingAt(reinterpret_cast<uintptr_t>(info->si_addr)) : nullptr;
  if (mapping && coverWithZeros(*mapping, reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = error;
    return;
  }
  // No page of ours: as if this handler were not there.
  if (previousAction.sa_flags & SA_SIGINFO) {
    previousAction.sa_sigaction(number, info, context);
  } else if (previousAction.sa_handler != SIG_DFL && previousAction.sa_handler != SIG_IGN) {
    previousAction.sa_handler(number);
  } else {
    sigaction(SIGBUS, &previousAction, nullptr);
    if (!fault) raise(SIGBUS);  // a fault happens again by itself
  }
  errno = error;
}

void catchBusErrors() {
  static std::once_flag once;
  std::call_once(once, [] {
    pageSize();
    struct sigaction action = {};
    action.sa_sigaction = onBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previousAction);
  });
}

Mapping& freeMapping() {
  for (Mapping* one = mappings.load(); one; one = one->next) {
    if (one->start.load() == 0) return *one;
  }
  auto* made = new Mapping();
  made->next = mappings.load();
  mappings.store(made);
  return *made;
}

void forget(Mapping& mapping) {
  if (mapping.lost.exchange(0) != 0) losses.fetch_sub(1);
}

void endMapping(Mapping& mapping) {
  std::lock_guard<std::mutex> lock(mappingsLock);
  void* start = reinterpret_cast<void*>(mapping.start.load());
  munmap(start, mapping.end.load() - mapping.start.load());
  // From here on the addresses may be another's; no access of ours can fault any more.
  mapping.start.store(0);
  forget(mapping);
  close(mapping.descriptor.load());
}

// Ends with the file's descriptor unless it was handed over.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  int release() {
    const int released = number;
    number = -1;
    return released;
  }
};

struct Range {
  uintptr_t start;
  size_t bytes;
};

Mapping* keep(Environment& state, const std::string& path, Descriptor& file, Range range, bool shared) {
  std::lock_guard<std::mutex> lock(mappingsLock);
  Mapping& mapping = freeMapping();
  mapping.owner = &state;
  mapping.path = path;
  mapping.shared.store(shared);
  mapping.descriptor.store(file.release());
  mapping.end.store(range.start + range.bytes);
  mapping.start.store(range.start);
  return &mapping;
}

std::string systemError() { return std::strerror(errno); }

size_t bytesOf(int64_t count, at::ScalarType dtype) {
  if (count < 0) {
    throw std::invalid_argument("Expected a count of at least 0 but received " + std::to_string(count));
  }
  const int64_t size = static_cast<int64_t>(c10::elementSize(dtype));
  if (count > std::numeric_limits<int64_t>::max() / size) {
    throw std::invalid_argument("Expected a count that fits the memory but received " +
                                std::to_string(count));
  }
  return static_cast<size_t>(count * size);
}

// mapFile(path, count, dtype, shared) -> tensor [count] over the file's pages
napi_value mapFile(Environment& state, const Arguments& arguments) {
  const std::string path = readString(state.env, arguments[0], "file");
  const int64_t count = readInt64(state.env, arguments[1], "count");
  const at::ScalarType dtype = readScalarType(state.env, arguments[2], "dtype");
  const bool shared = readBool(state.env, arguments[3], "shared");
  const size_t bytes = bytesOf(count, dtype);
  // Not blocking: opening a pipe would wait for its other end.
  Descriptor file{open(path.c_str(), (shared ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK)};
  struct stat facts;
  if (file.number < 0 || fstat(file.number, &facts) != 0) throw std::runtime_error(systemError());
  if (!S_ISREG(facts.st_mode)) throw std::runtime_error("it is no regular file");
  if (static_cast<uint64_t>(facts.st_size) < bytes) {
    throw std::runtime_error("the file holds " + std::to_string(facts.st_size) + " bytes but " +
                             std::to_string(bytes) + " are wanted");
  }
  if (bytes == 0) return writeTensor(state, at::empty({0}, at::TensorOptions(dtype)));
  catchBusErrors();
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE,
                     file.number, 0);
  if (start == MAP_FAILED) throw std::runtime_error(systemError());
  Mapping* mapping = keep(state, path, file, {reinterpret_cast<uintptr_t>(start), bytes}, shared);
  return writeTensor(state, at::from_blob(start, {count}, [mapping](void*) { endMapping(*mapping); },
                                          at::TensorOptions(dtype)));
}

// Puts the file back where zeros stand, so that the next use is noticed as well.
void mapAgain(Mapping& mapping) {
  const uintptr_t from = mapping.lost.load();
  const uintptr_t start = mapping.start.load();
  mmap(reinterpret_cast<void*>(from), mapping.end.load() - from, PROT_READ | PROT_WRITE,
       MAP_FIXED | (mapping.shared.load() ? MAP_SHARED : MAP_PRIVATE), mapping.descriptor.load(),
       static_cast<off_t>(from - start));
  forget(mapping);
}

// What became of a file, with what to do; empty where it has all its bytes and can be read.
std::string lossOf(const Mapping& mapping) {
  struct stat now = {};
  fstat(mapping.descriptor.load(), &now);
  const size_t bytes = mapping.end.load() - mapping.start.load();
  if (static_cast<uint64_t>(now.st_size) < bytes) {
    return "Expected " + mapping.path + " to keep its first " + std::to_string(bytes) +
           " bytes while it is in use but it was cut to " + std::to_string(now.st_size) +
           "; make or fetch it again, then start again";
  }
  if (mapping.lost.load() == 0) return "";
  return "Expected " + mapping.path + " to be readable while it is in use but its disk gave an error; " +
         "copy it to another disk or make it again, then start again";
}

// Throws a JavaScript error in place of one that is on its way: what failed on zeros failed for this.
void throwLoss(napi_env env, const std::string& path, const std::string& message) {
  bool pending = false;
  napi_value error, code, text, file;
  napi_is_exception_pending(env, &pending);
  if (pending) napi_get_and_clear_last_exception(env, &error);
  napi_create_string_utf8(env, "NATIVE_LOST_FILE", NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, message.data(), message.size(), &text);
  napi_create_string_utf8(env, path.data(), path.size(), &file);
  napi_create_error(env, code, text, &error);
  napi_set_named_property(env, error, "file", file);
  napi_throw(env, error);
}

// checkMapped(tensor): throws where the file under its memory was cut. The rest of the last page is
// zeros that no signal tells of.
napi_value checkMapped(Environment& state, const Arguments& arguments) {
  const at::Tensor& tensor = readTensor(state, arguments[0], "tensor");
  const bool empty = !tensor.has_storage() || tensor.storage().nbytes() == 0;
  std::string path, message;
  if (!empty) {
    std::lock_guard<std::mutex> lock(mappingsLock);
    const Mapping* mapping = mappingAt(reinterpret_cast<uintptr_t>(tensor.storage().data()));
    if (mapping) {
      path = mapping->path;
      message = lossOf(*mapping);
    }
  }
  if (!message.empty()) throwLoss(state.env, path, message);
  return nullptr;
}

}  // namespace

bool throwLostFiles(Environment& state) {
  if (losses.load(std::memory_order_relaxed) == 0) return false;
  std::string path, message;
  {
    std::lock_guard<std::mutex> lock(mappingsLock);
    for (Mapping* one = mappings.load(); one; one = one->next) {
      if (one->owner != &state || one->start.load() == 0 || one->lost.load() == 0) continue;
      path = one->path;
      message = lossOf(*one);
      mapAgain(*one);
    }
  }
  if (!message.empty()) throwLoss(state.env, path, message);
  return !message.empty();
}

std::vector<Export> mappedFileExports() {
  return {{"mapFile", mapFile}, {"checkMapped", checkMapped}};
}

}  // namespace limn
