// Handles, memory accounting and the reading and writing of JavaScript values.
#include "environment.h"

#include <stdexcept>

namespace limn {

namespace {
// V8 is told about native bytes in steps, since each telling costs more than a small operator.
constexpr int64_t kReportStep = 4 << 20;

// An estimate of the memory that a handle keeps, for the collector's sense of urgency: on the CPU only,
// and of a storage's only handle. The owner's release takes all of it off, though a view may keep the
// storage longer.
int64_t ownedBytes(const at::Tensor& tensor) {
  if (!tensor.has_storage() || !tensor.device().is_cpu()) return 0;
  const auto& storage = tensor.storage();
  return storage.use_count() <= 1 ? static_cast<int64_t>(storage.nbytes()) : 0;
}
}  // namespace

int32_t Environment::add(at::Tensor tensor) {
  live++;
  if (freeSlots.empty()) {
    slots.push_back(std::move(tensor));
    slotBytes.push_back(0);
    return static_cast<int32_t>(slots.size()) - 1;
  }
  const int32_t id = freeSlots.back();
  freeSlots.pop_back();
  slots[id] = std::move(tensor);
  return id;
}

// Only what the collector frees counts: were it told of a step's activations, which a scope frees, it
// would mark the whole heap several times a step.
void Environment::watch(int32_t id) {
  const int64_t bytes = ownedBytes(at(id)) - slotBytes[id];
  slotBytes[id] += bytes;
  unreportedBytes += bytes;
  reportMemory(false);
}

const at::Tensor& Environment::at(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= slots.size() || !slots[id].defined()) {
    throw std::runtime_error("internal: tensor handle " + std::to_string(id) +
                             " is not alive in this environment");
  }
  return slots[id];
}

void Environment::release(int32_t id) {
  at(id);
  at::Tensor dying = std::move(slots[id]);
  slots[id] = at::Tensor();
  unreportedBytes -= slotBytes[id];
  slotBytes[id] = 0;
  freeSlots.push_back(id);
  live--;
  reportMemory(false);
}

void Environment::reportMemory(bool now) {
  if (!now && unreportedBytes < kReportStep && unreportedBytes > -kReportStep) return;
  int64_t total = 0;
  napi_adjust_external_memory(env, unreportedBytes, &total);
  unreportedBytes = 0;
}

void Environment::freeDeadReferences() {
  std::vector<napi_ref> dead;
  {
    std::lock_guard<std::mutex> lock(deadReferencesLock);
    dead.swap(deadReferences);
  }
  for (napi_ref reference : dead) napi_delete_reference(env, reference);
}

void check(napi_env env, napi_status status, const char* what) {
  if (status == napi_ok) return;
  // Asked first: every other call replaces it.
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  const std::string detail = info && info->error_message ? info->error_message
                                                         : "status " + std::to_string(status);
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending || status == napi_pending_exception) throw PendingException();
  throw std::invalid_argument(std::string(what) + ": " + detail);
}

Arguments::Arguments(napi_env environment, napi_callback_info info) : env(environment), count(kMostArguments) {
  check(env, napi_get_cb_info(env, info, &count, values, nullptr, &data), "reading arguments");
  if (count > kMostArguments) {
    throw std::invalid_argument("more than " + std::to_string(kMostArguments) + " arguments");
  }
}

napi_value Arguments::operator[](size_t i) const {
  if (i >= count) throw std::invalid_argument("missing argument " + std::to_string(i));
  return values[i];
}

bool Arguments::isNullish(napi_value value) const {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

namespace {

// How an error shows a value.
std::string describe(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_object) {
    bool array = false;
    napi_is_array(env, value, &array);
    return array ? "an array" : "an object";
  }
  if (type == napi_function) return "a function";
  napi_value text;
  size_t length = 0;
  if (type == napi_symbol || napi_coerce_to_string(env, value, &text) != napi_ok) return "a symbol";
  char buffer[64];
  napi_get_value_string_utf8(env, text, buffer, sizeof buffer, &length);
  const std::string shown(buffer, length);
  return type == napi_string ? "\"" + shown + "\"" : shown;
}

// The number as an integer from -most to most; false where it is none. `most` is at most 2^53 - 1,
// above which doubles skip integers. Node-API's own conversions would cut fractions and read NaN as 0.
bool getInteger(napi_env env, napi_value value, double most, int64_t& result) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= -most && number <= most)) return false;  // NaN too
  result = static_cast<int64_t>(number);
  return static_cast<double>(result) == number;
}

constexpr double kMostInt32 = 2147483647;
constexpr double kMostExact = 9007199254740991;

