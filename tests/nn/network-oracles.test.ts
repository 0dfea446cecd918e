import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { Tape } from "#repvgg/tensor/tape.js";
import { expectRelative, oracleArrays, oracleNets, oracleState, toNhwc } from "./oracles.js";

// The authors' own nets, weights with randomised BN statistics, and outputs in evaluation mode under PyTorch 1.13.
const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());

function bytes({ data }: NamedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe.each(Object.entries(oracleNets))("the authors' %s", (name, architecture) => {
  for (const form of ["train", "plain"] as const) {
    it(`has the names and shapes of our schema, in its order (${form})`, async () => {
      const state = await oracleState(name, form);
      const ours = [...stateSchema(architecture, form).values()].map((entry) => [entry.name, [...entry.shape]]);
      expect(ours).toEqual([...state].map(([key, array]) => [key, [...array.shape]]));
    });

    it(`gives the authors' logits (${form})`, async () => {
      const io = await oracleArrays(`${name}-io.safetensors`);
      const before = backend.memory.usedWords;
      const network = createNetwork(backend, { architecture, form, state: await oracleState(name, form) });
      const tape = new Tape(backend);
      const { shape, data } = toNhwc(io.get("input")!);
      const { logits, auxiliary } = tape.noGradient(() =>
        network.forward(tape, tape.constant(shape, data), { training: false, auxiliary: true }),
      );
      expectRelative(logits.toArray(), toFloat64(io.get("logits")!), 1e-4, "logits");
      const heads = ["stage1_aux", "stage2_aux", "stage3_first_aux"].filter((head) => io.has(`aux.${head}`));
      expect(auxiliary).toHaveLength(form === "train" ? heads.length : 0);
      auxiliary.forEach((tensor, i) => {
        expectRelative(tensor.toArray(), toFloat64(io.get(`aux.${heads[i]}`)!), 1e-4, heads[i]);
      });
      tape.dispose();
      network.dispose();
      expect(backend.memory.usedWords).toBe(before);
    });
  }

  it("gives its state back unchanged", async () => {
    const state = await oracleState(name, "train");
    const network = createNetwork(backend, { architecture, form: "train", state });
    for (const [key, array] of network.state()) {
      const expected = state.get(key)!;
      expect([array.dtype, ...array.shape], key).toEqual([expected.dtype, ...expected.shape]);
      expect(Buffer.compare(bytes(array), bytes(expected)), key).toBe(0);
    }
    expect([...network.state().keys()]).toEqual([...state.keys()]);
    network.dispose();
  });
});
