// A second addon, without libtorch: decoding and resizing of pictures, for the threads that load data. It
// keeps no state, so that any number of threads may call it. What it is given is checked here.
#include <node_api.h>

#include <array>
#include <cstdint>

#include "jpeg.h"
#include "resample.h"

namespace limn::pixels {

namespace {

constexpr size_t MOST_ARGUMENTS = 10;

class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = MOST_ARGUMENTS;
    good_ = napi_get_cb_info(env, info, &count, values_.data(), nullptr, nullptr) == napi_ok;
    count_ = count;
  }

  template <typename T>
  T* array(size_t index, napi_typedarray_type wanted, size_t* length) {
    napi_typedarray_type type{};
    void* data = nullptr;
    *length = 0;
    good_ = good_ && index < count_ &&
            napi_get_typedarray_info(env_, values_[index], &type, length, &data, nullptr, nullptr) == napi_ok &&
            type == wanted;
    return static_cast<T*>(data);
  }

  uint8_t* bytes(size_t index, size_t* length) { return array<uint8_t>(index, napi_uint8_array, length); }

  const int32_t* integers(size_t index, size_t* length) {
    return array<int32_t>(index, napi_int32_array, length);
  }

  uint32_t number(size_t index) {
    double value = -1;
    good_ = good_ && index < count_ && napi_get_value_double(env_, values_[index], &value) == napi_ok &&
            value >= 0 && value < 4294967296.0;
    return good_ ? static_cast<uint32_t>(value) : 0;
  }

  bool good() const { return good_; }

 private:
  napi_env env_;
  std::array<napi_value, MOST_ARGUMENTS> values_{};
  size_t count_ = 0;
  bool good_ = false;
};

napi_value refuse(napi_env env, const char* name) {
  napi_throw_type_error(env, nullptr, name);
  return nullptr;
}

// What both passes take; `side`: the rows of one, the bytes of a row of the other.
struct Pass {
  Part part;
  size_t side;
  Weights weights;
  uint8_t* out;
};

bool readPass(Arguments& arguments, bool rows, Pass* pass) {
  size_t sizes[4] = {};
  pass->part.data = arguments.bytes(0, &pass->part.size);
  pass->part.from = arguments.number(1);
  pass->part.stride = arguments.number(2);
  pass->side = arguments.number(3);
  pass->weights.first = arguments.integers(4, &sizes[0]);
  pass->weights.count = arguments.integers(5, &sizes[1]);
  pass->weights.weight = arguments.integers(6, &sizes[2]);
  pass->weights.taps = static_cast<int>(arguments.number(7) & 0x7fffffff);
  pass->weights.precision = static_cast<int>(arguments.number(8));
  pass->out = arguments.bytes(9, &sizes[3]);
  if (!arguments.good() || pass->side == 0 || sizes[0] == 0) return false;
  const Weights& weights = pass->weights;
  pass->weights.outputs = sizes[0];
  if (sizes[1] != sizes[0] || weights.precision < 1 || weights.precision > 22 || weights.taps < 1) return false;
  if (sizes[2] / static_cast<size_t>(weights.taps) < sizes[0]) return false;
  uint64_t reach = 0;
  for (size_t i = 0; i < sizes[0]; i++) {
    if (weights.first[i] < 0 || weights.count[i] < 1 || weights.count[i] > weights.taps) return false;
    const uint64_t end = static_cast<uint64_t>(weights.first[i]) + static_cast<uint64_t>(weights.count[i]);
    reach = end > reach ? end : reach;
  }
  const Part& part = pass->part;
  const uint64_t lines = rows ? pass->side : reach;
  const uint64_t length = rows ? reach * 3 : pass->side;
  const uint64_t wanted = static_cast<uint64_t>(pass->side) * sizes[0] * (rows ? 3 : 1);
  return part.from + (lines - 1) * part.stride + length <= part.size && wanted <= sizes[3];
}

napi_value resizeRowsOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Pass pass{};
  if (!readPass(arguments, true, &pass)) return refuse(env, "internal: resizeRows");
  resizeRows(pass.part, pass.side, pass.weights, pass.out);
  return nullptr;
}

napi_value resizeColumnsOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Pass pass{};
  if (!readPass(arguments, false, &pass)) return refuse(env, "internal: resizeColumns");
  resizeColumns(pass.part, pass.side, pass.weights, pass.out);
  return nullptr;
}

napi_value writePlanesOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  size_t length = 0;
  size_t room = 0;
  const uint8_t* data = arguments.bytes(0, &length);
  uint8_t* out = arguments.bytes(1, &room);
  if (!arguments.good() || length % 3 != 0 || room < length) return refuse(env, "internal: writePlanes");
  toPlanes(data, length / 3, out);
  return nullptr;
}

napi_value decodeJpegOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  JpegRequest request{};
  size_t room = 0;
  request.bytes = arguments.bytes(0, &request.length);
  request.width = arguments.number(1);
  request.height = arguments.number(2);
  request.denominator = arguments.number(3);
  request.left = arguments.number(4);
  request.top = arguments.number(5);
  request.partWidth = arguments.number(6);
  request.partHeight = arguments.number(7);
  request.out = arguments.bytes(8, &room);
  const uint64_t denominator = request.denominator;
  bool good = arguments.good() && request.partWidth > 0 && request.partHeight > 0;
  good = good && (denominator == 1 || denominator == 2 || denominator == 4 || denominator == 8);
  if (good) {
    const uint64_t right = static_cast<uint64_t>(request.left) + request.partWidth;
    const uint64_t bottom = static_cast<uint64_t>(request.top) + request.partHeight;
    good = right <= (request.width + denominator - 1) / denominator &&
           bottom <= (request.height + denominator - 1) / denominator &&
           static_cast<uint64_t>(request.partWidth) * request.partHeight * 3 <= room;
  }
  if (!good) return refuse(env, "internal: decodeJpeg");
  napi_value result;
  napi_get_boolean(env, decodeJpeg(request), &result);
  return result;
}

napi_value jpegLibraryOf(napi_env env, napi_callback_info) {
  napi_value result;
  const char* name = jpegLibrary();
  if (name == nullptr) napi_get_null(env, &result);
  else napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value initialize(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"resizeRows", nullptr, resizeRowsOf, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"resizeColumns", nullptr, resizeColumnsOf, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"writePlanes", nullptr, writePlanesOf, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"decodeJpeg", nullptr, decodeJpegOf, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"jpegLibrary", nullptr, jpegLibraryOf, nullptr, nullptr, nullptr, napi_default, nullptr},
  };
  napi_define_properties(env, exports, sizeof(properties) / sizeof(properties[0]), properties);
  return exports;
}

}  // namespace

}  // namespace limn::pixels

NAPI_MODULE_INIT() { return limn::pixels::initialize(env, exports); }
