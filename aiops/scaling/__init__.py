"""From forecast demand to replicas: policy, decision, loop."""
