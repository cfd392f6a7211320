// The addon's one list of exports. Each environment (main thread, workers) has a state of its own.
#include "environment.h"

namespace limn {

namespace {

napi_value dispatch(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  const napi_value result = guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info);
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    return reinterpret_cast<Method>(data)(environment(env), arguments);
  });
  throwLostFiles(environment(env));
  return result;
}

napi_value initialize(napi_env env, napi_value exports) {
  auto* state = new Environment();
  state->env = env;
  state->thread = std::this_thread::get_id();
  napi_set_instance_data(
      env, state, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); },
      nullptr);
  for (const auto& group : {dispatcherExports(), tensorExports(), autogradExports(), mappedFileExports(),
                            runtimeExports()}) {
    for (const Export& entry : group) {
      napi_value function;
      napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, dispatch,
                           reinterpret_cast<void*>(entry.method), &function);
      napi_set_named_property(env, exports, entry.name, function);
    }
  }
  return exports;
}

}  // namespace

}  // namespace limn

NAPI_MODULE_INIT() { return limn::initialize(env, exports); }
