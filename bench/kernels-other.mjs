// Time and throughput of the kernels that are no convolutions, each at the shape that kernels/kernels.def gives: node bench/kernels-other.mjs [options]
//   --kernel pool (those whose name has it)   --threads 1   --passes 20   --backend native   --json
// Copies of a kernel's memory are run in turn, so that it finds its numbers as cold as in a net; the best pass counts (noise only adds).
// GB/s is of all that the kernel reads and writes, each byte once; "of memory" its share of the rate at which memory is read, same run.
import { parseArgs } from "node:util";
import { measurePeaks } from "../dist/analysis/profile/peaks.js";
import { createBackend } from "../dist/backend/select.node.js";
import { readKernels } from "../scripts/kernel-list.mjs";
import { kernelArrays } from "./kernel-arrays.mjs";

const { values: options } = parseArgs({
  options: {
    kernel: { type: "string", default: "" },
    threads: { type: "string", default: "1" },
    passes: { type: "string", default: "20" },
    backend: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
/** More than the caches between two runs of one copy hold. */
const coldBytes = 64 << 20;
const mostCopies = 64;

/** Best time of a run, in microseconds, and the bytes that it reads and writes. */
function measure(backend, kernel) {
  const arrays = kernelArrays(kernel);
  const bytes = arrays.reduce((sum, { values }) => sum + values.byteLength, 0);
  const copies = Math.min(mostCopies, Math.ceil(coldBytes / bytes));
  const pointers = [];
  const place = ({ values }) => {
    const pointer = backend.allocate(values.length);
    pointers.push(pointer);
    backend.f32(pointer, values.length).set(values);
    return pointer;
  };
  const calls = Array.from({ length: copies }, () => {
    const addresses = Object.fromEntries(arrays.map((array) => [array.name, place(array)]));
    return { kernel: kernel.name, args: { ...kernel.shape, ...addresses } };
  });
  const program = backend.compile(calls);
  let best = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass <= Number(options.passes); pass++) {
    const start = performance.now();
    program.run();
    if (pass > 0) best = Math.min(best, performance.now() - start);
  }
  program.dispose();
  for (const pointer of pointers) backend.free(pointer);
  return { microseconds: (1000 * best) / copies, bytes };
}

const results = [];
for (const threads of options.threads.split(",").map(Number)) {
  const backend = await createBackend({ threads, ...(options.backend && { kernels: options.backend }) });
  const { gigabytesPerSecond } = measurePeaks(backend);
  console.log(`\n${backend.name}, ${threads} thread(s), memory ${gigabytesPerSecond.toFixed(1)} GB/s`);
  console.log(`${"kernel".padEnd(34)}       µs     GB/s  of memory  shape`);
  for (const kernel of readKernels().filter(({ name, shape }) => shape && name.includes(options.kernel))) {
    const { microseconds, bytes } = measure(backend, kernel);
    const rate = bytes / microseconds / 1000;
    const shape = Object.entries(kernel.shape).filter(([, value]) => value !== 0);
    const cells = [
      kernel.name.padEnd(34),
      microseconds.toFixed(1).padStart(8),
      rate.toFixed(1).padStart(8),
      `${((100 * rate) / gigabytesPerSecond).toFixed(0)} %`.padStart(10),
      ` ${shape.map(([name, value]) => `${name}=${value}`).join(" ")}`,
    ];
    console.log(cells.join(" "));
    results.push({ kernel: kernel.name, threads, microseconds, gigabytesPerSecond: rate });
  }
  backend.dispose();
}
if (options.json) console.log(JSON.stringify(results));
