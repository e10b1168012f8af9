#!/usr/bin/python3
"""Measures the SniTun path beside other ways to the same endpoint, alternating in one run.

README.md says what is measured and what is not."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from rounds import (ROOT, Figure, Measure, Way, alternate, chosen, parser, publish, table)
from harness import Process, free_port, port_answers, until, write_secret  # pylint: disable=C0411

NAME = "home.example"
DEVICES_S = 0.25  # before the measuring begins
LINE = "10mbit"
NAMESPACE = "adit-bench-line"
NGINX = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/log crit;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
stream {{
    map $ssl_preread_server_name $to {{ {name} {endpoint}; }}
    server {{ listen {listen} backlog=4096; ssl_preread on; proxy_pass $to; }}
}}
"""
HAPROXY = """
global
    nbthread 1
    maxconn 8000
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend public
    bind {listen} backlog 4096
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req_ssl_hello_type 1 }}
    use_backend home if {{ req_ssl_sni -i {name} }}
backend home
    server home {endpoint}
"""
SSHD = """
ListenAddress {listen}
HostKey {home}/host
AuthorizedKeysFile {home}/user.pub
PidFile none
StrictModes no
UsePAM no
AllowTcpForwarding yes
"""


class Site:
    """Where things are: the server's address, the endpoint's, and what runs a command there."""

    def __init__(self, options, server="127.0.0.1", endpoint="127.0.0.1", inside=()):
        self.options, self.server, self.endpoint, self.inside = options, server, endpoint, inside

    def addresses(self):
        return f"{self.server}:{free_port()}", f"{self.endpoint}:{free_port()}"


def direct(_home, site):
    _, endpoint = site.addresses()
    return Way("no proxy", to=endpoint, endpoint=endpoint)


def answers(address):
    host, port = address.rsplit(":", 1)
    return port_answers(host, int(port))


def nginx(home, site):
    listen, endpoint = site.addresses()
    config = home / "nginx.conf"
    config.write_text(NGINX.format(home=home, name=NAME, listen=listen, endpoint=endpoint))
    server = Process(["nginx", "-p", home, "-c", config, "-e", home / "log"], "nginx")
    until(lambda: answers(listen), "nginx")
    return Way("nginx", {"server": server}, to=listen, endpoint=endpoint)


def haproxy(home, site):
    listen, endpoint = site.addresses()
    config = home / "haproxy.cfg"
    config.write_text(HAPROXY.format(name=NAME, listen=listen, endpoint=endpoint))
    server = Process(["haproxy", "-db", "-f", config], "haproxy")
    until(lambda: answers(listen), "haproxy")
    return Way("HAProxy", {"server": server}, to=listen, endpoint=endpoint)


def ssh(home, site):
    """A remote forwarding; its server looks at no host name."""
    listen, endpoint = site.addresses()
    at, _ = site.addresses()
    os.makedirs("/run/sshd", exist_ok=True)
    for key in "host", "user":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / key],
                       check=True)
    (home / "sshd").write_text(SSHD.format(home=home, listen=listen))
    server = Process(["/usr/sbin/sshd", "-D", "-e", "-f", home / "sshd"], "sshd")
    until(lambda: answers(listen), "sshd")
    host, port = listen.rsplit(":", 1)
    publisher = Process([*site.inside, "ssh", "-N", "-F", "none", "-i", home / "user", "-p", port,
                         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                         "-o", "ExitOnForwardFailure=yes", "-c", "aes128-gcm@openssh.com",
                         "-R", f"{at}:{endpoint}", f"root@{host}"], "ssh")
    until(lambda: answers(f"127.0.0.1:{at.rsplit(':', 1)[1]}"), "ssh -R")
    return Way("ssh -R", {"server": server, "publisher": publisher},
               to=f"127.0.0.1:{at.rsplit(':', 1)[1]}", endpoint=endpoint)


def fernet_key(home, program):
    path = home / "fernet.key"
    if not path.exists():
        subprocess.run([program, "keygen", "fernet", "--out", path], check=True,
                       capture_output=True)
    return path


def as_root():
    return ["--user", "root"] if os.getuid() == 0 else []


