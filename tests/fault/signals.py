#!/usr/bin/env python3
"""SIGTERM, SIGINT, SIGHUP under load: a clean stop each time, one line for HUP, and the state goes on where it was."""

import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import ledger  # noqa: E402
from rig import Rig  # noqa: E402
from services import Kafka, Redis  # noqa: E402


def main(rig):
    with Kafka(rig.work / "kafka") as kafka, Redis(rig.work / "redis") as redis:
        kafka.topics(4)
        engine = rig.engine("engine", kafka.brokers, redis.url)
        words = [rig.zhiliu, "simulate", "--kafka", "--brokers", kafka.brokers, "--live", "--rate", 2000, "--duration", "25s",
                 "--users", 5000, "--items", 5000, "--bad", 0.002, "--repeats", 0.01]
        platform = subprocess.Popen([str(w) for w in words], stderr=subprocess.DEVNULL)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            engine.start()
            engine.wait_ready()
            time.sleep(2)
            engine.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            rig.check(engine.alive(), "SIGHUP under load: it runs on")
            code, seconds = engine.stop(number)
            rig.check(code == 0 and seconds < 10, f"{signal.Signals(number).name} under load: exit 0 within 10 s", f"exit {code}, {seconds:.1f} s")
        rig.check(sum("reload" in line.lower() for line in engine.words_said().splitlines()) == 4, "each SIGHUP was answered with one line")
        platform.wait()
        engine.start()
        engine.wait_ready()
        engine.wait_drained()
        engine.stop()
        book = ledger.of_kafka(kafka.brokers)
        keys = ledger.dead_letter_keys(kafka.brokers)
        rig.none(ledger.compare(book, engine.inspect("users"), engine.inspect("items"), keys),
                 "after five starts state and dead letters equal the ledger", ledger.summary(book))


if __name__ == "__main__":
    the_rig = Rig("faults_signals")
    main(the_rig)
    the_rig.end()
