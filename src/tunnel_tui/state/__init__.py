"""What is recorded: the shared state file, our records of starts, the history."""
