"""A first policy and binding for a dump that nobody has described yet."""
