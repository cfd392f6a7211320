// Tensors from and to typed arrays, and what a tensor knows of itself.
#include "environment.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <unistd.h>

namespace limn {

namespace {

struct Bytes {
  void* data;
  size_t size;
};

// The bytes under a typed array, on an ArrayBuffer or a SharedArrayBuffer.
Bytes readBytes(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) {
    refuse(env, value, "a typed array", "data");
  }
  static const size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2};
  if (static_cast<size_t>(type) >= sizeof sizes / sizeof sizes[0]) {
    refuse(env, value, "a typed array of a known kind", "data");
  }
  return {data, length * sizes[type]};
}

// tensorFromData(typedArray, dtype, shape) -> tensor on the CPU; the data is copied
napi_value tensorFromData(Environment& state, const Arguments& arguments) {
  const Bytes bytes = readBytes(state.env, arguments[0]);
  const at::ScalarType dtype = readScalarType(state.env, arguments[1], "dtype");
  at::Tensor tensor =
      at::empty(readIntList(state.env, arguments[2], "shape"), at::TensorOptions(dtype));
  if (tensor.nbytes() != bytes.size) {
    throw std::invalid_argument("the shape needs " + std::to_string(tensor.nbytes()) +
                                " bytes but the array holds " + std::to_string(bytes.size));
  }
  if (bytes.size > 0) std::memcpy(tensor.data_ptr(), bytes.data, bytes.size);
  return writeTensor(state, std::move(tensor));
}

// tensorToData(tensor, typedArray): copies the elements, row-major, into the array
napi_value tensorToData(Environment& state, const Arguments& arguments) {
  const at::Tensor tensor =
      readTensor(state, arguments[0], "tensor").detach().to(at::kCPU).contiguous().resolve_conj();
  const Bytes bytes = readBytes(state.env, arguments[1]);
  if (tensor.nbytes() != bytes.size) {
    throw std::invalid_argument("the tensor holds " + std::to_string(tensor.nbytes()) +
                                " bytes but the array " + std::to_string(bytes.size));
  }
  if (bytes.size > 0) std::memcpy(bytes.data, tensor.data_ptr(), bytes.size);
  return writeNull(state.env);
}

// readFile(tensor, descriptor, position): fills a contiguous CPU tensor with the bytes of a file
napi_value readFile(Environment& state, const Arguments& arguments) {
  const at::Tensor& tensor = readTensor(state, arguments[0], "tensor");
  if (!tensor.device().is_cpu() || !tensor.is_contiguous()) {
    throw std::invalid_argument("expected a contiguous tensor on the CPU");
  }
  const int descriptor = readInt32(state.env, arguments[1], "descriptor");
  const int64_t position = readInt64(state.env, arguments[2], "position");
  char* data = static_cast<char*>(tensor.data_ptr());
  const size_t size = tensor.nbytes();
  // One read takes at most 2 GiB.
  const size_t most = size_t{1} << 30;
  for (size_t at = 0; at < size;) {
    const off_t place = static_cast<off_t>(position + static_cast<int64_t>(at));
    const ssize_t count = pread(descriptor, data + at, std::min(most, size - at), place);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw std::runtime_error(std::strerror(errno));
    if (count == 0) throw std::runtime_error("the file ends at byte " + std::to_string(place));
    at += static_cast<size_t>(count);
  }
  // A graph that saved the old content must notice.
  if (!tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
  return writeNull(state.env);
}

// tensorInfo(tensor) -> [dtype, device, requiresGrad, isLeaf, ...shape]
napi_value tensorInfo(Environment& state, const Arguments& arguments) {
  const at::Tensor& tensor = readTensor(state, arguments[0], "tensor");
  napi_value result;
  const auto sizes = tensor.sizes();
  napi_create_array_with_length(state.env, sizes.size() + 4, &result);
  napi_set_element(state.env, result, 0,
                   writeInt(state.env, static_cast<int64_t>(tensor.scalar_type())));
  napi_set_element(state.env, result, 1, writeString(state.env, tensor.device().str()));
  napi_set_element(state.env, result, 2, writeBool(state.env, tensor.requires_grad()));
  napi_set_element(state.env, result, 3, writeBool(state.env, tensor.is_leaf()));
  for (size_t i = 0; i < sizes.size(); i++) {
    napi_set_element(state.env, result, i + 4, writeInt(state.env, sizes[i]));
  }
  return result;
}

// tensorItem(tensor of one element) -> number or boolean
napi_value tensorItem(Environment& state, const Arguments& arguments) {
  const at::Scalar value = readTensor(state, arguments[0], "tensor").item();
  if (value.isBoolean()) return writeBool(state.env, value.toBool());
  if (value.isIntegral(false)) return writeInt(state.env, value.toLong());
  return writeDouble(state.env, value.toDouble());
}

// releaseTensor(tensor): the handle ends; the memory goes when nothing else holds it
napi_value releaseTensor(Environment& state, const Arguments& arguments) {
  state.release(readInt32(state.env, arguments[0], "tensor"));
  return nullptr;
}

// releaseTensors(int32 array, count): the first `count` handles of it end
napi_value releaseTensors(Environment& state, const Arguments& arguments) {
  const Bytes bytes = readBytes(state.env, arguments[0]);
  const int32_t count = readInt32(state.env, arguments[1], "count");
  if (count < 0 || static_cast<size_t>(count) > bytes.size / sizeof(int32_t)) {
    throw std::invalid_argument("count is at most the length of the array");
  }
  const int32_t* handles = static_cast<const int32_t*>(bytes.data);
  for (int32_t i = 0; i < count; i++) state.release(handles[i]);
  return nullptr;
}

// watchTensor(tensor): the collector will free it, and is told of its memory
napi_value watchTensor(Environment& state, const Arguments& arguments) {
  state.watch(readInt32(state.env, arguments[0], "tensor"));
  return nullptr;
}

// setData(tensor, source): the tensor takes over the source's memory, dtype and device
napi_value setData(Environment& state, const Arguments& arguments) {
  readTensor(state, arguments[0], "tensor").set_data(readTensor(state, arguments[1], "source"));
  return nullptr;
}

}  // namespace

std::vector<Export> tensorExports() {
  return {{"tensorFromData", tensorFromData}, {"tensorToData", tensorToData},
          {"tensorInfo", tensorInfo},         {"tensorItem", tensorItem},
          {"releaseTensor", releaseTensor},   {"setData", setData},
          {"readFile", readFile},
          {"releaseTensors", releaseTensors}, {"watchTensor", watchTensor}};
}

}  // namespace limn
