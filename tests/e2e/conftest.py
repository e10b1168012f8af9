"""Fixtures: every program is started, watched and ended here."""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from harness import Process, SANITIZER, join, write_secret  # noqa: E402
import vpn  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36


def pytest_configure():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def pytest_collection_modifyitems(items):
    """The long ones first, so that they run beside the many short ones."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    programs = item.funcargs.get("programs") if hasattr(item, "funcargs") else None
    if report.failed and programs:
        for process in programs.all:
            state = "runs" if process.running() else f"exit {process.popen.returncode}"
            report.sections.append((f"{process.name} ({state})",
                                    " ".join(process.argv) + "\n" + process.log()))


def children():
    """Pids of live children of this process; orphans come to us, as we are their subreaper."""
    me = os.getpid()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            state, parent = stat.rsplit(")", 1)[1].split()[:2]
            if int(parent) == me and state != "Z":
                found.append(int(entry))
    return found


class Server:
    """A server, adit's or the independent one: where devices and peers find it."""

    def __init__(self, process, addresses, kind):
        self.process, self.addresses, self.kind = process, addresses, kind

    @property
    def host(self):
        return self.addresses[0][0]

    @property
    def port(self):
        return self.addresses[0][1]

    @property
    def address(self):
        return join(self.host, self.port)

    def wait_served(self, name, after=0):
        """Until the server has taken a peer: the peer itself knows only that it has answered."""
        said = rf" peer: {name} " if self.kind == "adit" else f'"peer", "hostname": "{name}"'
        self.process.wait_for(f"(?i){said}", after=after)


