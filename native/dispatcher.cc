// One generic path to every operator of libtorch: look it up by schema, read the arguments by the
// schema's own types, call it boxed, write the results. Autograd, autocast and devices follow.
#include "environment.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <cmath>
#include <stdexcept>

namespace limn {

namespace {

Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::kTensor;
    case c10::TypeKind::NumberType: return Kind::kScalar;
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::IntType: return Kind::kInt;
    case c10::TypeKind::FloatType: return Kind::kFloat;
    case c10::TypeKind::BoolType: return Kind::kBool;
    case c10::TypeKind::StringType: return Kind::kString;
    case c10::TypeKind::DeviceObjType: return Kind::kDevice;
    case c10::TypeKind::ListType: break;
    default: return Kind::kAbsent;  // generators and the like: only their default can be used
  }
  const c10::TypePtr element = type->containedType(0);
  switch (element->kind()) {
    case c10::TypeKind::TensorType: return Kind::kTensorList;
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::IntType: return Kind::kIntList;
    case c10::TypeKind::FloatType: return Kind::kFloatList;
    case c10::TypeKind::NumberType: return Kind::kScalarList;
    case c10::TypeKind::BoolType: return Kind::kBoolList;
    case c10::TypeKind::OptionalType:
      return element->containedType(0)->kind() == c10::TypeKind::NumberType ? Kind::kOptionalScalarList
                                                                            : Kind::kOptionalTensorList;
    default: return Kind::kAbsent;
  }
}

Argument describe(const c10::Argument& argument) {
  c10::TypePtr type = argument.type();
  const bool optional = type->kind() == c10::TypeKind::OptionalType;
  if (optional) type = type->containedType(0);
  return {kindOf(type), optional, argument.name(), argument.default_value(), argument.N().value_or(0)};
}

// Whole numbers go as integers, so that integer tensors keep their type; -0 and NaN stay floats.
at::Scalar scalarOf(double number) {
  const bool whole = std::abs(number) < 9007199254740992.0 && std::trunc(number) == number &&
                     !(number == 0 && std::signbit(number));
  return whole ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
}

at::Scalar readScalar(napi_env env, napi_value value, const char* name) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) return at::Scalar(readBool(env, value, name));
  if (type == napi_bigint) return at::Scalar(readInt64(env, value, name));
  return scalarOf(readDouble(env, value, name));
}

c10::optional<at::Scalar> readOptionalScalar(napi_env env, napi_value value, const char* name) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  if (type == napi_null) return c10::nullopt;
  return readScalar(env, value, name);
}

template <typename Element, typename Read>
c10::List<Element> readTypedList(napi_env env, napi_value value, const char* name, Read&& read) {
  const uint32_t length = readLength(env, value, name);
  c10::List<Element> list;
  list.reserve(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element), "reading an array");
    list.push_back(read(env, element, name));
  }
  return list;
}

// A list that the schema fixes to 2 or more elements: operators read that many without looking. One
// stands for all, as in Python; none is for those whose default is none.
template <typename List>
List fitted(const Argument& argument, List list) {
  const size_t wanted = static_cast<size_t>(argument.length);
  if (argument.length < 2 || list.size() == wanted) return list;
  const bool emptyDefault = argument.fallback && argument.fallback->isList() &&
                            argument.fallback->toListRef().empty();
  if (list.empty() && emptyDefault) return list;
  if (list.size() != 1) {
    throw std::invalid_argument("Expected a list of " + std::to_string(wanted) + " for " +
                                argument.name + " but received one of " + std::to_string(list.size()));
  }
  while (list.size() < wanted) list.push_back(list[0]);
  return list;
}

c10::IValue readArgument(Environment& state, const Argument& argument, napi_value value) {
  napi_env env = state.env;
  const char* name = argument.name.c_str();
  switch (argument.kind) {
    case Kind::kTensor: return readTensor(state, value, name);
    case Kind::kTensorList: return readTensorList(state, value, name);
    case Kind::kOptionalTensorList: {
      c10::List<c10::optional<at::Tensor>> list;
      for (at::Tensor& tensor : readTensorList(state, value, name, true)) {
        list.push_back(tensor.defined() ? c10::optional<at::Tensor>(tensor) : c10::nullopt);
      }
      return list;
    }
    case Kind::kScalar: return readScalar(env, value, name);
    case Kind::kInt: return readInt64(env, value, name);
    case Kind::kIntList:
      return fitted(argument, readTypedList<int64_t>(env, value, name, readInt64));
    case Kind::kFloat: return readDouble(env, value, name);
    case Kind::kFloatList:
      return fitted(argument, readTypedList<double>(env, value, name, readDouble));
    case Kind::kScalarList:
      return c10::IValue(readTypedList<at::Scalar>(env, value, name, readScalar));
    case Kind::kOptionalScalarList:
      return c10::IValue(readTypedList<c10::optional<at::Scalar>>(env, value, name, readOptionalScalar));
    case Kind::kBool: return readBool(env, value, name);
    case Kind::kBoolList:
      return fitted(argument, readTypedList<bool>(env, value, name, readBool));
    case Kind::kString: return readString(env, value, name);
    case Kind::kDevice: return readDevice(env, value, name);
    case Kind::kAbsent: break;
  }
  throw std::invalid_argument("argument " + argument.name + " cannot be given from JavaScript");
}

