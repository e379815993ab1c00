"""What an installation is told: a TOML file, menus in YAML, and passwords it makes itself.

``load.load_settings`` loads a file: ``model`` has the shapes, ``reading`` holds a file against a
shape, ``checks`` its parts against each other. ``credentials`` makes the passwords.
"""
