"""What the engines of `repvgg bench` that are Python packages share (src/studies/bench/engines/python-process.node.ts calls them).

Usage of each: ENGINE.py FOLDER THREADS, with in FOLDER:
  net.json     {"steps": [...], "inputs": {name: {"shape", "offset"}}, "output": name}; a step has "op", its input "x", its output "y",
               and what the operator needs; arrays are places in
  numbers.f32  float32, little endian: inputs and weights

Each line on stdin asks for a run. Answers on stdout: first {"version", "length"} as a line of JSON; then for each run 8 bytes, the peak
memory of this process (uint64, bytes), and `length` float32 numbers.
"""

import json
import os
import resource
import struct
import sys

import numpy


def serve(prepare):
    """`prepare(net, array, threads)` returns the engine's version and a function that runs the net once and returns its output, a
    numpy array; `array(place)` is the array that a place of `net` means."""
    folder, threads = sys.argv[1], int(sys.argv[2])
    with open(os.path.join(folder, "net.json")) as file:
        net = json.load(file)
    numbers = numpy.fromfile(os.path.join(folder, "numbers.f32"), dtype=numpy.float32)

    def array(place):
        length = int(numpy.prod(place["shape"], dtype=numpy.int64))
        return numbers[place["offset"] : place["offset"] + length].reshape(place["shape"])

    version, run = prepare(net, array, threads)
    stdout = sys.stdout.buffer
    stdout.write(json.dumps({"version": version, "length": int(run().size)}).encode() + b"\n")
    stdout.flush()
    while sys.stdin.buffer.readline():
        output = run()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        stdout.write(struct.pack("<Q", peak) + numpy.ascontiguousarray(output).tobytes())
        stdout.flush()
