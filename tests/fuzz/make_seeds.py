"""Writes the seeds of the fuzz harnesses: make_seeds.py VECTORS OUT STAMP

Each harness fuzz_<name>.c has a function here that yields its inputs from the vectors; they land in
OUT/<name>/, and beside them what was once found, each file of regressions/<name>/ under its own
name. STAMP is touched when all are written.
"""
import json
import pathlib
import shutil
import struct
import sys


EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples"
REGRESSIONS = pathlib.Path(__file__).resolve().parent / "regressions"


def split_at(where, data):
    """The input of a harness that reads a connection's first bytes in pieces of that length."""
    return struct.pack(">H", where) + data


def answers(_vectors):
    for how in (0, 1):
        for answer in (
            b"200 OK\r\nContent-Length: 2\r\n\r\n{}",
            b"503 Busy\r\nRetry-After: 7\r\nContent-Length: 16\r\n\r\n{\"message\": \"x\"}",
            b"429 Slow\r\nRetry-After: Sat, 21 Nov 2099 20:00:00 GMT\r\n\r\n",
            b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000,
            b"301 Away\r\nLocation: http://127.0.0.2/\r\n\r\n",
            b"100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"401 No\r\nWWW-Authenticate: Basic realm=x\r\nSet-Cookie: a=b\r\n\r\n",
            b"999 \x1b[31m\r\n folded: line\r\n\r\n",
        ):
            yield bytes([how, 255 if how == 0 else 9]) + b"HTTP/1.1 " + answer


