#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completions and manual pages as the program prints them: tried in real shells, judged by groff and mandoc."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engine import ROOT, TAILRACE, command, make_workdir, read_text, remove_workdir  # noqa: E402

COMMANDS = ["run", "check", "streams", "decode", "offsets", "history", "config", "tail", "completion", "man"]
ANSWER_SECONDS = 20
BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_tailrace
((${#COMPREPLY[@]})) && printf '%s\n' "${COMPREPLY[@]}"
exit 0
"""


class Terminal:
    """A shell that believes in a person: keys go in, what it shows comes out."""

    def __init__(self, words, workdir):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(workdir)
            environment = {**os.environ, "TERM": "dumb", "PS1": "ready> ", "PS2": "", "HISTFILE": "", "HOME": workdir,
                           "PATH": os.path.dirname(TAILRACE) + ":" + os.environ["PATH"]}
            os.execvpe(words[0], words, environment)

    def until(self, wanted):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not re.search(wanted, self.seen):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"not seen: {wanted}\n{self.seen}")
            try:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended without {wanted}\n{self.seen}") from None
        found, self.seen = self.seen, ""
        return found

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def close(self):
        os.close(self.fd)  # a shell ends with its terminal
        os.waitpid(self.pid, 0)


class Case(unittest.TestCase):
    def setUp(self):
        self.workdir = make_workdir("documents")
        self.addCleanup(remove_workdir, self.workdir)

    def script(self, shell):
        code, out, err = command("completion", shell)
        self.assertEqual((0, ""), (code, err))
        path = os.path.join(self.workdir, f"tailrace.{shell}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(out)
        return path

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"no {program}: deploy/install-deps test")


class Bash(Case):
    def complete(self, *words):
        path = self.script("bash")
        done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", path, "tailrace", *words], capture_output=True, text=True,
                              check=False, cwd=self.workdir)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return sorted(done.stdout.splitlines())

    def test_every_command_and_every_option_is_offered(self):
        self.assertEqual(sorted([*COMMANDS, "help", "--help", "--version"]), self.complete(""))
        for name in COMMANDS:
            options = re.findall(r"^  (-\S+)", command(name, "--help")[1], re.MULTILINE)
            self.assertEqual(sorted(options), self.complete(name, "-"), name)

    def test_words_values_and_files(self):
        self.assertEqual(["tail"], self.complete("ta"))
        self.assertEqual(["export", "import", "set", "show"], self.complete("offsets", ""))
        self.assertEqual(["bash", "fish", "zsh"], self.complete("completion", ""))
        open(os.path.join(self.workdir, "mysql-bin.000001"), "w", encoding="ascii").close()
        os.mkdir(os.path.join(self.workdir, "my folder"))
        self.assertEqual(["my folder", "mysql-bin.000001"], self.complete("decode", "my"))
        self.assertEqual(["my folder", "mysql-bin.000001"], self.complete("run", "-c", "my"))
        self.assertEqual(["my folder", "mysql-bin.000001"], self.complete("offsets", "export", "my"))
        self.assertEqual([], self.complete("offsets", "--pos", ""))
        self.assertEqual([], self.complete("nonsense", ""))

    def test_a_person_pressing_tab(self):
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], self.workdir)
        self.addCleanup(terminal.close)
        terminal.until("ready> $")
        terminal.type(f"source {self.script('bash')}; echo lo''aded\n")
        terminal.until(r"loaded\r?\nready> ")
        terminal.type("tailrace strea\t--cr\t")
        terminal.until(r"tailrace streams[ \x08]+--create ")


class Zsh(Case):
    def test_a_person_pressing_tab(self):
        self.need("zsh")
        path = self.script("zsh")
        self.assertEqual(0, subprocess.run(["zsh", "-n", path], check=False).returncode)
        terminal = Terminal(["zsh", "-f", "-i"], self.workdir)
        self.addCleanup(terminal.close)
        terminal.type("PS1='ready> '; unsetopt zle_bracketed_paste prompt_cr prompt_sp; autoload -U compinit; compinit -u -D; "
                      f"source {path}; echo lo''aded\n")
        terminal.until(r"loaded")
        terminal.type("tailrace strea\t--cr\t")
        terminal.until(r"tailrace streams[ \x08]+--create ")
        terminal.type("\x15tailrace completion fi\t")
        terminal.until(r"tailrace completion[ \x08]+fish ")


class Fish(Case):
    def complete(self, line):
        path = self.script("fish")
        done = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"], capture_output=True, text=True,
                              check=False, cwd=self.workdir, env={**os.environ, "HOME": self.workdir})
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return sorted(row.split("\t")[0] for row in done.stdout.splitlines())

    def test_commands_options_and_words(self):
        self.need("fish")
        self.assertEqual(["tail"], self.complete("tailrace tai"))
        self.assertEqual(["--create"], self.complete("tailrace streams --cr"))
        self.assertEqual(["export", "import", "set", "show"], self.complete("tailrace offsets "))
        open(os.path.join(self.workdir, "a.properties"), "w", encoding="ascii").close()
        self.assertEqual(["a.properties"], self.complete("tailrace run -c a.p"))


class Manual(Case):
    def page(self, section):
        code, out, err = command("man", section)
        self.assertEqual((0, ""), (code, err))
        path = os.path.join(self.workdir, f"tailrace.{section}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(out)
        return path, out

    def text(self, section):
        """As `man` shows it on a wide terminal."""
        path, _ = self.page(section)
        environment = {**os.environ, "MANWIDTH": "250", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
        done = subprocess.run(["man", "--warnings", "-l", path], capture_output=True, text=True, check=False, env=environment)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout

    def test_man_has_no_complaint(self):
        self.need("man")
        for section in "15":
            self.text(section)

    def test_mandoc_has_no_complaint(self):
        self.need("mandoc")
        for section in "15":
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", self.page(section)[0]], capture_output=True, text=True,
                                  check=False)
            # No date: the page must not differ from one build to the next.
            self.assertEqual([], [line for line in done.stdout.splitlines() if "missing date" not in line])

    def test_every_command_option_and_exit_code_is_told(self):
        self.need("man")
        text = self.text("1")
        for name in COMMANDS:
            self.assertIn(f"tailrace {name}", text)
            for option, meaning in re.findall(r"^  (-\S+(?: \S+)?) {2,}(.*)$", command(name, "--help")[1], re.MULTILINE):
                if option != "--help":
                    self.assertIn(option, text)
                    self.assertIn(meaning.replace("`", ""), text)
        table = read_text(os.path.join(ROOT, "README.md")).split("## Exit codes")[1].split("##")[0]
        codes = re.findall(r"\| (\d+) \| ([^|]+?) (?=\|)", table)
        self.assertEqual(20, len(codes))
        for code, meaning in codes:
            self.assertRegex(text, rf"(?m)^ +{code} +{re.escape(meaning)}$")

    def test_every_property_is_told(self):
        self.need("man")
        text = self.text("5")
        keys = re.findall(r"^\| `([^`]+)`", command("config", "--defaults")[1], re.MULTILINE)
        self.assertGreater(len(keys), 250)
        for key in keys:
            self.assertRegex(text, rf"(?m)^ +{re.escape(key)}(\s|$)")

    def test_another_section_or_shell_is_refused(self):
        for words, wanted in ((["man", "3"], "1 (the program)"), (["completion", "csh"], "bash, zsh or fish")):
            code, _, err = command(*words)
            self.assertEqual(2, code)
            self.assertIn(wanted, err)

    def test_cmake_installs_them(self):
        build = os.path.dirname(TAILRACE)
        if not os.path.exists(os.path.join(build, "CMakeCache.txt")):
            self.skipTest("the program is not in its build directory")
        done = subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], capture_output=True, text=True, check=False,
                              env={**os.environ, "DESTDIR": self.workdir})
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        for name in ("bin/tailrace", "share/man/man1/tailrace.1", "share/man/man5/tailrace.properties.5",
                     "share/bash-completion/completions/tailrace", "share/zsh/vendor-completions/_tailrace",
                     "share/fish/vendor_completions.d/tailrace.fish"):
            self.assertGreater(os.path.getsize(os.path.join(self.workdir, "usr", name)), 500, name)


if __name__ == "__main__":
    unittest.main()
