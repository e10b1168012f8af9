#!/usr/bin/python3
"""An independent end of QuickTunTcp, written from its specification (docs/protocols/quicktun.md)
alone, to test against. Needs libsodium, called by ctypes.

  quicktun_peer.py keygen
        prints {"secret", "public"} as base64
  quicktun_peer.py connect|listen HOST:PORT [--secret-file F] [--peer-key KEY] [--password-file F]
                   [--ethernet] [--answer]
        one connection as this end; prints one JSON line per event: up, packet, route, network.
        --answer returns every packet with its addresses exchanged

As a module, Peer is one end of a connected socket; its methods wait until what they are about has
come, and raise Refused where the other end breaks a rule that this one knows."""
import argparse
import base64
import collections
import ctypes
import ctypes.util
import hashlib
import json
import os
import socket
import struct

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if sodium.sodium_init() < 0:
    raise OSError("libsodium")

TAG = 16
ZEROS = bytes(24)
KEY0 = hashlib.sha256(b"QuickTunTcp key0").digest()

(START_DATA, START_CRYPTO, ACK_CRYPTO, BEGIN_UPDATE, ACK_UPDATE, ASK_PASSWORD, PASSWORD, DISABLE,
 ACK_DISABLE, ECHO, ECHO_REPLY, NETWORK, ROUTE, PACKET, PADDING, BATCH) = range(16)
OPTIONS, SEGMENTED, IDENTIFICATION = 17, 18, 81
ENCRYPTION, UNENCRYPTED, SEGMENTS, CONTROL_ONLY = 0x80, 0x40, 0x20, 0x10


def public_of(secret):
    out = ctypes.create_string_buffer(32)
    sodium.crypto_scalarmult_base(out, secret)
    return out.raw


KEY0_PUBLIC = public_of(KEY0)


def new_secret():
    return os.urandom(32)


class Refused(Exception):
    """What the other end sent breaks a rule, or does not authenticate."""


class Direction:
    """Whether it is encrypted, with which keys and which nonce."""

    def __init__(self):
        self.on = False
        self.secret, self.public, self.nonce = KEY0, KEY0_PUBLIC, ZEROS

    def shared(self):
        key = ctypes.create_string_buffer(32)
        if sodium.crypto_box_beforenm(key, self.public, self.secret):
            raise Refused("a key of small order")
        return key.raw

    def step(self):
        self.nonce = ((int.from_bytes(self.nonce, "big") + 1) % (1 << 192)).to_bytes(24, "big")

    def seal(self, text):
        out = ctypes.create_string_buffer(len(text) + TAG)
        sodium.crypto_box_easy_afternm(out, text, ctypes.c_ulonglong(len(text)), self.nonce,
                                       self.shared())
        self.step()
        return out.raw

    def open(self, box):
        if len(box) < TAG:
            raise Refused("too short for a tag")
        out = ctypes.create_string_buffer(max(len(box) - TAG, 1))
        if sodium.crypto_box_open_easy_afternm(out, box, ctypes.c_ulonglong(len(box)), self.nonce,
                                               self.shared()):
            raise Refused("does not authenticate")
        self.step()
        return out.raw[:len(box) - TAG]


def unwrap(payload, depth=0):
    """The commands of a control payload as (code, arguments), Padding and batches opened."""
    if not payload:
        raise Refused("an empty control payload")
    if depth > 10:
        raise Refused("too many wrappers")
    code, rest = payload[0], payload[1:]
    if code == PADDING:
        if not rest or rest[0] + 1 >= len(rest):
            raise Refused("padding around nothing")
        return unwrap(rest[1:len(rest) - rest[0]], depth + 1)
    if code != BATCH:
        return [(code, rest)]
    commands = []
    while rest:
        length = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 + length:
            raise Refused("a length that lies")
        commands += unwrap(rest[2:2 + length], depth + 1)
        rest = rest[2 + length:]
    if not commands:
        raise Refused("an empty batch")
    return commands


def route(network, ids, valid=True):
    """A Routing information update. network: of the ipaddress module; ids: 4 bytes each, the
    sender's own first."""
    return bytes([ROUTE, network.version, valid]) + network.network_address.packed + \
        network.netmask.packed + b"".join(ids)


