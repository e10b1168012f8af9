#!/usr/bin/python3
"""The architecture tests must fail on a violation: plants each kind and looks."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import includes
import same_objects
import symbols


class Includes(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in files.items():
                path = Path(directory, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return includes.violations(directory)[1]

    def test_downwards_is_fine(self):
        self.assertEqual([], self.check({
            "base/a.h": "#include <stddef.h>\n", "lib/snitun/b.h": '#include "base/a.h"\n',
            "lib/snitun/b.c": '#include "b.h"\n', "roles/c.c": '#include "lib/snitun/b.h"\n'}))

    def test_upwards_is_found(self):
        self.assertEqual(1, len(self.check({
            "io/io.h": "", "lib/snitun/b.c": '#include "io/io.h"\n'})))

    def test_upwards_by_dots_is_found(self):
        self.assertEqual(1, len(self.check({
            "roles/r.h": "", "base/b.c": '  #  include "../roles/r.h"\n'})))

    def test_a_sibling_engine_is_found(self):
        self.assertEqual(1, len(self.check({
            "lib/token/t.h": "", "lib/snitun/b.c": '#include "lib/token/t.h"\n'})))

    def test_an_implementation_of_io_is_found(self):
        self.assertEqual(2, len(self.check({
            "io/real/r.h": "", "roles/c.c": '#include "io/real/r.h"\n',
            "io/sim/s.c": '#include "io/real/r.h"\n'})))

    def test_an_example_sees_installed_headers_alone(self):
        self.assertEqual(1, len(self.check({
            "base/ip.h": "", "include/adit/adit.h": "",
            "examples/e.c": '#include <adit/adit.h>\n#include "base/ip.h"\n'})))

    def test_a_missing_file_is_found(self):
        self.assertEqual(1, len(self.check({"base/b.c": '#include "gone.h"\n'})))


class Symbols(unittest.TestCase):
    def check(self, sources):
        with tempfile.TemporaryDirectory() as directory:
            archives = []
            for number, (zone, source) in enumerate(sources.items()):
                code, archive = (Path(directory, f"{number}.{end}") for end in "ca")
                code.write_text(source, encoding="utf-8")
                subprocess.run(["cc", "-c", "-w", code, "-o", code.with_suffix(".o")], check=True)
                subprocess.run(["ar", "cr", archive, code.with_suffix(".o")], check=True)
                archives.append((zone, archive))
            return symbols.violations(archives)[1]

    def test_memory_and_cryptography_are_fine(self):
        self.assertEqual([], self.check({
            "lib/crypto": "void f(void *p) { memset(p, 0, 1); EVP_CIPHER_CTX_new(); }"}))

    def test_each_of_these_is_found(self):
        for call in ("read(0, 0, 0)", "time(0)", "clock_gettime(0, 0)", "getrandom(0, 0, 0)",
                     "printf(\"%d\", 1)", "fopen(\"\", \"\")", "pthread_self()", "socket(0, 0, 0)",
                     "RAND_bytes(0, 0)", "json_loads(0, 0, 0)"):
            wrong = self.check({"lib/crypto": f"void f(void) {{ {call}; }}"})
            self.assertEqual(1, len(wrong), call)

    def test_each_of_these_in_roles_and_cli_is_found(self):
        for zone in ("roles", "cli"):
            for call in ("read(0, 0, 0)", "socket(0, 0, 0)", "time(0)", "clock_gettime(0, 0)",
                         "getrandom(0, 0, 0)", "isatty(1)", "ioctl(0, 0)", "fopen(\"\", \"\")",
                         "open(\"\", 0)", "stat(\"\", 0)", "mkdir(\"\", 0)", "geteuid()",
                         "signal(0, 0)", "fork()", "usleep(1)", "syscall(0)", "getpwnam(\"\")",
                         "event_base_new()", "pthread_create(0, 0, 0, 0)"):
                wrong = self.check({zone: f"void f(void) {{ {call}; }}"})
                self.assertEqual(1, len(wrong), f"{zone}: {call}")

    def test_printing_is_for_cli_alone(self):
        source = 'int printf(); void f(void) { printf("%d", 1); }'
        self.assertEqual([], self.check({"cli": source}))
        self.assertEqual(1, len(self.check({"roles": source})))

    def test_the_kernel_is_reached_through_io(self):
        self.assertEqual([], self.check({
            "roles": "void f(void) { io_listen(); }", "cli": "void g(void) { io_console_end(); }",
            "io/real": "void io_listen(void) { socket(0, 0, 0); } void io_console_end(void) {}"}))

    def test_a_role_that_knows_the_cli_is_found(self):
        self.assertEqual(1, len(self.check({
            "roles": "void f(void) { service_run(); }", "cli": "void service_run(void) {}"})))

    def test_cryptography_elsewhere_is_found(self):
        self.assertEqual(1, len(self.check({"base": "void f(void) { EVP_MD_CTX_new(); }"})))

    def test_a_call_upwards_is_found(self):
        self.assertEqual(1, len(self.check({
            "base": "void f(void) { snitun_ping(); }", "lib/snitun": "void snitun_ping(void) {}"})))

    def test_a_call_downwards_is_fine(self):
        self.assertEqual([], self.check({
            "base": "void wipe(void) {}", "lib/snitun": "void f(void) { wipe(); }"}))


class SameObjects(unittest.TestCase):
    COMMON = {"base/libbase.a.p/ip.c.o", "lib/snitun/libsnitun.a.p/mux.c.o",
              "roles/libroles.a.p/server_server.c.o"}
    ADIT = COMMON | {"io/real/libio_real.a.p/loop.c.o", "adit.p/cli_main.c.o"}
    SIM = COMMON | {"io/sim/libio_sim.a.p/loop.c.o", "tests/sim.p/sim_main.c.o"}

    def check(self, adit, sim):
        return same_objects.violations(adit, sim)[1]

    def test_the_same_is_fine(self):
        self.assertEqual([], self.check(self.ADIT, self.SIM))

    def test_a_missing_object_is_found(self):
        self.assertEqual(1, len(self.check(self.ADIT, self.SIM - {"base/libbase.a.p/ip.c.o"})))

    def test_another_build_of_a_role_is_found(self):
        copy = "tests/sim.p/.._roles_server_server.c.o"
        self.assertEqual(1, len(self.check(self.ADIT, self.SIM | {copy})))

    def test_the_wrong_io_is_found(self):
        self.assertTrue(self.check(self.ADIT, self.SIM | {"io/real/libio_real.a.p/loop.c.o"}))

    def test_nothing_at_all_is_found(self):
        self.assertTrue(self.check(set(), set()))


if __name__ == "__main__":
    sys.exit(unittest.main())
