"""Replaying history: rolling origins, a simulated workload, outcomes and reports."""
