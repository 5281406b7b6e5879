"""Small grey pictures in classes, in MNIST's four files: downloaded, drawn, or your own."""
