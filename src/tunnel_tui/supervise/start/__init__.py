"""One way to start: launch, limiter, result."""
