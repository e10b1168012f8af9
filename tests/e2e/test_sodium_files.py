"""Files and directories between our ends."""
import json
import os
import signal
import subprocess

import pytest
from harness import HANG_S, until, write_secret
from sodium import Site, digest, random_file, tree


@pytest.fixture
def site(programs):
    return Site(programs)


def test_files_arrive_with_contents_mode_and_time(site):
    site.receive("--umask", "027")
    big = random_file(site.home / "big", 30_000_000)
    small = random_file(site.home / "small", 1)
    empty = random_file(site.home / "empty", 0)
    big.chmod(0o757)
    os.utime(big, ns=(1, 1_234_567_890_123_456_789))
    said = site.send(big, small, empty, "--verify")
    for file in (big, small, empty):
        assert digest(site.into / file.name) == digest(file)
    there = (site.into / "big").stat()
    assert there.st_mode & 0o777 == 0o750 and there.st_mtime_ns == 1_234_567_890_123_456_789
    assert "3 items kept" in said.text("out")
    assert not site.parts()


def test_directories_arrive_as_they_are(site):
    site.receive("--umask", "000")
    top = site.home / "photos"
    for number in range(40):
        home = top / f"{number % 7}" / f"deep {number}"
        home.mkdir(parents=True)
        random_file(home / "file", number * 977)
    (top / "0").chmod(0o511)
    (top / "empty").mkdir()
    os.utime(top / "1", ns=(5, 5_000_000_007))
    site.send(f"{top}/")
    assert tree(site.into / "photos") == tree(top)


def test_names_of_any_bytes_arrive(site):
    site.receive()
    top = os.fsencode(site.home / "names")
    os.mkdir(top)
    names = [b"\xff\xfe", b"new\nline", b"-", b"\x1b[31m", b" ", b"x" * 255, "ü".encode()]
    for name in names:
        with open(os.path.join(top, name), "wb") as file:
            file.write(name)
    said = site.send(site.home / "names")
    assert sorted(os.listdir(os.fsencode(site.into / "names"))) == sorted(names)
    assert "\x1b" not in said.log()


def test_links_and_fifos_in_a_directory_are_left_out_and_said(site):
    site.receive()
    top = site.home / "d"
    top.mkdir()
    (top / "link").symlink_to("/etc/passwd")
    os.mkfifo(top / "pipe")
    (top / "file").write_text("x")
    said = site.send(top)
    assert sorted(p.name for p in (site.into / "d").iterdir()) == ["file"]
    assert "link: a symbolic link; it is left out" in said.text("err")
    assert "2 left out" in said.text("out")


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_small_files(site, count):
    site.receive()
    top = site.home / "many"
    top.mkdir()
    for number in range(count):
        (top / f"{number:05}").write_bytes(b"%d" % number * (number % 50))
    process = site.begin(top)
    process.popen.wait(3 * HANG_S)
    assert process.wait_exit() == 0, process.log()
    subprocess.run(["diff", "-r", top, site.into / "many"], check=True)


def test_what_is_there_is_not_sent_again(site):
    site.receive()
    file = random_file(site.home / "f", 5_000_000)
    site.send(file)
    again = json.loads(site.send(file, "--json").text("out"))
    assert again["bytes_sent"] == 0 and again["bytes_resumed"] == 5_000_000 and again["ok"]


def test_another_file_of_the_same_size_is_sent(site):
    site.receive()
    file = random_file(site.home / "f", 5_000_000)
    random_file(site.into / "f", 5_000_000)
    site.send(file)
    assert digest(site.into / "f") == digest(file)


def test_a_part_that_is_another_file_s_is_not_taken(site):
    receiver = site.receive()
    file = random_file(site.home / "f", 20_000_000)
    process = site.begin(file, "--limit-rate", "1MiB")
    until(site.parts, "a part")
    process.kill()
    receiver.wait_for("lost")
    file.write_bytes(os.urandom(20_000_000))
    site.send(file)
    assert digest(site.into / "f") == digest(file) and not site.parts()


def test_overwrite_sends_all(site):
    site.receive()
    file = random_file(site.home / "f", 1_000_000)
    site.send(file)
    again = json.loads(site.send(file, "--overwrite", "--json").text("out"))
    assert again["bytes_sent"] == 1_000_000


def test_skip_existing_leaves_what_is_there(site):
    site.receive()
    one, two = (random_file(site.home / n, 1000) for n in ("one", "two"))
    (site.into / "one").write_text("mine")
    said = json.loads(site.send(one, two, "--skip-existing", "--json").text("out"))
    assert (site.into / "one").read_text() == "mine" and digest(site.into / "two") == digest(two)
    assert said["items_skipped"] == 1 and said["items_kept"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["send", "receive"])
