"""From captions to words in numbers; the formulas of scores."""
