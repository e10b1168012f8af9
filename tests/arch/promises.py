"""docs/security.md names the tests that hold its promises: each of them must be there."""
import pathlib
import re
import sys

NAMED = re.compile(r"`(\w+): (\w+)`")


def missing(text, root):
    """What a text names and the tests do not have: (file, test)."""
    sources = {path.stem: path.read_text(encoding="utf-8")
               for path in [*root.glob("tests/e2e/test_*.py"), *root.glob("tests/unit/test_*.c")]}
    return [(file, test) for file, test in NAMED.findall(text)
            if not re.search(rf"^def {test}\(|^static void {test}\(|^TEST\({test}\)",
                             sources.get(file, ""), re.M)]


def main():
    root = pathlib.Path(sys.argv[1])
    text = (root / "docs" / "security.md").read_text(encoding="utf-8")
    count = len(NAMED.findall(text))
    wrong = missing(text, root) + ([] if count >= 40 else [("docs/security.md", "names few tests")])
    # What looks must be able to see: a name that cannot be there.
    if missing("`test_process: test_of_nothing_at_all`", root) == []:
        wrong.append(("promises.py", "finds everything"))
    for file, test in wrong:
        print(f"docs/security.md: no test {test} in {file}")
    print(f"{count} tests are named")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
