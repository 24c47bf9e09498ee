#!/usr/bin/env python3
"""The pages say what is so: every ```sh block of README.md and docs/ is run, a page a shell, from the top of the repository.

    ```sh                     run; each of its commands must end with exit 0
    ```sh skip=reason         shown, not run; the reason is words-with-dashes
    ```text expect            follows a run block: each of its lines must be in the output; … (or ...) stands for anything, blanks
                              are one
    ```text                   only shown
    ```yaml pipeline          `zhiliu check --offline` must accept it
    ```python, ```json        must parse

A page that wants services says so at its top, <!-- services: kafka redis -->, and finds them in KAFKA_BROKERS and REDIS_URL: real, private
ones, shared by these pages in turn, Redis emptied for each. Pages that start their own need no such line. `zhiliu` on the pages
is the program under test.

Beside that: relative links lead to files and headings that exist, so do files and functions that are named, and the generated reference pages are what the program prints.

    tests/system/test_docs.py [PAGE...]        only these pages; without any: all"""

import ast
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import TOP, Rig  # noqa: E402
from services import Kafka, Redis  # noqa: E402

rig = Rig("test_docs")
PAGE_SECONDS = 120  # a page with Kafka takes 15 on an idle machine
NOT_RUN = {
    "docs/reference/commands.md": "examples of verbs, some of which run for ever",
    "docs/how-to/simulate.md": "a live minute into a Kafka; simulate is tested by test_run_stdout and test_run_feed",
}
FENCE = re.compile(r"^(`{3,})\s*(\S*)\s*(.*?)\s*$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


class Block:
    def __init__(self, page, line, language, words):
        self.page, self.line, self.language, self.words = page, line, language, words
        self.text = ""
        self.expect = None

    def __str__(self):
        return f"{self.page.relative_to(TOP)}:{self.line}"


def blocks_of(page):
    """Fenced blocks in order; an expectation is hung on the block before it."""
    found, block, fence = [], None, ""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        m = FENCE.match(line)
        if block is None and m and m[2]:
            block, fence = Block(page, number, m[2], m[3]), m[1]
        elif block is None and m:
            block, fence = Block(page, number, "", ""), m[1]
        elif block is not None and line.strip() == fence:
            if block.language == "text" and block.words == "expect" and found:
                found[-1].expect = block
            else:
                found.append(block)
            block = None
        elif block is not None:
            block.text += line + "\n"
    if block is not None:
        rig.check(False, f"{block}: the block is closed")
    return found


def pages():
    named = [TOP / name for name in sys.argv[1:]]
    every = [p for p in (TOP / n for n in ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")) if p.exists()]
    every += sorted((TOP / "docs").rglob("*.md")) + sorted((TOP / "src").rglob("README.md"))
    return [p.resolve() for p in named] or every


# ---- running

def missing_lines(output, expect):
    """The expected lines that are not in the output, in whatever order they came."""
    lines = output.splitlines()
    gone = []
    for wanted in filter(str.strip, expect.splitlines()):
        parts = re.split(r"…|\.\.\.", " ".join(wanted.split()))
        pattern = ".*".join(map(re.escape, parts))
        if not any(re.fullmatch(pattern, " ".join(line.split())) for line in lines):
            gone.append(wanted)
    return gone


def script_of(blocks, folder):
    """One shell for the page, as a reader has one; every command of a block must succeed. A block's output goes to a file of its
    own, so that what it leaves running may go on writing there."""
    lines = ["trap 'failed=$?' ERR"]
    for n, block in enumerate(blocks):
        (folder / f"{n}.sh").write_text(block.text)
        lines += ["failed=0", f". '{folder}/{n}.sh' >'{folder}/{n}.out' 2>&1 </dev/null",
                  f"echo $failed >'{folder}/{n}.status'; [ $failed = 0 ] || exit 1"]
    return "\n".join(lines) + "\n"


def end_group(process):
    """What a page left running is of its shell's process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            pass


def run_page(page, blocks, env):
    folder = rig.work / re.sub(r"\W", "_", str(page.relative_to(TOP)))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    process = subprocess.Popen(["bash", "-c", script_of(blocks, folder)], cwd=TOP, env=env, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(PAGE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    end_group(process)
    for n, block in enumerate(blocks):
        judge(block, folder / f"{n}.out", folder / f"{n}.status")


def judge(block, out, status):
    output = out.read_text(errors="replace") if out.exists() else ""
    code = status.read_text().strip() if status.exists() else "not reached, or longer than the page may take"
    if not rig.check(code == "0", f"{block} runs", "" if code == "0" else f"exit {code}"):
        print("        | " + "\n        | ".join(output.splitlines()[-12:]))
        return
    gone = missing_lines(output, block.expect.text) if block.expect else []
    if block.expect:
        rig.none(gone, f"{block} prints what the page says")
        if gone:
            print("        | " + "\n        | ".join(output.splitlines()[-12:]))


def environment():
    env = {**os.environ, "PATH": f"{pathlib.Path(rig.zhiliu).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    for name in ("KAFKA_BROKERS", "REDIS_URL"):
        env.pop(name, None)
    return env


def wants_services(page):
    return re.search(r"^<!-- services:(.*)-->", page.read_text(), re.M)


def start_services():
    kafka, redis = Kafka(rig.work / "kafka"), Redis(rig.work / "redis")
    kafka.topics(4)
    return {"KAFKA_BROKERS": kafka.brokers, "REDIS_URL": redis.url}


def run_all(every):
    services = {}
    for page, blocks in every:
        runnable = [b for b in blocks if b.language == "sh" and not b.words.startswith("skip=")]
        for b in blocks:
            if b.language == "sh" and b.words.startswith("skip="):
                rig.say(f"skip   {b}: {b.words[5:]}")
        name = str(page.relative_to(TOP))
        if name in NOT_RUN:
            rig.say(f"skip   {name}: {NOT_RUN[name]}")
        if not runnable or name in NOT_RUN:
            continue
        env = environment()
        if wants_services(page):
            services = services or start_services()
            subprocess.run(["redis-cli", "-u", services["REDIS_URL"], "flushall"], stdout=subprocess.DEVNULL, check=True)
            env.update(services)
        run_page(page, runnable, env)


# ---- other blocks

def check_yaml(block):
    path = rig.work / "page.yaml"
    path.write_text(block.text)
    env = {**environment(), "KAFKA_PASSWORD": "x", "REDIS_PASSWORD": "x"}
    done = subprocess.run([rig.zhiliu, "check", path, "--offline"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not rig.check(done.returncode == 0, f"{block}: check takes the pipeline"):
        print(done.stdout)


def same_as_english(block):
    """A translated page need not run everything again, but its commands must be those that were run."""
    english = [p for folder in ("tutorial", "how-to") for p in (TOP / "docs" / folder).glob("*.md")]
    run = {line.strip() for p in english for b in blocks_of(p) if b.language == "sh" and not b.words for line in b.text.splitlines()}
    return [f"{block}: {line}" for line in block.text.splitlines() if line.strip() not in run]


def parses(block):
    try:
        if block.language == "json":
            for line in filter(None, [block.text] if block.words == "whole" else block.text.splitlines()):
                json.loads(line)
        else:
            ast.parse(block.text)
    except (ValueError, SyntaxError) as trouble:
        rig.say(f"{block}: {trouble}")
        return False
    return True


def check_others(every):
    for _, blocks in every:
        for block in blocks:
            if block.language == "yaml" and block.words == "pipeline":
                check_yaml(block)
            elif block.language in ("json", "python"):
                rig.check(parses(block), f"{block}: the {block.language} parses")
            elif block.words == "skip=run-on-the-English-page":
                rig.none(same_as_english(block), f"{block}: the English page runs the same")
            elif block.language == "sh" and block.words and not re.fullmatch(r"skip=\S{4,}", block.words):
                rig.check(False, f"{block}: a sh block is plain, or says skip=reason")


# ---- links

def prose_of(page):
    """Its lines outside of fenced blocks."""
    lines, fence = [], ""
    for line in page.read_text().splitlines():
        m = FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif m:
            fence = m[1]
        else:
            lines.append(line)
    return lines


def slug(heading):
    """As the web pages of the forges make it."""
    plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors_of(page):
    return {slug(m[1]) for m in map(HEADING.match, prose_of(page)) if m}


def broken_links(page):
    broken = []
    for line in prose_of(page):
        for m in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            target = m[1] or m[2]
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = (page.parent / path).resolve() if path else page
            if not to.exists():
                broken.append(f"{page.relative_to(TOP)}: {target}: no such file")
            elif anchor and to.suffix == ".md" and anchor not in anchors_of(to):
                broken.append(f"{page.relative_to(TOP)}: {target}: no such heading")
    return broken


def check_links(every):
    rig.none([b for page, _ in every for b in broken_links(page)], f"links of {len(every)} pages lead somewhere")


# ---- names

CODE = re.compile(r"`([^`]+)`")
IN_TREE = re.compile(r"(?:src|include|tests|scripts|config|docker|pipelines|cmake)/[\w./*-]+")


def missing_names(page, code):
    """Files that a page names, and functions (`name()`), must be there."""
    missing = []
    for name in (m for line in prose_of(page) for m in CODE.findall(line)):
        if IN_TREE.fullmatch(name) and not list(TOP.glob(name.rstrip("/"))):
            missing.append(f"{page.relative_to(TOP)}: {name}: no such file")
        function = re.fullmatch(r"([a-z]\w*)\(\)", name)
        if function and not re.search(rf"\b{function[1]}\(", code):
            missing.append(f"{page.relative_to(TOP)}: {name}: no such function")
    return missing


def check_names(every):
    code = "".join(p.read_text() for s in ("*.c", "*.cc", "*.h") for p in (TOP / "src").rglob(s))
    code += "poll( write( getaddrinfo_a( "
    rig.none([m for page, _ in every for m in missing_names(page, code)], "files and functions that pages name exist")


# ---- made pages

def metrics_page():
    """The table of metrics has no verb of its own: a program of one line prints it."""
    source = rig.work / "metrics_page.c"
    source.write_text('#include "base/metrics.h"\nint main(void)\n{\n    metrics_document(stdout);\n    return 0;\n}\n')
    program = rig.work / "metrics_page"
    needs = [TOP / "src" / "base" / f"{name}.c" for name in ("metrics", "log", "clock", "check", "words")]
    subprocess.run(["gcc", "-std=c17", f"-I{TOP}/include", f"-I{TOP}/src", source, *needs, "-lm", "-o", program], check=True)
    return subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout


def check_made_pages():
    made = {"config.md": ["check", "--reference"], "commands.md": ["version", "--commands"]}
    printed = {name: rig.run(*words, env=environment()).stdout.decode() for name, words in made.items()}
    printed["metrics.md"] = metrics_page()
    for name, text in printed.items():
        page = (TOP / "docs" / "reference" / name).read_text()
        rig.check(page == text, f"docs/reference/{name} is what the program prints")


def main():
    every = [(page, blocks_of(page)) for page in pages()]
    run_all(every)
    check_others(every)
    check_links(every)
    check_names(every)
    if not sys.argv[1:]:
        check_made_pages()
    rig.end()


main()
