"""The full-screen app: widgets show, screens arrange, the engine decides."""
