"""Airflow DAGs: when and in what order; the work itself is in aiops.usecases."""
