"""TLS at the publisher: `--to http://…` with a certificate."""
import hashlib
import os
import socket
import ssl
import subprocess

import pytest

from harness import HANG_S, Wire, echo, until, write_secret
from masters import curl
from wire import credential

NAME = "home.example"

NGINX = """
daemon off; master_process off; pid {dir}/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {
        listen 127.0.0.1:PORT PROXY;
        root {dir};
        location /who { return 200 "$proxy_protocol_addr $scheme $server_protocol\\n"; }
    }
}
"""


class Site:
    """A server and a publisher that ends TLS before a plain service."""

    def __init__(self, programs, authority, to, *flags):
        self.programs, self.authority = programs, authority
        self.cert = programs.directory / "cert.pem"
        self.key = programs.directory / "cert.key"
        self.cert.write_text((authority / "site.pem").read_text())
        write_secret(self.key, (authority / "site.key").read_text())
        self.server = programs.serve()
        self.publisher = programs.publish(self.server, credential(programs.key, NAME),
                                          f"http://{to}", "--tls-cert", self.cert, "--tls-key",
                                          self.key, *flags)

    def curl(self, path, *flags):
        return curl(f"https://{NAME}{path}", "--cacert", self.authority / "ca.pem",
                    "--connect-to", f"{NAME}:443:{self.server.address}", *flags)

    def tls(self, **kw):
        context = ssl.create_default_context(cafile=self.authority / "ca.pem")
        context.set_alpn_protocols(["h2", "http/1.1"])
        for name, value in kw.items():
            setattr(context, name, value)
        sock = socket.create_connection((self.server.host, self.server.port), HANG_S)
        return context.wrap_socket(sock, server_hostname=NAME)


def nginx(programs, proxy=""):
    port = programs.port()
    process = programs.nginx(NGINX.replace("PORT", str(port)).replace("PROXY", proxy), port)
    return process, port, programs.directory / f"nginx-{port}"


def test_nginx_as_a_plain_endpoint(programs, authority):
    _, port, home = nginx(programs)
    data = os.urandom(20_000_000)
    (home / "large").write_bytes(data)
    site = Site(programs, authority, f"127.0.0.1:{port}")
    answer = site.curl("/who")
    assert (answer.status, answer.body.split()) == (200, ["http", "HTTP/1.1"])
    target = programs.directory / "got"
    subprocess.run(["curl", "-sS", "--cacert", authority / "ca.pem", "--connect-to",
                    f"{NAME}:443:{site.server.address}", "-o", target,
                    f"https://{NAME}/large", "--max-time", str(HANG_S)], check=True)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_the_callers_address_reaches_a_plain_endpoint(programs, authority):
    _, port, _ = nginx(programs, "proxy_protocol")
    site = Site(programs, authority, f"127.0.0.1:{port}", "--proxy-protocol", "v1")
    answer = site.curl("/who", "--interface", "127.0.0.77")
    assert answer.body.split()[0] == "127.0.0.77"


def test_bytes_come_back_and_the_end_does_too(programs, authority):
    service = programs.service(echo)
    site = Site(programs, authority, service.address)
    with site.tls() as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert tls.version() == "TLSv1.3"
        data = os.urandom(100_000)
        tls.sendall(data)
        got = b""
        while len(got) < len(data):
            got += tls.recv(65536)
        assert got == data
        tls.unwrap()


def test_tls_1_2_is_enough_and_1_1_is_not(programs, authority):
    service = programs.service(echo)
    site = Site(programs, authority, service.address)
    with site.tls(maximum_version=ssl.TLSVersion.TLSv1_2) as tls:
        assert tls.version() == "TLSv1.2"
    done = subprocess.run(["openssl", "s_client", "-connect", site.server.address, "-servername",
                           NAME, "-tls1_1", "-cipher", "ALL@SECLEVEL=0"], input=b"",
                          capture_output=True, timeout=HANG_S, check=False)
    assert done.returncode != 0
    site.publisher.wait_for("tls: no TLS with 127.0.0.1: ")


def test_a_session_is_resumed(programs, authority):
    service = programs.service(echo)
    site = Site(programs, authority, service.address)
    session = programs.directory / "session"
    common = ["openssl", "s_client", "-connect", site.server.address, "-servername", NAME,
              "-CAfile", str(authority / "ca.pem"), "-tls1_2"]
    for more, expected in ((["-sess_out", session], b"New, "), (["-sess_in", session], b"Reused, ")):
        done = subprocess.run([*common, *more], input=b"", capture_output=True,
                              timeout=HANG_S, check=False)
        assert expected in done.stdout


