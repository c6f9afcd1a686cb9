"""How odd a point is: detectors behind one protocol, with one meaning of a score."""
