// What every file of the addon shares: the state of one JavaScript environment and the guards at
// its boundary. Nothing here knows an operator or a model.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <node_api.h>

#include "desk.h"

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace limn {

// How one argument of an operator's schema is read from JavaScript.
enum class Kind : uint8_t {
  kTensor, kTensorList, kOptionalTensorList, kScalar, kScalarList, kOptionalScalarList, kInt, kIntList,
  kFloat, kFloatList, kBool, kBoolList, kString, kDevice, kAbsent
};

struct Argument {
  Kind kind;
  bool optional;
  std::string name;
  c10::optional<c10::IValue> fallback;
  int32_t length;  // of a list that the schema fixes, int[2]; else 0
};

class Operands;
// Throws where operands would end the process.
using Guard = void (*)(const Operands& operands);

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Argument> arguments;
  Guard guard;
};

// The operands by the names of the schema.
class Operands {
 public:
  Operands(const Operator& op, const torch::jit::Stack& stack) : op_(op), stack_(stack) {}

  const c10::IValue& operator[](const char* name) const {
    for (size_t i = 0; i < op_.arguments.size(); i++) {
      if (op_.arguments[i].name == name) return stack_[i];
    }
    static const c10::IValue none;
    return none;
  }

  const std::string& op() const { return op_.handle.operator_name().name; }

  // An undefined tensor where it was left out, or where this libtorch has no such argument.
  at::Tensor tensor(const char* name) const {
    const c10::IValue& value = (*this)[name];
    return value.isTensor() ? value.toTensor() : at::Tensor();
  }

 private:
  const Operator& op_;
  const torch::jit::Stack& stack_;
};

// The guard of an operator, null for those that check their operands themselves.
Guard guardOf(const std::string& name, const std::string& overload);
void checkOperands(const Operator& op, const torch::jit::Stack& stack);

// The state of one environment (the main thread or a worker). Handles are indices into `slots`.
struct Environment {
  napi_env env = nullptr;
  std::thread::id thread;
  std::vector<at::Tensor> slots;
  std::vector<int64_t> slotBytes;  // what V8 was or will be told of each slot
  std::vector<int32_t> freeSlots;
  std::vector<Operator> operators;
  std::vector<torch::jit::Stack> spareStacks;  // emptied, to be filled again
  const double* words = nullptr;  // of the next call; JavaScript writes them
  int64_t live = 0;
  int64_t unreportedBytes = 0;  // bytes held or freed since V8 was last told
  Desk desk;
  std::mutex deadReferencesLock;
  std::vector<napi_ref> deadReferences;  // of backward functions, freed on the JavaScript thread

  // Tensors go first: a graph that dies with them still files its references above.
  ~Environment() { slots.clear(); }

  int32_t add(at::Tensor tensor);
  // The collector looks after this handle from now on, and is told what hangs on it.
  void watch(int32_t id);
  const at::Tensor& at(int32_t id) const;
  void release(int32_t id);
  void reportMemory(bool now);
  void freeDeadReferences();
};

// A JavaScript exception is already pending: unwind to the boundary and leave it be.
struct PendingException : std::exception {
  const char* what() const noexcept override { return "a JavaScript exception is pending"; }
};

void check(napi_env env, napi_status status, const char* what);

// Runs `body`; any C++ exception becomes a JavaScript Error with `code` NATIVE and libtorch's text.
template <typename Body>
napi_value guarded(napi_env env, Body&& body) {
  std::string message;
  try {
    return body();
  } catch (const PendingException&) {
    return nullptr;
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
    message = "unknown C++ exception";
  }
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, "NATIVE", message.c_str());
  return nullptr;
}

// The handles that are made while it lives end with it, also when an exception passes.
class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) {
    check(env, napi_open_handle_scope(env, &scope_), "opening a scope");
  }
  ~HandleScope() { napi_close_handle_scope(env_, scope_); }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

constexpr size_t kMostArguments = 32;

struct Arguments {
  napi_env env;
  size_t count;
  void* data;  // what the function was made with
  napi_value values[kMostArguments];
  Arguments(napi_env environment, napi_callback_info info);
  napi_value operator[](size_t i) const;
  bool has(size_t i) const { return i < count && !isNullish(values[i]); }
  bool isNullish(napi_value value) const;
};

// Reading JavaScript values. What is of another type, or an integer that is not exact or out of range,
// throws: "Expected an integer for <name> but received NaN".
[[noreturn]] void refuse(napi_env env, napi_value value, const char* wanted, const char* name);
int32_t readInt32(napi_env env, napi_value value, const char* name);
int64_t readInt64(napi_env env, napi_value value, const char* name);
double readDouble(napi_env env, napi_value value, const char* name);
bool readBool(napi_env env, napi_value value, const char* name);
std::string readString(napi_env env, napi_value value, const char* name);
c10::Device readDevice(napi_env env, napi_value value, const char* name);
at::ScalarType readScalarType(napi_env env, napi_value value, const char* name);
const at::Tensor& readTensor(Environment& state, napi_value value, const char* name);
// A handle without a word about what it would be otherwise: false where it is none.
bool getHandle(napi_env env, napi_value value, int64_t& handle);
uint32_t readLength(napi_env env, napi_value array, const char* name);
std::vector<int64_t> readIntList(napi_env env, napi_value value, const char* name);
std::vector<at::Tensor> readTensorList(Environment& state, napi_value value, const char* name,
                                       bool allowNull = false);

napi_value writeInt(napi_env env, int64_t value);
napi_value writeDouble(napi_env env, double value);
napi_value writeBool(napi_env env, bool value);
napi_value writeString(napi_env env, const std::string& value);
napi_value writeNull(napi_env env);
napi_value writeTensor(Environment& state, at::Tensor tensor);
napi_value writeTensorList(Environment& state, at::ArrayRef<at::Tensor> tensors);

// One function of the addon: its JavaScript name and what it runs.
using Method = napi_value (*)(Environment& state, const Arguments& arguments);
struct Export {
  const char* name;
  Method method;
};

// True with a JavaScript exception where a call met a mapped file that was cut. The addon asks after
// every call, and before it makes handles of results.
bool throwLostFiles(Environment& state);

// The functions of each file; addon.cc joins them into the one list of exports.
std::vector<Export> dispatcherExports();
std::vector<Export> tensorExports();
std::vector<Export> autogradExports();
std::vector<Export> mappedFileExports();
std::vector<Export> runtimeExports();

}  // namespace limn
