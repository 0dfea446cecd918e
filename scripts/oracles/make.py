#!/usr/bin/python3
"""
Writes tests/fixtures/third-party: nets as their exporters write them, with the outputs that PyTorch gives. Made with PyTorch 1.13
(Debian's python3-torch and python3-onnx); the results are committed, so that the tests need neither. All weights are random.

  scripts/oracles/make.py             everything
  scripts/oracles/make.py acb dbb     only the fixtures whose names hold one of the words; the rest of index.json stays
"""
import json
import sys

sys.dont_write_bytecode = True

import acb
import common
import dbb
import ecbsr
import large_kernel
import layouts
import mobile
import nets_classify
import nets_dense
import nets_exporters
import nets_paddle
import paddle
import repmlp
import repvgg
import spellings
import traps
import traps_axes
import yolo

kinds = {
    "blocks": [acb, dbb, ecbsr, large_kernel, layouts, mobile, paddle, repmlp, repvgg, spellings, traps, traps_axes, yolo],
    "nets": [nets_classify, nets_dense, nets_exporters, nets_paddle],
}


def main():
    only = sys.argv[1:]
    path = common.folder / "index.json"
    index = json.loads(path.read_text()) if only and path.exists() else {}
    for kind, modules in kinds.items():
        fixtures = common.Fixtures(kind, only)
        for module in modules:
            module.write(fixtures)
        index = {**index, **fixtures.index}
    path.write_text(json.dumps(dict(sorted(index.items())), indent=1) + "\n")


main()