def clienthello(vectors):
    for case in json.loads((vectors / "clienthello.json").read_text())["cases"]:
        hello = bytes.fromhex(case["hello"])
        yield split_at(len(hello) // 2, hello)
        yield split_at(5, hello[:-1])


def clienthello_differs(vectors):
    for case in json.loads((vectors / "clienthello.json").read_text())["cases"]:
        yield bytes.fromhex(case["hello"])


def config(_vectors):
    for file in sorted(EXAMPLES.glob("*.yaml")):
        yield file.read_bytes()
    yield b"role: vpn\npeers: [{name: a, public_key: x}, {name: 7}]\n"
    yield b"role: serve\nlisten: [127.0.0.1:1, {a: b}]\nworkers: -1\n? [x]\n: &a *a\n"


def control(_vectors):
    status, reload = b'{"command": "status"}\n', b'{"command":"reload"}\n'
    for how in (127, 0, 128 + 7):
        for text in (status, status + reload, status + b"7\n" + reload, status[:-1],
                     b'{"command": 7}\n', b'{"command": "a", "command": "b"}\n',
                     b"x" * 4096 + status, status * 40, b"\n"):
            yield bytes([how]) + text


def http(_vectors):
    head = b" HTTP/1.1\r\nHost: master.example:8444\r\nAuthorization: Bearer x\r\n"
    for how in range(4):
        for request in (
            b"GET /.well-known/service-discovery" + head + b"\r\n",
            b"POST /instance/snitun_token" + head + b"Content-Length: 2\r\n\r\n{}",
            b"POST /x" + head + b"X-Forwarded-For: 192.0.2.9, 2001:db8::7\r\nTransfer-Encoding: "
            b"chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"POST /x" + head + b"Content-Length: 60000\r\n\r\n" + bytes(2000),
            b"GET /a" + head + b"\r\nGET /b" + head + b"\r\n",
            b"PUT http://other/x?y#z HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
            b"GET / HTTP/9.9\r\n folded: line\r\n\r\n",
        ):
            yield bytes([how, 255 if how < 2 else 30]) + request


def master(_vectors):
    host = b"master.example:8444\n"
    for given, method, target, body in (
        (0, b"GET", b"/.well-known/service-discovery", b""),
        (1, b"POST", b"/instance/register", b"{}"),
        (1, b"POST", b"/instance/snitun_token", b'{"aes_key": "%s", "aes_iv": "%s"}'
         % (b"00" * 32, b"11" * 16)),
        (1, b"POST", b"/instance/snitun_token", b'{"cipher": "aes-gcm-siv", "hostname": 7}'),
        (1, b"POST", b"/instance/dns_challenge_txt", b'{"txt": "x"}'),
        (2, b"GET", b"/adit/v1/changes?since=0", b""),
        (0, b"PUT", b"/instance/register", b"["),
        (1, b"GET", b"/instance/remote_ping_targets", b""),
        (4, b"GET", b"/instance/connection", b""),
        (1, b"GET", b"/instance/connection", b""),
        (1, b"POST", b"/instance/dns_challenge_cleanup", b'{"txt": "x"}'),
        (4, b"POST", b"/instance/register", b'{"ping_result": []}'),
        (1, b"POST", b"/instance/register", b'{"ping_result": 7}'),
        (8 | 2, b"GET", b"/adit/v1/changes?since=0", b""),
        (2, b"GET", b"/adit/v1/changes?since=18446744073709551616", b""),
        (2, b"POST", b"/instance/snitun_token", b"{}"),
        (1, b"GET", b"/adit/v1/changes", b""),
        *((who, b"POST", b"/instance/snitun_token", b'{"aes_key": "%s", "aes_iv": "%s", %s}'
           % (b"aB" * 32, b"11" * 16, more))
          for who in (1, 4, 8 | 4) for more in (
              b'"cipher": "aes-gcm-siv"', b'"cipher": "aes-cbc"', b'"protocol_version": 2',
              b'"protocol_version": 3', b'"cipher": "aes-gcm", "hostname": "Home.Example."',
              b'"cipher": "aes-gcm-siv", "hostname": "alias.example"', b'"hostname": 1')),
        (0, b"POST", b"/account/login", b""),
        (0, b"GET", b"/" + b"x" * 300, b""),
    ):
        yield bytes([given]) + method + b"\n" + target + b"\n" + host + b"\n" + body


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
            yield bytes([seed[0] | 32]) + seed[1:2] + bytes([0, 0]) + seed[2:]
            yield bytes([seed[0] | 32]) + seed[1:2] + bytes([version, 9]) + seed[2:]
            yield bytes([seed[0] | 64]) + seed[1:2] + bytes([40]) + bytes(range(40))
            yield seed + bytes([13, 40, 0, 8, 0, 13, 60, 0])
            yield seed + bytes([12, 0, 252, 11, 0, 0, 14, 8, 0, 15, 1, 0, 1, 0])


def sodiumtcp(_vectors):
    """Sessions of both roles and modes, as the steps of fuzz_sodiumtcp.c have them."""
    lens = (0, 1, 4, 8, 12, 13, 16, 31, 32, 37, 38, 40, 44, 45, 46, 60, 64, 4128, 131070, 262144)

    def pdu(kind, body, pad=None):
        choice = kind - 3 if kind < 16 else kind - 16 + 15 if kind < 19 else kind - 16
        size = pad or len(body)
        given = size if size < 64 else min(size, 300 if kind == 18 else 16)
        assert len(body) <= given
        length = bytes([lens.index(size) if size in lens else size])
        return b"\7" + bytes([choice]) + length + body.ljust(given, b"\0")

    def begin(number, kind, exists, size, name=b"\4name"):
        return pdu(18, struct.pack(">IBBBBQqIHBB", number, kind, exists, 0, 0, size, 0, 0, 0, 1, 0)
                   + name)

    control, written, tick = b"\0\xff", b"\x11\0", b"\3\x20\0"
    start = lambda number, offset: pdu(20, struct.pack(">IQ", number, offset))
    end = lambda number, status, size: pdu(
        23, struct.pack(">IBQ", number, status, size) + bytes(32))
    ack = lambda number: bytes([1 + 8, number])
    offer = lambda number, verdict, size: bytes([1 + 8 * 4 * verdict, number, size])
    client_begin = lambda exists: b"\1" + b"dir/file".ljust(16, b"\0") + struct.pack(
        ">BBI", 0, exists, 9)
    client_start, client_data, client_end, client_finish = (
        b"\x11\0", b"\x19\0\x09", b"\x21", b"\x29")
    for step in (0, 7, 200):
        head = lambda mode: bytes([mode, step])
        # the engine is a server in extension mode
        yield (head(1) + begin(0, 0, 0, 60) + start(0, 0) + pdu(21, b"", 60) + end(0, 0, 60)
               + control + written + ack(0) + pdu(27, b"\0\0\0\1") + control)
        yield (head(1) + begin(0, 0, 1, 60) + begin(1, 1, 0, 0) + offer(0, 1, 15) + start(0, 15)
               + pdu(21, b"", 45) + end(0, 0, 60) + ack(0) + ack(1) + control + tick)
        yield head(1) + begin(0, 2, 0, 2**64 - 1) + start(0, 0) + pdu(
            22, struct.pack(">I", 1 << 20), 4128) + written + control + end(0, 2, 1 << 20)
        yield head(1) + (begin(0, 0, 0, 1 << 30) + start(0, 0) + pdu(21, b"", 262144) * 4
                         + written + control + pdu(21, b"", 262144) * 2)
        yield head(1) + pdu(26, b"\0\0\0\0\1disk full") + control
        yield head(1) + pdu(4, bytes(16)) * 18
        # in public mode
        yield head(3) + (pdu(3, b"", 131070) + written + control) * 2 + pdu(4, bytes(16)) + control
        yield head(3) + pdu(3, b"") * 18
        # a client in extension mode, then in public mode
        yield (head(0) + client_begin(1) + control
               + pdu(19, struct.pack(">IBQ", 0, 1, 3) + bytes(32)) + b"\x11\3" + b"\x19\0\6"
               + client_end + pdu(24, bytes(13)) + client_finish + pdu(28, b"\0\0\0\1"))
        yield (head(0) + client_begin(0) * 3 + client_start + client_data + client_end + control
               + pdu(25, struct.pack(">Q", 1 << 30)) + pdu(29, b"", 60) + tick)
        yield head(2) + client_data + pdu(3, b"DATA OK: RECEIVED 9 BYTES", 32) + pdu(5, bytes(16))
        # the opening
        yield head(5) + b"\0\x60" + b"a login" + bytes(121) + b"a passphrase"
        yield head(5) + b"\0\x40" + bytes(32)
        yield head(4) + b"\0\x3c" + b"Welcome.\0adit/1 zstd"
        yield head(4) + b"\0\x24" + b"\x55" * 152
        # a changed message
        yield head(1) + b"\4\x21\0" + b"\0" * 3


def quicktun(vectors):
    """Conversations that come up, and the payloads of the recorded flows said in them."""
    up = bytes([0, 0, 0, 1, 1, 0, 255, 1, 1, 255]) * 8
    payloads = []
    for flow in json.loads((vectors / "quicktun.json").read_text())["flows"]:
        for op in flow["ops"]:
            payload = bytes.fromhex(op.get("payload", ""))
            if payload and len(payload) < 256 and payload not in payloads:
                payloads.append(payload)
    for options in (0, 1, 4, 8, 16, 32, 128, 7 | 64, 4 | 8 | 64):
        yield bytes([options]) + up + bytes([5, 0, 4, 5, 1, 255, 7, 0, 9, 1, 0, 255, 1, 1, 255])
        said = b"".join(bytes([2, 0, len(p)]) + p + bytes([1, 0, 255]) for p in payloads[:12])
        yield bytes([options]) + said
    for payload in payloads:
        yield bytes([0]) + up + bytes([2, 1, len(payload)]) + payload + bytes([1, 1, 255])
        yield bytes([4]) + bytes([2, 1, len(payload)]) + payload + bytes([1, 1, 255, 0, 0])


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_packet(payload, version=4, udp=False, sequence=0, number=0, flags=0x10, port=1):
    """A packet with right checksums, as fuzz_packet.c wants them to look further."""
    protocol = 17 if udp else 6
    if udp:
        header = struct.pack(">HHHH", port, 443, 8 + len(payload), 0)
    else:
        header = struct.pack(">HHIIBBHHH", port, 443, sequence, 7, 0x80, flags, 500, 0, 0)
        header += b"\1" * 12
    ends = bytes([10, 9, 0, 1, 10, 9, 0, 2]) if version == 4 else (b"\xfd" + bytes(15)) * 2
    size = len(header) + len(payload)
    value = checksum(ends + struct.pack(">II", size, protocol) + header + payload)
    at = 6 if udp else 16
    segment = header[:at] + struct.pack(">H", value) + header[at + 2:] + payload
    if version == 6:
        return struct.pack(">IHBB", 6 << 28, size, protocol, 64) + ends + segment
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, number, 0, 64, protocol, 0) + ends
    return ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:] + segment


