// Gradients: backward, grad, the grad and autocast modes, and backward functions in JavaScript.
#include "environment.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <functional>
#include <stdexcept>

#define LIMN_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) ||       \
   (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace limn {

namespace {

using torch::autograd::variable_list;

// A node of the autograd graph whose backward is a JavaScript function:
// (gradients of the outputs: (handle | null)[]) -> gradients of the inputs: (handle | null)[].
struct JavaScriptNode : torch::autograd::Node {
  Environment* state;
  napi_ref function;

  JavaScriptNode(Environment* environment, napi_ref reference)
      : state(environment), function(reference) {}

  ~JavaScriptNode() override {
    std::lock_guard<std::mutex> lock(state->deadReferencesLock);
    state->deadReferences.push_back(function);
  }

  variable_list apply(variable_list&& gradients) override {
    variable_list results;
    auto job = [&] { results = call(gradients); };
    if (std::this_thread::get_id() == state->thread) job();
    else state->desk.ask(job);
    return results;
  }

 private:
  variable_list call(const variable_list& gradients) {
    napi_env env = state->env;
    const HandleScope scope(env);
    napi_value callback, receiver, answer;
    check(env, napi_get_reference_value(env, function, &callback), "finding a backward function");
    check(env, napi_get_undefined(env, &receiver), "writing undefined");
    const napi_value list = writeTensorList(*state, gradients);
    check(env, napi_call_function(env, receiver, callback, 1, &list, &answer),
          "running a backward function");
    variable_list results =
        readTensorList(*state, answer, "the result of a backward function", true);
    if (results.size() != num_outputs()) {
      throw std::invalid_argument("a backward function gave " + std::to_string(results.size()) +
                                  " gradients for " + std::to_string(num_outputs()) + " inputs");
    }
    return results;
  }
};

// libtorch counts its nodes with std::shared_ptr in older versions, c10::intrusive_ptr in newer ones.
using NodePointer = decltype(torch::autograd::Edge::function);

template <typename Pointer>
Pointer makeNode(Environment* state, napi_ref function) {
  if constexpr (std::is_same_v<Pointer, std::shared_ptr<torch::autograd::Node>>) {
    return Pointer(new JavaScriptNode(state, function));
  } else {
    return c10::make_intrusive<JavaScriptNode>(state, function);
  }
}

// attachBackward(outputs, inputs, function) -> the outputs, now differentiable through `function`
napi_value attachBackward(Environment& state, const Arguments& arguments) {
  const variable_list outputs = readTensorList(state, arguments[0], "outputs");
  const variable_list inputs = readTensorList(state, arguments[1], "inputs");
  state.freeDeadReferences();
  napi_valuetype type;
  napi_typeof(state.env, arguments[2], &type);
  if (type != napi_function) refuse(state.env, arguments[2], "a function", "backward");
  napi_ref reference;
  check(state.env, napi_create_reference(state.env, arguments[2], 1, &reference), "backward function");
  NodePointer node = makeNode<NodePointer>(&state, reference);
  torch::autograd::edge_list edges;
  for (const at::Tensor& input : inputs) {
    edges.push_back(input.requires_grad() ? torch::autograd::impl::gradient_edge(input)
                                          : torch::autograd::Edge());
  }
  node->set_next_edges(std::move(edges));
  variable_list results;
  for (const at::Tensor& output : outputs) {
    at::Tensor result = output.detach();
    torch::autograd::create_gradient_edge(result, node);
    results.push_back(std::move(result));
  }
  return writeTensorList(state, results);
}

void runEngine(Environment& state, bool elsewhere, const std::function<void()>& work) {
  if (elsewhere) state.desk.serve(work);
  else work();
}

// backward(outputs, gradients | null, retainGraph, elsewhere): accumulates into the leaves' .grad
napi_value backward(Environment& state, const Arguments& arguments) {
  const variable_list outputs = readTensorList(state, arguments[0], "outputs");
  variable_list gradients;
  if (arguments.has(1)) gradients = readTensorList(state, arguments[1], "gradients");
  const bool retain = readBool(state.env, arguments[2], "retainGraph");
  runEngine(state, readBool(state.env, arguments[3], "elsewhere"), [&] {
    torch::autograd::backward(outputs, gradients, retain);
  });
  state.freeDeadReferences();
  return nullptr;
}

// grad(outputs, inputs, gradients | null, retainGraph, createGraph, elsewhere) -> gradients or nulls
napi_value grad(Environment& state, const Arguments& arguments) {
  const variable_list outputs = readTensorList(state, arguments[0], "outputs");
  const variable_list inputs = readTensorList(state, arguments[1], "inputs");
  variable_list gradients, results;
  if (arguments.has(2)) gradients = readTensorList(state, arguments[2], "gradients");
  const bool retain = readBool(state.env, arguments[3], "retainGraph");
  const bool create = readBool(state.env, arguments[4], "createGraph");
  runEngine(state, readBool(state.env, arguments[5], "elsewhere"), [&] {
    results = torch::autograd::grad(outputs, inputs, gradients, retain, create, true);
  });
  state.freeDeadReferences();
  if (throwLostFiles(state)) throw PendingException();
  return writeTensorList(state, results);
}

// gradient(tensor) -> tensor or null
napi_value gradient(Environment& state, const Arguments& arguments) {
  return writeTensor(state, readTensor(state, arguments[0], "tensor").grad());
}

// setGradient(tensor, gradient | null)
napi_value setGradient(Environment& state, const Arguments& arguments) {
  at::Tensor tensor = readTensor(state, arguments[0], "tensor");
  const at::Tensor gradient =
      arguments.has(1) ? readTensor(state, arguments[1], "gradient") : at::Tensor();
  // libtorch itself would take any and fail later, far from the cause.
  if (gradient.defined() && (gradient.sizes() != tensor.sizes() ||
                             gradient.scalar_type() != tensor.scalar_type() ||
                             gradient.device() != tensor.device())) {
    throw std::invalid_argument("a gradient has the shape, type and device of its tensor");
  }
  tensor.mutable_grad() = gradient;
  return nullptr;
}

napi_value setRequiresGrad(Environment& state, const Arguments& arguments) {
  readTensor(state, arguments[0], "tensor")
      .set_requires_grad(readBool(state.env, arguments[1], "requiresGrad"));
  return nullptr;
}

// setGradMode(on) -> the mode before
napi_value setGradMode(Environment& state, const Arguments& arguments) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(readBool(state.env, arguments[0], "on"));
  return writeBool(state.env, before);
}

bool autocastEnabled(c10::DeviceType type) {
#if LIMN_TORCH_AT_LEAST(2, 4)
  return at::autocast::is_autocast_enabled(type);
#else
  return type == c10::DeviceType::CPU ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled();
#endif
}

void enableAutocast(c10::DeviceType type, bool on, at::ScalarType dtype) {
#if LIMN_TORCH_AT_LEAST(2, 4)
  at::autocast::set_autocast_dtype(type, dtype);
  at::autocast::set_autocast_enabled(type, on);
#else
  if (type == c10::DeviceType::CPU) {
    at::autocast::set_autocast_cpu_dtype(dtype);
    at::autocast::set_cpu_enabled(on);
  } else {
    at::autocast::set_autocast_gpu_dtype(dtype);
    at::autocast::set_enabled(on);
  }
#endif
}

// setAutocast(device, on, dtype) -> the mode before; leaving it also drops the cast copies
napi_value setAutocast(Environment& state, const Arguments& arguments) {
  const c10::DeviceType type = readDevice(state.env, arguments[0], "device").type();
  const bool on = readBool(state.env, arguments[1], "on");
  const bool before = autocastEnabled(type);
  enableAutocast(type, on, readScalarType(state.env, arguments[2], "dtype"));
  if (!on) at::autocast::clear_cache();
  return writeBool(state.env, before);
}

}  // namespace

std::vector<Export> autogradExports() {
  return {{"attachBackward", attachBackward}, {"backward", backward},
          {"grad", grad},                     {"gradient", gradient},
          {"setGradient", setGradient},       {"setRequiresGrad", setRequiresGrad},
          {"setGradMode", setGradMode},       {"setAutocast", setAutocast}};
}

}  // namespace limn
