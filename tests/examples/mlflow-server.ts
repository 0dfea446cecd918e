import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A run as MLflow keeps it. */
export interface TrackedRun {
  readonly experiment: string;
  readonly name: string;
  readonly startTime: number;
  status: string;
  endTime: number | undefined;
  readonly params: Map<string, string>;
  readonly metrics: { key: string; value: number; step: number; timestamp: number }[];
}

type Fields = Readonly<Record<string, unknown>>;

/** What MLflow answers to a wrong request: `error_code` and `message`. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const wrong = (message: string): Refusal => new Refusal(400, "INVALID_PARAMETER_VALUE", message);
const statuses = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

/**
 * The part of an MLflow tracking server that a logger speaks to, as MLflow's REST documentation (version 2.0) says: required fields, their
 * types, at most 1,000 metrics and 100 parameters a request, parameters that are never changed, its error codes.
 */
export class MlflowServer {
  readonly runs = new Map<string, TrackedRun>();
  readonly requests: string[] = [];
  readonly #experiments = new Map<string, string>();
  /** Refuses the next so many requests to log. */
  broken = 0;

  /** @returns its address; it ends with the test. */
  async start(): Promise<string> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, "http://localhost");
    this.requests.push(`${request.method} ${pathname}`);
    let text = "";
    for await (const part of request) text += part;
    let [status, answer]: [number, object] = [200, {}];
    try {
      if (Buffer.byteLength(text) > 2 ** 20) throw wrong("a request has at most 1 MB");
      const path = pathname.replace("/api/2.0/mlflow/", "");
      if (request.method === "GET" && path === "experiments/get-by-name") {
        answer = this.#experimentByName(searchParams.get("experiment_name"));
      } else if (request.method !== "POST") throw new Refusal(405, "BAD_REQUEST", "method not allowed");
      else {
        if (!/^application\/json/.test(request.headers["content-type"] ?? "")) throw wrong("no JSON");
        answer = this.#post(path, JSON.parse(text));
      }
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, "INTERNAL_ERROR", String(error));
      [status, answer] = [refusal.status, { error_code: refusal.code, message: refusal.message }];
    }
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(answer));
  }

  #post(path: string, fields: Fields): object {
    switch (path) {
      case "experiments/create": {
        const name = text(fields, "name");
        if (this.#experiments.has(name)) {
          throw new Refusal(400, "RESOURCE_ALREADY_EXISTS", `Experiment '${name}' already exists.`);
        }
        this.#experiments.set(name, String(this.#experiments.size + 1));
        return { experiment_id: this.#experiments.get(name) };
      }
      case "runs/create":
        return this.#createRun(fields);
      case "runs/log-batch":
        this.#logBatch(this.#run(fields), fields);
        return {};
      case "runs/update": {
        const run = this.#run(fields);
        if (!statuses.includes(fields["status"] as string)) throw wrong("status");
        run.status = fields["status"] as string;
        run.endTime = whole(fields, "end_time");
        return { run_info: { run_id: fields["run_id"], status: run.status, end_time: run.endTime } };
      }
      default:
        throw new Refusal(404, "ENDPOINT_NOT_FOUND", path);
    }
  }

  #experimentByName(name: string | null): object {
    const id = this.#experiments.get(name ?? "");
    if (id === undefined) throw new Refusal(404, "RESOURCE_DOES_NOT_EXIST", `no experiment ${name}`);
    return { experiment: { experiment_id: id, name, lifecycle_stage: "active" } };
  }

  #createRun(fields: Fields): object {
    const experiment = text(fields, "experiment_id");
    if (![...this.#experiments.values()].includes(experiment)) {
      throw new Refusal(404, "RESOURCE_DOES_NOT_EXIST", `No experiment with id ${experiment}`);
    }
    const id = `run${this.runs.size + 1}`;
    this.runs.set(id, {
      ...{ experiment, name: text(fields, "run_name"), startTime: whole(fields, "start_time") },
      ...{ status: "RUNNING", endTime: undefined, params: new Map(), metrics: [] },
    });
    return { run: { info: { run_id: id, run_uuid: id, experiment_id: experiment, status: "RUNNING" }, data: {} } };
  }

  #logBatch(run: TrackedRun, { metrics = [], params = [] }: Fields): void {
    if (this.broken > 0) {
      this.broken--;
      throw new Refusal(503, "TEMPORARILY_UNAVAILABLE", "the database is away");
    }
    const [numbers, texts] = [metrics as Fields[], params as Fields[]];
    if (numbers.length > 1000) throw wrong(`at most 1000 metrics. Got ${numbers.length} metrics`);
    if (texts.length > 100) throw wrong(`at most 100 params. Got ${texts.length} params`);
    for (const param of texts) {
      const [key, value] = [text(param, "key"), text(param, "value")];
      if (key.length > 250 || value.length > 6000) throw wrong(`${key} is too long`);
      if ((run.params.get(key) ?? value) !== value) throw wrong(`Changing param values is not allowed: ${key}`);
      run.params.set(key, value);
    }
    for (const metric of numbers) {
      const key = text(metric, "key");
      if (key.length > 250 || !/^[\w./ :-]+$/.test(key)) throw wrong(`Invalid metric name: '${key}'`);
      if (typeof metric["value"] !== "number") throw wrong(`Got invalid value ${metric["value"]} for metric '${key}'`);
      run.metrics.push({
        key,
        value: metric["value"],
        step: whole(metric, "step"),
        timestamp: whole(metric, "timestamp"),
      });
    }
  }

  #run(fields: Fields): TrackedRun {
    const run = this.runs.get(text(fields, "run_id"));
    if (!run) throw new Refusal(404, "RESOURCE_DOES_NOT_EXIST", `Run with id=${fields["run_id"]} not found`);
    return run;
  }
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && value !== "") return value;
  throw wrong(`Missing value for required parameter '${name}'`);
}

function whole(fields: Fields, name: string): number {
  const value = fields[name];
  if (Number.isSafeInteger(value)) return value as number;
  throw wrong(`Invalid value ${value} for parameter '${name}'`);
}
