"""Measurements that print a table and write a result file: python -m benchmarks.<part>."""