const char* wordsFor(Kind kind) {
  switch (kind) {
    case Kind::kTensor: return "a tensor";
    case Kind::kTensorList:
    case Kind::kOptionalTensorList: return "an array of tensors";
    case Kind::kScalar:
    case Kind::kFloat: return "a number";
    case Kind::kInt: return "an integer";
    case Kind::kBool: return "a boolean";
    case Kind::kString: return "a string";
    case Kind::kDevice: return "a device";
    default: return "an array";
  }
}

// A handle is a number, and so is not to be told from one: `tensors` says where handles are.
void checkKind(napi_env env, const Argument& argument, napi_value value, bool isTensor) {
  const Kind kind = argument.kind;
  const bool list = kind == Kind::kTensorList || kind == Kind::kOptionalTensorList;
  bool array = false;
  napi_is_array(env, value, &array);
  if (isTensor && (array ? !list : kind != Kind::kTensor)) {
    throw std::invalid_argument(std::string("Expected ") + wordsFor(kind) + " for " + argument.name +
                                " but received " + (array ? "an array of tensors" : "a tensor"));
  }
  if (isTensor || (kind != Kind::kTensor && !list)) return;
  if (!list || !array) refuse(env, value, wordsFor(kind), argument.name.c_str());
  // No tensor in a list: it is empty, or of nulls where the operator takes them.
  const uint32_t length = readLength(env, value, argument.name.c_str());
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_valuetype type;
    check(env, napi_get_element(env, value, i, &element), "reading an array");
    napi_typeof(env, element, &type);
    if (kind == Kind::kOptionalTensorList && (type == napi_null || type == napi_undefined)) continue;
    refuse(env, element, "tensors", argument.name.c_str());
  }
}

struct Operand {
  napi_value value;
  bool isTensor;
};

void pushArgument(Environment& state, const Argument& argument, const Operand* operand,
                  torch::jit::Stack& stack) {
  // What most operands are; an array of tensors is no number.
  int64_t handle = 0;
  if (operand && operand->isTensor && argument.kind == Kind::kTensor &&
      getHandle(state.env, operand->value, handle)) {
    stack.emplace_back(state.at(static_cast<int32_t>(handle)));
    return;
  }
  napi_valuetype type = napi_undefined;
  if (operand) napi_typeof(state.env, operand->value, &type);
  if (type == napi_undefined && argument.fallback) {
    stack.push_back(*argument.fallback);
  } else if (type == napi_undefined || type == napi_null) {
    if (!argument.optional) throw std::invalid_argument("missing argument " + argument.name);
    stack.emplace_back();
  } else {
    checkKind(state.env, argument, operand->value, operand->isTensor);
    stack.push_back(readArgument(state, argument, operand->value));
  }
}

// A result that is no tensor, as { value }: a bare number is a handle.
napi_value writeValue(napi_env env, napi_value value) {
  napi_value result;
  check(env, napi_create_object(env, &result), "writing a result");
  check(env, napi_set_named_property(env, result, "value", value), "writing a result");
  return result;
}

napi_value writeResult(Environment& state, c10::IValue& value) {
  napi_env env = state.env;
  if (value.isTensor()) return writeTensor(state, std::move(value).toTensor());
  if (value.isTensorList()) return writeTensorList(state, value.toTensorVector());
  if (value.isInt()) return writeValue(env, writeInt(env, value.toInt()));
  if (value.isDouble()) return writeValue(env, writeDouble(env, value.toDouble()));
  if (value.isBool()) return writeValue(env, writeBool(env, value.toBool()));
  if (value.isScalar()) return writeValue(env, writeDouble(env, value.toScalar().toDouble()));
  if (value.isNone()) return writeNull(env);
  throw std::runtime_error("a result of type " + value.tagKind() + " has no JavaScript form");
}

