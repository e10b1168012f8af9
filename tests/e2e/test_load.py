"""The load generator through a whole tunnel, for its checks and not for its figures."""
import json

import pytest

import harness
from tunnel import NAME
from wire import credential


@pytest.mark.parametrize("mode,connections", [("down", 8), ("up", 8), ("echo", 64),
                                              ("connect", 32)])
def test_every_byte_of_a_load_is_right(programs, mode, connections):
    generator = harness.adit_path().parent / "bench" / "load"
    assert generator.exists(), f"{generator} is not built"
    server = programs.serve()
    at = programs.address()
    programs.publish(server, credential(programs.key, NAME), at)
    load = programs.start([generator, mode, "--to", server.address, "--endpoint", at, "--name",
                           NAME, "--connections", connections, "--warm", "0", "--seconds", "1"])
    assert load.wait_exit() == 0, load.log()
    found = json.loads(load.text("out"))
    assert found["errors"] == 0
    assert found["bytes"] > 0


def test_a_thousand_idle_peers_are_taken(programs):
    generator = harness.adit_path().parent / "bench" / "load"
    server = programs.serve()
    load = programs.start([generator, "peers", "--to", server.address, "--fernet-key-file",
                           programs.key_file, "--pid", server.process.pid, "--connections", "1000"])
    assert load.wait_exit() == 0, load.log()
    assert json.loads(load.text("out"))["peers"] == 1000
