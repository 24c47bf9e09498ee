#!/usr/bin/env python3
"""The clock of a file: an event of the year 2999 is a dead letter and moves nothing, wherever it stands; a pause of years is no such event; seconds
where milliseconds are expected are said to be. What is refused leaves the state of a log that has a broken line in its place. Needs no service."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import Rig  # noqa: E402

rig = Rig("test_clock")
events, state = rig.work / "events.jsonl", rig.work / "state"
YEAR_2999 = 32_480_000_000_000
YEAR = 366 * 86_400_000

rig.simulate("--events", 6000, "--users", 300, "--items", 200, "--out", events)
lines = events.read_text().splitlines()


def at(place, user="u-wrong", ts=YEAR_2999):
    return json.dumps({"event_id": f"wrong-{place}-{ts}", "type": "like", "user_id": user, "item_id": "v1", "ts": ts})


def replay(log, *words, **options):
    file = rig.work / "log.jsonl"
    file.write_text("\n".join(log) + "\n")
    done = rig.run("replay", "pipelines/feed.yaml", file, "--format", "json", *words, **options)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    result.pop("seconds")
    return result, done.stderr.decode()


def with_lines(where, line):
    log = list(lines)
    for n, place in enumerate(sorted(where)):
        log.insert(place + n, line(place))
    return log


places = {"first": [0], "second": [1], "in the middle": [3000], "at the end of a batch": [1023], "near the end of a batch": [1000, 2040],
          "last": [len(lines)], "ten of one phone": list(range(500, 510)), "everywhere": list(range(0, 6000, 97))}
for name, where in places.items():
    wrong, _ = replay(with_lines(where, at))
    broken, _ = replay(with_lines(where, lambda place: "{broken"))
    rig.same(wrong["refused"], {"future_time": len(where)}, f"2999, {name}: a dead letter")
    rig.same(wrong["digest"], broken["digest"], f"2999, {name}: the state is that of a log with a broken line there")

plain, _ = replay(lines)
later = [json.dumps(dict(json.loads(line), ts=json.loads(line)["ts"] + (5 * YEAR if n >= 3000 else 0))) for n, line in enumerate(lines)]
rig.same(replay(later)[0]["refused"], {}, "a pause of five years is read")
rig.same(replay(later[:3002])[0]["refused"], {}, "and when two events only come after it")
by_user = sorted(later, key=lambda line: json.loads(line)["user_id"])
rig.same(replay(by_user)[0]["refused"].get("future_time", 0), 0, "a log of years sorted by user is read")

log = with_lines([0, 1000, 3000], at)
data = ("\n".join(log) + "\n").encode()
whole, said = replay(log)
cut = rig.work / "cut"
replay(log, "--checkpoint", cut, "--until", "0:1500")
resumed, _ = replay(log, "--checkpoint", cut)
rig.same(resumed["digest"], whole["digest"], "a state that is gone on from ends where the whole log does")
tail = with_lines([1000, 3000], at)
piped = subprocess.run([rig.zhiliu, "replay", "pipelines/feed.yaml", "-", "--format", "json"], input=("\n".join(tail) + "\n").encode(), stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL)
rig.same(json.loads(piped.stdout)["digest"], replay(tail)[0]["digest"], "a pipe gives what the file gives")
one = subprocess.Popen([rig.zhiliu, "run", "pipelines/feed.yaml", "--set", "source.kind=file", "--set", "source.file=-", "--set", "sink.kind=stdout", "--set", "checkpoint.path="], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
one.stdin.write((lines[0] + "\n").encode())
one.stdin.flush()
rig.check(b"items" in one.stdout.readline(), "the first event of a pipe is answered before the second comes")
one.stdin.close()
one.stdout.read()
one.wait()

letters = rig.work / "letters.jsonl"
rig.run("run", "pipelines/feed.yaml", "--set", "source.kind=file", "--set", f"source.file={rig.work / 'log.jsonl'}", "--set", "sink.kind=none", "--set", f"dead_letters.file={letters}",
        "--set", f"checkpoint.path={state}")
rig.check("too far ahead" in letters.read_text(), "the letter says why")

seconds = [json.dumps(dict(json.loads(line), ts=json.loads(line)["ts"] // 1000)) for line in lines]
result, said = replay(seconds)
rig.check(result["refused"] == {} and said.count("is it in seconds?") == 1, "seconds are learned, and said to be once")
small = [json.dumps(dict(json.loads(line), ts=n + 1)) for n, line in enumerate(lines[:100])]
rig.same(replay(small)[1], "", "small made-up times are nobody's business")
rig.check("seconds" not in replay(lines)[1], "nor are milliseconds")
(rig.work / "log.jsonl").write_text("\n".join(seconds) + "\n")
said = rig.run("evaluate", rig.work / "log.jsonl", "--seeds", 2).stderr.decode()
rig.check(said.count("is it in seconds?") == 1, "evaluate says so once, too")
rig.end()
