"""Each role runs in its sandbox: what the kernel says of it, and what it still can do there."""
import os
import pathlib
import re

from cryptography.fernet import Fernet

from harness import write_secret
from tunnel import NAME, Tunnel
from wire import connect_peer, credential


def confinement(pid):
    """What the kernel says of each thread: (no new privileges, mode of seccomp)."""
    found = set()
    for task in pathlib.Path("/proc", str(pid), "task").iterdir():
        status = (task / "status").read_text()
        found.add(tuple(re.search(rf"^{field}:\s*(\d+)", status, re.M)[1]
                        for field in ("NoNewPrivs", "Seccomp")))
    return found


FILTERED = {("1", "2")}


def test_every_thread_of_server_and_publisher_is_filtered(programs):
    tunnel = Tunnel(programs)
    tunnel.open()
    assert confinement(tunnel.server.process.pid) == FILTERED
    assert confinement(tunnel.publisher.pid) == FILTERED


def test_without_a_sandbox_that_is_warned_of(programs):
    server = programs.serve("--no-sandbox")
    server.process.wait_for("warn sandbox: --no-sandbox")
    assert confinement(server.process.pid) == {("1", "0")}


def test_a_key_renamed_into_place_is_used_after_a_reload(programs):
    server = programs.serve()
    fresh = Fernet.generate_key().decode()
    new = write_secret(programs.directory / "new.key", fresh + "\n")
    os.rename(new, programs.key_file)
    programs.status(server.process)
    server.process.signal(1)
    server.process.wait_for("reload.*reloaded")
    mux = connect_peer(server.host, server.port, credential(fresh, NAME))
    mux.ping()


def test_a_key_behind_a_link_is_used_after_the_link_has_moved(programs):
    """As certbot and Kubernetes put files there."""
    live, archive = programs.directory / "live", programs.directory / "archive"
    live.mkdir()
    archive.mkdir()
    write_secret(archive / "key1", programs.key + "\n")
    (live / "key").symlink_to("../archive/key1")
    server = programs.serve(key_file=live / "key")
    fresh = Fernet.generate_key().decode()
    write_secret(archive / "key2", fresh + "\n")
    (live / "next").symlink_to("../archive/key2")
    os.rename(live / "next", live / "key")
    server.process.signal(1)
    server.process.wait_for("reload.*reloaded")
    connect_peer(server.host, server.port, credential(fresh, NAME)).ping()


def test_a_reload_cannot_read_what_no_option_named_at_the_start(programs):
    elsewhere = programs.directory / "elsewhere"
    home = programs.directory / "home"
    for path in (elsewhere, home):
        path.mkdir()
    key = write_secret(home / "key", programs.key + "\n")
    write_secret(elsewhere / "key", programs.key + "\n")
    config = home / "serve.yaml"
    config.write_text(f"role: serve\nlisten: 127.0.0.1:0\nfernet_key_file: {key}\n")
    process = programs.role("serve", "--config", config)
    programs.ready(process)
    config.write_text(f"role: serve\nlisten: 127.0.0.1:0\nfernet_key_file: {elsewhere}/key\n")
    process.signal(1)
    process.wait_for(f"reload: nothing changed: .*{elsewhere}/key: .*[Pp]ermission")
    process.wait_for(f"warn sandbox: {elsewhere}/key is not beside .*: restart it to use that file")


def test_a_reload_that_changes_nothing_warns_of_nothing(programs):
    home = programs.directory / "home"
    home.mkdir()
    key = write_secret(home / "key", programs.key + "\n")
    process = programs.role("serve", "--listen", "127.0.0.1:0", "--fernet-key-file", key)
    programs.ready(process)
    assert process.control.parent != home
    process.signal(1)
    process.wait_for("reload: reloaded")
    assert not process.matches("warn sandbox")


def test_a_file_that_is_wrong_by_itself_asks_for_no_restart(programs):
    key = write_secret(programs.directory / "key", programs.key + "\n")
    config = programs.directory / "serve.yaml"
    config.write_text(f"role: serve\nlisten: 127.0.0.1:0\nfernet_key_file: {key}\n")
    process = programs.role("serve", "--config", config)
    programs.ready(process)
    for wrong in ("/nowhere/key", "/etc/hostname"):
        config.write_text(f"role: serve\nlisten: 127.0.0.1:0\nfernet_key_file: {wrong}\n")
        process.signal(1)
        process.wait_for(f"reload: nothing changed: .*{wrong}")
    assert not process.matches("restart it")
