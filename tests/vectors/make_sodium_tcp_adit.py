#!/usr/bin/python3
"""make_sodium_tcp_adit.py OUT: writes OUT/sodium-tcp-adit.json and OUT/sodium-tcp-adit-error.json,
sessions of the extension as docs/protocols/sodiumtcp.md specifies it. Shares nothing with the
engine but libsodium, and is run by hand when the document changes."""
import ctypes
import ctypes.util
import hashlib
import json
import pathlib
import struct
import sys

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))
SODIUM.sodium_init()
MAGIC, VERSION, WINDOW = 0xBAADC0DE, 0xDEADCAFE, 1 << 20
TYPES = {1: "client_auth", 2: "server_helo", 3: "data", 4: "ping", 5: "pong", 16: "key_client",
         17: "key_server", 18: "begin", 19: "offer", 20: "start", 21: "block", 22: "block_zstd",
         23: "end", 24: "ack", 25: "credit", 26: "error", 27: "finish", 28: "finished",
         29: "padding"}
TYPE = {name: number for number, name in TYPES.items()}
FILE, DIRECTORY, STREAM = range(3)
UNKNOWN = 2**64 - 1


def blake2b(data, size):
    return hashlib.blake2b(data, digest_size=size).digest()


def base(secret):
    out = ctypes.create_string_buffer(32)
    SODIUM.crypto_scalarmult_base(out, secret)
    return out.raw


def shared(secret, public):
    out = ctypes.create_string_buffer(32)
    assert SODIUM.crypto_scalarmult(out, secret, public) == 0
    return out.raw


def box_seal(plain, public, secret):
    out = ctypes.create_string_buffer(len(plain) + 16)
    own = base(secret)
    assert SODIUM.crypto_box_easy(out, plain, ctypes.c_ulonglong(len(plain)),
                                  blake2b(own + public, 24), public, secret) == 0
    return own + out.raw


class Stream:
    def __init__(self, header, key):
        self.state = ctypes.create_string_buffer(52)
        SODIUM.crypto_secretstream_xchacha20poly1305_init_pull(self.state, header, key)

    def push(self, plain):
        out = ctypes.create_string_buffer(len(plain) + 17)
        SODIUM.crypto_secretstream_xchacha20poly1305_push(
            self.state, out, None, plain, ctypes.c_ulonglong(len(plain)), None,
            ctypes.c_ulonglong(0), 0)
        return out.raw


class Session:
    """Both sides of a session; a side's n-th draw is bytes of value n, or 0x80 + n."""

    def __init__(self):
        self.draws = {"client": 0, "server": 0x80}
        self.padded = {"client": 0, "server": 0}
        self.pdus, self.streams = [], {}
        self.server = bytes([7]) * 32
        self.client = self.draw("client", 32)
        self.open()
        self.exchange()

    def draw(self, side, size):
        self.draws[side] += 1
        return bytes([self.draws[side]]) * size

    def add(self, side, name, body, wire, random=()):
        self.pdus.append({
            "from": side, "type": name, "magic": f"{MAGIC:08x}", "pdu_type": TYPE[name],
            "body_size": len(body), "body": body.hex(), "random": [r.hex() for r in random],
            "wire": wire.hex()})

    def header(self, name, body):
        return struct.pack(">III", MAGIC, TYPE[name], len(body))

    def push(self, side, name, body, random=()):
        stream = self.streams[side]
        self.add(side, name, body, stream.push(self.header(name, body)) + stream.push(body), random)

    def open(self):
        server, client = base(self.server), base(self.client)
        keys = blake2b(shared(self.client, server) + client + server, 64)
        self.to_client, self.to_server = keys[:32], keys[32:]
        nonce, header = self.draw("client", 24), self.draw("client", 24)
        secret = self.draw("client", 32)
        body = (struct.pack(">I", VERSION) + nonce + header + client + b"me".ljust(128, b"\0")
                + b"secret".ljust(128, b"\0"))
        wire = box_seal(self.header("client_auth", body) + body, server, secret)
        self.add("client", "client_auth", body, wire, (nonce, b"", b"", header, secret))
        self.nonce, self.streams["client"] = nonce, Stream(header, self.to_server)
        header, secret = self.draw("server", 24), self.draw("server", 32)
        answer = (int.from_bytes(nonce, "little") + 1).to_bytes(24, "little")
        body = answer + header + b"Welcome.\0adit/1 zstd".ljust(128, b"\0")
        wire = box_seal(self.header("server_helo", body) + body, client, secret)
        self.add("server", "server_helo", body, wire, (header, secret))
        self.streams["server"] = Stream(header, self.to_client)

    def half_exchange(self, side, values):
        secret, header, drawn = (self.draw(side, n) for n in (32, 24, 2))
        fixed = base(secret) + header + values
        padding = bytes(int.from_bytes(drawn, "big") % 1025)
        self.push(side, "key_" + side, fixed + padding, (secret, header, drawn))
        return secret, header, fixed

    def exchange(self):
        secret, to_server_header, asked = self.half_exchange("client", struct.pack(">HH", 1, 1))
        _, to_client_header, told = self.half_exchange("server", struct.pack(">Q", WINDOW))
        label = b"adit/1 sodium-tcp key exchange".ljust(32, b"\0")
        keys = blake2b(label + shared(secret, told[:32]) + self.to_server + self.to_client
                       + base(self.server) + base(self.client) + self.nonce + asked + told, 64)
        self.streams["client"] = Stream(to_server_header, keys[:32])
        self.streams["server"] = Stream(to_client_header, keys[32:])

    def say(self, side, name, body):
        self.push(side, name, body)
        if name in ("finished", "error"):
            return
        if self.padded[side] < 8:
            self.padded[side] += 1
            drawn = self.draw(side, 2)
            self.push(side, "padding", bytes(int.from_bytes(drawn, "big") % 1025), (drawn,))

    # ---- The client's steps ----

    def begin(self, item, kind, size, *names, exists=0, mode=None, mtime=None):
        flags = (mode is not None) | (mtime is not None) << 1
        seconds, nanoseconds = mtime or (0, 0)
        body = struct.pack(">IBBBBQqIHBB", item, kind, exists, flags, 0, size, seconds,
                           nanoseconds, mode or 0, len(names), 0)
        self.say("client", "begin", body + b"".join(bytes([len(n)]) + n for n in names))

    def start(self, item, offset=0):
        self.say("client", "start", struct.pack(">IQ", item, offset))

    def end(self, item, status, length, digest=bytes(32)):
        self.say("client", "end", struct.pack(">IBQ", item, status, length) + digest)

    # ---- The server's ----

    def offer(self, item, verdict, length=0, digest=bytes(32)):
        self.say("server", "offer", struct.pack(">IBQ", item, verdict, length) + digest)

    def ack(self, item, status, length):
        self.say("server", "ack", struct.pack(">IBQ", item, status, length))

    def recording(self):
        return {
            "about": "Made from docs/protocols/sodiumtcp.md by make_sodium_tcp_adit.py. random: "
                     "what the sender drew for this PDU, in order; CLIENT_AUTH has two empty "
                     "strings where recordings of the public programs have fillings.",
            "server_secret_key": self.server.hex(), "server_public_key": base(self.server).hex(),
            "client_secret_key": self.client.hex(), "client_public_key": base(self.client).hex(),
            "client_tx_key": self.to_server.hex(), "client_rx_key": self.to_client.hex(),
            "login": "me", "passphrase": "secret", "server_message": "Welcome.",
            "pdus": self.pdus}


