"""A client and a server of sodium-tcp that say what a test tells them to: both modes, written from
docs/protocols/sodiumtcp.md. They share nothing with the engine but libsodium."""
import base64
import contextlib
import ctypes
import ctypes.util
import hashlib
import os
import socket
import struct

from harness import Wire

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))
SODIUM.sodium_init()
MAGIC, VERSION = 0xBAADC0DE, 0xDEADCAFE
(AUTH, HELO, DATA, PING, PONG, KEY_CLIENT, KEY_SERVER, BEGIN, OFFER, START, BLOCK, BLOCK_ZSTD, END,
 ACK, CREDIT, ERROR, FINISH, FINISHED, PADDING) = (*range(1, 6), *range(16, 30))
FILE, DIRECTORY, STREAM = range(3)
REPLACE, RESUME, SKIP = range(3)
BEHIND_CREDIT = (PADDING, CREDIT, PING)


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


def box_seal(plain, public):
    secret = os.urandom(32)
    out = ctypes.create_string_buffer(len(plain) + 16)
    own = base(secret)
    assert SODIUM.crypto_box_easy(out, plain, ctypes.c_ulonglong(len(plain)),
                                  blake2b(own + public, 24), public, secret) == 0
    return own + out.raw


def box_open(sealed, public, secret):
    out = ctypes.create_string_buffer(len(sealed) - 48)
    assert SODIUM.crypto_box_open_easy(
        out, sealed[32:], ctypes.c_ulonglong(len(sealed) - 32),
        blake2b(sealed[:32] + public, 24), sealed[:32], secret) == 0
    return out.raw


class Stream:
    def __init__(self, header, key):
        self.state = ctypes.create_string_buffer(52)
        SODIUM.crypto_secretstream_xchacha20poly1305_init_pull(self.state, header, key)

    def push(self, plain, tag=0):
        out = ctypes.create_string_buffer(len(plain) + 17)
        SODIUM.crypto_secretstream_xchacha20poly1305_push(
            self.state, out, None, plain, ctypes.c_ulonglong(len(plain)), None,
            ctypes.c_ulonglong(0), tag)
        return out.raw

    def pull(self, sealed):
        out = ctypes.create_string_buffer(max(1, len(sealed) - 17))
        tag = ctypes.c_ubyte(0)
        assert SODIUM.crypto_secretstream_xchacha20poly1305_pull(
            self.state, out, None, ctypes.byref(tag), sealed, ctypes.c_ulonglong(len(sealed)),
            None, ctypes.c_ulonglong(0)) == 0 and tag.value == 0
        return out.raw[:len(sealed) - 17]


def begin(item, name, kind=FILE, exists=REPLACE, size=0, mode=0o644):
    """name: components as bytes, not looked at."""
    wire = b"".join(bytes([len(part)]) + part for part in name)
    return struct.pack(">IBBBBQqIHBB", item, kind, exists, 1, 0, size, 0, 0, mode, len(name),
                       0) + wire


def end(item, length, status=0):
    return struct.pack(">IBQ", item, status, length) + bytes(32)


class End:
    """What both ends do once streams hold."""

    def pdu(self, kind, body=b"", tag=0, size=None, magic=MAGIC):
        header = struct.pack(">III", magic, kind, len(body) if size is None else size)
        return self.out.push(header) + self.out.push(body, tag)

    def send(self, *args, **kw):
        self.raw(self.pdu(*args, **kw))

    def receive(self, skip=BEHIND_CREDIT):
        while True:
            _, kind, size = struct.unpack(">III", self.input.pull(self.wire.receive(29)))
            body = self.input.pull(self.wire.receive(size + 17))
            if kind not in skip:
                return kind, body

    def ended(self):
        self.wire.ended()