def test_killed_in_the_middle_it_goes_on_there(site, victim):
    """Again and again, until all is there: every step keeps what came before."""
    file = random_file(site.home / "f", 16_000_000)
    address = site.programs.address()
    receiver = site.receive(listen=address)
    for kills in range(1, 4):
        before = site.parts_len()
        sender = site.begin(file, "--limit-rate", "2MiB")
        until(lambda: site.parts_len() > before + 1_000_000 or not sender.running(),
              "more of the part")
        assert sender.running(), sender.log()
        if victim == "send":
            sender.kill()
            receiver.wait_for("lost", count=kills)
        else:
            receiver.kill()
            assert sender.wait_exit() == 1
            assert "run the same command to go on" in sender.text("err")
            receiver = site.receive(listen=address, name=f"receive{kills}")
        assert not (site.into / "f").exists()
    done = json.loads(site.send(file, "--json").text("out"))
    assert done["bytes_resumed"] >= 1_000_000 * kills
    assert done["bytes_resumed"] + done["bytes_sent"] == 16_000_000
    assert digest(site.into / "f") == digest(file) and not site.parts()


def test_interrupted_it_says_how_to_go_on(site):
    receiver = site.receive()
    file = random_file(site.home / "f", 8_000_000)
    sender = site.begin(file, "--limit-rate", "1MiB")
    until(site.parts, "a part")
    sender.signal(signal.SIGINT)
    assert sender.wait_exit() == 1
    assert "run the same command to go on" in sender.text("err")
    receiver.wait_for("the sender was stopped")
    assert site.parts() and not (site.into / "f").exists()


def test_an_unreadable_file_is_said_and_the_rest_is_sent(site):
    site.receive()
    top = site.home / "d"
    top.mkdir()
    (top / "a").write_text("a")
    said = site.send(top, site.home / "gone", code=1)
    assert (site.into / "d" / "a").read_text() == "a"
    assert "gone: " in said.text("err") and "it is not sent" in said.text("err")


def test_a_file_that_shrinks_while_it_is_sent_is_not_kept(site):
    site.receive()
    file = random_file(site.home / "f", 8_000_000)
    sender = site.begin(file, "--limit-rate", "2MiB")
    until(site.parts, "a part")
    os.truncate(file, 7_000_000)
    assert sender.wait_exit() == 1
    assert "changed while it was sent" in sender.text("err")
    assert not (site.into / "f").exists()


def test_a_file_that_changes_while_it_is_sent_is_not_kept(site):
    """The same size and the same time, put back by who changed it."""
    site.receive()
    file = random_file(site.home / "f", 8_000_000)
    before = file.stat()
    sender = site.begin(file, "--limit-rate", "2MiB")
    until(site.parts, "a part")
    with open(file, "r+b") as changing:
        changing.write(b"changed")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sender.wait_exit() == 1
    assert "changed while it was sent" in sender.text("err")
    assert not (site.into / "f").exists()


def test_what_shrinks_is_packed_and_what_does_not_is_not(site):
    site.receive()
    text = site.home / "text"
    text.write_bytes(b"".join(b"line %d of many\n" % n for n in range(200_000)))
    noise = random_file(site.home / "noise", 3_000_000)
    said = json.loads(site.send("--compress", "--json", text).text("out"))
    assert said["bytes_sent"] == text.stat().st_size > 4 * said["bytes_on_wire"]
    said = json.loads(site.send("--compress", "--json", noise).text("out"))
    assert 3_000_000 < said["bytes_on_wire"] < 3_010_000
    for file in (text, noise):
        assert digest(site.into / file.name) == digest(file)


def test_packed_and_interrupted_it_goes_on_there(site):
    receiver = site.receive()
    file = site.home / "f"
    file.write_bytes(b"".join(os.urandom(500) * 2 for _ in range(16_000)))
    sender = site.begin("--compress", file, "--limit-rate", "2MiB")
    until(lambda: site.parts_len() > 3_000_000, "much of the part")
    sender.kill()
    receiver.wait_for("lost")
    said = json.loads(site.send("--compress", "--verify", "--json", file).text("out"))
    assert said["bytes_resumed"] > 3_000_000
    assert said["bytes_resumed"] + said["bytes_sent"] == 16_000_000
    assert digest(site.into / "f") == digest(file)


