"""What a report tells of a training."""

from __future__ import annotations

from proofs.report_record import training


def test_records_within_the_record_are_no_figures() -> None:
    told = "\n".join(training({"seed": 3, "trainings": [{"share": 0.25}], "hidden": [32, 32]}, []))
    assert "seed" in told and "32" in told
    assert "trainings" not in told and "share" not in told
