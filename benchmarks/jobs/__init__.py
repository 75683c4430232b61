"""Hand-written jobs that the filter is compared with; each is a whole process."""
