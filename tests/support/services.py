"""Private, real Kafka and Redis for system tests: services.sh as Python objects.

    from services import Kafka, Redis
    with Kafka(work / "kafka") as kafka, Redis(work / "redis") as redis:
        kafka.topics(4)
        kafka.topic("other", 1, "cleanup.policy=compact")
        run(env={**os.environ, "KAFKA_BROKERS": kafka.brokers, "REDIS_URL": redis.url})
        kafka.kill()
        kafka.start()        # same port, same data

Everything is done by services.sh beside this file, so both speak of the same files and pids. What was started is
stopped at the end of `with`, and by atexit when the script ends otherwise.
"""

import atexit
import os
import signal
import subprocess
import sys

SERVICES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "services.sh")


def call(*words):
    """Runs one function of services.sh; returns its NAME=value lines as a dict."""
    done = subprocess.run(
        [SERVICES, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


class Service:
    """What Kafka and Redis share; `name` is the prefix of the functions in services.sh."""

    name = ""

    def __init__(self, folder, *options):
        self.folder = os.path.abspath(str(folder))
        self.options = options
        self.start()
        atexit.register(self.stop)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.stop()

    def start(self):
        self.take(call(f"{self.name}_start", self.folder, *self.options))

    def take(self, names):
        raise NotImplementedError

    def stop(self):
        call(f"{self.name}_stop", self.folder)

    def kill(self):
        call(f"{self.name}_kill", self.folder)

    def pause(self):
        call(f"{self.name}_pause", self.folder)

    def resume(self):
        call(f"{self.name}_resume", self.folder)

    @property
    def pid(self):
        with open(os.path.join(self.folder, f"{self.name}.pid"), encoding="ascii") as file:
            return int(file.read())


class Kafka(Service):
    """A one-node Apache Kafka; `brokers` is its bootstrap address."""

    name = "kafka"

    def take(self, names):
        self.brokers = names["KAFKA_BROKERS"]

    def topic(self, name, partitions=1, *config):
        call("kafka_topic", self.folder, name, partitions, *config)

    def topics(self, partitions=4):
        call("kafka_topics", self.folder, partitions)


class Redis(Service):
    """A redis-server without persistence; `url` is its TCP address, `sock` its unix socket."""

    name = "redis"

    def take(self, names):
        self.url = names["REDIS_URL"]
        self.sock = names["REDIS_SOCK"]


def _exit_on_term(number, _frame):
    sys.exit(128 + number)


# An ended test still runs its atexit functions.
signal.signal(signal.SIGTERM, _exit_on_term)
