"""The collinear line search: lines through centres, and the choice of points on them."""
