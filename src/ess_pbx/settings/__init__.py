"""What an installation is told: a TOML file, menus in YAML, and passwords it makes itself.

``load.load_settings`` reads and checks, ``model`` has the shapes, ``credentials`` the passwords.
"""
