#!/usr/bin/python3
"""quicktun_flows.py VECTORS_QUICKTUN FILE: a second implementation of docs/protocols/quicktun.md,
with libsodium called directly, records the flows that FILE lacks and more refusals; the program has
to accept them, as it accepts FILE, and to fail each of many files with one thing changed."""
import copy
import ctypes
import ctypes.util
import hashlib
import json
import random
import subprocess
import sys
import tempfile

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
sodium.sodium_init()
KEY0 = hashlib.sha256(b"QuickTunTcp key0").digest()
dice = random.Random(2998)


def public(secret):
    out = ctypes.create_string_buffer(32)
    sodium.crypto_scalarmult_base(out, secret)
    return out.raw


def seal(text, nonce, their, mine):
    out = ctypes.create_string_buffer(len(text) + 16)
    sodium.crypto_box_easy(out, text, ctypes.c_ulonglong(len(text)), nonce, their, mine)
    return out.raw


def open_box(box, nonce, their, mine):
    out = ctypes.create_string_buffer(max(len(box) - 16, 1))
    if sodium.crypto_box_open_easy(out, box, ctypes.c_ulonglong(len(box)), nonce, their, mine):
        raise ValueError("does not authenticate")
    return out.raw[:len(box) - 16]


def commands(payload):
    """The commands of a control payload, wrappers opened."""
    code, rest = payload[0], payload[1:]
    if code == 14:
        return commands(rest[1:len(rest) - rest[0]])
    if code != 15:
        return [(code, rest)]
    out = []
    while rest:
        length = int.from_bytes(rest[:2], "big")
        out += commands(rest[2:2 + length])
        rest = rest[2 + length:]
    return out


class Direction:
    def __init__(self):
        self.on, self.mine, self.theirs, self.nonce = False, KEY0, public(KEY0), bytes(24)

    def step(self):
        self.nonce = ((int.from_bytes(self.nonce, "big") + 1) % 2**192).to_bytes(24, "big")


class End:
    def __init__(self, name, secret):
        self.name, self.secret = name, secret
        self.tx, self.rx = Direction(), Direction()
        self.local = self.remote = bytes(24)
        self.acked = self.was_acked = False
        self.new = None
        self.line = []

    def sent(self, code, rest):
        tx = self.tx
        if code == 1:
            self.local = rest[32:]
            seen = self.remote if self.acked else bytes(24)
            tx.on, tx.mine, tx.nonce = True, self.secret, seen[:12] + self.local[:12]
        elif code == 2:
            self.acked = True
            tx.on, tx.theirs, tx.nonce = True, self.peer, self.remote[:12] + self.local[:12]
        elif code == 3:
            tx.on, tx.mine = True, self.new
        elif code == 4:
            tx.on, tx.theirs = True, self.rx.theirs
        elif code in (7, 8):
            tx.on = False

    def heard(self, code, rest, other):
        rx = self.rx
        if code == 1:
            self.peer = rest[:32] if any(rest[:32]) else public(other.secret)
            self.remote = rest[32:]
            seen = self.local if self.was_acked else bytes(24)
            rx.on, rx.theirs, rx.nonce = True, self.peer, seen[:12] + self.remote[:12]
        elif code == 2:
            self.was_acked = True
            rx.on, rx.mine, rx.nonce = True, self.secret, self.local[:12] + self.remote[:12]
        elif code == 3:
            rx.on, rx.theirs = True, rest
        elif code == 4:
            rx.on, rx.mine = True, self.new
        elif code in (7, 8):
            rx.on = False


WEAK = dict(pin=None, proof=False, secured=False, session=False, disable=False, control_only=False,
            ask_password=None)
STRICT = dict(WEAK, proof=True, secured=True, session=True)
PACKETS = {"A": b"\x45\0\0\x20" + b"from A" * 4, "B": b"\x60\0\0\x20" + b"from B" * 4}
NETWORK = b"\0" + bytes(range(100))