// findOperator(name, overload) -> index, or -1 where this libtorch has no such operator
napi_value findOperator(Environment& state, const Arguments& arguments) {
  const std::string name = readString(state.env, arguments[0], "name");
  const std::string overload = readString(state.env, arguments[1], "overload");
  auto handle = c10::Dispatcher::singleton().findSchema({name.c_str(), overload.c_str()});
  if (!handle) return writeInt(state.env, -1);
  Operator found{*handle, {}, guardOf(name, overload)};
  for (const auto& argument : handle->schema().arguments()) {
    found.arguments.push_back(describe(argument));
  }
  state.operators.push_back(std::move(found));
  return writeInt(state.env, static_cast<int64_t>(state.operators.size()) - 1);
}

// operatorSchema(index) -> the schema as libtorch prints it
napi_value operatorSchema(Environment& state, const Arguments& arguments) {
  std::ostringstream text;
  text << state.operators.at(readInt32(state.env, arguments[0], "operator")).handle.schema();
  return writeString(state.env, text.str());
}

// operatorNames() -> the names of all operators with their overloads, "aten::add.Tensor"
napi_value operatorNames(Environment& state, const Arguments&) {
  const auto names = c10::Dispatcher::singleton().getAllOpNames();
  napi_value result;
  check(state.env, napi_create_array_with_length(state.env, names.size(), &result), "writing a list");
  for (size_t i = 0; i < names.size(); i++) {
    const std::string& overload = names[i].overload_name;
    const std::string full = overload.empty() ? names[i].name : names[i].name + "." + overload;
    napi_set_element(state.env, result, i, writeString(state.env, full));
  }
  return result;
}

// A stack of the environment's, empty: its memory serves call after call. Calls nest, where an operator
// runs a backward function in JavaScript.
class SpareStack {
 public:
  explicit SpareStack(Environment& state) : state_(state) {
    if (state.spareStacks.empty()) return;
    stack_ = std::move(state.spareStacks.back());
    state.spareStacks.pop_back();
  }
  ~SpareStack() {
    stack_.clear();
    state_.spareStacks.push_back(std::move(stack_));
  }
  SpareStack(const SpareStack&) = delete;
  SpareStack& operator=(const SpareStack&) = delete;

  torch::jit::Stack& stack() { return stack_; }

 private:
  Environment& state_;
  torch::jit::Stack stack_;
};

// Runs the operator on a stack of its arguments, and writes what it gives.
napi_value runOperator(Environment& state, const Operator& op, torch::jit::Stack& stack) {
  checkOperands(op, stack);
  // A copy of the handle: a nested call may grow the table while this operator runs.
  const c10::OperatorHandle handle = op.handle;
  {
    // Where no gradient is recorded, nothing above the kernels has anything to do.
    c10::optional<at::AutoDispatchBelowAutograd> below;
    if (!at::GradMode::is_enabled()) below.emplace();
    handle.callBoxed(&stack);
  }
  if (throwLostFiles(state)) throw PendingException();
  if (stack.size() == 1) return writeResult(state, stack[0]);
  napi_value results;
  check(state.env, napi_create_array_with_length(state.env, stack.size(), &results), "results");
  for (size_t i = 0; i < stack.size(); i++) {
    napi_set_element(state.env, results, i, writeResult(state, stack[i]));
  }
  return results;
}

// callOperator(index, tensors, ...operands in the schema's order) -> result, or an array of results.
// Bit i of `tensors` says that operand i is a handle, or a list of them.
napi_value callOperator(Environment& state, const Arguments& arguments) {
  const Operator& op = state.operators.at(readInt32(state.env, arguments[0], "operator"));
  const int32_t tensors = readInt32(state.env, arguments[1], "tensors");
  const size_t given = arguments.count - 2;
  if (given > op.arguments.size()) {
    throw std::invalid_argument("too many arguments: " + std::to_string(given) + " for " +
                                std::to_string(op.arguments.size()));
  }
  SpareStack spare(state);
  torch::jit::Stack& stack = spare.stack();
  stack.reserve(op.arguments.size());
  for (size_t i = 0; i < op.arguments.size(); i++) {
    if (i >= given) {
      pushArgument(state, op.arguments[i], nullptr, stack);
      continue;
    }
    const Operand operand{arguments.values[i + 2], ((tensors >> i) & 1) != 0};
    pushArgument(state, op.arguments[i], &operand, stack);
  }
  return runOperator(state, op, stack);
}

