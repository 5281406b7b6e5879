"""Generative adversarial networks on small grey pictures: trained, sampled, measured."""
