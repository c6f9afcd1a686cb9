"""How good and how slow every path forecaster of the catalog is, on a sample of real series."""
