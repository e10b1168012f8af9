#!/usr/bin/python3
"""snitun_variations.py VECTORS_SNITUN FILE: what the runner of the vectors accepts and refuses.

It must accept sessions of any shape (made here with the independent peer's ciphers, from a seed) and
refuse FILE with any one thing in it changed.
"""
import copy
import hashlib
import ipaddress
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))
import snitun_peer  # noqa: E402

NEW, DATA, CLOSE, SEED_PING, PING, PAUSE, RESUME = 1, 2, 4, 5, 8, 0x16, 0x32
SESSIONS = 27
FRAMES = 60
SIZES = [0, 1, 2, 15, 16, 17, 31, 60, 1000] * 6 + [16384, 16385, 65535, 65536, 65537, 150000]
CALLERS = ["203.0.113.7", "10.0.0.1", "2001:db8::42", "fe80::1", "255.255.255.255"]


class Session:
    def __init__(self, rng, cipher, version):
        self.rng, self.version = rng, version
        self.key, self.iv = rng.randbytes(32), rng.randbytes(16)
        make = snitun_peer.CIPHERS[cipher]
        self.server = make(self.key, self.iv, False)
        self.client = make(self.key, self.iv, True)
        for side in (self.server, self.client):
            if cipher == "aes-gcm-siv":
                side.nonce = lambda: rng.randbytes(12)
        challenge = rng.randbytes(32)
        response = hashlib.sha256(challenge).digest()
        self.json = {
            "cipher": cipher, "protocol_version": version,
            "aes_key": self.key.hex(), "aes_iv": self.iv.hex(),
            "challenge": {"plain": challenge.hex(), "wire": self.server.seal(challenge).hex()},
            "response": {"plain": response.hex(), "wire": self.client.seal(response).hex()},
            "server_to_client": [], "client_to_server": [],
        }

    def frame(self, to_client, flag, cid, data=b"", extra=b"", source=None):
        cipher = self.server if to_client else self.client
        extra += self.rng.randbytes(11 - len(extra))
        head = cid + bytes([flag]) + len(data).to_bytes(4, "big") + extra
        wire = cipher.seal(head)
        sealed = flag == NEW and self.version >= 2 and data
        wire += cipher.seal(data) if sealed else data
        frame = {"type": "any", "flag": flag, "id": cid.hex(), "size": len(data),
                 "extra": extra.hex(), "data": data.hex(), "wire": wire.hex()}
        if source:
            frame["source_ip"] = source
        self.json["server_to_client" if to_client else "client_to_server"].append(frame)

    def new(self):
        cid, source = self.rng.randbytes(16), self.rng.choice(CALLERS)
        ip = ipaddress.ip_address(source)
        if self.version >= 2:
            data = (b"4" if ip.version == 4 else b"6") + ip.packed
            full = 16 if ip.version == 4 and self.rng.random() < 0.8 else 32
            self.frame(True, NEW, cid, data + self.rng.randbytes(full - len(data)), source=source)
        else:
            lie = self.rng.randbytes(self.rng.choice([0, 0, 0, 5]))
            address = ip.packed if ip.version == 4 else bytes(4)
            self.frame(True, NEW, cid, lie, b"4" + address, source)
        return cid

    def fill(self):
        rng, known = self.rng, []
        for _ in range(rng.choice([1, 3, 20])):
            known.append(self.new())
        for to_client in (True, False):
            for _ in range(rng.randrange(FRAMES)):
                cid = rng.choice(known + [rng.randbytes(16)])
                odd = rng.randbytes(rng.choice([0, 0, 0, 0, 13]))
                kind = rng.randrange(11)
                if kind < 3:
                    self.frame(to_client, DATA, cid, rng.randbytes(rng.choice(SIZES)))
                elif kind == 3:
                    self.frame(to_client, CLOSE, cid, odd)
                elif kind < 6:
                    self.frame(to_client, rng.choice([PAUSE, RESUME]), cid, odd)
                elif kind < 8:
                    word = rng.choice([b"ping", b"ping", b"pong", b"punk"])
                    self.frame(to_client, rng.choice([PING, PING, SEED_PING]), rng.randbytes(16),
                               odd, word)
                elif kind == 8:
                    self.frame(to_client, rng.choice([0, 3, 0x77, 0xff]), cid, odd)
                elif kind == 9 and to_client:
                    known.append(self.new())
                elif kind == 10 and not to_client:
                    size = rng.choice([16, 32]) if self.version >= 2 else len(odd)
                    self.frame(False, NEW, cid, rng.randbytes(size))
        return self.json


def flip(text, rng):
    """One hex digit, another one."""
    at = rng.randrange(len(text))
    digit = rng.choice([d for d in "0123456789abcdef" if d != text[at]])
    return text[:at] + digit + text[at + 1:]


