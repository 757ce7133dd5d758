"""The report as one HTML file: its sections, and the trials packed into it. Its templates lie in ``templates``."""

__all__ = ["page"]