def packet(_vectors):
    """Flows for the join, segmented packets, and segments to be cut, as IP packets and frames."""
    def step(kind, number, data):
        return struct.pack(">BHH", kind, number, len(data)) + data

    for version, ethertype in ((4, b"\x08\0"), (6, b"\x86\xdd")):
        for frame in (b"", bytes(12) + ethertype, bytes(12) + b"\x81\0\0\5" + ethertype):
            made = lambda payload, **fields: frame + ip_packet(payload, version, **fields)
            flow = [made(bytes([i]) * 90, sequence=90 * i, number=i, port=port,
                         flags=0x18 if i == 4 else 0x10) for i in range(6) for port in (1, 2)]
            large = made(bytes(range(200)) * 4)
            datagram = made(bytes(700), udp=True)
            begin = bytes([1 if frame else 0])
            yield begin + b"".join(step(0, 0, data) for data in flow)
            yield begin + step(1, 200, large) + step(1, 150, datagram) + step(1, 1000, flow[0])
            yield (begin + step(2 | (4 if version == 4 else 8), 130, large)
                   + step(2 | 12, 99, datagram) + step(2, 36 << 6 | 21, flow[0])
                   + step(2 | 32 | (4 if version == 4 else 8), 130, large)
                   + step(2 | 32 | 12, 99, datagram))