def changes(vectors, rng):
    """(what was changed, a file of that case alone, changed), many times."""
    def changed(what, change):
        for key in ("tokens", "sessions"):
            if what.startswith(key):
                at = int(what[len(key) + 1:what.index("]")])
                case = {at: copy.deepcopy(vectors[key][at])}
                change({key: case})
                return what, {"fernet_keys": vectors["fernet_keys"], "tokens": [], "sessions": [],
                              key: list(case.values())}
        other = dict(vectors)
        change(other)
        return what, other

    for i, session in enumerate(vectors["sessions"]):
        for unit in ("challenge", "response"):
            for key in ("plain", "wire"):
                def change(v, u=unit, k=key, i=i):
                    v["sessions"][i][u][k] = flip(v["sessions"][i][u][k], rng)
                yield changed(f"sessions[{i}] {unit} {key}", change)
        def key_change(v, i=i):
            v["sessions"][i]["aes_key"] = flip(v["sessions"][i]["aes_key"], rng)
        yield changed(f"sessions[{i}] aes_key", key_change)
        for direction in ("server_to_client", "client_to_server"):
            at = rng.randrange(len(session[direction]))
            for key in ("id", "extra", "data", "wire"):
                at = rng.choice([n for n, f in enumerate(session[direction]) if f[key]])
                def change(v, i=i, d=direction, at=at, k=key):
                    v["sessions"][i][d][at][k] = flip(v["sessions"][i][d][at][k], rng)
                yield changed(f"sessions[{i}] {direction}[{at}] {key}", change)
            def flag_change(v, i=i, d=direction, at=at):
                v["sessions"][i][d][at]["flag"] ^= 0x40
            yield changed(f"sessions[{i}] {direction}[{at}] flag", flag_change)
            def drop(v, i=i, d=direction):
                del v["sessions"][i][d][0]
            if session["cipher"] != "aes-gcm-siv":
                yield changed(f"sessions[{i}] {direction} without its first", drop)
        def source_change(v, i=i):
            v["sessions"][i]["server_to_client"][0]["source_ip"] = "203.0.113.8"
        yield changed(f"sessions[{i}] source_ip", source_change)
        def cipher_change(v, i=i):
            v["sessions"][i]["cipher"] = "aes-xts"
        yield changed(f"sessions[{i}] cipher", cipher_change)
        def version_change(v, i=i):
            v["sessions"][i]["protocol_version"] = 3
        yield changed(f"sessions[{i}] protocol_version", version_change)
    for i, token in enumerate(vectors["tokens"]):
        def verdict_change(v, i=i):
            v["tokens"][i]["verdict"] = "ok" if v["tokens"][i]["verdict"] != "ok" else "invalid"
        yield changed(f"tokens[{i}] verdict", verdict_change)
        if token["verdict"] == "ok":
            for key in token["payload"]:
                if token["payload"][key] is None:
                    continue
                def payload_change(v, i=i, key=key):
                    value = v["tokens"][i]["payload"][key]
                    v["tokens"][i]["payload"][key] = \
                        value[:-1] + ["x"] if isinstance(value, list) else \
                        flip(value, rng) if key.startswith("aes") else \
                        value + "x" if isinstance(value, str) else value + 1
                yield changed(f"tokens[{i}] {key}", payload_change)
    for key in ("tokens", "sessions", "fernet_keys"):
        yield changed(f"no {key}", lambda v, key=key: v.pop(key))


def run(runner, vectors, directory):
    path = Path(directory) / "vectors.json"
    path.write_text(vectors if isinstance(vectors, str) else json.dumps(vectors))
    return subprocess.run([runner, path], capture_output=True, text=True, check=False)


def main():
    runner, recorded = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    rng, wrong = random.Random(1), []
    with tempfile.TemporaryDirectory() as directory:
        sessions = [Session(rng, cipher, version).fill() for _ in range(SESSIONS // 9)
                    for cipher in snitun_peer.CIPHERS for version in (0, 1, 2)]
        made = {"fernet_keys": recorded["fernet_keys"], "tokens": [], "sessions": sessions}
        done = run(runner, made, directory)
        if done.returncode != 0:
            wrong.append(f"sessions made here are refused:\n{done.stderr}")
        count = 0
        for what, vectors in changes(recorded, rng):
            count += 1
            done = run(runner, vectors, directory)
            if done.returncode != 1 or not done.stderr.strip():
                wrong.append(f"{what}: exit {done.returncode}, {done.stderr!r}")
        for text in ("", "[]", "{}", '{"tokens": [], "sessions": []}'):
            if run(runner, text, directory).returncode != 1:
                wrong.append(f"{text!r} is accepted")
    print(*wrong, sep="\n")
    print(f"{len(sessions)} sessions made, {count} changes, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
