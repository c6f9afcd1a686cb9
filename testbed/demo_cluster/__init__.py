"""What `make demo-cluster` shows: the whole project on a real control plane, beside the plain HPA."""
