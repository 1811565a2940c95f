"""Faster forms of the network's computations on a CPU: matrix products, cells, gradients of loops, cross-entropy.

The network is understood without this chapter, whose results are those of the plain formulas but for rounding. Read
products.py first, then loop_gradients.py for the gradients of tensors that every step uses. Imports torch and its own
modules only.
"""
