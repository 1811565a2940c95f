"""Checks of an export's graphs, which may come from a stranger: a graph is a program.

onnxruntime would run any: with a loop of 2^62 rounds, and with weights read from any file below the working directory
(external data). So a graph is parsed here before onnxruntime sees it, and what no export of this package has is
refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.config import ModelConfig
from seq2seq.errors import InputError, short_repr
from seq2seq.text.protobuf import iter_fields, read_varint

OPSET = 17  # of every export
# The operators that torch writes for our networks. None repeats or selects a part of the graph, and none reads a file.
OPERATORS = {
    "Abs", "Add", "And", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "CumSum", "Div", "Equal", "Exp",
    "Expand", "Flatten", "GRU", "Gather", "GatherElements", "Gemm", "Greater", "GreaterOrEqual", "Identity", "LSTM",
    "LayerNormalization", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "Min", "Mul", "Neg", "Not",
    "Or", "Pad", "Pow", "Range", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Reshape",
    "ScatterElements", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "TopK",
    "Transpose", "Unsqueeze", "Where",
}  # fmt: skip

# The fields of onnx.proto that an export has, by number; the others are refused, above all a model's functions, a
# node's domain and overload, an attribute's graphs, a tensor's external_data and data_location.
_MODEL_GRAPH, _MODEL_OPSETS = 7, 8
_MODEL = {1: "ir_version", 2: "producer_name", 3: "producer_version", 4: "domain", 5: "model_version", 6: "doc_string"}
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_GRAPH = {2: "name", 10: "doc_string", 11: "input", 12: "output", 13: "value_info"}
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_NODE = {1: "input", 2: "output", 3: "name", 6: "doc_string"}
_ATTRIBUTE_INTEGER, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTEGERS = 3, 5, 8
_ATTRIBUTE = {1: "name", 2: "f", 4: "s", 7: "floats", 9: "strings", 13: "doc_string", 20: "type"}
_TENSOR_TYPE, _TENSOR_INTEGERS, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_PLACE = 2, (5, 7), 9, 13, 14
_TENSOR_FLOATS, _FLOAT = 4, 1
_TENSOR = {1: "dims", 8: "name", 12: "doc_string"}
_INTEGER_DTYPES = {6: "<i", 7: "<q"}  # type -> struct format of its raw_data
_OTHER_DTYPES = {1: "float", 9: "bool"}

_END = 2**63 - 1  # a slice's "to the end"; negative: "to the start"


def check_graph(path: Path, content: bytes, model: ModelConfig) -> None:
    """Raise InputError for a graph that no export of such a model has; `path` stands for it in messages."""
    most_nodes = 1000 + 100 * (model.encoder_layers + model.decoder_layers + model.heads)
    try:
        _check_model(memoryview(content), most_nodes)
    except _Foreign as problem:
        raise InputError(f"{path}: {problem}, which no export of this model has; export the model anew") from None
    except (ValueError, struct.error) as problem:
        raise InputError(f"{path}: not a graph of ONNX: {problem}") from None


class _Foreign(Exception):
    """A part of a graph that no export has."""


def _check_model(message: memoryview, most_nodes: int) -> None:
    nodes = 0
    for number, value in iter_fields(message):
        if number == _MODEL_GRAPH:
            nodes += _check_graph(_bytes(value))
        elif number == _MODEL_OPSETS:
            _check_opset(_bytes(value))
        elif number not in _MODEL:
            raise _Foreign(f"field {number} of a model (functions are 25)")
    if nodes > most_nodes:
        raise _Foreign(f"{nodes:,} nodes, more than {most_nodes:,}")


def _check_opset(message: memoryview) -> None:
    """Check the version of the operator set, which defines what each operator means."""
    found = dict(iter_fields(message))
    domain, version = bytes(_bytes(found.get(1, memoryview(b"")))), found.get(2)
    if domain or version != OPSET:
        raise _Foreign(f"operators of {short_repr(domain.decode(errors='replace'))}, version {short_repr(version)}")


def _check_graph(message: memoryview) -> int:
    """Check a graph and return its number of nodes."""
    nodes = 0
    for number, value in iter_fields(message):
        if number == _GRAPH_NODE:
            nodes += 1
            _check_node(_bytes(value))
        elif number == _GRAPH_INITIALIZER:
            _check_tensor(_bytes(value))
        elif number not in _GRAPH:
            raise _Foreign(f"field {number} of a graph")
    return nodes


def _check_node(message: memoryview) -> None:
    for number, value in iter_fields(message):
        if number == _NODE_OPERATOR:
            name = bytes(_bytes(value)).decode(errors="replace")
            if name not in OPERATORS:
                raise _Foreign(f"the operator {short_repr(name)}")
        elif number == _NODE_ATTRIBUTE:
            _check_attribute(_bytes(value))
        elif number not in _NODE and not (number == _NODE_DOMAIN and not _bytes(value)):
            raise _Foreign(f"field {number} of a node (an operator's domain is 7)")


def _check_attribute(message: memoryview) -> None:
    for number, value in iter_fields(message):
        if number == _ATTRIBUTE_TENSOR:
            _check_tensor(_bytes(value))
        elif number in (_ATTRIBUTE_INTEGER, _ATTRIBUTE_INTEGERS):
            _check_integers(_varints(value))
        elif number not in _ATTRIBUTE:
            raise _Foreign(f"field {number} of an attribute (graphs are 6 and 11)")


def _check_tensor(message: memoryview) -> None:
    """Check a tensor: no data in another file, no integer, which could be a size, out of bounds, no NaN."""
    found = list(iter_fields(message))
    types = {value for number, value in found if number == _TENSOR_TYPE and isinstance(value, int)}
    for number, value in found:
        if number in (_TENSOR_EXTERNAL, _TENSOR_PLACE):
            raise _Foreign("data in another file (external data)")
        if number in _TENSOR_INTEGERS:
            _check_integers(_varints(value))
        elif number == _TENSOR_FLOATS:
            _check_floats(_bytes(value))
        elif number == _TENSOR_RAW:
            if _FLOAT in types:
                _check_floats(_bytes(value))
            for dtype in types & _INTEGER_DTYPES.keys():
                _check_integers(each for (each,) in struct.iter_unpack(_INTEGER_DTYPES[dtype], _bytes(value)))
        elif number == _TENSOR_TYPE:
            if value not in _OTHER_DTYPES and value not in _INTEGER_DTYPES:
                raise _Foreign(f"a tensor of type {short_repr(value)}")
        elif number not in _TENSOR:
            raise _Foreign(f"field {number} of a tensor")


def _check_floats(content: memoryview) -> None:
    """Check that weights are finite; a single -inf is allowed, for masks have one.

    onnxruntime's LSTM turns NaN into numbers, so its outputs would not show it.
    """
    numbers = np.frombuffer(content, "<f4")
    if np.isnan(numbers).any() or (numbers.size > 1 and not np.isfinite(numbers).all()):
        raise _Foreign("weights that are NaN or infinite")


def _check_integers(numbers: Iterator[int]) -> None:
    for each in numbers:
        if abs(each) > LARGEST_COUNT and abs(each) != _END:
            raise _Foreign(f"the number {each}, where at most {LARGEST_COUNT:,} are counted")


def _varints(value: int | memoryview) -> Iterator[int]:
    """Yield the one or several signed integers of a field."""
    position, several = 0, b"" if isinstance(value, int) else value
    if isinstance(value, int):
        yield _signed(value)
    while position < len(several):
        number, position = read_varint(several, position)
        yield _signed(number)


def _signed(number: int) -> int:
    number &= 2**64 - 1
    return number - 2**64 if number >= 2**63 else number


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in the place of a message")
    return value