def zstd_of_zeros(size):
    """A frame of run-length blocks (RFC 8878): single segment, 4 bytes of content size."""
    frame = bytes.fromhex("28b52ffda0") + struct.pack("<I", size)
    while size > 0:
        block = min(size, 1 << 17)
        size -= block
        frame += (block << 3 | 1 << 1 | (size == 0)).to_bytes(3, "little") + b"\0"
    return frame


def clock(seconds):
    return struct.pack(">QI", seconds, 5) + bytes(4)


def transfer():
    session = Session()
    content = bytes(i * 7 % 256 for i in range(3000))
    session.begin(0, DIRECTORY, 0, b"photos")
    session.begin(1, FILE, 3000, b"photos", b"a b.jpg", exists=1, mode=0o640,
                  mtime=(1795265155, 999999999))
    session.begin(2, FILE, 10, b"photos", b"\xff\n", exists=2)
    session.begin(3, STREAM, UNKNOWN)
    session.ack(0, 0, 0)
    session.offer(1, 1, 1000, blake2b(content[:1000], 32))
    session.offer(2, 2)
    session.say("server", "ping", clock(1795265155))
    session.say("client", "pong", clock(1795265156))
    session.start(1, 1000)
    session.say("client", "block", content[1000:2500])
    session.say("client", "ping", clock(1795265157))
    session.say("client", "block", content[2500:])
    session.end(1, 1, 3000, blake2b(content, 32))
    session.start(3)
    session.say("client", "block", b"x")
    session.say("client", "block_zstd", struct.pack(">I", 600000) + zstd_of_zeros(600000))
    session.end(3, 0, 600001)
    session.say("server", "pong", clock(1795265158))
    session.say("server", "credit", struct.pack(">Q", WINDOW + 2000 + 600001))
    session.ack(1, 1, 3000)
    session.ack(2, 2, 0)
    session.ack(3, 0, 600001)
    session.begin(4, FILE, 5, b"gone")
    session.start(4)
    session.say("client", "block", b"abc")
    session.end(4, 2, 3)
    session.begin(5, DIRECTORY, 0, b"photos", mode=0o755, mtime=(-1, 0))
    session.say("client", "finish", struct.pack(">I", 6))
    session.ack(4, 3, 0)
    session.ack(5, 0, 0)
    session.say("server", "finished", struct.pack(">I", 6))
    return session.recording()


def refusal():
    session = Session()
    session.begin(0, FILE, 5, b"name")
    session.say("server", "error", struct.pack(">IB", 0, 1) + b"no space left on device")
    return session.recording()


def main():
    out = pathlib.Path(sys.argv[1])
    for name, recording in (("", transfer()), ("-error", refusal())):
        text = json.dumps({k: v for k, v in recording.items() if k != "pdus"}, indent=0)[:-2]
        pdus = ",\n".join(json.dumps(pdu) for pdu in recording["pdus"])
        (out / f"sodium-tcp-adit{name}.json").write_text(f'{text},\n"pdus": [\n{pdus}\n]}}\n')


main()
