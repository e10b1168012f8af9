"""The session master's store on disks that are full, read-only or damaged, while it runs."""
import os
import re
import subprocess

import pytest

from harness import until
from masters import Master

NAME = "home.example"
PAGE = 4096


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here: only root can")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk):
    """Until not one byte more fits."""
    left = disk / "ballast"
    with left.open("ab", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    assert os.statvfs(disk).f_bavail == 0
    return left


def test_a_full_disk_is_said_and_the_master_goes_on(programs, disk):
    master = Master(programs, store=disk / "hosts.db")
    key = master.add(NAME)
    assert master.token(key).status == 200
    # No room is left in the file itself either: every page of it is in use.
    ballast = fill(disk)
    txt = {"txt": "x" * 200}
    refused = until(lambda: (a := master.ask("/instance/dns_challenge_txt", key=key, body=txt))
                    and a.status != 200 and a, "a write does not fit")
    assert refused.status == 503 and int(refused.headers["retry-after"]) > 0
    master.process.wait_for(r"refused: 127\.0\.0\.1: POST /instance/dns_challenge_txt: 503, the "
                            "store: no space is left")
    assert "no space" in master.host_command("add", "other.example", code=1).text("err")
    assert "no space" in master.host_command("disable", NAME, code=1).text("err")
    for _ in range(3):  # what needs no write is answered
        assert master.token(key).status == 200
        assert master.ask("/instance/connection", key=key).status == 200
    assert master.show(NAME)["enabled"] is True
    ballast.unlink()
    master.host_command("disable", NAME)
    assert master.token(key).status == 403
    master.host_command("enable", NAME)
    assert master.ask("/instance/dns_challenge_txt", key=key, body=txt).status == 200


def test_a_disk_that_is_full_from_the_start_is_said(programs, disk):
    fill(disk)
    refused = programs.run("host", "add", NAME, "--store", disk / "hosts.db", code=1)
    assert "space" in refused.text("err")
    refused = programs.run("master", "--listen", "127.0.0.1:0", "--store", disk / "hosts.db",
                           "--fernet-key-file", programs.key_file, "--server", "127.0.0.1:443",
                           code=1)
    assert "space" in refused.text("err")


def test_a_store_on_a_disk_that_is_read_only_is_said(programs, disk):
    store = disk / "hosts.db"
    programs.run("host", "add", NAME, "--store", store)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for words in (("host", "add", "other.example"), ("host", "disable", NAME),
                  ("master", "--listen", "127.0.0.1:0", "--fernet-key-file", programs.key_file,
                   "--server", "127.0.0.1:443")):
        refused = programs.run(*words, "--store", store, code=1)
        assert re.search("cannot be written|read-only", refused.text("err")), words
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    programs.run("host", "disable", NAME, "--store", store)


def test_a_store_that_is_damaged_while_it_is_open_is_said(programs):
    """The master answers what it can; `adit host` says what to do."""
    master = Master(programs)
    keys = [master.add(f"host{i}.example") for i in range(3)]
    assert master.process.stop() == 0  # all of it is in the one file then
    master = Master(programs, name="master again")
    with open(master.store, "r+b") as file:
        file.seek(PAGE)
        file.write(os.urandom(os.path.getsize(master.store) - PAGE))
    answers = [master.token(key) for key in keys]
    assert all(answer.status == 500 for answer in answers)
    assert all("store" in answer.json["message"] for answer in answers)
    master.process.wait_for("the store: the file is no store, or is damaged")
    assert master.ask("/.well-known/service-discovery").status == 200
    assert "damaged" in master.host_command("add", NAME, code=1).text("err")
