"""Streams: standard input and output, FIFOs, and the public protocol between our ends."""
import json
import os
import re
import signal
import subprocess

import pytest
from harness import HANG_S, SANITIZER, adit_path, in_thread, until
from sodium import Site, digest, random_file


@pytest.fixture
def site(programs):
    return Site(programs)


def pour(site, *what, source):
    """`adit send … -` with a file as standard input, through a pipe."""
    with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as cat:
        done = subprocess.run([adit_path(), *site.argv(*what, "-")], stdin=cat.stdout,
                              capture_output=True, timeout=2 * HANG_S, text=True, check=False)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def receive_to_output(site, target):
    """`adit receive --into -`, with a file behind a pipe; returns the process and cat."""
    reading, writing = os.pipe()
    errors = open(site.home / "receive.err", "w+")
    user = ["--user", "root"] if os.getuid() == 0 else []
    receiver = subprocess.Popen(
        [adit_path(), "receive", "--listen", "127.0.0.1:0", "--key-file", site.key_file, "--users",
         site.users, "--into", "-", "--control", "none", *user],
        stdout=writing, stderr=errors, text=True)
    os.close(writing)
    with open(target, "wb") as out:
        cat = subprocess.Popen(["cat"], stdin=reading, stdout=out)
    os.close(reading)
    return receiver, cat, site.home / "receive.err"


def test_a_pipe_at_both_ends(site):
    source, target = random_file(site.home / "source", 9_000_001), site.home / "target"
    receiver, cat, errors = receive_to_output(site, target)
    try:
        said = until(lambda: re.search(r"receives on (\S+).*\n", errors.read_text())
                     or receiver.poll() is not None, "it is ready")
        assert said is not True, errors.read_text()
        site.address = said[1]
        done = pour(site, source=source)
        assert done.returncode == 0, done.stderr
        assert receiver.wait(HANG_S) == 0 and cat.wait(HANG_S) == 0, errors.read_text()
        assert digest(target) == digest(source)
        assert not SANITIZER.search(errors.read_text())
    finally:
        receiver.kill()
        receiver.wait()
        cat.kill()
        cat.wait()


def test_a_fifo_at_both_ends(site):
    source, target = random_file(site.home / "source", 5_000_001), site.home / "target"
    ours, theirs = site.home / "ours", site.home / "theirs"
    os.mkfifo(ours)
    os.mkfifo(theirs)
    receiver = site.receive(into=theirs)
    sender = site.begin(ours)
    reader = in_thread(lambda: target.write_bytes(theirs.read_bytes()))
    ours.write_bytes(source.read_bytes())
    assert sender.wait_exit() == 0, sender.log()
    reader.finish()
    assert receiver.wait_exit() == 0, receiver.log()
    assert digest(target) == digest(source)


def test_a_named_stream_becomes_a_file(site):
    site.receive()
    source = random_file(site.home / "source", 700_001)
    assert pour(site, "--name", "dir.tar", "--verify", source=source).returncode == 0
    assert digest(site.into / "dir.tar") == digest(source)


def test_a_stream_without_name_is_refused_by_a_directory(site):
    site.receive()
    done = pour(site, source=random_file(site.home / "source", 10))
    assert done.returncode == 1 and "no name" in done.stderr
    assert not list(site.into.iterdir())


def test_one_file_or_stream_into_one_file(site):
    target = site.home / "target"
    receiver = site.receive(into=target)
    for size in (100_000, 5):
        source = random_file(site.home / "source", size)
        site.send(source)
        assert digest(target) == digest(source)
    assert pour(site, source=source).returncode == 0
    said = site.send(source, source, code=1)
    assert "one stream or file alone" in said.text("err")
    assert receiver.running()


def test_a_reader_that_goes_away_stops_the_sender(site):
    fifo = site.home / "fifo"
    os.mkfifo(fifo)
    receiver = site.receive(into=fifo)
    sender = site.begin(random_file(site.home / "source", 20_000_000))
    with open(fifo, "rb") as reader:
        assert len(reader.read(1000)) == 1000
    assert sender.wait_exit() == 1
    assert "reset by the other side" in sender.text("err"), sender.log()
    assert receiver.wait_exit() == 1


def test_a_sender_killed_in_a_stream_is_no_end(site):
    fifo = site.home / "fifo"
    os.mkfifo(fifo)
    receiver = site.receive(into=fifo)
    sender = site.begin(random_file(site.home / "source", 20_000_000), "--limit-rate", "1MiB")
    with open(fifo, "rb") as reader:
        assert reader.read(1000)
        sender.kill()
        while reader.read(1 << 16):
            pass
    assert receiver.wait_exit() == 1


def test_a_sender_that_waits_for_its_input_can_be_interrupted(site):
    site.receive()
    fifo = site.home / "fifo"
    os.mkfifo(fifo)
    sender = site.begin(fifo)
    site.programs.all[-2].wait_for("sends from")
    sender.signal(signal.SIGINT)
    assert sender.wait_exit() == 1


def test_a_receiver_that_waits_for_a_reader_can_be_stopped(site):
    fifo = site.home / "fifo"
    os.mkfifo(fifo)
    receiver = site.receive(into=fifo)
    sender = site.begin(random_file(site.home / "source", 1000))
    receiver.wait_for("sends from")
    assert receiver.stop() == 0
    assert sender.wait_exit() == 1


def test_public_protocol_between_our_ends(site):
    target = site.home / "target"
    site.receive(into=target)
    for size in (0, 1, 131_070, 5_000_000):
        source = random_file(site.home / f"source{size}", size)
        said = json.loads(site.send(source, "--public", "--json").text("out"))
        assert said["protocol"] == "public" and said["bytes_sent"] == size
        wait_for_file(target, source)


def wait_for_file(target, source):
    """The receiver keeps the file when the connection has ended, which is after the sender's."""
    until(lambda: target.exists() and digest(target) == digest(source), f"{target} kept")


def test_a_receiver_of_the_public_protocol_alone(site):
    target = site.home / "target"
    site.receive("--public-only", into=target)
    source = random_file(site.home / "source", 2_000_000)
    said = json.loads(site.send(source, "--json").text("out"))
    assert said["protocol"] == "public"
    wait_for_file(target, source)
    assert "one file or stream" in site.send(source, source, code=1).text("err")
