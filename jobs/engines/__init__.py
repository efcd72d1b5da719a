"""What runs jobs: so far this machine itself."""
