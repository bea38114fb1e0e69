"""Batching rules of the operators, loaded when vmap is first used."""
