"""ess-pbx: the engine of a 112 emergency call centre."""
