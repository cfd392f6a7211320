/** limn's face of libtorch. The only folder that imports the addon. */
export * from "./autograd.ts";
export * from "./create.ts";
export { dtypeBytes, isFloating, type DType, type TensorData } from "./dtype.ts";
export * from "./functional.ts";
export {
  hasOperator,
  operator,
  operatorNames,
  operatorSchema,
  type Operator,
  type OperatorArgument,
} from "./operators.ts";
export * from "./read-file.ts";
export * from "./runtime.ts";
export { scope, scopeDepth } from "./scope.ts";
export {
  call,
  callForEffect,
  callInPlace,
  callMany,
  Tensor,
  type Device,
  type Operand,
  type Shape,
} from "./tensor.ts";
