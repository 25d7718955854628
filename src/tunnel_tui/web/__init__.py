"""The app in a browser and JSON beside it, behind one door (extra `[web]`)."""
