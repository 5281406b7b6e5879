"""Where files of the tests' small study lie."""

SCENES = "resources/shapes/seed=0-train_scenes=60-val_scenes=10"
"""What is drawn for it, from its folder on: the fixture `shapes_study`."""