def serve(home, options, listen="127.0.0.1:0", workers=1):
    """A running server, and its address."""
    server = Process([options.adit, "serve", "--listen", listen, "--fernet-key-file",
                      fernet_key(home, options.adit), "--workers", workers, "--control", "none",
                      *as_root()], "adit serve")
    return server, re.search(r"\d+\.\d+\.\d+\.\d+:\d+", server.wait_for(r"\bready\b.*").string)[0]


def adit(cipher="aes-gcm-siv", workers=1, name="adit"):
    def make(home, site):
        options = site.options
        listen, endpoint = site.addresses()
        server, at = serve(home, options, listen, workers)
        minted = subprocess.run(
            [options.adit, "token", "mint", "--fernet-key-file", fernet_key(home, options.adit),
             "--hostname", NAME, "--cipher", cipher], check=True, capture_output=True,
            text=True).stdout
        credential = write_secret(home / "credential.json", minted)
        publisher = Process([*site.inside, options.adit, "publish", "--server", at, "--credential",
                             credential, "--to", endpoint, "--control", "none", *as_root()],
                            "adit publish")
        publisher.wait_for(r"\bconnected\b")
        return Way(name, {"server": server, "publisher": publisher}, to=at, endpoint=endpoint)
    return make


def public_snitun(home, site):
    """The public package by a script that serves and publishes; see README.md."""
    del home
    port, endpoint = free_port(), free_port()
    command = [*site.options.public.split(), str(port), str(endpoint), NAME]
    server = Process([*command, "server"], "public server")
    server.wait_for("ready")
    publisher = Process([*command, "client"], "public client")
    publisher.wait_for("ready")
    return Way("public SniTun", {"server": server, "publisher": publisher},
               to=f"127.0.0.1:{port}", endpoint=f"127.0.0.1:{endpoint}")


WAYS = {"direct": direct, "nginx": nginx, "haproxy": haproxy, "ssh": ssh, "adit": adit(),
        "public": public_snitun}
CIPHERS = {"adit": adit(), "adit-cbc": adit("aes-cbc", name="adit aes-cbc"),
           "adit-gcm": adit("aes-gcm", name="adit aes-gcm"),
           "adit-2": adit(workers=2, name="adit 2 workers")}


