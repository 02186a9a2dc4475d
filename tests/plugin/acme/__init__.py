"""Factors and data of a company that factorgraph has never heard of."""
