"""What lies in the folder of a run, by name: the portal writes the first two and the lease, the trainer the others."""

RUN_FILE = "run.json"
ROWS_FILE = "train.jsonl"
EVENTS_FILE = "events.jsonl"
RESULT_FILE = "result.json"
LEASE_FILE = "lease.json"
OUTPUT = "output"
RANKS = "ranks"
"""What the processes of a run on several GPUs have to say, a file each, and the one at which they meet."""

LINE = "_line"
"""A column of ROWS_FILE that is carried along and never trained on: a row's line in the dataset, where it is known."""
CHECKPOINTS = "checkpoints"
