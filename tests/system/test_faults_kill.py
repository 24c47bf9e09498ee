#!/usr/bin/env python3
"""Three kills of a smaller run: what scripts/test-faults does with twenty and 200,000 events (tests/fault/kills.py)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import kills  # noqa: E402

rig = kills.Rig("test_faults_kill")
kills.run(rig, kills.parse(["--kills", "3", "--events", "30000", "--rate", "3000"]))
rig.end()
