"""Log files as files: their ends, following, rotation; nothing of what ssh says in them."""
