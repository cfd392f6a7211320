// Random state, threads, devices, memory figures and signals: what is not an operator.
#include "environment.h"

#include <ATen/Parallel.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/api/include/torch/version.h>

#include <csignal>
#include <unordered_set>

#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace limn {

namespace {

const at::Generator& generator(napi_env env, napi_value device) {
  return at::globalContext().defaultGenerator(readDevice(env, device, "device"));
}

// seed(device, seed): restarts the device's default generator
napi_value seed(Environment& state, const Arguments& arguments) {
  at::Generator random = generator(state.env, arguments[0]);
  std::lock_guard<std::mutex> lock(random.mutex());
  random.set_current_seed(static_cast<uint64_t>(readInt64(state.env, arguments[1], "seed")));
  return nullptr;
}

// randomState(device) -> uint8 tensor [bytes]
napi_value randomState(Environment& state, const Arguments& arguments) {
  at::Generator random = generator(state.env, arguments[0]);
  std::lock_guard<std::mutex> lock(random.mutex());
  return writeTensor(state, random.get_state());
}

// setRandomState(device, uint8 tensor)
napi_value setRandomState(Environment& state, const Arguments& arguments) {
  at::Generator random = generator(state.env, arguments[0]);
  std::lock_guard<std::mutex> lock(random.mutex());
  random.set_state(readTensor(state, arguments[1], "state"));
  return nullptr;
}

napi_value threadCount(Environment& state, const Arguments&) {
  return writeInt(state.env, at::get_num_threads());
}

// setThreadCount(n): threads inside one operator; OpenMP keeps this figure per host thread
napi_value setThreadCount(Environment& state, const Arguments& arguments) {
  at::set_num_threads(readInt32(state.env, arguments[0], "threads"));
  return nullptr;
}

int64_t deviceCountOf(c10::DeviceType type) {
  if (!c10::impl::hasDeviceGuardImpl(type)) return 0;
  return c10::impl::getDeviceGuardImpl(type)->deviceCount();
}

// deviceCount(kind: "cuda" | "mps" | ...) -> how many this libtorch can use here
napi_value deviceCount(Environment& state, const Arguments& arguments) {
  const c10::Device device(readString(state.env, arguments[0], "kind"));
  return writeInt(state.env, deviceCountOf(device.type()));
}

napi_value libtorchVersion(Environment& state, const Arguments&) {
  return writeString(state.env, std::to_string(TORCH_VERSION_MAJOR) + "." +
                                    std::to_string(TORCH_VERSION_MINOR) + "." +
                                    std::to_string(TORCH_VERSION_PATCH));
}

napi_value libtorchConfig(Environment& state, const Arguments&) {
  return writeString(state.env, at::show_config() + "\n" + at::get_parallel_info());
}

// memory() -> [live handles, bytes of the distinct storages under them]
napi_value memory(Environment& state, const Arguments&) {
  std::unordered_set<const void*> seen;
  int64_t bytes = 0;
  for (const at::Tensor& tensor : state.slots) {
    if (!tensor.defined() || !tensor.has_storage()) continue;
    const auto* storage = tensor.storage().unsafeGetStorageImpl();
    if (seen.insert(storage).second) bytes += static_cast<int64_t>(tensor.storage().nbytes());
  }
  state.reportMemory(true);
  napi_value result;
  napi_create_array_with_length(state.env, 2, &result);
  napi_set_element(state.env, result, 0, writeInt(state.env, state.live));
  napi_set_element(state.env, result, 1, writeInt(state.env, bytes));
  return result;
}

// keepFreedMemory() -> whether this C library can: what is freed stays with the process and serves the
// next allocation. Else blocks go back to the system and come again, page by page, zeroed, in each step.
napi_value keepFreedMemory(Environment& state, const Arguments&) {
#ifdef __GLIBC__
  const int most = 1 << 30;
  const bool kept = mallopt(M_MMAP_THRESHOLD, most) != 0 && mallopt(M_TRIM_THRESHOLD, 2147483647) != 0;
  return writeBool(state.env, kept);
#else
  return writeBool(state.env, false);
#endif
}

// A long native call keeps the event loop from seeing signals, so the handler lives here: the first
// signal is only remembered, the second leaves at once. Both calls below are async-signal-safe.
volatile std::sig_atomic_t pendingSignal = 0;

void onSignal(int number) {
  if (pendingSignal != 0) _exit(128 + number);
  pendingSignal = number;
}

// catchSignals(on): SIGINT and SIGTERM are remembered instead of ending the process
napi_value catchSignals(Environment& state, const Arguments& arguments) {
  const bool on = readBool(state.env, arguments[0], "on");
  static struct sigaction previous[2];
  static bool caught = false;
  if (on == caught) return nullptr;
  const int numbers[] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (on) sigaction(numbers[i], &action, &previous[i]);
    else sigaction(numbers[i], &previous[i], nullptr);
  }
  caught = on;
  pendingSignal = 0;
  return nullptr;
}

// pendingSignalNumber() -> 0, or the number of the signal that asked to stop
napi_value pendingSignalNumber(Environment& state, const Arguments&) {
  return writeInt(state.env, pendingSignal);
}

}  // namespace

std::vector<Export> runtimeExports() {
  return {{"seed", seed},
          {"randomState", randomState},
          {"setRandomState", setRandomState},
          {"threadCount", threadCount},
          {"setThreadCount", setThreadCount},
          {"deviceCount", deviceCount},
          {"libtorchVersion", libtorchVersion},
          {"libtorchConfig", libtorchConfig},
          {"memory", memory},
          {"keepFreedMemory", keepFreedMemory},
          {"catchSignals", catchSignals},
          {"pendingSignalNumber", pendingSignalNumber}};
}

}  // namespace limn
