#!/usr/bin/python3
"""Measures VPNs between two network namespaces, alternating in one run. As root.

README.md says what is measured and what is not."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from rounds import Figure, Measure, Way, alternate, chosen, parser, publish, table
from harness import HANG_S, Process, until  # pylint: disable=C0411

SIDES = ("adit-bench-a", "adit-bench-b")
LINK = ("10.78.0.1", "10.78.0.2")


def inside(side, *command):
    return ["ip", "netns", "exec", SIDES[side], *[str(word) for word in command]]


@contextlib.contextmanager
def two_sides():
    """Two namespaces joined by a veth pair."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    for side in SIDES:
        subprocess.run(["ip", "netns", "del", side], stderr=subprocess.DEVNULL, check=False)
    try:
        for side in SIDES:
            ip("netns", "add", side)
        ip("-n", SIDES[0], "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns",
           SIDES[1])
        for side, address in zip(SIDES, LINK):
            ip("-n", side, "addr", "add", f"{address}/24", "dev", "wire")
            ip("-n", side, "link", "set", "wire", "up")
            ip("-n", side, "link", "set", "lo", "up")
            ip("-n", side, "route", "add", "default", "dev", "wire")  # dsvpn asks for one
        yield
    finally:
        for side in SIDES:
            subprocess.run(["ip", "netns", "del", side], check=False)


def reachable(address):
    return subprocess.run(inside(0, "ping", "-c", "1", "-W", "1", address),
                          stdout=subprocess.DEVNULL, check=False).returncode == 0


def up(name, address, *processes):
    """A way whose tunnel is up; or says why it is not."""
    try:
        until(lambda: reachable(address) or any(not p.running() for p in processes), name)
        if not reachable(address):
            raise AssertionError(name)
    except AssertionError as error:
        said = "\n".join(p.text() for p in processes)
        for process in processes:
            process.kill()
        raise SystemExit(f"bench: {name} does not come up in {HANG_S} s:\n{said}") from error
    return Way(name, dict(zip("ab", processes)), address=address)


def bare(_home, _options):
    return Way("no VPN", address=LINK[1])


def adit(home, options):
    public = []
    for side in range(2):
        done = subprocess.run([options.adit, "keygen", "box", "--out", home / f"key{side}"],
                              check=True, capture_output=True, text=True)
        public.append(done.stdout.split()[-1])
    peers = [
        f'listen: ["{LINK[0]}:2998"]\npeers:\n  - {{name: b, public_key: "{public[1]}", '
        "allowed_ips: [10.78.1.2/32]}\n",
        f'peers:\n  - {{name: a, public_key: "{public[0]}", connect: "{LINK[0]}:2998", '
        "allowed_ips: [10.78.1.1/32]}\n"]
    processes = []
    for side in range(2):
        config = home / f"side{side}.yaml"
        config.write_text(
            f"interface: {{name: adit{side}, mode: ip, address: [10.78.1.{side + 1}/24], "
            f"mtu: 1500}}\nprivate_key_file: {home}/key{side}\n{peers[side]}")
        processes.append(Process(inside(side, options.adit, "vpn", "--config", config, "--control",
                                        "none", "--user", "root"), f"adit vpn {side}"))
    return up("adit", "10.78.1.2", *processes)


def openvpn(home, _options):
    """Over TCP, AES-256-GCM, each side knows the other's certificate."""
    prints = []
    for side in range(2):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", f"/CN={side}",
                        "-keyout", home / f"key{side}", "-out", home / f"cert{side}"], check=True,
                       capture_output=True)
        done = subprocess.run(["openssl", "x509", "-in", home / f"cert{side}", "-noout",
                               "-fingerprint", "-sha256"], check=True, capture_output=True,
                              text=True)
        prints.append(done.stdout.strip().split("=")[1])
    processes = []
    for side in range(2):
        role = ["--proto", "tcp-server", "--local", LINK[0], "--tls-server", "--dh", "none"] \
            if side == 0 else ["--proto", "tcp-client", "--remote", LINK[0], "--nobind",
                               "--tls-client"]
        processes.append(Process(inside(
            side, "openvpn", "--dev", f"ovpn{side}", "--dev-type", "tun", "--port", "1194",
            "--ifconfig", f"10.78.2.{side + 1}", f"10.78.2.{2 - side}", "--cert",
            home / f"cert{side}", "--key", home / f"key{side}", "--peer-fingerprint",
            prints[1 - side], "--data-ciphers", "AES-256-GCM", "--disable-dco", "--verb", "1",
            *role), f"openvpn {side}"))
    return up("OpenVPN TCP", "10.78.2.2", *processes)


def quicktun(protocol, name, net):
    """Over UDP, which has no congestion control of its own; `raw` encrypts nothing."""
    def make(_home, _options):
        keys = []
        for _ in range(2):
            done = subprocess.run(["/usr/sbin/keypair"], check=True, capture_output=True, text=True,
                                  input=os.urandom(32).hex())
            keys.append(re.findall(r"\b[0-9a-f]{64}\b", done.stdout, re.I))
        processes = []
        for side in range(2):
            device = f"qt{net}{side}"
            mine, theirs = f"10.78.{net}.{side + 1}", f"10.78.{net}.{2 - side}"
            run = f"ip addr add {mine} peer {theirs} dev {device}; ip link set {device} up"
            settings = {
                "PROTOCOL": protocol, "TUN_MODE": "1",
                "LOCAL_ADDRESS": LINK[side], "REMOTE_ADDRESS": LINK[1 - side],
                "LOCAL_PORT": str(2990 + net), "REMOTE_PORT": str(2990 + net),
                "PRIVATE_KEY": keys[side][0], "PUBLIC_KEY": keys[1 - side][1]}
            processes.append(Process(inside(side, "/usr/sbin/quicktun"), f"{name} {side}",
                                     env={"IFACE": device, **{f"IF_QT_{key}": value for
                                                              key, value in settings.items()}}))
            until(lambda d=device, s=side: subprocess.run(
                inside(s, "ip", "link", "show", d), capture_output=True,
                check=False).returncode == 0, name)
            subprocess.run(inside(side, "sh", "-c", run), capture_output=True, check=False)
        return up(name, f"10.78.{net}.2", *processes)
    return make


