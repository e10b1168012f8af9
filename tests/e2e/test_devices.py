"""Real devices and a real site: curl and openssl s_client through the tunnel to nginx."""
import socket

import pytest

from harness import HANG_S
from tunnel import NAME, Site
from wire import credential

SITE = """
daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events { worker_connections 512; }
http {
    access_log off; client_body_temp_path {dir}; proxy_temp_path {dir};
    fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
    ssl_certificate CA/site.pem; ssl_certificate_key CA/site.key;
    server {
        listen 127.0.0.1:PORT ssl http2HEADER;
        location / { return 200 "caller VARIABLE alpn $ssl_alpn_protocol\\n"; }
    }
}
"""


def start_site(programs, authority, proxied):
    """nginx with TLS; with `proxied` it wants a PROXY header and shows its address."""
    port = programs.port()
    programs.nginx(SITE.replace("CA/", f"{authority}/").replace("PORT", str(port))
                   .replace("HEADER", " proxy_protocol" if proxied else "")
                   .replace("VARIABLE", "$proxy_protocol_addr" if proxied else "$remote_addr"),
                   port)
    return f"127.0.0.1:{port}"


def curl(programs, authority, server, *flags, name=NAME, host=None, port=None):
    host, port = host or server.host, port or server.port
    target = f"[{host}]" if ":" in host else host
    return programs.start(["curl", "--silent", "--show-error", "--max-time", HANG_S, "--cacert",
                           authority / "ca.pem", "--resolve", f"{name}:{port}:{target}", *flags,
                           f"https://{name}:{port}/"])


@pytest.mark.parametrize("header", ["v1", "v2"])
def test_nginx_behind_proxy_protocol_sees_the_callers_address(programs, authority, header):
    server = programs.serve(listen=["127.0.0.1:0", "[::1]:0"])
    programs.publish(server, credential(programs.key, NAME),
                     start_site(programs, authority, True), "--proxy-protocol", header)
    page = curl(programs, authority, server, "--interface", "127.0.0.99")
    assert page.wait_exit() == 0
    assert "caller 127.0.0.99 " in page.text("out")
    page = curl(programs, authority, server, host="::1", port=server.addresses[1][1])
    assert page.wait_exit() == 0
    assert "caller ::1 " in page.text("out")


def test_curl_verifies_the_sites_own_certificate_and_speaks_h2(programs, authority):
    server = programs.serve()
    programs.publish(server, credential(programs.key, NAME, alias=["www.example"]),
                     start_site(programs, authority, False))
    page = curl(programs, authority, server, "--http2", "--write-out", "%{http_version}")
    assert page.wait_exit() == 0
    assert "alpn h2" in page.text("out") and page.text("out").endswith("2")
    page = curl(programs, authority, server, "--http1.1", name="www.example")
    assert page.wait_exit() == 0
    assert "alpn http/1.1" in page.text("out")


def test_openssl_s_client_agrees_on_alpn_h2_through_the_tunnel(programs, authority):
    server = programs.serve()
    programs.publish(server, credential(programs.key, NAME),
                     start_site(programs, authority, False))
    client = programs.start(["openssl", "s_client", "-connect", server.address, "-servername",
                             NAME, "-alpn", "h2", "-CAfile", authority / "ca.pem",
                             "-verify_return_error", "-verify_hostname", NAME], stdin="")
    client.wait_for("ALPN protocol: h2")
    client.wait_for(r"Verify return code: 0 \(ok\)")
    assert client.wait_exit() == 0


def test_names_are_compared_without_case(programs, authority):
    server = programs.serve()
    programs.publish(server, credential(programs.key, "Home.Example"),
                     start_site(programs, authority, False))
    client = programs.start(["openssl", "s_client", "-connect", server.address, "-servername",
                             "HOME.example", "-CAfile", authority / "ca.pem",
                             "-verify_return_error"], stdin="")
    client.wait_for(r"Verify return code: 0 \(ok\)")


def test_curl_sees_an_unknown_name_as_unrecognized_name(programs, authority):
    site = Site(programs)
    page = curl(programs, authority, site.server, name="nobody.example")
    assert page.wait_exit() == 35
    assert "unrecognized name" in page.text("err")
    site.said(r"refused-unknown-name.*nobody\.example")
    site.check()


def test_openssl_sees_alert_112_without_a_name(programs):
    site = Site(programs)
    client = programs.start(["openssl", "s_client", "-connect", site.server.address,
                             "-noservername"], stdin="")
    assert client.wait_exit() == 1
    assert "alert number 112" in client.text("err")
    site.said("refused-no-name")
    site.check()


def test_a_fixed_route_takes_its_name_and_nothing_else(programs, authority):
    site_address = start_site(programs, authority, False)
    site = Site(programs, "--route", f"www.example={site_address}")
    page = curl(programs, authority, site.server, name="www.example")
    assert page.wait_exit() == 0
    assert "alpn h2" in page.text("out")
    other = curl(programs, authority, site.server)
    assert other.wait_exit() == 35
    site.check()


def test_a_route_to_a_closed_port_is_an_alert(programs, authority):
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    site = Site(programs, "--route", f"www.example=127.0.0.1:{closed.getsockname()[1]}")
    page = curl(programs, authority, site.server, name="www.example")
    assert page.wait_exit() == 35
    closed.close()
    site.said("refused-route")
    site.check()
