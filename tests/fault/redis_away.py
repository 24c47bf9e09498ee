#!/usr/bin/env python3
"""Redis stopped for 20 s under load and restarted empty: learning goes on, all lists of the 20,000 active users (10,000 items) are there
again within 10 s of its return, and no reader ever sees a version fall."""

import pathlib
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import RedisClient, Rig, produce, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402
import json  # noqa: E402

USERS, ITEMS, AWAY_S = 20000, 10000, 20


class Sampler(threading.Thread):
    """A reader: looks at lists all the time and remembers the newest version of each."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.newest, self.fell, self.reads, self.ended = sock, {}, [], 0, False

    def run(self):
        rng = random.Random(1)
        while not self.ended:
            try:
                store = RedisClient(self.sock)
                while not self.ended:
                    self.look(store, [f"u{rng.randrange(USERS) + 1}" for _ in range(100)])
                    time.sleep(0.005)
            except (OSError, RuntimeError, ValueError):
                time.sleep(0.05)  # the store is away

    def look(self, store, users):
        for user, value in zip(users, store.call("MGET", *[f"zl:feed:{{{u}}}" for u in users])):
            if value is None:
                continue
            self.reads += 1
            version = value[14:54]
            if version < self.newest.get(user, b""):
                self.fell.append((user, self.newest[user], version))
            self.newest[user] = max(version, self.newest.get(user, b""))


def everyone_acts(kafka):
    now = int(time.time() * 1000)
    produce(kafka.brokers, "events", ((f"u{u}", json.dumps({
        "event_id": f"once-{u}", "type": "like", "user_id": f"u{u}", "item_id": f"v{u % ITEMS + 1}", "ts": now}))
        for u in range(1, USERS + 1)))


def n_lists(sock):
    store = RedisClient(sock)
    n = len(store.keys("zl:feed:*"))
    store.close()
    return n


def redis_returns(rig, redis, engine):
    redis.kill()
    gone = time.monotonic()
    took = wait_for("readyz to say so", lambda: engine.get("/readyz")[0] == 503, 30)
    reasons = engine.get("/readyz")[1].strip().splitlines()
    rig.check(any("sink" in r or "redis" in r.lower() for r in reasons), "readyz: 503 and names Redis", f"after {took:.1f} s: {reasons}")
    before, rss = engine.total("zhiliu_events_total"), engine.total("process_resident_memory_bytes")
    time.sleep(max(0, AWAY_S - (time.monotonic() - gone)))
    learned, grown = engine.total("zhiliu_events_total") - before, engine.total("process_resident_memory_bytes") - rss
    rig.check(learned > 5000, "learning goes on meanwhile", f"{learned:.0f} events")
    rig.check(grown < 32 << 20, "memory stays bounded meanwhile", f"{grown / 1048576:+.1f} MiB")
    redis.start()
    begin = time.monotonic()
    wait_for("all lists", lambda: n_lists(redis.sock) >= USERS, 60, 0.1)
    took = time.monotonic() - begin
    rig.check(took <= 10, f"all lists of {USERS:,} active users are there again within 10 s", f"{took:.1f} s after its return")
    wait_for("readyz", lambda: engine.get("/readyz")[0] == 200, 30)


def main(rig):
    with Kafka(rig.work / "kafka") as kafka, Redis(rig.work / "redis") as redis:
        kafka.topics(4)
        rig.simulate("--kafka", "--brokers", kafka.brokers, "--only", "items", "--items", ITEMS)
        everyone_acts(kafka)
        engine = rig.engine("engine", kafka.brokers, redis.url).start()
        engine.wait_ready()
        took = wait_for("the first lists", lambda: n_lists(redis.sock) >= USERS, 120, 0.2)
        rig.say(f"{USERS:,} lists {took:.1f} s after ready")
        words = [rig.zhiliu, "simulate", "--kafka", "--brokers", kafka.brokers, "--only", "events", "--live", "--rate", 500,
                 "--users", USERS, "--items", ITEMS]
        platform = subprocess.Popen([str(w) for w in words], stderr=subprocess.DEVNULL)
        sampler = Sampler(redis.sock)
        sampler.start()
        time.sleep(3)
        redis_returns(rig, redis, engine)
        time.sleep(3)
        platform.terminate()
        platform.wait()
        engine.wait_drained()
        sampler.ended = True
        sampler.join()
        rig.check(sampler.reads > 10000 and not sampler.fell, "no reader saw a version fall", f"{sampler.reads:,} reads {sampler.fell[:3]}")
        code, seconds = engine.stop()
        rig.check(code == 0 and seconds < 10, "SIGTERM: exit 0 within 10 s", f"exit {code}, {seconds:.1f} s")


if __name__ == "__main__":
    the_rig = Rig("faults_redis_away")
    main(the_rig)
    the_rig.end()
