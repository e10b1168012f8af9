#!/usr/bin/python3
"""Measures how files get from one directory to another, alternating in one run.

README.md says what is measured and what is not."""
import contextlib
import filecmp
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from rounds import (ROOT, Figure, Measure, Way, alternate, chosen, parser, publish, table)
from harness import free_port, join, until, write_secret  # pylint: disable=C0411

RELAY = ROOT / "tests" / "tools" / "delay_relay.py"
DELAY_MS = 50  # each way
HOST = "127.0.0.1"
USER = ["--user", "root"] if os.getuid() == 0 else []


class Child:
    """A program and what it has used of the processor, its own children included."""

    def __init__(self, argv, **kw):
        nowhere = subprocess.DEVNULL
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=nowhere, stdout=nowhere,
                                      stderr=kw.pop("stderr", nowhere), **kw)
        self.code, self.cpu_s = None, 0.0

    def wait(self):
        _, status, used = os.wait4(self.popen.pid, 0)
        self.popen.returncode = self.code = os.waitstatus_to_exitcode(status)
        self.cpu_s = used.ru_utime + used.ru_stime
        return self.code

    def stop(self):
        if self.code is None:
            os.kill(self.popen.pid, signal.SIGTERM)  # Popen's own reaps what has ended
            self.wait()


class Job:
    """What is to be sent, and where to; through: where a sender has to connect, given where the
    receiver listens."""

    def __init__(self, source, target, size, through=contextlib.nullcontext):
        self.source, self.target, self.size, self.through = source, target, size, through

    def arrived(self):
        here, there = self.source, self.target / self.source.name
        if here.is_file():
            return there.is_file() and filecmp.cmp(here, there, shallow=False)
        names = sorted(os.listdir(here))
        return (there.is_dir() and sorted(os.listdir(there)) == names
                and filecmp.cmpfiles(here, there, names, shallow=False)[0] == names)

    def clear(self):
        shutil.rmtree(self.target, ignore_errors=True)
        self.target.mkdir()


@contextlib.contextmanager
def delayed(address):
    relay = subprocess.Popen(["/usr/bin/python3", RELAY, "--to", address, "--delay-ms",
                              str(DELAY_MS)], stdout=subprocess.PIPE, text=True)
    try:
        yield relay.stdout.readline().split("ready: ")[1].strip()
    finally:
        relay.kill()
        relay.communicate()


# ---- Ways ----


def adit_way(home, options, *flags):
    program = options.adit
    key = subprocess.run([program, "keygen", "box", "--out", home / "key"], check=True,
                         capture_output=True, text=True).stdout.strip()
    password = write_secret(home / "passphrase", "correct horse\n")
    subprocess.run([program, "passwd", "--users", home / "users", "--password-file", password,
                    "alice"], check=True, capture_output=True)

    def start(job):
        log = open(home / "log", "w+", encoding="utf-8")
        receiver = Child([program, "receive", "--listen", f"{HOST}:0", "--key-file", home / "key",
                          "--users", home / "users", "--into", job.target, "--once", "--control",
                          "none", *USER], stderr=log)
        until(lambda: "ready" in (home / "log").read_text(), "the receiver")
        return receiver, (home / "log").read_text().split("receives on ")[1].split()[0]

    def send(job, address):
        return Child([program, "send", "--to", address, "--key", key, "--user", "alice",
                      "--password-file", password, "--overwrite", "--quiet", *flags, job.source])

    return Way("adit" + "".join(f" {f}" for f in flags), start=start, send=send)


def ssh_way(home, _options):
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name],
                       check=True)
    (home / "known").write_text("x " + (home / "host.pub").read_text())
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)

    def start(_job):
        port = free_port(HOST)
        (home / "sshd").write_text(
            f"ListenAddress {join(HOST, port)}\nHostKey {home}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {home}/user.pub\nStrictModes no\nSubsystem sftp internal-sftp\n")
        # One connection, and what its processes used is told when it ends.
        server = Child(["/usr/sbin/sshd", "-d", "-f", home / "sshd"])
        until(lambda: f":{port:04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text(),
              "sshd")
        return server, join(HOST, port)

    def send(job, address):
        return Child(["scp", "-q", "-r", "-P", address.rsplit(":", 1)[1], "-i", home / "user",
                      "-o", f"UserKnownHostsFile={home}/known", "-o", "HostKeyAlias=x",
                      "-o", "BatchMode=yes", job.source, f"{HOST}:{job.target}/"])

    return Way("scp", start=start, send=send)


