"""What a line of a tunnel's log means: who said it, whether the forward stands, what failed."""