def publish(_vectors):
    """A server, a master and an endpoint, as the steps of fuzz_publish.c have them."""
    frame = lambda choice, payload=b"", extra=b"4\xc0\0\2\7\0\0\0\0\0\0": bytes(
        [4, choice, len(payload)]) + payload + extra
    new2 = frame(0, bytes(16)) + b"4\xc0\0\2\7\0"
    challenge, wait, endpoint = b"\3\1\2\3\4", b"\x0e\x03\xe8", b"\x09"
    spoilt = lambda which, text: b"\0" + bytes([0x40, which, len(text)]) + text
    for cipher in range(3):
        for version in range(3):
            for step in (255, 4):
                new = new2 if version == 2 else frame(0)
                yield (bytes([cipher << 2 | version << 4 | (64 if cipher else 128), step])
                       + challenge + new + frame(2, b"hello") + wait + endpoint + frame(4) + frame(5) + endpoint
                       + frame(7, b"", b"ping" + bytes(7)) + frame(3) + b"\x0a" + wait + b"\x1b")
    asks = bytes([2 | 8, 255])
    yield asks + b"\0\0" + wait + challenge + frame(0) + wait + b"\x0d" * 50 + b"\0\0" + wait
    for which, text in ((0, b"7"), (1, b'"host-b.example.com"'), (2, b"1"), (3, b'"aes-cbc"'),
                        (4, b'"-"'), (5, b"65536"), (6, b'["10.0.0.0/8", 7]'), (7, b"3"),
                        (2, b""), (6, b'["::1", "10.1.2.3/31"]'), (4, b'"[::1]"'), (5, b"")):
        yield asks + spoilt(which, text) + wait + challenge + wait
    yield asks + b"\0\x24\x13" + b'{"message": "no\\n"}' + wait + b"\x0d\0\x14\0\0\7" + wait
    yield asks + b"\0\x08\1" + b"\x0d\0\x07" + wait
    polls = bytes([1, 255])
    change = b"\0\0\5\1"
    yield polls + change + wait + b"\0\0\6\0" + wait * 2 + b"\0\0\2\0" + wait * 2
    for which, text in ((128, b"7"), (129, b'"x"'), (8, b"-1"), (10, b"{}"), (129, b"1e300"),
                        (9, b"true"), (128, b'"Host-A.example.com."'), (129, b"")):
        yield polls + b"\0\x40\5\0" + bytes([which, len(text)]) + text + wait * 2 + change
    yield polls + b"\0\x25\0\0\x11" + b'{"message": "no"}' + wait * 2


