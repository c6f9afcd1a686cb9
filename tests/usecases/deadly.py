"""A forecaster that takes its process with it, or fails in a way nobody foresaw, when it meets a certain series."""

import os
import signal
from dataclasses import dataclass

from aiops.backtest import training
from aiops.forecasting.catalog import path_forecaster


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadly:
    name: str = "deadly"

    def forecast(self, history, horizon, levels):
        meet(history.keys)
        return path_forecaster("fleet").forecast(history, horizon, levels)


def train(shard):
    """Train as the real one does, if it lives to do so."""
    meet(shard.frame.keys)
    return training.train(shard)


def meet(keys):
    names = {key.name for key in keys}
    if "killer" in names:
        os.kill(os.getpid(), signal.SIGKILL)
    if "riddle" in names:
        raise ZeroDivisionError("no model is defined for it")
