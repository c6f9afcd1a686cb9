"""What the service adds to a bare gRPC call, and whether a new bundle costs one."""
