// limn::quantize: numbers as levels from 0 to 255 with one scale and zero point, from the least and the
// greatest of them. Made of libtorch's own operators it reads the numbers six times; this reads them twice.
#include "environment.h"
#include "loop.h"

#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>
#include <vector>

namespace limn {

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kGrain = 1 << 16;  // numbers for a thread of its own

struct Range {
  float least = 0;
  float greatest = 0;
  float nothing = 0;  // NaN where one of the numbers is not finite
};

LIMN_LOOP void findRange(const float* x, int64_t count, Range& range) {
  float least[kLanes] = {}, greatest[kLanes] = {}, nothing[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t k = 0; k < kLanes; k++) {
      const float value = x[i + k];
      least[k] = value < least[k] ? value : least[k];
      greatest[k] = value > greatest[k] ? value : greatest[k];
      nothing[k] += value * 0.0f;
    }
  }
  for (; i < count; i++) {
    least[0] = std::min(least[0], x[i]);
    greatest[0] = std::max(greatest[0], x[i]);
    nothing[0] += x[i] * 0.0f;
  }
  for (int64_t k = 0; k < kLanes; k++) {
    range.least = std::min(range.least, least[k]);
    range.greatest = std::max(range.greatest, greatest[k]);
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

// x float32 -> levels uint8 of its shape, with x about scale (level - zero); 0 is a level of its own
std::tuple<at::Tensor, double, int64_t> quantize(const at::Tensor& input) {
  if (!input.device().is_cpu() || input.scalar_type() != at::kFloat || input.requires_grad()) {
    throw std::invalid_argument("Expected float32 on the CPU without a gradient for x");
  }
  const at::Tensor x = input.contiguous();
  const float* from = x.data_ptr<float>();
  const int64_t count = x.numel();
  std::vector<Range> ranges(static_cast<size_t>((count + kGrain - 1) / kGrain));
  at::parallel_for(0, static_cast<int64_t>(ranges.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t at = i * kGrain;
      findRange(from + at, std::min(kGrain, count - at), ranges[static_cast<size_t>(i)]);
    }
  });
  Range whole;
  for (const Range& range : ranges) {
    whole.least = std::min(whole.least, range.least);
    whole.greatest = std::max(whole.greatest, range.greatest);
    whole.nothing += range.nothing;
  }
  if (whole.nothing != 0.0f) throw std::invalid_argument("Expected finite numbers for x");
  const double span = static_cast<double>(whole.greatest) - whole.least;
  const double scale = span > 1e-30 ? span / 255.0 : 1.0;
  const int64_t zero = std::lround(-whole.least / scale);
  at::Tensor levels = at::empty(x.sizes(), x.options().dtype(at::kByte));
  uint8_t* to = levels.data_ptr<uint8_t>();
  const float inverse = static_cast<float>(1.0 / scale);
  // A conversion cuts fractions off: half a level more rounds.
  const float shift = static_cast<float>(zero) + 0.5f;
  at::parallel_for(0, count, kGrain, [&](int64_t begin, int64_t end) {
    findLevels(from + begin, end - begin, inverse, shift, to + begin);
  });
  return std::make_tuple(levels, scale, zero);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(limn, library) {
  library.def("quantize(Tensor x) -> (Tensor levels, float scale, int zero)");
  library.impl("quantize", c10::DispatchKey::CompositeImplicitAutograd, quantize);
}

}  // namespace limn
