"""A process that has imported the training libraries once, and forks a child for each piece of work."""
