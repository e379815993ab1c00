"""The HTTP API, its live feed and the control socket, inside the engine's process."""
