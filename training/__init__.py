"""Train and evaluate the ARGAN generators; run from a checkout as ``python -m training``."""
