export default {
  serverExternalPackages: ["repvgg"],
  // Models are read from the file system: where the host gets traced files only, they have to be among them.
  outputFileTracingIncludes: { "/classify": ["./node_modules/repvgg/assets/models/cifar10/*.safetensors"] },
};