def socat_way(home, _options):
    """TLS 1.3 and nothing else: for a directory tar at both ends."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", home / "key.pem", "-out",
                    home / "cert.pem", "-days", "2", "-subj", f"/CN={HOST}", "-addext",
                    f"subjectAltName=IP:{HOST}"], check=True, capture_output=True)
    block = ["-u", "-b", "262144"]

    def start(job):
        port = free_port(HOST)
        whole = job.source.is_file()
        to = (f"CREATE:{job.target / job.source.name}" if whole
              else f"SYSTEM:tar x -C {job.target}")
        server = Child(["socat", *block, f"OPENSSL-LISTEN:{port},bind={HOST},cert={home}/cert.pem,"
                        f"key={home}/key.pem,verify=0,reuseaddr", to])
        until(lambda: f":{port:04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text(),
              "socat")
        return server, join(HOST, port)

    def send(job, address):
        what = (f"OPEN:{job.source},rdonly" if job.source.is_file()
                else f"SYSTEM:tar c -C {job.source.parent} {job.source.name}")
        return Child(["socat", *block, what, f"OPENSSL:{address},cafile={home}/cert.pem"])

    return Way("socat OPENSSL", start=start, send=send)


def compressing(home, options):
    return adit_way(home, options, "--compress")


WAYS = {"adit": adit_way, "adit --compress": compressing, "scp": ssh_way,
        "socat OPENSSL": socat_way}
NEEDS = {"scp": "/usr/sbin/sshd", "socat OPENSSL": "socat"}


# ---- Measures ----


def transfer(way, job):
    """One whole command, login and acknowledgement included."""
    job.clear()
    receiver, address = way.start(job)
    try:
        with job.through(address) as to:
            begun = time.monotonic()
            sender = way.send(job, to)
            sender.wait()
            if way.name.startswith("socat"):
                receiver.wait()  # its sender does not learn when all is written
            seconds = time.monotonic() - begun
    finally:
        if way.name.startswith("adit") and sender.code == 0:
            receiver.wait()
        receiver.stop()
    wrong = int(sender.code != 0 or not job.arrived())
    work = job.size / 1e9
    figure = Figure(job.size / 1e6 / seconds, work=work, errors=wrong,
                    send_ms=1000 * sender.cpu_s / work, recv_ms=1000 * receiver.cpu_s / work)
    return figure


def measures(jobs):
    texts = {
        "1 GB": "a file of random bytes to tmpfs", "disk": "a fifth of it to a disk; adit alone waits "
        "until it is there", "files": "10,000 files of 10 KB to tmpfs",
        "delay": "a file over a path of 100 ms",
    }
    return [Measure(name, texts[name], "MB/s", lambda way, job=job: transfer(way, job),
                    columns=("send_ms", "recv_ms")) for name, job in jobs.items()]


def make_jobs(options, memory, disk):
    big = memory / "big"
    with open(big, "wb") as file:
        for _ in range(options.mb):
            file.write(os.urandom(1_000_000))
    some = memory / "some"
    with open(some, "wb") as file:
        for _ in range(options.some_mb):
            file.write(os.urandom(1_000_000))
    many = memory / "many"
    many.mkdir()
    for number in range(10_000):
        (many / f"{number:05}").write_bytes(os.urandom(10_000))
    return {"1 GB": Job(big, memory / "in", options.mb * 1_000_000),
            "disk": Job(some, disk / "in", options.some_mb * 1_000_000),
            "files": Job(many, memory / "in", 100_000_000),
            "delay": Job(some, memory / "in", options.some_mb * 1_000_000, delayed)}


def run(options, memory, disk):
    jobs = make_jobs(options, memory, disk)
    names = chosen(WAYS, options.ways or ",".join(w for w in WAYS if "--" not in w))
    missing = [name for name in names if name in NEEDS and not shutil.which(NEEDS[name])]
    for name in missing:
        print(f"bench: {NEEDS[name]} is not installed, so without {name}", file=sys.stderr)
    ways = []
    for name in names:
        if name not in missing:
            home = memory / name.replace(" ", "-")
            home.mkdir()
            ways.append(WAYS[name](home, options))
    wanted = [m for m in measures(jobs) if m.name in chosen(jobs, options.measures)]
    found = alternate(ways, wanted, options.rounds)
    return publish("sodium", options, table(found, wanted, ways[0].name, (), options.rounds), found)


def main():
    options = parser(__doc__)
    options.add_argument("--mb", type=int, default=1000, help="size of the large file")
    options.add_argument("--some-mb", type=int, default=200, help="of the one to a disk, and over a long path")
    options = options.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="adit-bench-") as memory, \
            tempfile.TemporaryDirectory(dir=ROOT / "build-results", prefix="disk-") as disk:
        return run(options, pathlib.Path(memory), pathlib.Path(disk))


if __name__ == "__main__":
    sys.exit(main())