class Talk:
    """Records what two ends say."""

    def __init__(self, name, keyed="AB", policy_a=None, policy_b=None, pins="AB"):
        self.password = b"correct horse"
        secrets = {n: dice.randbytes(32) if n in keyed else KEY0 for n in "AB"}
        self.ends = {n: End(n, secrets[n]) for n in "AB"}
        policies = {"A": dict(policy_a or STRICT), "B": dict(policy_b or STRICT)}
        for n, other in ("AB", "BA"):
            if n in pins:
                policies[n]["pin"] = public(secrets[other]).hex()
        self.ops = []
        self.record = {"name": name, "key_a_secret": secrets["A"].hex(),
                       "key_b_secret": secrets["B"].hex(), "policy_a": policies["A"],
                       "policy_b": policies["B"], "password": self.password.decode(),
                       "ops": self.ops}

    def wire(self, end, payload, control):
        tx = end.tx
        box = seal(payload, tx.nonce, tx.theirs, tx.mine) if tx.on else payload
        return (len(box) | control << 15).to_bytes(2, "big") + box

    def say(self, who, step, payload, control=True, drawn=None):
        end, tx = self.ends[who], self.ends[who].tx
        wire = self.wire(end, payload, control)
        self.ops.append({
            "op": "send", "from": who, "step": step, "encrypted": tx.on,
            "sender_secret": tx.mine.hex() if tx.on else None,
            "receiver_public": tx.theirs.hex() if tx.on else None,
            "nonce": tx.nonce.hex() if tx.on else None, "control": control,
            "random": drawn.hex() if drawn else None, "wire": wire.hex()})
        end.line.append((wire, control))
        tx.step()
        for code, rest in commands(payload) if control else ():
            end.sent(code, rest)

    def deliver(self, who, reply=True):
        end, other = self.ends[who], self.ends["B" if who == "A" else "A"]
        wire, control = end.line.pop(0)
        rx = other.rx
        payload = open_box(wire[2:], rx.nonce, rx.theirs, rx.mine) if rx.on else wire[2:]
        rx.step()
        inner = commands(payload) if control else []
        cut = {13: 0, 18: 2}
        tunnelled = [r[cut[c]:] for c, r in inner if c in cut] if control else [payload]
        self.ops.append({"op": "deliver", "from": who, "payload": payload.hex(),
                         "commands": [[c, r.hex()] for c, r in inner],
                         "tunnelled": [t.hex() for t in tunnelled]})
        for code, rest in inner:
            other.heard(code, rest, end)
            answers = {1: "ack_crypto", 3: "ack_update", 7: "ack_disable", 5: "password"}
            if code in answers and reply:
                body = hashlib.sha512(rest + self.password).digest() if code == 5 else b""
                self.say(other.name, answers[code], bytes([code + 1]) + body)

    def both(self):
        while self.ends["A"].line or self.ends["B"].line:
            for who in "AB":
                if self.ends[who].line:
                    self.deliver(who)

    def start(self, who, known=False):
        nonce = dice.randbytes(24)
        key = bytes(32) if known else public(self.ends[who].secret)
        self.say(who, "start_crypto", b"\1" + key + nonce, drawn=nonce)

    def begin(self, who):
        new = dice.randbytes(32)
        self.ends[who].new = new
        self.say(who, "begin_update", b"\3" + public(new), drawn=new)

    def ask(self, who):
        salt = dice.randbytes(32)
        self.say(who, "ask_password", b"\5" + salt)
        return salt

    def simple(self, who, step):
        payload = {"ident": b"QUICKTUN", "start_data": b"\0", "disable": b"\7",
                   "options": b"\x11\xf0", "control_packet": b"\r" + PACKETS[who],
                   "segmented": b"\x12\5\xb4" + PACKETS[who], "echo": b"\tare you there?",
                   "echo_reply": b"\nare you there?", "netconfig": b"\x0b" + NETWORK,
                   "unknown": b"\xc8future", "withdraw": b"\x0c\6\0" + bytes(36),
                   "padded": b"\x0e\5\r" + PACKETS[who] + bytes(5),
                   "batch": b"\x0f\0\x1d\r" + PACKETS[who] + b"\0\2\tx"}
        self.say(who, step, payload[step])

    def packet(self, who):
        self.say(who, "packet", PACKETS[who], control=False)

    def keys(self, *, crossing=True, known=False):
        self.start("A", known)
        if not crossing:
            self.both()
        self.start("B", known)
        self.both()

    def updates(self, crossing=True):
        self.begin("A")
        if not crossing:
            self.both()
        self.begin("B")
        self.both()

    def up(self):
        self.simple("A", "start_data")
        self.simple("B", "start_data")
        self.both()

    def traffic(self):
        for who in "AB":
            for step in ("control_packet", "padded", "batch", "netconfig", "withdraw", "unknown"):
                self.simple(who, step)
        self.both()
        self.simple("A", "echo")
        self.both()
        self.simple("B", "echo_reply")
        self.both()

    def flow(self):
        self.record["flow"] = self.record.pop("name")
        return self.record


def flows():
    asking = dict(WEAK, ask_password="correct horse")
    t = Talk("mutual password", "", asking, asking, pins="")
    t.ask("A")
    t.ask("B")
    t.both()
    t.up()
    t.packet("A")
    t.traffic()
    yield t.flow()

    t = Talk("encrypted public with password", "B", dict(WEAK, proof=True, secured=True),
             dict(WEAK, secured=True, ask_password="correct horse"), pins="A")
    t.start("B")
    t.both()
    t.begin("A")
    t.both()
    t.begin("B")
    t.both()
    t.ask("B")
    t.both()
    t.up()
    t.traffic()
    yield t.flow()

    for known in (False, True):
        for crossing in (False, True):
            t = Talk(f"authenticated, known {known}, crossing {crossing}")
            t.keys(crossing=crossing, known=known)
            t.updates(crossing)
            for who in "AB":
                t.simple(who, "options")
            t.both()
            t.up()
            t.traffic()
            t.simple("A", "segmented")
            for who in "ABAABBAB":
                t.begin(who)
                t.simple(who, "control_packet")
                other = "B" if who == "A" else "A"
                t.simple(other, "control_packet")
                t.deliver(other)
                t.both()
            t.updates(True)
            t.traffic()
            yield t.flow()

    permits = dict(WEAK, proof=True, secured=False, disable=True)
    for name, who in (("authenticated, then unencrypted", "A"), ("crossing Disables", "AB")):
        for before in (False, True):
            t = Talk(f"{name}, before {before}", policy_a=permits, policy_b=permits)
            t.keys()
            t.simple("A", "options")
            t.simple("B", "options")
            t.both()
            if not before:
                t.up()
                t.traffic()
            for w in who:
                t.simple(w, "disable")
            t.both()
            if before:
                t.up()
            t.traffic()
            yield t.flow()


