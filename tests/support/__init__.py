"""What the tests stand on: real servers, isolated environments, waiting with a deadline."""
