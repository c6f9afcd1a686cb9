"""What a scheduler such as Airflow calls: one function a task, plain JSON in and out, and files between the tasks."""
