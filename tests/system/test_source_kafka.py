#!/usr/bin/env python3
"""The source room and the dead letters against a real Kafka: positions, order, failure, and words when it cannot go on."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from services import Kafka  # noqa: E402

BUILD = pathlib.Path(os.environ.get("ZHILIU_BUILD", ROOT / "build/release"))
WORK = pathlib.Path(os.environ.get("ZHILIU_WORK") or tempfile.mkdtemp(prefix="zhiliu-source-"))
passed, failed = 0, 0
SHORT = ("-X", "session.timeout.ms=6000")  # what the broker allows at least; 20 s are the rule


def check(holds, words, more=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    print("ok    " if holds else "FAILED", words, "" if holds and len(str(more)) > 200 else more, flush=True)


def feed(*words):
    done = subprocess.run([BUILD / "source_feed", kafka.brokers, *map(str, words)], stdout=subprocess.PIPE, text=True,
                          timeout=90)
    assert done.returncode == 0, (words, done.stdout)


class Probe:
    def __init__(self, *words, group=None):
        self.name = f"probe-{time.monotonic_ns()}"
        self.path = WORK / self.name
        self.log = open(self.path, "w", encoding="utf-8")
        words = [BUILD / "source_probe", kafka.brokers, "--group", group or self.name, *map(str, words)]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=subprocess.STDOUT)

    @property
    def text(self):
        return self.path.read_text(encoding="utf-8", errors="replace")

    def lines(self, word):
        return [line for line in self.text.splitlines() if line.startswith(word + " ")]

    def wait_for(self, pattern, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if re.search(pattern, self.text):
                return True
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        return bool(re.search(pattern, self.text))

    def end(self, seconds=60):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(15)
        return self.process.returncode

    def offsets(self, topic, partition):
        return [int(line.split()[3]) for line in self.lines("message") if line.split()[1:3] == [topic, str(partition)]]


def run(*words, group=None):
    probe = Probe(*words, group=group)
    probe.code = probe.end()
    return probe


def test_items_first_then_events():
    kafka.topic("i1", 2, "cleanup.policy=compact")
    kafka.topic("e1", 2)
    kafka.topic("c1", 1)
    feed("e1", -1, 0, 3000)
    feed("i1", -1, 0, 1500)
    feed("c1", 0, 0, 5)
    p = run("--events", "e1", "--items", "i1", "--controls", "c1", "--count", 4505, "--seconds", 30)
    kinds = [line.split()[1] for line in p.lines("message")]
    check(kinds[:1500] == ["items"] * 1500, "the catalogue is read to its end before the first event")
    check(kinds.count("events") == 3000 and kinds.count("controls") == 5, "every event and control comes once")
    check(all(p.offsets("events", n) == list(range(len(p.offsets("events", n)))) for n in (0, 1)),
          "a partition comes in offset order")
    check("gaps 0" in p.text, "a log without holes has no gaps")


def test_positions():
    p = run("--events", "e1", "--from", "e[0]=100", "--seconds", 5)
    check(p.offsets("events", 0)[0] == 100, "reading goes on at the position of the state")
    check(p.offsets("events", 1)[0] == 0, "a partition the state does not know begins at its start")
    p = run("--events", "e1", "--until", "e[0]=50", "--until", "e[1]=60", "--seconds", 20)
    check(p.code == 0 and p.offsets("events", 0) == list(range(50)) and p.offsets("events", 1) == list(range(60)),
          "a range ends by itself, before its offsets")


def test_gone_and_anew():
    kafka.topic("e2", 1)
    feed("e2", 0, 0, 1000)
    feed("e2", 0, "before", 700)
    p = run("--events", "e2", "--from", "e[0]=120", "--seconds", 20)
    check(p.code == 65 and "580 events of e2[0] are gone" in p.text, "expired events are counted in words", p.lines("fatal"))
    p = run("--events", "e2", "--from", "e[0]=5000", "--seconds", 20)
    check(p.code == 65 and "ends at offset 1000" in p.text and "publish.incarnation" in p.text,
          "a position beyond the log is told in words", p.lines("fatal"))
    p = run("--events", "e2", "--from", "e[0]=1000", "--seconds", 4)
    check(p.code == 0 and "fatal" not in p.text, "a position at the end of the log is fine")
    p = run("--events", "e2", "--seconds", 4)
    check(p.offsets("events", 0)[:1] == [700] and "gaps 0" in p.text, "without a position the earliest offset is the start")


def test_transactions():
    kafka.topic("e3", 1)
    feed("e3", 0, 0, 10)
    feed("e3", 0, 100, 10, "abort")
    feed("e3", 0, 200, 10, "commit")
    p = run("--events", "e3", "--count", 20, "--seconds", 10)
    values = [line.split()[4] for line in p.lines("message")]
    check(values == [f"v-{n}" for n in [*range(10), *range(200, 210)]], "aborted messages are never lent", values[:12])
    check("gaps 11" in p.text, "what they leave is counted as a gap", [x for x in p.text.splitlines() if "gaps" in x])
    p = run("--events", "e3", "--until", "e[0]=32", "--seconds", 10)
    check(p.code == 0 and len(p.offsets("events", 0)) == 20 and "in 10." not in p.text,
          "a range that ends at a transaction's marker ends")


def test_backlog_in_order_of_time():
    # 10 MB a partition, of which a fetch brings at most 1 MiB; "seldom" is read besides and is nearly empty
    kafka.topic("e8", 4)
    kafka.topic("seldom", 1)
    feed("seldom", 0, 0, 3)
    words = ["simulate", "--kafka", "--brokers", kafka.brokers, "--topic", "e8", "--only", "events", "--events", "150000", "--users", "3000",
             "--items", "3000", "--span", "15000s", "--start", "1767225600000", "--seed", "5"]
    program = os.environ.get("ZHILIU", str(BUILD / "zhiliu"))
    subprocess.run([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=120)
    for work_us in (0, 15):  # a reader faster than the broker, and one as slow as learning
        p = run("--events", "e8", "--controls", "seldom", "--quiet", "--order", "--work-us", work_us, "--count", 150003, "--seconds", 60)
        said = p.lines("order")
        late = float(said[0].split()[1]) if said else 1000
        check("150003 messages" in p.text and late < 1,
              f"a backlog of four partitions comes in order of time: less than 1 in 1000 is over 1 s late ({work_us} us a message)", said)


def test_broker_comes_and_goes():
    kafka.topic("e4", 2)
    feed("e4", -1, 0, 500)
    p = Probe("--events", "e4", "--instance", "z", "--seconds", 100, "--count", 1000)
    check(p.wait_for(r"(?m)^connected"), "the source says that it is connected")
    kafka.kill()
    check(p.wait_for(r"(?m)^connected[\s\S]*^trouble", 15), "a dead broker is trouble", p.lines("trouble")[-1:])
    time.sleep(5)
    kafka.start()
    back = time.monotonic()
    feed("e4", -1, 500, 500)
    p.end(60)
    check(p.process.returncode == 0 and sorted(len(p.offsets("events", n)) for n in (0, 1)) ==
          sorted(len(set(p.offsets("events", n))) for n in (0, 1)) and len(p.lines("message")) == 1000,
          "after 5 s without a broker nothing is lost or doubled", f"({time.monotonic() - back:.1f} s)")
    p = Probe("--events", "e4", "--seconds", 60)
    p.wait_for(r"(?m)^connected")
    kafka.pause()
    check(p.wait_for("do not answer", 20), "a broker that is silent is trouble")
    kafka.resume()
    check(p.wait_for(r"do not answer[\s\S]*\nconnected", 30), "and is connected when it speaks")
    p.process.send_signal(signal.SIGTERM)
    p.end(15)


def test_missing_topics():
    p = Probe("--events", "e5", "--items", "i5", "--controls", "c5", "--seconds", 60, "--count", 7)
    check(p.wait_for("topic e5 is not there"), "a missing topic of events is a reason, not an end")
    check(p.process.poll() is None and "ready" in p.text, "a missing catalogue is an empty one")
    kafka.topic("e5", 1)
    feed("e5", 0, 0, 7)
    code = p.end(60)
    check(code == 0 and len(p.lines("message")) == 7, "a topic that is made later is followed")
    absent = subprocess.run([BUILD / "source_probe", "127.0.0.1:9", "--events", "e5", "--seconds", "3"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    check(absent.returncode == 0 and "no broker is reachable" in absent.stdout and
          float(re.search(r"closed in ([\d.]+)", absent.stdout)[1]) < 5, "an absent broker is waited for, and left in time")


def test_two_engines():
    kafka.topic("e6", 4)
    feed("e6", -1, 0, 100)
    first = Probe("--events", "e6", "--instance", "a", "--seconds", 120, "--quiet", *SHORT, group="g6")
    first.wait_for(r"(?m)^connected")
    second = Probe("--events", "e6", "--instance", "b", "--seconds", 60, "--quiet", *SHORT, group="g6")
    code = second.end(60)
    check(code == 78 and "another engine is in the group g6" in second.text, "a second engine in the group stops in words",
          second.lines("fatal"))
    check(first.wait_for(r"connected[\s\S]*trouble[\s\S]*\nconnected", 60), "the first one has everything again", first.lines("fatal"))
    twin = Probe("--events", "e6", "--instance", "a", "--seconds", 30, "--quiet", *SHORT, group="g6")
    code = first.end(40)
    check(code == 69 and "fenced: a second engine uses group.instance.id a" in first.text,
          "a twin with the same name fences the first in words", first.lines("fatal"))
    twin.process.terminate()
    twin.end(15)


def test_topic_that_grew():
    kafka.topic("e7", 2)
    feed("e7", -1, 0, 100)
    run("--events", "e7", "--instance", "a", "--seconds", 4, "--quiet", *SHORT, group="g7")
    call = [str(ROOT / "tests/support/services.sh"), "kafka_topic", kafka.folder, "e7b", "1"]
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    grow = subprocess.run(["java", "-cp", f"{os.environ.get('KAFKA_LIB') or kafka_lib()}/lib/*",
                           "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", kafka.brokers, "--alter", "--topic",
                           "e7", "--partitions", "5"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if grow.returncode != 0:
        print("skip   a topic that grew:", grow.stdout[-300:])
        return
    p = Probe("--events", "e7", "--instance", "a", "--seconds", 90, "--quiet", *SHORT, group="g7")
    check(p.wait_for("following 5 partitions", 60), "a topic that grew while we were away is followed whole",
          "" if "expires in" not in p.text else "(after the old assignment expired)")
    p.process.terminate()
    p.end(15)


def kafka_lib():
    cache = pathlib.Path(os.environ.get("ZHILIU_CACHE") or
                         pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "zhiliu")
    return next(iter(sorted(cache.glob("kafka-*[0-9]"))), cache)


def zhiliu(*words):
    program = os.environ.get("ZHILIU", str(BUILD / "zhiliu"))
    return subprocess.run([program, "dead-letters", *words, "--brokers", kafka.brokers], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)


def test_dead_letters():
    kafka.topic("dead-letters", 2, "max.message.bytes=300000")
    kafka.topic("again", 1)
    letters = subprocess.Popen([BUILD / "letters_probe", kafka.brokers, "dead-letters", "5000", "1000"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    kafka.kill()
    time.sleep(2)
    kafka.start()
    out, words = letters.communicate(timeout=120)
    check("put 5000 acked 5000" in out and "wrong" not in out, "letters are acknowledged in order, over a broker's death",
          out.splitlines()[-1:])
    rows = [json.loads(line) for line in zhiliu("list", "--limit", "0", "--format", "json").stdout.splitlines()]
    keys = {row["key"] for row in rows}
    check(len(rows) == 5000 and keys == {f"events-0-{n}-0" for n in range(5000)}, "their keys are exactly those put",
          (len(rows), sorted(keys ^ {f"events-0-{n}-0" for n in range(5000)})[:5]))
    big = next(row for row in rows if row["key"] == "events-0-0-0")
    check(big["truncated"] and 100000 < len(big["value"]) < 300000, "a letter over the topic's limit is cut and marked",
          len(big["value"]))
    check(rows[5]["headers"].get("trace") == "t1" and rows[5]["original_key"] == "user-7", "headers and key are kept")
    text = zhiliu("list", "--reason", "too_large").stdout
    check("events-0-0-0" in text and "1 dead letters, too_large 1" in text, "list shows one reason alone", text[-60:])
    shown = zhiliu("show", "events-0-77-0")
    check(shown.stdout == "{bad 77" and "dlq.reason: bad_json" in shown.stderr, "show gives the bytes", shown.stdout[:80])
    check(zhiliu("show", "events-9-9-9").returncode == 66, "a letter that is not there is missing input")
    sent = zhiliu("requeue", "--key", "events-0-77-0", "--to", "again")
    check(sent.returncode == 0 and "1 requeued" in sent.stdout, "requeue says how many", sent.stderr)
    p = run("--events", "again", "--count", 1, "--seconds", 15)
    check(p.lines("message")[:1] == ["message events 0 0 {bad 77"], "and the value is in the topic", p.lines("message"))


def test_producer_fatal():
    for mode in ("keep", "lent"):
        kafka.topic(f"fatal-{mode}", 2)
        done = subprocess.run([BUILD / "producer_probe", kafka.brokers, f"fatal-{mode}", "4000", mode], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        check(done.returncode == 0 and "put 4000 acked 4000 refused 0" in done.stdout and "a new one sends" in done.stderr,
              f"a fatal error makes a new client and all is acknowledged ({mode})", done.stdout + done.stderr[-200:])
        p = run("--events", f"fatal-{mode}", "--seconds", 4)
        values = {line.split()[4] for line in p.lines("message")}
        check(values == {f"v-{n}" for n in range(4000)}, f"nothing of it is lost ({mode})", len(values))


tests = [(name, call) for name, call in globals().items() if name.startswith("test_") and
         (len(sys.argv) < 2 or sys.argv[1] in name)]
with Kafka(WORK / "kafka") as kafka:
    for name, call in tests:
        start = time.monotonic()
        try:
            call()
        except Exception as e:  # noqa: BLE001  a test that breaks is a test that failed
            check(False, f"{name}: {type(e).__name__}: {e}")
        print(f"       {name} {time.monotonic() - start:.1f} s", flush=True)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