def test_a_limit_holds_for_each_connection(site):
    line = site.users.read_text().strip()
    write_secret(site.users, line + "size=1000\n")
    receiver = site.receive()
    for number in range(3):
        site.send(random_file(site.home / f"f{number}", 1000))
    one, other = (random_file(site.home / name, 600) for name in ("one", "other"))
    assert "1000 bytes that are allowed" in site.send(one, other, code=1).text("err")
    assert not (site.into / "other").exists()
    until(lambda: not site.programs.status(receiver)["connections"], "nobody is connected")


def test_a_quota_holds_for_all_connections_together(site):
    receiver = site.receive("--quota", "3000")
    for number in range(2):
        site.send(random_file(site.home / f"f{number}", 1000))
    refused = "more than the 3000 bytes that are allowed from all together"
    assert refused in site.send(random_file(site.home / "large", 1001), code=1).text("err")
    assert site.programs.status(receiver)["quota"] == {"bytes": 3000, "taken": 2000}
    site.send(random_file(site.home / "last", 1000))
    assert refused in site.send("--compress", random_file(site.home / "more", 1),
                                code=1).text("err")
    receiver.signal(signal.SIGHUP)
    receiver.wait_for("reloaded")
    site.send(site.home / "large")
    until(lambda: not site.parts(), "what is left of the refused one is gone")
    assert sorted(p.name for p in site.into.iterdir()) == ["f0", "f1", "large", "last"]


def test_users_have_directories_and_limits(site):
    (site.into / "hers").mkdir()
    line = site.users.read_text().strip()
    assert line.endswith("::")
    write_secret(site.users, line[:-2] + ":hers:size=1000\n")
    site.receive()
    site.send(random_file(site.home / "small", 1000))
    assert (site.into / "hers" / "small").exists()
    said = site.send(random_file(site.home / "large", 1001), code=1)
    assert "more than the 1000 bytes that are allowed" in said.text("err")
    assert not (site.into / "hers" / "large").exists()
    until(lambda: not site.parts(), "its part is gone")


def test_users_are_read_again_at_sighup(site):
    receiver = site.receive()
    file = random_file(site.home / "f", 10)
    site.send(file, user="bob", code=1)
    site.programs.run("passwd", "--users", site.users, "--password-file", site.password, "bob")
    receiver.signal(signal.SIGHUP)
    receiver.wait_for("reloaded")
    site.send(file, user="bob")


def test_wrong_key_login_and_passphrase_say_the_same(site):
    receiver = site.receive()
    file = random_file(site.home / "f", 10)
    other = site.programs.run("keygen", "box", "--out", site.home / "other").text("out").strip()
    wrong = write_secret(site.home / "wrong", "wrong\n")
    errors = {site.send(file, code=1, **change).text("err")
              for change in ({"key": other}, {"user": "eve"}, {"password": wrong})}
    assert len(errors) == 1 and "refuses the login" in errors.pop()
    counters = site.programs.status(receiver)["counters"]
    assert counters["hashes"] == counters["logins_refused"] == 2
    assert not list(site.into.iterdir())


def test_a_full_disk_stops_the_sender_with_its_reason(site, tmp_path_factory):
    small = tmp_path_factory.mktemp("small")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", small],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        receiver = site.receive(into=small)
        said = site.send(random_file(site.home / "f", 5_000_000), code=1)
        assert "no space left on the device" in said.text("err")
        assert not (small / "f").exists()
        receiver.stop()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_read_only_target_stops_the_sender_with_its_reason(site, tmp_path_factory):
    target = tmp_path_factory.mktemp("ro")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", target],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        receiver = site.receive(into=target)
        said = site.send(random_file(site.home / "f", 10), code=1)
        assert "read-only file system" in said.text("err")
        receiver.stop()
    finally:
        subprocess.run(["umount", "-l", target], check=True)


def test_the_passphrase_file_must_be_secret(site):
    site.receive()
    site.password.chmod(0o644)
    said = site.send(random_file(site.home / "f", 1), code=1)
    assert "no place for a secret: " in said.text("err")


def test_passwd_keeps_the_other_lines(site):
    before = site.users.read_text()
    site.programs.run("passwd", "--users", site.users, "--password-file", site.password, "bob")
    after = site.users.read_text()
    assert after.startswith(before) and after.splitlines()[1].startswith("bob:$argon2id$")
    site.programs.run("passwd", "--users", site.users, "--password-file", site.password, "alice")
    again = site.users.read_text().splitlines()
    assert again[1] == after.splitlines()[1] and again[0] != after.splitlines()[0]
    assert site.users.stat().st_mode & 0o777 == 0o600