// The operands of the next call, as src/torch/operand-words.ts writes them: for each a tag and a value,
// or a tag, a length and the values.
enum Tag { kUndefined, kNull, kHandle, kNumber, kBoolean, kHandles, kNumbers };

struct Words {
  const double* next;
  Tag tag() { return static_cast<Tag>(static_cast<int>(*next++)); }
  double number() { return *next++; }
  size_t length() { return static_cast<size_t>(*next++); }
};

bool isInteger(double number) {
  return std::abs(number) <= 9007199254740991.0 && std::trunc(number) == number;
}

// False for what is not plainly of the argument's kind: then the slower call reads it, or refuses it in
// words.
bool pushWords(Environment& state, const Argument& argument, Words& words, torch::jit::Stack& stack) {
  const Tag tag = words.tag();
  switch (tag) {
    case kUndefined:
    case kNull:
      if (tag == kUndefined && argument.fallback) stack.push_back(*argument.fallback);
      else if (argument.optional) stack.emplace_back();
      else return false;
      return true;
    case kHandle:
      if (argument.kind != Kind::kTensor) return false;
      stack.emplace_back(state.at(static_cast<int32_t>(words.number())));
      return true;
    case kNumber: {
      const double number = words.number();
      if (argument.kind == Kind::kScalar) stack.emplace_back(scalarOf(number));
      else if (argument.kind == Kind::kFloat) stack.emplace_back(number);
      else if (argument.kind == Kind::kInt && isInteger(number)) {
        stack.emplace_back(static_cast<int64_t>(number));
      } else return false;
      return true;
    }
    case kBoolean:
      if (argument.kind != Kind::kBool) return false;
      stack.emplace_back(words.number() != 0);
      return true;
    case kHandles: {
      if (argument.kind != Kind::kTensorList) return false;
      c10::List<at::Tensor> list;
      const size_t length = words.length();
      list.reserve(length);
      for (size_t i = 0; i < length; i++) list.push_back(state.at(static_cast<int32_t>(words.number())));
      stack.emplace_back(std::move(list));
      return true;
    }
    case kNumbers: {
      if (argument.kind != Kind::kIntList) return false;
      c10::List<int64_t> list;
      const size_t length = words.length();
      list.reserve(length);
      for (size_t i = 0; i < length; i++) {
        const double number = words.number();
        if (!isInteger(number)) return false;
        list.push_back(static_cast<int64_t>(number));
      }
      stack.emplace_back(fitted(argument, std::move(list)));
      return true;
    }
  }
  return false;
}

// shareWords(float64 array): where callWords finds its operands from now on
napi_value shareWords(Environment& state, const Arguments& arguments) {
  napi_typedarray_type type;
  void* data = nullptr;
  napi_ref reference;
  if (napi_get_typedarray_info(state.env, arguments[0], &type, nullptr, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_float64_array) {
    refuse(state.env, arguments[0], "a Float64Array", "words");
  }
  check(state.env, napi_create_reference(state.env, arguments[0], 1, &reference), "sharing words");
  state.words = static_cast<const double*>(data);
  return nullptr;
}

// callWords() -> as callOperator, or false where that has to be called: the words are the operator's index,
// the number of operands, and these
napi_value callWords(Environment& state, const Arguments&) {
  if (!state.words) throw std::runtime_error("internal: no words are shared");
  Words words{state.words};
  const Operator& op = state.operators.at(words.length());
  const size_t given = words.length();
  if (given > op.arguments.size()) return writeBool(state.env, false);
  SpareStack spare(state);
  torch::jit::Stack& stack = spare.stack();
  stack.reserve(op.arguments.size());
  for (size_t i = 0; i < op.arguments.size(); i++) {
    const Argument& argument = op.arguments[i];
    if (i < given) {
      if (!pushWords(state, argument, words, stack)) return writeBool(state.env, false);
    } else if (argument.fallback) {
      stack.push_back(*argument.fallback);
    } else if (argument.optional) {
      stack.emplace_back();
    } else {
      return writeBool(state.env, false);
    }
  }
  return runOperator(state, op, stack);
}

}  // namespace

std::vector<Export> dispatcherExports() {
  return {{"findOperator", findOperator},
          {"operatorSchema", operatorSchema},
          {"operatorNames", operatorNames},
          {"callOperator", callOperator},
          {"shareWords", shareWords},
          {"callWords", callWords}};
}

}  // namespace limn
