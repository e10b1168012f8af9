#!/usr/bin/python3
"""Measures the SniTun path beside other ways to the same endpoint, alternating in one run.

Every figure is the median of the rounds; spread is (largest - smallest) / median. Read README.md
for what is measured and what is not."""
import argparse
import itertools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import Process, free_port, port_answers, until, write_secret  # noqa: E402

NAME = "home.example"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MEASURES = {  # name: mode of the load generator, connections, unit, whether more is better
    "down": ("down", 8, "MB/s", True),
    "up": ("up", 8, "MB/s", True),
    "connect": ("connect", 32, "conn/s", True),
    "echo-1": ("echo", 1, "us p50", False),
    "echo-8": ("echo", 8, "us p50", False),
    "echo-64": ("echo", 64, "us p50", False),
}
NGINX = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/log crit;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
stream {{
    map $ssl_preread_server_name $to {{ {name} 127.0.0.1:{endpoint}; }}
    server {{ listen 127.0.0.1:{port} backlog=4096; ssl_preread on; proxy_pass $to; }}
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
    bind 127.0.0.1:{port} backlog 4096
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req_ssl_hello_type 1 }}
    use_backend home if {{ req_ssl_sni -i {name} }}
backend home
    server home 127.0.0.1:{endpoint}
"""


class Way:
    """A way to an endpoint: where devices connect, and the processes that carry the bytes."""

    def __init__(self, name, to, endpoint, **processes):
        self.name, self.to, self.endpoint, self.processes = name, to, endpoint, processes

    def cpu_s(self):
        """CPU seconds of each process, all its threads."""
        used = {}
        for role, process in self.processes.items():
            stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
            fields = stat.rsplit(")", 1)[1].split()
            used[role] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        return used

    def stop(self):
        for process in reversed(self.processes.values()):
            process.kill()


def direct(_home, _options):
    port = free_port()
    return Way("no proxy", port, port)


def nginx(home, _options):
    port, endpoint = free_port(), free_port()
    config = home / "nginx.conf"
    config.write_text(NGINX.format(home=home, name=NAME, port=port, endpoint=endpoint))
    server = Process(["nginx", "-p", home, "-c", config, "-e", home / "log"], "nginx")
    until(lambda: port_answers("127.0.0.1", port), "nginx")
    return Way("nginx", port, endpoint, server=server)


def haproxy(home, _options):
    port, endpoint = free_port(), free_port()
    config = home / "haproxy.cfg"
    config.write_text(HAPROXY.format(name=NAME, port=port, endpoint=endpoint))
    server = Process(["haproxy", "-db", "-f", config], "haproxy")
    until(lambda: port_answers("127.0.0.1", port), "haproxy")
    return Way("HAProxy", port, endpoint, server=server)


def fernet_key(home, program):
    path = home / "fernet.key"
    if not path.exists():
        subprocess.run([program, "keygen", "fernet", "--out", path], check=True,
                       capture_output=True)
    return path


def adit(home, options):
    key, endpoint = fernet_key(home, options.adit), free_port()
    minted = subprocess.run([options.adit, "token", "mint", "--fernet-key-file", key, "--hostname",
                             NAME, "--cipher", options.cipher], check=True, capture_output=True,
                            text=True).stdout
    credential = write_secret(home / "credential.json", minted)
    server = Process([options.adit, "serve", "--listen", "127.0.0.1:0", "--fernet-key-file", key,
                      "--workers", options.workers], "adit serve")
    port = int(re.search(r"127\.0\.0\.1:(\d+)", server.wait_for(r"\bready\b.*").string)[1])
    publisher = Process([options.adit, "publish", "--server", f"127.0.0.1:{port}", "--credential",
                         credential, "--to", f"127.0.0.1:{endpoint}"], "adit publish")
    publisher.wait_for(r"\bconnected\b")
    return Way("adit", port, endpoint, server=server, publisher=publisher)


def public_snitun(home, options):
    """The public package by a script that serves and publishes; see README.md."""
    port, endpoint = free_port(), free_port()
    command = [*options.public.split(), str(port), str(endpoint), NAME]
    server = Process([*command, "server"], "public server")
    server.wait_for("ready")
    publisher = Process([*command, "client"], "public client")
    publisher.wait_for("ready")
    return Way("public SniTun", port, endpoint, server=server, publisher=publisher)


def load(options, *arguments):
    """Runs the load generator; its JSON."""
    done = subprocess.run([options.load, *[str(a) for a in arguments]], capture_output=True,
                          text=True, timeout=120)
    if not done.stdout:
        raise SystemExit(f"bench: load {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(way, name, options):
    """One measurement of one way; its figures."""
    mode, connections, _, _ = MEASURES[name]
    before = way.cpu_s()
    found = load(options, mode, "--to", f"127.0.0.1:{way.to}", "--endpoint",
                 f"127.0.0.1:{way.endpoint}", "--name", NAME, "--connections", connections,
                 "--seconds", options.seconds)
    after = way.cpu_s()
    used = {role: after[role] - before[role] for role in before}
    value = {"down": found["mb_per_s"], "up": found["mb_per_s"],
             "connect": found["operations_per_s"]}.get(mode, found["latency_us"]["p50"])
    gigabytes = found["bytes_all"] / 1e9
    operations = max(found["operations_all"], 1)
    return {
        "value": value,
        "errors": found["errors"],
        "per_s": found["operations_per_s"],
        "p99_us": found["latency_us"]["p99"],
        "cpu": {role: s / gigabytes if mode in ("down", "up") else s / operations * 1e6
                for role, s in used.items()},
    }


def middle(values):
    return statistics.median(values)


def spread(values):
    median = middle(values)
    return (max(values) - min(values)) / median if median else 0.0


def table(results, rounds):
    """The results as text, one block a measure."""
    lines = []
    for name, by_way in results.items():
        mode, connections, unit, more = MEASURES[name]
        bulk = mode in ("down", "up")
        lines.append(f"\n{name} ({connections} connection{'s' * (connections > 1)}), "
                     f"median of {rounds}, {'more' if more else 'less'} is better; "
                     f"CPU in {'s/GB' if bulk else 'us an operation'}")
        lines.append(f"  {'':14} {unit:>10} {'spread':>7} {'x nginx':>8} {'server':>8} "
                     f"{'x nginx':>8} {'publisher':>9}" + ("" if bulk else
                     f" {'ops/s':>9} {'p99 us':>8}") + "  errors")
        base = by_way.get("nginx")
        for way, runs in by_way.items():
            values = [r["value"] for r in runs]
            row = f"  {way:14} {middle(values):10.1f} {spread(values):7.0%} "
            row += f"{middle(values) / middle([r['value'] for r in base]):8.2f} " if base else \
                f"{'':9}"
            server = [r["cpu"]["server"] for r in runs if "server" in r["cpu"]]
            row += f"{middle(server):8.2f} " if server else f"{'-':>8} "
            row += f"{middle(server) / middle([r['cpu']['server'] for r in base]):8.2f} " \
                if server and base and middle([r["cpu"]["server"] for r in base]) else f"{'-':>8} "
            publisher = [r["cpu"]["publisher"] for r in runs if "publisher" in r["cpu"]]
            row += f"{middle(publisher):9.2f}" if publisher else f"{'-':>9}"
            if not bulk:
                row += f" {middle([r['per_s'] for r in runs]):9.0f}"
                row += f" {middle([r['p99_us'] for r in runs]):8.0f}"
            lines.append(row + f" {sum(r['errors'] for r in runs):7}")
    return "\n".join(lines)


def idle(options, home):
    """Memory of a server's process for each idle peer, in a process of its own."""
    key = fernet_key(home, options.adit)
    server = Process([options.adit, "serve", "--listen", "127.0.0.1:0", "--fernet-key-file", key,
                      "--workers", options.workers], "adit serve")
    try:
        port = int(re.search(r"127\.0\.0\.1:(\d+)", server.wait_for(r"\bready\b.*").string)[1])
        return load(options, "peers", "--to", f"127.0.0.1:{port}", "--fernet-key-file", key,
                    "--pid", server.pid, "--connections", options.peers)
    finally:
        server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one measurement")
    parser.add_argument("--measures", default=",".join(MEASURES))
    parser.add_argument("--ways", default="", help="of: direct, nginx, haproxy, adit, public")
    parser.add_argument("--adit", default=str(ROOT / "build" / "adit"))
    parser.add_argument("--load", default=str(ROOT / "build" / "bench" / "load"))
    parser.add_argument("--cipher", default="aes-gcm-siv")
    parser.add_argument("--workers", default="1")
    parser.add_argument("--peers", type=int, default=8000, help="idle ones; 0 leaves them out")
    parser.add_argument("--public", default=os.environ.get("SNITUN_PUBLIC", ""),
                        help="a command that runs the public package")
    parser.add_argument("--out", default=str(ROOT / "build-results"))
    options = parser.parse_args()
    makers = {"direct": direct, "nginx": nginx, "haproxy": haproxy, "adit": adit,
              "public": public_snitun}
    chosen = options.ways.split(",") if options.ways else \
        [w for w in makers if (w != "haproxy" or shutil.which("haproxy")) and
         (w != "nginx" or shutil.which("nginx")) and (w != "public" or options.public)]
    names = options.measures.split(",")
    ways, idle_peers = [], None
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="adit-bench-") as directory:
        try:
            for way in chosen:
                home = pathlib.Path(directory, way)
                home.mkdir()
                ways.append(makers[way](home, options))
            results = {name: {way.name: [] for way in ways} for name in names}
            for number, name in itertools.product(range(options.rounds), names):
                # Whoever comes first in one round comes last in the next.
                for way in ways if number % 2 == 0 else reversed(ways):
                    results[name][way.name].append(measure(way, name, options))
        finally:
            for way in ways:
                way.stop()
        if options.peers and "adit" in chosen:
            idle_peers = idle(options, pathlib.Path(directory, "adit"))
    text = table(results, options.rounds)
    if idle_peers:
        text += (f"\n\nidle peers: {idle_peers['peers']} at {idle_peers['peers_per_s']:.0f}/s, "
                 f"{idle_peers['bytes_per_peer']:.0f} bytes of the server's memory each")
    text += f"\n\n{time.monotonic() - started:.0f} s, {os.cpu_count()} processors, " \
            f"{os.uname().release}"
    print(text)
    out = pathlib.Path(options.out)
    out.mkdir(exist_ok=True)
    (out / "bench-snitun.txt").write_text(text + "\n")
    (out / "bench-snitun.json").write_text(json.dumps(
        {"options": vars(options), "results": results, "idle_peers": idle_peers}, indent=1))
    wrong = sum(r["errors"] for by_way in results.values() for way, runs in by_way.items()
                if way == "adit" for r in runs)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