def up_talk(name, policy=None):
    t = Talk(name, policy_a=policy)
    t.keys()
    t.updates()
    t.up()
    return t


def refusals():
    """Each ends with one packet from B, rightly encrypted, that A has to refuse."""
    def last(t, payload, why, control=True):
        t.ops.append({"op": "hostile", "wire": t.wire(t.ends["B"], payload, control).hex(),
                      "expect": "close", "why": why})
        t.record["refusal"] = t.record.pop("name")
        del t.record["policy_b"]
        return t.record

    point = public(dice.randbytes(32))
    for payload, why in (
            (b"\1" + bytes(32) + dice.randbytes(24), "second Start"),
            (b"\2", "nothing"), (b"\4", "nothing"), (b"\x08", "nothing"), (b"\7", "forbidden"),
            (b"\6" + bytes(64), "nothing"), (b"\3" + bytes(32), "weak"),
            (b"\3" + public(KEY0), "key 0"), (b"\3" + point[:31], "argument"), (b"", "empty"),
            (b"\x0f\0\1\4\0\1\xc8", "after keying"), (b"\x0e", "padding"), (b"\x0f", "batch"),
            (b"\x0c\4\2" + bytes(12), "valid"), (b"\x0b" + bytes(100), "argument"),
            (b"\x12\0\1E", "not agreed"), (b"\x11", "argument"), (b"QUACKTUN", "identification"),
            (b"\0\0", "argument"), (b"\5" + bytes(15), "salt")):
        yield last(up_talk(f"{why} {payload[:3].hex()}"), payload, why)
    t = up_talk("own key announced")
    yield last(t, b"\3" + public(t.ends["A"].secret), "own key")
    t = Talk("unproven commands")
    t.start("A")
    t.start("B")
    t.deliver("A", reply=False)
    t.deliver("B")
    yield last(t, b"\tx", "before proven")
    t = Talk("disable without proof", policy_a=dict(WEAK, proof=True, disable=True))
    t.start("B")
    t.deliver("B")
    yield last(t, b"\7", "not vouched")
    t = up_talk("own salt reflected", dict(STRICT, ask_password="correct horse"))
    salt = t.ask("A")
    yield last(t, b"\5" + salt, "salt is ours")


def run(program, record):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(record, file)
        file.flush()
        return subprocess.run([program, file.name], capture_output=True, text=True, check=False)


def changes(record):
    """Copies with one thing changed, each of which is wrong."""
    def flip(text):
        return f"{int(text[:-1][-1:] or '0', 16) ^ 1:x}".join((text[:-2], text[-1:]))

    ops = record["ops"]
    for i, op in enumerate(ops):
        if "refusal" in record and op["op"] == "deliver" and op["from"] == "A":
            continue  # A alone is played
        changed = copy.deepcopy(record)
        target = changed["ops"][i]
        if op["op"] == "send":
            target["wire"] = flip(op["wire"])
        elif op["op"] == "deliver":
            if op["commands"]:
                target["commands"][0][0] ^= 1
            else:
                target["tunnelled"] = []
        elif op["expect"] == "close":
            target["expect"] = "accept"
        else:
            target["expect"] = "close"
        yield changed
    changed = copy.deepcopy(record)
    if "flow" in record:
        changed["ops"][0]["step"] = "dance"
        yield changed
        changed = copy.deepcopy(record)
        changed["key_a_secret"] = changed["key_b_secret"] = "77" * 32
        yield changed


def main():
    program, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        given = json.load(file)
    ours = {"flows": list(flows()), "refusals": list(refusals())}
    result = run(program, ours)
    print(result.stdout, result.stderr, sep="")
    if result.returncode != 0:
        return 1
    passed = 0
    for kind in ("flows", "refusals"):
        records = given[kind] + ours[kind]
        every = [c for r in records for c in changes(r)]
        for changed in dice.sample(every, min(len(every), 100)):
            if run(program, {kind: [changed]}).returncode == 0:
                passed += 1
                print("passes though changed:", changed.get("flow") or changed.get("refusal"))
    print(f"{passed} changed files pass")
    return 1 if passed else 0


sys.exit(main())
