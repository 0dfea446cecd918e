"""ncnn for `repvgg bench`: see python_engine.py. The net is written as ncnn's own files (.param, .bin), as its converters would: a ReLU
is done by the convolution before it."""

import os
import struct
import tempfile
from collections import Counter

import ncnn
import numpy
from python_engine import serve


def fused(steps, output):
    """The steps with each ReLU taken into the convolution that nothing else reads."""
    readers = Counter(name for step in steps for name in (step["x"], step.get("other")) if name)
    makers = {step["y"]: step for step in steps}
    left = []
    for step in steps:
        maker = makers.get(step["x"])
        if step["op"] == "Relu" and maker and maker["op"] == "Conv" and readers[step["x"]] == 1 and step["x"] != output:
            maker["relu"], maker["y"] = True, step["y"]
            makers[step["y"]] = maker
        else:
            left.append(step)
    return left


def layer(step, array):
    """Kind, parameters and weights of a step, as ncnn's operator table has them."""
    op = step["op"]
    if op == "Conv":
        weight = array(step["weight"])
        top, left, bottom, right = step["pads"]
        outputs, _, kernel_height, kernel_width = weight.shape
        parameters = {0: outputs, 1: kernel_width, 11: kernel_height, 2: step["dilations"][1], 12: step["dilations"][0]}
        parameters |= {3: step["strides"][1], 13: step["strides"][0], 4: left, 15: right, 14: top, 16: bottom}
        parameters |= {5: int("bias" in step), 6: weight.size, 9: int(step.get("relu", False))}
        if step["groups"] == 1:
            return "Convolution", parameters, weights_of(step, array)
        return "ConvolutionDepthWise", parameters | {7: step["groups"]}, weights_of(step, array)
    if op == "Gemm":
        weight = array(step["weight"])
        parameters = {0: weight.shape[0], 1: int("bias" in step), 2: weight.size}
        return "InnerProduct", parameters, weights_of(step, array)
    if op == "MaxPool":
        top, left, bottom, right = step["pads"]
        (height, width), (stride_y, stride_x) = step["kernel"], step["strides"]
        parameters = {0: 0, 1: width, 11: height, 2: stride_x, 12: stride_y, 5: 1}
        return "Pooling", parameters | {3: left, 14: right, 13: top, 15: bottom}, b""
    if op == "GlobalAveragePool":
        return "Pooling", {0: 1, 4: 1}, b""
    if op == "Add":
        return "BinaryOp", {0: 0}, b""
    return {"Relu": "ReLU", "Flatten": "Flatten"}[op], {}, b""


def weights_of(step, array):
    """Weights behind a tag that says float32; a bias has none."""
    bias = array(step["bias"]).tobytes() if "bias" in step else b""
    return struct.pack("<I", 0) + array(step["weight"]).tobytes() + bias


def write(net, array, param_path, bin_path):
    """The net's two files. A value that several layers read goes through a Split, which gives each a name of its own."""
    steps = fused(net["steps"], net["output"])
    readers = Counter(name for step in steps for name in (step["x"], step.get("other")) if name)
    copies = {name: [f"{name}_{i}" for i in range(count)] for name, count in readers.items() if count > 1}
    lines, blobs, binary = [], 0, []

    def add(kind, name, bottoms, tops, parameters):
        nonlocal blobs
        blobs += len(tops)
        values = [f"{key}={value}" for key, value in sorted(parameters.items())]
        lines.append(" ".join([kind, name, str(len(bottoms)), str(len(tops)), *bottoms, *tops, *values]))
        for top in tops:
            if top in copies:
                add("Split", f"{top}_split", [top], list(copies[top]), {})

    def read(name):
        return copies[name].pop(0) if name in copies else name

    for name, place in net["inputs"].items():
        _, channels, height, width = place["shape"]
        add("Input", name, [], [name], {0: width, 1: height, 2: channels})
    for step in steps:
        kind, parameters, weights = layer(step, array)
        bottoms = [read(name) for name in (step["x"], step.get("other")) if name]
        add(kind, f"{step['op']}_{step['y']}", bottoms, [step["y"]], parameters)
        binary.append(weights)
    with open(param_path, "w") as file:
        file.write("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))
    with open(bin_path, "wb") as file:
        file.writelines(binary)


def renamed(net):
    """The net with names that a text file of words can hold."""
    names = {}

    def name_of(value):
        return names.setdefault(value, f"v{len(names)}")

    steps = [{**step, **{key: name_of(step[key]) for key in ("x", "y", "other") if step.get(key)}} for step in net["steps"]]
    inputs = {name_of(name): place for name, place in net["inputs"].items()}
    return {"inputs": inputs, "steps": steps, "output": name_of(net["output"])}


def prepare(net, array, threads):
    net = renamed(net)
    engine = ncnn.Net()
    engine.opt.num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        param_path, bin_path = os.path.join(folder, "net.param"), os.path.join(folder, "net.bin")
        write(net, array, param_path, bin_path)
        if engine.load_param(param_path) != 0 or engine.load_model(bin_path) != 0:
            raise RuntimeError("ncnn cannot read the net")
    inputs = {name: ncnn.Mat(numpy.ascontiguousarray(array(place)[0])) for name, place in net["inputs"].items()}

    def run():
        extractor = engine.create_extractor()
        for name, value in inputs.items():
            extractor.input(name, value)
        failed, output = extractor.extract(net["output"])
        if failed != 0:
            raise RuntimeError("ncnn cannot run the net")
        return numpy.array(output, dtype=numpy.float32)

    return ncnn.__version__, run


serve(prepare)
