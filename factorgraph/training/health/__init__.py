"""What is watched while a phase learns, one measure a file: what it tells, from where on something is wrong, and what helps."""
