"""What others publish and a centre listens to: asked for only where the settings name an address.

``autogempa`` reads BMKG's format, ``bmkg`` fetches it.
"""
