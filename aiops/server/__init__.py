"""The gRPC service: what callers send becomes domain types, one use case is called, its answer goes back."""