def server(_vectors):
    """Devices and peers, as the steps of fuzz_server.c have them; speaker 0 is the peer."""
    call = lambda who: bytes([16 * who])
    hello = lambda who, name: bytes([16 * who + 3, name, 0])
    serve = lambda name, kind: call(0) + bytes([5, name, kind, 7, 0])
    frame = lambda choice, payload=b"": bytes([8, choice, len(payload)]) + payload
    wait = b"\x0e\x03\xe8"
    for kind in (0, 1, 2, 4, 5, 6, 8, 9, 10):
        for step in (255, 2):
            up = bytes([0, step]) + serve(0x20, kind)
            yield (up + call(1) + hello(1, 0) + call(2) + hello(2, 1) + frame(1, b"answer" * 9)
                   + frame(4) + b"\x11\x05hello" + frame(5) + frame(3) + wait + b"\x0d")
    whitelisted = bytes([0, 255]) + serve(0, 0x40) + call(1) + hello(1, 0) + wait
    yield whitelisted
    yield bytes([0, 255]) + serve(0, 0x60) + call(1) + hello(1, 0) + frame(1, b"x") + b"\x0f\0" + wait
    yield bytes([0, 9]) + call(1) + hello(1, 3) + b"\x11\x02hi" + b"\x1d" + wait
    yield bytes([1, 3]) + call(1) + b"\x12\1\1\2\3\4" + hello(1, 3) + b"\x12\0\1\2\3\4" + wait
    yield bytes([1, 255]) + call(1) + b"\x12\2\1\2\3\4" + b"\x15\0\0\x17\0" + wait
    yield bytes([6, 255]) + b"\x40\x45\0\0\x47\0" + call(1) + hello(1, 0) + call(1) + hello(1, 2) + wait
    yield bytes([2, 40]) + serve(0, 2) + call(1) + hello(1, 0) + b"\x10\x15\0\x82\x17\0" + wait
    yield bytes([0, 255]) + call(0) + b"\5\0\0\7\1" + wait + call(0) + b"\5\0\x80" + wait
    yield bytes([0, 255]) + serve(0, 2) + b"\x0f\xa0" + wait + serve(0, 2) + b"\x0f\xff" + wait
    yield bytes([8, 1]) + call(0) + call(1) + call(2) + b"\x11\4GET " + wait


ROLES = {
    "server": {"role": "server", "state": "serving", "uptime_s": 200.5, "listen": ["127.0.0.1:443"],
               "names": 2, "workers": [{"channels": 3, "buffered": 2048}],
               "peers": [{"hostname": "a\u00e9.example", "address": "192.0.2.1:5",
                          "cipher": "aes-gcm", "protocol_version": 2, "channels": 3, "rtt_ms": 12,
                          "bytes_received": 5 << 40, "bytes_sent": 10}] * 3,
               "counters": {"bytes_received": 1 << 30, "bytes_sent": 1, "refused-token": 7},
               "master": {"address": "127.0.0.1:8444", "uptime_s": 1,
                          "counters": {"requests": 3, "tokens": 2, "refused": 1}}},
    "publish": {"role": "publish", "name": "web", "to": "[::1]:80", "state": "connected",
                "uptime_s": 4000, "server": "relay.example:443", "hostname": "a.example",
                "cipher": "aes-cbc", "protocol_version": 0, "rtt_ms": 9,
                "channels": [{"id": 1, "caller": "192.0.2.9", "age_ms": 90000,
                              "bytes_received": 1, "bytes_sent": 2}] * 2,
                "counters": {"bytes_received": 9, "bytes_sent": 8}},
    "vpn": {"role": "vpn", "state": "up", "uptime_s": 9, "device": "adit0", "mode": "ip",
            "key": "00", "listen": ["0.0.0.0:2998"], "counters": {"refused": 1, "early": 2,
                                                                   "drops": {"full": 3}},
            "peers": [{"name": "b", "state": "connected", "address": "192.0.2.1:9", "key": "11",
                       "handshake_s": 12, "rtt_ms": 3, "drops": {"full": 1},
                       "bytes_received": 3000, "bytes_sent": 1}] * 4},
}


