"""Properties: what holds whatever happens, searched for by Hypothesis."""
