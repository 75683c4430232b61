"""The contracts, tried by somebody who has read nothing but them."""