def status(_vectors):
    roles = dict(ROLES, several={"services": [ROLES["publish"]] * 2},
                 master=dict(ROLES["server"]["master"], role="master"))
    for name, answer in sorted(roles.items()):
        text = json.dumps(answer).encode()
        for lines in (0, 5, 9, 64 + 7):
            yield bytes([lines]) + text + b"\0" + text.replace(b"1", b"0")


def transfer(_vectors):
    """Transfers to the receiver and from the sender, as the steps of fuzz_transfer.c have them."""
    size = lambda n: n.to_bytes(3, "big")
    begin = lambda name, n, kind=0, exists=1, how=3: bytes([
        0, 16 * name | exists << 2 | kind, how]) + (b"" if how & 4 else size(n))
    start, end, finish = b"\1\0", b"\4\1\0", b"\5"
    block = lambda n: b"\2" + struct.pack(">H", n // 4)
    packed = lambda n, at=0, change=0: b"\3" + struct.pack(">HHB", n - 512, at, change)
    wait, again = b"\xf0\x01\xf4", b"\6"
    for step in (255, 3):
        head = lambda options, more: bytes([options, more, step])
        whole = begin(0, 400) + start + block(400) + end + wait
        yield head(1, 0) + whole + finish + wait
        yield head(1, 2) + begin(1, 0, 1) + begin(2, 40000) + wait + start + start + packed(
            40000) + end + wait + finish + wait
        yield head(1, 0) + begin(3, 8000) + start + block(4000) + wait + again + begin(
            3, 8000) + wait + start + block(4000) + end + wait + finish
        yield head(1, 0) + begin(3, 8000) + start + block(4000) + wait + again + b"\6" + begin(
            3, 8000) + wait + start + block(4000) + b"\4\0\0" + wait + finish
        yield head(1, 1) + begin(5, 0, 2, 0, 8 | 4) + start + block(4000) + b"\4\0\0" + finish + wait
        yield head(1, 0) + begin(4, 4, 0, 2) + wait + begin(4, 4, 0, 0) + start + block(4) + end + wait
        yield head(1, 8) + whole * 3 + finish + wait
        yield head(1, 0) + again + begin(0, 9000) + start + block(8000) + wait
        yield head(1, 0) + begin(0, 400) + start + packed(2000, 9, 8) + end + wait
        yield head(3, 0) + block(400) * 3 + wait + b"\xfd" + wait
        yield head(3, 1) + block(120000) + wait + b"\xfd" + wait
        yield head(1, 0) + b"\7\x1a\x08\0\0\0\0\1full\0" + wait
        # the sender
        offer = lambda verdict, n=0: bytes([0, verdict | n, 0])
        ack = lambda status=0: bytes([2, status]) + size(10)
        credit = b"\4\xff\xff"
        yield head(0, 1) + offer(0) * 3 + wait + ack() * 5 + wait + b"\5" + wait
        yield head(0, 1 | 4) + offer(1, 4) * 3 + wait + ack(1) * 5 + wait + b"\5"
        yield head(0, 32 | 8) + wait + credit * 4 + wait + ack() * 5 + wait + b"\5" + wait
        yield head(0, 2 | 16) + offer(2) * 3 + wait + ack(2) * 5 + wait + b"\5" + wait
        yield head(0, 64) + wait + ack(3) * 5 + wait + b"\xfa" + wait
        yield head(2, 0) + wait + b"\6" + size(30000) + wait + b"\xfd" + wait
        yield head(0, 0) + b"\7\x1a\x08\0\0\0\0\1full\0" + wait


def users(_vectors):
    line = b"alice:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA:%s:%s\n"
    for text in (line % (b"hers", b"size=4096"), line % (b"", b"") + b"# bob\n\n"
                 + (line % (b"/in", b"")).replace(b"alice", b"bob"), b"alice::::\n", b"",
                 b"alice:$argon2id$x:", line % (b"", b"size=0"), line % (b"", b"") * 2):
        for name in (b"alice", b"bob", b"a:b"):
            yield name + b"\0" + text


def vpn(_vectors):
    """Two peers and a device, as the steps of fuzz_vpn.c have them."""
    calls, wait = b"\x00\x10", b"\x0f\x03\xe8"
    packet = lambda who, how, kind=0: bytes([16 * who + 7, how, kind])
    large = lambda who, how, kind=0: packet(who, how, kind | 64) + b"\0\x0b\xb8"
    route = lambda who, what, network, bits, ids: bytes([16 * who + 4, what, bits, ids]) + network
    device = lambda what, kind: bytes([0x0b, what, kind, 0]) + b"\x0b\xb8" * (kind >> 6)
    for options, more, step in ((0, 3, 255), (4, 3, 255), (4, 11, 9), (1, 2, 255), (5, 6, 40),
                                (12, 3, 255)):
        up = bytes([options, more, step]) + calls + wait
        packets = b"".join(packet(who, how, kind) + b"\0" for who in (0, 1)
                           for how in (200, 100) for kind in (0, 2, 4, 6))
        yield up + packets + wait
        yield up + packet(0, 207, 32) + b"\0" + packet(1, 207, 0) + b"\1" + device(0, 0)
        yield up + packet(0, 207, 16) + b"\x07\0" + packet(1, 100, 18) + b"\x02\0"
        yield up + b"".join(bytes([7, 0, kind, 0, 0x0b, 0xb8]) for kind in (64, 66, 68, 70)) + wait
        yield up + device(101, 64) + device(101, 66) + device(101, 68) + device(0, 0) + wait
        yield (up + route(0, 4, b"\x14\7", 24, 1) + route(1, 0x24, b"\x14\7", 24, 2) + b"\5"
               + route(0, 1, b"\x01\7", 32, 1) + wait + route(0, 6, b"\x14\7", 24, 0) + wait)
        yield up + route(0, 4, b"\x14\1", 24, 1) + route(0, 0x84, b"\x14\1", 9, 1) + route(
            0, 4, b"\x14\2", 16, 40) + route(0, 20, b"\x14\2", 16, 1) + wait
        yield up + b"\3\7\0\0" + b"\x13\2\3\x80" + wait + b"\x0d\0\x0d\x81" + wait
        yield up + b"\x0d\x87" + calls + wait + b"\x8e\x1e" + wait + b"\1\3\x09ab" + wait
    yield b"\0\3\xff" + b"\0\2\x0c\x80\x09QUICKTUN\0\0" + wait


def zstd(_vectors):
    head = lambda pack, plain, at=0, change=0: struct.pack(">BBHHB", pack, plain >> 16,
                                                          plain & 0xffff, at, change)
    text = b"to be packed, " * 40
    yield head(1, len(text)) + text
    yield head(1, len(text), 4, 1) + text
    yield head(1, len(text) - 1, 9, 128) + text
    # RFC 8878: a raw block and an RLE block, single segment and with a window; a skippable frame
    magic = b"\x28\xb5\x2f\xfd"
    yield head(0, 5) + magic + b"\x20\5" + b"\x29\0\0hello"
    yield head(0, 4096) + magic + b"\x60\0\x0f" + b"\x03\x80\0x"
    yield head(0, 64) + magic + b"\0\x68" + b"\x03\x02\0x"
    yield head(0, 64) + magic + b"\4\xf8" + b"\x03\x02\0x" + bytes(4)
    yield head(0, 0) + b"\x50\x2a\x4d\x18\4\0\0\0skip"


HARNESSES = (answers, clienthello, clienthello_differs, config, control, frames, http, master,
             packet, proxyheader, publish, quicktun, server, sodiumtcp, status, token, transfer, users, vpn,
             zstd)


def main():
    vectors, out, stamp = map(pathlib.Path, sys.argv[1:])
    for harness in HARNESSES:
        directory = out / harness.__name__
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for number, seed in enumerate(harness(vectors)):
            (directory / f"{number:03}").write_bytes(seed)
        for found in sorted((REGRESSIONS / harness.__name__).glob("*")):
            shutil.copy(found, directory)
    stamp.touch()


main()
