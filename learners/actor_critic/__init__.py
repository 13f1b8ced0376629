"""What actor-critics share: networks, replay, rollouts, multipliers, checkpoints, policies.

One algorithm is one file that stands on this: :mod:`learners.lac`, :mod:`learners.dlac`. torch is
imported by the modules here that compute with it, and only when something is trained.
"""
