import { repvgg, train, trainingSets } from "repvgg";
import { mlflowRun } from "./mlflow.mjs";

const params = { epochs: 3, batchSize: 16, learningRate: 0.03, validation: 0.2 };
const sets = await trainingSets(process.argv[2], params);
const net = repvgg("nano", { classNames: sets.train.classNames, inputSize: 32 });
const settings = { server: process.env.MLFLOW_TRACKING_URI, experiment: "repvgg", name: sets.train.name, params };
const { end, ...logger } = await mlflowRun(settings);
const { epochs, chosen, test } = await train(net, sets, { ...params, out: "run", ...logger }).catch(async (error) => {
  await end("FAILED");
  throw error;
});
const errors = await end("FINISHED", epochs.at(-1).step, { "test/top1": test?.top1, chosen_epoch: chosen.epoch });
console.log(`test top-1 ${test?.top1}`, ...errors.map(({ message }) => message));
