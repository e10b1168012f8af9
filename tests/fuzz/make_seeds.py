"""Writes the seeds of the fuzz harnesses: make_seeds.py VECTORS OUT STAMP

Each harness fuzz_<name>.c has a function here that yields its inputs from the vectors; they land in
OUT/<name>/. STAMP is touched when all are written.
"""
import json
import pathlib
import shutil
import struct
import sys


def split_at(where, data):
    """The input of a harness that reads a connection's first bytes in two pieces."""
    return struct.pack(">H", where) + data


def clienthello(vectors):
    for case in json.loads((vectors / "clienthello.json").read_text())["cases"]:
        hello = bytes.fromhex(case["hello"])
        yield split_at(len(hello) // 2, hello)
        yield split_at(5, hello[:-1])


V2 = b"\r\n\r\n\0\r\nQUIT\n"
IPV4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack(">HH", 56324, 443)
IPV6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07" + bytes(15) + b"\x01" + IPV4[8:]
MAPPED = (bytes(10) + b"\xff\xff" + IPV4[:4]) * 2 + IPV4[8:]
TLVS = b"\x04\0\0" + b"\x05\0\x02id" + b"\x20\0\x05\x01\0\0\0\0"


def proxyheader(_vectors):
    for line in (
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n",
        b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c000:207 1 2\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        b"GET / HTTP/1.1\r\n",
    ):
        yield split_at(11, line + b"\x16\x03\x01")
    for command, family, block in (
        (0x21, 0x11, IPV4),
        (0x21, 0x11, IPV4 + TLVS),
        (0x21, 0x12, IPV4),
        (0x21, 0x21, IPV6),
        (0x21, 0x21, MAPPED + TLVS),
        (0x21, 0x31, bytes(216)),
        (0x21, 0x00, b""),
        (0x20, 0x00, b""),
        (0x20, 0x11, IPV4),
        (0x21, 0x11, IPV4[:-1]),
    ):
        yield split_at(14, V2 + struct.pack(">BBH", command, family, len(block)) + block + b"\x16")


def token(vectors):
    tokens = json.loads((vectors / "snitun.json").read_text())["tokens"]
    for step, case in enumerate(tokens):
        yield bytes([0, 8 * step]) + case["token"].encode()
        if case["payload"] is not None:
            yield json.dumps(case["payload"]).encode()
    full = dict(tokens[0]["payload"], alias=["a.example", "b.example."], cipher="aes-gcm-siv",
                whitelist=["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
    yield json.dumps(full).encode()


def frames(vectors):
    """The recorded sessions' frames, as the steps of fuzz_frames.c have them."""
    flags = {1: 0, 2: 1, 4: 2, 8: 3, 0x16: 4, 0x32: 5, 5: 6}
    ciphers = ("aes-cbc", "aes-gcm", "aes-gcm-siv")
    for number, session in enumerate(json.loads((vectors / "snitun.json").read_text())["sessions"]):
        for role, direction in enumerate(("server_to_client", "client_to_server")):
            version = session["protocol_version"]
            seed = bytes([role | version << 1 | ciphers.index(session["cipher"]) << 3,
                          31 * number])
            ids = []
            if role == 1:
                seed += bytes([10, 4, 203, 0, 113, 7]) * 2 + bytes([8, 255])
            for frame in session[direction]:
                if frame["id"] not in ids:
                    ids.append(frame["id"])
                size = frame["size"]
                unit = frame["flag"] == 1 and version == 2
                seed += bytes([0, ids.index(frame["id"]) % 8 + 8 * role,
                               flags.get(frame["flag"], 7)])
                seed += bytes([size + 8]) if size < 242 else b"\xff" + size.to_bytes(3, "big")
                seed += bytes.fromhex(frame["extra"]) + bytes.fromhex(frame["data"]) * unit
                seed += bytes([12, 0, 3, 9, 0, 100, 8, 200])
            yield seed
            yield seed + bytes([13, 40, 0, 8, 0, 13, 60, 0])
            yield seed + bytes([12, 0, 252, 11, 0, 0, 14, 8, 0, 15, 1, 0, 1, 0])


HARNESSES = (clienthello, frames, proxyheader, token)


def main():
    vectors, out, stamp = map(pathlib.Path, sys.argv[1:])
    for harness in HARNESSES:
        directory = out / harness.__name__
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for number, seed in enumerate(harness(vectors)):
            (directory / f"{number:03}").write_bytes(seed)
    stamp.touch()


main()
