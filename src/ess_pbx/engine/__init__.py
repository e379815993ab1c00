"""The shell around the core: it carries effects out and feeds what happened back as events."""