def test_what_is_no_tls_ends_the_channel_alone(programs, authority):
    """A ClientHello that the server routes, and garbage after it."""
    from harness import client_hello
    service = programs.service(echo)
    site = Site(programs, authority, service.address)
    with Wire.dial(site.server.host, site.server.port) as wire:
        wire.send(client_hello(NAME) + b"\x17\x03\x03\x00\x05hello" * 10)
        wire.ended()
    site.publisher.wait_for("tls: no TLS with 127.0.0.1: ")
    with site.tls() as tls:
        tls.sendall(b"still here")
        assert tls.recv(10) == b"still here"


def test_a_caller_who_does_not_read_stops_the_endpoint(programs, authority):
    """Back pressure holds through TLS: the endpoint can send only so much."""
    endpoint = programs.endpoint()
    site = Site(programs, authority, endpoint.address)
    tls = site.tls()
    tls.sendall(b"x")
    service = endpoint.accept()
    assert service.receive(1) == b"x"
    service.sock.settimeout(2)
    sent = 0
    block = bytes(1 << 20)
    with pytest.raises(TimeoutError):
        while sent < 400 << 20:
            sent += service.sock.send(block)
    assert sent < 100 << 20
    left = sent
    while left:
        left -= len(tls.recv(1 << 20))
    tls.close()


def fingerprint(site):
    with site.tls(check_hostname=False, verify_mode=ssl.CERT_NONE) as tls:
        return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()


def new_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", "new.key", "-out", "new.pem",
                    "-days", "2", "-subj", f"/CN={NAME}"], cwd=directory, check=True,
                   capture_output=True)
    os.chmod(directory / "new.key", 0o600)


@pytest.mark.parametrize("signal", [True, False], ids=["SIGHUP", "changed"])
def test_a_new_certificate_is_for_new_connections(programs, authority, signal):
    service = programs.service(echo)
    site = Site(programs, authority, service.address)
    before = fingerprint(site)
    tls = site.tls()
    tls.sendall(b"before")
    new_certificate(programs.directory)
    os.rename(programs.directory / "new.key", site.key)
    os.rename(programs.directory / "new.pem", site.cert)
    if signal:
        site.publisher.signal(1)
        site.publisher.wait_for("reload: reloaded")
    else:
        site.publisher.wait_for("certificate: .* is used for new connections")
    assert fingerprint(site) != before
    assert tls.recv(6) == b"before"
    tls.close()


def test_a_broken_certificate_is_refused_and_the_former_stays(programs, authority):
    service = programs.service(echo)
    site = Site(programs, authority, service.address)
    before = fingerprint(site)
    site.cert.write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    site.publisher.signal(1)
    site.publisher.wait_for("nothing changed: .*cert.pem")
    assert fingerprint(site) == before
    site.publisher.wait_for("certificate: the former one stays: .*cert.pem")
    assert fingerprint(site) == before


def test_an_endpoint_that_refuses_ends_the_caller(programs, authority):
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    site = Site(programs, authority, f"127.0.0.1:{closed.getsockname()[1]}")
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        site.tls()
    site.publisher.wait_for("endpoint: cannot connect")


def test_many_callers_come_and_go_without_a_trace(programs, authority):
    service = programs.service(echo)
    site = Site(programs, authority, service.address)

    def descriptors():
        return len(os.listdir(f"/proc/{site.publisher.pid}/fd"))

    with site.tls() as tls:
        tls.sendall(b"x")
        assert tls.recv(1) == b"x"
    before = until(lambda: not programs.status(site.publisher)["channels"] and descriptors(),
                   "it ends")
    for _ in range(30):
        with site.tls() as tls:
            tls.sendall(b"x")
            assert tls.recv(1) == b"x"
    until(lambda: descriptors() <= before, "the descriptors are closed")


@pytest.mark.parametrize("flags", [
    ["--to", "http://127.0.0.1:1"], ["--to", "http://127.0.0.1:1", "--tls-cert", "c"],
    ["--to", "127.0.0.1:1", "--tls-cert", "c", "--tls-key", "k"],
    ["--to", "https://127.0.0.1:1"], ["--to", "http://127.0.0.1"]])
def test_what_does_not_go_together_is_said(programs, flags):
    programs.run("publish", "--server", "127.0.0.1:1", "--credential", "c", *flags, code=2)
