"""A package by its own name: a library that ships its tests would hide it otherwise."""
