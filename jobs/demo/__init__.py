"""What `make demo` trains: the project's own sample dataset, and the job that learns it. Plain Python."""
