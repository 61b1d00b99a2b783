"""The page as people use it: the real app in real Chromium."""
