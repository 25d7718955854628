"""Changing the configuration: forms, editor, plan, mistakes."""