class Peer:
    """One end. secret None: anonymous. peer_key: the only key that is taken, and it must be proven.
    ask: a password that the other end has to know."""

    def __init__(self, sock, secret=None, peer_key=None, password=None, ask=None, options=None):
        self.sock = sock
        self.secret = secret or KEY0
        self.keyed = secret is not None
        self.peer_key = peer_key
        self.password, self.ask = password, ask
        self.options = ENCRYPTION | CONTROL_ONLY if options is None else options
        self.tx, self.rx = Direction(), Direction()
        self.local = self.remote = ZEROS      # nonce inputs sent and received
        self.their_key = None                 # announced in their Start
        self.new_secret = None                # of a Begin that waits for its answer
        self.vouched_keys = set()
        self.our_session, self.their_session = set(), set()
        self.acked = self.was_acked = self.started = False
        self.proven = False
        self.unanswered = collections.deque()  # codes of our requests
        self.sent_start_data = self.heard_start_data = False
        self.asked = self.password_right = False
        self.their_options = None
        self.repeated_options = False
        self.salt = None
        self.buffer = b""
        self.packets = collections.deque()
        self.segments = collections.deque()   # (gso_size, packet)
        self.routes, self.networks, self.echoes = [], [], []
        self.heard = collections.Counter()    # commands by code
        self.key_updates = 0
        self.send_control(bytes([IDENTIFICATION]) + b"UICKTUN")
        self.send_control(bytes([OPTIONS, self.options]))
        self.advance()

    # ---- what is sent ----

    def send_bytes(self, data):
        self.sock.sendall(data)

    def send_wire(self, payload, control):
        body = self.tx.seal(payload) if self.tx.on else payload
        self.send_bytes(struct.pack(">H", len(body) | control << 15) + body)

    def send_control(self, payload):
        """A control payload as it is; its commands then take effect on our sending keys."""
        self.send_wire(payload, True)
        for code, rest in unwrap(payload):
            self.sent(code, rest)

    def sent(self, code, rest):
        tx = self.tx
        if code == START_CRYPTO:
            self.started = True
            self.unanswered.append(code)
            self.local = rest[32:]
            seen = self.remote if self.acked else ZEROS
            tx.on, tx.secret, tx.nonce = True, self.secret, seen[:12] + self.local[:12]
        elif code == ACK_CRYPTO:
            self.acked = True
            tx.on, tx.public, tx.nonce = True, self.their_key, self.remote[:12] + self.local[:12]
        elif code == BEGIN_UPDATE:
            self.unanswered.append(code)
            tx.on, tx.secret = True, self.new_secret
            self.our_session.add(self.new_secret)
        elif code == ACK_UPDATE:
            tx.on, tx.public = True, self.rx.public
        elif code == ASK_PASSWORD:
            self.unanswered.append(code)
            self.asked = True
        elif code == DISABLE:
            self.unanswered.append(code)
            tx.on = False
        elif code == ACK_DISABLE:
            tx.on = False
        elif code == START_DATA:
            self.sent_start_data = True

    def send_packet(self, packet):
        """Inside of the control stream."""
        self.send_control(bytes([PACKET]) + packet)

    def send_plain_packet(self, packet):
        """Without the control bit."""
        self.send_wire(packet, False)

    def send_many(self, payloads):
        """Several control payloads as one packet."""
        self.send_control(bytes([BATCH]) + b"".join(
            len(payload).to_bytes(2, "big") + payload for payload in payloads))

    def send_batch(self, packets):
        self.send_many([bytes([PACKET]) + packet for packet in packets])

    def send_segmented(self, packet, gso_size):
        self.send_control(struct.pack(">BH", SEGMENTED, gso_size) + packet)

    def send_route(self, network, ids, valid=True):
        self.send_control(route(network, ids, valid))

    def send_network(self, address, netmask, dns=None, mode=0):
        """The IPv4 part; the rest is not set."""
        ipv4 = address.packed + netmask.packed + bytes(8) + (dns.packed if dns else bytes(4))
        self.send_control(bytes([NETWORK, mode]) + ipv4 + bytes(80))

    def send_echo(self, data):
        self.send_control(bytes([ECHO]) + data)

    def begin_update(self):
        self.new_secret = new_secret()
        self.send_control(bytes([BEGIN_UPDATE]) + public_of(self.new_secret))

    # ---- what comes ----

    def fill(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError("the other end closed")
            self.buffer += data

    def receive(self):
        """Waits for one packet and does what it says."""
        self.fill(2)
        head, = struct.unpack(">H", self.buffer[:2])
        length, control = head & 0x7fff, head >> 15
        self.fill(2 + length)
        payload, self.buffer = self.buffer[2:2 + length], self.buffer[2 + length:]
        rx = self.rx
        opened = rx.on and rx.secret != KEY0
        vouched = opened and (rx.public == self.their_key or rx.public in self.vouched_keys) and \
            rx.public != KEY0_PUBLIC
        if rx.on:
            payload = rx.open(payload)
        self.proven |= vouched
        if not control:
            if self.both_offered(CONTROL_ONLY):
                raise Refused("a packet outside of the control stream")
            self.packets.append(payload)
            return
        for code, rest in unwrap(payload):
            self.heard[code] += 1
            self.obey(code, rest, opened, vouched)
        self.advance()

    def both_offered(self, bit):
        return bool(self.their_options is not None and self.their_options & self.options & bit)

    def answered(self, code):
        if not self.unanswered or self.unanswered.popleft() != code:
            raise Refused("an answer to nothing")

    def obey(self, code, rest, opened, vouched):
        handler = {START_CRYPTO: self.on_start, ACK_CRYPTO: self.on_acked,
                   BEGIN_UPDATE: self.on_update, ACK_UPDATE: self.on_updated,
                   ASK_PASSWORD: self.on_ask, PASSWORD: self.on_password,
                   DISABLE: self.on_disable, ACK_DISABLE: self.on_disabled}.get(code)
        if handler:
            handler(rest, vouched)
        elif code == IDENTIFICATION and rest != b"UICKTUN":
            raise Refused("another protocol")
        elif code == OPTIONS and (opened or self.their_options is None):
            self.their_options = rest[0] if opened else None
        elif code == START_DATA:
            self.heard_start_data = True
        elif code == ECHO:
            self.send_control(bytes([ECHO_REPLY]) + rest)
        elif code == ECHO_REPLY:
            self.echoes.append(rest)
        elif code == PACKET:
            self.packets.append(rest)
        elif code == SEGMENTED:
            if not self.both_offered(SEGMENTS):
                raise Refused("segmented packets were not agreed")
            self.segments.append((int.from_bytes(rest[:2], "big"), rest[2:]))
        elif code == ROUTE:
            self.routes.append(rest)
        elif code == NETWORK:
            self.networks.append(rest)

    def on_start(self, rest, _vouched):
        if self.their_key is not None:
            raise Refused("a second Start")
        key, self.remote = rest[:32], rest[32:]
        self.their_key = key if any(key) else self.peer_key
        if self.peer_key not in (None, self.their_key):
            raise Refused("an unknown key")
        if self.remote[:12] in (bytes(12), self.local[:12]):
            raise Refused("a nonce input that is zero or ours")
        seen = self.local if self.was_acked else ZEROS
        rx = self.rx
        rx.on, rx.public, rx.nonce = True, self.their_key, seen[:12] + self.remote[:12]
        self.send_control(bytes([ACK_CRYPTO]))

    def on_acked(self, _rest, _vouched):
        self.answered(START_CRYPTO)
        self.was_acked = True
        rx = self.rx
        rx.on, rx.secret, rx.nonce = True, self.secret, self.local[:12] + self.remote[:12]

    def on_update(self, rest, vouched):
        if self.peer_key and not vouched:
            raise Refused("a key update that nobody vouches for")
        if vouched:
            self.vouched_keys.add(rest)
        self.their_session.add(rest)
        self.rx.on, self.rx.public = True, rest
        self.send_control(bytes([ACK_UPDATE]))

    def on_updated(self, _rest, _vouched):
        self.answered(BEGIN_UPDATE)
        self.rx.on, self.rx.secret = True, self.new_secret
        self.key_updates += 1

    def on_ask(self, salt, vouched):
        if self.password is None or (self.peer_key and not vouched):
            raise Refused("asks for a password")
        self.send_control(bytes([PASSWORD]) + hashlib.sha512(salt + self.password).digest())

    def on_password(self, answer, _vouched):
        self.answered(ASK_PASSWORD)
        if answer != hashlib.sha512(self.salt + self.ask).digest():
            raise Refused("a wrong password")
        self.password_right = True

    def on_disable(self, _rest, _vouched):
        raise Refused("wants encryption off")

    def on_disabled(self, _rest, _vouched):
        self.answered(DISABLE)
        self.rx.on = False

    # ---- what is due ----

    def knows_sending_keys(self):
        """Key 0 is in neither of our sending places."""
        return self.tx.on and self.tx.secret != KEY0 and self.tx.public != KEY0_PUBLIC

    def has_session(self):
        return self.knows_sending_keys() and self.rx.on and \
            {self.tx.secret, self.rx.secret} <= self.our_session and \
            {self.tx.public, self.rx.public} <= self.their_session

    def policy_met(self):
        return self.has_session() and (self.proven or not self.peer_key) and \
            (self.ask is None or self.password_right)

    def advance(self):
        if self.keyed and not self.started:
            self.send_control(bytes([START_CRYPTO]) + public_of(self.secret) + os.urandom(24))
        if not self.our_session and self.tx.public != KEY0_PUBLIC:
            self.begin_update()
        if self.has_session() and not self.repeated_options:
            self.repeated_options = True
            self.send_control(bytes([OPTIONS, self.options]))
        if self.ask is not None and not self.asked and self.has_session():
            self.salt = os.urandom(32)
            self.send_control(bytes([ASK_PASSWORD]) + self.salt)
        if self.policy_met() and not self.sent_start_data:
            self.send_control(bytes([START_DATA]))

    @property
    def up(self):
        return self.sent_start_data and self.heard_start_data

    # ---- for tests ----

    def until(self, condition):
        """Reads until the condition holds; its value."""
        while not (value := condition()):
            self.receive()
        return value

    def until_up(self):
        self.until(lambda: self.up)
        return self

    def until_both_up(self):
        """The other end, too, knows that the tunnel is up: it answers what was sent after it."""
        self.until_up().send_echo(b"up?")
        self.until(lambda: b"up?" in self.echoes)
        self.echoes.clear()
        return self

    def next_packet(self, wanted=lambda packet: True):
        """The next packet that is wanted; others are dropped."""
        while True:
            self.until(lambda: self.packets)
            packet = self.packets.popleft()
            if wanted(packet):
                return packet

    def until_closed(self):
        """Reads until the other end closes, for whatever reason."""
        try:
            while True:
                self.receive()
        except (EOFError, ConnectionResetError):
            return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def exchanged(packet):
    """The packet with its addresses exchanged, an echo request as a reply; checksums stay right."""
    if packet[0] >> 4 == 4:
        head = packet[:12] + packet[16:20] + packet[12:16]
        rest = bytearray(packet[20:])
        if packet[9] == 1 and rest[:1] == b"\x08":
            rest[0] = 0
            total = struct.unpack(">H", rest[2:4])[0] + 0x0800
            rest[2:4] = struct.pack(">H", (total & 0xffff) + (total >> 16))
        return head + bytes(rest)
    head = packet[:8] + packet[24:40] + packet[8:24]
    rest = bytearray(packet[40:])
    if packet[6] == 58 and rest[:1] == b"\x80":
        rest[0] = 129
        total = struct.unpack(">H", rest[2:4])[0] + 0xffff - 0x0100
        rest[2:4] = struct.pack(">H", (total & 0xffff) + (total >> 16))
    return head + bytes(rest)


def connected(how, address):
    host, port = address.rsplit(":", 1)
    host = host.strip("[]")
    if how == "connect":
        return socket.create_connection((host, int(port)))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, int(port)), family=family) as server:
        print(json.dumps({"event": "listening", "port": server.getsockname()[1]}), flush=True)
        return server.accept()[0]


