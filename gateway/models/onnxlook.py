"""A look at an ONNX file before any runtime sees it: its protobuf is walked in bounds, and what is risky is refused.

Refused: data outside the file, operators that are not standard ONNX (with them EPContext, which carries native code),
local functions, Scan, loops without a fixed small count, too many nodes, tensors that claim more than the file holds.
Field numbers are those of onnx.proto (github.com/onnx/onnx, IR version 10).
"""

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import Final

from gateway.models.manifest import BundleError, Manifest
from gateway.models.wire import WireError, fields, packed

STANDARD: Final = ("", "ai.onnx", "ai.onnx.ml")
MOST_NODES: Final = 20_000
MOST_LOOP: Final = 10_000  # rounds of a loop, of nested loops together
DEEPEST: Final = 16  # graphs within graphs
FLOAT: Final = 1  # TensorProto.DataType
INT64: Final = 7

Shape = list[int | None]


@dataclass
class Look:
    """What the file holds.

    Attributes:
        opsets: version by domain.
        inputs: element type and shape of each input that is no initializer; None where a dimension is free.
        outputs: the same of each output.
        operators: how often each stands in it, subgraphs included.
        nodes: nodes, subgraphs included.
        weights: values in all initializers and constants.
    """

    opsets: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, tuple[int, Shape | None]] = field(default_factory=dict)
    outputs: dict[str, tuple[int, Shape | None]] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    weights: int = 0

    @property
    def nodes(self) -> int:
        """Nodes, subgraphs included."""
        return self.operators.total()


def look(content: bytes) -> Look:
    """What `content`, an ONNX file, holds. Raises BundleError (graph) when it is none, or holds what is refused."""
    try:
        return _model(memoryview(content))
    except (WireError, IndexError, UnicodeDecodeError) as error:
        raise BundleError("graph", f"model.onnx is no ONNX file, or damaged: {error}") from error


def check_shape(found: Look, manifest: Manifest) -> None:
    """Whether input and outputs are those of the manifest. Raises BundleError (shape)."""
    if set(found.inputs) != {manifest.input}:
        raise BundleError("shape", f"the graph's inputs are {sorted(found.inputs)}, the manifest's is {manifest.input}")
    window: Shape = [manifest.window.rows, manifest.width]
    _fits(f"input {manifest.input}", found.inputs[manifest.input], [window])
    outputs = manifest.outputs
    wanted: dict[str | None, list[Shape]] = {
        outputs.score: [[], [1]], outputs.contributions: [[manifest.width]], outputs.reconstruction: [window]
    }  # fmt: skip
    for name in outputs.names:
        if name not in found.outputs:
            raise BundleError("shape", f"the graph has no output {name}; it has {sorted(found.outputs)}")
        _fits(f"output {name}", found.outputs[name], wanted[name])


def _fits(what: str, given: tuple[int, Shape | None], wanted: list[Shape]) -> None:
    kind, shape = given
    if kind != FLOAT:
        raise BundleError("shape", f"{what} must be of type float, it is of type {kind}")
    if shape is None:
        return
    fixed = [one for one in wanted if len(one) == len(shape) - 1 and _same(shape[1:], one)]
    if not fixed:
        words = " or ".join(str([None, *one]).replace("None", "any") for one in wanted)
        raise BundleError("shape", f"{what} must have the shape {words}, it has {shape}".replace("None", "any"))
    if shape[0] is not None:
        raise BundleError("shape", f"{what} must leave its first dimension free: one row for each asset")


def _same(given: Shape, wanted: Shape) -> bool:
    return all(a in (None, b) for a, b in zip(given, wanted, strict=True))


# -- messages ----------------------------------------------------------------------------------------------------------


def _model(content: memoryview) -> Look:
    found, graphs = Look(), []
    for number, value in fields(content):
        match number, value:
            case 7, memoryview():
                graphs.append(value)
            case 8, memoryview():
                domain, version = _opset(value)
                found.opsets[domain] = version
            case ((20 | 25), _):
                what = "training graphs" if number == 20 else "local functions"  # noqa: PLR2004 - field numbers
                raise BundleError("graph", f"{what} are not accepted; export the model for inference, inlined")
    if len(graphs) != 1:
        raise WireError(f"{len(graphs)} graphs")
    _graph(graphs[0], found, 1, 0)
    for domain in found.opsets:
        _standard(domain, "an operator set")
    return found


def _opset(content: memoryview) -> tuple[str, int]:
    parts = dict(fields(content))
    return _text(parts.get(1, b"")), _number(parts.get(2, 0))


def _graph(content: memoryview, found: Look, rounds: int, depth: int) -> None:
    """Take up one graph, `depth` below the first, that runs `rounds` times."""
    if depth > DEEPEST:
        raise BundleError("graph", f"graphs stand more than {DEEPEST} deep in each other")
    parts: dict[int, list[memoryview]] = {}
    for number, value in fields(content):
        if isinstance(value, memoryview):
            parts.setdefault(number, []).append(value)
    constants: dict[str, int] = {}
    for tensor in parts.get(5, []):
        name, scalar = _tensor(tensor, found)
        constants[name] = scalar
    if 15 in parts:  # noqa: PLR2004 - field number
        raise BundleError("graph", "sparse initializers are not accepted")
    for node in parts.get(1, []):
        _node(node, found, constants, (rounds, depth))
    if depth == 0:
        given = dict(map(_value_info, parts.get(11, [])))
        found.inputs = {name: spec for name, spec in given.items() if name not in constants}
        found.outputs = dict(map(_value_info, parts.get(12, [])))


