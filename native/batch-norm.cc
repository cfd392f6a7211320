// limn::batch_norm: batch normalisation in training, with the ReLU behind it, of pictures whose channels
// lie side by side. libtorch's own reads such pictures five times and the ReLU twice more; this one reads
// them twice forward and twice backward. It is an operator like libtorch's, and differentiable.
#include "environment.h"
#include "loop.h"
#include "parallel.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>
#include <tuple>

namespace limn {

namespace {

using torch::autograd::variable_list;

constexpr int64_t kLanes = 64;         // the least length of a period
constexpr int64_t kBlock = 1 << 14;    // elements, about, whose sums are made in float32
constexpr int64_t kMostChannels = 1 << 16;

using Half = uint16_t;  // the bits of a bfloat16

inline float widen(float value) { return value; }
inline float widen(Half bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

template <typename T>
T narrow(float value);
template <>
inline float narrow<float>(float value) { return value; }
template <>
inline Half narrow<Half>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;  // to the nearest, ties to even
  return static_cast<Half>(value == value ? rounded : 0x7fc0u);
}

// Values of the channels, repeated to a length that the loops like: `period` is a multiple of both.
struct Period {
  int64_t channels;
  int64_t length;

  explicit Period(int64_t count) : channels(count), length(count) {
    while (length % 16 != 0 || length < kLanes) length += channels;
  }

  std::vector<float> repeat(const float* values) const {
    std::vector<float> result(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; i++) result[i] = values[i % channels];
    return result;
  }
};

// The sums of (x - pivot) and of its square over `count` elements, which begin with channel 0.
template <typename T>
LIMN_LOOP void sumBlock(const T* __restrict__ x, int64_t count, const float* __restrict__ pivot, int64_t length, float* __restrict__ sum,
                        float* __restrict__ squares) {
  int64_t at = 0;
  for (; at + length <= count; at += length) {
    for (int64_t i = 0; i < length; i++) {
      const float value = widen(x[at + i]) - pivot[i];
      sum[i] += value;
      squares[i] += value * value;
    }
  }
  for (int64_t i = 0; at + i < count; i++) {
    const float value = widen(x[at + i]) - pivot[i];
    sum[i] += value;
    squares[i] += value * value;
  }
}

template <typename T, bool relu>
LIMN_LOOP void normalizeBlock(const T* __restrict__ x, int64_t count, const float* __restrict__ scale, const float* __restrict__ shift,
                              int64_t length, T* __restrict__ y) {
  for (int64_t at = 0; at < count; at += length) {
    const int64_t most = std::min(length, count - at);
    for (int64_t i = 0; i < most; i++) {
      const float value = widen(x[at + i]) * scale[i] + shift[i];
      y[at + i] = narrow<T>(relu ? (value < 0 ? 0 : value) : value);
    }
  }
}

// The sums of g and of g (x - mean), g being the gradient where the ReLU let through.
template <typename T, bool relu>
LIMN_LOOP void sumGradients(const T* __restrict__ x, const T* __restrict__ gradient, int64_t count, const float* __restrict__ scale,
                            const float* __restrict__ shift, const float* __restrict__ mean, int64_t length, float* __restrict__ sum,
                            float* __restrict__ products) {
  for (int64_t at = 0; at < count; at += length) {
    const int64_t most = std::min(length, count - at);
    for (int64_t i = 0; i < most; i++) {
      const float value = widen(x[at + i]);
      const float given = widen(gradient[at + i]);
      const float g = relu && value * scale[i] + shift[i] <= 0 ? 0 : given;
      sum[i] += g;
      products[i] += g * (value - mean[i]);
    }
  }
}

// dx = scale g + slope x + constant
template <typename T, bool relu>
LIMN_LOOP void gradientBlock(const T* __restrict__ x, const T* __restrict__ gradient, int64_t count, const float* __restrict__ scale,
                             const float* __restrict__ shift, const float* __restrict__ slope, const float* __restrict__ constant,
                             int64_t length, T* __restrict__ dx) {
  for (int64_t at = 0; at < count; at += length) {
    const int64_t most = std::min(length, count - at);
    for (int64_t i = 0; i < most; i++) {
      const float value = widen(x[at + i]);
      const float given = widen(gradient[at + i]);
      const float g = relu && value * scale[i] + shift[i] <= 0 ? 0 : given;
      dx[at + i] = narrow<T>(scale[i] * g + slope[i] * value + constant[i]);
    }
  }
}

// The picture's elements in blocks of whole periods. Their bounds depend on the shape only, so that the
// number of threads changes no bit.
struct Blocks {
  int64_t total, size, count;
  Blocks(int64_t elements, const Period& period)
      : total(elements),
        size(std::max<int64_t>(1, kBlock / period.length) * period.length),
        count((elements + size - 1) / size) {}

  template <typename Body>
  void each(const Body& body) const {
    inParallel(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) body(i, i * size, std::min(size, total - i * size));
    });
  }
};

