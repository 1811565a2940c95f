"""Protocol buffers, read and written here: no runtime, whose versions conflict with generated code, is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

Message = TypeVar("Message", bytes, memoryview)  # a view copies nothing of a large message

_VARINT, _EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types


def iter_fields(message: Message) -> Iterator[tuple[int, int | Message]]:
    """Yield each field's number and raw value: an int for varints, the bytes for everything else.

    A repeated field is yielded as often as it occurs. Raises ValueError where the bytes are not a message.
    """
    position = 0
    while position < len(message):
        key, position = read_varint(message, position)
        wire = key & 7
        if wire == _VARINT:
            number, position = read_varint(message, position)
            yield key >> 3, number
            continue
        if wire == LENGTH:
            size, position = read_varint(message, position)
        elif wire in (FOUR_BYTES, _EIGHT_BYTES):
            size = 4 if wire == FOUR_BYTES else 8
        else:
            raise ValueError(f"unknown wire type {wire}")
        if position + size > len(message):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, message[position : position + size]
        position += size


def make_field(number: int, value: int | bytes) -> bytes:
    """Return a field of a message: a varint for an int, else bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _varint(number << 3 | LENGTH) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    digits = []
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def read_varint(message: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return the number that starts at `position`, seven bits per byte, and the position after it.

    Raises ValueError where the message ends inside the number.
    """
    value = shift = 0
    while position < len(message) and shift < 64:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("it ends in the middle of a number")
