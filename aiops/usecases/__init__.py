"""Ports and core put in order, one module a journey."""
