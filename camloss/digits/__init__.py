"""What the drawing demo needs: preprocess, rasterize, corruptions, stroke topology, pen strokes."""
