"""A slow, obvious decoder of patches, written from docs/DELTA.md alone: the oracle of the C one."""

import struct
from typing import Final

ONE: Final = 1 << 28
OPERATIONS: Final = ("DIFFERENCE", "LITERAL", "COPY", "JUMP", "SELF", "REGION")
FORMS: Final = ("INT8", "INT16", "INT32", "FLOAT16", "FLOAT32")
RATIOS: Final = ("ONE", "GIVEN", "EACH", "OF_SCALES", "PRODUCT")
SIZES: Final = {"INT8": 1, "INT16": 2, "INT32": 4, "FLOAT16": 2, "FLOAT32": 4}
EXPONENTS: Final = {"FLOAT16": (10, 0x1F), "FLOAT32": (23, 0xFF)}  # bits below, mask


def unfold(number: int) -> int:
    return -(number + 1) // 2 if number % 2 else number // 2


def is_ratio(ratio: int) -> bool:
    return ONE // 8 <= ratio < 8 * ONE


def quotient(dividend: int, divisor: int) -> int:
    """Return the quotient of two float32, given as bits."""
    exponents = dividend >> 23, divisor >> 23
    if not all(0 < exponent < 255 for exponent in exponents):
        return ONE
    mantissas = [(bits & 0x7FFFFF) + (1 << 23) for bits in (dividend, divisor)]
    shift = exponents[0] - exponents[1]
    ratio = (mantissas[0] << 28 << max(shift, 0)) // (mantissas[1] << max(-shift, 0))
    return ratio if abs(shift) <= 3 and is_ratio(ratio) else ONE


class Reader:
    """The range coder; adaptive bits are made when they are first met."""

    def __init__(self, payload: bytes) -> None:
        self._payload = iter(payload)
        self._range, self._code = 2**32 - 1, 0
        self._bits: dict[tuple[object, ...], list[int]] = {}
        for _ in range(4):
            self._take()

    def _take(self) -> None:
        self._code = self._code << 8 | next(self._payload, 0)

    def _widen(self) -> None:
        while self._range < 1 << 24:
            self._range <<= 8
            self._take()

    def bit(self, *place: object) -> int:
        state = self._bits.setdefault(place, [32768, 0])
        zero, count = state
        rate = min(36864, round(65536 / (count + 1.6)))
        bound = (self._range >> 16) * zero
        if self._code < bound:
            bit, self._range = 0, bound
            state[0] += ((65504 - zero) * rate) >> 16
        else:
            bit, self._range, self._code = 1, self._range - bound, self._code - bound
            state[0] -= ((zero - 32) * rate) >> 16
        state[1] = min(count + 1, 127)
        self._widen()
        return bit

    def flat(self) -> int:
        self._range >>= 1
        bit = int(self._code >= self._range)
        self._code -= bit * self._range
        self._widen()
        return bit

    def tree(self, leaves: int, *place: object) -> int:
        node = 1
        while node < leaves:
            node = 2 * node + self.bit(*place, node)
        return node - leaves

    def below(self, length: int, adaptive: int, *place: object) -> int:
        number = 1
        for index in range(length - 1):
            number = 2 * number + (self.bit(*place, number) if index < adaptive else self.flat())
        return number

    def number(self, kind: str) -> int:
        length = self.tree(32, kind) + 1
        return self.below(length, 2 if length <= 6 else 0, kind, "below", length) - 1