def _node(content: memoryview, found: Look, constants: dict[str, int], place: tuple[int, int]) -> None:
    texts: dict[int, list[str]] = {}
    attributes: list[memoryview] = []
    for number, value in fields(content):
        if number == 5 and isinstance(value, memoryview):  # noqa: PLR2004 - field number
            attributes.append(value)
        elif isinstance(value, memoryview):
            texts.setdefault(number, []).append(_text(value))
    operator, domain = "".join(texts.get(4, [])), "".join(texts.get(7, []))
    if operator == "EPContext":
        raise BundleError("graph", "EPContext carries native code for an accelerator and is not accepted")
    _standard(domain, f"operator {operator[:40]}")
    found.operators[operator] += 1
    if found.nodes > MOST_NODES:
        raise BundleError("graph", f"more than {MOST_NODES} nodes")
    rounds, depth = place
    scalars = [
        _attribute(one, found, rounds * _rounds(operator, texts, constants, rounds), depth) for one in attributes
    ]
    if operator == "Constant" and scalars and texts.get(2):
        constants[texts[2][0]] = scalars[0]


def _rounds(operator: str, texts: dict[int, list[str]], constants: dict[str, int], outer: int) -> int:
    """How often the graphs of a node run. Raises BundleError where nothing in the file says so."""
    if operator == "Scan":
        raise BundleError("graph", "Scan is not accepted: nothing in the file bounds it")
    if operator != "Loop":
        return 1
    count = constants.get((texts.get(1) or [""])[0], -1)
    if not 0 <= count * outer <= MOST_LOOP:
        told = f"{count * outer} rounds" if count >= 0 else "no fixed number of rounds"
        raise BundleError("graph", f"a Loop with {told}; at most {MOST_LOOP}, as a constant, are accepted")
    return max(count, 1)


def _attribute(content: memoryview, found: Look, rounds: int, depth: int) -> int:
    """Take up what an attribute holds; the whole number that it says, -1 without one."""
    scalar = -1
    for number, value in fields(content):
        match number, value:
            case ((5 | 10), memoryview()):
                scalar = _tensor(value, found)[1]
            case ((6 | 11), memoryview()):
                _graph(value, found, rounds, depth + 1)
            case 3, int():
                scalar = value
            case ((22 | 23), _):
                raise BundleError("graph", "sparse tensors are not accepted")
    return scalar


def _tensor(content: memoryview, found: Look) -> tuple[str, int]:
    """Name of a tensor and, where it is one whole number, that number; -1 otherwise."""
    dims: list[int] = []
    parts: dict[int, int | memoryview] = {}
    for number, value in fields(content):
        if number == 1:
            dims += [value] if isinstance(value, int) else list(packed(value))
        else:
            parts[number] = value
    name = _text(parts.get(8, b""))
    if 13 in parts or parts.get(14, 0) != 0:  # noqa: PLR2004 - external_data, data_location
        raise BundleError("graph", f"tensor {name[:40]} lies outside the file; save the model with its data inside")
    size = prod(dims)
    if min(dims, default=0) < 0 or size > 8 * len(content):  # bits: the smallest elements are of less than a byte
        raise BundleError("graph", f"tensor {name[:40]} claims {size} values and holds {len(content)} bytes")
    found.weights += size
    return name, _scalar(parts) if size == 1 and parts.get(2) == INT64 else -1


def _scalar(parts: dict[int, int | memoryview]) -> int:
    raw, listed = parts.get(9), parts.get(7)
    if isinstance(raw, memoryview) and len(raw) == 8:  # noqa: PLR2004 - bytes of an int64
        return int.from_bytes(raw, "little", signed=True)
    if isinstance(listed, memoryview):
        return next(packed(listed), -1)
    return listed if isinstance(listed, int) else -1


def _value_info(content: memoryview) -> tuple[str, tuple[int, Shape | None]]:
    parts = dict(fields(content))
    tensor = dict(fields(_inner(_inner(parts.get(2, b""), 1), None)))
    shape = tensor.get(2)
    dims = None if not isinstance(shape, memoryview) else [_dimension(value) for _, value in fields(shape)]
    return _text(parts.get(1, b"")), (_number(tensor.get(1, 0)), dims)


def _inner(content: int | bytes | memoryview, number: int | None) -> memoryview:
    """Field `number` of a message, empty where it has none; the message itself without a number."""
    view = memoryview(b"") if isinstance(content, int) else memoryview(content)
    if number is None:
        return view
    found = dict(fields(view)).get(number, b"")
    return memoryview(b"") if isinstance(found, int) else memoryview(found)


def _dimension(content: int | memoryview) -> int | None:
    value = dict(fields(_inner(content, None))).get(1)
    return value if isinstance(value, int) else None


def _standard(domain: str, what: str) -> None:
    if domain not in STANDARD:
        raise BundleError("graph", f"{what} is of domain '{domain[:40]}'; only standard ONNX is accepted")


def _text(value: int | bytes | memoryview) -> str:
    if isinstance(value, int):
        raise WireError("a number where a name belongs")
    return bytes(value).decode()


def _number(value: int | bytes | memoryview) -> int:
    if not isinstance(value, int):
        raise WireError("bytes where a number belongs")
    return value