// Two sums of each block, added up by channel in float64.
template <typename Body>
void sumPair(const Blocks& blocks, const Period& period, std::vector<double>& first,
             std::vector<double>& second, const Body& body) {
  const size_t length = static_cast<size_t>(period.length);
  std::vector<float> partial(2 * length * static_cast<size_t>(blocks.count), 0.0f);
  blocks.each([&](int64_t i, int64_t start, int64_t count) {
    float* sums = partial.data() + 2 * length * static_cast<size_t>(i);
    body(start, count, sums, sums + length);
  });
  first.assign(static_cast<size_t>(period.channels), 0.0);
  second.assign(static_cast<size_t>(period.channels), 0.0);
  for (int64_t i = 0; i < blocks.count; i++) {
    const float* sums = partial.data() + 2 * length * static_cast<size_t>(i);
    for (size_t j = 0; j < length; j++) {
      first[j % static_cast<size_t>(period.channels)] += sums[j];
      second[j % static_cast<size_t>(period.channels)] += sums[length + j];
    }
  }
}

template <typename T>
const T* bitsOf(const at::Tensor& tensor) { return static_cast<const T*>(tensor.data_ptr()); }
template <typename T>
T* bitsOf(at::Tensor& tensor) { return static_cast<T*>(tensor.data_ptr()); }

struct Affine {
  std::vector<float> scale, shift;
};

// y = scale x + shift, of each channel
Affine affineOf(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean,
                const at::Tensor& inverse) {
  const int64_t channels = weight.numel();
  Affine found{std::vector<float>(channels), std::vector<float>(channels)};
  for (int64_t c = 0; c < channels; c++) {
    found.scale[c] = weight.data_ptr<float>()[c] * inverse.data_ptr<float>()[c];
    found.shift[c] = bias.data_ptr<float>()[c] - mean.data_ptr<float>()[c] * found.scale[c];
  }
  return found;
}

struct Running {
  at::Tensor mean, variance;
  double momentum;
};

void move(at::Tensor& running, int64_t channel, double value, double momentum) {
  float& number = running.data_ptr<float>()[channel];
  number = static_cast<float>((1 - momentum) * number + momentum * value);
}

template <typename T, bool relu>
std::tuple<at::Tensor, at::Tensor, at::Tensor> forwardOf(const at::Tensor& x, const at::Tensor& weight,
                                                         const at::Tensor& bias, Running running,
                                                         double epsilon) {
  const Period period(x.size(1));
  const Blocks blocks(x.numel(), period);
  const int64_t channels = period.channels;
  const T* data = bitsOf<T>(x);
  // The first place's values: near the mean, so that the difference of the sums loses nothing.
  std::vector<float> first(channels);
  for (int64_t c = 0; c < channels; c++) first[c] = widen(data[c]);
  const std::vector<float> pivot = period.repeat(first.data());
  std::vector<double> sum, squares;
  sumPair(blocks, period, sum, squares, [&](int64_t start, int64_t count, float* a, float* b) {
    sumBlock<T>(data + start, count, pivot.data(), period.length, a, b);
  });
  at::Tensor mean = at::empty_like(weight), inverse = at::empty_like(weight);
  const double count = static_cast<double>(x.numel() / channels);
  for (int64_t c = 0; c < channels; c++) {
    const double offset = sum[c] / count;
    const double variance = std::max(0.0, squares[c] / count - offset * offset);
    mean.data_ptr<float>()[c] = static_cast<float>(first[c] + offset);
    inverse.data_ptr<float>()[c] = static_cast<float>(1 / std::sqrt(variance + epsilon));
    if (!running.mean.defined()) continue;
    move(running.mean, c, first[c] + offset, running.momentum);
    move(running.variance, c, variance * count / (count - 1), running.momentum);
  }
  const Affine affine = affineOf(weight, bias, mean, inverse);
  const std::vector<float> scale = period.repeat(affine.scale.data());
  const std::vector<float> shift = period.repeat(affine.shift.data());
  at::Tensor y = at::empty_like(x);
  T* out = bitsOf<T>(y);
  blocks.each([&](int64_t, int64_t start, int64_t size) {
    normalizeBlock<T, relu>(data + start, size, scale.data(), shift.data(), period.length, out + start);
  });
  return {y, mean, inverse};
}

