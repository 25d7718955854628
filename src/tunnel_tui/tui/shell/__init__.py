"""The app and its main screen: header, footer, palette, what holds the features together."""
