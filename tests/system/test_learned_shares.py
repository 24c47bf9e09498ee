#!/usr/bin/env python3
"""A platform whose own policy shows one topic far too often, and logs with which chances. What an engine learns of people's topics from
that log is wrong by twice as much, at least, as what it learns with the chances taken into account (reward.correction): mean absolute
error of each user's learned topic shares against the true ones, `zhiliu simulate --in-process --over-show`, three seeds."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import Rig  # noqa: E402

rig = Rig("test_learned_shares")
EVENTS = 200000
WORLD = ["--users", 200, "--items", 200, "--topics", 4, "--over-show", "football=16", "--open-events", EVENTS, "--events", EVENTS]


def learned(seed, correction):
    done = rig.run("simulate", "--in-process", *WORLD, "--seed", seed, "--format", "json", "--out", "/dev/null",
                   "--set", f"reward.correction.propensity={correction}")
    rig.same(done.returncode, 0, f"seed {seed}, {correction}: it ran")
    return json.loads(done.stdout)["learned"]


for seed in 1, 2, 3:
    off, inverse = learned(seed, "off"), learned(seed, "inverse")
    rig.same(off["true_shares"], inverse["true_shares"], f"seed {seed}: the same world")
    rig.check(off["shares"]["football"] > 2 * off["true_shares"]["football"], f"seed {seed}: what is over-shown is learned too large",
              off["shares"])
    for error in "error", "error_of_mean":
        rig.check(inverse[error] <= 0.5 * off[error], f"seed {seed}: with correction the {error.replace('_', ' ')} is half or less",
                  f"{inverse[error]:.4f} against {off[error]:.4f}")
rig.end()