def dsvpn(home, options):
    key = home / "key"
    key.write_bytes(os.urandom(32))
    processes = [
        Process(inside(0, options.dsvpn, "server", key, LINK[0], 1959, "ds0", "10.78.5.1",
                       "10.78.5.2"), "dsvpn server"),
        Process(inside(1, options.dsvpn, "client", key, LINK[0], 1959, "ds1", "10.78.5.2",
                       "10.78.5.1", LINK[0]), "dsvpn client")]
    return up("dsvpn", "10.78.5.2", *processes)


WAYS = {"bare": bare, "openvpn": openvpn, "quicktun": quicktun("nacltai", "quicktun", 3),
        "quicktun-raw": quicktun("raw", "quicktun raw", 4), "dsvpn": dsvpn, "adit": adit}


def iperf(way, seconds, *flags):
    """What iperf3 says at the end; None when it failed. A listener of its own for each, so that one
    that hangs does not spoil the next."""
    listener = Process(inside(1, "iperf3", "-s", "-1", "--forceflush"), "iperf3")
    try:
        listener.wait_for("listening")
        done = subprocess.run(inside(0, "iperf3", "-c", way.address, "-t", seconds, "-J", *flags),
                              capture_output=True, text=True, timeout=60, check=False)
    finally:
        listener.kill()
    found = json.loads(done.stdout or "{}")
    if "error" in found or done.returncode != 0:
        print(f"bench: {way.name}: {found.get('error', done.stderr.strip())}", file=sys.stderr)
        return None
    return found["end"]


def stream(options, *flags):
    def ask(way):
        end = iperf(way, options.seconds, *flags)
        if end is None:
            return Figure(0.0, errors=1)
        received = end["sum_received"]
        return Figure(received["bits_per_second"] / 1e6, received["bytes"] / 1e9)
    return ask


def datagrams(options, size):
    """As many as go; those that arrived count."""
    def ask(way):
        end = iperf(way, options.seconds, "-u", "-b", "0", "-l", size)
        if end is None:
            return Figure(0.0, errors=1)
        sent = end["sum_sent"]["bytes"]
        arrived = end["sum_received"]["bytes"]
        return Figure(arrived / size / end["sum_received"]["seconds"] / 1000, arrived / 1e9,
                      lost=100.0 * (1 - arrived / max(sent, 1)))
    return ask


def ping(way):
    done = subprocess.run(inside(0, "ping", "-q", "-c", "100", "-i", "0.005", way.address),
                          capture_output=True, text=True, check=False)
    match = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", done.stdout)
    if match is None:
        return Figure(0.0, errors=1)
    return Figure(float(match[2]) * 1000, 100, worst=float(match[3]) * 1000)


def measures(options):
    return [
        Measure("tcp-1", "one TCP stream", "Mbit/s", stream(options)),
        Measure("tcp-1-back", "one TCP stream, the other way", "Mbit/s", stream(options, "-R")),
        Measure("tcp-4", "four TCP streams", "Mbit/s", stream(options, "-P", "4")),
        Measure("tcp-4-back", "four, the other way", "Mbit/s", stream(options, "-P", "4", "-R")),
        Measure("udp-1400", "UDP of 1400 bytes", "kpacket/s", datagrams(options, 1400),
                columns=("lost",)),
        Measure("udp-64", "UDP of 64 bytes", "kpacket/s", datagrams(options, 64),
                columns=("lost",)),
        Measure("ping", "ping, mean of 100", "us", ping, more_is_better=False, per="ping",
                columns=("worst",)),
    ]


def main():
    args = parser(__doc__)
    args.add_argument("--seconds", type=int, default=1, help="of one measurement")
    args.add_argument("--dsvpn", default=os.environ.get("DSVPN", ""), help="the program")
    options = args.parse_args()
    if os.getuid() != 0 or not os.path.exists("/dev/net/tun"):
        raise SystemExit("bench: VPNs need root and /dev/net/tun")
    have = [w for w in WAYS if (w != "openvpn" or shutil.which("openvpn")) and
            (not w.startswith("quicktun") or os.path.exists("/usr/sbin/quicktun")) and
            (w != "quicktun-raw" or w in options.ways.split(",")) and
            (w != "dsvpn" or options.dsvpn)]
    names = chosen(have, options.ways)
    every = measures(options)
    wanted = chosen([m.name for m in every], options.measures)
    asked, ways, started = [m for m in every if m.name in wanted], [], time.monotonic()
    with two_sides(), tempfile.TemporaryDirectory(prefix="adit-bench-") as directory:
        try:
            for name in names:
                home = pathlib.Path(directory, name)
                home.mkdir()
                ways.append(WAYS[name](home, options))
            found = alternate(ways, asked, options.rounds)
        finally:
            for way in ways:
                way.stop()
    base = "OpenVPN TCP" if "openvpn" in names else ways[0].name
    text = table(found, asked, base, ("a", "b"), options.rounds)
    return publish("vpn", options, f"{text}\n\n{time.monotonic() - started:.0f} s", found)


if __name__ == "__main__":
    sys.exit(main())
