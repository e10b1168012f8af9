#!/usr/bin/python3
"""installed.py BUILD: installs the build into a temporary directory and uses the libraries there as
a program of somebody else would."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path()
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# library: headers whose ADIT_PUBLIC functions it exports, libraries of others it is linked with
LIBRARIES = {
    "adit-clienthello": (["clienthello.h"], set()),
    "adit-proxyheader": (["proxyheader.h"], set()),
    "adit-quicktun": (["quicktun.h"], {"libsodium.so.23"}),
    "adit-snitun": (["snitun.h"], {"libcrypto.so.3", "libgcrypt.so.20"}),
    "adit-snitun-token": (["snitun_token.h"], {"libadit-snitun.so.0", "libcrypto.so.3",
                                               "libgcrypt.so.20", "libjansson.so.4"}),
    "adit-sodiumtcp": (["sodiumtcp.h"], {"libsodium.so.23"}),
}
PUBLIC = re.compile(r"^ADIT_PUBLIC\b[^(;]*?\b(\w+)\(", re.M)
STANDARDS = [(["cc"], "c99"), (["cc"], "c11"), (["cc"], "c17"),
             (["c++", "-x", "c++"], "c++11"), (["c++", "-x", "c++"], "c++17")]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# A program whose own functions have the names of ours.
COLLIDING = """
#include <adit/snitun.h>
#include <string.h>
static int wiped;
void wipe(void *memory, size_t len) { memset(memory, 1, len); wiped++; }
int cursor_u8(void) { return 7; }
int map_insert(void) { return 8; }
static int none(void *arg, void *buf, size_t len) { (void)arg; memset(buf, 9, len); return 0; }
int main(void)
{
    struct snitun_context *context = snitun_context_new(none, 0);
    struct snitun_keys keys = {.cipher = SNITUN_AES_GCM_SIV, .protocol_version = 2};
    struct snitun_session *session = snitun_session_new(context, SNITUN_SERVER, &keys, 0, 0);
    unsigned char out[SNITUN_CONTROL_MAX];
    long len = session ? snitun_control(session, 0, out, sizeof out) : -1;
    snitun_session_free(session);
    snitun_context_free(context);
    return len == 60 && wiped == 0 && cursor_u8() + map_insert() == 15 ? 0 : 1;
}
"""


def output(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          check=True, **options).stdout


def exported(library):
    """Names of the functions and objects that a library offers."""
    dynamic = ["-D"] if library.name.endswith(".so") else []
    listing = output("nm", *dynamic, "-g", "--defined-only", library)
    return {words[2] for words in map(str.split, listing.splitlines()) if len(words) == 3}


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="adit-installed-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        output("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.root)
        cls.pc = next(cls.root.rglob("adit-snitun.pc")).parent
        cls.libdir = cls.pc.parent
        cls.include = next(cls.root.rglob("adit/adit.h")).parent

    def flags(self, library, *options):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(self.pc),
                       "PKG_CONFIG_SYSROOT_DIR": str(self.root),
                       "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
        return output("pkg-config", "--cflags", "--libs", *options, library,
                      env=environment).split()

    def compile(self, sources, *flags):
        program = self.root / "program"
        output("cc", *WARNINGS, "-o", program, *sources, *flags)
        return program

    def public(self, headers):
        text = "".join((self.include / header).read_text() for header in headers)
        return set(PUBLIC.findall(text))

    def test_libraries_offer_exactly_what_their_headers_declare(self):
        for name, (headers, _) in LIBRARIES.items():
            for ending in (".so", ".a"):
                with self.subTest(name + ending):
                    public = self.public(headers)
                    self.assertTrue(public)
                    self.assertEqual(public, exported(self.libdir / f"lib{name}{ending}"))

    def test_libraries_need_nothing_of_others_but_what_is_listed(self):
        for name, (_, needed) in LIBRARIES.items():
            with self.subTest(name):
                dynamic = output("readelf", "-d", self.libdir / f"lib{name}.so")
                found = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)) - {"libc.so.6"}
                self.assertLessEqual(found, needed)
                self.assertIn(f"Library soname: [lib{name}.so.0]", dynamic)

    def test_each_header_stands_alone_in_every_language(self):
        for header in self.include.glob("*.h"):
            source = self.root / "alone.c"
            source.write_text(f"#include <adit/{header.name}>\nint unused;\n")
            for compiler, standard in STANDARDS:
                with self.subTest(header=header.name, standard=standard):
                    output(*compiler, *WARNINGS[1:], f"-std={standard}", "-fsyntax-only", "-I",
                           self.include.parent, source)

    def test_the_headers_have_the_version_of_the_libraries(self):
        text = (self.include / "adit.h").read_text()
        version = ".".join(re.search(rf"#define ADIT_VERSION_{part} (\d+)", text)[1]
                           for part in ("MAJOR", "MINOR", "PATCH"))
        for name in LIBRARIES:
            self.assertEqual([version], self.flags(name, "--modversion"))

    def test_the_example_is_built_with_the_shared_library(self):
        program = self.compile(sorted(EXAMPLES.glob("*.c")), *self.flags("adit-snitun"))
        self.assertIn("libadit-snitun.so.0", output("readelf", "-d", program))
        run = subprocess.run([program], env={"LD_LIBRARY_PATH": str(self.libdir)}, text=True,
                             capture_output=True, check=False)
        self.assertEqual(2, run.returncode)
        self.assertIn("usage:", run.stderr)

    def test_the_example_is_built_with_the_static_library(self):
        flags = [flag for flag in self.flags("adit-snitun", "--static")]
        flags = [f"-l:lib{flag[2:]}.a" if flag == "-ladit-snitun" else flag for flag in flags]
        program = self.compile(sorted(EXAMPLES.glob("*.c")), *flags)
        self.assertNotIn("libadit", output("readelf", "-d", program))

    def test_a_program_may_have_functions_named_like_ours(self):
        source = self.root / "colliding.c"
        source.write_text(COLLIDING)
        flags = self.flags("adit-snitun", "--static")
        for flag in ("-l:libadit-snitun.a", "-ladit-snitun"):
            with self.subTest(flag):
                program = self.compile([source], *(flag if f == "-ladit-snitun" else f
                                                   for f in flags))
                output(program, env={"LD_LIBRARY_PATH": str(self.libdir)})

    def test_the_look_at_exports_sees_one_too_many(self):
        source = self.root / "leak.c"
        source.write_text('int clienthello_parse(void) { return 0; }\n'
                          '__attribute__((visibility("hidden"))) int wipe(void) { return 0; }\n')
        shared, thing = self.root / "leak.so", self.root / "leak.o"
        output("cc", "-shared", "-fPIC", "-o", shared, source)
        output("cc", "-c", "-o", thing, source)
        self.assertEqual({"clienthello_parse"}, exported(shared))
        self.assertEqual({"clienthello_parse", "wipe"}, exported(thing))


if __name__ == "__main__":
    BUILD = Path(sys.argv.pop(1)).resolve()
    sys.exit(unittest.main(verbosity=2))