def run(args):
    def secret(path):
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    peer = Peer(connected(args.command, args.address),
                secret=base64.b64decode(secret(args.secret_file)) if args.secret_file else None,
                peer_key=base64.b64decode(args.peer_key) if args.peer_key else None,
                password=secret(args.password_file).encode() if args.password_file else None)
    peer.until_up()
    print(json.dumps({"event": "up", "peer": base64.b64encode(peer.their_key or b"").decode()}),
          flush=True)
    while True:
        for name in ("packets", "routes", "networks"):
            for data in getattr(peer, name):
                print(json.dumps({"event": name[:-1], "data": data.hex()}), flush=True)
                if args.answer and name == "packets" and not args.ethernet:
                    peer.send_packet(exchanged(data))
            getattr(peer, name).clear()
        try:
            peer.receive()
        except EOFError:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keygen")
    for how in ("connect", "listen"):
        command = commands.add_parser(how)
        command.add_argument("address")
        for flag in ("--secret-file", "--peer-key", "--password-file"):
            command.add_argument(flag)
        for flag in ("--ethernet", "--answer"):
            command.add_argument(flag, action="store_true")
    args = parser.parse_args()
    if args.command == "keygen":
        secret = new_secret()
        print(json.dumps({"secret": base64.b64encode(secret).decode(),
                          "public": base64.b64encode(public_of(secret)).decode()}))
    else:
        run(args)


if __name__ == "__main__":
    main()
