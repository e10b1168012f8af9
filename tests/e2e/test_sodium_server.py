"""What a sender does with a server that breaks the rules, or lies about what it has kept."""
import os
import struct

import pytest
from harness import write_secret
from sodium import PASSPHRASE, random_file
from sodiumwire import (ACK, BEGIN, BLOCK, CREDIT, DATA, END, ERROR, FINISH, FINISHED, KEY_SERVER,
                        OFFER, PADDING, PING, PONG, START, Server)

SIZE = 1000


class Sending:
    """`adit send` of one file to a server that a test plays."""

    def __init__(self, programs):
        self.programs, self.server = programs, Server()
        self.file = random_file(programs.directory / "f", SIZE)
        self.password = write_secret(programs.directory / "passphrase", PASSPHRASE + "\n")

    def begin(self, *flags, key=None):
        self.process = self.programs.adit(
            "send", "--to", self.server.address, "--key", key or self.server.key, "--user", "alice",
            "--password-file", self.password, *flags, self.file, name="send")
        return self.server

    def failed(self, *said):
        assert self.process.wait_exit() == 1, self.process.log()
        errors = self.process.text("err")
        for text in said:
            assert text in errors, errors
        assert "\x1b" not in errors
        return errors


@pytest.fixture
def sending(programs):
    made = Sending(programs)
    yield made
    made.server.close()


def answer_all(server):
    """Keeps the file, up to where FINISHED would follow."""
    while True:
        kind, body = server.receive((PADDING, PING))
        if kind == BEGIN:
            server.send(OFFER, struct.pack(">IBQ", 0, 0, 0) + bytes(32))
        elif kind == END:
            server.send(ACK, struct.pack(">IBQ", 0, 0, SIZE))
        elif kind == FINISH:
            return


def test_an_honest_server_is_believed(sending):
    server = sending.begin().extend()
    assert server.login == (b"alice", PASSPHRASE.encode())
    answer_all(server)
    server.send(FINISHED, struct.pack(">I", 1))
    server.wire.close()
    assert sending.process.wait_exit() == 0, sending.process.log()
    assert "1 item kept" in sending.process.text("out")


@pytest.mark.parametrize("welcome", [{"nonce": bytes(24)}, {"change": 1}])
def test_a_server_that_does_not_answer_this_connection_is_left(sending, welcome):
    server = sending.begin().accept()
    server.welcome(**welcome)
    server.ended()
    sending.failed("connection was lost")


def test_a_server_with_another_key_cannot_read_the_passphrase(sending):
    other = Server()
    other.close()
    server = sending.begin(key=other.key)
    with pytest.raises(AssertionError):
        server.accept()
    server.wire.close()
    sending.failed("refuses the login, or --key is not its key")


@pytest.mark.parametrize("pdu", [
    {"kind": 99}, {"kind": PONG, "body": bytes(16)}, {"kind": DATA, "body": bytes(32)},
    {"kind": BLOCK, "body": b"x"}, {"kind": START, "body": bytes(12)},
    {"kind": FINISHED, "body": struct.pack(">I", 0)},
    {"kind": FINISHED, "body": struct.pack(">I", 1)},
    {"kind": ACK, "body": struct.pack(">IBQ", 0, 0, SIZE)},
    {"kind": ACK, "body": struct.pack(">IBQ", 7, 0, SIZE)},
    {"kind": CREDIT, "body": struct.pack(">Q", 1)},
    {"kind": CREDIT, "body": struct.pack(">Q", 1 << 63)},
    {"kind": OFFER, "body": struct.pack(">IBQ", 9, 0, 0) + bytes(32)},
    {"kind": OFFER, "body": struct.pack(">IBQ", 0, 1, SIZE + 1) + bytes(32)},
    {"kind": OFFER, "body": struct.pack(">IBQ", 0, 2, 0) + bytes(32)},
    {"kind": PING, "body": bytes(17)}, {"kind": PING, "body": bytes(16), "tag": 3},
    {"kind": PADDING, "body": b"", "size": 1025}, {"kind": PING, "body": bytes(16), "magic": 1}])
def test_a_breach_ends_the_sender(sending, pdu):
    server = sending.begin().extend()
    assert server.receive((PADDING,))[0] == BEGIN
    server.send(**pdu)
    server.ended()
    sending.failed("connection was lost")


@pytest.mark.parametrize("credit", [0, (1 << 20) - 1, (1 << 30) + 1])
def test_a_credit_outside_its_bounds_ends_the_sender(sending, credit):
    server = sending.begin().extend(credit=credit)
    server.ended()
    sending.failed("connection was lost")


def test_a_key_that_makes_no_secret_ends_the_sender(sending):
    server = sending.begin().accept().welcome()
    server.receive()
    server.send(KEY_SERVER, bytes(32) + os.urandom(24) + struct.pack(">Q", 1 << 25))
    server.ended()
    sending.failed("connection was lost")


def test_an_offer_of_other_bytes_is_not_taken_for_ours(sending):
    server = sending.begin().extend()
    assert server.receive((PADDING,))[0] == BEGIN
    server.send(OFFER, struct.pack(">IBQ", 0, 1, 10) + os.urandom(32))
    kind, body = server.receive((PADDING,))
    assert kind == START and body == struct.pack(">IQ", 0, 0)
    assert server.receive((PADDING,)) == (BLOCK, sending.file.read_bytes())
    server.wire.close()
    sending.failed("connection was lost")


@pytest.mark.parametrize("end", ["before ACK", "before FINISHED"])
def test_what_is_not_acknowledged_is_not_there(sending, end):
    server = sending.begin().extend()
    if end == "before FINISHED":
        answer_all(server)
    else:
        assert server.receive((PADDING,))[0] == BEGIN
    server.wire.close()
    sending.failed("connection was lost", "run the same command to go on")


@pytest.mark.parametrize("status", [2, 3])
def test_an_item_that_was_not_kept_is_a_failure(sending, status):
    server = sending.begin("--overwrite").extend()
    for expected in (BEGIN, START, BLOCK, END, FINISH):
        assert server.receive((PADDING, PING))[0] == expected
    server.send(ACK, struct.pack(">IBQ", 0, status, 0))
    server.send(FINISHED, struct.pack(">I", 1))
    server.wire.close()
    sending.failed("did not keep 1 of 1 items")


def test_an_error_s_text_is_escaped(sending):
    server = sending.begin().extend()
    server.send(ERROR, struct.pack(">IB", 0, 1) + b"full\x1b[2J\n\xff")
    server.ended()
    sending.failed("the receiver stopped: full\\x1b[2J\\x0a\\xff")


def test_a_server_that_stops_reading_can_be_interrupted(sending):
    sending.file.write_bytes(os.urandom(30_000_000))
    server = sending.begin("--overwrite").extend()
    assert server.receive((PADDING,))[0] == BEGIN
    sending.process.signal(2)
    sending.failed("the sender was stopped")


@pytest.mark.long
def test_a_server_that_says_nothing_is_given_up(sending, monkeypatch):
    """30 s for SERVER_HELO; the test's own patience ends later."""
    monkeypatch.setattr("harness.HANG_S", 60)
    server = sending.begin().accept()
    server.wire.sock.settimeout(60)
    server.ended()
    sending.failed("the login was not sent or answered in time")
