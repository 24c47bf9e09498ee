#!/usr/bin/env python3
"""Kafka stopped for 20 s under load and started again: the engine says so, recovers by itself, nothing is lost or doubled."""

import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import ledger  # noqa: E402
from rig import Rig, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402

AWAY_S = 20


def main(rig):
    with Kafka(rig.work / "kafka") as kafka, Redis(rig.work / "redis") as redis:
        kafka.topics(4)
        engine = rig.engine("engine", kafka.brokers, redis.url).start()
        engine.wait_ready()
        words = [rig.zhiliu, "simulate", "--kafka", "--brokers", kafka.brokers, "--live", "--rate", 1000, "--duration", "60s",
                 "--users", 5000, "--items", 2000, "--bad", 0.002, "--repeats", 0.01]
        platform = subprocess.Popen([str(w) for w in words], stderr=subprocess.DEVNULL)
        engine.wait_events(8000)
        kafka.kill()
        gone = time.monotonic()
        took = wait_for("readyz to say so", lambda: engine.get("/readyz")[0] == 503, 60)
        reasons = engine.get("/readyz")[1].strip().splitlines()
        rig.check(any("source" in r or "kafka" in r.lower() for r in reasons), "readyz: 503 and names Kafka", f"after {took:.1f} s: {reasons}")
        rig.check(engine.get("/livez")[0] == 200, "livez stays 200")
        time.sleep(max(0, AWAY_S - (time.monotonic() - gone)))
        rig.check(engine.alive(), f"alive after {AWAY_S} s without Kafka")
        kafka.start()
        before = engine.total("zhiliu_events_total")
        took = wait_for("events again", lambda: engine.total("zhiliu_events_total") > before and engine.get("/readyz")[0] == 200, 120)
        rig.check(took <= 60, "recovers by itself within 60 s of Kafka's return", f"{took:.1f} s")
        platform.wait()
        rig.same(platform.returncode, 0, "the platform got all its events acknowledged")
        engine.wait_drained()
        code, seconds = engine.stop()
        rig.check(code == 0 and seconds < 10, "SIGTERM: exit 0 within 10 s", f"exit {code}, {seconds:.1f} s")
        book = ledger.of_kafka(kafka.brokers)
        keys = ledger.dead_letter_keys(kafka.brokers)
        rig.none(ledger.compare(book, engine.inspect("users"), engine.inspect("items"), keys),
                 "state and dead letters equal the ledger: nothing lost, nothing doubled", ledger.summary(book))


if __name__ == "__main__":
    the_rig = Rig("faults_kafka_away")
    main(the_rig)
    the_rig.end()
