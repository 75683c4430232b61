"""The Beam engine: the same decision on whatever runs Apache Beam pipelines.

Only this package (and `consentfilter.beam`, its public face) imports apache_beam.
"""
