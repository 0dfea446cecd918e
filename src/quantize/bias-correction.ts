import type { Graph } from "../graph/graph.js";
import type { Layer } from "./layers.js";
import { type CalibrationPictures, type GraphRunner, runOver, withOutputs } from "./runner.js";
import { counted } from "./statistics.js";

/**
 * What a layer's bias has to be moved by so that the mean of every output channel is the float net's (bias correction: Nagel et al., arXiv 1906.04721,
 * section 4.2, with measured means). Where nobody but a ReLU reads the layer, the mean behind the ReLU is what counts, over the places where either net
 * gives anything: the mean before it is made by numbers that become 0, and setting that right costs more than it gains (at 4 bits 3 dB of the
 * outputs here).
 * @param quantized the net with this layer and those before it quantized
 */
export function biasShift(
  runner: GraphRunner,
  float: Graph,
  quantized: Graph,
  layer: Layer,
  rectified: boolean,
  pictures: CalibrationPictures,
): Float64Array {
  const { outputs, output } = layer;
  const sums = new Float64Array(outputs);
  const counts = new Float64Array(outputs);
  const first = pictures.batches[0]!;
  const right = runner.open(withOutputs(float, [output]), { [pictures.inputName]: first.input().shape });
  try {
    runOver(runner, withOutputs(quantized, [output]), pictures, (values, batch) => {
      const { data: own, shape } = counted(values[output]!, batch.size);
      const wanted = counted(right.run({ [pictures.inputName]: batch.input() })[output]!, batch.size).data;
      const inner = layer.kernel.length > 0 ? shape.slice(2).reduce((a, b) => a * b, 1) : 1;
      for (let at = 0, o = 0; at < own.length; at += inner, o = (o + 1) % outputs) {
        let [sum, count] = [0, 0];
        for (let i = at; i < at + inner; i++) {
          const [y, given] = rectified ? [Math.max(0, wanted[i]!), Math.max(0, own[i]!)] : [wanted[i]!, own[i]!];
          if (rectified && y === 0 && given === 0) continue;
          sum += y - given;
          count++;
        }
        sums[o] = sums[o]! + sum;
        counts[o] = counts[o]! + count;
      }
    });
  } finally {
    right.dispose();
  }
  return sums.map((sum, o) => (counts[o]! > 0 ? sum / counts[o]! : 0));
}
