"""S/MIME: a sealed message, as DER or BER -> the mail that is signed in it.

The signature is not checked: nobody relies on who signed. What is encrypted cannot be read.
"""

from __future__ import annotations

_SEQUENCE, _SET, _INTEGER, _OID, _OCTETS, _PIECES, _EXPLICIT = 0x30, 0x31, 0x02, 0x06, 0x04, 0x24, 0xA0
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
# The way to the content through ContentInfo, SignedData and EncapsulatedContentInfo of RFC 5652: what is met,
# and whether it is entered or passed over.
_WAY = (
    *((_SEQUENCE, True), (_OID, False), (_EXPLICIT, True)),
    *((_SEQUENCE, True), (_INTEGER, False), (_SET, False)),
    *((_SEQUENCE, True), (_OID, False), (_EXPLICIT, True)),
)


def signed_content(data: bytes) -> bytes:
    """The content of a signed message, or nothing where it is not there, encrypted or damaged."""
    if _SIGNED_DATA not in data[:32]:
        return b""
    position = 0
    try:
        for expected, enters in _WAY:
            tag, start, end = _element(data, position)
            if tag != expected or (end is None and not enters):
                return b""
            position = start if enters else end or start
        return _octets(data, position)
    except IndexError:
        return b""


def _octets(data: bytes, position: int) -> bytes:
    """An octet string in one piece, or in many as programs write it that do not know its length yet."""
    tag, start, end = _element(data, position)
    if tag == _OCTETS:
        return data[start:end]
    pieces: list[bytes] = []
    stop = end or len(data)
    while tag == _PIECES and start < stop:
        inner, first, last = _element(data, start)
        if inner != _OCTETS or last is None:
            break
        pieces.append(data[first:last])
        start = last
    return b"".join(pieces)


def _element(data: bytes, position: int) -> tuple[int, int, int | None]:
    """The tag of an element, and where its content begins and ends; None where only a mark tells the end."""
    tag, length = data[position], data[position + 1]
    start = position + 2
    if length == 0x80:
        return tag, start, None
    if length > 0x80:
        digits = length - 0x80
        length = int.from_bytes(data[start : start + digits])
        start += digits
    return tag, start, start + length
