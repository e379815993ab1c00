"""Between two installations of ess-pbx: what they say to each other, signed (decisions/0021)."""
