#!/usr/bin/env python3
"""What a user is told who asks for something that cannot be: the exit code and the words that name the flag or setting. Needs no service."""
import gzip
import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import Rig  # noqa: E402

rig = Rig("test_words")
events, items, state = rig.work / "events.jsonl", rig.work / "items.jsonl", rig.work / "state"


def refused(code, word, *words, **options):
    """The verb ends with this code and says this word."""
    done = rig.run(*words, **options)
    said = done.stderr.decode()
    rig.check(done.returncode == code and word in said, f"{' '.join(map(str, words[:3]))}: {code}, {word}", (done.returncode, said[-300:]))


rig.simulate("--events", 3000, "--users", 100, "--items", 100, "--out", events, "--items-out", items)
rig.run("replay", "pipelines/feed.yaml", events, "--items", items, "--checkpoint", state)

refused(64, "nothing is left", "simulate", "--closed-loop", "--in-process", "--events", 1000, "--open-events", 100000, "--out", "/dev/null")
refused(64, "add --closed-loop", "simulate", "--events", 1000, "--open-events", 10, "--out", "/dev/null")
refused(64, "year 3000", "simulate", "--start", 32503680000000, "--events", 10, "--out", "/dev/null")
refused(64, "--user U", "explain", "--checkpoint", state)
refused(66, "no item", "inspect", "similar", "zzz", "--checkpoint", state)
refused(64, "one item is asked", "inspect", "similar", "v1", "v2", "--checkpoint", state)
refused(64, "1ms..36500d", "evaluate", events, "--outcome-window", "0ms")
for asked in ("--ips", "--snips", "--similar"):
    for idle in (("--every", 7), ("--score", "like"), ("--freeze-items", 10)):
        refused(64, f"{asked} and {idle[0]} do not go together", "evaluate", events, asked, *idle)
refused(64, "--ips and --skip do not go together", "evaluate", events, "--ips", "--skip", 0.1)
refused(64, "9007199254740991", "simulate", "--events", -1)
again = rig.run("replay", "pipelines/feed.yaml", events, "--items", items, "--checkpoint", state, "--set", f"dead_letters.file={state}.dead")
rig.check(again.returncode == 0 and f"continues at line 3001 of {events}" in again.stderr.decode(), "a folder used again is said to be")
rig.check("dead_letters.file has no effect here" in again.stderr.decode(), "replay says that it writes no dead letters")
said = rig.run("explain", "--user", "u1", "--checkpoint", state, "--offline").stdout.decode().splitlines()
sums = [sum(float(w) for w in line.split()[1:] if w[0] in "+-") for line in said if line.startswith("      = ") and "its parts" not in line]
scores = [float(line.split()[2]) for line in said[3:] if line[:5].strip().isdigit()]
rig.check(said and said[0].startswith("place item") and len(scores) > 20 and len(sums) == len(scores)
          and all(abs(a - b) < 0.006 for a, b in zip(sums, scores)), "explain's parts add up to the score", (said[:6], len(sums), len(scores)))
rig.check(not any(" +0.000" in line or " -0.000" in line for line in said if line.startswith("      =")), "parts of 0 are left out")

strange = rig.work / 'a "strange\\name".jsonl'
shutil.copy(events, strange)
similar = json.loads(rig.run("evaluate", strange, "--items", items, "--similar", "--format", "json").stdout)
rig.check(similar["stream"] == str(strange), "a file's name with quotes is JSON in evaluate --similar", similar)

for words in (["--help"], ["run", "--help"], ["version", "--commands"]):
    with open("/dev/full", "w") as full:
        done = subprocess.run([rig.zhiliu, *words], stdout=full, stderr=subprocess.PIPE)
    rig.check(done.returncode == 74, f"{' '.join(words)} into a full disk is 74", done.returncode)

for words in (["simulate", "--events", 1000000], ["simulate", "--closed-loop", "--in-process", "--events", 1000000], ["evaluate", events],
              ["inspect", "users", "--checkpoint", state], ["version", "--commands"], ["replay", events]):
    verb = subprocess.Popen([rig.zhiliu, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    verb.stdout.close()
    said, code = verb.stderr.read().decode(), verb.wait()
    rig.check(code == 0 and "cannot" not in said, f"{words[0]}, whose reader has left, ends with 0", (code, said[-200:]))


def packed(name, pack, *lines):
    (rig.work / name).write_bytes(pack(("\n".join(lines) + "\n").encode()))
    return rig.work / name


good = events.read_text().splitlines()
zstd = lambda text: subprocess.run(["zstd", "-qc"], input=text, stdout=subprocess.PIPE, check=True).stdout  # noqa: E731
for name, pack in (("bad.jsonl", bytes), ("bad.jsonl.gz", gzip.compress), *((("bad.jsonl.zst", zstd),) if shutil.which("zstd") else ())):
    bad = packed(name, pack, good[0], "", good[1], "[%s, 7]" % good[2], good[3])
    said = rig.run("replay", bad).stderr.decode()
    rig.check(f"{bad}:4, element 2: refused: not_object" in said, f"a refused element of {name} is named by file and line", said)
bad_item = packed("bad-items.jsonl", bytes, '{"item_id":"v1"}', "{")
said = rig.run("replay", events, "--items", bad_item).stderr.decode()
rig.check(f"{bad_item}:2: refused: bad_json" in said, "so is an item", said)
said = rig.run("replay", "-", input=b"\n{\n").stderr.decode()
rig.check("standard input:2: refused: bad_json" in said, "so is a line of standard input", said)

done = rig.run("simulate", "--over-show", "football=16", "--in-process", "--open-events", 1000, "--events", 1000, "--out", "/dev/null")
said = done.stderr.decode()
rig.check("nothing was shown from lists" in said and "0 shown" not in said and "topic error" not in said + done.stdout.decode(), "where all events are open, nothing is said to be shown, and of no interest", said)
rig.check(done.returncode == 0, "all events may be open where an engine learns beside", done.returncode)
rig.end()
