"""A SniTun peer that does what it is told, good or bad, on a plain blocking socket. The ciphers are
the independent peer's (tests/peers/snitun_peer.py)."""
import collections
import hashlib
import json
import os
import struct
import threading
import time
import types

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken

from harness import Wire, peer, until

NEW, DATA, CLOSE, PING, PAUSE, RESUME = 0x01, 0x02, 0x04, 0x08, 0x16, 0x32
HEADER = 32


def credential(key, hostname, cipher="aes-gcm-siv", version=2, valid=86400, alias=(), payload=None):
    """A credential as `adit token mint` prints it; payload overrides fields of the token, None
    leaves one out."""
    made = peer.credential(types.SimpleNamespace(key=key, hostname=hostname, alias=list(alias),
                                                 cipher=cipher, version=version, valid=valid))
    if payload:
        inner = json.loads(Fernet(key).decrypt(made["token"].encode()))
        inner.update(payload)
        inner = {k: v for k, v in inner.items() if v is not None}
        made["token"] = Fernet(key).encrypt(json.dumps(inner).encode()).decode()
    return made


def until_refused(host, port, token):
    """Until a server closes at once what begins with this token."""
    def is_refused():
        with Wire.dial(host, port) as wire:
            wire.send(token.encode())
            wire.sock.settimeout(2)
            try:
                return wire.sock.recv(100) == b""
            except TimeoutError:
                return False

    until(is_refused, "the token is refused")


class Frame:
    def __init__(self, channel, flag, size, extra, payload):
        self.channel, self.flag, self.size = channel, flag, size
        self.extra, self.payload = extra, payload

    def caller(self, version):
        raw = self.payload if version >= 2 else self.extra
        return raw[1:17] if raw[:1] == b"6" else raw[1:5]


class RawMux:
    """Frames over a Wire after the challenge."""

    def __init__(self, wire, crypto, version):
        self.wire, self.crypto, self.version = wire, crypto, version
        self.sending, self.receiving = threading.Lock(), threading.Lock()
        self.kept = collections.deque()  # what came while nobody asked for it

    def header(self, channel, flag, size, extra=b""):
        return self.crypto.seal(channel + bytes([flag]) + struct.pack(">I", size) + extra +
                                os.urandom(11 - len(extra)))

    def send(self, channel, flag, data=b"", extra=b""):
        with self.sending:
            self.wire.send(self.header(channel, flag, len(data), extra) + data)

    def open(self, address, channel=None):
        """Opens a channel as a server does; address is 4 or 16 bytes."""
        channel = channel or os.urandom(16)
        kind = b"6" if len(address) == 16 else b"4"
        if self.version < 2:
            self.send(channel, NEW, extra=kind + address)
        else:
            unit = kind + address + os.urandom(-(1 + len(address)) % 16)
            self.wire.send(self.header(channel, NEW, len(unit)) + self.crypto.seal(unit))
        return channel

    def keep_alive(self):
        """From now on pings are answered also while the test does something else: who is silent for
        20 s is dead, and that may be a short time on a busy machine."""
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def _keep_alive(self):
        try:
            while not threading.Event().wait(2):
                if self.receiving.acquire(blocking=False):  # else somebody reads
                    try:
                        self._keep_what_came()
                    finally:
                        self.receiving.release()
        except (AssertionError, OSError, ValueError, InvalidTag):  # over, or what the test is about
            pass

    def _keep_what_came(self):
        while self.wire.readable():
            frame = self._read()
            if not self.answered(frame):
                self.kept.append(frame)

    def answered(self, frame):
        """Answers a frame that is a ping."""
        is_ping = frame.flag == PING and frame.extra[:4] == b"ping"
        if is_ping:
            self.send(frame.channel, PING, extra=b"pong")
        return is_ping

    def receive(self):
        """The next frame, whole."""
        with self.receiving:
            return self.kept.popleft() if self.kept else self._read()

    def _read(self):
        head = self.crypto.open(self.wire.receive(HEADER + self.crypto.overhead))
        channel, flag = head[:16], head[16]
        size, extra = struct.unpack(">I", head[17:21])[0], head[21:]
        if flag == NEW and self.version >= 2 and size:
            payload = self.crypto.open(self.wire.receive(size + self.crypto.overhead))
        else:
            payload = self.wire.receive(size)
        return Frame(channel, flag, size, extra, payload)

    def receive_flag(self, flag, channel=None):
        """The next frame of a kind; pings are answered meanwhile, others are dropped."""
        while True:
            frame = self.receive()
            if frame.flag == flag and channel in (None, frame.channel):
                return frame
            self.answered(frame)

    def receive_data(self, channel, n):
        data = b""
        while len(data) < n:
            data += self.receive_flag(DATA, channel).payload
        return data

    def ping(self):
        """A round trip: what was sent before was dealt with, and the connection lives."""
        channel = os.urandom(16)
        self.send(channel, PING, extra=b"ping")
        frame = self.receive_flag(PING, channel)
        assert frame.extra[:4] == b"pong"


def crypto_of(cred, initiator):
    return peer.CIPHERS[cred.get("cipher", "aes-cbc")](
        bytes.fromhex(cred["aes_key"]), bytes.fromhex(cred["aes_iv"]), initiator)


def connect_peer(host, port, cred, answer=None, source=None, before=b"", send=None):
    """Connects as a client and answers the challenge; answer(challenge) may lie, send(wire, token)
    may cut the token up."""
    wire = Wire.dial(host, port, source)
    token = cred["token"].encode()
    if send:
        send(wire, token)
    else:
        wire.send(before + token)
    crypto = crypto_of(cred, True)
    challenge = crypto.open(wire.receive(32 + crypto.overhead))
    wire.send(crypto.seal((answer or (lambda c: hashlib.sha256(c).digest()))(challenge)))
    return RawMux(wire, crypto, cred["protocol_version"])


def accept_peer(endpoint, key, challenge=None):
    """Accepts a publisher as a server does, up to a proven challenge."""
    wire = endpoint.accept()
    token = b""
    while True:
        part = wire.sock.recv(65536)
        assert part, "the publisher ended within its token"
        token += part
        try:
            inner = json.loads(Fernet(key).decrypt(token))
            break
        except InvalidToken:
            continue
    crypto = crypto_of(inner, False)
    challenge = challenge or os.urandom(32)
    wire.send(crypto.seal(challenge))
    answer = crypto.open(wire.receive(32 + crypto.overhead))
    assert answer == hashlib.sha256(challenge).digest()
    assert inner["valid"] > time.time()
    return RawMux(wire, crypto, inner.get("protocol_version", 0))