class Load:
    """The load generator."""

    def __init__(self, options):
        self.options = options

    def run(self, *arguments):
        done = subprocess.run([self.options.load, *[str(a) for a in arguments]], text=True,
                              capture_output=True, timeout=400)
        if not done.stdout:
            raise SystemExit(f"bench: load {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return json.loads(done.stdout.splitlines()[-1])

    def figure(self, mode, connections, way, seconds):
        endpoint = ["--endpoint", way.endpoint] if not getattr(way, "remote", False) else []
        return self.run(mode, "--to", way.to, "--name", NAME, "--connections", connections,
                        "--warm", DEVICES_S, "--seconds", seconds, *endpoint)

    def bulk(self, mode, connections):
        def ask(way):
            found = self.figure(mode, connections, way, self.options.seconds)
            return Figure(found["mb_per_s"], found["bytes_all"] / 1e9, found["errors"])
        return ask

    def operations(self, mode, connections):
        def ask(way):
            found = self.figure(mode, connections, way, self.options.seconds)
            value = found["operations_per_s"] if mode == "connect" else found["latency_us"]["p50"]
            return Figure(value, found["operations_all"], found["errors"],
                          per_s=found["operations_per_s"], p99=found["latency_us"]["p99"])
        return ask

    def echo_beside(self, beside):
        """An echo, alone or beside a download, in microseconds; the median and p99."""
        def ask(way):
            with contextlib.ExitStack() as stack:
                if beside:
                    download = subprocess.Popen(
                        [self.options.load, "down", "--to", way.to, "--name", NAME, "--warm", "0",
                         "--seconds", "5"], stdout=subprocess.DEVNULL)
                    stack.callback(download.wait)
                    stack.callback(download.kill)
                    time.sleep(1.5)  # the download has filled the line by then
                found = self.figure("echo", 1, way, 2.5)
            return Figure(found["latency_us"]["p50"], found["operations_all"], found["errors"],
                          per_s=found["operations_per_s"], p99=found["latency_us"]["p99"])
        return ask


def loopback_measures(load):
    echo = {"more_is_better": False, "per": "echo", "columns": ("per_s", "p99")}
    return [
        Measure("down-1", "1 download", "MB/s", load.bulk("down", 1)),
        Measure("down-16", "16 downloads", "MB/s", load.bulk("down", 16)),
        Measure("up-1", "1 upload", "MB/s", load.bulk("up", 1)),
        Measure("up-16", "16 uploads", "MB/s", load.bulk("up", 16)),
        Measure("connect", "32 at once, an echo on each", "conn/s", load.operations("connect", 32),
                per="connection", columns=("p99",)),
        Measure("echo-1", "1 connection", "us p50", load.operations("echo", 1), **echo),
        Measure("echo-8", "8 connections", "us p50", load.operations("echo", 8), **echo),
        Measure("echo-64", "64 connections", "us p50", load.operations("echo", 64), **echo),
    ]


def cipher_measures(load):
    return [Measure("cipher-down", "16 downloads", "MB/s", load.bulk("down", 16)),
            Measure("cipher-up", "16 uploads", "MB/s", load.bulk("up", 16)),
            Measure("cipher-echo", "8 connections", "us p50", load.operations("echo", 8),
                    more_is_better=False, per="echo", columns=("per_s", "p99"))]


def line_measures(load):
    echo = {"more_is_better": False, "per": "echo", "columns": ("per_s", "p99")}
    return [Measure("line-echo", f"an echo over {LINE}", "us p50", load.echo_beside(False), **echo),
            Measure("line-beside", f"an echo beside a download over {LINE}", "us p50",
                    load.echo_beside(True), **echo)]


@contextlib.contextmanager
def line():
    """A namespace for publisher and endpoint at the end of a narrow line: its two addresses."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL, check=False)
    ip("netns", "add", NAMESPACE)
    try:
        ip("link", "add", "adit-bench0", "type", "veth", "peer", "name", "adit-bench1", "netns",
           NAMESPACE)
        ip("addr", "add", "10.77.77.1/24", "dev", "adit-bench0")
        ip("link", "set", "adit-bench0", "up")
        for words in (("addr", "add", "10.77.77.2/24", "dev", "adit-bench1"),
                      ("link", "set", "adit-bench1", "up"), ("link", "set", "lo", "up")):
            ip("-n", NAMESPACE, *words)
        shape = ["root", "tbf", "rate", LINE, "burst", "32kbit", "latency", "50ms"]
        subprocess.run(["tc", "qdisc", "add", "dev", "adit-bench0", *shape], check=True)
        subprocess.run(["tc", "-n", NAMESPACE, "qdisc", "add", "dev", "adit-bench1", *shape],
                       check=True)
        yield "10.77.77.1", "10.77.77.2"
    finally:
        ip("netns", "del", NAMESPACE)


class Bench:
    """Brings ways up, asks them, and keeps what was found."""

    def __init__(self, options):
        self.options = options
        self.load = Load(options)
        self.blocks, self.found = [], {}

    def compare(self, title, makers, names, measures, site, rounds, base="nginx", after=None):
        ways = []
        wanted = [m for m in measures
                  if not self.options.measures or m.name in self.options.measures.split(",")]
        if not wanted:
            return
        with tempfile.TemporaryDirectory(prefix="adit-bench-") as directory:
            try:
                for name in names:
                    home = pathlib.Path(directory, name)
                    home.mkdir()
                    ways.append(makers[name](home, site))
                    if after:
                        after(ways[-1])
                found = alternate(ways, wanted, rounds)
            finally:
                for way in ways:
                    way.stop()
        self.found.update(found)
        self.blocks.append(f"\n== {title}" +
                           table(found, wanted, base, ("server", "publisher"), rounds))

    def idle_peers(self):
        """Private memory of the server for each idle peer, each of which has carried 1 MB."""
        with tempfile.TemporaryDirectory(prefix="adit-bench-") as directory:
            home = pathlib.Path(directory)
            server, at = serve(home, self.options)
            try:
                found = self.load.run("peers", "--to", at, "--fernet-key-file",
                                      fernet_key(home, self.options.adit), "--pid", server.pid,
                                      "--connections", self.options.peers, "--carry", 1000000)
            finally:
                server.kill()
        steps = found["steps"]
        text = [f"\n== idle peers, each has carried 1 MB ({found['seconds']:.0f} s in all)"]
        text += [f"  {s['peers']:6} peers: {s['memory'] / 1e6:6.1f} MB of the server's own, "
                 f"{s['bytes_per_peer']:.0f} bytes a peer" for s in steps]
        text += [f"  {a['peers']} to {b['peers']}: "
                 f"{(b['memory'] - a['memory']) / (b['peers'] - a['peers']):.0f} bytes a peer more"
                 for a, b in itertools.pairwise(steps)]
        crowd = json.loads(subprocess.run([self.options.crowd, "100000"], check=True, text=True,
                                          capture_output=True).stdout)
        text.append(f"  {crowd['peers']} peers on simulated streams: "
                    f"{crowd['bytes_per_peer']:.0f} bytes a peer, streams left out")
        self.blocks.append("\n".join(text))
        return [*steps, crowd]

    def come_back(self):
        """Seconds until 10,000 publishers are back after the server was killed and started."""
        count = min(self.options.peers, 10000)
        with tempfile.TemporaryDirectory(prefix="adit-bench-") as directory:
            home = pathlib.Path(directory)
            server, at = serve(home, self.options)
            peers = Process([self.options.load, "again", "--to", at, "--fernet-key-file",
                             fernet_key(home, self.options.adit), "--pid", server.pid,
                             "--connections", count], "peers")
            try:
                until(lambda: peers.matches(r"^up$") or not peers.running(), "peers")
                server.kill()
                server, _ = serve(home, self.options, at)
                peers.wait_exit()
                found = json.loads(peers.text("out").splitlines()[-1])
            finally:
                peers.kill()
                server.kill()
        self.blocks.append(f"\n== {count} peers after a restart of the server\n"
                           f"  all back after {found['seconds']:.1f} s; each tries first after 0 "
                           "to 3 s")
        return found["seconds"]


def over_line(bench, names, rounds):
    options = bench.options
    with line() as (server, endpoint), contextlib.ExitStack() as stack:
        inside = ["ip", "netns", "exec", NAMESPACE]
        site = Site(options, server, endpoint, inside)

        def endpoint_there(way):
            far = subprocess.Popen([*inside, options.load, "endpoint", "--endpoint", way.endpoint,
                                    "--name", NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(far.communicate)
            far.stdout.readline()
            way.remote = True

        bench.compare(f"a line of {LINE}", WAYS, names, line_measures(bench.load), site, rounds,
                      after=endpoint_there)


def main():
    args = parser(__doc__)
    args.add_argument("--seconds", type=float, default=0.4, help="of one measurement")
    args.add_argument("--load", default=str(ROOT / "build" / "bench" / "load"))
    args.add_argument("--crowd", default=str(ROOT / "build" / "bench" / "crowd"))
    args.add_argument("--peers", type=int, default=18000, help="idle ones; 0 leaves them out")
    args.add_argument("--public", default=os.environ.get("SNITUN_PUBLIC", ""),
                      help="a command that runs the public package")
    options = args.parse_args()
    have = [w for w in WAYS if (w not in ("nginx", "haproxy") or shutil.which(w)) and
            (w != "ssh" or os.path.exists("/usr/sbin/sshd")) and
            (w != "public" or options.public)]
    names = chosen(have, options.ways)
    bench, started, more = Bench(options), time.monotonic(), {}
    site = Site(options)
    bench.compare("loopback", WAYS, names, loopback_measures(bench.load), site, options.rounds)
    if "adit" in names:
        bench.compare("ciphers and workers", CIPHERS, list(CIPHERS), cipher_measures(bench.load),
                      site, min(options.rounds, 3), base="adit")
    if os.getuid() == 0:
        over_line(bench, [n for n in names if n in ("direct", "nginx", "adit")],
                  min(options.rounds, 2))
    if options.peers and "adit" in names:
        more["idle_peers"] = bench.idle_peers()
        more["back_s"] = bench.come_back()
    text = "\n".join(bench.blocks) + f"\n\n{time.monotonic() - started:.0f} s"
    return publish("snitun", options, text, bench.found, more)


if __name__ == "__main__":
    sys.exit(main())