template <typename Read>
auto readList(napi_env env, napi_value value, const char* name, Read&& read) {
  const uint32_t length = readLength(env, value, name);
  std::vector<decltype(read(value))> result;
  result.reserve(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element), "reading an array");
    result.push_back(read(element));
  }
  return result;
}

}  // namespace

void refuse(napi_env env, napi_value value, const char* wanted, const char* name) {
  throw std::invalid_argument(std::string("Expected ") + wanted + " for " + name +
                              " but received " + describe(env, value));
}

int32_t readInt32(napi_env env, napi_value value, const char* name) {
  int64_t result = 0;
  if (!getInteger(env, value, kMostInt32, result)) refuse(env, value, "a 32-bit integer", name);
  return static_cast<int32_t>(result);
}

int64_t readInt64(napi_env env, napi_value value, const char* name) {
  int64_t result = 0;
  if (getInteger(env, value, kMostExact, result)) return result;
  bool lossless = false;
  if (napi_get_value_bigint_int64(env, value, &result, &lossless) == napi_ok && lossless) return result;
  refuse(env, value, "an integer", name);
}

double readDouble(napi_env env, napi_value value, const char* name) {
  double result = 0;
  if (napi_get_value_double(env, value, &result) != napi_ok) refuse(env, value, "a number", name);
  return result;
}

bool readBool(napi_env env, napi_value value, const char* name) {
  bool result = false;
  if (napi_get_value_bool(env, value, &result) != napi_ok) refuse(env, value, "a boolean", name);
  return result;
}

std::string readString(napi_env env, napi_value value, const char* name) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    refuse(env, value, "a string", name);
  }
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, &result[0], length + 1, &length);
  return result;
}

c10::Device readDevice(napi_env env, napi_value value, const char* name) {
  return c10::Device(readString(env, value, name));
}

at::ScalarType readScalarType(napi_env env, napi_value value, const char* name) {
  const int32_t code = readInt32(env, value, name);
  if (code < 0 || code >= static_cast<int32_t>(at::ScalarType::NumOptions)) {
    refuse(env, value, "the code of an element type", name);
  }
  return static_cast<at::ScalarType>(code);
}

bool getHandle(napi_env env, napi_value value, int64_t& handle) {
  return getInteger(env, value, kMostInt32, handle);
}

const at::Tensor& readTensor(Environment& state, napi_value value, const char* name) {
  int64_t handle = 0;
  if (!getHandle(state.env, value, handle)) refuse(state.env, value, "a tensor", name);
  return state.at(static_cast<int32_t>(handle));
}

uint32_t readLength(napi_env env, napi_value array, const char* name) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok) refuse(env, array, "an array", name);
  return length;
}

std::vector<int64_t> readIntList(napi_env env, napi_value value, const char* name) {
  return readList(env, value, name, [&](napi_value item) { return readInt64(env, item, name); });
}

std::vector<at::Tensor> readTensorList(Environment& state, napi_value value, const char* name,
                                       bool allowNull) {
  return readList(state.env, value, name, [&](napi_value element) -> at::Tensor {
    napi_valuetype type;
    napi_typeof(state.env, element, &type);
    if (allowNull && (type == napi_null || type == napi_undefined)) return at::Tensor();
    return readTensor(state, element, name);
  });
}

napi_value writeInt(napi_env env, int64_t value) {
  napi_value result;
  check(env, napi_create_int64(env, value, &result), "writing an integer");
  return result;
}

napi_value writeDouble(napi_env env, double value) {
  napi_value result;
  check(env, napi_create_double(env, value, &result), "writing a number");
  return result;
}

napi_value writeBool(napi_env env, bool value) {
  napi_value result;
  check(env, napi_get_boolean(env, value, &result), "writing a boolean");
  return result;
}

napi_value writeString(napi_env env, const std::string& value) {
  napi_value result;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result), "writing a string");
  return result;
}

napi_value writeNull(napi_env env) {
  napi_value result;
  check(env, napi_get_null(env, &result), "writing null");
  return result;
}

napi_value writeTensor(Environment& state, at::Tensor tensor) {
  if (!tensor.defined()) return writeNull(state.env);
  napi_value result;
  const int32_t id = state.add(std::move(tensor));
  check(state.env, napi_create_int32(state.env, id, &result), "writing a tensor");
  return result;
}

napi_value writeTensorList(Environment& state, at::ArrayRef<at::Tensor> tensors) {
  napi_value result;
  check(state.env, napi_create_array_with_length(state.env, tensors.size(), &result), "writing a list");
  for (size_t i = 0; i < tensors.size(); i++) {
    napi_set_element(state.env, result, i, writeTensor(state, tensors[i]));
  }
  return result;
}

}  // namespace limn
