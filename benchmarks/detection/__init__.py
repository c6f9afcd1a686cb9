"""How many real incidents each detector finds at a given number of false alerts."""
