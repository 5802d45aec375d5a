"""Damage to files: what bad disks do to them, and what people do who look for holes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

_PNG = b"\x89PNG\r\n\x1a\n"
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000)
_LARGEST = 1 << 16  # bytes that a file may grow to


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with some damage; the same for the same state of `random`."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 8, 16))):
        random.choice(_MUTATIONS)(random, data, seeds)
    # A decoder that checks sums sees nothing of most damage, unless they are right again.
    if data.startswith(_PNG) and random.random() < 0.7:
        _correct_checksums(data)
    return bytes(data[:_LARGEST])


def _place(random: Random, data: bytearray) -> int:
    """Return a position, mostly near the beginning: that is where files say what they are."""
    return int(len(data) * random.random() ** random.choice((1, 3)))


def _flip_bit(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] ^= 1 << random.randrange(8)


def _set_byte(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] = random.randrange(256)


def _set_number(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Write a number that programs stumble over, or move one that is there by a little."""
    size = random.choice((1, 2, 4))
    order: Literal["little", "big"] = random.choice(("little", "big"))
    start = _place(random, data)
    number = int.from_bytes(data[start : start + size], order)
    number = random.choice((random.choice(_EDGES), -1, number + random.randrange(-16, 17)))
    data[start : start + size] = (number % 256**size).to_bytes(size, order)


def _remove(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, data)
    del data[start : start + random.choice((1, 2, 8, 64, 512))]


def _repeat(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, data)
    piece = data[start : start + random.choice((1, 4, 16, 128))]
    data[start:start] = piece * random.choice((1, 2, 16))


def _insert(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, data)
    data[start:start] = random.randbytes(random.choice((1, 2, 4, 32)))


def _blank(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _place(random, data)
    size = len(data[start : start + random.choice((4, 32, 512))])
    data[start : start + size] = bytes([random.choice((0, 255))]) * size


def _cut(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[int(len(data) * random.random() ** 0.5) :]


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """Go on as another file, or take a piece of it."""
    other = random.choice(seeds)
    start, there = _place(random, data), random.randrange(len(other))
    if random.random() < 0.5:
        data[start:] = other[there:]
    else:
        data[start:start] = other[there : there + random.choice((8, 64, 512))]


_MUTATIONS: tuple[Callable[[Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip_bit,
    _set_byte,
    _set_number,
    _set_number,
    _set_number,
    _remove,
    _repeat,
    _insert,
    _blank,
    _cut,
    _splice,
)


def _correct_checksums(data: bytearray) -> None:
    """Give each chunk of a PNG file the checksum that it should have (PNG, 5.3)."""
    start = len(_PNG)
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[start + 4 : end]))
        start = end + 4
