"""From rows to token ids and labels, exactly as the trainer trains them, and the account of what becomes of each."""
