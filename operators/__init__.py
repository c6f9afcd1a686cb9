"""The Kubernetes operator: it wakes up, reads the world, asks the library what to do, and does it."""
