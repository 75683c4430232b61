"""The reference: one record, one person, one statement at a time.

Written from the consent model alone, in plain Python over dicts and datetimes, to
be read beside it and to judge the vectorised kernel. It shares no code with
`consentfilter.consent`, `consentfilter.binding` or `consentfilter.decide`.

Where the model is silent or speaks with two voices, a comment that starts with
"Choice:" says what was chosen; the choice always fails closed.
"""
