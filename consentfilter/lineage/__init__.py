"""Evidence: row digests, commitments, manifest, proofs, and who checks them."""
