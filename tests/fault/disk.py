#!/usr/bin/env python3
"""The checkpoint's disk: full, a file cut short, a bit flipped, everything damaged. The error is named, the older one is used, nothing
is lost. The full disk is a small tmpfs of its own (needs root; without it that row says so and counts as failed)."""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import ledger  # noqa: E402
from rig import Rig, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402

WORLD = ["--users", 3000, "--items", 2000, "--bad", 0.002, "--repeats", 0.01, "--span", "30m"]


class Disk:
    """A tmpfs that can be filled to the last block."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "zhiliu-test", str(folder)], check=True)

    def fill(self):
        with open(self.folder / "filling", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def free(self):
        (self.folder / "filling").unlink()

    def close(self):
        subprocess.run(["umount", str(self.folder)], check=False)


class Row:
    """Kafka with events that come in portions, and an engine on them."""

    def __init__(self, rig, kafka, redis, name):
        self.rig, self.kafka, self.name, self.seed = rig, kafka, name, 100
        for topic in ("events", "items", "controls", "dead"):
            kafka.topic(f"{name}-{topic}", 2 if topic == "events" else 1)
        sets = {f"source.topics.{t}": f"{name}-{t}" for t in ("events", "items", "controls")}
        self.engine = rig.engine(name, kafka.brokers, redis.url, {**sets, "dead_letters.topic": f"{name}-dead", "sink.prefix": f"{name}:", "checkpoint.interval": "500ms"})

    def events(self, n):
        self.seed += 1
        self.rig.simulate("--kafka", "--brokers", self.kafka.brokers, "--topic", f"{self.name}-events", "--items-topic",
                          f"{self.name}-items", "--events", n, "--seed", self.seed, *WORLD)

    def checkpoints(self, result):
        return self.engine.total("zhiliu_checkpoints_total", result=result)

    def equals_the_ledger(self, words):
        self.engine.wait_ready()
        self.engine.wait_drained()
        code, _ = self.engine.stop()
        self.rig.same(code, 0, f"{words}: ends with exit 0")
        book = ledger.of_kafka(self.kafka.brokers, f"{self.name}-events", f"{self.name}-items")
        keys = ledger.dead_letter_keys(self.kafka.brokers, f"{self.name}-dead")
        self.rig.none(ledger.compare(book, self.engine.inspect("users"), self.engine.inspect("items"), keys),
                      f"{words}: state equals the ledger", ledger.summary(book))

    def newest(self, kind):
        return max(self.engine.folder.glob(f"{kind}-*"), key=lambda p: int("".join(c for c in p.name if c.isdigit()) or 0), default=None)


def new_words(engine, seen):
    return engine.words_said()[seen:]


def disk_full(rig, kafka, redis):
    row = Row(rig, kafka, redis, "full")
    try:
        disk = Disk(row.engine.folder, "64m")
    except (subprocess.CalledProcessError, OSError) as error:
        rig.check(False, "disk full: a tmpfs can be mounted (root)", error)
        return
    try:
        row.events(20000)
        row.engine.start()
        row.engine.wait_ready()
        wait_for("a checkpoint", lambda: row.engine.total("zhiliu_checkpoint_last_success_timestamp_seconds") > 0, 30)
        seen = len(row.engine.words_said())
        disk.fill()
        row.events(10000)
        wait_for("words about the disk", lambda: "space" in new_words(row.engine, seen), 30)
        rig.check("No space left on device" in new_words(row.engine, seen), "disk full: the error is named",
                  [x for x in new_words(row.engine, seen).splitlines() if "space" in x][0][:200])
        row.engine.wait_drained()
        rig.check(row.engine.alive(), "disk full: the engine goes on")
        row.engine.kill()
        row.engine.start()  # the disk is still full
        time.sleep(2)
        alive = row.engine.alive()
        rig.say(f"started again on the full disk: {'runs' if alive else 'refuses: ' + row.engine.words_said()[-200:]}")
        disk.free()
        if not alive:
            row.engine.start()
        row.equals_the_ledger("disk full, kill -9, freed")
    finally:
        row.engine.kill()
        disk.close()


def grown(row):
    """An engine with a base and segments, killed."""
    row.events(10000)
    row.engine.start()
    row.engine.wait_ready()
    row.engine.wait_drained()
    for _ in range(3):
        row.events(3000)
        row.engine.wait_drained()
    time.sleep(1)
    row.engine.kill()


def damaged(rig, kafka, redis, kind, words, harm):
    row = Row(rig, kafka, redis, f"{words.split()[0]}-{kind}")
    grown(row)
    file = row.newest(kind)
    if not rig.check(file is not None, f"{words}: there is a {kind}", file.name if file else sorted(p.name for p in row.engine.folder.iterdir())):
        return
    harm(file)
    seen = len(row.engine.words_said())
    row.engine.start()
    row.engine.wait_ready()
    said = [x for x in new_words(row.engine, seen).splitlines() if file.name in x]
    rig.check(said, f"{words} {kind}: it is named", said[0][:200] if said else new_words(row.engine, seen)[-300:])
    row.equals_the_ledger(f"{words} {kind}")


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0x10
    file.write_bytes(data)


def all_damaged(rig, kafka, redis):
    row = Row(rig, kafka, redis, "all")
    grown(row)
    for file in row.engine.folder.glob("base-*"):
        flip(file)
    row.engine.start()
    try:
        code = row.engine.process.wait(30)
    except subprocess.TimeoutExpired:
        code = "runs on"
    rig.check(code == 65, "every base damaged: refused in words, exit 65, nothing is started from nothing", f"exit {code}: {row.engine.words_said()[-200:].strip()}")
    row.engine.kill()


def main(rig):
    with Kafka(rig.work / "kafka") as kafka, Redis(rig.work / "redis") as redis:
        disk_full(rig, kafka, redis)
        damaged(rig, kafka, redis, "segment", "cut short", cut)
        damaged(rig, kafka, redis, "segment", "flipped bit", flip)
        all_damaged(rig, kafka, redis)


if __name__ == "__main__":
    the_rig = Rig("faults_disk")
    main(the_rig)
    the_rig.end()