class Model:
    """One patch, applied."""

    def __init__(self, base: bytes, patch: bytes) -> None:
        self._contexts, base_bytes, self._size, _ = struct.unpack_from("<BIII", patch, 4)
        self._base = base[:base_bytes]
        self._read = Reader(patch[41:])
        self._result = bytearray()
        self._cursor = 0
        self.operations: list[str] = []

    def run(self) -> bytes:
        before = "COPY"
        while len(self._result) < self._size:
            before = self._operation(before)
            self.operations.append(before)
            made = len(self._result)
            getattr(self, f"_{before.lower()}")()
            self._cursor += len(self._result) - made
        return bytes(self._result)

    def _operation(self, before: str) -> str:
        if not self._read.bit("operation", before, 0):
            return OPERATIONS[self._read.bit("operation", before, 1)]
        for node, name in ((2, "COPY"), (3, "JUMP"), (4, "SELF")):
            if not self._read.bit("operation", before, node):
                return name
        return "REGION"

    def _difference(self) -> None:
        difference = self._read.tree(256, "difference")
        self._result.append((self._base[self._cursor] + difference) % 256)

    def _literal(self) -> None:
        self._result.append(self._read.tree(256, "literal"))

    def _copy(self) -> None:
        length = self._read.number("COPY") + 1
        self._result += self._base[self._cursor : self._cursor + length]

    def _jump(self) -> None:
        length = self._read.number("LENGTH") + 1
        self._cursor += unfold(self._read.number("DISTANCE"))
        self._result += self._base[self._cursor : self._cursor + length]

    def _self(self) -> None:
        length = self._read.number("LENGTH") + 1
        back = self._read.number("DISTANCE") + 1
        for _ in range(length):
            self._result.append(self._result[-back])

    def _region(self) -> None:
        kind, count = self._read.number("REGION"), self._read.number("REGION")
        form, ratio = FORMS[kind % 5], RATIOS[kind // 5 % 5]
        is_predicted, is_relative = kind // 25 % 2, kind // 50
        if is_predicted:
            self._cursor += unfold(self._read.number("REGION"))
        top = 0 if form == "INT8" else self._read.number("REGION")
        given = self._read.number("REGION") if ratio in {"GIVEN", "PRODUCT"} else ONE
        old_scales = new_scales = channels = 0
        if ratio in {"OF_SCALES", "PRODUCT"}:
            old_scales = self._read.number("REGION")
            moved = len(self._result) - self._cursor
            new_scales = unfold(self._read.number("REGION")) + old_scales + moved
            channels = self._read.number("REGION")
        run = self._read.number("REGION") if ratio in RATIOS[2:] else count
        mean, now = 0, given
        for index in range(count):
            if index % run == 0 and ratio == "EACH":
                now = (now // (1 << 15) + unfold(self._read.number("RATIO"))) << 15
            elif index % run == 0 and channels:
                now = self._by_scales(form, old_scales, new_scales, index // run % channels, given)
            start = self._cursor + index * SIZES[form]
            old = self._base[start : start + SIZES[form]] if is_predicted else bytes(SIZES[form])
            if form == "INT8":
                code, mean = self._narrow(old[0], now, mean)
                self._result.append(code)
            else:
                bits = int.from_bytes(old, "little")
                self._result += self._wide(form, bits, now, top, is_relative)

    def _by_scales(self, form: str, old: int, new: int, channel: int, factor: int) -> int:
        (before,) = struct.unpack_from("<I", self._base, old + 4 * channel)
        (after,) = struct.unpack_from("<I", self._result, new + 4 * channel)
        ratio = quotient(after, before) if form == "FLOAT32" else quotient(before, after)
        product = ratio * factor >> 28
        return product if is_ratio(product) else ONE

    def _narrow(self, old: int, ratio: int, mean: int) -> tuple[int, int]:
        signed = old - 256 if old >= 128 else old
        product = abs(signed) * (ratio >> 8)
        nearest = min((product + (1 << 19)) >> 20, 127)
        fraction = min(abs(product - (nearest << 20)) >> 15, 15)
        is_below = (product < nearest << 20) != (signed < 0)
        forecast = -nearest if signed < 0 else nearest
        activity = min(max(mean.bit_length() - 4, 0), 7)
        difference = 0
        if self._read.bit("zero", activity, fraction):
            is_away = self._read.bit("sign", activity // 2, fraction)
            length = 1 + self._read.bit("one", activity, is_away, fraction // 4)
            while 2 <= length < 8 and self._read.bit("size", activity, length):
                length += 1
            magnitude = self._read.below(length, 3, "top", length) if length > 1 else 1
            difference = -magnitude if bool(is_away) != is_below else magnitude
        return (forecast + difference) % 256, mean - (mean >> 4) + 16 * abs(difference)

    def _wide(self, form: str, old: int, ratio: int, top: int, is_relative: int) -> bytes:
        bits = 8 * SIZES[form]
        forecast = self._times(form, old, ratio, bits)
        if form in EXPONENTS:
            shift, mask = EXPONENTS[form]
            exponent = forecast >> shift & mask
        else:
            signed = forecast - (forecast >> bits - 1 << bits)
            exponent = (~signed if signed < 0 else signed).bit_length()
        depth = max(top - exponent, 0)
        context = min(depth, self._contexts - 1)
        leaf = self._read.tree(64, "wide", context)
        number = self._ordered(form, forecast, bits)
        if leaf:
            length = leaf - (24 - min(depth, 24) if is_relative else 0)
            is_negative = self._read.bit("wide sign", context)
            place = leaf if self._contexts > 1 else leaf // 8
            magnitude = self._read.below(length, 3, "wide top", place)
            number += -magnitude if is_negative else magnitude
        return self._disordered(form, number % (1 << bits), bits).to_bytes(bits // 8, "little")

    def _times(self, form: str, old: int, ratio: int, bits: int) -> int:
        if ratio == ONE or form == "FLOAT16":
            return old
        if form != "FLOAT32":
            signed = old - (old >> bits - 1 << bits)
            magnitude = (abs(signed) * ratio + ONE // 2) // ONE
            return (-magnitude if signed < 0 else magnitude) % (1 << bits)
        exponent = old >> 23 & 0xFF
        if not 4 <= exponent <= 250:
            return old
        product = ((old & 0x7FFFFF) + (1 << 23)) * ratio
        shift = product.bit_length() - 24
        mantissa = (product + (1 << shift - 1)) >> shift
        return (old & 1 << 31) + (exponent + shift - 28 << 23) + mantissa - (1 << 23)

    def _ordered(self, form: str, number: int, bits: int) -> int:
        if form not in EXPONENTS:
            return number
        return number ^ ((1 << bits) - 1 if number >> bits - 1 else 1 << bits - 1)

    def _disordered(self, form: str, number: int, bits: int) -> int:
        if form not in EXPONENTS:
            return number
        return number ^ (1 << bits - 1 if number >> bits - 1 else (1 << bits) - 1)
