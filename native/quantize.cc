// limn::quantize_rows and limn::rescale_rows_, around a product of 8-bit integers. Each row of numbers
// becomes levels from 0 to 255 with a scale and a zero point of its own, from its least and its greatest
// number; after the product the rows take their scales back. A row is read and written while it is in
// the processor's cache.
#include "environment.h"
#include "loop.h"
#include "parallel.h"

#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <tuple>

namespace limn {

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kGrain = 1 << 15;  // numbers for a thread of its own

struct Range {
  float least = 0;
  float greatest = 0;
  float nothing = 0;  // NaN where one of the numbers is not finite
};

// Sixteen numbers at once: compilers do not find the least of many numbers in several lanes themselves.
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

LIMN_LOOP void findRange(const float* x, int64_t count, Range& range) {
  Lanes least = {}, greatest = {}, nothing = {}, value;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    std::memcpy(&value, x + i, sizeof value);
    least = value < least ? value : least;
    greatest = value > greatest ? value : greatest;
    nothing += value * 0.0f;
  }
  for (; i < count; i++) {
    least[0] = std::min(least[0], x[i]);
    greatest[0] = std::max(greatest[0], x[i]);
    nothing[0] += x[i] * 0.0f;
  }
  for (int64_t k = 0; k < kLanes; k++) {
    range.least = std::min<float>(range.least, least[k]);
    range.greatest = std::max<float>(range.greatest, greatest[k]);
    range.nothing += nothing[k];
  }
}

LIMN_LOOP void findLevels(const float* x, int64_t count, float inverse, float shift, uint8_t* levels) {
  for (int64_t i = 0; i < count; i++) {
    float level = x[i] * inverse + shift;
    level = level > 0.0f ? level : 0.0f;
    level = level < 255.0f ? level : 255.0f;
    levels[i] = static_cast<uint8_t>(static_cast<int32_t>(level));
  }
}

LIMN_LOOP void rescale(float* y, int64_t count, float scale, float zero, const float* sums, const float* bias) {
  for (int64_t i = 0; i < count; i++) y[i] = scale * (y[i] - zero * sums[i]) + bias[i];
}

LIMN_LOOP void addTo(float* y, int64_t count, const float* other) {
  for (int64_t i = 0; i < count; i++) y[i] += other[i];
}

int64_t rowsOfGrain(int64_t width) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)); }

void checkFloats(const at::Tensor& x, const char* name) {
  if (!x.device().is_cpu() || x.scalar_type() != at::kFloat || x.requires_grad()) {
    throw std::invalid_argument(std::string("Expected float32 on the CPU without a gradient for ") + name);
  }
}

// x float32 [..., W] -> levels uint8 [..., W], scales and zeros float32 [rows]: x is about
// scale (level - zero) in each row, and 0 is a level of its own
std::tuple<at::Tensor, at::Tensor, at::Tensor> quantizeRows(const at::Tensor& input) {
  checkFloats(input, "x");
  if (input.dim() == 0) throw std::invalid_argument("Expected rows of numbers for x but received a scalar");
  const at::Tensor x = input.contiguous();
  const int64_t width = x.size(-1);
  const int64_t rows = width == 0 ? 0 : x.numel() / width;
  at::Tensor levels = at::empty(x.sizes(), x.options().dtype(at::kByte));
  at::Tensor scales = at::empty({rows}, x.options()), zeros = at::empty({rows}, x.options());
  const float* from = x.data_ptr<float>();
  uint8_t* to = levels.data_ptr<uint8_t>();
  float* scaleOf = scales.data_ptr<float>();
  float* zeroOf = zeros.data_ptr<float>();
  std::atomic<bool> finite{true};
  inParallel(rows, rowsOfGrain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      Range range;
      findRange(from + row * width, width, range);
      if (range.nothing != 0.0f) finite = false;
      const double span = static_cast<double>(range.greatest) - range.least;
      const double scale = span > 1e-30 ? span / 255.0 : 1.0;
      const double zero = std::nearbyint(-range.least / scale);
      scaleOf[row] = static_cast<float>(scale);
      zeroOf[row] = static_cast<float>(zero);
      // A conversion cuts fractions off: half a level more rounds.
      const float inverse = static_cast<float>(1.0 / scale), shift = static_cast<float>(zero + 0.5);
      findLevels(from + row * width, width, inverse, shift, to + row * width);
    }
  });
  if (!finite) throw std::invalid_argument("Expected finite numbers for x");
  return std::make_tuple(levels, scales, zeros);
}

// y float32 [..., O] of levels, in place: scale (y - zero sums) + bias + onto, with the scale and zero of
// each row, and sums [O] of the weights of each output
at::Tensor rescaleRows(
    at::Tensor y, const at::Tensor& scales, const at::Tensor& zeros, const at::Tensor& sums,
    const c10::optional<at::Tensor>& givenBias, const c10::optional<at::Tensor>& givenOnto) {
  checkFloats(y, "y");
  const int64_t width = y.dim() == 0 ? 0 : y.size(-1);
  const int64_t rows = width == 0 ? 0 : y.numel() / width;
  if (!y.is_contiguous()) throw std::invalid_argument("Expected rows side by side for y");
  const at::Tensor bias = (givenBias ? *givenBias : at::zeros({width}, y.options())).contiguous();
  const at::Tensor onto = givenOnto ? givenOnto->contiguous() : at::Tensor();
  const std::tuple<const at::Tensor&, const char*, int64_t> operands[] = {
      {scales, "scales", rows}, {zeros, "zeros", rows}, {sums, "sums", width}, {bias, "bias", width}};
  for (const auto& [operand, name, length] : operands) {
    checkFloats(operand, name);
    if (operand.numel() == length && operand.is_contiguous()) continue;
    throw std::invalid_argument(
        "Expected " + std::to_string(length) + " numbers for " + name + " but received " +
        std::to_string(operand.numel()));
  }
  if (onto.defined()) checkFloats(onto, "onto");
  if (onto.defined() && onto.numel() != y.numel()) {
    throw std::invalid_argument("Expected y's shape for onto");
  }
  float* out = y.data_ptr<float>();
  const float *scaleOf = scales.data_ptr<float>(), *zeroOf = zeros.data_ptr<float>();
  const float *sumOf = sums.data_ptr<float>(), *biasOf = bias.data_ptr<float>();
  const float* other = onto.defined() ? onto.data_ptr<float>() : nullptr;
  inParallel(rows, rowsOfGrain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      rescale(out + row * width, width, scaleOf[row], zeroOf[row], sumOf, biasOf);
      if (other != nullptr) addTo(out + row * width, width, other + row * width);
    }
  });
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(limn, library) {
  library.def("quantize_rows(Tensor x) -> (Tensor levels, Tensor scales, Tensor zeros)");
  library.impl("quantize_rows", c10::DispatchKey::CompositeImplicitAutograd, quantizeRows);
  library.def(
      "rescale_rows_(Tensor(a!) y, Tensor scales, Tensor zeros, Tensor sums, Tensor? bias, Tensor? onto) -> "
      "Tensor(a!)");
  library.impl("rescale_rows_", c10::DispatchKey::CompositeImplicitAutograd, rescaleRows);
}

}  // namespace limn
