"""The watcher: reconcile, retry, guard of logins, maintenance."""