class Programs:
    """Starts programs for one test and ends them with it."""

    def __init__(self, directory, key):
        self.directory, self.key = directory, key
        self.all = []
        self.endpoints = []
        self.networks = []
        self.reserved = []
        self.key_file = write_secret(directory / "fernet.key", key + "\n")

    def start(self, argv, name=None, **kw):
        process = Process(argv, name or pathlib.Path(str(argv[0])).name, **kw)
        self.all.append(process)
        return process

    def python(self, *argv, **kw):
        return self.start(["/usr/bin/python3", *argv], **kw)

    def adit(self, *argv, **kw):
        path = harness.adit_path()
        if not path.exists():
            pytest.fail(f"{path} is not built")
        return self.start([path, *argv], kw.pop("name", f"adit {argv[0] if argv else ''}"), **kw)

    def serve(self, *flags, listen=("127.0.0.1:0",), key_file=None, drain="1s", name="serve"):
        listens = [word for at in listen for word in ("--listen", at)]
        process = self.role("serve", *listens, "--fernet-key-file", key_file or self.key_file,
                            "--drain", drain, *flags, name=name)
        return Server(process, self.ready(process), "adit")

    def role(self, command, *flags, name=None, **kw):
        """A command that stays: with a control socket of the test's own, as the user that runs the
        test."""
        name = name or command
        control = self.directory / f"{name}.sock"
        user = ["--user", "root"] if os.getuid() == 0 else []
        process = self.adit(command, *flags, "--control", control, *user, name=name, **kw)
        process.control = control
        return process

    def status(self, process):
        """What a running role answers to `adit status --json`."""
        asked = self.adit("status", "--control", process.control, "--json", name="status")
        assert asked.wait_exit() == 0, asked.log()
        return json.loads(asked.text("out"))

    def run(self, *argv, stdin=None, code=0):
        """A command that ends by itself, with this exit code."""
        process = self.adit(*argv, stdin=stdin)
        assert process.wait_exit() == code, process.log()
        return process

    @staticmethod
    def ready(process):
        """The addresses that the `ready` line names."""
        line = process.wait_for(r"\bready\b.*").string
        found = re.findall(r"(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:]+\]):(\d+)", line)
        assert found, f"no address in: {line}"
        return [(host.strip("[]"), int(port)) for host, port in found]

    def credential_file(self, cred):
        path = self.directory / f"credential-{len(list(self.directory.iterdir()))}.json"
        return write_secret(path, json.dumps(cred))

    def publish(self, server, cred, to, *flags, wait=True, name="publish"):
        """`adit publish`; server is a Server or an address."""
        address = server if isinstance(server, str) else server.address
        path = cred if isinstance(cred, pathlib.Path) else self.credential_file(cred)
        mark = server.process.mark() if isinstance(server, Server) else 0
        process = self.role("publish", "--server", address, "--credential", path, "--to", to,
                            *flags, name=name)
        if wait:
            process.wait_for(r"\bconnected\b")
        if wait and isinstance(server, Server):
            server.wait_served(json.loads(path.read_text())["hostname"], mark)
        return process

    def port(self, host="127.0.0.1"):
        """A port for a program of this test that must be told one, or that is started again: it
        stays the test's while nobody listens there."""
        self.reserved.append(harness.reserve_port(host))
        return self.reserved[-1].getsockname()[1]

    def address(self):
        return join("127.0.0.1", self.port())

    def peer_server(self, host="127.0.0.1"):
        port = self.port(host)
        process = self.python(harness.PEER, "server", "--listen", join(host, port),
                              f"--key={self.key}", name="peer server")
        process.wait_for("listening")
        return Server(process, [(host, port)], "peer")

    def peer_client(self, server, cred, to):
        process = self.python(harness.PEER, "client", "--server", server.address, "--credential",
                              self.credential_file(cred), "--to", to, name="peer client")
        process.wait_for("connected")
        server.wait_served(cred["hostname"])
        return process

    def nginx(self, config, port):
        """nginx in the foreground with this configuration; {dir} is a directory of its own."""
        home = self.directory / f"nginx-{port}"
        home.mkdir()
        path = home / "nginx.conf"
        path.write_text(config.replace("{dir}", str(home)))
        if not shutil.which("nginx"):
            pytest.fail("nginx is not installed")
        process = self.start(["nginx", "-p", home, "-c", path, "-e", home / "error.log"], "nginx")
        harness.until(lambda: harness.port_answers("127.0.0.1", port), f"nginx on {port}")
        return process

    def endpoint(self, host="127.0.0.1"):
        endpoint = harness.Endpoint(host)
        self.endpoints.append(endpoint)
        return endpoint

    def service(self, serve, host="127.0.0.1"):
        service = harness.Service(serve, host)
        self.endpoints.append(service)
        return service

    def finish(self):
        """Ends all; returns what was wrong with them."""
        wrong = []
        for endpoint in self.endpoints:
            endpoint.close()
        for wire in list(harness.Wire.open):
            wire.cut()
        for process in reversed(self.all):
            if not process.running():
                process.wait_exit()
            elif "adit" in pathlib.Path(process.argv[0]).name:
                try:
                    code = process.stop()
                    if code != 0:
                        wrong.append(f"{process.name} ended with {code} on SIGTERM")
                except AssertionError as error:
                    wrong.append(str(error))
                    process.kill()
            else:
                process.kill()
            if process.popen.returncode == -signal.SIGSEGV or \
                    process.popen.returncode == -signal.SIGABRT:
                wrong.append(f"{process.name} crashed")
            if SANITIZER.search(process.log()):
                wrong.append(f"{process.name}: the sanitizer reported")
        for network in self.networks:
            network.close()
        for sock in self.reserved:
            sock.close()
        left = [pid for pid in children() if pid not in [p.pid for p in self.all]]
        for pid in left:
            try:
                name = pathlib.Path("/proc", str(pid), "cmdline").read_text().replace("\0", " ")
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
            wrong.append(f"left running: {name}")
        return wrong


@pytest.fixture
def key():
    return Fernet.generate_key().decode()


@pytest.fixture
def programs(tmp_path, key, request):
    made = Programs(tmp_path, key)
    yield made
    wrong = made.finish()
    if wrong:
        logs = "\n".join(f"--- {p.name}\n{p.log()}" for p in made.all)
        pytest.fail("; ".join(wrong) + "\n" + logs)


@pytest.fixture
def net(programs):
    made = vpn.Net(programs)
    yield made
    wrong = made.finish()
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A throw-away CA and a certificate of its for home.example and www.example."""
    home = tmp_path_factory.mktemp("ca")

    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=home, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=throw-away CA")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "site.key", "-out", "site.csr", "-subj", "/CN=home.example")
    (home / "san").write_text("subjectAltName=DNS:home.example,DNS:www.example\n")
    openssl("x509", "-req", "-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "site.pem", "-days", "2", "-extfile", "san")
    return home
