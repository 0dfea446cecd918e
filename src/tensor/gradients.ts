/**
 * Operators of ONNX's whose gradient the tape has, and the operation that has it (see ops/): what a net in training form consists of
 * when it is written as a graph. Nets are trained as networks; a graph itself is not.
 */
export const gradientOf: Readonly<Record<string, string>> = {
  Add: "add",
  BatchNormalization: "batchNorm",
  Conv: "conv2d",
  Flatten: "globalAveragePool",
  Gemm: "linear",
  GlobalAveragePool: "globalAveragePool",
  Mul: "multiplyChannel",
  Relu: "relu",
  Sigmoid: "sigmoid",
};
