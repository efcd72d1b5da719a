"""What lies in the folder of a run, by name: the portal writes the first two, the trainer the others."""

RUN_FILE = "run.json"
ROWS_FILE = "train.jsonl"
EVENTS_FILE = "events.jsonl"
RESULT_FILE = "result.json"
OUTPUT = "output"