template <typename T, bool relu>
variable_list backwardOf(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias, const at::Tensor& mean, const at::Tensor& inverse) {
  const Period period(x.size(1));
  const Blocks blocks(x.numel(), period);
  const int64_t channels = period.channels;
  const T *data = bitsOf<T>(x), *given = bitsOf<T>(gradient);
  const Affine affine = affineOf(weight, bias, mean, inverse);
  const std::vector<float> scale = period.repeat(affine.scale.data());
  const std::vector<float> shift = period.repeat(affine.shift.data());
  const std::vector<float> center = period.repeat(mean.data_ptr<float>());
  std::vector<double> sum, products;
  sumPair(blocks, period, sum, products, [&](int64_t start, int64_t count, float* a, float* b) {
    sumGradients<T, relu>(data + start, given + start, count, scale.data(), shift.data(), center.data(),
                          period.length, a, b);
  });
  at::Tensor dweight = at::empty_like(weight), dbias = at::empty_like(bias), dx = at::empty_like(x);
  const double count = static_cast<double>(x.numel() / channels);
  std::vector<float> slopes(channels), constants(channels);
  for (int64_t c = 0; c < channels; c++) {
    const double deviation = inverse.data_ptr<float>()[c];
    dweight.data_ptr<float>()[c] = static_cast<float>(products[c] * deviation);
    dbias.data_ptr<float>()[c] = static_cast<float>(sum[c]);
    const double slope = -affine.scale[c] * deviation * deviation * products[c] / count;
    slopes[c] = static_cast<float>(slope);
    constants[c] = static_cast<float>(-affine.scale[c] * sum[c] / count -
                                      slope * mean.data_ptr<float>()[c]);
  }
  const std::vector<float> slope = period.repeat(slopes.data());
  const std::vector<float> constant = period.repeat(constants.data());
  T* out = bitsOf<T>(dx);
  blocks.each([&](int64_t, int64_t start, int64_t size) {
    gradientBlock<T, relu>(data + start, given + start, size, scale.data(), shift.data(), slope.data(),
                           constant.data(), period.length, out + start);
  });
  return {dx, dweight, dbias};
}

// The one of four instances that fits.
template <typename Body>
auto chosen(const at::Tensor& x, bool relu, const Body& body) {
  const bool half = x.scalar_type() == at::kBFloat16;
  using Yes = std::true_type;
  using No = std::false_type;
  if (half) return relu ? body(Half{}, Yes{}) : body(Half{}, No{});
  return relu ? body(float{}, Yes{}) : body(float{}, No{});
}

bool isVector(const at::Tensor& tensor, int64_t length) {
  return tensor.defined() && tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
         tensor.dim() == 1 && tensor.size(0) == length && tensor.is_contiguous();
}

void checkInput(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const bool type = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  TORCH_CHECK(x.device().is_cpu() && x.layout() == at::kStrided && type && x.dim() == 4 &&
                  x.size(1) >= 1 && x.size(1) <= kMostChannels && x.numel() > x.size(1),
              "Expected float32 or bfloat16 [N, C, H, W] on the CPU with more than one value a channel for x");
  TORCH_CHECK(isVector(weight, x.size(1)) && isVector(bias, x.size(1)),
              "Expected float32 vectors of one number a channel for weight and bias");
}

class BatchNorm : public torch::autograd::Function<BatchNorm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const c10::optional<at::Tensor>& runningMean,
                            const c10::optional<at::Tensor>& runningVariance, double momentum,
                            double epsilon, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    checkInput(input, weight, bias);
    const at::Tensor mean = runningMean.value_or(at::Tensor());
    const at::Tensor variance = runningVariance.value_or(at::Tensor());
    const bool runs = mean.defined() || variance.defined();
    TORCH_CHECK(!runs || (isVector(mean, input.size(1)) && isVector(variance, input.size(1))),
                "Expected float32 vectors of one number a channel for running_mean and running_var");
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const Running running{mean, variance, momentum};
    auto [y, center, inverse] = chosen(x, relu, [&](auto type, auto rectifies) {
      return forwardOf<decltype(type), decltype(rectifies)::value>(x, weight, bias, running, epsilon);
    });
    for (const at::Tensor& changed : {mean, variance}) {
      if (changed.defined() && !changed.is_inference()) changed.unsafeGetTensorImpl()->bump_version();
    }
    context->save_for_backward({x, weight, bias, center, inverse});
    context->saved_data["relu"] = relu;
    return y;
  }

  static variable_list backward(torch::autograd::AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool relu = context->saved_data["relu"].toBool();
    const at::Tensor& x = saved[0];
    const at::Tensor gradient =
        gradients[0].to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    variable_list found = chosen(x, relu, [&](auto type, auto rectifies) {
      return backwardOf<decltype(type), decltype(rectifies)::value>(gradient, x, saved[1], saved[2],
                                                                    saved[3], saved[4]);
    });
    found.resize(8);
    return found;
  }
};

at::Tensor batchNorm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const c10::optional<at::Tensor>& mean, const c10::optional<at::Tensor>& variance,
                     double momentum, double epsilon, bool relu) {
  return BatchNorm::apply(x, weight, bias, mean, variance, momentum, epsilon, relu);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(limn, library) {
  library.def(
      "batch_norm(Tensor x, Tensor weight, Tensor bias, Tensor(a!)? running_mean, "
      "Tensor(b!)? running_var, float momentum, float eps, bool relu) -> Tensor",
      batchNorm);
}

}  // namespace limn
