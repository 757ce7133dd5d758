"""Charts as Vega-Lite specifications. ``run`` lists those of a report, ``vega`` says how they look and draws them."""

__all__ = ["run", "vega"]
