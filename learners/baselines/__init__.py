"""Controllers that learned ones have to be compared with: open loop, PI, LQR, NMPC."""

from learners.baselines.controller import Controller, OpenLoop, TrainedPolicy
from learners.baselines.pi import LoopPair, ProportionalIntegral
from learners.baselines.predictive import PredictiveController
from learners.baselines.tracking_lqr import TrackingLqr

__all__ = [
    "Controller",
    "LoopPair",
    "OpenLoop",
    "PredictiveController",
    "ProportionalIntegral",
    "TrackingLqr",
    "TrainedPolicy",
]
