"""Fits that do what libraries do on a bad day; they run in the process of ``limited``."""

import importlib
import os
import time

import numpy as np


def sleeps(series, horizon):
    time.sleep(60)


def naps(series, horizon):
    time.sleep(horizon / 10)
    return np.zeros(horizon)


def eats(series, horizon):
    return np.ones(10**9)[:horizon]


def dies(series, horizon):
    os._exit(11)


def raises(series, horizon):
    raise ArithmeticError("it does not converge")


def prints(series, horizon):
    print("iteration 1")
    return np.full(horizon, series.values[-1])


def threads(series, horizon):
    found = importlib.import_module("threadpoolctl").threadpool_info()
    return np.array([each["num_threads"] for each in found], dtype=np.float64)
