"""The report as one HTML file: its sections, and the trials packed into it. The templates lie in ``reports/templates``."""
