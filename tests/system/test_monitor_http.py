#!/usr/bin/env python3
"""The monitor over real sockets: pages, verbs, limits, and a client that sends one byte a second.

promtool (of the package prometheus) checks /metrics where it is there: on the path, or named by PROMTOOL."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = Path(tempfile.mkdtemp(prefix="zhiliu-monitor-"))
PROBE = WORK / "monitor_probe"
BASE = "metrics log clock check words hash".split()


def build():
    sources = [ROOT / "tests/support/monitor_probe.c", *sorted((ROOT / "src/monitor").glob("*.c"))]
    sources += [ROOT / f"src/base/{name}.c" for name in BASE]
    subprocess.run(
        ["gcc", "-std=c17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-pthread",
         f"-I{ROOT}/include", f"-I{ROOT}/src", *sources, "-levent", "-lxxhash", "-lm", "-o", PROBE], check=True)


class Monitor:
    def __init__(self, listen="127.0.0.1:0"):
        self.process = subprocess.Popen([PROBE, listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1)
        word, _, rest = self.process.stdout.readline().strip().partition(" ")
        self.port, self.failure = (int(rest), None) if word == "port" else (0, rest)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        assert self.process.stdout.readline() == "done\n"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, request):
        with self.connect() as s:
            s.sendall(request)
            return receive(s)

    def get(self, path, verb="GET"):
        """Status, head, body."""
        head, _, body = self.send(f"{verb} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).decode().partition("\r\n\r\n")
        return int(head.split()[1]), head, body

    def end(self):
        words = self.process.communicate("quit\n", timeout=10)[1]
        assert self.process.returncode == 0 and "Sanitizer" not in words, words
        return words


def receive(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def ready_and_alive_follow_the_engine(m):
    assert m.get("/readyz")[0] == 503  # before the engine has said anything
    m.say("ready kafka: away;redis: away")
    status, _, body = m.get("/readyz")
    assert (status, body) == (503, "kafka: away\nredis: away\n"), body
    m.say("ready")
    assert m.get("/readyz")[::2] == (200, "ready\n")
    assert m.get("/livez")[0] == 503
    m.say("beat 0")
    assert m.get("/livez")[::2] == (200, "alive\n")
    m.say("beat 6")
    assert m.get("/livez")[0] == 503


def head_is_get_without_the_body(m):
    for path in "/", "/metrics", "/readyz", "/nothing":
        status, head, body = m.get(path)
        assert m.get(path, "HEAD")[0] == status and m.get(path, "HEAD")[2] == ""
        assert f"Content-Length: {len(body.encode())}" in head or path == "/metrics"
    assert "/metrics" in m.get("/")[2]
    assert m.get("/nothing")[0] == 404


def other_verbs_are_405_with_allow(m):
    for verb in "POST", "PUT", "DELETE", "OPTIONS":
        status, head, _ = m.get("/metrics", verb)
        assert status == 405 and "\r\nAllow: GET, HEAD" in head
    with m.connect() as s:  # and with a body of which much is unread
        s.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100000)
        assert receive(s).startswith(b"HTTP/1.1 405 ")


def bodies_long_heads_and_nonsense_are_refused(m):
    assert m.send(b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").startswith(b"HTTP/1.1 413 ")
    assert m.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 9000).startswith(b"HTTP/1.1 431 ")
    assert m.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 8000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert m.send(b"GET / HTTP/3.0\r\n\r\n").startswith(b"HTTP/1.1 505 ")
    assert m.send(b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert m.send(b"\0" * 20000).startswith(b"HTTP/1.1 431 ")


def a_client_that_has_said_all_still_gets_its_answer(m):
    with m.connect() as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        assert receive(s).endswith(b"\n")


def a_slow_client_is_closed_after_five_seconds(m):
    with m.connect() as s:
        start = time.monotonic()
        s.settimeout(0.5)
        try:
            while time.monotonic() - start < 9:
                s.sendall(b"G")
                try:
                    if s.recv(100) == b"":
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        took = time.monotonic() - start
        assert 4.5 < took < 7, took


def at_most_64_connections_are_held_and_room_comes_back(m):
    held = [m.connect() for _ in range(64)]
    time.sleep(0.3)
    with m.connect() as s:
        s.settimeout(2)  # well below the deadline that ends every connection
        try:
            assert s.recv(100) == b""  # closed at once
        except ConnectionResetError:
            pass
    for s in held:
        s.close()
    time.sleep(0.3)
    assert m.get("/readyz")[0] in (200, 503)


def hundreds_of_requests_in_a_row_are_answered(m):
    for _ in range(300):
        assert m.get("/metrics")[0] == 200


def promtool_finds_nothing(m):
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    status, head, body = m.get("/metrics")
    assert status == 200 and "text/plain; version=0.0.4" in head
    if not tool:
        print("     (promtool is not here: not checked)")
        return
    done = subprocess.run([tool, "check", "metrics"], input=body, text=True, capture_output=True)
    assert done.returncode == 0 and done.stdout + done.stderr == "", done.stdout + done.stderr


def a_busy_port_and_a_wrong_address_are_named(m):
    other = Monitor(f"127.0.0.1:{m.port}")
    assert "74 monitor.listen" in other.failure and "Address already in use" in other.failure, other.failure
    for wrong in "9464", "localhost", "::1:9464", "127.0.0.1:x", "127.0.0.1:70000":
        assert Monitor(wrong).failure.startswith("78 "), wrong
    assert Monitor("no-such-host.invalid:9464").failure.startswith("74 ")


def an_address_others_can_reach_is_warned_of(m):
    other = Monitor("0.0.0.0:0")
    assert other.failure is None
    assert "WARN  monitor: listening on 0.0.0.0:0" in other.end()


TESTS = [ready_and_alive_follow_the_engine, head_is_get_without_the_body, other_verbs_are_405_with_allow,
         bodies_long_heads_and_nonsense_are_refused, a_client_that_has_said_all_still_gets_its_answer,
         a_slow_client_is_closed_after_five_seconds, at_most_64_connections_are_held_and_room_comes_back,
         hundreds_of_requests_in_a_row_are_answered, promtool_finds_nothing,
         a_busy_port_and_a_wrong_address_are_named, an_address_others_can_reach_is_warned_of]


def main():
    build()
    failed = 0
    for test in TESTS:
        monitor = Monitor()
        try:
            test(monitor)
            monitor.end()
            print(f"ok   {test.__name__}", flush=True)
        except Exception as error:  # the next test is worth running all the same
            failed += 1
            line = error.__traceback__.tb_next.tb_lineno if error.__traceback__.tb_next else 0
            print(f"FAIL {test.__name__}, line {line}: {type(error).__name__} {error}", flush=True)
            monitor.process.kill()
    shutil.rmtree(WORK)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
