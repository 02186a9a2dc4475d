"""Ways out: a spec as one file of plain torch, a procedure of a run as a program of another format."""
