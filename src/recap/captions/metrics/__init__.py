"""What captions are worth, counted on their words: CIDEr-D, BLEU and ROUGE-L."""
