"""Contractive autoencoders."""
from contractive.jacobian import jacobian, plan, singular_values, squared_norm, value_and_squared_norm
