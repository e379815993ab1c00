"""The whole core on virtual time: a virtual Asterisk, people, faults, and what always holds.

One seed is one history. ``story`` is what is to happen, as data; ``authors`` draw it from a seed;
``world`` lets it happen; ``invariants`` watch; ``shortening`` finds the shortest story that still
fails; ``run`` does many seeds.
"""
