"""What goes over the wire: generated from protos/ by `make api`, except for the __init__ files. Never edited."""
