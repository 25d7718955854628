"""What is true: state file, logs, reasons, statuses, history."""
