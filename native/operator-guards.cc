// What some operators of libtorch do not check themselves before they read memory or divide, found by
// test/fuzz/operators.mjs. Each entry refuses what would end the process.
#include "environment.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace limn {

namespace {

void expect(bool holds, const char* what, const char* name) {
  if (!holds) throw std::invalid_argument(std::string("Expected ") + what + " for " + name);
}

// Channels without a place would be divided by; statistics of other lengths would be read past their end.
void guardBatchNorm(const Operands& operands) {
  const char* const self = operands.tensor("input").defined() ? "input" : "self";
  const at::Tensor input = operands.tensor(self);
  expect(input.defined() && input.dim() >= 2 && input.numel() > 0,
         "a tensor [N, C, ...] that is not empty", self);
  for (const char* name : {"weight", "bias", "running_mean", "running_var", "mean", "var", "invstd",
                           "save_mean", "save_invstd"}) {
    const at::Tensor tensor = operands.tensor(name);
    expect(!tensor.defined() || (tensor.dim() == 1 && tensor.size(0) == input.size(1)),
           "a vector of one number a channel", name);
  }
  for (const char* name : {"grad_out", "grad_output"}) {
    const at::Tensor tensor = operands.tensor(name);
    expect(!tensor.defined() || tensor.sizes() == input.sizes(), "the shape of the input", name);
  }
}

void guardFactor(const Operands& operands, const char* name) {
  const int64_t factor = operands[name].toInt();
  expect(factor >= 1 && factor < 65536, "an integer from 1 to 65535", name);
}
void guardPixelShuffle(const Operands& operands) { guardFactor(operands, "upscale_factor"); }
void guardPixelUnshuffle(const Operands& operands) { guardFactor(operands, "downscale_factor"); }
void guardGroups(const Operands& operands) { guardFactor(operands, "groups"); }

void guardNativeGroups(const Operands& operands) {
  guardGroups(operands);
  const at::Tensor self = operands.tensor("self");
  expect(self.dim() >= 3 && self.numel() > 0, "a tensor [N, C, ...] that is not empty", "self");
  expect(self.size(1) % operands["groups"].toInt() == 0, "a divisor of the channels", "groups");
}

// It writes where the sizes say, whatever there is.
void guardUnfoldBackward(const Operands& operands) {
  const std::vector<int64_t> sizes = operands["input_sizes"].toIntVector();
  const int64_t rank = static_cast<int64_t>(sizes.size());
  int64_t dim = operands["dim"].toInt();
  if (dim < 0) dim += rank;
  expect(dim >= 0 && dim < rank, "a dimension of input_sizes", "dim");
  const int64_t size = operands["size"].toInt();
  const int64_t step = operands["step"].toInt();
  expect(size >= 1 && size <= sizes[dim], "an integer from 1 to the side", "size");
  expect(step >= 1, "an integer from 1 on", "step");
  std::vector<int64_t> wanted = sizes;
  wanted[dim] = (sizes[dim] - size) / step + 1;
  wanted.push_back(size);
  const at::Tensor grad =
      operands.tensor(operands["grad"].isTensor() ? "grad" : "grad_in");
  expect(grad.defined() && grad.sizes() == at::IntArrayRef(wanted), "the shape of the windows", "grad");
}

// Kernels are divided by before they are looked at.
void guardSlowConvolution(const Operands& operands) {
  const at::Tensor self = operands.tensor("self");
  expect(self.dim() >= 4 && self.numel() > 0, "a tensor [N, C, D, H, W] that is not empty", "self");
  const at::Tensor weight = operands.tensor("weight");
  expect(weight.dim() == 5 && weight.numel() > 0, "a tensor [O, C, kD, kH, kW] that is not empty",
         "weight");
  for (const char* name : {"kernel_size", "stride", "dilation"}) {
    const c10::IValue& list = operands[name];
    if (!list.isIntList()) continue;
    for (const int64_t side : list.toIntVector()) expect(side >= 1, "integers from 1 on", name);
  }
}

// The places that pooling found are written to as they are.
void guardPoolBackward(const Operands& operands) {
  const at::Tensor grad = operands.tensor("grad_output");
  const at::Tensor indices = operands.tensor("indices");
  const at::Tensor self = operands.tensor("self");
  const int64_t sides = operands.op().find("3d") == std::string::npos ? 2 : 3;
  expect(self.dim() > sides, "a tensor [..., C, sides]", "self");
  expect(grad.dim() == self.dim(), "as many dimensions as self", "grad_output");
  expect(grad.sizes().slice(0, self.dim() - sides) == self.sizes().slice(0, self.dim() - sides),
         "the samples and channels of self", "grad_output");
  expect(indices.sizes() == grad.sizes() && indices.scalar_type() == at::kLong,
         "the shape of grad_output, in int64,", "indices");
  if (indices.numel() == 0) return;
  int64_t places = 1;
  for (const int64_t side : self.sizes().slice(self.dim() - sides)) places *= side;
  expect(indices.min().item<int64_t>() >= 0 && indices.max().item<int64_t>() < places,
         "places in self", "indices");
}

void guardBags(const Operands& operands) {
  const at::Tensor weight = operands.tensor("weight");
  const at::Tensor indices = operands.tensor("indices");
  expect(weight.dim() == 2, "a matrix", "weight");
  expect(indices.dim() == 1 || indices.dim() == 2, "one or two dimensions", "indices");
  expect(operands.tensor("offsets").dim() == 1, "a vector", "offsets");
}

void guardMatrixExponential(const Operands& operands) {
  const at::Tensor self = operands.tensor("self");
  expect(self.dim() >= 2 && self.size(-1) == self.size(-2), "square matrices", "self");
  const at::Tensor grad = operands.tensor("grad");
  expect(grad.sizes() == self.sizes(), "the shape of self", "grad");
  expect(grad.scalar_type() == self.scalar_type(), "the type of self", "grad");
}

void guardHistogram(const Operands& operands) {
  const at::Tensor self = operands.tensor("self");
  expect(self.dim() >= 1, "points [..., D]", "self");
  const c10::IValue& bins = operands["bins"];
  if (!bins.isList()) return;
  expect(static_cast<int64_t>(bins.toListRef().size()) == self.size(-1), "one entry a dimension",
         "bins");
}

void guardTensors(const Operands& operands) {
  expect(!operands["tensors"].toListRef().empty(), "at least one tensor", "tensors");
}

void guardPacked(const Operands& operands) {
  const at::Tensor sizes = operands.tensor("batch_sizes");
  expect(sizes.defined() && sizes.dim() == 1 && sizes.numel() > 0 &&
             sizes.scalar_type() == at::kLong && sizes.device().is_cpu(),
         "a vector of int64 on the CPU", "batch_sizes");
  const at::Tensor data = operands.tensor("data");
  expect(sizes.min().item<int64_t>() >= 1 && data.dim() == 2 &&
             sizes.sum().item<int64_t>() == data.size(0),
         "sizes from 1 on that add up to the rows of data", "batch_sizes");
  const c10::IValue& hidden = operands["hx"];
  if (hidden.isList()) {
    expect(hidden.toListRef().size() == 2, "two tensors, hidden state and cell,", "hx");
  }
}

void guardQuantization(const Operands& operands) {
  const at::Tensor input = operands.tensor("input");
  expect(input.scalar_type() == at::kFloat, "float32", "input");
  expect(operands["numel"].toInt() == input.numel() && input.numel() > 0,
         "the number of elements of input", "numel");
  const int64_t bins = operands["n_bins"].toInt();
  expect(bins >= 1 && bins <= 1 << 20, "an integer from 1 to 1048576", "n_bins");
  const int64_t bits = operands["bit_width"].toInt();
  expect(bits >= 1 && bits <= 16, "an integer from 1 to 16", "bit_width");
}

void refuseAlways(const Operands&) {
  throw std::invalid_argument(
      "limn does not offer this operator: it trusts its operands, and wrong ones end the process");
}

struct Entry {
  const char* name;  // without its overload; a `*` at the end stands for any rest
  Guard guard;
};

const Entry entries[] = {
    {"aten::native_batch_norm*", guardBatchNorm},
    {"aten::_native_batch_norm*", guardBatchNorm},
    {"aten::batch_norm_update_stats", guardBatchNorm},
    {"aten::_batch_norm_with_update*", guardBatchNorm},
    {"aten::pixel_shuffle", guardPixelShuffle},
    {"aten::pixel_unshuffle", guardPixelUnshuffle},
    {"aten::channel_shuffle", guardGroups},
    {"aten::native_channel_shuffle", guardNativeGroups},
    {"aten::unfold_backward", guardUnfoldBackward},
    {"aten::slow_conv3d*", guardSlowConvolution},
    {"aten::adaptive_max_pool2d_backward", guardPoolBackward},
    {"aten::adaptive_max_pool3d_backward", guardPoolBackward},
    {"aten::max_pool2d_with_indices_backward", guardPoolBackward},
    {"aten::max_pool3d_with_indices_backward", guardPoolBackward},
    {"aten::fractional_max_pool2d_backward", guardPoolBackward},
    {"aten::fractional_max_pool3d_backward", guardPoolBackward},
    {"aten::embedding_bag", guardBags},
    {"aten::_embedding_bag", guardBags},
    {"aten::_embedding_bag_forward_only", guardBags},
    {"aten::matrix_exp_backward", guardMatrixExponential},
    {"aten::histogramdd", guardHistogram},
    {"aten::_histogramdd*", guardHistogram},
    {"aten::align_tensors", guardTensors},
    {"aten::choose_qparams_optimized", guardQuantization},
    {"aten::quantized_lstm_cell", refuseAlways},
    {"aten::quantized_gru_cell", refuseAlways},
    {"aten::quantized_rnn_*", refuseAlways},
    {"aten::fbgemm_*", refuseAlways},
};

const char* const recurrent[] = {"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"};

bool matches(const char* pattern, const std::string& name) {
  const size_t length = std::strlen(pattern);
  if (pattern[length - 1] != '*') return name == pattern;
  return name.compare(0, length - 1, pattern, length - 1) == 0;
}

}  // namespace

Guard guardOf(const std::string& name, const std::string& overload) {
  for (const Entry& entry : entries) {
    if (matches(entry.name, name)) return entry.guard;
  }
  if (overload != "data") return nullptr;
  for (const char* one : recurrent) {
    if (name == one) return guardPacked;
  }
  return nullptr;
}

void checkOperands(const Operator& op, const torch::jit::Stack& stack) {
  if (op.guard) op.guard(Operands(op, stack));
}

}  // namespace limn
