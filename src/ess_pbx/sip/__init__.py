"""Pure parsers of what SIP carries: numbers, and later headers and locations."""
