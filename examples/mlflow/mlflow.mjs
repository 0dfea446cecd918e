/** A run on an MLflow tracking server. What is logged is sent in order; what cannot be sent stops no training: `end` tells. */
export async function mlflowRun({ server, experiment, name, params }) {
  const call = async (path, fields, query = "") => {
    const address = new URL(`api/2.0/mlflow/${path}${query}`, server.replace(/\/?$/, "/"));
    const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) };
    const response = await fetch(address, fields ? post : {});
    const answer = await response.json();
    if (response.ok) return answer;
    throw Object.assign(new Error(`MLflow, ${path}: ${answer.message}`), { code: answer.error_code });
  };
  const named = `?experiment_name=${encodeURIComponent(experiment)}`;
  const { experiment_id } = await call("experiments/create", { name: experiment }).catch(async (error) => {
    if (error.code !== "RESOURCE_ALREADY_EXISTS") throw error;
    return (await call("experiments/get-by-name", undefined, named)).experiment;
  });
  const { run } = await call("runs/create", { experiment_id, run_name: name, start_time: Date.now() });
  const [waiting, errors] = [[], []];
  let sending = Promise.resolve();
  const send = (path, fields) => {
    const { run_id } = run.info;
    sending = sending.then(() => call(path, { run_id, ...fields })).catch((error) => void errors.push(error));
  };
  const log = (step, values) => {
    const numbers = Object.entries(values).filter(([, value]) => Number.isFinite(value));
    for (const [key, value] of numbers) waiting.push({ key, value, step, timestamp: Date.now() });
  };
  const flush = () => {
    while (waiting.length > 0) send("runs/log-batch", { metrics: waiting.splice(0, 1000) }); // one request has no more
  };
  send("runs/log-batch", { params: Object.entries(params).map(([key, value]) => ({ key, value: String(value) })) });
  return {
    onStep: ({ step }, loss) => log(step, { "train/loss": loss }),
    onEpoch: ({ step, trainLoss, learningRate, validation }) => {
      log(step, { "train/epoch_loss": trainLoss, learning_rate: learningRate });
      for (const [key, value] of Object.entries(validation ?? {})) log(step, { [`validation/${key}`]: value });
      flush();
    },
    end: async (status, step, values = {}) => {
      log(step, values);
      flush();
      send("runs/update", { status, end_time: Date.now() });
      await sending;
      return errors;
    },
  };
}
