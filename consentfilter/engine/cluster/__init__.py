"""What engines on several machines share, whatever runs them.

A run is planned in one place, done in many, and finished in one: what decides travels
by digest, attempts at parts write under names of their own, and one commit per part
gives them their final names. Nothing here knows Beam or Spark.
"""