class Client(End):
    """A connection; sent holds every byte that went out."""

    def __init__(self, site, secret=None, source=None):
        host, port = site.address.rsplit(":", 1)
        self.wire = Wire.dial(host, int(port), source)
        self.server = site.raw_public()
        self.secret = secret or os.urandom(32)
        self.sent = b""

    def raw(self, data):
        """What the receiver does not wait for is in `sent` all the same; what it has said before it
        closed is still to be read."""
        self.sent += data
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wire.send(data)

    def auth(self, login=b"alice", passphrase=b"correct horse", version=VERSION):
        public = base(self.secret)
        keys = blake2b(shared(self.secret, self.server) + public + self.server, 64)
        self.to_client, self.to_server = keys[:32], keys[32:]
        self.nonce, header = os.urandom(24), os.urandom(24)
        body = (struct.pack(">I", version) + self.nonce + header + public
                + login.ljust(128, b"\0") + passphrase.ljust(128, b"\0"))
        self.raw(box_seal(struct.pack(">III", MAGIC, AUTH, len(body)) + body, self.server))
        self.out = Stream(header, self.to_server)
        return self

    def open(self):
        self.auth()
        plain = box_open(self.wire.receive(236), base(self.secret), self.secret)[12:]
        assert plain[:24] == (int.from_bytes(self.nonce, "little") + 1).to_bytes(24, "little")
        self.input = Stream(plain[24:48], self.to_client)
        self.message = plain[48:]
        return self

    def extend(self, options=0):
        """The key exchange of the extension."""
        self.open()
        secret, header = os.urandom(32), os.urandom(24)
        asked = base(secret) + header + struct.pack(">HH", 1, options)
        self.send(KEY_CLIENT, asked)
        kind, told = self.receive(skip=())
        assert kind == KEY_SERVER
        keys = blake2b(b"adit/1 sodium-tcp key exchange".ljust(32, b"\0")
                       + shared(secret, told[:32]) + self.to_server + self.to_client
                       + self.server + base(self.secret) + self.nonce + asked[:60] + told[:64], 64)
        self.out = Stream(header, keys[:32])
        self.input = Stream(told[32:56], keys[32:])
        self.credit, = struct.unpack(">Q", told[56:64])
        return self

    def error(self):
        """The text of the ERROR that ends it."""
        while True:
            kind, body = self.receive()
            if kind == ERROR:
                return body[5:].decode()
            assert kind in (OFFER, ACK), kind


class Server(End):
    """Takes one connection of `adit send`."""

    def __init__(self):
        self.secret = os.urandom(32)
        self.public = base(self.secret)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.key = base64.b64encode(self.public).decode()

    def close(self):
        self.listener.close()

    def raw(self, data):
        self.wire.send(data)

    def ended(self):
        """And ends its own side, which the sender lingers for."""
        super().ended()
        self.wire.close()

    def accept(self):
        """Waits for CLIENT_AUTH."""
        self.wire = Wire(self.listener.accept()[0])
        body = box_open(self.wire.receive(400), self.public, self.secret)[12:]
        self.nonce, header, self.client = body[4:28], body[28:52], body[52:84]
        self.login = body[84:212].rstrip(b"\0"), body[212:340].rstrip(b"\0")
        keys = blake2b(shared(self.secret, self.client) + self.client + self.public, 64)
        self.to_client, self.to_server = keys[:32], keys[32:]
        self.input = Stream(header, self.to_server)
        return self

    def welcome(self, message=b"Welcome.\0adit/1 zstd", nonce=None, change=0):
        """SERVER_HELO; change flips bits of its last byte."""
        header = os.urandom(24)
        answer = (int.from_bytes(self.nonce, "little") + 1) % (1 << 192)
        body = ((answer.to_bytes(24, "little") if nonce is None else nonce) + header
                + message.ljust(128, b"\0"))
        wire = bytearray(box_seal(struct.pack(">III", MAGIC, HELO, len(body)) + body, self.client))
        wire[-1] ^= change
        self.raw(bytes(wire))
        self.out = Stream(header, self.to_client)
        return self

    def extend(self, credit=1 << 25):
        """All of the opening, up to where files may come."""
        self.accept().welcome()
        kind, asked = self.receive()
        assert kind == KEY_CLIENT
        secret, header = os.urandom(32), os.urandom(24)
        told = base(secret) + header + struct.pack(">Q", credit)
        self.send(KEY_SERVER, told)
        keys = blake2b(b"adit/1 sodium-tcp key exchange".ljust(32, b"\0")
                       + shared(secret, asked[:32]) + self.to_server + self.to_client
                       + self.public + self.client + self.nonce + asked[:60] + told[:64], 64)
        self.input = Stream(asked[32:56], keys[:32])
        self.out = Stream(header, keys[32:])
        return self
