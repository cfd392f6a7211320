// The addon's one list of exports. Each environment (main thread, workers) has a state of its own.
#include "environment.h"

#include <deque>

namespace limn {

namespace {

// A function of one environment, which holds it.
struct Bound {
  Environment& state;
  Method method;
};

napi_value dispatch(napi_env env, napi_callback_info info) {
  Environment* state = nullptr;
  const napi_value result = guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info);
    const Bound& bound = *static_cast<const Bound*>(arguments.data);
    state = &bound.state;
    return bound.method(bound.state, arguments);
  });
  if (state) throwLostFiles(*state);
  return result;
}

// What one environment owns. A deque's elements stay where they are.
struct Instance {
  Environment state;
  std::deque<Bound> bound;
};

napi_value initialize(napi_env env, napi_value exports) {
  auto* instance = new Instance();
  Environment& state = instance->state;
  state.env = env;
  state.thread = std::this_thread::get_id();
  napi_set_instance_data(
      env, instance, [](napi_env, void* data, void*) { delete static_cast<Instance*>(data); },
      nullptr);
  for (const auto& group : {dispatcherExports(), tensorExports(), autogradExports(), mappedFileExports(),
                            runtimeExports()}) {
    for (const Export& entry : group) {
      instance->bound.push_back({state, entry.method});
      napi_value function;
      napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, dispatch, &instance->bound.back(),
                           &function);
      napi_set_named_property(env, exports, entry.name, function);
    }
  }
  return exports;
}

}  // namespace

}  // namespace limn

NAPI_MODULE_INIT() { return limn::initialize(env, exports); }
